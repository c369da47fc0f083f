"""How far a graph is from another: by its edges, or by what it says about effects.

References
----------
Tsamardinos, Brown & Aliferis (2006), The max-min hill-climbing Bayesian network structure learning
algorithm.
Henckel, Würtzen & Weichwald (2024), Adjustment identification distance: a gadjid for causal
structure learning.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from whydrift.discovery.classes import is_cpdag
from whydrift.discovery.errors import GraphError, OptionError, unknown_name
from whydrift.discovery.graph import Graph

__all__ = ["AdjustmentDistance", "adjustment_distance", "structural_distance"]

By = Literal["ancestor", "parent", "oset"]
_FUNCTIONS: Final = {"ancestor": "ancestor_aid", "parent": "parent_aid", "oset": "oset_aid"}
_MARKS: Final = ("-->", "---")
# gadjid asks for the direction in words, since the transposed matrix looks just as valid; ours has
# the cause in the row.
_DIRECTION = "from row to column"


def structural_distance(one: Graph, other: Graph) -> int:
    """Return the structural Hamming distance: pairs of nodes whose edges differ in any mark.

    Parameters
    ----------
    one, other : Graph
        Over the same nodes, in any order.

    Raises
    ------
    GraphError
        If their nodes differ.
    """
    _same_nodes(one, other)
    left, right = ({frozenset((e.a, e.b)): (e.a, e.mark) for e in graph} for graph in (one, other))
    return sum(left.get(pair) != right.get(pair) for pair in left.keys() | right.keys())


@dataclass(frozen=True, slots=True)
class AdjustmentDistance:
    """How often a graph would mislead about effects.

    Parameters
    ----------
    wrong : int
        Ordered pairs (cause, effect) for which the graph's adjustment set, or its claim that there
        is no effect or none to be found, is wrong in the true graph.
    share : float
        Of all ordered pairs.
    """

    wrong: int
    share: float


def adjustment_distance(truth: Graph, guess: Graph, by: By = "ancestor") -> AdjustmentDistance:
    """Return the adjustment identification distance from a true to a guessed graph.

    Parameters
    ----------
    truth, guess : Graph
        DAGs or CPDAGs over the same nodes, in any order. The distance is not symmetric.
    by : {"ancestor", "parent", "oset"}
        The adjustment set that is read off ``guess`` for each pair: all ancestors of the cause, its
        parents, or the set with the smallest variance. By ancestors a wrong edge that leaves the
        order of causes alone costs nothing.

    Raises
    ------
    OptionError
        If gadjid is not installed, or ``by`` is another word.
    GraphError
        If the nodes differ, or a graph is no DAG and no CPDAG.
    """
    if by not in _FUNCTIONS:
        raise unknown_name("distance", by, known=_FUNCTIONS, where="by")
    _same_nodes(truth, guess)
    for name, graph in (("truth", truth), ("guess", guess)):
        if not graph.is_dag and not is_cpdag(graph):
            raise GraphError(
                f"{name} is neither a DAG nor the CPDAG of one",
                where="adjustment_distance",
                remedy="Complete it with dag_to_cpdag(cpdag_to_dag(graph)), if it has a DAG",
            )
    try:
        import gadjid
    except ImportError as error:
        raise OptionError(
            "gadjid is not installed",
            where="adjustment_distance",
            remedy="Run `pip install 'whydrift[graph]'`, or use structural_distance",
        ) from error

    if len(truth.nodes) < 2:
        return AdjustmentDistance(0, 0.0)
    share, wrong = getattr(gadjid, _FUNCTIONS[by])(
        _matrix(truth, truth.nodes), _matrix(guess, truth.nodes), edge_direction=_DIRECTION
    )
    return AdjustmentDistance(int(wrong), float(share))


def _matrix(graph: Graph, nodes: tuple[str, ...]) -> NDArray[np.int8]:
    """Return 1 at [cause, effect] and 2 at one place of an undirected edge."""
    place = {name: i for i, name in enumerate(nodes)}
    out = np.zeros((len(nodes), len(nodes)), dtype=np.int8)
    for edge in graph:
        out[place[edge.a], place[edge.b]] = 1 + _MARKS.index(edge.mark)
    return out


def _same_nodes(one: Graph, other: Graph) -> None:
    if set(one.nodes) != set(other.nodes):
        odd = sorted(set(one.nodes) ^ set(other.nodes))[0]
        raise GraphError(
            f"node {odd!r} is in one graph only",
            where="distance",
            remedy="Give graphs over the same nodes: graph.with_nodes(…)",
        )
