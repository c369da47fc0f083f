"""Which rows of two windows' samples follow others, where these resemble their neighbours."""

from __future__ import annotations

import numpy as np

from whydrift.discovery.arrays import BoolArray
from whydrift.monitor.diagnosis.pair import WindowPair

__all__ = ["with_predecessor"]

_ENOUGH = 500  # rows with a neighbour, of a window that was thinned


def with_predecessor(pair: WindowPair, rows: BoolArray) -> BoolArray:
    """Return, of chosen rows, those whose predecessor in their window is chosen too.

    Of a long window only a sample is here, and of past ones blocks of that: a row that stands
    beside another need not come just after it. What a row adds to the one before spreads the wider
    the longer ago that was; taken for a neighbour's, a thinned reference spreads wider than a
    window that is here in full. Where both windows were thinned alike, or so much that hardly a
    row has its neighbour, the row before in the sample will do.

    Parameters
    ----------
    pair : WindowPair
    rows : ndarray of bool, shape (n_rows,)
        The chosen ones of both windows.

    Returns
    -------
    ndarray of bool, shape (n_chosen,)
    """
    beside = np.zeros_like(rows)
    beside[1:] = rows[:-1]
    beside[pair.split : pair.split + 1] = False
    beside = beside[rows]
    just_after = beside & pair.has_predecessor[rows]
    split = int(rows[: pair.split].sum())
    counts, found = ((int(m[:split].sum()), int(m[split:].sum())) for m in (beside, just_after))
    if min(counts) == 0:
        return just_after
    share = [own / count for own, count in zip(found, counts, strict=True)]
    pooled = sum(found) / sum(counts)
    error = np.sqrt(pooled * (1 - pooled) * (1 / counts[0] + 1 / counts[1]))
    is_alike = abs(share[0] - share[1]) <= error
    too_few = all(own < min(_ENOUGH, count / 2) for own, count in zip(found, counts, strict=True))
    return beside if is_alike or too_few else just_after
