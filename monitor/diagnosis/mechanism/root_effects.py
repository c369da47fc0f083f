"""How far a number without parents moved, and how much wider it spreads, by its own values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from whydrift.discovery.arrays import FloatArray

__all__ = ["root_effects"]

_LEAST_SD = 1e-12
_QUARTILES_OF_NORMAL = 1.348980
_MOST_KURTOSIS = 20.0


def root_effects(
    values: FloatArray, split: int, variance: Callable[[FloatArray], FloatArray]
) -> dict[str, tuple[float, float]]:
    """Return change and standard error of ``level`` (reference sd) and ``spread`` (log sd).

    Scores of pooled ranks are right about whether something moved, and too short about how far:
    they call three reference sd two and a half. Errors come from influence functions, so that
    dependence between rows enters as it does in the test.

    Parameters
    ----------
    values : ndarray of shape (n_rows,)
        Finite; reference rows first.
    split : int
        Number of reference rows.
    variance : callable
        From columns of shape (n_rows, 2) to the variance of their totals, shape (2, 2).

    Returns
    -------
    dict of str to (float, float)
        Empty where a window, or the middle half of one with heavy tails, does not vary.
    """
    largest = max(float(values.max()), -float(values.min()))
    if largest == 0:
        return {}
    unit = values / largest  # squares of the largest numbers overflow
    before, after = unit[:split], unit[split:]
    old, new = _moments(before), _moments(after)
    if old is None or new is None:
        return {}
    if max(old.kurtosis, new.kurtosis) > _MOST_KURTOSIS:
        old, new = _quartiles(before), _quartiles(after)
    if old is None or new is None:
        return {}
    level = (new.centre - old.centre) / old.sd
    influence = np.empty((2, len(values)))
    influence[0, :split] = -old.on_centre / old.sd - level * old.on_log_sd
    influence[0, split:] = new.on_centre / old.sd
    influence[1, :split], influence[1, split:] = -old.on_log_sd, new.on_log_sd
    errors = np.sqrt(np.maximum(np.diag(variance(influence.T)), 0.0))
    spread = float(np.log(new.sd / old.sd))
    return {"level": (level, float(errors[0])), "spread": (spread, float(errors[1]))}


@dataclass(frozen=True, slots=True)
class _Shape:
    """Centre and sd of one window, and each row's influence on them."""

    centre: float
    sd: float
    on_centre: FloatArray
    on_log_sd: FloatArray
    kurtosis: float


def _moments(x: FloatArray) -> _Shape | None:
    mean = float(x.mean())
    z = x - mean
    sd = float(np.sqrt(z @ z / len(x)))
    if sd <= _LEAST_SD:
        return None
    z /= sd
    square = z**2
    kurtosis = float(square @ square) / len(x)
    return _Shape(mean, sd, z * (sd / len(x)), (square - 1) * (0.5 / len(x)), kurtosis)


def _quartiles(x: FloatArray) -> _Shape | None:
    """Return median and normal-consistent sd by the middle half, for tails too heavy for moments.

    Densities at the quantiles by difference quotients (Bofinger 1975, Estimation of a density
    function using order statistics).
    """
    shares = np.array([0.25, 0.5, 0.75])
    at = np.quantile(x, shares)
    sd = float(at[2] - at[0]) / _QUARTILES_OF_NORMAL
    width = np.array([0.416, 0.647, 0.416]) * len(x) ** -0.2
    width = np.minimum(width, 0.2)
    sparsity = (np.quantile(x, shares + width) - np.quantile(x, shares - width)) / (2 * width)
    if sd <= _LEAST_SD * float(np.abs(x).max()) or np.any(sparsity <= 0):
        return None
    on = (shares - (x[:, None] <= at)) * sparsity / len(x)
    on_log_sd = (on[:, 2] - on[:, 0]) / float(at[2] - at[0])
    return _Shape(float(at[1]), sd, on[:, 1], on_log_sd, np.inf)
