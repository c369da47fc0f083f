"""Losses by name, and those of users: from targets and predictions to a loss a row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from whydrift.discovery.arrays import FloatArray
from whydrift.discovery.errors import OptionError, unknown_name

__all__ = [
    "LEAST_CHANCE",
    "LOSSES",
    "ChosenLoss",
    "CustomLoss",
    "Loss",
    "checked_loss",
    "chosen_loss",
    "drawn_in",
    "log_loss",
    "zero_one",
]

LEAST_CHANCE: Final = 1e-12  # the log loss of less, and of as near to 1, is that of this

# From predictions and targets, as arrays of numbers or of classes' names, to a loss a row.
CustomLoss = Callable[[Any, Any], Any]
# From targets and predictions as numbers.
Loss = Callable[[FloatArray, FloatArray], FloatArray]


def _squared(y: FloatArray, f: FloatArray) -> FloatArray:
    out: FloatArray = (y - f) ** 2
    return out


def _absolute(y: FloatArray, f: FloatArray) -> FloatArray:
    return np.abs(y - f)


def log_loss(y: FloatArray, f: FloatArray) -> FloatArray:
    """Return minus the logarithm of the chance that was given to what happened."""
    chance = np.clip(f, LEAST_CHANCE, 1 - LEAST_CHANCE)
    out: FloatArray = -(y * np.log(chance) + (1 - y) * np.log1p(-chance))
    return out


def zero_one(y: FloatArray, f: FloatArray) -> FloatArray:
    """Return 1 where two codes differ, NaN where one is missing."""
    out: FloatArray = (y != f).astype(np.float64)
    out[~(np.isfinite(y) & np.isfinite(f))] = np.nan
    return out


LOSSES: Final[dict[str, Loss]] = {
    "squared_error": _squared,
    "absolute_error": _absolute,
    "log_loss": log_loss,
    "zero_one": zero_one,
}


def _quantile(level: float) -> Loss:
    """Return the pinball loss of a predicted quantile.

    References
    ----------
    Koenker & Bassett (1978), Regression quantiles.
    """

    def pinball(y: FloatArray, f: FloatArray) -> FloatArray:
        return np.maximum(level * (y - f), (level - 1) * (y - f))

    return pinball


@dataclass(frozen=True)
class ChosenLoss:
    """A loss that somebody asked for.

    Parameters
    ----------
    name : str
        ``auto`` where the columns are to say.
    of : Loss, optional
        None for those of `LOSSES`.
    quantile : float, optional
        Level of the quantile of the target that has the least loss; None for another prediction.
    own : CustomLoss, optional
        As it was given, where it is a user's.
    """

    name: str
    of: Loss | None = None
    quantile: float | None = None
    own: CustomLoss | None = None


def chosen_loss(loss: str | CustomLoss) -> ChosenLoss:
    """Return what a name or a callable asks for.

    Raises
    ------
    OptionError
        If it is neither, or the name is unknown.
    """
    if not isinstance(loss, str):
        if not callable(loss):
            raise OptionError(
                f"a {type(loss).__name__} is no loss",
                where="loss",
                remedy="Give a name, or a callable from predictions and targets to losses",
            )
        name = getattr(loss, "__name__", "custom loss")
        return ChosenLoss(
            name if name.isidentifier() else "custom loss", checked_loss(loss), own=loss
        )
    if loss == "auto" or loss in LOSSES:
        return ChosenLoss(loss, quantile=0.5 if loss == "absolute_error" else None)
    word, _, level = loss.partition(":")
    if word != "quantile":
        raise unknown_name("loss", loss, known=["auto", *LOSSES, "quantile:0.9"], where="--loss")
    try:
        share = float(level)
    except ValueError:
        share = np.nan
    if not 0 < share < 1:
        raise OptionError(
            f"{loss!r} has no level between 0 and 1",
            where="--loss",
            remedy="Name the quantile that is predicted, such as quantile:0.9",
        )
    return ChosenLoss(loss, _quantile(share), share)


def checked_loss(loss: CustomLoss) -> Loss:
    """Return a user's loss, checked, and asked only about rows that have both values."""

    def checked(y: FloatArray, f: FloatArray) -> FloatArray:
        y, f = np.broadcast_arrays(y, f)
        both = np.isfinite(y) & np.isfinite(f)
        try:
            given = np.asarray(loss(f[both], y[both]), dtype=np.float64)
        except Exception as error:
            raise OptionError(
                f"the loss could not be computed ({type(error).__name__}: {error})",
                where="loss",
                remedy="Give a callable from arrays of predictions and targets to losses",
            ) from error
        if given.shape != (int(both.sum()),):
            raise OptionError(
                f"the loss has the shape {given.shape} for {int(both.sum())} rows",
                where="loss",
                remedy="Let it return one loss a row, not their mean",
            )
        if not np.isfinite(given).all():
            raise OptionError(
                f"the loss is not finite for {int((~np.isfinite(given)).sum())} rows",
                where="loss",
                remedy="Clip predictions where it has none, as log losses do",
            )
        out = np.full(y.shape, np.nan)
        out[both] = given
        return out

    return checked


def drawn_in(own: Loss, truth: Sequence[FloatArray], guess: Sequence[FloatArray]) -> Loss:
    """Return a user's loss of rows that were never recorded, where it need not have a value.

    Targets are drawn in to the range of those recorded; predictions to the range of recorded
    targets and predictions, but for an end at which the loss is not finite.
    """
    y, f = np.concatenate(truth), np.concatenate(guess)
    both = np.isfinite(y) & np.isfinite(f)
    y, f = y[both], f[both]
    if not y.size:
        return own
    own(y, f)  # raises where it cannot be computed at all

    def end(recorded: float, furthest: float) -> float:
        try:
            with np.errstate(all="ignore"):
                own(y, np.full(y.shape, furthest))
        except OptionError:
            return recorded
        return furthest

    least, most = float(y.min()), float(y.max())
    low = end(float(f.min()), min(least, float(f.min())))
    high = end(float(f.max()), max(most, float(f.max())))
    return lambda y, f: own(np.clip(y, least, most), np.clip(f, low, high))
