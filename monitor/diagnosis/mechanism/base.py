"""What a mechanism test is asked and what it answers."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, Protocol

from whydrift.monitor.diagnosis.mechanism.combination import cauchy_combination, largest_of
from whydrift.monitor.diagnosis.pair import WindowPair

__all__ = [
    "CLEAR",
    "FROM_ROW_TO_ROW",
    "OUTER_QUANTILES",
    "POOLED_SD",
    "Component",
    "MechanismTest",
    "MechanismTestResult",
    "NewDependence",
    "Power",
    "Untestable",
]


class Untestable(StrEnum):
    """Why a test could not be done."""

    TOO_FEW_ROWS = "too_few_rows"
    TOO_RARE = "too_rare"  # a category whose rows but the commonest level's are a handful
    NO_OVERLAP = "no_overlap"
    CONSTANT = "constant"
    ALIKE_IN_CLUSTERS = "alike_in_clusters"  # each has the same values as often in both windows
    CALENDAR = "calendar"  # the row's time says what it is in both windows
    IDENTITY = "identity"  # its parents say what it is, by an identity that holds in both windows
    TOO_DEPENDENT = "too_dependent"  # one stretch of rows: how rare such stretches are is not known


# Of a column that is constant in the reference: it has no sd there to measure a change in.
POOLED_SD: Final = "sd of both windows"
# The name of a change in what each row adds to the one before, of which the whole shows nothing.
FROM_ROW_TO_ROW: Final = "spread from row to row"
# The name of a change of asymmetry, by what is seen of it: at the same level and spread.
OUTER_QUANTILES: Final = "5 % and 95 % quantiles"
CLEAR: Final = 2.575829  # |z| from which on one of two components is told by itself: 1 %


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
        ``sd``, ``log sd``, ``probability``, or `POOLED_SD` where the reference is constant.
    z : float
        The score's standardised value: the evidence.
    scale : float
        One standard deviation of what the change is measured in: 1 for ``sd`` and ``log sd``,
        √(p(1 − p)) for a share p.
    wider : float
        By how much the differences between ordinary windows widen the error; included in it.
    """

    name: str
    value: float
    error: float
    unit: str
    z: float
    scale: float = 1.0
    wider: float = 1.0


@dataclass(frozen=True, slots=True)
class Power:
    """What the power of the test against a change in level follows from.

    Parameters
    ----------
    rank : int
        Components that the short test looks at together.
    freedom : float
        Denominator degrees of freedom.
    tests : float
        How many times its p-value counts among the ways to look.
    error : float, optional
        Largest standard error of a category's shares: a change of any share is promised to be
        seen, and that of a common one is known less well in rows, if not in sds. None: that of
        ``level``.
    """

    rank: int
    freedom: float
    tests: float
    error: float | None = None


# How much a new dependence counts beside all other ways to change.
_WEIGHT_OF_DEPENDENCE: Final = 0.2


@dataclass(frozen=True, slots=True)
class NewDependence:
    """How far a column came to depend on one that is not its parent.

    Parameters
    ----------
    other : str
        That column.
    component : Component
        The strongest of them, where the two columns have several features.
    tests : int
        Number of features times levels looked at.
    """

    other: str
    component: Component
    tests: int


@dataclass(frozen=True, slots=True)
class MechanismTestResult:
    """Answer of a mechanism test.

    Parameters
    ----------
    p_value : float, optional
        Of "P(column | parents) is the same in both windows"; None where untestable, 1 where that
        is known without a test.
    untestable : Untestable, optional
        Why there is no p-value.
    overlap : float
        How far the parents' distributions overlap, in [0, 1].
    rows : int
        Complete rows used, both windows together.
    components : tuple of Component
        The ways to change that were looked at, strongest evidence first.
    level : Component, optional
        The change in level (or in the share that is known least well).
    power : Power, optional
        From which, and the error of ``level``, the detectable change follows.
    dependences : tuple of NewDependence
        On other columns; not counted in ``p_value``.
    in_order : bool
        Whether rows were taken as a series, each of which resembles those before.
    resemblance : float
        How clearly they do in what the parents do not tell, in standard errors.
    """

    p_value: float | None
    untestable: Untestable | None
    overlap: float
    rows: int
    components: tuple[Component, ...] = ()
    level: Component | None = None
    power: Power | None = None
    dependences: tuple[NewDependence, ...] = ()
    in_order: bool = False
    resemblance: float = 0.0

    def counting(self, others: Container[str]) -> MechanismTestResult:
        """Return the result whose p-value counts new dependence on these columns too."""
        counted = [d for d in self.dependences if d.other in others]
        if self.p_value is None or self.power is None or not counted:
            return self
        strongest = max(counted, key=lambda d: abs(d.component.z))
        new = largest_of(
            abs(strongest.component.z), sum(d.tests for d in counted), self.power.freedom
        )
        weights = [1 - _WEIGHT_OF_DEPENDENCE, _WEIGHT_OF_DEPENDENCE]
        components = sorted((*self.components, strongest.component), key=lambda c: -abs(c.z))
        return replace(
            self,
            p_value=cauchy_combination([self.p_value, new], weights),
            components=tuple(components),
        )

    @property
    def strength(self) -> float:
        """Largest |z| of any component; breaks ties between p-values that underflow."""
        return abs(self.components[0].z) if self.components else 0.0


class MechanismTest(Protocol):
    """A test of "P(column | parents) is the same in both windows"."""

    def __call__(
        self,
        pair: WindowPair,
        column: str,
        parents: tuple[str, ...],
        others: tuple[str, ...] = (),
    ) -> MechanismTestResult:
        """Test one column given its parents, and others that it should not depend on besides."""
        ...
