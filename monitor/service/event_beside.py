"""What an event did to one monitor's loss beside other monitors that it left alone."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from whydrift.discovery.arrays import BoolArray, FloatArray
from whydrift.discovery.errors import OptionError, SchemaError, WhydriftError
from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.monitor.config.monitor import Monitor
from whydrift.monitor.service.window_losses import (
    has_loss,
    loss_columns,
    losses_of,
    read_windows,
    require_windows,
)
from whydrift.monitor.store.records import SnapshotRecord
from whydrift.monitor.store.state import EventRecord
from whydrift.monitor.store.store import Store
from whydrift.monitor.window.by_rows import RowWindows
from whydrift.monitor.window.interval import Interval

if TYPE_CHECKING:
    from whydrift.effects.effect import Effect

__all__ = ["BesideOthers", "LeftOut", "beside_others", "others_of"]

_MOST_OTHERS: Final = 6  # compared with: each costs its windows, read and decoded
_MOST_LOOKED_AT: Final = 32  # of which those are chosen, in the configuration's order

_MOST_WINDOWS: Final = 14  # on either side, the nearest: of ten events all are read in a minute

_NO_OTHERS: Final = "No other monitor has a loss and windows of the same calendar."


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A monitor that an event is not compared with, and why."""

    monitor: str
    reason: str


