"""A report on demand: while it is made, when it is there, when it failed."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter
from starlette.responses import Response

from whydrift.monitor.report import report_style
from whydrift.monitor.service.report_queue import ReportJob, ReportState
from whydrift.monitor.service.web.links import Links
from whydrift.monitor.service.web.pages.shell import html_page
from whydrift.monitor.service.web.requests import LinksOf, ServiceOf
from whydrift.monitor.service.web.security.headers import content_policy

__all__ = ["report_page", "router"]

router: Final = APIRouter()


@router.get("/reports/{identity}")
def report(identity: str, service: ServiceOf, links: LinksOf) -> Response:
    """Return a report on demand."""
    from whydrift.monitor.service.web.api.reports import job_of

    return report_page(job_of(service, identity), links)


def report_page(job: ReportJob, links: Links) -> Response:
    """Return the page of a report, in whatever state it is."""
    if job.state is ReportState.DONE and job.html is not None:
        policy = {"Content-Security-Policy": content_policy(styles=[report_style()])}
        return Response(job.html, 200, policy, "text/html")
    headers = {} if job.state.is_over else {"Refresh": "1"}
    return html_page(links, "report.waiting.html.j2", title="Report", headers=headers, job=job)
