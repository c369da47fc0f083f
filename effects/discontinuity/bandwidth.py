"""Bandwidths that balance bias against variance, read from the data."""

from __future__ import annotations

from collections.abc import Callable
from math import factorial

import numpy as np

from whydrift.discovery.arrays import BoolArray, FloatArray
from whydrift.effects.discontinuity.kernel import Kernel
from whydrift.effects.discontinuity.local_polynomial import (
    coefficient_weights,
    neighbour_residuals,
)

__all__ = ["mse_bandwidths", "pilot_bandwidth"]

_FEWEST_VALUES = 10  # different values of the running variable on each side
_REGULARISE = 3.0  # Imbens & Kalyanaraman (2012), section 4.2


def pilot_bandwidth(x: FloatArray, kernel: Kernel) -> float:
    """Return the rule of thumb for the density of the running variable."""
    low, high = np.quantile(x, [0.25, 0.75])
    spread = float(x.std(ddof=1))
    if high > low:
        spread = min(spread, float(high - low) / 1.349)
    return float(kernel.rule_of_thumb * spread * len(x) ** -0.2)


def mse_bandwidths(
    x: FloatArray,
    above: BoolArray,
    y: FloatArray,
    kernel: Kernel,
    order: int,
    derivative: int,
) -> tuple[float, float]:
    """Return the bandwidth of least mean squared error for a jump, and that for its bias.

    One bandwidth for both sides. Each step plugs in what the step before it found: first the
    highest derivative from fits to all rows, then the bias of the curvature, then that of the jump.

    Parameters
    ----------
    x, above, y, kernel, order, derivative
        As of `jump_weights`; ``y`` of a sharp design, or what a fuzzy one is linearised to.

    Returns
    -------
    (float, float)

    References
    ----------
    Calonico, Cattaneo & Titiunik (2014), section 4 and supplement S.2.6.
    Imbens & Kalyanaraman (2012), Optimal bandwidth choice for the regression discontinuity
    estimator.
    """
    variance = neighbour_residuals(x, above, y) ** 2
    narrowest = max(_nth_distance(np.abs(x[side])) for side in (above, ~above))
    widest = float(np.abs(x).max())

    def bounded(bandwidth: float) -> float:
        return min(max(bandwidth, narrowest), widest)

    pilot = bounded(pilot_bandwidth(x, kernel))
    plug_in = _plug_in(x, above, y, variance, kernel, pilot)
    higher = order + 1
    everything = {True: float(np.abs(x[above]).max()), False: float(np.abs(x[~above]).max())}
    first = bounded(plug_in(higher + 1, higher + 1, everything, 0.0))
    second = bounded(plug_in(higher, order + 1, {True: first, False: first}, _REGULARISE))
    main = bounded(plug_in(order, derivative, {True: second, False: second}, _REGULARISE))
    return main, second


def _plug_in(
    x: FloatArray,
    above: BoolArray,
    y: FloatArray,
    variance: FloatArray,
    kernel: Kernel,
    pilot: float,
) -> Callable[[int, int, dict[bool, float], float], float]:
    def best(
        order: int, derivative: int, bias_bandwidth: dict[bool, float], regularise: float
    ) -> float:
        noise, bias, doubt = 0.0, 0.0, 0.0
        scale = factorial(derivative)
        for is_above, sign in ((True, 1.0), (False, -1.0)):
            side = above if is_above else ~above
            own = scale * coefficient_weights(x[side], kernel, pilot, order)[derivative]
            noise += float(own**2 @ variance[side])
            # How much of the next power the fit takes for what is asked, at bandwidth 1.
            share = float(own @ x[side] ** (order + 1)) / pilot ** (order + 1 - derivative)
            next_power = coefficient_weights(x[side], kernel, bias_bandwidth[is_above], order + 1)[
                order + 1
            ]
            bias += sign * share * float(next_power @ y[side])
            doubt += share**2 * float(next_power**2 @ variance[side])
        noise *= pilot ** (1 + 2 * derivative)
        bias_squared = bias**2 + regularise * doubt
        if not bias_squared > 0 or not noise > 0:
            return float(np.abs(x).max())
        ratio = (1 + 2 * derivative) * noise / (2 * (order + 1 - derivative) * bias_squared)
        return float(ratio ** (1 / (2 * order + 3)))

    return best


def _nth_distance(distance: FloatArray) -> float:
    values = np.unique(distance)
    return float(values[min(_FEWEST_VALUES, len(values)) - 1])
