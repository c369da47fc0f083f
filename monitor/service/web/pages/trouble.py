"""What went wrong, for a person."""

from __future__ import annotations

from starlette.responses import Response

from whydrift.monitor.service.web.links import Links
from whydrift.monitor.service.web.pages.shell import html_page
from whydrift.monitor.service.web.problems import Problem

__all__ = ["trouble_page"]


def trouble_page(problem: Problem, links: Links) -> Response:
    """Return the page that tells a problem."""
    headers = {"Cache-Control": "no-store", **problem.headers}
    return html_page(
        links, "trouble.html.j2", title=problem.title, status=problem.status, headers=headers,
        problem=problem,
    )  # fmt: skip
