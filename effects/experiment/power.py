"""Power: how many rows an experiment needs, and what it can see with those it has."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from whydrift.discovery.errors import OptionError
from whydrift.effects.experiment.sequential import always_valid_reach
from whydrift.effects.extra import library

__all__ = ["Plan", "detectable_effect", "rows_needed"]

_SAME = 1e-9


@dataclass(frozen=True, slots=True)
class Plan:
    """An experiment before it is run.

    Parameters
    ----------
    spread : float
        Standard deviation of the outcome within an arm; √(p(1 − p)) of a share p.
    power : float
        Chance to find the effect, if it is there.
    level : float
        Of the interval; the test is two-sided.
    shares : sequence of float
        Of rows in each arm, control first.
    cluster_rows : float
        Rows in a cluster, where whole clusters are drawn; 1 without.
    correlation : float
        Between two rows of one cluster.
    share_explained : float
        Of the variance that columns known before explain (R²), which CUPED takes out.
    sequential : bool
        Whether the interval is to hold at every look, with its shortest at the last.

    References
    ----------
    Donner & Klar (2000), Design and analysis of cluster randomization trials in health research:
    the variance grows by 1 + (rows − 1) × correlation.
    """

    spread: float
    power: float = 0.8
    level: float = 0.95
    shares: Sequence[float] = (0.5, 0.5)
    cluster_rows: float = 1.0
    correlation: float = 0.0
    share_explained: float = 0.0
    sequential: bool = False

    def __post_init__(self) -> None:
        shares = tuple(float(share) for share in self.shares)
        for name, fits, remedy in (
            ("spread", 0 < self.spread < math.inf, "a standard deviation"),
            ("power", 0 < self.power < 1, "a chance such as 0.8"),
            ("level", 0 < self.level < 1, "a share such as 0.95"),
            ("shares", len(shares) > 1 and min(shares) > 0, "a positive share for each arm"),
            ("cluster_rows", 1 <= self.cluster_rows < math.inf, "1 or more"),
            ("correlation", 0 <= self.correlation <= 1, "a number in [0, 1]"),
            ("share_explained", 0 <= self.share_explained < 1, "a number in [0, 1)"),
        ):
            if not fits:
                raise OptionError(
                    f"{getattr(self, name)!r} cannot be", where=name, remedy=f"Give {remedy}"
                )
        object.__setattr__(self, "shares", tuple(share / sum(shares) for share in shares))

    @property
    def inflation(self) -> float:
        """By how much clusters and CUPED multiply the variance."""
        design = 1 + (self.cluster_rows - 1) * self.correlation
        return design * (1 - self.share_explained)

    @property
    def _test_level(self) -> float:
        """The error of one comparison: several arms share it, and looks take from it."""
        alpha = (1 - self.level) / (len(self.shares) - 1)
        if not self.sequential:
            return alpha
        from scipy import stats

        return float(2 * stats.norm.sf(always_valid_reach(1.0, 1.0, 1 - alpha)))

    def _solve(self, **given: Any) -> float:
        # Of several arms the smallest is the hardest to tell from control.
        power = library("statsmodels.stats.power", "power")
        test = power.TTestIndPower()
        found = test.solve_power(
            alpha=self._test_level, ratio=min(self.shares[1:]) / self.shares[0], **given
        )
        return float(np.atleast_1d(found)[0])


def rows_needed(effect: float, plan: Plan) -> int:
    """Return how many rows, in all arms together, find an effect with the plan's power.

    Parameters
    ----------
    effect : float
        Difference between an arm and control, in the units of the spread.
    plan : Plan

    Raises
    ------
    OptionError
        If the effect is 0, or statsmodels is not installed.
    """
    if not abs(effect) > 0 or not math.isfinite(effect):
        raise OptionError(
            f"an effect of {effect!r} cannot be found",
            where="effect",
            remedy="Give the smallest difference that would matter",
        )
    size = abs(effect) / (plan.spread * math.sqrt(plan.inflation))
    control = plan._solve(effect_size=size, power=plan.power)
    return math.ceil(control / plan.shares[0] - _SAME)


def detectable_effect(rows: int, plan: Plan) -> float:
    """Return the smallest effect that this many rows, in all arms together, find.

    Raises
    ------
    OptionError
        If there are not two rows in an arm, or statsmodels is not installed.
    """
    control = rows * plan.shares[0]
    if rows * min(plan.shares) < 2:
        raise OptionError(
            f"{rows} rows are too few for {len(plan.shares)} arms",
            where="rows",
            remedy="Give two or more for each arm",
        )
    size = plan._solve(nobs1=control, power=plan.power)
    return size * plan.spread * math.sqrt(plan.inflation)
