"""The public ``refute``: an Effect and its data in, what speaks against it out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from whydrift.discovery.errors import OptionError
from whydrift.effects.api import Prepared, prepare
from whydrift.effects.check import Check
from whydrift.effects.effect import Effect
from whydrift.effects.frame import as_table
from whydrift.effects.refuters.base import Case
from whydrift.effects.refuters.registry import Row, refuter_row, refuter_rows

__all__ = ["refute", "refuted"]

_LEAST_REPEATS = 20
_SAME = 1e-6
# Rows drawn twice mislead nearest neighbours (Abadie & Imbens 2008), and folds that share them.
_NO_BOOTSTRAP = frozenset({"matching", "dml"})


def refute(
    effect: Effect,
    data: Any,
    *,
    refuters: Sequence[str] | str | None = None,
    negative_outcomes: Sequence[str] | str = (),
    negative_treatments: Sequence[str] | str = (),
    repeats: int = 100,
    random_state: int = 0,
    **asked: Any,
) -> tuple[Check, ...]:
    """Try to break an estimate, and say what held.

    Parameters
    ----------
    effect : Effect
    data : frame, pyarrow.Table or mapping of str to columns
        From which it was estimated.
    refuters : sequence of str, optional
        By default all that suit the method; `refuter_names` lists them.
    negative_outcomes, negative_treatments : sequence of str
        Columns that the treatment cannot move, and that cannot move the outcome.
    repeats : int
        Times that each random change is made, each with an estimate; at least 20.
    random_state : int
        That of the estimate.
    **asked
        What `estimate` was given beside data, treatment and outcome, where it was not the method
        and plain columns to adjust for: ``graph``, terms like ``age^2``, ``instrument``, options.

    Returns
    -------
    tuple of Check

    Raises
    ------
    OptionError
        If a refuter is unknown or does not suit the method, or the same estimate does not come
        out again.
    WhydriftError
        Whatever `estimate` raises.
    """
    before = len(effect.checks)
    found = refuted(
        effect,
        data,
        refuters=refuters,
        negative_outcomes=negative_outcomes,
        negative_treatments=negative_treatments,
        repeats=repeats,
        random_state=random_state,
        **asked,
    )
    return found.checks[before:]


def refuted(
    effect: Effect,
    data: Any,
    *,
    refuters: Sequence[str] | str | None = None,
    negative_outcomes: Sequence[str] | str = (),
    negative_treatments: Sequence[str] | str = (),
    repeats: int = 100,
    random_state: int = 0,
    **asked: Any,
) -> Effect:
    """Return the effect with what `refute` found: its checks, tables and charts.

    The parameters are those of `refute`.
    """
    if repeats < _LEAST_REPEATS:
        raise OptionError(
            f"{repeats} repeats", where="refute", remedy=f"Give {_LEAST_REPEATS} or more"
        )
    table, _ = as_table(data)
    prepared = _again(effect, table, {**asked, "random_state": random_state})
    case = Case(
        effect,
        prepared,
        table,
        prepared.question.graph,
        _names(negative_outcomes),
        _names(negative_treatments),
        repeats,
        random_state,
    )
    for row in _chosen(refuters, prepared):
        found = row.load()(case)
        effect = replace(
            effect,
            checks=(*effect.checks, *found.checks),
            details={**effect.details, **found.details},
            charts=(*effect.charts, *found.charts),
        )
    return effect


def _again(effect: Effect, table: Any, asked: dict[str, Any]) -> Prepared:
    """Return the estimate as it was made, after a look whether it comes out again."""
    from whydrift.effects.registry import method_row

    row = method_row(effect.method)
    given = {
        "method": effect.method,
        "level": effect.level,
        "units": effect.units,
        **{name: value for name, value in asked.items() if value is not None},
    }
    if row.uses_adjustment and effect.adjustment and "graph" not in given:
        given.setdefault("adjustment", effect.adjustment)
    if effect.estimand.name in row.estimands:
        given.setdefault("estimand", effect.estimand.name)
    prepared = prepare(table, effect.treatment, effect.outcome, **given)
    value = prepared.estimate().value
    if effect.value is None or value is None:
        raise OptionError(
            "there is no number to refute",
            where=f"effect by {effect.method}",
            remedy="Bounds hold whatever was left out; estimate with another method to refute it",
        )
    if not math.isclose(value, effect.value, rel_tol=_SAME, abs_tol=1e-12):
        raise OptionError(
            f"the same estimate does not come out again: {value:.6g}, not {effect.value:.6g}",
            where="refute",
            remedy="Give the data, and all arguments that estimate was given (adjustment with its "
            "terms, graph, options)",
        )
    return prepared


def _chosen(refuters: Sequence[str] | str | None, prepared: Prepared) -> list[Row]:
    if refuters is None:
        return [row for row in refuter_rows() if _unfit(row, prepared) is None]
    chosen = [refuter_row(name) for name in _names(refuters)]
    for row in chosen:
        why = _unfit(row, prepared)
        if why is not None:
            raise OptionError(
                f"refuter {row.name!r} does not suit method {prepared.row.name!r}: {why}",
                where="refuters",
                remedy="Leave it out; by default those that suit are taken",
            )
    return chosen


def _unfit(row: Row, prepared: Prepared) -> str | None:
    """Return why a refuter does not suit a method, or None."""
    if prepared.row.by_graph not in row.by_graph:
        return "its design stands in for the graph"
    if row.needs == "adjustment" and not prepared.row.uses_adjustment:
        return "it adjusts for nothing"
    if row.needs == "linear" and (
        prepared.row.name in _NO_BOOTSTRAP
        or getattr(prepared.method, "learner", "linear") != "linear"
    ):
        return "rows drawn twice mislead it"
    return None


def _names(value: Sequence[str] | str) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)
