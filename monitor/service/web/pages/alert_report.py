"""The link of an alert: leads to the diagnosis that spoke of it last.

A rule of Prometheus knows monitor, segment, target and kind, and no diagnosis; its link stays the
same while the alert lasts (see ``alert_names.report_link``).
"""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Query
from starlette.responses import RedirectResponse

from whydrift.monitor.diagnosis.alert import AlertKind
from whydrift.monitor.service.web.requests import LinksOf, ServiceOf, known_monitor
from whydrift.monitor.store.state import AlertState

__all__ = ["router"]

router: Final = APIRouter()


@router.get("/monitors/{name}/report")
def alert_report(
    name: str,
    service: ServiceOf,
    links: LinksOf,
    segment: Annotated[str, Query(max_length=1000)] = "",
    target: Annotated[str | None, Query(max_length=1000)] = None,
    kind: AlertKind | None = None,
) -> RedirectResponse:
    """Lead to the report of an alert; to the newest, or the monitor's page, where there is none."""
    known_monitor(service, name)
    spoken = [
        alert
        for alert in service.store.list_alerts(monitor=name)
        if alert.result is not None
        and alert.key.segment == segment
        and target in {None, alert.key.target}
        and kind in {None, alert.key.kind}
    ]
    result = None
    if spoken:
        last = max(spoken, key=lambda a: (a.state is AlertState.FIRING, a.episode.last, a.id))
        result = last.result
    view = service.board().monitors.get(name)
    if result is None and view is not None:
        newest = view.newest(segment)
        result = None if newest is None else newest.id
    page = links.page("monitors", name) if result is None else links.page("diagnoses", result)
    # Another diagnosis may speak of it next: nothing may keep the answer.
    return RedirectResponse(page, 302, headers={"Cache-Control": "no-store"})
