"""Of one drift one page: which changes of alerts people are told directly, and which are held back.

A changed mechanism mostly shows in the direct test of P(target given inputs) and in the graph too.
One of another column does not: that of the predictions says nothing of the target.
All three are alerts, with series and pages of their own; Alertmanager is told of each, and inhibits
by its own rules. Who is told directly is told of the mechanism, and what else fires beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from whydrift.monitor.diagnosis.alert import AlertKey, AlertKind
from whydrift.monitor.diagnosis.episode import Episode, Step
from whydrift.monitor.service.notify.notice import NoticeStep
from whydrift.monitor.store.state import AlertChange, AlertRecord, AlertState

__all__ = ["HELD_BY", "OnePage", "Told", "one_page"]

HELD_BY: Final = "held_by"  # in an alert's details: the kind whose message speaks for it too
_HOLDS: Final = AlertKind.MECHANISM
_HELD: Final = (AlertKind.CONDITIONAL, AlertKind.GRAPH)
# Of what else happens to an episode nobody is told.
_STEPS: Final = MappingProxyType(
    {
        Step.OPENED: NoticeStep.OPENED,
        Step.WIDENED: NoticeStep.CHANGED,
        Step.CLOSED: NoticeStep.RESOLVED,
    }
)


@dataclass(frozen=True, slots=True)
class Told:
    """One change that people are told of.

    Parameters
    ----------
    change : AlertChange
    step : NoticeStep
        As what it is told.
    also : tuple of AlertKind
        Alerts of the same target that fire beside it, and are held back.
    """

    change: AlertChange
    step: NoticeStep
    also: tuple[AlertKind, ...] = ()


@dataclass(frozen=True, slots=True)
class OnePage:
    """What is written of alerts, and what people are told.

    Parameters
    ----------
    changes : tuple of AlertChange
        Those that were given, with a mark on what is held back; and more of alerts of which people
        are told at last.
    told : tuple of Told
    """

    changes: tuple[AlertChange, ...]
    told: tuple[Told, ...]


def one_page(
    changes: Iterable[AlertChange], lasting: Iterable[AlertRecord], end: datetime
) -> OnePage:
    """Return what people are told of changes of a monitor's alerts.

    While a mechanism alert fires, conditional and graph alerts of the same segment, target and
    columns that open are told by its message alone. When it is resolved and they last, they are
    told then. Of one that opened before, which people know, they hear the end all the same.

    Parameters
    ----------
    changes : iterable of AlertChange
    lasting : iterable of AlertRecord
        The monitor's alerts that lasted until then.
    end : datetime
        Of the window that made the changes.
    """
    done = {change.key: change for change in changes}
    before = {r.key: r for r in lasting if r.state is AlertState.FIRING}
    firing = {key: known.episode for key, known in before.items() if key not in done} | {
        key: c.episode for key, c in done.items() if c.episode is not None and c.episode.is_firing
    }
    written: list[AlertChange] = []
    told: list[Told] = []
    for key, change in done.items():
        known = before.get(key)
        was_held = known is not None and HELD_BY in known.details
        if _is_held(key, firing) and (was_held or change.step is Step.OPENED):
            written.append(_held(change))
        elif was_held and change.step is Step.CLOSED:
            written.append(change)
        elif was_held:
            assert known is not None
            written.append(_released(known, end, change))
            told.append(Told(written[-1], NoticeStep.OPENED))
        else:
            written.append(change)
            step = _step(change, known, is_held=_is_held(key, firing))
            if step is not None:
                told.append(Told(change, step, _beside(key, step, firing)))
    for key, known in before.items():
        if key not in done and HELD_BY in known.details and not _is_held(key, firing):
            written.append(_released(known, end))
            told.append(Told(written[-1], NoticeStep.OPENED))
    return OnePage(tuple(written), tuple(told))


def _step(change: AlertChange, known: AlertRecord | None, *, is_held: bool) -> NoticeStep | None:
    if change.step is Step.CLOSED and known is None:
        return None  # it was pending: nobody knows of it
    if change.step is Step.WIDENED and is_held:
        return None
    return _STEPS.get(change.step)


def _is_held(key: AlertKey, firing: Mapping[AlertKey, Episode]) -> bool:
    """Whether the message of a mechanism alert speaks for an alert that fires, too."""
    mine, holding = firing.get(key), firing.get(replace(key, kind=_HOLDS))
    if key.kind not in _HELD or mine is None or holding is None:
        return False
    return any(_is_about(named, column) for named in mine.columns for column in holding.columns)


def _is_about(named: str, column: str) -> bool:
    """Whether what an alert names is a column, or an edge at it."""
    return named == column or named.startswith(f"{column} → ") or named.endswith(f" → {column}")


def _beside(
    key: AlertKey, step: NoticeStep, firing: Mapping[AlertKey, Episode]
) -> tuple[AlertKind, ...]:
    if key.kind is not _HOLDS or step is NoticeStep.RESOLVED:
        return ()
    others = (replace(key, kind=kind) for kind in _HELD)
    return tuple(other.kind for other in others if _is_held(other, firing))


def _held(change: AlertChange) -> AlertChange:
    """Return a change with the mark; one that says nothing leaves what was said, and the mark."""
    if not change.details:
        return change
    return replace(change, details={**change.details, HELD_BY: _HOLDS.value})


def _released(known: AlertRecord, end: datetime, change: AlertChange | None = None) -> AlertChange:
    """Return the change of an alert that people are told of now, without the mark."""
    if change is None:
        change = AlertChange(known.key, Step.UPDATED, known.episode, end)
    said: dict[str, Any] = dict(change.details or known.details)
    said.pop(HELD_BY, None)
    return replace(change, details=said)
