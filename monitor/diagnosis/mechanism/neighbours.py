"""Which rows of two windows' samples follow others, where these resemble their neighbours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from whydrift.discovery.arrays import BoolArray
from whydrift.monitor.diagnosis.pair import WindowPair

__all__ = ["Neighbours"]

_ENOUGH = 500  # rows with a neighbour, of a window that was thinned


@dataclass(frozen=True)
class Neighbours:
    """The rows of both windows from which what they share with the one before can be taken.

    Of a long window only a sample is here, and of past ones blocks of that: a row that stands
    beside another need not come just after it. What a row adds to the one before spreads the wider
    the longer ago that was; taken for a neighbour's, a thinned reference spreads wider than a
    window that is here in full. So only rows with a true neighbour count, or all where both windows
    were thinned alike. Where hardly a row has one (of windows of a million rows without a time, or
    whose rows came in another order than that of time) all count, and spreads are not compared.

    Parameters
    ----------
    rows : ndarray of bool, shape (n_chosen,)
        Of chosen rows, those with one before them.
    tell_spread : bool
        Whether how far they spread is comparable.
    """

    rows: BoolArray
    tell_spread: bool

    @classmethod
    def of(cls, pair: WindowPair, chosen: BoolArray) -> Neighbours:
        """Find them among chosen rows of both windows, shape (n_rows,)."""
        beside = np.zeros_like(chosen)
        beside[1:] = chosen[:-1]
        beside[pair.split : pair.split + 1] = False
        beside = beside[chosen]
        just_after = beside & pair.has_predecessor[chosen]
        split = int(chosen[: pair.split].sum())
        counts, found = ((int(m[:split].sum()), int(m[split:].sum())) for m in (beside, just_after))
        if counts == found:
            return cls(beside, True)
        if any(own < min(_ENOUGH, count / 2) for own, count in zip(found, counts, strict=True)):
            return cls(beside, False)
        share = [own / count for own, count in zip(found, counts, strict=True)]
        pooled = sum(found) / sum(counts)
        error = np.sqrt(pooled * (1 - pooled) * (1 / counts[0] + 1 / counts[1]))
        return cls(beside if abs(share[0] - share[1]) <= error else just_after, True)
