"""How far the mean of an ordinary window lies from that of the windows before it."""

from __future__ import annotations

import numpy as np
from scipy.special import stdtrit

from whydrift.discovery.arrays import BoolArray, FloatArray
from whydrift.monitor.diagnosis.mechanism.between_windows import between_windows
from whydrift.monitor.diagnosis.pair import WindowPair

__all__ = ["usual_difference", "usual_error"]


def usual_difference(pair: WindowPair, values: FloatArray, usable: BoolArray) -> float:
    """Return what 19 of 20 ordinary windows stay below, beyond what sampling explains.

    `usual_error` times Student's quantile, 0 where too few past windows are known.
    """
    error, freedom = usual_error(pair, values, usable)
    return float(stdtrit(freedom, 0.95) * error) if freedom else 0.0


def usual_error(pair: WindowPair, values: FloatArray, usable: BoolArray) -> tuple[float, int]:
    """Return the standard error of a difference of means that is due to how windows differ.

    √τ²(1 + 1/K) for K past windows, and K - 1 degrees of freedom; 0 and 0 where too few are known.
    Weekdays and hours are part of it, as they are of a difference of means.

    Parameters
    ----------
    pair : WindowPair
        The windows, with the past window of each reference row.
    values : ndarray of shape (n_rows,)
        A measure of each pooled row.
    usable : ndarray of bool, shape (n_rows,)
        Rows that have one.
    """
    if pair.parts is None:
        return 0.0, 0
    is_current = pair.is_current[usable] > 0
    parts = pair.parts[usable[: pair.split]]
    windows = len(np.unique(parts))
    if windows < 2 or not is_current.any():
        return 0.0, 0
    past = values[usable][~is_current]
    rest = values[usable] - past.mean()
    # The difference of the means, as a sum over rows.
    window = np.where(is_current, 1 / is_current.sum(), -1 / len(past))
    variance, _ = between_windows(
        rest[:, None],
        np.ones((len(rest), 1)),
        window[:, None],
        parts,
        np.ones(1),
        np.zeros((len(past), 0)),
    )
    return float(np.sqrt(variance[0])), windows - 1
