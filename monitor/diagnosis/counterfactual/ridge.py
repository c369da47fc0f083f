"""Ridge fits of one mechanism in both windows at once: what they share, and how they differ.

The coefficients are those of the mean of both windows' mechanisms, then those of their difference.
How far each kind of feature is shrunk the rows decide themselves. So a mechanism that differs in
its level alone is fitted as such, and is known in one window also where only the other has rows.

References
----------
MacKay (1992), Bayesian interpolation, Neural Computation 4, 415-447.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.linalg.lapack import dpotrf, dtrtri

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
    design : ndarray of shape (n_rows, f)
        Intercept first; rows of a group together, and times what their window makes of a feature
        that differs between the windows.
    order : ndarray of int, shape (n_rows,)
        Which of the rows handed in each of them is.
    ends : ndarray of int, shape (n_groups + 1,)
        Where each group begins, and the last one ends.
    grams : ndarray of shape (n_groups, f, f)
        Cross products inside each group.
    signs : ndarray of shape (2, f)
        See `window_signs`.
    """

    design: FloatArray
    order: IntArray
    ends: IntArray
    grams: FloatArray
    signs: FloatArray

    @classmethod
    def of(
        cls, design: FloatArray, side: IntArray, groups: IntArray, count: int, differs: BoolArray
    ) -> Folds:
        """Prepare a design.

        Parameters
        ----------
        design : ndarray of shape (n_rows, f)
            Intercept first.
        side : ndarray of int, shape (n_rows,)
            0 for rows of the reference, 1 for the current window's.
        groups : ndarray of int, shape (n_rows,)
            Group of each row, below ``count``.
        count : int
            Number of groups.
        differs : ndarray of bool, shape (f,)
            Features for the difference between the windows.
        """
        signs = window_signs(differs)
        order = np.argsort(groups, kind="stable")
        ends = np.searchsorted(groups[order], np.arange(count + 1))
        turned = design.T.take(order, axis=1)
        if differs.any():
            turned[differs] *= side[order] - 0.5
        ordered = turned.T
        parts = [ordered[a:b] for a, b in pairwise(ends.tolist())]
        return cls(ordered, order, ends, np.stack([p.T @ p for p in parts]), signs)

    def part(self, features: IntArray) -> Folds:
        """Return the same rows with some of the features."""
        grams = self.grams[:, features[:, None], features]
        design = self.design.T[features].T
        return Folds(design, self.order, self.ends, grams, self.signs[:, features])

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
        ordered = response[self.order]
        parts = pairwise(self.ends.tolist())
        moments = np.stack([ordered[a:b] @ self.design[a:b] for a, b in parts])
        whole, right = self.grams.sum(axis=0), moments.sum(axis=0)
        square = float(response @ response)
        penalty = penalties_by_evidence(whole, right, square, len(response), kinds, variance)
        lhs = np.concatenate([whole[None], whole - self.grams])
        rhs = np.concatenate([right[None], right - moments])
        diagonal = np.arange(len(penalty))
        lhs[:, diagonal, diagonal] += penalty
        weights = np.linalg.solve(lhs, rhs[..., None])[..., 0]
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
    diagonal = np.arange(len(kinds))
    for _ in range(_ROUNDS if len(kinds) <= _WIDE else _ROUNDS_IF_WIDE):
        lhs = gram.copy()
        lhs[diagonal, diagonal] += penalty
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
