"""A scenario: a world whose true effect is known, and the method that is put to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

__all__ = ["Scenario"]


@dataclass(frozen=True)
class Scenario:
    """What is drawn, asked, and expected.

    Parameters
    ----------
    name : str
        ``family.what``: ``adjustment.ipw_ate``.
    draw : callable (generator) -> mapping of str to columns
        A fresh sample of the world.
    truth : float or callable (data) -> float
        The effect that is asked for: in the population, or in this sample.
    arguments : mapping
        Of ``estimate``, but for the data.
    holds : bool
        Whether the method's assumptions hold: if so coverage must be 93 to 97 %, and no check may
        fail more often than ``alarms``.
    fires : str, optional
        The check that must fail or warn where the assumptions do not hold, in nine samples of ten.
    alarms : float
        Share of samples in which a check may fail although the assumptions hold.
    may_be_long : bool
        Whether intervals are meant to be rather too long: coverage may then exceed 97 %.
    """

    name: str
    draw: Callable[[np.random.Generator], Mapping[str, Any]]
    truth: float | Callable[[Mapping[str, Any]], float]
    arguments: Mapping[str, Any] = field(default_factory=dict)
    holds: bool = True
    fires: str | None = None
    alarms: float = 0.05
    may_be_long: bool = False

    def true_effect(self, data: Mapping[str, Any]) -> float:
        """Return the effect in the population, or in a sample of it."""
        return self.truth(data) if callable(self.truth) else self.truth
