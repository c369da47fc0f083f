"""Whatever is known, no search returns a graph that contradicts it."""

from __future__ import annotations

import importlib.util

import numpy as np
import pyarrow as pa
import pytest

from whydrift.discovery import Graph, GraphError, Knowledge, Mark, Snapshot, discover
from whydrift.discovery.search.registry import METHODS

NAMES = tuple("abcdef")
OPTIONS = {method: {"test": "fisher_z"} for method in ("anm", "pnl", "pc", "fci", "rfci")}
RUNS = 8


def skip_without_its_library(method: str) -> None:
    needed = ["causallearn"] if METHODS[method].home.startswith("causal_learn:") else []
    for module in [*needed, *(["torch"] if method == "pnl" else [])]:
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed")


def random_window(rng: np.random.Generator) -> Snapshot:
    """Linear data with skewed noise, of which LiNGAM is as sure as the others are of theirs."""
    values = rng.exponential(size=(250, len(NAMES))) - 1
    for j in range(1, len(NAMES)):
        causes = rng.random(j) < 0.5
        values[:, j] += values[:, :j] @ (causes * rng.choice([-1, 1], j) * rng.uniform(0.5, 1, j))
    order = rng.permutation(len(NAMES))
    return Snapshot.from_frame(
        pa.table({n: values[:, c] for n, c in zip(NAMES, order, strict=True)})
    )


def random_knowledge(rng: np.random.Generator) -> Knowledge:
    """Statements of every kind, blind to the data, that do not contradict each other."""

    def some(most: int) -> list[str]:
        return rng.permutation(NAMES)[: rng.integers(most + 1)].tolist()

    def pairs(most: int) -> list[tuple[str, str]]:
        return [tuple(rng.permutation(NAMES)[:2].tolist()) for _ in range(rng.integers(most + 1))]

    placed = some(5)
    cut = rng.integers(len(placed) + 1)
    rules = Knowledge(
        tiers=[placed[:cut], placed[cut:]],
        forbidden=pairs(4),
        never_a_cause=some(1),
        exogenous=some(1),
    )
    required: list[tuple[str, str]] = []
    for pair in pairs(3):
        try:
            known = _with_required(rules, [*required, pair])
        except GraphError:  # clashes with what was drawn before
            continue
        required = list(known.required)
    return _with_required(rules, required)


def _with_required(rules: Knowledge, required: list[tuple[str, str]]) -> Knowledge:
    return Knowledge(rules.tiers, required, rules.forbidden, rules.never_a_cause, rules.exogenous)


def contradictions(graph: Graph, known: Knowledge) -> list[str]:
    found = []
    for edge in graph:
        for cause, effect, at_cause, at_effect in (
            (edge.a, edge.b, edge.mark_at_a, edge.mark_at_b),
            (edge.b, edge.a, edge.mark_at_b, edge.mark_at_a),
        ):
            # An end that may be a tail says that its node may be the cause.
            open_ = at_cause is not Mark.ARROW and at_effect is not Mark.TAIL
            both = edge.mark == "---"
            if (open_ or both) and not known.allows(cause, effect):
                found.append(f"{edge.a} {edge.mark} {edge.b}: {known.ruled_out_by(cause, effect)}")
    for cause, effect in known.required:
        if effect not in graph.children(cause):
            found.append(f"required: {cause} → {effect}")
    return found


@pytest.mark.parametrize("method", METHODS)
def test_no_graph_contradicts_what_is_known(method):
    skip_without_its_library(method)
    edges, runs = 0, 1 if method == "pnl" else RUNS  # half a minute a pair
    for seed in range(runs):
        rng = np.random.default_rng(seed)
        window, known = random_window(rng), random_knowledge(rng)
        graph = discover(window, method, knowledge=known, **OPTIONS.get(method, {}))
        assert contradictions(graph, known) == [], (seed, known)
        edges += len(graph)
    assert edges > runs  # it is no merit to honour what is known without edges


@pytest.mark.parametrize("method", METHODS)
def test_what_is_known_of_constants_and_copies_is_honoured_too(method):
    skip_without_its_library(method)
    rng = np.random.default_rng(1)
    a, noise = rng.exponential(size=(2, 250))
    window = Snapshot.from_frame(
        pa.table({"a": a, "twin": 3 - 2 * a, "flat": np.ones(250), "b": a + noise})
    )
    known = Knowledge(required=[("b", "flat"), ("flat", "a")], never_a_cause=["twin"])
    graph = discover(window, method, knowledge=known, **OPTIONS.get(method, {}))
    assert contradictions(graph, known) == []
