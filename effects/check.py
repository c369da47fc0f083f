"""A Check: one reason to believe an estimate, or not to."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

__all__ = ["Check", "Outcome"]


class Outcome(StrEnum):
    """How a check came out."""

    PASS = "pass"  # noqa: S105 - a word of the contract
    WARN = "warn"  # read on before you rely on the number
    FAIL = "fail"  # do not rely on the number


@dataclass(frozen=True, slots=True)
class Check:
    """What was looked at, how it came out, and what that means.

    Parameters
    ----------
    name : str
        A fixed word for programs, such as ``overlap``.
    outcome : Outcome
    sentence : str
        For people: what was found, and what follows from it.
    value, threshold : float, optional
        What was measured, and the limit it was held against; what is not finite becomes None.
    """

    name: str
    outcome: Outcome
    sentence: str
    value: float | None = None
    threshold: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "outcome", Outcome(self.outcome))
        for name in ("value", "threshold"):
            given = getattr(self, name)
            finite = given is not None and math.isfinite(given)
            object.__setattr__(self, name, float(given) if finite else None)

    @classmethod
    def at_most(
        cls, name: str, value: float, sentence: str, *, warn: float, fail: float = math.inf
    ) -> Check:
        """Judge a number that should be small: above ``warn`` a warning, above ``fail`` a failure.

        A number that is not finite fails.
        """
        bad, limit = _judged(value, warn, fail)
        return cls(name, bad, sentence, value, limit)

    @classmethod
    def at_least(
        cls, name: str, value: float, sentence: str, *, warn: float, fail: float = -math.inf
    ) -> Check:
        """Judge a number that should be large: below ``warn`` a warning, below ``fail`` a failure.

        A number that is not finite fails.
        """
        bad, limit = _judged(-value, -warn, -fail)
        return cls(name, bad, sentence, value, -limit)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "name": self.name,
            "outcome": self.outcome.value,
            "sentence": self.sentence,
            "value": self.value,
            "threshold": self.threshold,
        }

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Check:
        """Read what :meth:`to_dict` writes."""
        return cls(
            value["name"],
            Outcome(value["outcome"]),
            value["sentence"],
            value["value"],
            value["threshold"],
        )


def _judged(value: float, warn: float, fail: float) -> tuple[Outcome, float]:
    """Return the outcome, and the limit that decided it."""
    if math.isnan(value) or value > fail:
        return Outcome.FAIL, fail if math.isfinite(fail) else warn
    return (Outcome.WARN if value > warn else Outcome.PASS), warn
