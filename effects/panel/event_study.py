"""The event study: effects by distance from treatment; before it there should be none."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import optimize, stats

from whydrift.discovery.arrays import BoolArray, FloatArray, IntArray
from whydrift.effects.chart import Chart, Rule, Series, Side
from whydrift.effects.check import Check, Outcome
from whydrift.effects.table import Table
from whydrift.effects.words import number_text, p_text

__all__ = ["EventStudy"]

_WARN, _FAIL = 0.1, 0.01  # p-values of the joint test
_POWER, _LEVEL = 0.8, 0.05
_MOST_JOINT = 3  # clusters for each coefficient of a joint test, at the least
# Treated clusters behind an effect: with fewer its standard error is far too small, and with one
# there is none.
_FEWEST_TESTED, _FEWEST_SHOWN = 5, 2


@dataclass(frozen=True)
class EventStudy:
    """Effects at each distance from the first treated period; before it they should be none.

    Parameters
    ----------
    distance : ndarray of int, shape (n_distances,)
        Periods since the first treated one, in order; the base is not among them.
    effects : ndarray of shape (n_distances,)
    covariance : ndarray of shape (n_distances, n_distances)
    freedom : float
        Clusters less one, or of the residuals.
    base : int
        The distance that all are compared with.
    treated : ndarray of int, shape (n_distances,)
        Treated clusters (rows, where there are none) behind each effect.
    """

    distance: IntArray
    effects: FloatArray
    covariance: FloatArray
    freedom: float
    base: int
    treated: IntArray

    @property
    def errors(self) -> FloatArray:
        """Standard errors."""
        found: FloatArray = np.sqrt(np.diag(self.covariance))
        return np.where(self.treated >= _FEWEST_SHOWN, found, np.nan)

    @property
    def is_before(self) -> BoolArray:
        """Which distances lie before the base, where nobody expects treatment yet."""
        found: BoolArray = self.distance < self.base
        return found

    # ---- judging ------------------------------------------------------------------------------
    def pre_trend_checks(self, value: float, lever: float) -> tuple[Check, ...]:
        """Judge the effects before treatment jointly, and say what the test would have missed.

        Parameters
        ----------
        value : float
            The estimate.
        lever : float
            By how much a straight trend of one per period would move the estimate.

        References
        ----------
        Roth (2022), Pretest with caution: event-study estimates after testing for parallel trends.
        """
        places = np.flatnonzero(self.is_before & (self.treated >= _FEWEST_TESTED))
        if not len(places) and self.is_before.any():
            said = (
                f"fewer than {_FEWEST_TESTED} treated clusters are seen before treatment: whether "
                "both sides moved alike cannot be tested; look at the picture"
            )
            return (Check("parallel_trends", Outcome.WARN, said),)
        if not len(places):
            said = (
                "there is one period before treatment: whether both sides moved alike before "
                "cannot be seen"
            )
            return (Check("parallel_trends", Outcome.WARN, said),)
        effects = self.effects[places]
        steps = (self.distance[places] - self.base).astype(np.float64)
        covariance = self.covariance[np.ix_(places, places)]
        if len(places) * _MOST_JOINT > self.freedom:
            # Too few clusters for all at once: their trend alone.
            weights = (steps / (steps @ steps))[None, :]
            effects, covariance = weights @ effects, weights @ covariance @ weights.T
            steps = np.ones(1)
            what = "a trend through the effects before treatment"
        else:
            what = f"all {len(places)} effects before treatment together"
        if len(places) == 1:
            what = "the effect before treatment"
        p_value, slope = _joint(effects, covariance, steps, self.freedom)
        said = f"of {what}, no more is seen than by chance ({p_text(p_value)})"
        if p_value < _WARN:
            said = (
                f"of {what}, more is seen than by chance ({p_text(p_value)}): the two sides did "
                "not move alike before, and would hardly have done so after"
            )
        missed = abs(slope * lever)
        power = (
            f"a straight trend of {number_text(slope)} a period is found in {_POWER:.0%} of such "
            f"tests; it would move the estimate by {number_text(missed)}"
        )
        if missed > abs(value):
            power += ", which is more than the estimate: passing the test says little"
        return (
            Check.at_least("parallel_trends", p_value, said, warn=_WARN, fail=_FAIL),
            Check.at_most("pre_trend_power", missed, power, warn=abs(value)),
        )

    # ---- telling ------------------------------------------------------------------------------
    def _ends(self, level: float) -> tuple[FloatArray, FloatArray]:
        reach = stats.t.isf((1 - level) / 2, self.freedom) * self.errors
        return self.effects - reach, self.effects + reach

    def table(self, level: float) -> Table:
        """Return the effects, one row for each distance."""
        low, high = self._ends(level)
        return Table.of(
            f"Effects by periods since treatment began, against period {self.base} ({level:.0%} "
            "intervals, each on its own)",
            {
                "periods since": self.distance,
                "treated": self.treated,
                "effect": self.effects,
                "standard error": self.errors,
                "low": low,
                "high": high,
            },
        )

    def chart(self, treatment: str, outcome: str, units: str, level: float) -> Chart:
        """Return the picture."""
        low, high = self._ends(level)
        bare = self.treated < _FEWEST_SHOWN  # no interval: an absent end would mean no bound
        series = []
        for chosen, label, side in (
            (self.distance < 0, "before", Side.CONTROL),
            (self.distance >= 0, "after", Side.TREATED),
        ):
            for rows, name, has_ends in ((chosen & ~bare, label, True), (chosen & bare, "", False)):
                if rows.any():
                    series.append(
                        Series.of(
                            name, self.distance[rows], self.effects[rows],
                            low=low[rows] if has_ends else None,
                            high=high[rows] if has_ends else None, side=side,
                        )
                    )  # fmt: skip
        series.append(Series("base", (float(self.base),), (0.0,), side=Side.NEUTRAL))
        unit = f", {units}" if units else ""
        return Chart(
            "event_study",
            f"Effect of {treatment} on {outcome}, by periods since it began",
            "periods since treatment began",
            f"effect on {outcome}{unit}",
            tuple(series),
            (Rule("y", 0.0, "no effect"), Rule("x", -0.5)),
        )


def _joint(
    effects: FloatArray, covariance: FloatArray, steps: FloatArray, freedom: float
) -> tuple[float, float]:
    """Return the p-value of no effect at all, and the slope that the test would mostly find.

    Hotelling's T²: the covariance rests on few clusters, and the F distribution says so.
    """
    count = len(effects)
    # Effects of one cluster lie on a line; what has no spread is not asked.
    inverse = np.linalg.pinv(covariance, hermitian=True)
    below = freedom - count + 1
    factor = below / (freedom * count)
    p_value = float(stats.f.sf(float(effects @ inverse @ effects) * factor, count, below))
    limit = float(stats.f.isf(_LEVEL, count, below))

    def short(size: float) -> float:
        return float(stats.ncf.sf(limit, count, below, size)) - _POWER

    high = 10.0
    while short(high) < 0 and high < 1e6:
        high *= 2
    size = float(optimize.brentq(short, 1e-6, high)) if short(high) > 0 else high
    mass = float(steps @ inverse @ steps)
    return p_value, float(np.sqrt(size / mass)) if mass > 0 else float("inf")
