"""Ridge fits of one mechanism in both windows at once: what they share, and how they differ.

The coefficients are those of the mean of both windows' mechanisms, then those of their difference.
How far each kind of feature is shrunk the rows decide themselves. So a mechanism that differs in
its level alone is fitted as such, and is known in one window also where only the other has rows.

References
----------
MacKay (1992), Bayesian interpolation, Neural Computation 4, 415-447.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from scipy.linalg.lapack import dposv, dpotrf, dtrtri

from whydrift.discovery.arrays import BoolArray, FloatArray, IntArray

__all__ = ["Folds", "penalties_by_evidence", "updated_penalties", "window_signs"]

_ROUNDS = 20
_WIDE, _ROUNDS_IF_WIDE = 150, 6  # features; each round inverts a matrix of so many rows
_LEAST_PENALTY, _LARGEST_PENALTY = 1e-3, 1e9
_SETTLED = 0.1  # of the parameters that a kind of features counts for
_FREE = 1e-8  # keeps an intercept's equation solvable


@dataclass(frozen=True)
class Folds:
    """The cross products of a design, of all rows and of each group: many responses share them.

    Parameters
    ----------
    design : ndarray of shape (n_rows, width)
        Intercept first; rows of a window together, and of a group within it.
    order : ndarray of int, shape (n_rows,), optional
        Which of the rows handed in each of them is; None where all are in their places.
    ends : tuple of int
        Where each window's groups begin, and the last one ends.
    sums : ndarray of shape (2, width)
        Of the design's features in each window.
    grams : ndarray of shape (n_groups, f, f)
        Cross products inside each group.
    source : ndarray of int, shape (f,)
        Which of the design's features each is.
    signs : ndarray of shape (2, f)
        See `window_signs`.
    """

    design: FloatArray
    order: IntArray | None
    ends: tuple[int, ...]
    sums: FloatArray
    grams: FloatArray
    source: IntArray
    signs: FloatArray

    @classmethod
    def of(
        cls,
        design: FloatArray,
        side: IntArray,
        groups: IntArray,
        count: int,
        source: IntArray,
        differs: BoolArray,
    ) -> Folds:
        """Prepare a design.

        Parameters
        ----------
        design : ndarray of shape (n_rows, width)
            Intercept first.
        side : ndarray of int, shape (n_rows,)
            0 for rows of the reference, 1 for the current window's.
        groups : ndarray of int, shape (n_rows,)
            Group of each row, below ``count``.
        count : int
            Number of groups.
        source : ndarray of int, shape (f,)
            Which of the design's features each is: one may serve twice.
        differs : ndarray of bool, shape (f,)
            Those for the difference between the windows; they come last, after the design's first.
        """
        signs, order = window_signs(differs), None
        place = side * count + groups
        if (place[1:] < place[:-1]).any():
            order = np.argsort(place, kind="stable")
            place, design = place[order], design.T.take(order, axis=1).T
        ends = tuple(np.searchsorted(place, np.arange(2 * count + 1)).tolist())
        # What a window makes of a feature is one factor for all its rows: products can wait for it.
        once = np.empty((2, count, *[design.shape[1]] * 2))
        for (a, b), out in zip(pairwise(ends), once.reshape(-1, *once.shape[2:]), strict=True):
            np.matmul(design[a:b].T, design[a:b], out=out)
        both, half = once[0] + once[1], 0.5 * (once[1] - once[0])
        plain, twice = len(source) - int(differs.sum()), source[differs]
        grams = np.empty((count, len(source), len(source)))
        grams[:, :plain, :plain] = both[:, :plain, :plain]
        grams[:, :plain, plain:] = half[:, :plain, twice]
        grams[:, plain:, :plain] = half[:, twice, :plain]
        grams[:, plain:, plain:] = 0.25 * both[:, twice[:, None], twice]
        sums = once[:, :, 0].sum(axis=1)  # products with the intercept
        return cls(design, order, ends, sums, grams, source, signs)

    def part(self, features: IntArray) -> Folds:
        """Return the same rows with some of the features."""
        grams = self.grams[:, features[:, None], features]
        signs = self.signs[:, features]
        return replace(self, grams=grams, source=self.source[features], signs=signs)

    def fit(
        self, response: FloatArray, kinds: IntArray, variance: float | None = None
    ) -> FloatArray:
        """Return coefficients in each window, from all rows and with each group left out.

        Parameters
        ----------
        response : ndarray of shape (n_rows,)
            What is to be fitted, in the order of the rows handed in.
        kinds : ndarray of int, shape (f,)
            Features of one kind are shrunk alike; -1 is not shrunk.
        variance : float, optional
            Of the noise, where it is known.

        Returns
        -------
        ndarray of shape (2, 1 + n_groups, f)
        """
        ordered = response if self.order is None else response[self.order]
        once = np.stack([ordered[a:b] @ self.design[a:b] for a, b in pairwise(self.ends)])
        by_window = once.reshape(2, len(self.grams), -1)[..., self.source]
        moments = (by_window * self.signs[:, None]).sum(axis=0)
        whole, right = self.grams.sum(axis=0), moments.sum(axis=0)
        square = float(response @ response)
        penalty = penalties_by_evidence(whole, right, square, len(response), kinds, variance)
        lhs = np.concatenate([whole[None], whole - self.grams])
        rhs = np.concatenate([right[None], right - moments])
        diagonal = np.arange(len(penalty))
        lhs[:, diagonal, diagonal] += penalty
        weights = np.stack([_solution(left, right) for left, right in zip(lhs, rhs, strict=True)])
        out: FloatArray = weights * self.signs[:, None, :]
        return out


def window_signs(differs: BoolArray) -> FloatArray:
    """Return by what features are multiplied in each window, shape (2, f): ±½ where they differ."""
    return np.where(differs, np.array([[-0.5], [0.5]]), 1.0)


def penalties_by_evidence(
    gram: FloatArray,
    moment: FloatArray,
    square: float,
    rows: int,
    kinds: IntArray,
    variance: float | None = None,
) -> FloatArray:
    """Return the ridge penalty of every feature that makes the responses likeliest.

    Parameters
    ----------
    gram, moment : ndarray of shapes (f, f) and (f,)
        Cross products of the features, and of features and response.
    square : float
        Sum of the squared responses.
    rows : int
        Number of rows.
    kinds : ndarray of int, shape (f,)
        Features of one kind have one penalty; -1 is free.
    variance : float, optional
        Of the noise; estimated where not given.
    """
    penalty, told = np.where(kinds < 0, _FREE, 1.0), np.zeros(1)
    for _ in range(_ROUNDS if len(kinds) <= _WIDE else _ROUNDS_IF_WIDE):
        lhs = gram.copy()
        lhs.reshape(-1)[:: len(kinds) + 1] += penalty
        beta, variances = _solved(lhs, moment)
        noise = variance
        if noise is None:
            residual = square - 2 * beta @ moment + beta @ gram @ beta
            left = rows - len(penalty) + float(penalty @ variances)
            noise = max(float(residual), 1e-12 * square, 1e-300) / max(left, 1.0)
        before = told
        penalty, told = updated_penalties(penalty, variances, beta, kinds, noise)
        # A kind that says nothing is shrunk ever further, which changes nothing any more.
        if np.abs(told - before).max(initial=0.0) < _SETTLED:
            break
    return penalty


def _solution(lhs: FloatArray, rhs: FloatArray) -> FloatArray:
    """Return the solution of symmetric equations."""
    _, found, is_singular = dposv(lhs.T, rhs)  # transposed as LAPACK has it: no copy is turned
    if is_singular:  # to rounding
        found = np.linalg.solve(lhs, rhs)
    out: FloatArray = found
    return out


def _solved(lhs: FloatArray, rhs: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the solution of symmetric equations, and the diagonal of their inverse.

    By half of the inverse alone, at less than half of what all of it costs.
    """
    root, is_singular = dpotrf(lhs, lower=1, clean=1)
    if is_singular:  # to rounding
        inverse = np.linalg.inv(lhs)
        return inverse @ rhs, np.diag(inverse)
    half, _ = dtrtri(root, lower=1, overwrite_c=1)
    return (half @ rhs) @ half, (half * half).sum(axis=0)


def updated_penalties(
    penalty: FloatArray, variances: FloatArray, beta: FloatArray, kinds: IntArray, noise: float
) -> tuple[FloatArray, FloatArray]:
    """Return the penalties after one round of re-estimation, and what each kind counted for.

    That is so many parameters as the rows, not the penalty, decide.

    Parameters
    ----------
    penalty, beta : ndarray of shape (f,)
        As they are.
    variances : ndarray of shape (f,)
        The diagonal of the inverse of the penalised cross products.
    kinds : ndarray of int, shape (f,)
        See `penalties_by_evidence`.
    noise : float
        Variance.
    """
    place = kinds + 1  # free features first
    told: FloatArray = np.bincount(place, 1 - penalty * variances).astype(np.float64)
    size = np.bincount(place, beta * beta)
    best = noise * np.maximum(told, 1e-9) / np.maximum(size, 1e-300)
    best = np.minimum(np.maximum(best, _LEAST_PENALTY), _LARGEST_PENALTY)
    return np.where(kinds < 0, penalty, best[place]), told[1:]
