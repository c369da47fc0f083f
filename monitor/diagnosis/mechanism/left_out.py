"""Features of the parents that both models of a test lack, and along which both of them err.

The error of a score is the product of both models' errors. What the chance of the window goes by
and the outcome does not, or the reverse, does no harm; what both go by and neither model has, such
as a product of two parents whose dependence moved, looks like a change of the mechanism. So each
candidate is held against both residuals, and those with the largest products of the two are taken
in.

References
----------
Rao (1948), Large sample tests of statistical hypotheses concerning several parameters: a feature
that a model lacks shows in its residual.
Belloni, Chernozhukov & Hansen (2014), Inference on treatment effects after selection among
high-dimensional controls: features may be chosen by both models, if what either needs is taken.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from itertools import combinations_with_replacement, pairwise
from typing import Final

import numpy as np
from scipy.special import ndtri

from whydrift.discovery.arrays import FloatArray, IntArray
from whydrift.monitor.diagnosis.side_by_side import side_by_side

__all__ = ["Candidates"]

# Of a score's standard error: what one feature, and all of them, may bring it off by.
_HARMLESS: Final = 0.02
_HARMLESS_TOGETHER: Final = 0.25
_ROWS_PER_CHANCE_FIND: Final = 100
_LEAST_ATOM: Final = 0.03  # share of the rows that have the same value of a number
_MOST_ATOMS: Final = 16  # of a number
# Scores beyond which ½ % to 6 % of the rows lie: bins of equal size are too wide for a kind of row
# that is rare.
_TAILS: Final = -ndtri(np.arange(1, 13) / 200)
_MOST_IN_PRODUCTS: Final = 80  # features beyond which atoms are in no products
_MOST_PAIRS: Final = 300  # that are multiplied by a third feature
_AT_ONCE: Final = 64  # pairs


class Candidates:
    """What could be added to a design: atoms, tails, products of two features and of three.

    Parameters
    ----------
    linear : ndarray of shape (n_rows, n_linear)
        Numbers as scores, categories as indicators.
    """

    def __init__(self, linear: FloatArray) -> None:
        numbers = [k for k in range(linear.shape[1]) if is_number(linear[:, k])]
        atoms = [column for k in numbers for column in _atoms(linear[:, k])]
        tails = [column for k in numbers for column in _tails(linear[:, k])]
        self._single = side_by_side([np.empty((len(linear), 0)), *atoms, *tails])
        few = linear.shape[1] + len(atoms) <= _MOST_IN_PRODUCTS
        self._factors = side_by_side([linear, *(atoms if few else ())])
        self._linear = linear
        self._numbers = frozenset(numbers)

    def with_single(self, features: list[FloatArray]) -> Candidates:
        """Return them and more that stand for themselves, shape (n_rows, k) each."""
        out = copy(self)
        out._single = side_by_side([self._single, *features])
        return out

    def strongest(
        self, window: FloatArray, residuals: FloatArray, most: int
    ) -> tuple[list[FloatArray], float]:
        """Return the features along which both models err most, and what harm all of them can do.

        At most so many, and none where all together can do none. Harm is in standard errors of a
        score.

        Parameters
        ----------
        window : ndarray of shape (n_rows,)
            w − e, 0 where a row tells nothing.
        residuals : ndarray of shape (n_rows, k)
            What the scores are made of, less what the model says.
        most : int
        """
        rows, width = len(window), self._factors.shape[1]
        known = self._known_pairs()
        tried = self._single.shape[1] + width * (width + 1) // 2 + len(known) * width // 3
        # The product of two independent z exceeds t about once in exp(t): of what is found by
        # chance alone there shall be little beside the rows.
        limit = max(1.0, _HARMLESS * np.sqrt(rows), np.log(_ROWS_PER_CHANCE_FIND * tried / rows))
        found: list[tuple[float, tuple[int, ...]]] = []
        alone = np.ones((rows, 1))
        strength = _strength(self._single, alone, window, residuals)[:, 0]
        found += [
            (float(strength[k]), (-1 - k,)) for k in np.flatnonzero(strength >= limit).tolist()
        ]
        pairs = _strength(self._factors, self._factors, window, residuals)
        places = [(int(a), int(b)) for a, b in np.argwhere(np.triu(pairs >= limit))]
        found += [(float(pairs[a, b]), (a, b)) for a, b in places]
        known = known or places[:_MOST_PAIRS]
        found += self._triples(np.array(known, dtype=int).reshape(-1, 2), window, residuals, limit)
        found.sort(reverse=True)
        sizes: dict[tuple[int, ...], float] = {}
        for size, at in found:
            sizes.setdefault(at, size)
        harm = float(np.linalg.norm([*sizes.values()]) / np.sqrt(rows))
        if harm < _HARMLESS_TOGETHER:
            return [], 0.0
        return [self._column(at) for at in [*sizes][: max(0, most)]], harm

    def _known_pairs(self) -> list[tuple[int, int]]:
        """Return all pairs of the parents' own features; none where they are too many."""
        width = self._linear.shape[1]
        every = combinations_with_replacement(range(width), 2)
        return list(every) if width * (width + 1) // 2 <= _MOST_PAIRS else []

    def _triples(
        self, pairs: IntArray, window: FloatArray, residuals: FloatArray, limit: float
    ) -> Iterator[tuple[float, tuple[int, ...]]]:
        """Yield products of three that exceed a limit, with their size, for pairs of features."""
        for start in range(0, len(pairs), _AT_ONCE):
            some = pairs[start : start + _AT_ONCE]
            left = self._factors[:, some[:, 0]] * self._factors[:, some[:, 1]]
            sizes = _strength(left, self._linear, window, residuals)
            for row, c in np.argwhere(sizes >= limit).tolist():
                at = tuple(sorted((*some[row].tolist(), c)))
                # An indicator is its own square: such a product is that of the pair once more.
                if all(a != b or a in self._numbers for a, b in pairwise(at)):
                    yield float(sizes[row, c]), at

    def _column(self, at: tuple[int, ...]) -> FloatArray:
        if at[0] < 0:
            return self._single[:, -1 - at[0]]
        out: FloatArray = self._factors[:, list(at)].prod(axis=1)
        return out


