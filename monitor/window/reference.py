"""Which past windows a window is judged against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from enum import StrEnum
from typing import assert_never

from whydrift.discovery.errors import ConfigError
from whydrift.monitor.window.duration import Duration
from whydrift.monitor.window.interval import Interval

__all__ = [
    "Exclusion", "FixedReference", "LastWindows", "PastWindow", "PreviousVersion", "Reference",
    "ReferenceRule", "Same", "choose_reference",
]  # fmt: skip


class Exclusion(StrEnum):
    """What keeps a past window out of a reference: what it shows, and the alerts over it."""

    FAULT = "fault"
    DRIFT = "drift"


class Same(StrEnum):
    """What a past window shares with the one under judgement, in local time."""

    WEEKDAY = "weekday"
    HOUR = "hour"
    WEEKDAY_AND_HOUR = "weekday_and_hour"


@dataclass(frozen=True, slots=True)
class PastWindow:
    """A window that was judged before.

    Parameters
    ----------
    interval : Interval
    rows : int
    has_fault : bool
        Its recorded values were broken.
    has_drift : bool
        It shows a drift that nobody has accepted.
    alerts : tuple of str
        Kinds of the alerts that it lies within and that nobody has accepted.
    version : str, optional
        Of the model, where the window is a part of one version.
    """

    interval: Interval
    rows: int
    has_fault: bool = False
    has_drift: bool = False
    alerts: tuple[str, ...] = ()
    version: str | None = None


@dataclass(frozen=True, slots=True)
class FixedReference:
    """All windows inside a stretch of time, faulty or not: somebody chose it."""

    stretch: Interval


@dataclass(frozen=True, slots=True)
class LastWindows:
    """The last windows before the one under judgement.

    Parameters
    ----------
    last : Duration or int
        How far back they may begin, or how many there may be: then those left out are made up for
        by earlier ones ("the last 28 good windows").
    same : Same, optional
        Only windows of the same weekday or hour.
    exclude : frozenset of Exclusion
    """

    last: Duration | int
    same: Same | None = None
    exclude: frozenset[Exclusion] = frozenset(Exclusion)

    def __post_init__(self) -> None:
        count = self.last if isinstance(self.last, int) else self.last.count
        if count < 1:
            raise ConfigError(
                f"a reference of the last {self.last} windows is empty",
                where="reference.last",
                remedy="Write at least 1, such as 28d or 28",
            )


@dataclass(frozen=True, slots=True)
class PreviousVersion:
    """The windows of the model's version before this one."""

    exclude: frozenset[Exclusion] = frozenset(Exclusion)


ReferenceRule = FixedReference | LastWindows | PreviousVersion


@dataclass(frozen=True, slots=True)
class Reference:
    """The past windows that count, and why others do not.

    Parameters
    ----------
    windows : tuple of PastWindow
        In the order of time; may be empty, then nothing can be said yet.
    left_out : tuple of (PastWindow, str)
        Those that the rule names but that are not to be trusted, each with the reason.
    """

    windows: tuple[PastWindow, ...]
    left_out: tuple[tuple[PastWindow, str], ...]


def choose_reference(
    rule: ReferenceRule,
    current: Interval,
    past: Sequence[PastWindow],
    *,
    zone: tzinfo,
    version: str | None = None,
    accepted_from: datetime | None = None,
) -> Reference:
    """Choose among the windows of one monitor and segment.

    None of them overlaps the window under judgement, nor another one: of windows that slide the
    latest are taken that do not, since rows that stand in two of them would be counted twice. A
    window without rows tells nothing and is left out.

    Parameters
    ----------
    rule : ReferenceRule
    current : Interval
        The window under judgement.
    past : sequence of PastWindow
        In any order.
    zone : tzinfo
        In which weekdays, hours and days are counted.
    version : str, optional
        The model's version in the window under judgement; for :class:`PreviousVersion`.
    accepted_from : datetime, optional
        What came since then was said to be the new normal: older windows do not count.
    """
    before = sorted((w for w in past if w.interval.end <= current.start), key=lambda w: w.interval)
    wanted = [w for w in before if _is_named(w, rule, current, before, zone, version)]
    most = rule.last if isinstance(rule, LastWindows) and isinstance(rule.last, int) else None
    chosen: list[PastWindow] = []
    left_out: list[tuple[PastWindow, str]] = []
    for window in reversed(wanted):
        # Parts of one window, one for each version of the model, count as one.
        if most is not None and len({w.interval for w in (*chosen, window)}) > most:
            break
        if chosen and _clashes(window, chosen[-1]):
            continue
        reason = _reason(window, rule, accepted_from)
        if reason is None:
            chosen.append(window)
        else:
            left_out.append((window, reason))
    return Reference(tuple(reversed(chosen)), tuple(reversed(left_out)))


def _is_named(
    window: PastWindow,
    rule: ReferenceRule,
    current: Interval,
    before: Sequence[PastWindow],
    zone: tzinfo,
    version: str | None,
) -> bool:
    match rule:
        case FixedReference(stretch):
            return stretch.start <= window.interval.start and window.interval.end <= stretch.end
        case LastWindows(last, same, _):
            is_near = isinstance(last, int) or window.interval.start >= last.before(
                current.start, zone
            )
            return is_near and (same is None or _is_alike(window.interval, current, same, zone))
        case PreviousVersion():
            others = [w.version for w in before if w.version not in {None, version}]
            return bool(others) and window.version == others[-1]
        case _:
            assert_never(rule)


def _is_alike(one: Interval, other: Interval, same: Same, zone: tzinfo) -> bool:
    a, b = (w.start.astimezone(zone) for w in (one, other))
    if same is not Same.HOUR and a.weekday() != b.weekday():
        return False
    return same is Same.WEEKDAY or a.hour == b.hour


def _clashes(window: PastWindow, later: PastWindow) -> bool:
    # Parts of one window, one for each version of the model, share its interval.
    return window.interval != later.interval and window.interval.overlaps(later.interval)


def _reason(window: PastWindow, rule: ReferenceRule, accepted_from: datetime | None) -> str | None:
    if not window.rows:
        return "it has no rows"
    if isinstance(rule, FixedReference):
        return None
    if accepted_from is not None and window.interval.start < accepted_from:
        return "it lies before the change that was accepted"
    if Exclusion.FAULT in rule.exclude and window.has_fault:
        return "its values were broken"
    kinds = [kind for kind in window.alerts if _exclusion(kind) in rule.exclude]
    if kinds:
        return f"it lies within an alert that nobody accepted ({', '.join(kinds)})"
    if Exclusion.DRIFT in rule.exclude and window.has_drift:
        return "it shows a drift that nobody accepted"
    return None


def _exclusion(alert: str) -> Exclusion:
    return Exclusion.FAULT if alert == Exclusion.FAULT.value else Exclusion.DRIFT
