"""Second moments of features, window by window: all that a Gaussian score needs of the rows."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from whydrift.discovery.arrays import BoolArray, FloatArray, IntArray
from whydrift.discovery.scores.incomplete import affordable_rows, likeliest_moments, rows_in_common

__all__ = ["LEAST_COMPLETE", "gram_matrices"]

# Share of complete rows above which incomplete ones are left out; below, they tell what they can.
LEAST_COMPLETE = 0.8


def gram_matrices(
    stacked: FloatArray, bounds: IntArray, carry: float = 0.0
) -> tuple[list[FloatArray], FloatArray]:
    """Return second moments of [1, standardised features] per window, and rows per window.

    Parameters
    ----------
    stacked : ndarray of shape (n_rows, n_features)
        Rows of all windows, one window after the other; NaN where missing.
    bounds : ndarray of int, shape (n_windows + 1,)
        The rows at which each window begins, and the end of the last.
    carry : float
        Of each row, this times the row before it in its window is taken off, after features are
        standardised; the first row of a window has none before it and is left out.

    Returns
    -------
    grams : list of ndarray of shape (1 + n_features, 1 + n_features)
        Standardised over all windows together.
    rows : ndarray of shape (n_windows,)
        That count: where many are incomplete, those that any two features have in common; at
        least 1.
    """
    seen: BoolArray = np.isfinite(stacked)
    complete: BoolArray = np.asarray(seen.all(axis=1))
    counts = np.maximum(seen.sum(axis=0), 1)
    # Around the first value, so that an offset of 1e9 costs no digits.
    first = stacked[seen.argmax(axis=0), np.arange(stacked.shape[1])]
    filled = np.where(seen, stacked - np.where(np.isfinite(first), first, 0.0), 0.0)
    filled -= np.where(seen, filled.sum(axis=0) / counts, 0.0)
    spread = np.sqrt((filled**2).sum(axis=0) / counts)
    scaled = np.column_stack([np.ones(len(filled)), filled / np.where(spread > 0, spread, 1.0)])
    seen = np.column_stack([np.ones(len(seen), dtype=bool), seen])
    grams, rows = [], []
    incomplete = bool(complete.mean() < LEAST_COMPLETE)
    for start, stop in pairwise(bounds.tolist()):
        part, mask = scaled[start:stop], seen[start:stop]
        whole = complete[start:stop]
        if carry:
            part = part[1:] - carry * part[:-1]
            part[:, 0] = 1.0
            mask, whole = mask[1:] & mask[:-1], whole[1:] & whole[:-1]
        if incomplete:
            kept = affordable_rows(mask[:, 1:])
            gram = likeliest_moments(np.where(mask, part, np.nan)[kept, 1:])
            rows.append(rows_in_common(mask[kept, 1:]))
        else:
            part = part[whole]
            gram = part.T @ part / max(1, len(part))
            rows.append(float(max(1, len(part))))
        grams.append(gram)
    return grams, np.array(rows)
