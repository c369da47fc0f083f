"""A fitted learner of effects: what the treatment does to rows of a kind."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from whydrift.discovery.arrays import FloatArray
from whydrift.effects.extra import library

__all__ = ["FittedCate", "fit", "quiet_library"]


@dataclass(frozen=True)
class FittedCate:
    """A learner that has seen some rows.

    Parameters
    ----------
    model : object
        Of econml, fitted.
    has_interval : bool
        Whether theory gives intervals of single rows.
    """

    model: Any
    has_interval: bool

    def effect(self, design: FloatArray) -> FloatArray:
        """Return the effect on rows of these covariates."""
        with _silence():
            return np.asarray(self.model.effect(design), dtype=np.float64).ravel()

    def interval(self, design: FloatArray, level: float) -> tuple[FloatArray, FloatArray] | None:
        """Return both ends of an interval for each row's effect, where theory gives one."""
        if not self.has_interval:
            return None
        with _silence():
            low, high = self.model.effect_interval(design, alpha=1 - level)
        return np.asarray(low, dtype=np.float64).ravel(), np.asarray(high, np.float64).ravel()


def fit(
    build: Callable[[], Any],
    outcome: FloatArray,
    treated: FloatArray,
    design: FloatArray,
    *,
    has_interval: bool,
) -> FittedCate:
    """Build a learner of econml and fit it."""
    with _silence():
        model = build()
        model.fit(outcome, treated.astype(np.int64), X=design)
    return FittedCate(model, has_interval)


def quiet_library(module: str, where: str) -> Any:
    """Import a module of econml without the warnings of what it imports."""
    with _silence():
        return library(module, where)


def _silence() -> warnings.catch_warnings[None]:
    # econml 0.17 still calls what scikit-learn and its other libraries are about to rename.
    return warnings.catch_warnings(action="ignore")
