"""Columns of which any one follows exactly from the others, such as the parts and total of a sum.

Given the others nothing is left of any of them, so that no likelihood tells which one is computed:
a density without spread is as high as rounding lets it be. But the others do tell. Rows are as
likely whichever column is left out of the account, once densities are per unit of the same thing:
of the sum (a change of variables). So where a column is the one that follows, its score is that of
the unit, up to what is the same for all of them.

References
----------
Vasicek (1976), A test for normality based on sample entropy.
Daniusis et al. (2010), Inferring deterministic causal relations: direction by what else is simple.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from whydrift.discovery.arrays import BoolArray, FloatArray
from whydrift.discovery.scores.features import rank_normal
from whydrift.discovery.snapshot.snapshot import Snapshot

__all__ = ["Exact", "ExactColumns"]

# Beyond any density that a perfect fit by other columns may have: in each order the last column of
# a relation follows, if that is allowed.
_PER_ROW = 40.0
# Nats a row by which models of the other columns may be wrong: what is nearer is not told apart.
_DOUBT = 0.002


@dataclass(frozen=True)
class Exact:
    """A relation that holds in every row and can be solved for each of its columns.

    Parameters
    ----------
    names : tuple of str
        At least two.
    factors : tuple of float, optional
        Of each column, where multiples of them add up to a constant; by default products of their
        powers do, with exponents of 1 and -1.
    """

    names: tuple[str, ...]
    factors: tuple[float, ...] | None = None

    def scores(self, windows: Sequence[Snapshot]) -> FloatArray:
        """Return each column's score a row, in nats, where it is the one that follows.

        It is the log of how much the relation changes per unit of the column's rank-normal score,
        on average: the scores of a search are likelihoods on that scale.
        """
        block = np.concatenate([w.columns(self.names) for w in windows])
        block = block[np.isfinite(block).all(axis=1)]
        if self.factors is None:
            block = np.log(np.abs(block[(block != 0).all(axis=1)]))
        else:
            block = block * np.array(self.factors)
        return np.array([_log_spread(column) for column in block.T])


class Way(NamedTuple):
    """A way in which a column follows from others.

    Parameters
    ----------
    others : tuple of int
        Positions, in ascending order.
    mask : int
        The same as bits.
    score : float
        Of the column, where it follows.
    doubt : float
        By how much that may be wrong.
    place, size : int
        Of the column in its relation, and how many take part.
    """

    others: tuple[int, ...]
    mask: int
    score: float
    doubt: float
    place: int
    size: int


@dataclass(frozen=True)
class ExactColumns:
    """Relations between columns by position, as a search asks of them.

    Parameters
    ----------
    ways : tuple of tuple of Way
        For each column those in which it follows from others.
    turns : int
        How many columns of a relation may have the benefit of the doubt, one in each turn.
    """

    ways: tuple[tuple[Way, ...], ...]
    turns: int = 1

    @classmethod
    def of(
        cls,
        relations: Sequence[tuple[Exact, FloatArray]],
        names: tuple[str, ...],
        rows: FloatArray,
    ) -> ExactColumns:
        """Return relations between columns of a search.

        Parameters
        ----------
        relations : sequence of (Exact, ndarray)
            With their scores a row.
        names : tuple of str
        rows : ndarray of shape (n_columns,)
            How many independent rows there are of each.
        """
        positions = {name: k for k, name in enumerate(names)}
        ways: list[list[Way]] = [[] for _ in names]
        for relation, scores in relations:
            columns = [positions[name] for name in relation.names]
            worth, size = float(rows[columns].min()), len(columns)
            for place, (column, nats) in enumerate(zip(columns, scores.tolist(), strict=True)):
                others = tuple(sorted({*columns} - {column}))
                mask = sum(1 << other for other in others)
                score, doubt = worth * (_PER_ROW + nats), worth * _DOUBT
                ways[column].append(Way(others, mask, score, doubt, place, size))
        turns = max((len(relation.names) for relation, _ in relations), default=1)
        return cls(tuple(tuple(own) for own in ways), turns)

    def admitted(self, allowed: BoolArray, required: Sequence[frozenset[int]]) -> ExactColumns:
        """Return the ways that knowledge allows; parameters are those of `OrderSearch`."""
        ways = tuple(
            tuple(w for w in own if allowed[list(w.others), column].all()
                  and required[column] <= {*w.others})
            for column, own in enumerate(self.ways)
        )  # fmt: skip
        return ExactColumns(ways, self.turns)

    def best(self, column: int, prefix: int, turn: int) -> tuple[float, tuple[int, ...]] | None:
        """Return the best score of a column that follows from some before it, and these."""
        return max(
            (
                (w.score + w.doubt * (turn % w.size == w.place), w.others)
                for w in self.ways[column]
                if prefix & w.mask == w.mask
            ),
            default=None,
        )


def _log_spread(values: FloatArray) -> float:
    """Return the mean log of what values rise by per unit of their rank-normal score.

    Over as many ranks as the root of their number, as in estimates of entropy by spacings: of a
    normal column it is the log of its sd, and less than a hundredth off that in a thousand rows.
    """
    ordered, score = np.sort(values), np.sort(rank_normal(values))
    places = np.arange(ordered.size)
    reach = max(1, round(float(np.sqrt(ordered.size))))
    low, high = np.maximum(places - reach, 0), np.minimum(places + reach, ordered.size - 1)
    rise, run = ordered[high] - ordered[low], score[high] - score[low]
    rises = (rise > 0) & (run > 0)
    return float(np.log(rise[rises] / run[rises]).mean()) if rises.any() else 0.0
