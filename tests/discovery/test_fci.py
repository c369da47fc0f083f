"""FCI and RFCI: exactly what m-separation allows to be said, and never shaken by data."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pyarrow as pa
import pytest

from tests.discovery.mixed_graphs import (
    HiddenCauses,
    OracleTest,
    classes,
    common_marks,
    marks_of,
    questions,
)
from whydrift.discovery import Graph, Knowledge, OptionError, Origin, Snapshot
from whydrift.discovery.pag import biconnected_components, possible_d_sep
from whydrift.discovery.search.fci import fci, fci_from_test, rfci_from_test

SEARCHES = {"fci": fci_from_test, "rfci": rfci_from_test}


def edges(graph: Graph) -> set[tuple[str, str, str]]:
    return {(e.a, e.mark, e.b) for e in graph}


# ---- with an oracle ---------------------------------------------------------------------------
def test_the_yardstick_knows_as_many_graphs_as_are_published():
    # Richardson & Spirtes (2002): ancestral graphs without lines on 3 nodes fall in the classes of
    # DAGs on 3 nodes (11), since no class of so few nodes needs a bidirected edge.
    without_lines = {
        answers
        for answers, graphs in classes(3).items()
        if any(("-", "-") not in graph.values() for graph in graphs)
    }
    assert len(without_lines) == 11


@pytest.mark.parametrize("search", SEARCHES)
def test_of_every_class_of_four_nodes_exactly_the_common_marks_are_found(search):
    # All maximal ancestral graphs, those with selection too: R0 to R10 sound and complete.
    for answers, graphs in classes(4).items():
        table = dict(zip(questions(4), answers, strict=True))
        oracle = OracleTest(lambda x, y, given, table=table: table[x, y, given])
        graph, notes = SEARCHES[search](oracle, tuple("0123"), alpha=0.5)
        assert marks_of(graph) == common_marks(graphs)
        assert not notes


def hidden_worlds(count: int) -> list[HiddenCauses]:
    """Random graphs of five observed and three hidden nodes, sparse enough to enumerate."""
    worlds = (
        HiddenCauses(np.random.default_rng(seed), 5, 3, 2 + seed % 3) for seed in range(10 * count)
    )
    chosen = []
    for world in worlds:
        if 3 <= len(world.mag()) <= 6:
            chosen.append(world)
        if len(chosen) == count:
            break
    return chosen


def test_with_hidden_causes_exactly_what_all_equivalent_graphs_share_is_found():
    worlds = hidden_worlds(200)
    assert len(worlds) == 200
    for world in worlds:
        expected = world.pag()
        for search in SEARCHES.values():
            graph, _ = search(OracleTest(world), tuple("01234"), alpha=0.5)
            assert marks_of(graph) == expected


@pytest.mark.parametrize("orientation", ["standard", "conservative", "majority"])
def test_every_way_to_tell_colliders_agrees_where_tests_are_right(orientation):
    for world in hidden_worlds(25):
        oracle = OracleTest(world)
        plain, _ = fci_from_test(oracle, tuple("01234"), alpha=0.5)
        other, _ = fci_from_test(oracle, tuple("01234"), alpha=0.5, orientation=orientation)
        # Voting hears only sets of neighbours; a collider separated beyond them stays open.
        if orientation == "standard":
            assert edges(other) == edges(plain)
        else:
            assert {(e.a, e.b) for e in other} | {(e.b, e.a) for e in other} == {
                (e.a, e.b) for e in plain
            } | {(e.b, e.a) for e in plain}


def test_knowledge_is_in_the_graph_and_never_wrong_about_the_rest():
    for world in hidden_worlds(40):
        mag = world.mag()
        causes = [(i, j) if m == ("-", ">") else (j, i) for (i, j), m in mag.items()
                  if m != (">", ">")]  # fmt: skip
        first = {i for i in range(5) if all(effect != i for _, effect in causes)}
        tiers = [[str(i) for i in sorted(first)], [str(i) for i in range(5) if i not in first]]
        known = Knowledge(
            tiers=[tier for tier in tiers if tier],
            required=[(str(c), str(e)) for c, e in causes[:1]],
        )
        graph, _ = fci_from_test(OracleTest(world), tuple("01234"), alpha=0.5, knowledge=known)
        found = marks_of(graph)
        assert found.keys() == mag.keys()
        for pair, marks in found.items():
            for own, true in zip(marks, mag[pair], strict=True):
                assert own in {"o", true}
        for cause, effect in known.required:
            assert graph.edge_between(cause, effect).is_directed


# ---- parts ------------------------------------------------------------------------------------
def test_components_are_the_loops_of_a_graph():
    adjacent = np.zeros((8, 8), dtype=bool)
    for i, j in [(0, 1), (1, 2), (2, 0), (2, 3), (3, 4), (4, 5), (5, 6), (6, 4), (6, 7)]:
        adjacent[i, j] = adjacent[j, i] = True
    found = sorted(c.tolist() for c in biconnected_components(adjacent))
    assert found == [[0, 1, 2], [4, 5, 6]]


def test_possible_d_sep_follows_its_definition():
    rng = np.random.default_rng(2)
    for _ in range(60):
        adjacent = np.triu(rng.random((6, 6)) < 0.4, 1)
        marks = np.where(adjacent | adjacent.T, rng.integers(1, 3, (6, 6)), 0)
        found = possible_d_sep(marks)

        def paths(path, marks=marks):
            yield path
            for w in np.flatnonzero(marks[path[-1]]).tolist():
                if w in path:
                    continue
                if len(path) > 1:
                    u, v = path[-2:]
                    if not (marks[u, w] or (marks[u, v] == 2 and marks[w, v] == 2)):
                        continue
                yield from paths([*path, w])

        for x in range(6):
            expected = {path[-1] for path in paths([x]) if len(path) > 1}
            assert expected <= set(np.flatnonzero(found[x]).tolist())


# ---- on data ----------------------------------------------------------------------------------
def confounded(rows: int = 8000) -> Snapshot:
    """a → x ↔ y ← b: x and y share a hidden cause."""
    rng = np.random.default_rng(3)
    a, b, hidden = rng.normal(size=(3, rows))
    x, y = (v + hidden + 0.5 * rng.normal(size=rows) for v in (a, b))
    return Snapshot.from_frame(pa.table({"a": a, "b": b, "x": x, "y": y}))


@pytest.mark.parametrize("really_fast", [False, True])
def test_a_hidden_common_cause_is_told_from_an_effect(really_fast):
    window = confounded()
    graph, notes = fci(window, window.schema.names, alpha=0.01, really_fast=really_fast)
    assert edges(graph) == {("a", "o->", "x"), ("b", "o->", "y"), ("x", "<->", "y")}
    assert any("fisher_z" in n.text for n in notes if n.code == "method_choice")


def test_what_may_cause_neither_way_is_left_a_hidden_cause():
    window = confounded()
    known = Knowledge(forbidden=[("x", "y"), ("y", "x")], required=[("a", "x")])
    graph, _ = fci(window, window.schema.names, alpha=0.01, knowledge=known)
    assert ("x", "<->", "y") in edges(graph)
    assert graph.edge_between("a", "x").origin is Origin.REQUIRED


@pytest.mark.parametrize("really_fast", [False, True])
@pytest.mark.parametrize("seed", range(8))
def test_little_data_gives_a_graph_that_no_order_of_columns_changes(
    seed, really_fast, random_dag, linear_gaussian
):
    rng = np.random.default_rng(seed)
    names = tuple(f"c{i:02}" for i in range(12))
    snapshot = linear_gaussian(random_dag(names, 5, rng), 100, rng).take(np.arange(100))
    seen = names[:9]  # the others are hidden
    answers = []
    for _ in range(1 if really_fast else 3):  # RFCI removes edges in turn, by name
        order = tuple(rng.permutation(seen).tolist())
        answers.append(edges(fci(snapshot, order, alpha=0.2, really_fast=really_fast)[0]))
    assert all(answer == answers[0] for answer in answers)


@pytest.mark.parametrize("really_fast", [False, True])
def test_constant_copied_and_summed_columns_are_named_and_harm_no_other(really_fast):
    window = confounded(2000)
    values = {name: window.column(name) for name in "abxy"}
    frame = pa.table({**values, "same": np.ones(2000), "twin": 3 - 2 * values["a"],
                      "sum": values["a"] + values["b"]})  # fmt: skip
    doubled = Snapshot.from_frame(frame)
    graph, notes = fci(doubled, doubled.schema.names, test="fisher_z", really_fast=really_fast)
    assert {n.column for n in notes if n.code != "determined_column" and n.column} == {
        "same",
        "twin",
    }
    (relation,) = [n for n in notes if n.code == "determined_column"]
    assert all(repr(name) in relation.text for name in ("a", "b", "sum"))
    joined = {frozenset((e.a, e.b)) for e in graph}
    assert {frozenset("ax"), frozenset("by"), frozenset("xy"), frozenset(("a", "twin"))} <= joined
    assert not any("same" in pair for pair in joined)


@pytest.mark.parametrize("really_fast", [False, True])
def test_columns_never_seen_together_orient_nothing(really_fast):
    x = np.random.default_rng(0).normal(size=200)
    half = np.arange(200) < 100
    frame = {"a": np.where(half, x, np.nan), "b": np.where(half, np.nan, x)}
    frame["c"] = x + np.random.default_rng(1).normal(size=200)
    window = Snapshot.from_frame(pa.table(frame))
    graph, _ = fci(window, ("a", "b", "c"), really_fast=really_fast)
    assert edges(graph) == {("a", "o-o", "c"), ("b", "o-o", "c")}


def test_compiled_and_plain_searches_give_the_same_graph(random_dag, linear_gaussian, monkeypatch):
    from whydrift.discovery.search import separating_sets

    for seed in range(4):
        rng = np.random.default_rng(seed)
        names = tuple(f"c{i}" for i in range(24))
        snapshot = linear_gaussian(random_dag(names, 2.5, rng), 600, rng)
        fast = fci(snapshot, names[:21], test="fisher_z", alpha=0.01)
        with monkeypatch.context() as patch:
            patch.setattr(separating_sets, "_FEW_COLUMNS", 100)
            slow = fci(snapshot, names[:21], test="fisher_z", alpha=0.01)
        assert edges(fast[0]) == edges(slow[0])


def test_an_unknown_orientation_is_an_option_error():
    with pytest.raises(OptionError, match="Did you mean 'majority'"):
        fci(confounded(100), ("a", "b"), orientation="mayority")


def test_all_pairs_of_marks_are_written_as_edges():
    from whydrift.discovery.pag import from_marks

    marks = np.zeros((6, 6), dtype=np.int64)
    pairs = list(combinations(range(6), 2))
    for (i, j), (at_i, at_j) in zip(
        pairs, [(c, d) for c in (1, 2, 3) for d in (1, 2, 3)], strict=False
    ):
        marks[j, i], marks[i, j] = at_i, at_j
        try:
            graph = from_marks(tuple("abcdef"), np.where(marks > 0, marks, 0))
        finally:
            marks[j, i] = marks[i, j] = 0
        edge = graph.edge_between("abcdef"[i], "abcdef"[j])
        value = {1: "o", 2: ">", 3: "-"}
        ends = {edge.a: edge.mark_at_a.value, edge.b: edge.mark_at_b.value}
        assert ends == {"abcdef"[i]: value[at_i], "abcdef"[j]: value[at_j]}
