"""What a monitor will do, in words and numbers, before it does it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from whydrift.monitor.config.advice import past_windows
from whydrift.monitor.diagnosis.alarm_budget import WHOLE, Purpose
from whydrift.monitor.diagnosis.foreseen import foreseen_effect
from whydrift.monitor.service.judging import alarm_budget
from whydrift.monitor.service.schedule import stages_of
from whydrift.monitor.store.state import VisitKind
from whydrift.monitor.window.duration import Duration
from whydrift.monitor.window.reference import FixedReference, LastWindows, PreviousVersion

if TYPE_CHECKING:
    from whydrift.monitor.config.model import Config
    from whydrift.monitor.config.monitor import Monitor
    from whydrift.monitor.store.store import Store

__all__ = ["ASSUMED_COLUMNS", "ASSUMED_ROWS", "Outlook", "Size", "outlook", "size_in"]

ASSUMED_ROWS: Final = 1000
ASSUMED_COLUMNS: Final = 10
_ASSUMED_WINDOWS: Final = 28  # of a version before, which nobody knows
_REFERENCE_WINDOWS: Final = 28
_IN_SD: Final = frozenset(("continuous", "count"))  # kinds whose effects are counted in sd


@dataclass(frozen=True, slots=True)
class Size:
    """How much a window of a monitor holds.

    Parameters
    ----------
    rows : int
    columns : int
    basis : str
        How that is known, as the end of a sentence.
    detectable : float, optional
        The median over columns of what the last result could have seen, in sd.
    level : float, optional
        Of that result.
    """

    rows: int = ASSUMED_ROWS
    columns: int = ASSUMED_COLUMNS
    basis: str = "assumed; nothing is stored yet"
    detectable: float | None = None
    level: float | None = None


@dataclass(frozen=True, slots=True)
class Outlook:
    """What is to be expected of one monitor.

    Parameters
    ----------
    monitor : str
    plan : tuple of str
        What it does, a sentence each.
    decisions_per_month : float
        About its whole, that can open an alert of drift.
    level : float
        Of each: the chance of a false alarm where nothing moved.
    false_alarms_per_month : float
        What it may give, of all segments, stages and kinds together.
    segment_level : float, optional
        Of a decision about a segment, where it has as many as it may have.
    effect : float, optional
        The change in level that one window shows with 80 % power, in sd; None where not even a
        large one.
    segment_effect : float, optional
        In a segment of the least size that is judged on its own.
    size : Size
        What that holds for.
    windows : float
        In the reference.
    """

    monitor: str
    plan: tuple[str, ...]
    decisions_per_month: float
    level: float
    false_alarms_per_month: float
    segment_level: float | None
    effect: float | None
    segment_effect: float | None
    size: Size
    windows: float

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON holds it."""
        return {
            "monitor": self.monitor,
            "plan": list(self.plan),
            "decisions_per_month": self.decisions_per_month,
            "level": self.level,
            "false_alarms_per_month": self.false_alarms_per_month,
            "segment_level": self.segment_level,
            "detectable_effect": self.effect,
            "segment_detectable_effect": self.segment_effect,
            "assumption": {
                "rows": self.size.rows,
                "columns": self.size.columns,
                "past_windows": self.windows,
                "basis": self.size.basis,
            },
        }


def outlook(config: Config, monitor: Monitor, size: Size) -> Outlook:
    """Return what is to be expected of a monitor.

    Parameters
    ----------
    config : Config
    monitor : Monitor
    size : Size
        Of its windows: :func:`size_in` reads it off a store.
    """
    most = 0 if monitor.segments is None else monitor.segments.top
    names = tuple(f"segment {number + 1}" for number in range(most))
    budget = alarm_budget(monitor, names)
    level = budget.level(Purpose.DRIFT, WHOLE)
    windows = past_windows(monitor) or _ASSUMED_WINDOWS
    if monitor.window.rows is not None:
        size = Size(
            monitor.window.rows, size.columns, "by configuration", size.detectable, size.level
        )
    segment_level = budget.level(Purpose.DRIFT, names[0]) if names else None
    segment_effect = None
    if monitor.segments is not None and segment_level is not None:
        # Of the reference's rows; each window has its share of them.
        rows = max(2, int(monitor.segments.min_rows / max(windows, 1)))
        segment_effect = _effect(rows, windows, segment_level, size.columns)
    return Outlook(
        monitor.name,
        _plan(config, monitor),
        budget.decisions_per_month(),
        level,
        monitor.false_alarms_per_month,
        segment_level,
        _measured(size, windows, level),
        segment_effect,
        size,
        windows,
    )


