"""The jump at a threshold, with its bias taken away and an error that counts having done so."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from whydrift.discovery.arrays import FloatArray
from whydrift.discovery.errors import OptionError
from whydrift.effects.discontinuity.bandwidth import mse_bandwidths, pilot_bandwidth
from whydrift.effects.discontinuity.cluster_error import clustered_error
from whydrift.effects.discontinuity.kernel import Kernel
from whydrift.effects.discontinuity.local_polynomial import (
    coefficient_weights,
    fitted,
    jump_weights,
    neighbour_residuals,
)
from whydrift.effects.discontinuity.sample import Sample

__all__ = ["ERRORS", "Jump", "Recipe", "estimate_jump"]

ERRORS = ("neighbours", "hc2")


@dataclass(frozen=True)
class Recipe:
    """How a jump is estimated.

    Parameters
    ----------
    kernel : Kernel
    order : int
        Of the polynomials.
    derivative : int
        0 for a jump of the function, 1 for a jump of its slope.
    errors : str
        ``neighbours`` or ``hc2``.
    bandwidths : (float, float), optional
        Of the estimate and of its bias; by default those of least mean squared error.
    """

    kernel: Kernel
    order: int
    derivative: int = 0
    errors: str = "neighbours"
    bandwidths: tuple[float, float] | None = None


@dataclass(frozen=True)
class Jump:
    """What was found.

    Parameters
    ----------
    value, standard_error : float
        Corrected for bias; the error counts the noise of the correction.
    conventional, conventional_error : float
        Neither.
    bandwidths : (float, float)
    rows : (int, int)
        Below and above, that count.
    first_stage : float, optional
        The jump of the treatment, in a fuzzy design.
    first_stage_f : float, optional
        Its square over its variance.
    freedom : float, optional
        Degrees of freedom, with clusters: fewer than there are, where few are near.
    """

    value: float
    standard_error: float
    conventional: float
    conventional_error: float
    bandwidths: tuple[float, float]
    rows: tuple[int, int]
    first_stage: float | None = None
    first_stage_f: float | None = None
    freedom: float | None = None

    @property
    def p_value(self) -> float:
        """Two-sided, of no jump; 1 where nothing varies."""
        if not self.standard_error > 0:
            return 1.0
        size = abs(self.value) / self.standard_error
        tail = stats.norm.sf(size) if self.freedom is None else stats.t.sf(size, self.freedom)
        return float(2 * tail)


def estimate_jump(sample: Sample, recipe: Recipe) -> Jump:
    """Estimate the jump of the outcome at 0, over that of the treatment in a fuzzy design.

    Raises
    ------
    OptionError
        If the treatment does not jump at all.

    References
    ----------
    Calonico, Cattaneo & Titiunik (2014), Robust nonparametric confidence intervals for
    regression-discontinuity designs, Econometrica 82.
    Calonico, Cattaneo, Farrell & Titiunik (2019), Regression discontinuity designs using
    covariates, Review of Economics and Statistics 101.
    """
    bandwidths = recipe.bandwidths or _bandwidths(sample, recipe)
    adjusted = _without_covariates(sample, recipe, bandwidths[0])
    conventional, corrected = _weights(adjusted, recipe, bandwidths)
    outcome = adjusted.outcome
    crude = float(conventional @ outcome)
    first = first_f = None
    response, base = outcome, 0.0
    if adjusted.treatment is not None:
        first, first_f = _first_stage(adjusted, recipe, bandwidths, conventional)
        base = crude / first
        # The ratio, linearised around itself: its bias and variance are those of a sharp design.
        response = (outcome - base * adjusted.treatment) / first
    value = adjusted.sign * (base + float(corrected @ response))
    near = np.abs(sample.x) <= bandwidths[0]
    higher = recipe.order + 1
    error, freedom = _error(adjusted, response, corrected, recipe, bandwidths[1], higher)
    return Jump(
        value,
        error,
        adjusted.sign * (base + float(conventional @ response)),
        _error(adjusted, response, conventional, recipe, bandwidths[0], recipe.order)[0],
        bandwidths,
        (int((near & ~sample.above).sum()), int((near & sample.above).sum())),
        first,
        first_f,
        freedom,
    )


def _weights(
    sample: Sample, recipe: Recipe, bandwidths: tuple[float, float]
) -> tuple[FloatArray, FloatArray]:
    return jump_weights(
        sample.x, sample.above, recipe.kernel, bandwidths, recipe.order, recipe.derivative
    )


def _bandwidths(sample: Sample, recipe: Recipe) -> tuple[float, float]:
    """Return the best bandwidths for the outcome, adjusted and linearised at the rule of thumb."""
    pilot = pilot_bandwidth(sample.x, recipe.kernel)
    adjusted = _without_covariates(sample, recipe, pilot)
    response = adjusted.outcome
    if adjusted.treatment is not None:
        conventional, _ = _weights(adjusted, recipe, (pilot, pilot))
        first = float(conventional @ adjusted.treatment)
        if first:
            ratio = float(conventional @ response) / first
            response = response - ratio * adjusted.treatment
    return mse_bandwidths(
        sample.x, sample.above, response, recipe.kernel, recipe.order, recipe.derivative
    )


def _without_covariates(sample: Sample, recipe: Recipe, bandwidth: float) -> Sample:
    """Return the sample with what the covariates explain, alike on both sides, taken out."""
    design = sample.covariates
    if not design.shape[1]:
        return sample
    weights = recipe.kernel(sample.x / bandwidth)
    used = weights > 0
    columns = [design, sample.outcome[:, None]]
    if sample.treatment is not None:
        columns.append(sample.treatment[:, None])
    stacked = np.column_stack(columns)
    left = stacked.copy()
    for side in (sample.above, ~sample.above):
        if not (side & used).any():
            continue
        powers = sample.x[side][:, None] ** np.arange(recipe.order + 1)
        solved = coefficient_weights(sample.x[side], recipe.kernel, bandwidth, recipe.order)
        left[side] -= powers @ (solved @ stacked[side])
    root = np.sqrt(weights)[:, None]
    features = design.shape[1]
    slopes = np.linalg.lstsq(left[:, :features] * root, left[:, features:] * root, rcond=None)[0]
    rest = stacked[:, features:] - (design - design[used].mean(axis=0)) @ slopes
    return replace(
        sample,
        outcome=rest[:, 0],
        treatment=None if sample.treatment is None else rest[:, 1],
    )


def _first_stage(
    sample: Sample, recipe: Recipe, bandwidths: tuple[float, float], weights: FloatArray
) -> tuple[float, float]:
    assert sample.treatment is not None
    first = float(weights @ sample.treatment)
    error, _ = _error(sample, sample.treatment, weights, recipe, bandwidths[0], recipe.order)
    if abs(first) <= 1e-10 * max(float(sample.treatment.std()), 1e-300):
        what = "slope of the treatment" if recipe.derivative else "treatment"
        raise OptionError(
            f"the {what} does not change at the cutoff",
            where="rdd, cutoff",
            remedy="Give the value of the running variable at which it does",
        )
    return first, (first / error) ** 2 if error > 0 else np.inf


def _error(
    sample: Sample,
    response: FloatArray,
    weights: FloatArray,
    recipe: Recipe,
    bandwidth: float,
    order: int,
) -> tuple[float, float | None]:
    """Return the standard error of a weighted sum, and degrees of freedom with clusters."""
    x, above, kernel = sample.x, sample.above, recipe.kernel
    if sample.cluster is not None:
        return clustered_error(
            x, above, response, weights, sample.cluster, kernel, bandwidth, order
        )
    if recipe.errors == "neighbours":
        residuals = neighbour_residuals(x, above, response)
    else:
        values, leverage = fitted(x, above, response, kernel, bandwidth, order)
        residuals = np.where(weights != 0, response - values, 0.0)
        residuals = residuals / np.sqrt(np.maximum(1 - leverage, 1e-8))
    shares = weights * residuals
    return float(np.sqrt(shares @ shares)), None
