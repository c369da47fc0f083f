"""Where a report stands among our pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from whydrift.monitor.report import Place

if TYPE_CHECKING:
    from whydrift.monitor.service.report_queue import ReportJob
    from whydrift.monitor.service.web.links import Links

__all__ = ["diagnosis_place", "report_place"]


def diagnosis_place(
    links: Links, identity: str, monitor: str | None, *, has_pictures: bool
) -> Place:
    """Return that of a stored diagnosis."""
    more = [("as JSON", links.api("diagnoses", identity))]
    if monitor is not None:
        more.append(("compare other windows", links.page("compare", monitor=monitor)))
    pictures = None if has_pictures else links.page("diagnoses", identity, pictures="yes")
    return Place(_up(links, monitor), tuple(more), pictures, _course(links, monitor))


def report_place(job: ReportJob, links: Links) -> Place:
    """Return that of a report on demand."""
    more = (
        ("as JSON", links.api("reports", job.id)),
        ("compare other windows", links.page("compare", monitor=job.request.monitor)),
    )
    monitor = job.request.monitor
    return Place(_up(links, monitor), more, course=_course(links, monitor))


def _course(links: Links, monitor: str | None) -> str | None:
    return None if monitor is None else links.page("monitors", monitor) + "#windows"


def _up(links: Links, monitor: str | None) -> tuple[tuple[str, str], ...]:
    up = (("whydrift", links.page()),)
    return up if monitor is None else (*up, (monitor, links.page("monitors", monitor)))