def is_number(values: FloatArray) -> bool:
    """Whether a feature has more values than the two of an indicator."""
    return bool(np.any((values != values.min()) & (values != values.max())))


def _strength(
    left: FloatArray, right: FloatArray, window: FloatArray, residuals: FloatArray
) -> FloatArray:
    """Return how far both models err along products, shape (n_left, n_right)."""
    squares = left**2, right**2

    def z(residual: FloatArray) -> FloatArray:
        total = left.T @ (right * residual[:, None])
        variance = squares[0].T @ (squares[1] * (residual**2)[:, None])
        out: FloatArray = np.abs(total) / np.sqrt(np.maximum(variance, 1e-12))
        return out

    largest = z(residuals[:, 0])
    for column in residuals.T[1:]:
        largest = np.maximum(largest, z(column))
    return z(window) * largest


def _atoms(values: FloatArray) -> list[FloatArray]:
    """Return indicators of values that many rows share, shape (n_rows,) each."""
    found, counts = np.unique(values, return_counts=True)
    common = np.argsort(-counts, kind="stable")[:_MOST_ATOMS]
    return [
        (values == found[k]).astype(np.float64)
        for k in common
        if counts[k] >= _LEAST_ATOM * len(values)
    ]


def _tails(score: FloatArray) -> list[FloatArray]:
    """Return indicators of the rows beyond some scores far out, shape (n_rows,) each."""
    ends = [sign * score > edge for sign in (1, -1) for edge in _TAILS]
    return [end.astype(np.float64) for end in ends if end.any()]
