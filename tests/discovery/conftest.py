"""Known causal worlds: random DAGs, data from them, and an oracle that reads them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest

from whydrift.discovery import Graph, Snapshot


def _random_dag(names: tuple[str, ...], degree: float, rng: np.random.Generator) -> Graph:
    order = rng.permutation(len(names))
    share = degree / max(1, len(names) - 1)
    pairs = [
        (names[order[i]], names[order[j]])
        for i in range(len(names))
        for j in range(i + 1, len(names))
        if rng.random() < share
    ]
    return Graph.from_pairs(pairs, nodes=names)


def _linear_gaussian(dag: Graph, rows: int, rng: np.random.Generator) -> Snapshot:
    """Data with slopes of ±0.5 to ±1 and unit noise."""
    values = {}
    for name in dag.topological_order():
        values[name] = rng.normal(size=rows)
        for cause in dag.parents(name):
            slope = rng.choice([-1, 1]) * rng.uniform(0.5, 1.0)
            values[name] = values[name] + slope * values[cause]
    return Snapshot.from_frame(pa.table({name: values[name] for name in dag.nodes}))


def _d_separated(dag: Graph, x: str, y: str, given: set[str]) -> bool:
    """Whether x and y are d-separated, by the moral graph of their ancestors (Lauritzen 1990)."""
    kept = {x, y, *given}
    kept = kept.union(*(dag.ancestors(n) for n in kept))
    near: dict[str, set[str]] = {n: set() for n in kept}
    for node in kept:
        family = [node, *dag.parents(node)]
        for a in family:
            near[a].update(b for b in family if b != a)
    seen, todo = {x}, [x]
    while todo:
        for node in near[todo.pop()] - seen - given:
            if node == y:
                return False
            seen.add(node)
            todo.append(node)
    return True


class Oracle:
    """An independence test that knows the graph: 1 where d-separated, else 0."""

    def __init__(self, dag: Graph) -> None:
        self.dag = dag
        self.names = dag.nodes

    def __call__(self, x, y, given):
        return np.array(
            [
                _d_separated(
                    self.dag, self.names[a], self.names[b], {self.names[c] for c in others}
                )
                for a, b, others in zip(x, y, given.tolist(), strict=True)
            ],
            dtype=float,
        )


@pytest.fixture
def random_dag() -> Callable[..., Graph]:
    return _random_dag


@pytest.fixture
def linear_gaussian() -> Callable[..., Snapshot]:
    return _linear_gaussian


@pytest.fixture
def oracle() -> type[Oracle]:
    return Oracle


@pytest.fixture
def edges_of() -> Callable[[Graph], set[tuple[str, str, str]]]:
    return lambda graph: {(e.a, e.mark, e.b) for e in graph}
