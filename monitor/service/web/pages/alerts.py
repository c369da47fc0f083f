"""Episodes: what fires, what is about to, and what was."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from fastapi import APIRouter
from starlette.responses import Response

from whydrift.monitor.diagnosis.words import joined
from whydrift.monitor.service.web.links import Links
from whydrift.monitor.service.web.pages.shell import page
from whydrift.monitor.service.web.requests import LinksOf, ServiceOf
from whydrift.monitor.store.state import AlertRecord, AlertState
from whydrift.monitor.window.by_rows import RowWindows

if TYPE_CHECKING:
    from whydrift.monitor.config.monitor import Monitor
    from whydrift.monitor.store.store import Store

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
    monitor : Monitor, optional
        None where it is no longer configured.
    store : Store
        Asked where windows begin that are not cut by time.
    """

    record: AlertRecord
    page: str | None
    monitor: Monitor | None
    store: Store

    @property
    def is_configured(self) -> bool:
        """Whether its monitor is."""
        return self.monitor is not None

    @property
    def opened(self) -> datetime:
        """Start of the first window that rejected: windows have their names from it."""
        return self._start(datetime.fromtimestamp(self.record.episode.opened, UTC))

    @property
    def resolved(self) -> datetime | None:
        """Start of the window that resolved it."""
        end = self.record.resolved
        return None if end is None else self._start(end)

    def _start(self, end: datetime) -> datetime:
        plan = None if self.monitor is None else self.monitor.window.cut()
        if plan is not None and not isinstance(plan, RowWindows):
            return plan.ending(end).start
        found = self.store.page_windows(self.record.monitor, "", end=end, limit=1)
        return found[0].start if found and found[0].end == end else end

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
        return said.removeprefix(f"{joined(self.columns)}: ")

    @property
    def accepted(self) -> str:
        """Why it was accepted; empty where it was not."""
        return str(self.record.details.get("accepted", ""))


def shown_alerts(
    records: Iterable[AlertRecord], state: AlertState, links: Links,
    configured: Mapping[str, Monitor], store: Store,
) -> list[ShownAlert]:  # fmt: skip
    """Return those of a state, the newest first."""
    chosen = [r for r in records if r.state is state]
    chosen.sort(key=lambda r: (-r.episode.last, r.monitor, r.key.segment))
    shown = []
    for record in chosen:
        page = None if record.result is None else links.page("diagnoses", record.result)
        shown.append(ShownAlert(record, page, configured.get(record.monitor), store))
    return shown


@router.get("/alerts")
def alerts(service: ServiceOf, links: LinksOf) -> Response:
    """Return all episodes that last, and those of the last month."""
    store, since = service.store, service.clock() - _PAST
    records = (
        *store.list_alerts(states=(AlertState.FIRING, AlertState.PENDING)),
        *store.list_alerts(states=(AlertState.RESOLVED,), since=since),
    )
    known = {m.name: m for m in service.config().monitors}
    order = (AlertState.FIRING, AlertState.PENDING, AlertState.RESOLVED)
    groups = [(state.value, shown_alerts(records, state, links, known, store)) for state in order]
    return page(service, "alerts.html.j2", title="Alerts", groups=groups)
