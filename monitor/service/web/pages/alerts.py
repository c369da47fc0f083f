"""Episodes: what fires, what is about to, and what was."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from fastapi import APIRouter
from starlette.responses import Response

from whydrift.monitor.service.web.links import Links
from whydrift.monitor.service.web.pages.shell import page
from whydrift.monitor.service.web.requests import LinksOf, ServiceOf
from whydrift.monitor.store.state import AlertRecord, AlertState

__all__ = ["ShownAlert", "router", "shown_alerts"]

router: Final = APIRouter()

_PAST: Final = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class ShownAlert:
    """An episode as pages show it.

    Parameters
    ----------
    record : AlertRecord
    page : str, optional
        Where its report is.
    is_configured : bool
        Whether its monitor is.
    """

    record: AlertRecord
    page: str | None
    is_configured: bool

    @property
    def opened(self) -> datetime:
        """End of the first window that rejected."""
        return datetime.fromtimestamp(self.record.episode.opened, UTC)

    @property
    def columns(self) -> list[str]:
        """What was named when it was last told."""
        named = self.record.details.get("columns")
        return list(named) if named else sorted(self.record.episode.columns)

    @property
    def earlier(self) -> list[str]:
        """What was named before, and then no more."""
        return sorted(self.record.episode.columns - {*self.columns})

    @property
    def summary(self) -> str:
        """What the diagnosis says, less the columns that stand before it."""
        said = str(self.record.details.get("summary", ""))
        return said.removeprefix(f"{', '.join(self.columns)}: ")

    @property
    def accepted(self) -> str:
        """Why it was accepted; empty where it was not."""
        return str(self.record.details.get("accepted", ""))


def shown_alerts(
    records: Iterable[AlertRecord], state: AlertState, links: Links, configured: Iterable[str]
) -> list[ShownAlert]:
    """Return those of a state, the newest first."""
    chosen = [r for r in records if r.state is state]
    chosen.sort(key=lambda r: (-r.episode.last, r.monitor, r.key.segment))
    known, shown = set(configured), []
    for record in chosen:
        page = None if record.result is None else links.page("diagnoses", record.result)
        shown.append(ShownAlert(record, page, record.monitor in known))
    return shown


@router.get("/alerts")
def alerts(service: ServiceOf, links: LinksOf) -> Response:
    """Return all episodes that last, and those of the last month."""
    store, since = service.store, service.clock() - _PAST
    records = (
        *store.list_alerts(states=(AlertState.FIRING, AlertState.PENDING)),
        *store.list_alerts(states=(AlertState.RESOLVED,), since=since),
    )
    names = [m.name for m in service.config().monitors]
    order = (AlertState.FIRING, AlertState.PENDING, AlertState.RESOLVED)
    groups = [(state.value, shown_alerts(records, state, links, names)) for state in order]
    return page(service, "alerts.html.j2", title="Alerts", groups=groups)
