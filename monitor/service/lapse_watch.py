"""Tells people directly of lapses: each once when it begins, and once when it is over."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from whydrift.monitor.service.alert_names import alert_severity
from whydrift.monitor.service.lapses import LAPSES, LapseKey, lapses_of
from whydrift.monitor.service.notify.messages import messages
from whydrift.monitor.service.notify.notice import Notice, NoticeStep
from whydrift.monitor.store.state import Lapse, LapseKind

if TYPE_CHECKING:
    from whydrift.monitor.config.model import Config
    from whydrift.monitor.config.monitor import Monitor
    from whydrift.monitor.service.board import MonitorView
    from whydrift.monitor.service.clock import Clock
    from whydrift.monitor.store.store import Store

__all__ = ["LapseWatch", "tell_lapses"]


class LapseWatch:
    """Remembers what was told of the monitors of one daemon; the store remembers it for all.

    Nothing is written where a configuration tells nobody: Prometheus has rules of its own.

    Parameters
    ----------
    store : Store
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._told: dict[str, Mapping[LapseKind, Lapse]] = {}
        self._late_since: dict[str, datetime] = {}

    def turn(
        self,
        config: Config,
        views: Mapping[str, MonitorView],
        held: Collection[str],
        now: datetime,
        *,
        is_final: bool = False,
    ) -> None:
        """Tell what began and what is over.

        Parameters
        ----------
        config : Config
        views : mapping of str to MonitorView
            As they are now.
        held : collection of str
            Monitors that nobody else judges.
        now : datetime
        is_final : bool
            Whether nothing is still to be caught up with: a result counts as late since it was due,
            not since it was first seen to be.

        Raises
        ------
        StoreError
            If the store cannot be read or written.
        """
        if not config.notify:
            self._told.clear()
            return
        monitors = {m.name: m for m in config.monitors if m.name in held and m.name in views}
        # Of what another daemon judged meanwhile, it wrote what was told.
        self._told = {name: told for name, told in self._told.items() if name in monitors}
        for name, monitor in monitors.items():
            if name not in self._told:
                self._told[name] = _by_kind(self._store.list_lapses(name))
            late_since = self._late(views[name], now, is_final=is_final)
            lasting = {k: one for k, one in self._told[name].items() if one.until is None}
            found = lapses_of(views[name], now, late_since=late_since, lasting=lasting)
            for kind in LapseKind:
                if (kind in found) != (kind in lasting):
                    self._tell(config, monitor, kind, found.get(kind), now)

    def _late(self, view: MonitorView, now: datetime, *, is_final: bool) -> datetime:
        if view.next_due is None or view.next_due >= now:
            self._late_since.pop(view.name, None)
            return now
        if is_final:
            return view.next_due
        return min(now, self._late_since.setdefault(view.name, now))

    def _tell(
        self, config: Config, monitor: Monitor, kind: LapseKind, text: str | None, now: datetime
    ) -> None:
        known = self._told[monitor.name].get(kind)
        if text is None:
            assert known is not None
            changed = Lapse(monitor.name, kind, known.since, now, LAPSES[kind].over)
        else:
            changed = Lapse(monitor.name, kind, now, None, text)
        notice = Notice(
            NoticeStep.OPENED if changed.until is None else NoticeStep.RESOLVED,
            monitor.name,
            LapseKey(kind),
            alert_severity(kind, monitor.alert.severity),
            changed.since,
            None,
            "",
            summary=changed.text,
            team=monitor.alert.team,
        )
        self._store.put_lapse(changed, messages(config, notice), after=known)
        # As it is kept: another daemon may have been first.
        self._told[monitor.name] = _by_kind(self._store.list_lapses(monitor.name))


def tell_lapses(config: Config, store: Store, names: Collection[str], clock: Clock) -> None:
    """Tell what is wrong with the watching of monitors, after all that was due was tried.

    For a process that does not stay.

    Raises
    ------
    StoreError
        If the store cannot be read or written.
    """
    from whydrift.monitor.service.board import Board

    if not config.notify:
        return
    board, now = Board(), clock()
    if board.refresh(store, config, now):
        LapseWatch(store).turn(config, board.view.monitors, names, now, is_final=True)


def _by_kind(lapses: Collection[Lapse]) -> Mapping[LapseKind, Lapse]:
    return {lapse.kind: lapse for lapse in lapses}
