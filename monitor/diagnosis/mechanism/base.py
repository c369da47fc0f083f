"""What a mechanism test is asked and what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from whydrift.monitor.diagnosis.pair import WindowPair

__all__ = ["Component", "MechanismTest", "MechanismTestResult", "Untestable"]


class Untestable(StrEnum):
    """Why a test could not be done."""

    TOO_FEW_ROWS = "too_few_rows"
    NO_OVERLAP = "no_overlap"
    CONSTANT = "constant"


@dataclass(frozen=True, slots=True)
class Component:
    """One way in which a mechanism can change, with the change that was seen.

    Parameters
    ----------
    name : str
        ``level``, ``spread``, ``slope of <parent>``, ``share of <level>``, …
    value : float
        Change from reference to current: reference sd for levels and slopes, log of the ratio
        for spreads, probability for shares.
    error : float
        Its standard error.
    unit : str
        ``sd``, ``log sd`` or ``probability``.
    z : float
        The score's standardised value: the evidence.
    """

    name: str
    value: float
    error: float
    unit: str
    z: float


@dataclass(frozen=True, slots=True)
class MechanismTestResult:
    """Answer of a mechanism test.

    Parameters
    ----------
    p_value : float, optional
        Of "P(column | parents) is the same in both windows"; None where untestable.
    untestable : Untestable, optional
        Why there is no p-value.
    overlap : float
        How far the parents' distributions overlap, in [0, 1].
    rows : int
        Complete rows used, both windows together.
    components : tuple of Component
        The ways to change that were looked at, strongest evidence first.
    level_error : float, optional
        Standard error of a change in level (or share), from which the detectable change follows.
    """

    p_value: float | None
    untestable: Untestable | None
    overlap: float
    rows: int
    components: tuple[Component, ...] = ()
    level_error: float | None = None

    @property
    def strength(self) -> float:
        """Largest |z| of any component; breaks ties between p-values that underflow."""
        return abs(self.components[0].z) if self.components else 0.0


class MechanismTest(Protocol):
    """A test of "P(column | parents) is the same in both windows"."""

    def __call__(
        self, pair: WindowPair, column: str, parents: tuple[str, ...]
    ) -> MechanismTestResult:
        """Test one column given its parents."""
        ...
