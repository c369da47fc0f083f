"""Which past windows lie within an alert, whatever they show by themselves."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, Final

from whydrift.monitor.diagnosis.alarm_budget import WHOLE
from whydrift.monitor.diagnosis.diagnosis import told_slow
from whydrift.monitor.diagnosis.headline import has_other_model
from whydrift.monitor.store.state import AlertRecord, AlertState

if TYPE_CHECKING:
    from whydrift.monitor.store.store import Store
    from whydrift.monitor.window.interval import Interval

__all__ = ["alerts_over"]

_ANNOUNCED: Final = (AlertState.FIRING, AlertState.RESOLVED)


def alerts_over(
    store: Store, monitor: str, segment: str, windows: Collection[Interval]
) -> dict[Interval, tuple[str, ...]]:
    """Return the kinds of the alerts that each window lies within; none where it lies in none.

    An alert lasts from the window that began it to the one that resolved it, which is not a part
    of it. Those of the whole count for its segments too, which have none of the kind meanwhile. A
    window that was judged again since, as its data were mended, and shows nothing, is free.

    Parameters
    ----------
    store : Store
    monitor : str
    segment : str
        Empty for the whole.
    windows : collection of Interval
        Past ones.

    Raises
    ------
    StoreError
        If it cannot be read.
    """
    alerts = [
        alert
        for alert in store.list_alerts(monitor=monitor, states=_ANNOUNCED)
        if alert.key.segment in {WHOLE, segment}
    ]
    found = {}
    for window in windows:
        kinds = sorted({alert.key.kind.value for alert in alerts if _is_within(window, alert)})
        if kinds:
            found[window] = tuple(kinds)
    if not found:
        return found
    free = _mended(store, monitor, segment, found)
    return {window: kinds for window, kinds in found.items() if window not in free}


def _is_within(window: Interval, alert: AlertRecord) -> bool:
    has_begun = alert.episode.opened <= window.end.timestamp()
    return has_begun and (alert.resolved is None or window.end < alert.resolved)


def _mended(
    store: Store, monitor: str, segment: str, windows: Collection[Interval]
) -> set[Interval]:
    """Return the windows whose first judgement was replaced, by one that shows nothing."""
    start, end = min(w.start for w in windows), max(w.end for w in windows)
    records = [
        record
        for record in store.list_results(
            monitor=monitor, segment=segment, start=start, end=end, current=None
        )
        if record.key.interval in windows
    ]
    again = {record.key.interval for record in records if not record.current}
    loud = {
        record.key.interval
        for record in records
        if record.current
        and record.key.interval in again
        and _shows_something(store.get_result(record.id))
    }
    return again - loud


def _shows_something(said: Mapping[str, Any] | None) -> bool:
    return said is None or bool(
        said["verdict"] != "none"
        or said["fault"]
        or said["conditional_shift"]
        or has_other_model(said)
        or said["graph_change"]
        or told_slow(said)
    )
