"""How a column hangs together with the others: what swaps and recodes are recognised by."""

from __future__ import annotations

import numpy as np

from whydrift.discovery.arrays import FloatArray
from whydrift.discovery.scores.features import rank_normal
from whydrift.discovery.snapshot.schema import Schema
from whydrift.discovery.snapshot.snapshot import Snapshot

__all__ = ["context", "level_profile"]


def context(
    window: Snapshot, names: tuple[str, ...], rows: slice, schema: Schema
) -> dict[str, FloatArray]:
    """Return standardised features of each column within one window, missing values as 0.

    Numbers are ranked inside the window, so that only dependence is left; categories become
    indicators of the levels that ``schema`` (the reference's) knows.

    Returns
    -------
    dict of str to ndarray of shape (n_rows, n_features)
    """
    out: dict[str, FloatArray] = {}
    for name in names:
        values = window.column(name)[rows]
        column = schema[name]
        if column.kind.is_discrete:
            levels = range(min(len(column.categories), 8))
            block = np.column_stack([(values == level).astype(float) for level in levels])
            block[~np.isfinite(values)] = np.nan
        else:
            # All rows were ranked before: of a part the ranks are its own.
            scores = (
                window.rank_scores(name)
                if rows == slice(None)
                else rank_normal(values, window.order(name, rows))
            )
            block = scores[:, None]
        centred = block - _mean(block)
        spread = np.sqrt(_mean(centred**2))
        out[name] = np.nan_to_num(centred / np.where(spread > 1e-12, spread, 1.0))
    return out


def _mean(block: FloatArray) -> FloatArray:
    seen = np.isfinite(block)
    total: FloatArray = np.where(seen, block, 0.0).sum(axis=0) / np.maximum(seen.sum(axis=0), 1)
    return total


def level_profile(
    codes: FloatArray, levels: int, features: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return each level's rows and the means of features in it, 0 where it has no row.

    Parameters
    ----------
    codes : ndarray of shape (n_rows,)
        Codes of ``levels`` and more categories, NaN where there is none.
    levels : int
    features : ndarray of shape (n_rows, n_features)

    Returns
    -------
    counts : ndarray of shape (n_levels,)
    means : ndarray of shape (n_levels, n_features)
    """
    level = np.where(np.isfinite(codes) & (codes < levels), codes, levels).astype(np.int64)
    counts = np.bincount(level, minlength=levels + 1)
    means = np.zeros((levels + 1, features.shape[1]))
    there = counts > 0
    ordered = features[np.argsort(level, kind="stable")]
    first = (np.cumsum(counts) - counts)[there]
    means[there] = np.add.reduceat(ordered, first, axis=0) / counts[there, None]
    return counts[:levels].astype(np.float64), means[:levels]
