"""What an event did to the loss: windows before against windows after, rows made comparable."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from whydrift.discovery.arrays import BoolArray, FloatArray, IntArray
from whydrift.discovery.errors import WhydriftError
from whydrift.discovery.snapshot.schema import Role, Schema
from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.monitor.config.monitor import Monitor
from whydrift.monitor.service.event_beside import BesideOthers, beside_others
from whydrift.monitor.service.window_losses import (
    FEWEST_WINDOWS,
    has_loss,
    loss_columns,
    losses_of,
    read_windows,
    require_windows,
)
from whydrift.monitor.store.records import SnapshotRecord
from whydrift.monitor.store.state import EventRecord
from whydrift.monitor.store.store import Store
from whydrift.monitor.window.interval import Interval

if TYPE_CHECKING:
    from whydrift.effects.check import Check
    from whydrift.effects.effect import Effect

__all__ = [
    "EVENT_KINDS", "EffectsRequest", "EventEffect", "effect_of_windows", "effects_of_events",
]  # fmt: skip

EVENT_KINDS: Final = ("release", "retrain", "fix")  # which say that something was changed

_MOST_WINDOWS: Final = 28  # on either side
_MOST_EVENTS: Final = 10  # estimated at once, the newest
_MOST_ROWS: Final = 30_000  # on both sides together
_MOST_CELLS: Final = 4_000_000  # numbers in the table that is fitted
_MOST_LEVELS: Final = 20  # of a category; the others count as one
_PLACEBO_LEVEL: Final = 0.05

_ASSUMPTIONS: Final = (
    "Nothing else that moves the loss changed when the event happened, other than the features",
    "What the event did to the features themselves is not counted: they are adjusted for",
)


@dataclass(frozen=True, slots=True)
class EventEffect:
    """What an event did to the loss, or why that cannot be said.

    Parameters
    ----------
    event : EventRecord
    before, after : tuple of Interval
        The windows compared: those that have a loss, in the order of time.
    loss : str, optional
        Its name.
    loss_before, loss_after : float, optional
        Mean loss of the rows compared, as it was.
    effect : Effect, optional
        On the rows after the event, had their features come before it; None where it is refused.
    refused : str, optional
        Why there is no effect, in one sentence.
    beside : BesideOthers, optional
        The change of the mean loss less that of other monitors; None where nobody asked the store.
    """

    event: EventRecord
    before: tuple[Interval, ...] = ()
    after: tuple[Interval, ...] = ()
    loss: str | None = None
    loss_before: float | None = None
    loss_after: float | None = None
    effect: Effect | None = None
    refused: str | None = None
    beside: BesideOthers | None = None


@dataclass(frozen=True, slots=True)
class EffectsRequest:
    """Which effects are asked for: equal ones have the same answer.

    Parameters
    ----------
    monitor : str
    events : tuple of int
        Their ids, of the newest that may have one.
    latest : tuple of int
        Numbers of what was last kept: of windows, those of others it is compared with too, and of
        events.
    """

    monitor: str
    events: tuple[int, ...]
    latest: tuple[int, int]

    @classmethod
    def of(
        cls, store: Store, monitor: str, events: Sequence[EventRecord], others: Sequence[str] = ()
    ) -> EffectsRequest:
        """Return what to ask for the effects of the newest of some events.

        Parameters
        ----------
        store : Store
        monitor : str
        events : sequence of EventRecord
        others : sequence of str
            Names of the monitors it may be compared with.

        Raises
        ------
        StoreError
            If the store cannot be read.
        """
        newest = _newest(events)
        return cls(monitor, tuple(e.id for e in newest), store.latest_numbers(monitor, *others))


def effects_of_events(
    store: Store, monitor: Monitor, events: Sequence[EventRecord], others: Sequence[Monitor] = ()
) -> dict[int, EventEffect]:
    """Return the effects of the newest of some events on a monitor's loss, by the event's id.

    Events that change nothing by themselves (``accept``, ``pause``, …) are left out.

    Parameters
    ----------
    store : Store
    monitor : Monitor
    events : sequence of EventRecord
    others : sequence of Monitor
        Those it may be compared with, as `event_beside.others_of` returns them.

    Raises
    ------
    StoreError
        If a window cannot be read.
    """
    wanted = _newest(events)
    if not wanted:
        return {}
    known = store.list_events(kinds=EVENT_KINDS)
    kept = [r for r in store.list_snapshots(monitor=monitor.name, segment="") if r.rows]
    return {e.id: _effect_of_event(store, monitor, e, known, kept, others) for e in wanted}


def _newest(events: Sequence[EventRecord]) -> list[EventRecord]:
    """Return those that may have an effect, so many at most."""
    changes = [e for e in events if e.kind in EVENT_KINDS]
    return sorted(changes, key=lambda e: (e.at, e.id), reverse=True)[:_MOST_EVENTS]


def _effect_of_event(
    store: Store,
    monitor: Monitor,
    event: EventRecord,
    known: Sequence[EventRecord],
    kept: Sequence[SnapshotRecord],
    others: Sequence[Monitor],
) -> EventEffect:
    times = [e.at for e in known if e.monitor in (None, monitor.name)]
    earlier = max((at for at in times if at < event.at), default=None)
    later = min((at for at in times if at > event.at), default=None)
    parts: dict[Interval, list[SnapshotRecord]] = {}
    for record in kept:
        parts.setdefault(record.key.interval, []).append(record)
    whole = [i for i in sorted(parts) if all(r.has_sample for r in parts[i])]
    before = _apart([i for i in whole if i.end <= event.at and _begins(i, earlier)][::-1])
    after = _apart([i for i in whole if i.start >= event.at and (not later or i.end <= later)])
    old, new = (read_windows(store, [(i, parts[i]) for i in side]) for side in (before, after))
    old = dict(reversed(old.items()))
    return replace(
        effect_of_windows(event, monitor, [*old.values()], [*new.values()]),
        before=_counted(monitor, old),
        after=_counted(monitor, new),
        beside=beside_others(store, event, monitor, old, new, others=others, events=known),
    )


def _counted(monitor: Monitor, windows: Mapping[Interval, Snapshot]) -> tuple[Interval, ...]:
    """Return the windows that have a loss."""
    return tuple(i for i, window in windows.items() if has_loss(window, monitor))


def _begins(interval: Interval, earlier: datetime | None) -> bool:
    return earlier is None or interval.start >= earlier


def _apart(intervals: Sequence[Interval]) -> list[Interval]:
    """Return those nearest first that share no rows: windows may slide."""
    chosen: list[Interval] = []
    for interval in intervals:
        last = chosen[-1] if chosen else None
        if last is None or interval.start >= last.end or interval.end <= last.start:
            chosen.append(interval)
    return chosen[:_MOST_WINDOWS]


def effect_of_windows(
    event: EventRecord,
    monitor: Monitor,
    before: Sequence[Snapshot],
    after: Sequence[Snapshot],
) -> EventEffect:
    """Return the effect of what lies between windows on the loss, their features made alike.

    The side is the treatment, features are adjusted for by doubly robust weighting towards the
    rows after the event, and errors allow for all rows of a window being alike.

    Parameters
    ----------
    event : EventRecord
    monitor : Monitor
        Says which columns are what, and the loss.
    before, after : sequence of Snapshot
        In the order of time; those without labels are left out.
    """
    answer = EventEffect(event)
    try:
        rows = _rows(monitor, before, after)
        answer = replace(
            answer, loss=rows.loss, loss_before=float(rows.outcome[~rows.is_after].mean()),
            loss_after=float(rows.outcome[rows.is_after].mean()),
        )  # fmt: skip
        effect = rows.estimate(rows.is_after)
    except WhydriftError as error:
        return replace(answer, refused=_sentence(error.what))
    if effect.failed:
        return replace(answer, refused=_sentence(effect.failed[0].sentence))
    if effect.value is None or not effect.standard_error:
        return replace(answer, refused="The rows give no finite estimate.")
    effect = replace(
        _for_few_windows(effect, rows),
        assumptions=(*effect.assumptions, *_ASSUMPTIONS),
        checks=(*effect.checks, *_placebo(rows)),
    )
    return replace(answer, effect=effect)


@dataclass(frozen=True, eq=False)
class _Rows:
    """The rows of all windows with a loss: what is fitted."""

    loss: str
    outcome: FloatArray
    is_after: BoolArray
    window: IntArray
    features: dict[str, Any]

    def estimate(self, side: BoolArray) -> Effect:
        from whydrift.effects.api import estimate

        names = [*self.features]
        treatment, outcome, window = (
            _free(n, names) for n in ("after the event", self.loss, "window")
        )
        table = {**self.features, treatment: side.astype(np.int64), outcome: self.outcome,
                 window: self.window}  # fmt: skip
        return estimate(
            table, treatment, outcome, method="doubly_robust" if names else "difference_in_means",
            adjustment=names, cluster=window, estimand="att",
        )  # fmt: skip

    def first_half(self) -> tuple[_Rows, BoolArray] | None:
        """Return the rows before the event, and which of them lie in the later half of windows."""
        old = ~self.is_after
        windows = np.unique(self.window[old])
        if len(windows) < 2 * FEWEST_WINDOWS:
            return None
        rows = replace(
            self, outcome=self.outcome[old], is_after=self.is_after[old], window=self.window[old],
            features={name: values[old] for name, values in self.features.items()},
        )  # fmt: skip
        return rows, rows.window >= windows[len(windows) // 2]


def _for_few_windows(effect: Effect, rows: _Rows) -> Effect:
    """Return an effect whose interval allows for how few windows one side may have.

    Errors by cluster count the windows of both sides together; where one side has few, its own are
    all that tells how far they differ. Degrees of freedom are Welch's, of windows that differ alike
    on both sides.
    """
    from scipy import stats

    assert effect.value is not None and effect.standard_error is not None
    later = len(np.unique(rows.window[rows.is_after]))
    earlier = len(np.unique(rows.window[~rows.is_after]))
    few, both = min(earlier, later), earlier + later
    error = effect.standard_error * float(np.sqrt(few / (few - 1) * (both - 1) / both))
    freedom = (1 / earlier + 1 / later) ** 2 / sum(1 / (n**2 * (n - 1)) for n in (earlier, later))
    reach = float(stats.t.isf((1 - effect.level) / 2, freedom)) * error
    return replace(
        effect, standard_error=error, low=effect.value - reach, high=effect.value + reach,
        p_value=float(2 * stats.t.sf(abs(effect.value) / error, freedom)),
        # That of a hidden cause was made for the interval that is replaced.
        checks=tuple(c for c in effect.checks if c.name != "unmeasured_confounding"),
    )  # fmt: skip


def _placebo(rows: _Rows) -> tuple[Check, ...]:
    """Return whether the loss moved as well where nothing happened: amid the windows before."""
    from whydrift.effects.check import Check, Outcome

    half = rows.first_half()
    if half is None:
        return ()
    old, later = half
    try:
        found = old.estimate(later)
    except WhydriftError:
        return ()  # the halves do not compare: nothing is known either way
    if found.failed or found.value is None or not found.standard_error:
        return ()
    found = _for_few_windows(found, replace(old, is_after=later))
    assert found.p_value is not None
    moved = found.p_value < _PLACEBO_LEVEL
    text = (
        "the loss moved amid the windows before too, where no event was told: what is put down to "
        "this one may have gone on by itself"
        if moved
        else "amid the windows before, where no event was told, the loss kept still"
    )
    return (
        Check(
            "placebo", Outcome.WARN if moved else Outcome.PASS, text, found.p_value, _PLACEBO_LEVEL
        ),
    )


def _rows(monitor: Monitor, before: Sequence[Snapshot], after: Sequence[Snapshot]) -> _Rows:
    loss_columns(monitor)
    sides = [[w for w in side if has_loss(w, monitor)] for side in (before, after)]
    require_windows(
        {"before": (len(sides[0]), len(before)), "after": (len(sides[1]), len(after))}
    )  # fmt: skip
    found = losses_of(monitor, [*sides[0], *sides[1]])
    names = _adjusted(found.schema, found.windows, monitor)
    limit = min(_MOST_ROWS, _MOST_CELLS // (2 * max(1, len(names))))
    share = max(1, limit // len(found.windows))
    losses, places, numbers, samples = [], [], [], []
    for number, (window, loss) in enumerate(zip(found.windows, found.losses, strict=True)):
        known = np.flatnonzero(np.isfinite(loss))
        # Rows lie in the order of time: evenly over the window.
        place = known[np.unique(np.linspace(0, len(known) - 1, min(share, len(known))).astype(int))]
        losses.append(loss[place])
        places.append(np.full(len(place), number >= len(sides[0])))
        numbers.append(np.full(len(place), number))
        samples.append(window.columns(names)[place])
    sample = np.concatenate(samples)
    features: dict[str, Any] = {}
    for name, values in zip(names, sample.T, strict=True):
        features.update(_terms(found.schema, name, values))
    return _Rows(
        found.name, np.concatenate(losses), np.concatenate(places), np.concatenate(numbers),
        features,
    )  # fmt: skip


def _adjusted(schema: Schema, windows: Sequence[Snapshot], monitor: Monitor) -> tuple[str, ...]:
    """Return the features; what the model said is what the event may have changed."""
    roles = {Role.FEATURE, Role.SEGMENT}
    own = monitor.columns
    out = {own.target, own.prediction, own.cluster, own.version, *own.ignore}
    return tuple(
        column.name
        for column in schema
        if column.role in roles and column.kind.is_modelled and column.name not in out
        and all(window.has(column.name) for window in windows)
    )  # fmt: skip


def _terms(schema: Schema, name: str, values: FloatArray) -> dict[str, Any]:
    """Return what is adjusted for of a feature: no row is lost for a missing value.

    Of a number its square too, so that a change of its spread is removed as well.
    """
    present = np.isfinite(values)
    if schema[name].kind.is_discrete:
        codes = np.where(present, values, -1).astype(np.int64)
        often = np.argsort(-np.bincount(codes[present], minlength=1), kind="stable")[:_MOST_LEVELS]
        codes[present & ~np.isin(codes, often)] = -2
        return {name: codes.astype(np.str_)} if len(np.unique(codes)) > 1 else {}
    if not present.any() or np.ptp(values[present]) == 0:
        return {} if present.all() else {f"{name} is missing": (~present).astype(np.float64)}
    centred = np.where(present, values - values[present].mean(), 0.0)
    centred /= centred.std()
    found = {name: centred}
    if len(np.unique(centred)) > 2:
        found[f"{name} squared"] = centred**2
    if not present.all():
        found[f"{name} is missing"] = (~present).astype(np.float64)
    return found


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _free(name: str, taken: Sequence[str]) -> str:
    while name in taken:
        name += "_"
    return name
