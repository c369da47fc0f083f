"""Matrices put together column by column, laid out so that loops run over rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from whydrift.discovery.arrays import BoolArray, FloatArray

__all__ = ["chosen_rows", "side_by_side"]


def side_by_side(parts: Sequence[FloatArray]) -> FloatArray:
    """Return columns of the same rows as one matrix, each column contiguous in memory.

    Rows are many and columns few: whatever is done row by row takes half the time so.

    Parameters
    ----------
    parts : sequence of ndarray
        Of shape (n_rows,) or (n_rows, k); at least one.

    Returns
    -------
    ndarray of shape (n_rows, n_columns)
    """
    widths = [1 if part.ndim == 1 else part.shape[1] for part in parts]
    out = np.empty((sum(widths), len(parts[0])))
    start = 0
    for part, width in zip(parts, widths, strict=True):
        out[start : start + width] = part.T
        start += width
    return out.T


def chosen_rows(values: FloatArray, rows: BoolArray) -> FloatArray:
    """Return some rows, without a copy where they are all."""
    return values if rows.all() else values[rows]
