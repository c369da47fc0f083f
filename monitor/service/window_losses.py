"""Losses of kept windows, row by row: what effects of events are about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from whydrift.discovery.arrays import FloatArray
from whydrift.discovery.errors import SchemaError, TooFewRows
from whydrift.discovery.snapshot.merge import merge
from whydrift.discovery.snapshot.recode import recoded
from whydrift.discovery.snapshot.schema import Schema
from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.monitor.config.monitor import Monitor
from whydrift.monitor.diagnosis.metric import row_measure
from whydrift.monitor.store.records import SnapshotRecord
from whydrift.monitor.store.store import Store
from whydrift.monitor.window.interval import Interval

__all__ = [
    "FEWEST_WINDOWS", "WindowLosses", "has_loss", "loss_columns", "losses_of", "read_windows",
    "require_windows",
]  # fmt: skip

FEWEST_WINDOWS: Final = 3  # on either side of an event: errors come from how windows differ

_MOST_BYTES: Final = 64 << 20  # of decoded windows that are read at once


@dataclass(frozen=True, eq=False)
class WindowLosses:
    """The loss of every sampled row of some windows.

    Parameters
    ----------
    name : str
        Of the loss.
    schema : Schema
        That of all windows together.
    windows : tuple of Snapshot
        With its category codes.
    losses : tuple of ndarray
        One for each window; NaN where a row has no label.
    """

    name: str
    schema: Schema
    windows: tuple[Snapshot, ...]
    losses: tuple[FloatArray, ...]

    @property
    def means(self) -> FloatArray:
        """Mean loss by window; NaN where no row has one."""
        known = [loss[np.isfinite(loss)] for loss in self.losses]
        return np.array([loss.mean() if len(loss) else np.nan for loss in known])


def read_windows(
    store: Store, wanted: Sequence[tuple[Interval, Sequence[SnapshotRecord]]]
) -> dict[Interval, Snapshot]:
    """Read windows, those named first above all: the daemon's memory bounds how many."""
    found: dict[Interval, Snapshot] = {}
    size = 0
    for interval, records in wanted:
        window = merge([store.get_snapshot(r) for r in records])
        size += window.sample.nbytes
        if size > _MOST_BYTES and len(found) >= FEWEST_WINDOWS:
            break
        found[interval] = window
    return found


def loss_columns(monitor: Monitor) -> tuple[str, str]:
    """Return the target and the prediction.

    Raises
    ------
    SchemaError
        If one of them is not named.
    """
    target, prediction = monitor.columns.target, monitor.columns.prediction
    if target is None or prediction is None:
        raise SchemaError(
            "The monitor has no loss: its columns name no target and prediction",
            where="columns",
            remedy="Name both",
        )
    return target, prediction


def has_loss(window: Snapshot, monitor: Monitor) -> bool:
    """Whether some row of the sample has a loss; labels come later than the rest."""
    target, prediction = monitor.columns.target, monitor.columns.prediction
    if target is None or prediction is None:
        return False
    if not (window.has(target) and window.has(prediction)):
        return False
    both = np.isfinite(window.column(target)) & np.isfinite(window.column(prediction))
    return bool(both.any())


def require_windows(given: Mapping[str, tuple[int, int]]) -> None:
    """Raise where a side of an event has too few windows with a loss.

    Parameters
    ----------
    given : mapping of str to (int, int)
        By the side's word: windows with a loss, and windows.

    Raises
    ------
    TooFewRows
    """
    for word, (labelled, every) in given.items():
        if labelled < FEWEST_WINDOWS:
            without = f" ({every - labelled} without labels)" if every > labelled else ""
            raise TooFewRows(
                f"Too few windows {word} the event: {labelled}{without}, and "
                f"{FEWEST_WINDOWS} are needed",
                where="windows",
                remedy="Wait",
            )


def losses_of(monitor: Monitor, windows: Sequence[Snapshot]) -> WindowLosses:
    """Return the losses of windows that have some, all by the same measure.

    Raises
    ------
    SchemaError
        If the monitor has no loss, it does not fit the columns, or windows have other columns.
    """
    target, prediction = loss_columns(monitor)
    joined = merge(windows)
    measure = row_measure(
        joined, joined, target=target, prediction=prediction, loss=monitor.loss
    )  # fmt: skip
    assert measure is not None  # there are a target and a prediction
    alike = tuple(recoded(window, joined.schema) for window in windows)
    losses = tuple(measure.of(w.column(target), w.column(prediction)) for w in alike)
    return WindowLosses(measure.name, joined.schema, alike, losses)
