"""Predictions that are chances: which are, which are none, and what is told of those."""

from __future__ import annotations

from typing import Final

import numpy as np

from whydrift.discovery.arrays import FloatArray
from whydrift.discovery.snapshot.note import Note
from whydrift.monitor.diagnosis.as_numbers import Reader
from whydrift.monitor.diagnosis.losses import LEAST_CHANCE

__all__ = [
    "are_chances",
    "are_only_0_and_1",
    "chances_of",
    "hard_predictions",
    "no_chances",
    "served_chances",
]

_OVERSHOOT: Final = 1e-6  # of a chance beyond 0 or 1: rounding, of 32 bits at worst
_MOST_OUTSIDE: Final = 0.2  # of the rows: beyond, those inside are chances by chance


def are_chances(values: FloatArray) -> bool:
    """Whether all of them lie in [0, 1], but for a last digit."""
    present = values[np.isfinite(values)]
    if not present.size:
        return False
    return bool(present.min() >= -_OVERSHOOT and present.max() <= 1 + _OVERSHOOT)


def are_only_0_and_1(values: FloatArray) -> bool:
    """Whether predictions in [0, 1] are nothing but 0 and 1: classes, no chances."""
    return bool(np.isin(values[np.isfinite(values)], (0.0, 1.0)).all())


def _in_range(chance: FloatArray) -> FloatArray:
    """Return chances, and nothing where there is none, but for a last digit too many."""
    is_chance = (chance >= -_OVERSHOOT) & (chance <= 1 + _OVERSHOOT)
    return np.where(is_chance, np.clip(chance, 0.0, 1.0), np.nan)


def chances_of(read: Reader) -> Reader:
    """Return a reader for which what is no chance is missing."""
    return lambda values: _in_range(read(values))


def served_chances(prediction: str, chance: FloatArray) -> tuple[tuple[Note, ...], FloatArray]:
    """Return the current chances, none where many are not, and a warning if some are not."""
    known = np.isfinite(chance)
    kept = _in_range(chance)
    outside = chance[known & ~np.isfinite(kept)]
    if not outside.size:
        return (), kept
    share = outside.size / known.sum()
    few = share <= _MOST_OUTSIDE
    then = "these rows are left out of the log loss" if few else "no log loss is computed"
    text = (
        f"{share:.1%} of the current predictions lie outside [0, 1], such as "
        f"{float(outside[0]):.4g}, and none of the reference's: {then}"
    )
    note = Note("prediction_out_of_range", prediction, text)
    return (note,), kept if few else np.full(len(kept), np.nan)


def no_chances(prediction: str, target: str, values: FloatArray) -> tuple[Note, ...]:
    """Return a warning if some of the reference's predictions of two classes are no chances."""
    outside = values[(values < -_OVERSHOOT) | (values > 1 + _OVERSHOOT)]
    if not outside.size:
        return ()
    text = (
        f"{prediction!r} has values such as {float(outside[0]):.4g} in the reference, which are no "
        f"chances of {target!r}: their squared error is measured, which says little; give chances "
        "(per cent divided by 100, log odds turned back)"
    )
    return (Note("no_chances", prediction, text),)


def hard_predictions(prediction: str) -> Note:
    """Return the warning that chances are nothing but 0 and 1."""
    text = (
        f"{prediction!r} is 0 or 1 in every row of the reference: predicted classes, no chances. "
        f"The log loss counts {-np.log(LEAST_CHANCE):.0f} for each wrong one; name the column of "
        "chances, or the loss zero_one"
    )
    return Note("hard_predictions", prediction, text)
