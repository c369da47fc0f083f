"""Products of two of the parents' features."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import chain, combinations, islice, product

from whydrift.discovery.arrays import FloatArray
from whydrift.monitor.diagnosis.mechanism.fitted_models import FittedModels
from whydrift.monitor.diagnosis.mechanism.left_out import is_number
from whydrift.monitor.diagnosis.mechanism.scores import MOST_SCORES

__all__ = ["products"]

_LEAST_PRODUCTS, _ROWS_PER_PRODUCT = 6, 20


def products(models: FittedModels, taken: int) -> Iterator[tuple[str, FloatArray]]:
    """Yield the products that become scores, each with its name: as many as the rows allow.

    Parameters
    ----------
    models : FittedModels
    taken : int
        How many scores there are already.
    """
    smaller = min(models.rows.split, len(models.matrix) - models.rows.split)
    room = max(_LEAST_PRODUCTS, min(MOST_SCORES - taken, smaller // _ROWS_PER_PRODUCT))
    linear = models.linear
    numbers = [k for k, column in enumerate(linear.T) if is_number(column)]
    levels = sorted({*range(linear.shape[1])}.difference(numbers))
    # A cell of two levels has few rows, and no row has two levels of one category.
    pairs = chain(combinations(numbers, 2), product(numbers, levels), combinations(levels, 2))
    usual = (sorted(pair) for pair in pairs if linear[:, pair].all(axis=1).any())
    for a, b in islice(usual, room):
        yield f"{models.names[a]} × {models.names[b]}", models.feature(partial(_product, a=a, b=b))


def _product(linear: FloatArray, a: int, b: int) -> FloatArray:
    out: FloatArray = linear[:, a] * linear[:, b]
    return out
