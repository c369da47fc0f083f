"""Second moments of rows with missing values: those under which the values seen are likeliest.

References
----------
Dempster, Laird & Rubin (1977), Maximum likelihood from incomplete data via the EM algorithm.
Little & Rubin (2019), Statistical analysis with missing data, section 11.2.
"""

from __future__ import annotations

import numpy as np

from whydrift.discovery.arrays import BoolArray, FloatArray, IntArray

__all__ = [
    "LEAST_TOGETHER",
    "affordable_rows",
    "likeliest_moments",
    "pairs_in_common",
    "rows_in_common",
]

LEAST_TOGETHER = 20  # rows that have both of two columns; fewer say nothing of them

_MOST_ROUNDS = 50
_CLOSE = 1e-3  # of a standard deviation: changes below are far inside the sampling error
_RIDGE = 1e-3  # of a spread of 1: features that others determine, or that never vary
_MOST_WORK = 4e9  # operations in a round, some seconds
_CELLS_AT_ONCE = 4_000_000  # of the small matrices inverted together


def likeliest_moments(values: FloatArray) -> FloatArray:
    """Return the second moments of ``[1, features]`` by maximum likelihood, from all rows.

    Moments of each pair from the rows that have both do not fit together: what columns that hang
    together miss of each other passes for edges. Here each row tells what it can, and what it
    lacks is expected given what it has. That is right where a value is missing by chance, or for
    reasons that the row shows. Features need not be normal for the first.

    Parameters
    ----------
    values : ndarray of shape (n_rows, n_features)
        Features of a spread of about 1; NaN where missing.

    Returns
    -------
    ndarray of shape (1 + n_features, 1 + n_features)
        Positive definite. A feature never seen has the mean 0, the variance 1 and no covariance.
    """
    seen = np.isfinite(values)
    known = np.flatnonzero(seen.any(axis=0))
    size = values.shape[1]
    out = np.eye(1 + size)
    rows = np.flatnonzero(seen.any(axis=1))
    if len(known) == 0:
        return out
    mean, covariance = _climb(values[np.ix_(rows, known)], seen[np.ix_(rows, known)])
    out[0, 1 + known] = out[1 + known, 0] = mean
    out[np.ix_(1 + known, 1 + known)] = covariance + np.outer(mean, mean)
    return out


def affordable_rows(seen: BoolArray) -> IntArray:
    """Return the numbers of evenly spaced rows, all of them where that takes seconds.

    Parameters
    ----------
    seen : ndarray of bool, shape (n_rows, n_features)
    """
    count, size = seen.shape
    lacking = (~seen).sum(axis=1).astype(np.float64)
    work = 4.0 * count * size**2 + 4.0 * float((lacking**3).sum())
    wanted = min(count, max(1, int(count * _MOST_WORK / max(work, 1.0))))
    return np.linspace(0, count - 1, wanted).astype(np.int64)


def rows_in_common(seen: BoolArray) -> float:
    """Return the fewest rows that two features were seen in together, at least 1.

    A relation is known no better than that. Features never seen do not count, nor do pairs that
    fewer than twenty rows have: searches leave those apart, and they are to weaken no others.

    Parameters
    ----------
    seen : ndarray of bool, shape (n_rows, n_features)
    """
    counts = pairs_in_common(seen[:, seen.any(axis=0)])
    enough = counts[counts >= LEAST_TOGETHER]
    if not enough.size:
        enough = counts
    return max(1.0, float(enough.min(initial=len(seen))))


def pairs_in_common(seen: BoolArray) -> FloatArray:
    """Return how many rows each two columns were seen in together.

    Parameters
    ----------
    seen : ndarray of bool, shape (n_rows, n_columns)

    Returns
    -------
    ndarray of shape (n_columns, n_columns)
    """
    mask = seen.astype(np.float64)
    out: FloatArray = mask.T @ mask
    return out


def _climb(values: FloatArray, seen: BoolArray) -> tuple[FloatArray, FloatArray]:
    """Return the mean and covariance after rounds of expectation and maximization."""
    count, size = values.shape
    filled = np.where(seen, values, 0.0)
    mean = filled.sum(axis=0) / seen.sum(axis=0)
    spread = np.where(seen, values - mean, 0.0)
    covariance = np.diag(np.maximum((spread**2).sum(axis=0) / seen.sum(axis=0), _RIDGE))
    by_missing = [
        (rows, np.nonzero(~seen[rows])[1].reshape(len(rows), -1)) for rows in _alike(seen)
    ]
    for _ in range(_MOST_ROUNDS):
        precision = np.linalg.inv(covariance + _RIDGE * np.eye(size))
        centred = np.where(seen, values - mean, 0.0)
        pulls = centred @ precision  # (n_rows, n_features)
        left = np.zeros(size * size)
        for rows, missing in by_missing:
            blocks = np.linalg.inv(precision[missing[:, :, None], missing[:, None, :]])
            pull = np.take_along_axis(pulls[rows], missing, axis=1)
            centred[rows[:, None], missing] = -(blocks @ pull[:, :, None])[:, :, 0]
            place = missing[:, :, None] * size + missing[:, None, :]
            left += np.bincount(place.ravel(), blocks.ravel(), size * size)
        shift = centred.mean(axis=0)
        now = (centred.T @ centred + left.reshape(size, size)) / count - np.outer(shift, shift)
        mean = mean + shift
        change = max(float(np.abs(now - covariance).max()), float(np.abs(shift).max()))
        covariance = now
        if change < _CLOSE:
            break
    return mean, covariance


def _alike(seen: BoolArray) -> list[IntArray]:
    """Return numbers of rows that miss equally many features, few enough to be done at once."""
    lacking = (~seen).sum(axis=1)
    groups: list[IntArray] = []
    for lack in np.unique(lacking[lacking > 0]).tolist():
        rows = np.flatnonzero(lacking == lack)
        parts = max(1, -(-len(rows) * lack**2 // _CELLS_AT_ONCE))
        groups += np.array_split(rows, parts)
    return groups