@dataclass(frozen=True, slots=True)
class BesideOthers:
    """What an event did to the mean loss beside others left alone, or why that cannot be said.

    Parameters
    ----------
    others : tuple of str
        The monitors compared with.
    left_out : tuple of LeftOut
    is_relative : bool
        Whether the effect is a share of the mean before: losses of different targets have
        different units.
    effect : Effect, optional
        None where it is refused.
    refused : str, optional
        Why there is no effect, in one sentence.
    """

    others: tuple[str, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    is_relative: bool = False
    effect: Effect | None = None
    refused: str | None = None


@dataclass(frozen=True)
class _Series:
    """The mean loss of a monitor by window."""

    monitor: Monitor
    loss: str
    means: FloatArray

    @property
    def unit(self) -> tuple[str, str | None]:
        """What makes losses of two monitors the same quantity."""
        return self.loss, self.monitor.columns.target


def others_of(monitor: Monitor, monitors: Sequence[Monitor]) -> tuple[Monitor, ...]:
    """Return the first other monitors that have a loss and windows of the same calendar.

    One that reads the same prediction from the same source is left out: a release of the model is a
    release there too.
    """
    return tuple(
        m
        for m in monitors
        if m.name != monitor.name
        and m.columns.target is not None
        and m.columns.prediction is not None
        and _calendar(m) is not None
        and _calendar(m) == _calendar(monitor)
        and (m.source, m.columns.prediction) != (monitor.source, monitor.columns.prediction)
    )[:_MOST_LOOKED_AT]


def _calendar(monitor: Monitor) -> tuple[object, ...] | None:
    """Return what makes two monitors have the same windows; None where rows are counted."""
    cut = monitor.window.cut()
    return None if isinstance(cut, RowWindows) else (cut.every, cut.length or cut.every, cut.zone)


def beside_others(
    store: Store,
    event: EventRecord,
    monitor: Monitor,
    before: Mapping[Interval, Snapshot],
    after: Mapping[Interval, Snapshot],
    *,
    others: Sequence[Monitor],
    events: Collection[EventRecord],
) -> BesideOthers:
    """Return how the mean loss changed by an event beside monitors without one meanwhile.

    Parameters
    ----------
    store : Store
    event : EventRecord
    monitor : Monitor
        Which the event is about.
    before, after : mapping of Interval to Snapshot
        Its windows, in the order of time; the nearest are compared.
    others : sequence of Monitor
        As `others_of` returns them.
    events : collection of EventRecord
        All that changed something, of any monitor.

    Raises
    ------
    StoreError
        If a window cannot be read.
    """
    answer = BesideOthers()
    try:
        loss_columns(monitor)
        old, new = ({i: w for i, w in s.items() if has_loss(w, monitor)} for s in (before, after))
        require_windows({"before": (len(old), len(before)), "after": (len(new), len(after))})
        old, new = dict([*old.items()][-_MOST_WINDOWS:]), dict([*new.items()][:_MOST_WINDOWS])
        own = losses_of(monitor, [*old.values(), *new.values()])
    except WhydriftError as error:
        return replace(answer, refused=_sentence(error.what))
    if event.monitor is None:
        return replace(answer, refused="It is about all monitors: none was left alone.")
    if not others:
        return replace(answer, refused=_NO_OTHERS)
    treated = _Series(monitor, own.name, own.means)
    found, left_out = _left_alone(store, (tuple(old), tuple(new)), others, events)
    is_relative = any(series.unit != treated.unit for series in found)
    is_after = np.arange(len(own.means)) >= len(old)
    if is_relative:  # of a mean of 0 there are no shares
        none = [s for s in found if not s.means[~is_after].mean() > 0]
        found = [s for s in found if s not in none]
        left_out += [LeftOut(s.monitor.name, "its mean loss before is 0") for s in none]
    answer = replace(
        answer, others=tuple(s.monitor.name for s in found), left_out=tuple(left_out),
        is_relative=is_relative,
    )  # fmt: skip
    if not found:
        reasons = "; ".join(dict.fromkeys(f"{o.monitor}: {o.reason}" for o in left_out[:4]))
        return replace(answer, refused=f"There is no monitor to compare it with ({reasons}).")
    return _estimated(answer, event, treated, found, is_after)


def _left_alone(
    store: Store,
    sides: tuple[tuple[Interval, ...], tuple[Interval, ...]],
    others: Sequence[Monitor],
    events: Collection[EventRecord],
) -> tuple[list[_Series], list[LeftOut]]:
    """Return the mean losses of those without an event meanwhile that have the same windows."""
    before, after = sides
    first, last = before[0].start, after[-1].end
    about = [e.monitor for e in events if first < e.at < last]
    found: list[_Series] = []
    left_out: list[LeftOut] = []
    for other in others:
        if other.name in about or None in about:
            left_out.append(LeftOut(other.name, "it had an event of its own meanwhile"))
        elif len(found) == _MOST_OTHERS:
            left_out.append(LeftOut(other.name, f"{_MOST_OTHERS} others are enough"))
        else:
            series = _series(store, other, sides)
            if isinstance(series, LeftOut):
                left_out.append(series)
            else:
                found.append(series)
    return found, left_out


def _series(
    store: Store, other: Monitor, sides: tuple[tuple[Interval, ...], tuple[Interval, ...]]
) -> _Series | LeftOut:
    """Return the mean loss of another monitor in the same windows, or why it has none."""
    missing = LeftOut(other.name, "it has no loss in some of the windows")
    before, after = sides
    parts: dict[Interval, list[SnapshotRecord]] = {}
    for record in store.list_snapshots(
        monitor=other.name, segment="", start=before[0].start, end=after[-1].end
    ):
        if record.rows:
            parts.setdefault(record.key.interval, []).append(record)
    wanted = (*before, *after)
    if not all(i in parts and all(r.has_sample for r in parts[i]) for i in wanted):
        return missing
    windows: dict[Interval, Snapshot] = {}
    try:
        for side in (before[::-1], after):
            windows.update(read_windows(store, [(i, parts[i]) for i in side]))
        if not all(i in windows and has_loss(windows[i], other) for i in wanted):
            return missing
        losses = losses_of(other, [windows[i] for i in wanted])
    except (OptionError, SchemaError) as error:  # its columns changed, say
        return LeftOut(other.name, error.what)
    means = losses.means
    return _Series(other, losses.name, means) if np.isfinite(means).all() else missing


def _estimated(
    answer: BesideOthers,
    event: EventRecord,
    treated: _Series,
    others: Sequence[_Series],
    is_after: BoolArray,
) -> BesideOthers:
    from whydrift.effects.panel.beside_others import change_beside_others

    try:
        effect = change_beside_others(
            treated.means,
            np.stack([s.means for s in others]),
            is_after,
            event=event.kind,
            outcome=treated.loss if not answer.is_relative else "mean loss",
            name=treated.monitor.name,
            other_names=answer.others,
            relative=answer.is_relative,
        )
    except WhydriftError as error:
        return replace(answer, refused=_sentence(error.what))
    if effect.failed:
        return replace(answer, refused=_sentence(effect.failed[0].sentence))
    if effect.value is None or not effect.standard_error:
        return replace(answer, refused="The windows give no finite estimate.")
    return replace(answer, effect=effect)


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."
