"""Reports on demand: asked for, waited for, read."""

from __future__ import annotations

import re
from typing import Any, Final

from fastapi import APIRouter
from starlette.responses import Response

from whydrift.discovery.errors import OptionError
from whydrift.monitor.service.report_queue import ReportJob, ReportState
from whydrift.monitor.service.reports import ReportRequest, Side
from whydrift.monitor.service.web.answers import json_answer
from whydrift.monitor.service.web.api.bodies import ReportBody, ReportSide
from whydrift.monitor.service.web.links import Links
from whydrift.monitor.service.web.moments import written
from whydrift.monitor.service.web.pages.report import report_page
from whydrift.monitor.service.web.problems import Problem, Refused
from whydrift.monitor.service.web.requests import LinksOf, ServiceOf, known_monitor
from whydrift.monitor.service.web.service import Service

__all__ = ["job_of", "router"]

router: Final = APIRouter(tags=["reports"])

_ID: Final = re.compile(r"^[0-9a-f]{32}$", re.ASCII)

_GONE: Final = Problem(
    404, "report",
    "There is no report of this id here. One is kept for web.reports.keep by the daemon that made "
    "it, until that restarts; made anew from the same windows it says the same: ask for it again "
    "by POST /api/v1/reports, or on the page /compare.",
)  # fmt: skip


@router.post("/reports")
def ask(body: ReportBody, service: ServiceOf, links: LinksOf) -> Response:
    """Ask why any kept windows differ from any others; read the answer at ``Location``."""
    known_monitor(service, body.monitor)
    request = ReportRequest(
        body.monitor, _side(body.reference, "reference"), _side(body.current, "current")
    )
    job = service.reports.submit(request)
    return json_answer(_view(job, links), 202, {"Location": links.api("reports", job.id)})


# The longer path first: {identity} would take the ending too.
@router.get("/reports/{identity}.html")
def report_html(identity: str, service: ServiceOf, links: LinksOf) -> Response:
    """Return a report as a page; while it is made, one that asks again."""
    return report_page(job_of(service, identity), links)


@router.get("/reports/{identity}")
def report(identity: str, service: ServiceOf, links: LinksOf) -> Response:
    """Return how far a report is, and once it is there, its diagnosis."""
    job = job_of(service, identity)
    again = {} if job.state.is_over else {"Retry-After": "1"}
    return json_answer(_view(job, links), headers=again)


def job_of(service: Service, identity: str) -> ReportJob:
    """Return a report that was asked for.

    Raises
    ------
    Refused
        If there is none.
    """
    found = service.reports.find(identity) if _ID.match(identity) else None
    if found is None:
        raise Refused(_GONE)
    return found


def _side(body: ReportSide, field: str) -> Side:
    try:
        return Side(body.start, body.end, body.segment, body.version)
    except OptionError as error:
        raise Refused(Problem(422, "time", f"{error.what}. {error.remedy}", field)) from None


def _view(job: ReportJob, links: Links) -> dict[str, Any]:
    value: dict[str, Any] = {
        "id": job.id,
        "monitor": job.request.monitor,
        "state": job.state.value,
        "asked": written(job.asked),
        "error": job.error,
        "url": links.api("reports", job.id),
    }
    if job.state is ReportState.DONE:
        value |= {"html": links.api("reports", f"{job.id}.html"), "diagnosis": job.diagnosis}
    return value
