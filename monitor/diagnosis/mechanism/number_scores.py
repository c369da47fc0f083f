"""The scores of a number: level, spread, rows far out, asymmetry, and these along the parents.

References
----------
Chernoff & Savage (1958), Asymptotic normality and efficiency of certain nonparametric test
statistics: normal scores of residuals lose nothing where these are normal and gain elsewhere.
"""

from __future__ import annotations

from functools import partial
from typing import Final

import numpy as np

from whydrift.discovery.arrays import FloatArray
from whydrift.discovery.scores.features import rank_normal
from whydrift.monitor.diagnosis.mechanism.base import OUTER_QUANTILES, POOLED_SD
from whydrift.monitor.diagnosis.mechanism.fitted_models import FittedModels
from whydrift.monitor.diagnosis.mechanism.products import products
from whydrift.monitor.diagnosis.mechanism.regression import residual_spread
from whydrift.monitor.diagnosis.mechanism.scores import MOST_SCORES, Scores
from whydrift.monitor.diagnosis.mechanism.unit_size import of_unit_size, sd_of
from whydrift.monitor.diagnosis.side_by_side import side_by_side

__all__ = ["BESIDE_AN_END", "EXTREMES", "number_scores"]

EXTREMES: Final = "share of extreme values"
# The name of a change in how much a number is that is often nothing, or as much as can be.
BESIDE_AN_END: Final = "size where it is not at its end"
_MOST_AWAY, _LEAST_AWAY = 0.7, 100  # share of the rows, and rows, that are not at the end
_MOST_LEANING = 3.0  # sd: the cube of one row far out would be that of all
# By how many sd the 5 % and 95 % quantiles move with the mean third Hermite polynomial
# (Cornish & Fisher 1937): (1.645² - 1) / 6.
_OUTER_PER_LEAN = 0.284
_FAR_OUT, _LEAST_FAR_OUT = 0.01, 20  # share of the rows, and rows, that are called far out


def number_scores(
    models: FittedModels, score: FloatArray, raw: FloatArray, rho: float, sds: tuple[float, float]
) -> Scores:
    """Return the scores of a number.

    Parameters
    ----------
    models : FittedModels
    score, raw : ndarray of shape (n_rows,)
        The response, and what the outcome model leaves of it.
    rho : float
        What each row keeps of the one before, where that was taken out.
    sds : (float, float)
        The column's, of the reference and of all rows.
    """
    plain = models.on_own_parents()
    # Where nothing is taken out but the mean, ranks stay what they are.
    ranked = score if models.takes_nothing_out else rank_normal(raw / residual_spread(plain, raw))
    u = of_unit_size(models.residual(ranked))
    unit, (reference_sd, pooled) = "sd", sds
    if reference_sd <= 1e-9 * pooled:
        unit, reference_sd = POOLED_SD, max(pooled, 1e-12)
    in_sd = raw / reference_sd
    lin, one = models.linear, np.ones(len(raw))
    spreads, lean = _shape(models, u) if models.tells_spread else ([], None)
    out = Scores(2 if spreads else 1, u[:, None], in_sd[:, None], unit, [""])
    # A spread is weighted by w − e given the row's own parents alone. How far innovations spread
    # follows from how long ago the row before was; so would weights that know its parents, or
    # differences, and the two together would look like a change.
    new, own = models.rows.window, models.plain_window
    out.add(u, in_sd, (1 - rho) * one, "level", unit, new)
    for v in spreads[:1]:
        out.add(v, v / 2, one, "spread", "log sd", own)
    for extreme in spreads[1:]:
        sd = max(sd_of(extreme), 1e-12)
        out.add(extreme, extreme, one, EXTREMES, "probability", own, sd)
    for size, share in _beside_an_end(models, score) if spreads else ():
        out.add(size, size / share, one, BESIDE_AN_END, "sd", own)
    if lean is not None:
        out.add(lean, _OUTER_PER_LEAN * sd_of(in_sd) * lean, one, OUTER_QUANTILES, unit, own)
    few = lin.shape[1] <= MOST_SCORES // 4
    for k, name in enumerate(models.names):
        out.add(u, in_sd, lin[:, k], f"slope of {name}", unit, new)
    for v in spreads[:1] if few else ():
        for k, name in enumerate(models.names):
            out.add(v, v / 2, models.plain.linear[:, k], f"spread along {name}", "log sd", own)
    for k, name in enumerate(models.names if few else ()):
        original = models.plain.linear[:, k]
        if np.any((original != 0) & (original != 1)):  # the square of an indicator is itself
            bent = models.feature(partial(_bent, k=k))
            out.add(u, in_sd, bent, f"curvature of {name}", unit, new)
    for name, product in products(models, len(out.names)) if few else ():
        out.add(u, in_sd, product, name, unit, new)
    return out


def _shape(models: FittedModels, u: FloatArray) -> tuple[list[FloatArray], FloatArray]:
    """Return what tells of the spread, and of rows far out; and what of asymmetry.

    Each less what the parents tell of it.

    References
    ----------
    Neyman (1937), "Smooth test" for goodness of fit: of a normal score the third Hermite
    polynomial tells of asymmetry whatever level and spread are.
    """
    innovations = models.evenly_spread()
    even = u if innovations is None else of_unit_size(innovations)
    # What a few rows bring from far out hardly moves the spread of ranks. Not of innovations:
    # beside the others it costs a twentieth of what is found in driftbench's series.
    sees_extremes = innovations is None
    even, u = (models.about_own_level(values) for values in (even, u))
    spreads = [np.clip(even, -4, 4) ** 2, *([_far_out(u)] if sees_extremes else [])]
    inside = np.clip(even, -_MOST_LEANING, _MOST_LEANING)
    lean = inside**3 - 3 * inside
    *spreads, lean = models.on_both_rows().residual(side_by_side([*spreads, lean])).T
    return spreads, lean


def _beside_an_end(models: FittedModels, score: FloatArray) -> list[tuple[FloatArray, float]]:
    """Return how much a number often at an end is elsewhere, and the share of the rows there.

    Where nine claims in ten are of nothing, ranks tell whether there is one; what it costs hardly
    moves them. Less what the parents tell of it, like what tells of the spread. Not of innovations,
    which are at no end.

    References
    ----------
    Cragg (1971), Some statistical models for limited dependent variables.
    """
    low, high = score.min(), score.max()
    if models.is_in_order or low == high:
        return []
    ends = [score == low, score == high]
    away = ~max(ends, key=np.count_nonzero)
    share = float(away.mean())
    if share > _MOST_AWAY or away.sum() < _LEAST_AWAY:
        return []
    size = np.zeros(len(score))
    size[away] = rank_normal(score[away])
    return [(models.residual(size), share)]


def _bent(linear: FloatArray, k: int) -> FloatArray:
    out: FloatArray = np.minimum(linear[:, k] ** 2 - 1, 4.0)
    return out


def _far_out(score: FloatArray) -> FloatArray:
    """Return which rows are the most extreme hundredth, or the twenty most extreme, as 0 and 1."""
    size = np.abs(score)
    share = max(_FAR_OUT, _LEAST_FAR_OUT / len(size))
    place = max(0.0, 1 - share) * (len(size) - 1)
    below = int(place)
    # As numpy's quantile has it, to the last bit and for half of its time.
    low, high = np.partition(size, (below, below + 1))[below : below + 2]
    past, left = place - below, 1 - (place - below)
    limit = low + (high - low) * past if past < 0.5 else high - (high - low) * left
    out: FloatArray = (size > limit).astype(np.float64)
    return out
