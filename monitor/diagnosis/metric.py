"""The measure whose change is explained: the mean loss, or the target's mean."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from whydrift.discovery.arrays import FloatArray
from whydrift.discovery.errors import SchemaError, unknown_name
from whydrift.discovery.snapshot.schema import Column
from whydrift.discovery.snapshot.snapshot import Snapshot

__all__ = ["LOSSES", "RowMeasure", "row_measure"]


def _squared(y: FloatArray, f: FloatArray) -> FloatArray:
    out: FloatArray = (y - f) ** 2
    return out


def _absolute(y: FloatArray, f: FloatArray) -> FloatArray:
    return np.abs(y - f)


def _log_loss(y: FloatArray, f: FloatArray) -> FloatArray:
    chance = np.clip(f, 1e-12, 1 - 1e-12)
    out: FloatArray = -(y * np.log(chance) + (1 - y) * np.log1p(-chance))
    return out


def _zero_one(y: FloatArray, f: FloatArray) -> FloatArray:
    out: FloatArray = (y != f).astype(np.float64)
    out[~(np.isfinite(y) & np.isfinite(f))] = np.nan
    return out


LOSSES: Final[dict[str, Callable[[FloatArray, FloatArray], FloatArray]]] = {
    "squared_error": _squared,
    "absolute_error": _absolute,
    "log_loss": _log_loss,
    "zero_one": _zero_one,
}


@dataclass(frozen=True)
class RowMeasure:
    """The measure of every sampled row of both windows.

    Parameters
    ----------
    name : str
        Such as ``squared_error`` or ``mean of price``.
    reference, current : ndarray of shape (n_sampled,)
        NaN where target or prediction is missing.
    is_loss : bool
        Whether more is worse.
    """

    name: str
    reference: FloatArray
    current: FloatArray
    is_loss: bool


def row_measure(
    reference: Snapshot,
    current: Snapshot,
    *,
    target: str | None,
    prediction: str | None,
    loss: str = "auto",
) -> RowMeasure | None:
    """Return the measure, or None where there is neither a loss nor a usable target.

    ``auto`` takes the squared error for numbers, the log loss for a binary target with
    predictions in [0, 1], and the 0-1 loss for other categories. Without a prediction the measure
    is the target itself (for a binary target the share of its second category).

    Raises
    ------
    OptionError
        If the loss is unknown.
    SchemaError
        If the loss does not fit the target and the prediction.
    """
    if loss != "auto" and loss not in LOSSES:
        raise unknown_name("loss", loss, known=["auto", *LOSSES], where="--loss")
    if target is None or not (reference.has(target) and current.has(target)):
        return None
    if not np.isfinite(current.column(target)).any():
        return None
    column = current.schema[target]
    if prediction is None:
        values = [_numbers(w, target, column) for w in (reference, current)]
        if values[0] is None or values[1] is None:
            return None
        what = (
            f"share of {target} = {column.categories[1]}"
            if column.kind.is_discrete and not _is_numeric(column.categories)
            else f"mean of {target}"
        )
        return RowMeasure(what, values[0], values[1], is_loss=False)
    return _loss(reference, current, target, prediction, loss)


def _loss(
    reference: Snapshot, current: Snapshot, target: str, prediction: str, loss: str
) -> RowMeasure:
    column, predicted = current.schema[target], current.schema[prediction]
    both = (reference, current)
    if loss in {"auto", "zero_one"} and column.kind.is_discrete and predicted.kind.is_discrete:
        names = "zero_one"
        codes = [
            _zero_one(w.column(target), _recoded(w.column(prediction), predicted, column))
            for w in both
        ]
        return RowMeasure(names, codes[0], codes[1], is_loss=True)
    truth = [_numbers(w, target, column) for w in both]
    guess = [_numbers(w, prediction, predicted) for w in both]
    if truth[0] is None or truth[1] is None or guess[0] is None or guess[1] is None:
        raise SchemaError(
            f"no loss can be computed from {target!r} ({column.kind}) and "
            f"{prediction!r} ({predicted.kind})",
            where="--prediction",
            remedy="Name a prediction of the target's kind, or a probability for a binary target",
        )
    if loss == "auto":
        binary = column.kind.is_discrete and len(column.categories) == 2
        bounded = np.nanmin(guess[0]) >= 0 and np.nanmax(guess[0]) <= 1
        loss = "log_loss" if binary and bounded else "squared_error"
    pairs = [
        LOSSES[loss](y, f)
        for y, f in zip(truth, guess, strict=True)
        if y is not None and f is not None
    ]
    return RowMeasure(loss, pairs[0], pairs[1], is_loss=True)


def _is_numeric(categories: tuple[str, ...]) -> bool:
    try:
        [float(c) for c in categories]
    except ValueError:
        return False
    return True


def _numbers(window: Snapshot, name: str, column: Column) -> FloatArray | None:
    """Return a column as numbers: a category's own number, or 1 for the second of two."""
    values = window.column(name)
    if not column.kind.is_discrete:
        return values
    if _is_numeric(column.categories):
        table = np.array([float(c) for c in column.categories])
    elif len(column.categories) == 2:
        table = np.array([0.0, 1.0])
    else:
        return None
    out = np.full(values.shape, np.nan)
    present = np.isfinite(values)
    out[present] = table[values[present].astype(np.int64)]
    return out


def _recoded(codes: FloatArray, of: Column, to: Column) -> FloatArray:
    """Return codes of one column as codes of another with the same category names."""
    place = {name: float(i) for i, name in enumerate(to.categories)}
    table = np.array([place.get(name, -1.0) for name in of.categories])
    out = np.full(codes.shape, np.nan)
    present = np.isfinite(codes)
    out[present] = table[codes[present].astype(np.int64)]
    return out
