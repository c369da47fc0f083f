"""Whether a window's level lies farther out than past windows' levels explain, by the values.

Scores of ranks know no farther than "above all others": where ordinary days differ by as much as
rows of one day do, a day a thousand sd away looks like one that is the highest of a month.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from scipy.special import stdtr

from whydrift.discovery.arrays import FloatArray, IntArray

__all__ = ["level_p_value"]

_LEAST_ROWS = 20
_LEAST_FREEDOM = 8
_TRIMMED = 0.1  # of the rows at each end
_ALIKE = 0.1  # windows whose hours differ by less are made of the same ones


def level_p_value(
    values: FloatArray, parts: IntArray, features: FloatArray, calendar: FloatArray
) -> float | None:
    """Return the p-value of "its level is one more of theirs", by Student's t, or None.

    Parameters
    ----------
    values : ndarray of shape (n_rows,)
        Finite; past rows first.
    parts : ndarray of shape (n_past_rows,)
        The past window of each row, ascending.
    features : ndarray of shape (n_rows, n_features)
        What says what values are to be expected: 1, what the parents tell, and the calendar.
    calendar : ndarray of shape (n_rows, n_columns)
        Of these, the indicators of hours and weekdays.

    Returns
    -------
    float, optional
        None with too few windows of twenty rows, and where these do not differ at all.
    """
    past = len(parts)
    slopes = np.linalg.lstsq(features[:past], values[:past], rcond=None)[0]
    left = values - features @ slopes
    first = np.flatnonzero(np.diff(parts, prepend=parts[0] - 1)).tolist()
    windows = [slice(a, b) for a, b in pairwise([*first, past]) if b - a >= _LEAST_ROWS]
    if len(values) - past < _LEAST_ROWS or not windows:
        return None
    levels = np.array([_middle(left[w]) for w in windows])
    # The fit knows the levels of weekdays, where each window has one of its own.
    shares = np.array([[1.0, *calendar[w].mean(axis=0)] for w in windows])
    freedom = len(windows) - int(np.linalg.matrix_rank(shares, tol=_ALIKE * len(windows) ** 0.5))
    rest = levels - levels.mean()
    if freedom < _LEAST_FREEDOM or not rest.any():
        return None
    # All that windows differ by may be chance, of which a shorter one has more.
    usual_rows = len(windows) / sum(1 / (w.stop - w.start) for w in windows)
    shorter = max(1.0, usual_rows / (len(values) - past))
    spread = float(np.sqrt(rest @ rest / freedom * (shorter + 1 / len(windows))))
    far = abs(_middle(left[past:]) - float(levels.mean())) / spread
    return float(2 * stdtr(freedom, -far))


def _middle(values: FloatArray) -> float:
    """Return the mean without the rows farthest out."""
    cut = int(_TRIMMED * len(values))
    return float(np.sort(values)[cut : len(values) - cut].mean())
