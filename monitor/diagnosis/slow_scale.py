"""Many windows that are each a little odd: what a slow or faint change looks like.

One window is judged at a strict level, so that a change that it shows faintly is missed in it, and
in every window after it. The p-values of several windows in a row, judged against one reference
that is older than all of them, add up.

References
----------
Fisher (1932), Statistical methods for research workers, 4th edition, §21.1.
Brown (1975), A method for combining non-independent, one-sided tests of significance.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from scipy.special import chdtrc

__all__ = ["SLOW_SCALES", "slow_scale"]

SLOW_SCALES: Final = (7, 30)  # windows
_LEAST_P = 1e-12  # one window alone is not to speak for all
# Correlation of two windows' evidence, times the past windows that both were judged beside: that
# of the mean is 1/(K + 1), squared; that of how much windows differ, learned from K, is the larger.
_SHARED: Final = 2.0


def slow_scale(
    p_values: Sequence[float], windows: int, *, anchor: int | None = None
) -> float | None:
    """Return the p-value of "nothing moved in any of the last windows", by Fisher's method.

    Windows that were judged against the same K past windows share the error of their mean and,
    which weighs more, of how much ordinary windows differ: where that came out too small, all of
    them look odd. By Brown's method their evidence counts as that of fewer windows. Windows that
    rejected on their own are to be left out: they have been told, and what is left is, under no
    change, rather too large.

    Parameters
    ----------
    p_values : sequence of float
        Of one column, window by window, the newest last.
    windows : int
        How many of the newest count.
    anchor : int, optional
        Past windows that all of them were judged beside; without, they share none.

    Returns
    -------
    float or None
        None where there are fewer.
    """
    if len(p_values) < windows:
        return None
    evidence = -2 * math.fsum(math.log(max(p, _LEAST_P)) for p in p_values[-windows:])
    spread = 1.0 if anchor is None else 1 + (windows - 1) * min(1.0, _SHARED / anchor)
    return float(chdtrc(2 * windows / spread, evidence / spread))
