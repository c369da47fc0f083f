"""The form that asks for a report: any kept windows against any others."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Final

from fastapi import APIRouter, Query
from starlette.responses import Response

from whydrift.monitor.service.web.pages.shell import page
from whydrift.monitor.service.web.requests import ServiceOf, known_monitor
from whydrift.monitor.window.interval import Interval

__all__ = ["router"]

router: Final = APIRouter()

_MOST_OFFERED: Final = 400


@router.get("/compare")
def compare(
    service: ServiceOf, monitor: Annotated[str | None, Query(max_length=200)] = None
) -> Response:
    """Return the form; with a monitor, also what is kept of it."""
    names = sorted(m.name for m in service.config().monitors)
    if monitor is None and len(names) == 1:
        monitor = names[0]
    spans: list[Interval] = []
    segments: list[str] = []
    versions: list[str] = []
    if monitor is not None:
        known_monitor(service, monitor)
        kept = [r for r in service.store.list_snapshots(monitor=monitor) if r.rows]
        spans = sorted({r.key.interval for r in kept})
        segments = sorted({r.key.segment for r in kept} - {""})
        versions = sorted({r.part for r in kept} - {""})
    return page(
        service, "compare.html.j2", title="Compare", scripts=("ask.js",), monitor=monitor,
        names=names, spans=spans, starts=_latest(s.start for s in spans),
        ends=_latest(s.end for s in spans), segments=segments, versions=versions,
    )  # fmt: skip


def _latest(moments: Iterable[datetime]) -> list[datetime]:
    """Return the latest moments to offer, each once: windows of other lengths share them."""
    return sorted(set(moments))[-_MOST_OFFERED:]
