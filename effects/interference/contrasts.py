"""Several effects side by side: as a table and as a picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from scipy import stats

from whydrift.effects.chart import Chart, Rule, Series
from whydrift.effects.question import Question
from whydrift.effects.table import Table

__all__ = ["Contrast", "contrast_chart", "contrast_table"]


@dataclass(frozen=True, slots=True)
class Contrast:
    """An effect and its error.

    Parameters
    ----------
    value, error : float
    freedom : float, optional
        Degrees of freedom of Student's t; the normal distribution without.
    rows : int, optional
        That it rests on, where that differs from one to the other.
    """

    value: float
    error: float
    freedom: float | None = None
    rows: int | None = None

    @property
    def p_value(self) -> float:
        """Two-sided, of no effect."""
        if not self.error > 0:
            return 1.0 if self.value == 0 else 0.0
        size = abs(self.value) / self.error
        tail = stats.norm.sf(size) if self.freedom is None else stats.t.sf(size, self.freedom)
        return float(2 * tail)

    def ends(self, question: Question) -> tuple[float, float]:
        """Return the ends of its interval."""
        reach = question.quantile(self.freedom) * self.error
        return self.value - reach, self.value + reach


def contrast_table(
    title: str, found: Mapping[str, Contrast | None], question: Question, what: str = "effect"
) -> Table:
    """Return a row for each effect; one that cannot be had has no numbers."""
    with_rows = any(each is not None and each.rows is not None for each in found.values())
    lines = []
    for name, each in found.items():
        numbers = (
            (None,) * 5
            if each is None
            else (each.value, each.error, *each.ends(question), each.p_value)
        )
        rows = (None if each is None else each.rows,) if with_rows else ()
        lines.append((name, *rows, *numbers))
    columns = (
        what, *(("rows",) if with_rows else ()), "change", "standard error", "low", "high", "p",
    )  # fmt: skip
    return Table(
        f"{title} ({question.level:.0%} intervals, each on its own)", columns, tuple(lines)
    )


def contrast_chart(
    found: Mapping[str, Contrast | None], question: Question, outcome: str, name: str
) -> Chart:
    """Return a forest of the effects that there are."""
    there = {label: each for label, each in found.items() if each is not None}
    ends = [each.ends(question) for each in there.values()]
    series = Series.of(
        "",
        [each.value for each in there.values()],
        range(len(there)),
        low=[low for low, _ in ends],
        high=[high for _, high in ends],
    )
    units = f", {question.units}" if question.units else ""
    return Chart(
        f"{name}s",
        f"Effects on {outcome}",
        f"change of {outcome}{units}",
        "",
        (series,),
        (Rule("x", 0.0, "no effect"),),
        tuple(there),
    )
