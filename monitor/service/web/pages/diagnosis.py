"""A stored diagnosis as the page of its report."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from whydrift.monitor.diagnosis.diagnosis import Diagnosis
from whydrift.monitor.report import render_html, report_style
from whydrift.monitor.service.web.answers import kept_answer
from whydrift.monitor.service.web.links import Links
from whydrift.monitor.service.web.places import diagnosis_place
from whydrift.monitor.service.web.requests import LinksOf, ServiceOf
from whydrift.monitor.service.web.security.headers import content_policy

__all__ = ["diagnosis_page", "router"]

router: Final = APIRouter()


@router.get("/diagnoses/{identity}")
def diagnosis(
    identity: str,
    request: Request,
    service: ServiceOf,
    links: LinksOf,
    pictures: Annotated[Literal["yes", "no"], Query()] = "no",
) -> Response:
    """Return a diagnosis; with pictures of the windows where these are asked for."""
    from whydrift.monitor.service.reports import with_pictures
    from whydrift.monitor.service.web.api.diagnoses import stored_diagnosis

    stored = stored_diagnosis(service, identity)
    if pictures == "no":
        return diagnosis_page(request, stored, links)
    drawn = with_pictures(service.config(), service.store, Diagnosis.from_dict(stored))
    return diagnosis_page(request, stored, links, drawn)


def diagnosis_page(
    request: Request, stored: dict[str, Any], links: Links, drawn: Diagnosis | None = None
) -> Response:
    """Return the page of a diagnosis.

    Parameters
    ----------
    request : Request
    stored : dict
        As it is kept.
    links : Links
    drawn : Diagnosis, optional
        The same with the windows to draw.
    """
    found = drawn or Diagnosis.from_dict(stored)
    has_pictures = drawn is not None
    place = diagnosis_place(links, found.id, found.monitor, has_pictures=has_pictures)
    return kept_answer(
        request,
        render_html(found, place=place),
        tag=f"{found.id}-{version('whydrift')}-{'p' if has_pictures else 'n'}{links.prefix}",
        media_type="text/html",
        policy=content_policy(styles=[report_style()]),
    )
