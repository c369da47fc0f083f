"""Episodes: what fires, what is about to, and what was."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from fastapi import APIRouter
from starlette.responses import Response

from whydrift.monitor.service.web.api.views import alert_view
from whydrift.monitor.service.web.pages.shell import page
from whydrift.monitor.service.web.requests import LinksOf, ServiceOf
from whydrift.monitor.store.state import AlertState

__all__ = ["router"]

router: Final = APIRouter()

_PAST: Final = timedelta(days=30)


@router.get("/alerts")
def alerts(service: ServiceOf, links: LinksOf) -> Response:
    """Return all episodes that last, and those of the last month."""
    since = service.clock() - _PAST
    store = service.store
    open_ones = store.list_alerts(states=(AlertState.FIRING, AlertState.PENDING))
    past = store.list_alerts(states=(AlertState.RESOLVED,), since=since)
    known = {m.name: m.alert.severity for m in service.config().monitors}

    def shown(state: AlertState) -> list[dict[str, object]]:
        chosen = [a for a in (*open_ones, *past) if a.state is state]
        chosen.sort(key=lambda a: a.episode.last, reverse=True)
        return [
            {**alert_view(a, known.get(a.monitor), links), "is_known": a.monitor in known,
             "page": None if a.result is None else links.page("diagnoses", a.result)}
            for a in chosen
        ]  # fmt: skip

    return page(
        service, "alerts.html.j2", title="Alerts",
        groups=[(state.value, shown(state)) for state in AlertState],
    )  # fmt: skip
