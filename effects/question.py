"""The Question: what is asked of a method, apart from the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from whydrift.discovery.snapshot.note import Note
from whydrift.effects.effect import Effect

if TYPE_CHECKING:
    from whydrift.discovery.graph import Graph
    from whydrift.effects.chart import Chart
    from whydrift.effects.check import Check
    from whydrift.effects.estimand import Estimand
    from whydrift.effects.study import Study
    from whydrift.effects.table import Table

__all__ = ["Question"]


@dataclass(frozen=True)
class Question:
    """What is asked.

    Parameters
    ----------
    estimand : str
        One of those that the method's row of the registry offers.
    level : float
        Of intervals, in (0, 1).
    random_state : int
        Seed of splits and draws.
    units : str
        Of the effect.
    force : bool
        Whether to give a number in spite of what would otherwise be refused.
    graph : Graph, optional
        What causes what, where it was given.
    """

    estimand: str
    level: float = 0.95
    random_state: int = 0
    units: str = ""
    force: bool = False
    graph: Graph | None = field(default=None, repr=False)

    def generator(self) -> np.random.Generator:
        """Return a fresh generator of the seed."""
        return np.random.default_rng(self.random_state)

    def quantile(self, freedom: float | None = None) -> float:
        """Return how many standard errors an interval of the level reaches to either side."""
        tail = (1 - self.level) / 2
        return float(stats.norm.isf(tail) if freedom is None else stats.t.isf(tail, freedom))

    def answer(
        self,
        study: Study,
        estimand: Estimand,
        *,
        method: str,
        value: float,
        standard_error: float | None,
        freedom: float | None = None,
        interval: tuple[float | None, float | None] | None = None,
        p_value: float | None = None,
        n: int | None = None,
        contrast: str | None = None,
        adjustment: Sequence[str] | None = None,
        assumptions: Sequence[str] = (),
        checks: Sequence[Check] = (),
        warnings: Sequence[Note] = (),
        details: Mapping[str, Table] | None = None,
        charts: Sequence[Chart] = (),
    ) -> Effect:
        """Return the Effect of a number and its standard error.

        Parameters
        ----------
        freedom : float, optional
            Degrees of freedom of Student's t; the normal distribution without.
        interval, p_value : optional
            Where they do not follow from the standard error (Anderson–Rubin, placebos).
        n : int, optional
            Rows used, where they are not all of the study.
        contrast, adjustment : optional
            By default those of the study.

        The other parameters are those of `Effect`.
        """
        if interval is None and standard_error is not None:
            reach = self.quantile(freedom) * standard_error
            interval = (value - reach, value + reach)
        if p_value is None and standard_error is not None and standard_error > 0:
            size = abs(value) / standard_error
            p_value = float(
                2 * (stats.norm.sf(size) if freedom is None else stats.t.sf(size, freedom))
            )
        low, high = interval or (None, None)
        return Effect(
            estimand=estimand,
            treatment=study.roles.treatment,
            outcome=study.roles.outcome,
            value=value,
            standard_error=standard_error,
            low=low,
            high=high,
            level=self.level,
            p_value=p_value,
            n=study.n if n is None else n,
            method=method,
            units=self.units,
            contrast=study.treatment.contrast if contrast is None else contrast,
            adjustment=study.covariates.columns if adjustment is None else tuple(adjustment),
            assumptions=tuple(assumptions),
            checks=tuple(checks),
            warnings=tuple(warnings),
            details=dict(details or {}),
            charts=tuple(charts),
        )
