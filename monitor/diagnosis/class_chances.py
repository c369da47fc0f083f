"""The chances of the classes of which a prediction is the likeliest: outputs of the model, too.

Beside the prediction, which is in no graph, they look like inputs that moved. They follow from the
inputs, without noise, so that any of them tells as much of the target as what the model read.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from whydrift.discovery.arrays import FloatArray
from whydrift.discovery.snapshot.snapshot import Snapshot

__all__ = ["class_chances"]

_MOST_CLASSES = 40
_MOST_NEVER = 2  # classes that are never the likeliest
_LEAST_ROWS = 50
_ROUNDED = 0.006  # of one chance, with two decimals
_AGREE = 0.99  # of the rows


def class_chances(reference: Snapshot, prediction: str, names: Sequence[str]) -> tuple[str, ...]:
    """Return the columns that add up to one, and of which the largest says what is predicted.

    Parameters
    ----------
    reference : Snapshot
        Where they are.
    prediction : str
        A class; of a number nothing is said.
    names : sequence of str
        Columns that may be such chances.
    """
    if not reference.schema[prediction].kind.is_discrete:
        return ()
    guess = reference.column(prediction)
    chances = {
        n: v
        for n in names
        if not reference.schema[n].kind.is_discrete and _is_chance(v := reference.column(n))
    }
    known = np.isfinite(guess)
    classes = np.unique(guess[known])
    if len(chances) < 2 or not 2 <= len(classes) <= _MOST_CLASSES or known.sum() < _LEAST_ROWS:
        return ()
    own = _likeliest(chances, guess, classes)
    others = [n for n in chances if n not in own]
    best: tuple[str, ...] = ()
    least = np.inf
    for more in range(_MOST_NEVER + 1):
        for added in combinations(others, more):
            group = (*own, *added)
            block = np.column_stack([chances[n][known] for n in group])
            off = np.abs(block.sum(axis=1) - 1)
            # What lacks the chance of a class that is never likely adds up to nearly one, too.
            if off.mean() < least and _add_up(off, len(group)) and _says(block, guess[known]):
                best, least = group, float(off.mean())
    return tuple(n for n in names if n in best)


def _is_chance(values: FloatArray) -> bool:
    present = values[np.isfinite(values)]
    return bool(present.size == values.size and present.min() >= 0 and present.max() <= 1)


def _likeliest(
    chances: dict[str, FloatArray], guess: FloatArray, classes: FloatArray
) -> tuple[str, ...]:
    """Return for each class the column that is the most above its mean where that is predicted."""
    found = dict.fromkeys(
        max(chances, key=lambda n: float(chances[n][guess == c].mean() - chances[n].mean()))
        for c in classes
    )
    return tuple(found)


def _add_up(off: FloatArray, chances: int) -> bool:
    """Whether sums of so many chances are off one by no more than rounding makes them."""
    return bool((off <= _ROUNDED * chances).mean() >= _AGREE)


def _says(block: FloatArray, guess: FloatArray) -> bool:
    """Whether the largest of each row says what is predicted, and each class has one of its own."""
    largest = block.argmax(axis=1)
    said = {}
    for place in np.unique(largest):
        values, counts = np.unique(guess[largest == place], return_counts=True)
        said[int(place)] = float(values[counts.argmax()])
    agrees = np.array([said[int(place)] for place in largest]) == guess
    return bool(agrees.mean() >= _AGREE and len({*said.values()}) == len(np.unique(guess)))
