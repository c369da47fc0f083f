"""The Effect: what ``estimate`` answers, whatever the method, and its JSON contract."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from whydrift.discovery.errors import WhydriftError, unknown_name
from whydrift.discovery.snapshot.note import Note
from whydrift.effects.chart import Chart
from whydrift.effects.check import Check, Outcome
from whydrift.effects.estimand import Estimand
from whydrift.effects.table import Table

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes

__all__ = ["EFFECT_SCHEMA", "Effect"]

EFFECT_SCHEMA = "whydrift/effect/1"


@dataclass(frozen=True)
class Effect:
    """What a treatment did to an outcome, how sure that is, and whether to believe it.

    Parameters
    ----------
    estimand : Estimand
        What was asked, in words and symbols.
    treatment, outcome : str
        Columns.
    value : float or None
        The estimate; None where the data bound it but do not give it.
    standard_error, p_value : float or None
        The p-value is two-sided, of no effect.
    low, high : float or None
        The interval; None where there is no bound on that side.
    level : float
        Share of such intervals that hold the truth, where the assumptions do.
    n : int
        Rows used.
    units : str
        Of the estimate, such as ``USD``; empty where it was not said.
    method : str
        Its name in the registry.
    contrast : str
        What is compared, such as ``treat = 1 against 0``.
    reason : str
        Why this method, where it was chosen for the user.
    adjustment : tuple of str
        Columns adjusted for.
    assumptions : tuple of str
        One sentence each, without a full stop.
    checks : tuple of Check
    warnings : tuple of Note
    details : mapping of str to Table
        What the story rests on: balance, first stage, coefficients of an event study.
    charts : tuple of Chart
        Pictures of it, the most telling first.
    """

    estimand: Estimand
    treatment: str
    outcome: str
    value: float | None
    standard_error: float | None
    low: float | None
    high: float | None
    level: float
    p_value: float | None
    n: int
    method: str
    units: str = ""
    contrast: str = ""
    reason: str = ""
    adjustment: tuple[str, ...] = ()
    assumptions: tuple[str, ...] = ()
    checks: tuple[Check, ...] = ()
    warnings: tuple[Note, ...] = ()
    details: Mapping[str, Table] = field(default_factory=dict)
    charts: tuple[Chart, ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        for name in ("value", "standard_error", "low", "high", "p_value"):
            given = getattr(self, name)
            finite = given is not None and math.isfinite(given)
            object.__setattr__(self, name, float(given) if finite else None)
        object.__setattr__(self, "n", int(self.n))

    # ---- judging ------------------------------------------------------------------------------
    @property
    def is_credible(self) -> bool:
        """Whether there is a number and no check failed; the assumptions are the reader's."""
        return self.value is not None and not self.failed

    @property
    def failed(self) -> tuple[Check, ...]:
        """The checks that failed."""
        return tuple(check for check in self.checks if check.outcome is Outcome.FAIL)

    def check(self, name: str) -> Check:
        """Return the check of a name.

        Raises
        ------
        OptionError
            If there is none; the message lists those there are.
        """
        for check in self.checks:
            if check.name == name:
                return check
        known = [check.name for check in self.checks]
        raise unknown_name("check", name, known=known, where=f"effect by {self.method}")

    # ---- JSON ---------------------------------------------------------------------------------
    def to_dict(self) -> dict[str, Any]:
        """Return the effect as the JSON contract writes it: numbers are finite or None."""
        return {
            "schema": EFFECT_SCHEMA,
            "treatment": self.treatment,
            "outcome": self.outcome,
            "estimand": self.estimand.to_dict(),
            "contrast": self.contrast,
            "method": self.method,
            "reason": self.reason,
            "value": self.value,
            "standard_error": self.standard_error,
            "low": self.low,
            "high": self.high,
            "level": self.level,
            "p_value": self.p_value,
            "n": self.n,
            "units": self.units,
            "adjustment": list(self.adjustment),
            "is_credible": self.is_credible,
            "assumptions": list(self.assumptions),
            "checks": [check.to_dict() for check in self.checks],
            "warnings": [note.to_dict() for note in self.warnings],
            "details": {name: table.to_dict() for name, table in self.details.items()},
            "charts": [chart.to_dict() for chart in self.charts],
        }

    def to_json(self) -> str:
        """Return :meth:`to_dict` as indented text."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False, allow_nan=False)

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Effect:
        """Read what :meth:`to_dict` writes.

        Raises
        ------
        WhydriftError
            If this is no effect of this schema.
        """
        schema = value.get("schema") if isinstance(value, Mapping) else None
        if schema != EFFECT_SCHEMA:
            raise WhydriftError(
                f"schema {schema!r} is not {EFFECT_SCHEMA!r}",
                where="effect",
                remedy="Estimate it again with `whydrift effect --json`",
            )
        try:
            return _from_dict(value)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise WhydriftError(
                f"this is not what was written: {type(error).__name__} {error}",
                where="effect",
                remedy="Estimate it again with `whydrift effect --json`",
            ) from error

    # ---- showing ------------------------------------------------------------------------------
    def __str__(self) -> str:
        from whydrift.effects.story import story

        return story(self)

    def _repr_html_(self) -> str:
        from whydrift.effects.story import notebook_view

        return notebook_view(self)

    def chart(self, name: str | None = None) -> Chart:
        """Return the chart of a name, by default the first; an effect without any has a forest.

        Raises
        ------
        OptionError
            If there is none of that name; the message lists those there are.
        """
        from whydrift.effects.story import forest

        charts = self.charts or (forest(self),)
        if name is None:
            return charts[0]
        for chart in charts:
            if chart.name == name:
                return chart
        known = [chart.name for chart in charts]
        raise unknown_name("chart", name, known=known, where=f"effect by {self.method}")

    def plot(self, name: str | None = None, ax: Axes | None = None) -> Axes:
        """Draw a chart with matplotlib, on the axes given or on new ones, and return them.

        Parameters
        ----------
        name : str, optional
            Which chart; by default the first. ``[c.name for c in effect.charts]`` lists them.
        ax : matplotlib Axes, optional

        Raises
        ------
        OptionError
            If there is no such chart, or matplotlib is not installed.
        """
        from whydrift.effects.plotting import draw

        return draw(self.chart(name), ax)

    def save_html(self, path: str | Path) -> None:
        """Write the report page: one HTML file that needs neither network nor script.

        Raises
        ------
        SourceError
            If the file cannot be written.
        """
        from whydrift.monitor.report.effect_page import save_effect

        save_effect(self, path)


def _from_dict(value: Mapping[str, Any]) -> Effect:
    return Effect(
        estimand=Estimand.from_dict(value["estimand"]),
        treatment=value["treatment"],
        outcome=value["outcome"],
        value=value["value"],
        standard_error=value["standard_error"],
        low=value["low"],
        high=value["high"],
        level=value["level"],
        p_value=value["p_value"],
        n=value["n"],
        method=value["method"],
        units=value["units"],
        contrast=value["contrast"],
        reason=value["reason"],
        adjustment=tuple(value["adjustment"]),
        assumptions=tuple(value["assumptions"]),
        checks=tuple(Check.from_dict(check) for check in value["checks"]),
        warnings=tuple(Note(r["code"], r["column"], r["text"]) for r in value["warnings"]),
        details={name: Table.from_dict(table) for name, table in value["details"].items()},
        charts=tuple(Chart.from_dict(chart) for chart in value["charts"]),
    )