def size_in(store: Store, monitor: str) -> Size | None:
    """Return the size of a monitor's newest windows; None where none is stored.

    Raises
    ------
    StoreError
        If the store cannot be read.
    """
    kept = store.list_snapshots(monitor=monitor, segment=WHOLE)
    if not kept:
        return None
    newest = sorted(record.rows for record in kept[-_REFERENCE_WINDOWS:])
    rows = newest[len(newest) // 2]
    columns, detectable, level = ASSUMED_COLUMNS, None, None
    whole = [r for r in store.latest_results(monitor) if r.key.segment == WHOLE]
    found = store.get_result(whole[-1].id) if whole else None
    if found is not None:
        effects = sorted(
            column["detectable_effect"]
            for column in found["columns"].values()
            if column["detectable_effect"] is not None and column["kind"] in _IN_SD
        )
        columns = max(1, len(found["columns"]))
        level = found["error_control"]["level"]
        detectable = effects[len(effects) // 2] if effects else None
    return Size(rows, columns, f"of the last {len(newest)} windows stored", detectable, level)


def _effect(rows: int, windows: float, level: float, columns: int) -> float | None:
    return foreseen_effect(rows, max(1, round(windows)), level=level, tests=columns)


def _measured(size: Size, windows: float, level: float) -> float | None:
    """Return what is seen at a level: as it was measured at another, where it was."""
    foreseen = _effect(size.rows, windows, level, size.columns)
    if size.detectable is None or size.level is None or foreseen is None:
        return foreseen
    then = _effect(size.rows, windows, size.level, size.columns)
    return size.detectable if not then else size.detectable * foreseen / then


def _plan(config: Config, monitor: Monitor) -> tuple[str, ...]:
    window = monitor.window
    found = [_cut(monitor), *_stages(monitor)]
    if monitor.late.allow.count and window.rows is None:
        then = (
            "and the window is recomputed silently"
            if monitor.late.then == "recompute"
            else "and are ignored"
        )
        found.append(f"Rows may come for {monitor.late.allow} more, {then}.")
    found.append(_reference(monitor))
    if monitor.since_instant is not None:
        found.append(
            f"Windows that start before {monitor.since_instant:%Y-%m-%d %H:%M}Z are only recorded."
        )
    else:
        found.append("The newest window that is complete at the first start is the first judged.")
    if monitor.segments is not None:
        by = ", ".join(monitor.segments.by)
        found.append(
            f"The {monitor.segments.top} largest segments by {by} are judged too, those with at "
            f"least {monitor.segments.min_rows:,} rows in the reference."
        )
    told = ", ".join(notifier.name for notifier in config.notify) or "nobody directly"
    after = monitor.alert.after
    found.append(
        f"An alert opens after {after} window{'s in a row' if after > 1 else ''}, is resolved "
        f"after {monitor.alert.resolve_after} quiet ones, and tells {told}."
    )
    return tuple(found)


def _cut(monitor: Monitor) -> str:
    window = monitor.window
    if window.rows is not None:
        step = f", one every {window.step:,} rows" if window.step else ""
        return f"A window is {window.rows:,} rows{step}."
    every = window.every or Duration(1, "d")
    length = window.length or every
    zone = f" ({window.timezone})" if every.is_calendar else ""
    slides = f", one every {every}" if length != every else ""
    return f"A window is {length} long{slides}{zone}."


def _stages(monitor: Monitor) -> list[str]:
    window, target = monitor.window, monitor.columns.target
    after = f" {window.delay} after its end" if window.delay.count else " at its end"
    if window.rows is not None:
        after = ""
    match stages_of(monitor):
        case (VisitKind.FEATURES, VisitKind.LABELS):
            return [
                f"Its features are judged{after}, and {target} too when its labels are in, "
                f"{window.label_delay} after its end."
            ]
        case (VisitKind.LABELS,):
            return [f"It is judged{after}, with {target}."]
        case _:
            text = f"It is judged{after}; no target is named, so that each column which causes "
            text += "none counts as one"
            if monitor.columns.prediction is not None:
                text += ": name what is predicted (`target:`) to have the model's loss judged"
            return [f"{text}."]


def _reference(monitor: Monitor) -> str:
    left_out = {"fault": "a fault", "drift": "an unaccepted drift"}
    without = " or ".join(left_out[word] for word in monitor.reference.exclude)
    but = f", without those with {without}" if without else ""
    match monitor.reference.rule(monitor.window.timezone):
        case LastWindows(last=last, same=same):
            of = f"the last {last}" + (" windows" if isinstance(last, int) else "")
            alike = f" of the same {same.value.replace('_', ' ')}" if same else ""
            return f"It is compared with {of}{alike}{but}."
        case FixedReference(stretch=stretch):
            return f"It is compared with the windows of {stretch}."
        case PreviousVersion():
            return f"It is compared with the windows of the version before{but}."
