"""How strict each test has to be so that false alarms stay within what people accept a month.

A monitor is granted A false alarms a month on average. It judges units: its whole, and its
segments. A unit with the share π of the budget and R decisions a month works at the level
0.6 · A · π / R; the rest of A goes to faults, to the slow scales and to changes of the graph. A
window in which nothing moved gives an alarm with at most that probability, and expectations add
up: the mean number of false alarms stays within A under any dependence between windows, segments
and monitors.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from whydrift.discovery.errors import OptionError
from whydrift.monitor.diagnosis.mechanism.combination import cauchy_combination

__all__ = ["DAYS_PER_MONTH", "WHOLE", "AlarmBudget", "Ledger", "Purpose", "opens_gate"]

DAYS_PER_MONTH: Final = 365.25 / 12
WHOLE: Final = ""  # the segment that is no segment: all rows of the monitor
_LARGEST_LEVEL: Final = 0.05  # a monthly window would be granted more than anybody believes


class Purpose(StrEnum):
    """What a decision is about; each purpose has its own share of the budget."""

    DRIFT = "drift"
    FAULT = "fault"
    SLOW = "slow"
    GRAPH = "graph"

    @property
    def share(self) -> float:
        """Part of the budget, the four adding up to one."""
        return _SHARES[self]


_SHARES: Final = MappingProxyType(
    {Purpose.DRIFT: 0.6, Purpose.FAULT: 0.2, Purpose.SLOW: 0.1, Purpose.GRAPH: 0.1}
)


@dataclass(frozen=True)
class AlarmBudget:
    """The false alarms that one monitor may give, shared out.

    Parameters
    ----------
    windows_per_month : float
        How many windows the monitor judges.
    false_alarms_per_month : float
        What is acceptable, on average.
    stages : int
        Decisions about each window that can page: 1, or 2 where labels come later.
    segments : tuple of str
        Judged beside the whole; they share half of the budget evenly.
    slow_scales : int
        Number of longer scales, each decided once a window.

    Raises
    ------
    OptionError
        If a number is out of its range, or a segment is named twice.
    """

    windows_per_month: float
    false_alarms_per_month: float = 0.2
    stages: int = 1
    segments: tuple[str, ...] = ()
    slow_scales: int = 2

    def __post_init__(self) -> None:
        for name, value in (
            ("windows_per_month", self.windows_per_month),
            ("false_alarms_per_month", self.false_alarms_per_month),
        ):
            if not (value > 0 and math.isfinite(value)):
                raise OptionError(
                    f"{name} {value!r} is not a positive number",
                    where=name,
                    remedy="Give how many to expect in a month, such as 0.2",
                )
        if self.stages not in (1, 2):
            raise OptionError(
                f"{self.stages!r} stages",
                where="stages",
                remedy="Give 1, or 2 where labels come later than features",
            )
        if len(set(self.segments)) < len(self.segments) or WHOLE in self.segments:
            raise OptionError(
                "a segment is named twice, or has no name",
                where="segments",
                remedy="Name each segment once",
            )

    def share(self, segment: str = WHOLE) -> float:
        """Return the part of the budget that a unit has: half for the whole where it has segments.

        Raises
        ------
        OptionError
            If there is no such segment.
        """
        if segment != WHOLE and segment not in self.segments:
            raise OptionError(
                f"unknown segment {segment!r}",
                where="segment",
                remedy=f"Segments are: {', '.join(self.segments) or 'none'}",
            )
        if not self.segments:
            return 1.0
        return 0.5 if segment == WHOLE else 0.5 / len(self.segments)

    def decisions_per_month(self, purpose: Purpose = Purpose.DRIFT) -> float:
        """Return how often a unit is decided on."""
        if purpose is Purpose.DRIFT:
            return self.windows_per_month * self.stages
        if purpose is Purpose.SLOW:
            return self.windows_per_month * self.slow_scales
        return self.windows_per_month

    def level(self, purpose: Purpose = Purpose.DRIFT, segment: str = WHOLE) -> float:
        """Return the level α of one decision, at most 0.05.

        It is the chance of any false rejection in the decision: the level that Holm's procedure
        gets for the whole family of tests.
        """
        granted = self.false_alarms_per_month * purpose.share * self.share(segment)
        return min(_LARGEST_LEVEL, granted / self.decisions_per_month(purpose))

    @property
    def bound(self) -> float:
        """False alarms a month that the levels allow on average; at most what was granted."""
        units = (WHOLE, *self.segments)
        return math.fsum(
            self.level(purpose, unit) * self.decisions_per_month(purpose)
            for purpose in Purpose
            for unit in units
        )


@dataclass(frozen=True)
class Ledger:
    """The levels of the decisions taken, to tell how much of the budget is spent.

    Parameters
    ----------
    spent : mapping of float to float
        From the time of a decision, in seconds since 1970, to the sum of levels spent then.
    """

    spent: Mapping[float, float] = field(default_factory=dict)

    def with_decision(self, at: float, level: float) -> Ledger:
        """Return the ledger with one more decision, taken at a level."""
        return Ledger({**self.spent, at: self.spent.get(at, 0.0) + level})

    def ratio(self, now: float, budget: AlarmBudget) -> float:
        """Return what the last month's decisions spent, as a share of a month's budget.

        Near 1 where every window was judged; more says that windows were judged which the
        configuration does not count.
        """
        month = DAYS_PER_MONTH * 86_400
        recent = math.fsum(level for at, level in self.spent.items() if now - month < at <= now)
        return recent / budget.false_alarms_per_month

    def since(self, earliest: float) -> Ledger:
        """Return the ledger without what is older than a time."""
        return Ledger({at: level for at, level in self.spent.items() if at >= earliest})


def opens_gate(p_values: Iterable[float], budget: AlarmBudget) -> bool:
    """Return whether segments may open alarms: whether the monitor's combined p-value rejects.

    The gate lowers the number of alarms only; each segment still has to reject at its own level.

    Parameters
    ----------
    p_values : iterable of float
        The smallest Holm-adjusted p-value of the whole and of each segment.
    budget : AlarmBudget
        The monitor's.
    """
    granted = budget.false_alarms_per_month * Purpose.DRIFT.share
    level = min(_LARGEST_LEVEL, granted / budget.decisions_per_month())
    found = list(p_values)
    return bool(found) and cauchy_combination(found, [1.0] * len(found)) <= level
