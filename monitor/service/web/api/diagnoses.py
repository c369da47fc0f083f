"""Diagnoses: listed, one by one, as a page."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from whydrift.monitor.diagnosis.diagnosis import Verdict
from whydrift.monitor.service.web.answers import json_answer, kept_answer
from whydrift.monitor.service.web.api.views import result_view
from whydrift.monitor.service.web.cursor import Cursor
from whydrift.monitor.service.web.moments import read_moment
from whydrift.monitor.service.web.pages.diagnosis import diagnosis_page
from whydrift.monitor.service.web.problems import Problem, Refused
from whydrift.monitor.service.web.requests import LinksOf, ServiceOf
from whydrift.monitor.service.web.service import Service

__all__ = ["router", "stored_diagnosis"]

router: Final = APIRouter(tags=["diagnoses"])

_ID: Final = re.compile(r"^[0-9A-Za-z][0-9A-Za-z_-]{0,63}$", re.ASCII)


@router.get("/diagnoses")
def diagnoses(
    request: Request,
    service: ServiceOf,
    links: LinksOf,
    monitor: Annotated[str | None, Query(max_length=200)] = None,
    segment: Annotated[str | None, Query(max_length=1000, description="empty: the whole")] = None,
    stage: Literal["features", "labels"] | None = None,
    verdict: Verdict | None = None,
    start: Annotated[str | None, Query(alias="from", max_length=40)] = None,
    end: Annotated[str | None, Query(alias="to", max_length=40)] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    cursor: Annotated[str | None, Query(max_length=400)] = None,
) -> Response:
    """List the diagnoses that count, those of the newest windows first."""
    last = Cursor.read(cursor)
    found = service.store.page_results(
        monitor=monitor,
        segment=segment,
        stage=stage,
        verdict=None if verdict is None else verdict.value,
        start=None if start is None else read_moment(start, "from"),
        end=None if end is None else read_moment(end, "to"),
        after=None if last is None else (last.end, last.id),
        limit=limit + 1,
    )
    shown, following = found[:limit], None
    if len(found) > limit:
        at = Cursor(shown[-1].key.interval.end, shown[-1].id).encoded()
        following = links.api("diagnoses", **{**dict(request.query_params), "cursor": at})
    return json_answer({"diagnoses": [result_view(r, links) for r in shown], "next": following})


# The longer path first: {identity} would take the ending too.
@router.get("/diagnoses/{identity}.html")
def diagnosis_html(identity: str, request: Request, service: ServiceOf, links: LinksOf) -> Response:
    """Return a diagnosis as the page of its report."""
    return diagnosis_page(request, stored_diagnosis(service, identity), links)


@router.get("/diagnoses/{identity}")
def diagnosis(identity: str, request: Request, service: ServiceOf) -> Response:
    """Return a diagnosis; what stands at this address never changes."""
    found = stored_diagnosis(service, identity)
    return kept_answer(request, found, tag=identity, is_immutable=True)


def stored_diagnosis(service: Service, identity: str) -> dict[str, Any]:
    """Return a diagnosis by its id.

    Raises
    ------
    Refused
        If there is none.
    """
    found = service.store.get_result(identity) if _ID.match(identity) else None
    if found is None:
        raise Refused(Problem(404, "diagnosis", "There is no diagnosis of this id, or it expired."))
    return found
