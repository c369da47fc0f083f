"""How much a statistic varies between ordinary windows, beyond what sampling explains.

Rows of one day resemble each other more than rows of two days: something moved a little that
nobody monitors. A test that knows of rows alone calls this drift, the more surely the more rows
there are. Past windows show how large it usually is.

For a score Σ ρ b (w − e), with residual ρ, regressor b and window residual w − e, past window k
has its own coefficient θ_k = Σ_k ρ b / Σ_k b². Their variance τ² beyond the sampling error adds
τ² Σ_k L_k² to the variance of the score, L_k = Σ_k b² (w − e) over the rows of each window, the
current one included: with K alike windows, (1 + 1/K) L².

References
----------
DerSimonian & Laird (1986), Meta-analysis in clinical trials.
Raudenbush (1994), Random effects models, in The handbook of research synthesis.
Smyth (2004), Linear models and empirical Bayes methods for assessing differential expression.
"""

from __future__ import annotations

import numpy as np

from whydrift.discovery.arrays import FloatArray, IntArray

__all__ = ["LEAST_WINDOWS", "between_windows"]

LEAST_WINDOWS = 14  # below, their variance is known too badly to be of use
_LEAST_INFORMATION = 5.0  # of a window: rows of equal weight where the regressor is not zero
_LEAST_TOLD = 3  # windows
_FOR_CERTAIN = 3.0  # times as far apart as by chance
_LEAST_SHARED = 0.25  # of the largest difference between windows; smaller ones are chance
# Scores of one column borrow from their mean, as if that had been seen so often.
_PRIOR_WINDOWS = 10.0


def between_windows(
    products: FloatArray,
    regressors: FloatArray,
    window: FloatArray,
    parts: IntArray,
    inflation: FloatArray,
    calendar: FloatArray,
) -> tuple[FloatArray, float]:
    """Return what to add to each score's variance, and the degrees of freedom of that.

    A score that seems to vary less than others borrows from these; one that varies more stands by
    itself: days that differ in their level need not differ in spread.

    Parameters
    ----------
    products : ndarray of shape (n_rows, n_scores)
        Residual times regressor; past rows first.
    regressors : ndarray of shape (n_rows, n_scores)
    window : ndarray of shape (n_rows, n_scores), or (n_rows, 1)
        Window residual w − e.
    parts : ndarray of shape (n_past,)
        The past window of each row, ascending.
    inflation : ndarray of shape (n_scores,)
        By how much dependence between rows raises each score's variance above that of
        independent rows.
    calendar : ndarray of shape (n_past, n_columns)
        Indicators of hours and weekdays that the residuals were fitted on: what windows of one
        weekday have in common is no difference between ordinary ones. A change of the current
        window is partly in the fit of its weekday, and so in those residuals.
    """
    # Of unit size, so that scores can borrow from each other: where rows in order are differenced
    # the level's regressor is 1 − ρ.
    squares = regressors**2
    size = np.sqrt(np.maximum(squares.mean(axis=0), 1e-300))
    squares /= size**2
    past = len(parts)
    products = products[:past] / size
    _, first = np.unique(parts, return_index=True)
    total = np.add.reduceat(products, first, axis=0)
    square = np.add.reduceat(products**2, first, axis=0)
    information = np.add.reduceat(squares[:past], first, axis=0)
    fourth = np.add.reduceat(squares[:past] ** 2, first, axis=0)
    rows = np.divide(information**2, fourth, out=np.zeros_like(fourth), where=fourth > 0)
    share = squares * window
    loads = (np.add.reduceat(share[:past], first, axis=0) ** 2).sum(axis=0)
    loads += share[past:].sum(axis=0) ** 2
    usual = _usual(calendar, first)
    between = np.zeros(len(loads))
    windows = np.zeros(len(loads))
    ranks: dict[bytes, int] = {}  # nearly always every score is told of by the same windows
    for k in range(len(loads)):
        told = rows[:, k] >= _LEAST_INFORMATION
        which = told.tobytes()
        if which not in ranks:
            ranks[which] = int(np.linalg.matrix_rank(usual[told]))
        spare = int(told.sum()) - ranks[which]
        if spare < _LEAST_TOLD - 1:
            continue
        theta = total[told, k] / information[told, k]
        error = max(float(inflation[k]), 1.0) * square[told, k] / information[told, k] ** 2
        between[k] = _method_of_moments(theta, np.maximum(error, 1e-12), usual[told], spare)
        windows[k] = spare + 1
    known = windows > 0
    if not known.any():
        return np.zeros(len(loads)), float("inf")
    # Shrunk before the negative ones are cut off: a mean of cut ones would be too large.
    common = float(between[known].mean())
    mixed = (windows * between + _PRIOR_WINDOWS * common) / (windows + _PRIOR_WINDOWS)
    variance = np.where(known, np.maximum(between, np.maximum(mixed, 0.0)), max(common, 0.0))
    freedom = float(windows[known].min()) - 1 + _PRIOR_WINDOWS
    return variance * loads * size**2, freedom


def _usual(calendar: FloatArray, first: IntArray) -> FloatArray:
    """Return what windows have in common by the calendar: a level, and levels of a weekday or hour.

    Days do not differ by the hours that they are made of, but for chance: only what windows differ
    in for certain counts.

    Parameters
    ----------
    calendar : ndarray of shape (n_past, n_columns)
        Indicators.
    first : ndarray of int, shape (n_windows,)
        The first row of each window.

    Returns
    -------
    ndarray of shape (n_windows, n_kept)
        The first column is 1, the others are orthogonal to it and to each other.
    """
    rows = np.diff([*first, len(calendar)])[:, None]
    shares = np.add.reduceat(calendar, first, axis=0) / rows
    overall = calendar.mean(axis=0)
    by_chance = (overall * (1 - overall) / rows).mean(axis=0)
    differ = ((shares - overall) ** 2).mean(axis=0) > _FOR_CERTAIN * by_chance
    level = np.ones((len(first), 1))
    if not differ.any():
        return level
    apart = shares[:, differ] - shares[:, differ].mean(axis=0)
    directions, sizes, _ = np.linalg.svd(apart, full_matrices=False)
    return np.column_stack([level, directions[:, sizes > _LEAST_SHARED * sizes[0]]])


def _method_of_moments(
    theta: FloatArray, error: FloatArray, usual: FloatArray, spare: int
) -> float:
    """Return the variance of means about their regression on ``usual`` beyond their errors.

    Negative where they are more alike than that. ``spare`` are the degrees of freedom left.
    """
    weight = 1 / error
    inverse = np.linalg.pinv(usual.T @ (usual * weight[:, None]), rcond=1e-9, hermitian=True)
    rest = theta - usual @ (inverse @ (usual.T @ (weight * theta)))
    taken = float(np.trace(inverse @ (usual.T @ (usual * (weight**2)[:, None]))))
    return (float(weight @ rest**2) - spare) / (float(weight.sum()) - taken)
