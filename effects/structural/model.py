"""The structural model: each column a function of its causes, and noise that is added."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from whydrift.discovery.arrays import FloatArray
from whydrift.discovery.errors import GraphError, SchemaError, TooFewRows, unknown_name
from whydrift.discovery.graph import Graph
from whydrift.effects.adjustment.nuisance import learner
from whydrift.effects.check import Check
from whydrift.effects.columns import is_category, is_missing, numbers, require
from whydrift.effects.frame import as_table

__all__ = ["StructuralModel", "fit_structural_model"]

_MECHANISMS = ("linear", "boosting", "forest")
_LEAST_ROWS = 20
_UNEVEN_WARN, _UNEVEN_FAIL = 0.2, 0.5  # rank correlation of the noise's size with what is predicted

Values = dict[str, FloatArray]


@dataclass(frozen=True)
class StructuralModel:
    """A DAG whose every column is f(its causes) + noise.

    The noise of a row is what is left of it, and stays with the row in a counterfactual world:
    that asks for a function that can be solved for the noise (invertibility), which added noise
    gives, and which a column of few values does not have.

    Parameters
    ----------
    graph : Graph
    values : mapping of str to ndarray of shape (n_rows,)
        The rows that it was fitted on.
    noise : mapping of str to ndarray of shape (n_rows,)
        Of each column; of one without causes, its value.
    discrete : frozenset of str
        Columns with causes that hold few values, so that their noise cannot be solved for.
    noise_checks : mapping of str to Check
        Of each column with causes: whether its noise looks like noise that is added.

    References
    ----------
    Pearl (2009), Causality, section 1.4.4 and chapter 7.
    Hoyer et al. (2009), Nonlinear causal discovery with additive noise models.
    """

    graph: Graph
    values: Mapping[str, FloatArray]
    noise: Mapping[str, FloatArray]
    discrete: frozenset[str]
    noise_checks: Mapping[str, Check]
    _predict: Mapping[str, Callable[[FloatArray], FloatArray]]

    @property
    def checks(self) -> tuple[Check, ...]:
        """The checks of all columns."""
        return tuple(self.noise_checks.values())

    def expected(self, name: str, world: Mapping[str, FloatArray]) -> FloatArray:
        """Return what the causes of a column say of it; 0 for one without causes."""
        parents = self.graph.parents(name)
        if not parents:
            return np.zeros(len(next(iter(world.values()))))
        return self._predict[name](np.column_stack([world[parent] for parent in parents]))

    def abduct(self, rows: Mapping[str, FloatArray]) -> Values:
        """Return the noise of rows."""
        return {name: rows[name] - self.expected(name, rows) for name in self.graph.nodes}

    def generate(self, noise: Mapping[str, FloatArray], do: Mapping[str, float]) -> Values:
        """Return the rows that noise makes, where some columns are set by hand."""
        rows = len(next(iter(noise.values())))
        world: Values = {}
        for name in self.graph.topological_order():
            if name in do:
                world[name] = np.full(rows, float(do[name]))
            else:
                base = self.expected(name, world) if self.graph.parents(name) else 0.0
                world[name] = base + noise[name]
        return world


def fit_structural_model(
    data: Any, graph: Graph, *, mechanism: str = "linear", random_state: int = 0
) -> StructuralModel:
    """Fit every column to its causes.

    Parameters
    ----------
    data : frame, pyarrow.Table or mapping of str to columns
        Rows with gaps are left out.
    graph : Graph
        A DAG over columns of numbers.
    mechanism : str
        ``linear``, ``boosting`` or ``forest``.
    random_state : int

    Raises
    ------
    GraphError
        If an edge is not directed.
    SchemaError
        If a node is no column, or holds words.
    TooFewRows
        If there are fewer than 20 complete rows, or too few for the causes of a column.
    """
    if mechanism not in _MECHANISMS:
        raise unknown_name("mechanism", mechanism, known=_MECHANISMS, where="structural model")
    if not graph.is_dag:
        edge = next(e for e in graph if not e.is_directed)
        raise GraphError(
            f"{edge.a} {edge.mark} {edge.b} is not directed",
            where="graph",
            remedy="Direct its edges: a structural model says which column makes which",
        )
    table, _ = as_table(data)
    for name in graph.nodes:
        if is_category(table, require(table, name, "graph")):
            raise SchemaError(
                f"column {name!r} holds words, and a structural model adds noise to numbers",
                where="graph",
                remedy="Turn it into numbers, or leave it out of the graph",
            )
    complete = ~np.any([is_missing(table, name) for name in graph.nodes], axis=0)
    widest = max(len(graph.parents(name)) for name in graph.nodes)
    if complete.sum() < max(_LEAST_ROWS, 3 * (widest + 1)):
        raise TooFewRows(
            f"{int(complete.sum())} complete rows", where="structural model", remedy="Give more"
        )
    values = {n: numbers(table, n, "graph")[complete] for n in graph.nodes}
    predict = {
        name: _fitted(mechanism, random_state, values, graph.parents(name), name)
        for name in graph.nodes
        if graph.parents(name)
    }
    bare = StructuralModel(graph, values, {}, frozenset(), {}, predict)
    noise = bare.abduct(values)
    few = frozenset(
        n for n in predict if len(np.unique(values[n])) <= max(2, 0.01 * len(values[n]))
    )
    checks = {name: _noise_check(name, bare, noise[name]) for name in predict}
    return StructuralModel(graph, values, noise, few, checks, predict)


def _fitted(
    mechanism: str, seed: int, values: Mapping[str, FloatArray], parents: tuple[str, ...], name: str
) -> Callable[[FloatArray], FloatArray]:
    """Return a function from the causes of a column to what they say of it."""
    by = learner(mechanism, seed)
    causes = np.column_stack([values[parent] for parent in parents])
    centre, spread = causes.mean(axis=0), causes.std(axis=0)
    spread = np.where(spread > 0, spread, 1.0)

    def scaled(rows: FloatArray) -> FloatArray:
        return np.column_stack([np.ones(len(rows)), (rows - centre) / spread])

    design = scaled(causes)

    def predict(rows: FloatArray) -> FloatArray:
        return by.mean(design, values[name], scaled(rows))

    return predict


def _noise_check(name: str, model: StructuralModel, noise: FloatArray) -> Check:
    """Judge whether the size of the noise depends on what the causes say."""
    from scipy.stats import rankdata

    said = model.expected(name, model.values)
    one, other = rankdata(np.abs(noise)), rankdata(said)
    varies = one.std() > 0 and other.std() > 0
    uneven = abs(float(np.corrcoef(one, other)[0, 1])) if varies else 0.0
    told = (
        f"the size of what is left of {name} goes with what its causes say by {uneven:.2f} "
        "(rank correlation)"
    )
    told += ": noise is not simply added"
    if uneven <= _UNEVEN_WARN:
        told = f"what is left of {name} is about as large whatever its causes say ({uneven:.2f})"
    return Check.at_most("additive_noise", uneven, told, warn=_UNEVEN_WARN, fail=_UNEVEN_FAIL)
