"""PC over two windows: what moved between them must not look like dependence, nor the reverse."""

from __future__ import annotations

import numpy as np
import pandas as pd

from whydrift.discovery.graph import Graph
from whydrift.discovery.knowledge import Knowledge
from whydrift.discovery.search.context_pc import context_pc
from whydrift.discovery.snapshot.snapshot import Snapshot


def windows(before: pd.DataFrame, after: pd.DataFrame) -> tuple[Snapshot, Snapshot]:
    reference = Snapshot.from_frame(before)
    return reference, Snapshot.from_frame(after, schema=reference.schema)


def learn(before: pd.DataFrame, after: pd.DataFrame, knowledge: Knowledge | None = None) -> Graph:
    pair = windows(before, after)
    return context_pc(pair, pair[0].schema.modelled, knowledge=knowledge)[0]


def test_columns_that_moved_together_are_not_joined_by_that():
    rng = np.random.default_rng(0)
    before = pd.DataFrame(rng.normal(size=(2000, 3)), columns=["a", "b", "window"])
    after = before.iloc[::-1].assign(a=rng.normal(1, 1, 2000), b=rng.normal(1, 1, 2000))
    graph = learn(before, after)  # a column of its own may well be called "window"
    assert graph.nodes == ("a", "b", "window") and len(graph) == 0


def test_a_column_that_moved_alone_orients_its_edge():
    rng = np.random.default_rng(1)

    def frame(rows: int, shift: float) -> pd.DataFrame:
        a = shift + rng.normal(size=rows)
        return pd.DataFrame({"b": a + rng.normal(size=rows), "a": a})

    graph = learn(frame(2000, 0.0), frame(2000, 1.0))
    assert graph.parents("b") == ("a",)


def test_few_edges_are_found_by_chance_among_many_columns():
    rng = np.random.default_rng(2)
    names = [f"c{i}" for i in range(200)]
    pair = [pd.DataFrame(rng.normal(size=(100, 200)), columns=names) for _ in range(2)]
    assert len(learn(*pair)) <= 30  # about 10 are expected


def test_knowledge_is_honoured():
    rng = np.random.default_rng(3)
    a = rng.normal(size=2000)
    frame = pd.DataFrame({"a": a, "b": a + rng.normal(size=2000)})
    assert learn(frame, frame, Knowledge(tiers=[["b"], ["a"]])).parents("a") == ("b",)


def test_categories_alone_are_tested_as_categories():
    rng = np.random.default_rng(4)
    cause = rng.choice(["x", "y"], 2000)
    effect = np.where(rng.random(2000) < 0.8, cause, rng.choice(["x", "y"], 2000))
    frame = pd.DataFrame({"cause": cause, "effect": effect})
    assert len(learn(frame, frame)) == 1
