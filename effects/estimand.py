"""What is asked: estimands in words and symbols, and what they take for granted.

Y(a) is the outcome a row would have had under treatment a: its *potential outcome*. Only one of
them is ever seen. An estimand is a contrast of potential outcomes over a population, and every
method here rests on

consistency
    the outcome seen under treatment a is Y(a): the treatment is one well-defined thing.
no interference
    Y(a) of a row does not depend on the treatment of other rows. Together with consistency this is
    SUTVA (Rubin 1980).
ignorability
    given the columns that are adjusted for, who was treated says nothing about Y(0) and Y(1):
    (Y(0), Y(1)) ⊥ A | X. An experiment gives it by design; instruments, thresholds and panels
    put something else in its place, which the method states.
overlap
    0 < P(A = 1 | X) < 1: rows of every kind are found under both treatments.

The first two cannot be tested on one table, and the third can only be argued for or attacked
(refuters, negative controls). Overlap can be seen, and is checked.

References
----------
Rubin (1974), Estimating causal effects of treatments in randomized and nonrandomized studies.
Hernán & Robins (2020), Causal inference: what if, chapters 1 to 3.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

__all__ = [
    "ADJUSTED", "ALWAYS", "CONSISTENCY", "DRAWN", "RANDOMISED", "Estimand", "average_effect",
]  # fmt: skip

CONSISTENCY: Final = "The treatment is one well-defined thing, whoever gets it (consistency)"
_NO_INTERFERENCE: Final = (
    "The treatment of one row does not touch the outcome of another (no interference)"
)
_IGNORABILITY: Final = (
    "Given the columns adjusted for, who was treated is as good as random (ignorability): no "
    "cause of both treatment and outcome is missing"
)
DRAWN: Final = "Who was treated was decided at random (ignorability by design)"
_OVERLAP: Final = "Rows of every kind are found under both treatments (overlap)"

ALWAYS: Final = (CONSISTENCY, _NO_INTERFERENCE)
"""What every method takes for granted."""

RANDOMISED: Final = (DRAWN, *ALWAYS)
"""What a plain comparison of groups takes for granted."""

ADJUSTED: Final = (_IGNORABILITY, _OVERLAP, *ALWAYS)
"""What adjusting for columns takes for granted."""


@dataclass(frozen=True, slots=True)
class Estimand:
    """A contrast of potential outcomes.

    Parameters
    ----------
    name : str
        A fixed word for programs, such as ``ate``.
    words : str
        What is compared, and over whom, in one phrase without a full stop.
    symbols : str
        The same in symbols, such as ``E[Y(1) − Y(0)]``.
    """

    name: str
    words: str
    symbols: str

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {"name": self.name, "words": self.words, "symbols": self.symbols}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Estimand:
        """Read what :meth:`to_dict` writes."""
        return cls(value["name"], value["words"], value["symbols"])


def average_effect(name: str, contrast: str, outcome: str, *, continuous: bool = False) -> Estimand:
    """Return the average effect over all rows, the treated or the untreated.

    Parameters
    ----------
    name : str
        ``ate``, ``att`` or ``atc``.
    contrast : str
        What is compared, such as ``treat = 1 against 0``.
    outcome : str
    continuous : bool
        Whether the contrast is one unit more of a number.
    """
    whom, condition = {
        "ate": ("over all rows", ""),
        "att": ("over the treated rows", " | A = 1"),
        "atc": ("over the untreated rows", " | A = 0"),
    }[name]
    symbols = "E[Y(a + 1) − Y(a)]" if continuous else f"E[Y(1) − Y(0){condition}]"
    return Estimand(name, f"average change of {outcome} by {contrast}, {whom}", symbols)
