"""What a speed case of graph discovery is, and the data that cases are made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from whydrift.discovery import Graph
from whydrift.discovery.orientation import dag_to_cpdag

__all__ = ["Case", "World", "linear_gaussian", "marks_of_causal_learn", "marks_of_ours"]

Array = NDArray[Any]
Marks = dict[tuple[int, int], str]  # (i, j), i < j, to the marks at i and at j, such as "->"


@dataclass(frozen=True)
class World:
    """Linear Gaussian data of a random DAG.

    Parameters
    ----------
    data : ndarray of shape (n_rows, n_columns)
        The columns that are seen, in an order that says nothing about causes.
    dag : ndarray of bool, shape (n_nodes, n_nodes)
        ``dag[i, j]``: i → j; nodes beyond the columns are hidden.
    slopes : ndarray of shape (n_nodes, n_nodes)
        ``slopes[i, j]``: by how much j moves with i.
    """

    data: Array
    dag: Array
    slopes: Array


@dataclass(frozen=True)
class Case:
    """One row of the speed table.

    Parameters
    ----------
    name : str
    world : callable
        Makes the data; called once.
    ours : callable
        From a Snapshot and the column names to marks by pair of columns.
    peer : callable, optional
        From the data matrix to such marks.
    same : str
        What has to be equal: ``skeleton``, or ``marks`` (skeleton and all orientations).
    target : float, optional
        Seconds to reach.
    truth : callable, optional
        From the World to the marks that are right; told where the two differ.
    slow : bool
        The peer takes minutes; left out with ``--quick``.
    """

    name: str
    world: Callable[[], World]
    ours: Callable[..., Marks]
    peer: Callable[[Array], Marks] | None
    same: str = "skeleton"
    target: float | None = None
    truth: Callable[[World], Marks] | None = None
    slow: bool = False


def linear_gaussian(
    columns: int, degree: float, rows: int, seed: int, *, hidden: int = 0, exact: bool = False
) -> World:
    """Return data of a random DAG with slopes of ±0.5 to ±1 and unit noise.

    With ``exact`` the correlations of the sample are those of the population, so that a partial
    correlation is zero (to rounding) exactly where the graph says so.
    """
    rng = np.random.default_rng(seed)
    count = columns + hidden
    dag = np.triu(rng.random((count, count)) < degree / (count - 1), 1)
    order = rng.permutation(count)
    dag = dag[np.ix_(order, order)]
    slopes = dag * rng.uniform(0.5, 1, dag.shape) * rng.choice([-1, 1], dag.shape)
    noise = rng.normal(size=(rows, count))
    if exact:
        noise -= noise.mean(axis=0)
        noise = np.linalg.qr(noise)[0] * np.sqrt(rows)
    data = noise @ np.linalg.inv(np.eye(count) - slopes)
    return World(data[:, :columns], dag, slopes)


def marks_of_ours(graph: Any, names: tuple[str, ...]) -> Marks:
    """Return the marks of a Graph."""
    place = {name: i for i, name in enumerate(names)}
    found = {}
    for edge in graph:
        i, j = place[edge.a], place[edge.b]
        ends = edge.mark_at_a.value + edge.mark_at_b.value
        found[min(i, j), max(i, j)] = ends if i < j else ends[::-1]
    return found


def marks_of_causal_learn(matrix: Array) -> Marks:
    """Return the marks of a matrix of causal-learn: [i, j] stands at i."""
    marks = {-1: "-", 1: ">", 2: "o"}
    count = len(matrix)
    return {
        (i, j): marks[int(matrix[i, j])] + marks[int(matrix[j, i])]
        for i in range(count)
        for j in range(i + 1, count)
        if matrix[i, j] or matrix[j, i]
    }


def true_cpdag(world: World) -> Marks:
    count = world.data.shape[1]
    names = tuple(f"v{i:04}" for i in range(count))
    pairs = [(names[i], names[j]) for i, j in np.argwhere(world.dag).tolist()]
    return marks_of_ours(dag_to_cpdag(Graph.from_pairs(pairs, nodes=names)), names)
