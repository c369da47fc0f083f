"""Which rows of a table are equal to a row before them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from whydrift.discovery.arrays import BoolArray, FloatArray, IntArray

if TYPE_CHECKING:
    from whydrift.discovery.snapshot.infer import Content

__all__ = ["repeated_rows"]


def repeated_rows(contents: Sequence[Content], rows: int) -> BoolArray:
    """Tell for each row whether one before it has the same values in all columns.

    Rows are compared by a 64-bit hash: among ten million different rows about three in a million
    tables have a pair that is taken for equal.

    Parameters
    ----------
    contents : sequence of Content
        The decoded columns; nested values are not looked at.
    rows : int
        Rows of the table.

    Returns
    -------
    ndarray of bool, shape (n_rows,)
    """
    state = np.zeros(rows, dtype=np.uint64)
    seen = False
    for content in contents:
        bits = _bits(content)
        if bits is not None:
            state = _mixed(state ^ bits)
            seen = True
    out = np.ones(rows, dtype=bool)
    if not seen:  # nothing can be compared: no row is said to repeat another
        return ~out
    out[np.unique(state, return_index=True)[1]] = False
    return out


def _bits(content: Content) -> NDArray[np.uint64] | None:
    if content.numbers is not None:
        # One kind of zero and one of NaN, whatever their bits were.
        values: FloatArray = np.where(np.isnan(content.numbers), np.nan, content.numbers + 0.0)
        return values.view(np.uint64)
    if content.texts is not None:
        codes = content.texts.dictionary_encode().indices.fill_null(-1)
        numbers: IntArray = codes.to_numpy(zero_copy_only=False).astype(np.int64)
        return numbers.view(np.uint64)
    return None


def _mixed(state: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Scatter the bits (splitmix64; Steele, Lea & Flood 2014, Fast splittable generators)."""
    state = state + np.uint64(0x9E3779B97F4A7C15)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))
