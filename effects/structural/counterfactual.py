"""Counterfactuals of single rows: abduction, action, prediction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from whydrift.discovery.arrays import FloatArray
from whydrift.discovery.errors import NotIdentified, OptionError, SchemaError, unknown_name
from whydrift.effects.check import Check
from whydrift.effects.columns import is_missing, numbers, require
from whydrift.effects.frame import as_table
from whydrift.effects.structural.model import StructuralModel
from whydrift.effects.table import Table
from whydrift.effects.words import joined, number_text

__all__ = ["Counterfactuals", "counterfactual"]

_FAR_WARN, _FAR_FAIL = 0.0, 0.5  # of the range that was seen, beyond it


@dataclass(frozen=True)
class Counterfactuals:
    """What rows were, and what they would have been.

    Parameters
    ----------
    do : mapping of str to float
    factual, counterfactual : mapping of str to ndarray of shape (n_rows,)
    assumptions : tuple of str
    checks : tuple of Check
    """

    do: Mapping[str, float]
    factual: Mapping[str, FloatArray]
    counterfactual: Mapping[str, FloatArray]
    assumptions: tuple[str, ...]
    checks: tuple[Check, ...]

    def change(self, name: str) -> FloatArray:
        """Return what would have been of a column, less what was, shape (n_rows,)."""
        difference: FloatArray = self.counterfactual[name] - self.factual[name]
        return difference

    def table(self) -> Table:
        """Return both worlds, column by column."""
        found = {"row": list(range(len(next(iter(self.factual.values())))))}
        worlds: dict[str, Any] = dict(found)
        for name, values in self.factual.items():
            worlds[name] = values
            worlds[f"{name}, had it been so"] = self.counterfactual[name]
        told = joined([f"{name} = {number_text(value)}" for name, value in self.do.items()])
        return Table.of(f"Had {told}", worlds)


def counterfactual(model: StructuralModel, rows: Any, do: Mapping[str, float]) -> Counterfactuals:
    """Say what rows would have been, had some of their columns been set.

    The noise of each row is found (abduction), the columns are set (action), and all that they
    cause is worked out again with the same noise (prediction).

    Parameters
    ----------
    model : StructuralModel
    rows : frame, pyarrow.Table or mapping of str to columns
        Without gaps.
    do : mapping of str to float

    Raises
    ------
    NotIdentified
        If a column that would change holds few values: its noise cannot be solved for.
    OptionError, SchemaError
        If a column is unknown, a value is not finite, or there is a gap.
    """
    if not do:
        raise OptionError("nothing is set", where="do", remedy="Give do={column: value}")
    for name, value in do.items():
        if name not in model.graph.nodes:
            raise unknown_name("column", name, known=model.graph.nodes, where="do")
        if not np.isfinite(value):
            raise OptionError(f"{value!r} is no number", where=f"do, {name}", remedy="Give one")
    changed = frozenset().union(*(model.graph.descendants(n) for n in do)) - set(do)
    unsolved = sorted(changed & model.discrete)
    if unsolved:
        raise NotIdentified(
            f"{joined(unsolved)} holds few values, so that many noises fit a row and its "
            "counterfactual is not one value",
            where="counterfactual",
            remedy="Ask for the average effect with estimate, or leave that column out",
        )
    table, _ = as_table(rows)
    for name in model.graph.nodes:
        if is_missing(table, require(table, name, "rows")).any():
            raise SchemaError(
                f"column {name!r} is missing in some rows",
                where="rows",
                remedy="Give rows without gaps: the noise of a row is in all its columns",
            )
    factual = {name: numbers(table, name, "rows") for name in model.graph.nodes}
    made = model.generate(model.abduct(factual), do)
    return Counterfactuals(
        dict(do),
        factual,
        made,
        (
            "The graph is right and no cause is missing",
            "Every column that changes is a function of its causes with noise added to it, so that "
            "the noise of a row can be solved for (invertibility)",
            "The noise of a row is the same in both worlds",
        ),
        (*(_far(model, name, value) for name, value in do.items()),
         *(check for name, check in model.noise_checks.items() if name in changed)),
    )  # fmt: skip


def _far(model: StructuralModel, name: str, value: float) -> Check:
    """Judge how far a value lies beyond those that were seen."""
    seen = model.values[name]
    low, high = float(seen.min()), float(seen.max())
    beyond = max(low - value, value - high, 0.0) / (high - low if high > low else 1.0)
    told = f"{name} = {number_text(value)}, and {number_text(low)} to {number_text(high)} was seen"
    if beyond > 0:
        told += ": what happens there is a guess"
    return Check.at_most("support", beyond, told, warn=_FAR_WARN, fail=_FAR_FAIL)
