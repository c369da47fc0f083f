"""Products of two of the parents' features."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import combinations, islice

from whydrift.discovery.arrays import FloatArray
from whydrift.monitor.diagnosis.mechanism.fitted_models import FittedModels
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
    for a, b in islice(combinations(range(models.linear.shape[1]), 2), room):
        yield f"{models.names[a]} × {models.names[b]}", models.feature(partial(_product, a=a, b=b))


def _product(linear: FloatArray, a: int, b: int) -> FloatArray:
    out: FloatArray = linear[:, a] * linear[:, b]
    return out
