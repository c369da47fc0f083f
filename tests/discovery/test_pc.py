"""PC: exact with an oracle, right on plain data, and not to be shaken."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest

from whydrift.discovery import Graph, Knowledge, OptionError, Origin, Snapshot
from whydrift.discovery.orientation import dag_to_cpdag
from whydrift.discovery.search import separating_sets
from whydrift.discovery.search.pc import ORIENTATIONS, pc, pc_from_test

LETTERS = tuple("abcdefghij")


def codes(notes) -> set[str]:
    return {note.code for note in notes}


# ---- with an oracle ---------------------------------------------------------------------------
@pytest.mark.parametrize("seed", range(12))
def test_an_oracle_gives_exactly_the_class_of_the_graph(seed, random_dag, oracle, edges_of):
    dag = random_dag(LETTERS[:8], 1.5 + seed % 3, np.random.default_rng(seed))
    graph, notes = pc_from_test(oracle(dag), dag.nodes, alpha=0.5)
    assert edges_of(graph) == edges_of(dag_to_cpdag(dag))
    assert not notes


@pytest.mark.parametrize("seed", range(6))
def test_an_oracle_with_tiers_gives_the_class_that_honours_them(seed, random_dag, oracle, edges_of):
    dag = random_dag(LETTERS[:7], 2.5, np.random.default_rng(seed))
    order = dag.topological_order()
    known = Knowledge(tiers=[order[:3], order[3:]], required=[(e.a, e.b) for e in dag.edges[:1]])
    graph, _ = pc_from_test(oracle(dag), dag.nodes, alpha=0.5, knowledge=known)
    assert edges_of(graph) == edges_of(dag_to_cpdag(dag, known))


def test_a_pair_forbidden_both_ways_gets_no_edge_and_no_collider_is_made_of_it(oracle):
    dag = Graph.from_pairs([("a", "b"), ("b", "c"), ("a", "c")])
    known = Knowledge(forbidden=[("a", "c"), ("c", "a")])
    graph, _ = pc_from_test(oracle(dag), dag.nodes, alpha=0.5, knowledge=known)
    assert graph.edge_between("a", "c") is None
    assert not any(edge.is_directed for edge in graph)


# ---- on data ----------------------------------------------------------------------------------
SMALL = {
    "chain": [("a", "b"), ("b", "c"), ("c", "d")],
    "collider": [("a", "c"), ("b", "c")],
    "collider and its effect": [("a", "c"), ("b", "c"), ("c", "d")],
    "fork": [("a", "b"), ("a", "c"), ("a", "d")],
    "diamond": [("a", "b"), ("a", "c"), ("b", "d"), ("c", "d")],
    "two islands": [("a", "b"), ("c", "d")],
}


@pytest.mark.parametrize("world", SMALL)
def test_5000_rows_show_the_class_of_a_small_graph(world, linear_gaussian, edges_of):
    dag = Graph.from_pairs(SMALL[world])
    snapshot = linear_gaussian(dag, 5000, np.random.default_rng(11))
    graph, notes = pc(snapshot, dag.nodes, alpha=0.001)
    assert edges_of(graph) == edges_of(dag_to_cpdag(dag))
    assert any("fisher_z" in n.text for n in notes if n.code == "method_choice")


def test_numbers_and_categories_together_show_their_collider(edges_of):
    rng = np.random.default_rng(0)
    region = rng.choice(["north", "south", "west"], size=4000)
    rooms = rng.normal(size=4000)
    price = rooms + np.where(region == "north", 1.0, 0.0) + rng.normal(size=4000)
    cheap = np.where(price + rng.normal(size=4000) < 0, "yes", "no")
    frame = pa.table({"region": region, "rooms": rooms, "price": price, "cheap": cheap})
    snapshot = Snapshot.from_frame(frame)
    graph, _ = pc(snapshot, snapshot.schema.names, alpha=0.001)
    expected = Graph.from_pairs([("region", "price"), ("rooms", "price"), ("price", "cheap")])
    assert edges_of(graph) == edges_of(expected)


def test_categories_alone_show_their_collider(edges_of):
    rng = np.random.default_rng(0)
    rain, sprinkler = rng.random((2, 4000)) < 0.4
    wet = rng.random(4000) < 0.1 + 0.5 * rain + 0.35 * sprinkler
    snapshot = Snapshot.from_frame(pa.table({"rain": rain, "sprinkler": sprinkler, "wet": wet}))
    graph, _ = pc(snapshot, snapshot.schema.names, alpha=0.001)
    assert edges_of(graph) == {("rain", "-->", "wet"), ("sprinkler", "-->", "wet")}


@pytest.mark.parametrize("seed", range(4))
def test_permuting_the_columns_permutes_the_answer(seed, random_dag, linear_gaussian, edges_of):
    rng = np.random.default_rng(seed)
    names = tuple(f"c{i}" for i in range(15))
    snapshot = linear_gaussian(random_dag(names, 4, rng), 300, rng)  # few rows: many conflicts
    answers = []
    for _ in range(3):
        order = tuple(rng.permutation(names).tolist())
        answers.append(edges_of(pc(snapshot, order, alpha=0.1)[0]))
    assert answers[0] == answers[1] == answers[2]


@pytest.mark.parametrize("seed", range(20))
def test_little_data_never_gives_a_directed_cycle(seed, random_dag, linear_gaussian):
    rng = np.random.default_rng(seed)
    names = tuple(f"c{i}" for i in range(12))
    snapshot = linear_gaussian(random_dag(names, 6, rng), 100, rng)
    graph, _ = pc(snapshot, names, alpha=0.2)  # Graph refuses cycles
    assert len(graph.topological_order()) == len(names)


def test_required_edges_are_kept_and_tiers_orient(linear_gaussian):
    dag = Graph.from_pairs([("a", "b"), ("b", "c")], nodes=("a", "b", "c", "d"))
    snapshot = linear_gaussian(dag, 2000, np.random.default_rng(0))
    known = Knowledge(tiers=[["a"], ["b", "c"]], required=[("d", "a")])
    graph, _ = pc(snapshot, dag.nodes, alpha=0.001, knowledge=known)
    kept = graph.edge_between("a", "d")
    assert kept is not None
    assert (kept.a, kept.b, kept.origin) == ("d", "a", Origin.REQUIRED)
    assert graph.parents("b") == ("a",)
    assert graph.parents("c") == ("b",)


def test_knowledge_that_runs_in_a_circle_gives_no_cycle(linear_gaussian):
    dag = Graph.from_pairs([("a", "b"), ("a", "c"), ("b", "c")])
    snapshot = linear_gaussian(dag, 2000, np.random.default_rng(0))
    known = Knowledge(forbidden=[("a", "b"), ("b", "c"), ("c", "a")])
    assert len(pc(snapshot, dag.nodes, knowledge=known)[0]) == 3


# ---- awkward columns --------------------------------------------------------------------------
def test_a_constant_column_is_isolated_and_noted(linear_gaussian):
    snapshot = linear_gaussian(Graph.from_pairs([("a", "b")], nodes=("a", "b", "c")), 500,
                               np.random.default_rng(0))  # fmt: skip
    snapshot = snapshot.with_sample({"c": np.full(500, 3.0)})
    graph, notes = pc(snapshot, ("a", "b", "c"))
    assert [(e.a, e.b) for e in graph] == [("a", "b")]
    assert [n.column for n in notes if n.code == "constant_column"] == ["c"]


@pytest.mark.parametrize("test", ["fisher_z", "rank_fisher_z", "mixed"])
def test_an_affine_copy_is_joined_to_its_original_and_takes_no_edge_away(test, linear_gaussian):
    dag = Graph.from_pairs([("a", "c"), ("b", "c"), ("c", "d")])
    snapshot = linear_gaussian(dag, 3000, np.random.default_rng(0))
    values = dict(zip(dag.nodes, snapshot.columns(dag.nodes).T, strict=True))
    frame = pa.table({**values, "z_fahrenheit": -1.8 * values["d"] + 32})
    doubled = Snapshot.from_frame(frame)
    graph, notes = pc(doubled, doubled.schema.names, test=test, alpha=0.001)
    found = {(e.a, e.mark, e.b) for e in graph}
    assert {("a", "-->", "c"), ("b", "-->", "c"), ("c", "-->", "d")} <= found
    assert ("d", "-->", "z_fahrenheit") in found
    assert len(found) == 4
    assert [n.column for n in notes if n.code == "duplicate_column"] == ["z_fahrenheit"]


def test_a_category_under_other_names_is_a_copy():
    rng = np.random.default_rng(0)
    codes_ = rng.integers(0, 3, size=500)
    frame = pa.table({"de": np.array(["rot", "blau", "grün"])[codes_],
                      "en": np.array(["red", "blue", "green"])[codes_],
                      "x": codes_ + rng.normal(size=500)})  # fmt: skip
    snapshot = Snapshot.from_frame(frame)
    graph, notes = pc(snapshot, snapshot.schema.names)
    assert {(e.a, e.b) for e in graph} == {("de", "en"), ("de", "x")}
    assert "duplicate_column" in codes(notes)


@pytest.mark.parametrize("test", ["fisher_z", "rank_fisher_z", "mixed"])
def test_sums_and_near_copies_raise_nothing(test):
    rng = np.random.default_rng(0)
    a, b, c = rng.normal(size=(3, 400))
    frame = pa.table({"a": a, "b": b, "c": c, "sum": a + b, "sum2": a + b + c,
                      "near": a + 1e-9 * b, "huge": 1e12 + a})  # fmt: skip
    snapshot = Snapshot.from_frame(frame)
    graph, _ = pc(snapshot, snapshot.schema.names, test=test)
    assert graph.nodes == snapshot.schema.names


def test_missing_values_leave_the_graph_as_it_is(linear_gaussian, edges_of):
    dag = Graph.from_pairs([("a", "c"), ("b", "c"), ("c", "d")])
    rng = np.random.default_rng(3)
    snapshot = linear_gaussian(dag, 5000, rng)
    holes = {}
    for name in dag.nodes:
        values = snapshot.column(name).copy()
        values[rng.random(len(values)) < 0.15] = np.nan
        holes[name] = values
    graph, _ = pc(snapshot.with_sample(holes), dag.nodes, alpha=0.001)
    assert edges_of(graph) == edges_of(dag)


@pytest.mark.parametrize("test", ["fisher_z", "rank_fisher_z", "mixed"])
def test_columns_never_seen_together_get_no_edge_and_orient_nothing(test):
    x = np.random.default_rng(0).normal(size=200)
    half = np.arange(200) < 100
    frame = {"a": np.where(half, x, np.nan), "b": np.where(half, np.nan, x)}
    frame["c"] = x + np.random.default_rng(1).normal(size=200)
    graph, _ = pc(Snapshot.from_frame(pa.table(frame)), ("a", "b", "c"), test=test)
    assert {(e.a, e.mark, e.b) for e in graph} == {("a", "---", "c"), ("b", "---", "c")}


def test_progress_reaches_the_end_of_each_level(linear_gaussian):
    dag = Graph.from_pairs([("a", "b"), ("b", "c")])
    told = []
    pc(linear_gaussian(dag, 500, np.random.default_rng(0)), dag.nodes,
       progress=lambda *step: told.append(step))  # fmt: skip
    assert told[0] == ("independence tests, 0 given", 3, 3)
    assert all(done <= total for _, done, total in told)


# ---- ways to orient ---------------------------------------------------------------------------
@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("seed", range(4))
def test_every_way_to_orient_is_exact_with_an_oracle(
    orientation, seed, random_dag, oracle, edges_of
):
    dag = random_dag(LETTERS[:8], 1.5 + seed % 3, np.random.default_rng(seed))
    graph, notes = pc_from_test(oracle(dag), dag.nodes, alpha=0.5, orientation=orientation)
    assert edges_of(graph) == edges_of(dag_to_cpdag(dag))
    assert not notes


class Contradictory:
    """w — x — z — y, where x and y are apart given nothing and given w and z, not given z alone."""

    names = ("w", "x", "y", "z")

    def __init__(self):
        self.apart = {("x", "y", ""): 0.9, ("x", "y", "wz"): 0.8, ("w", "y", ""): 0.9,
                      ("w", "z", "x"): 0.9}  # fmt: skip

    def __call__(self, x, y, given):
        name = self.names
        return np.array([
            self.apart.get((*sorted((name[a], name[b])), "".join(sorted(name[c] for c in rest))), 0)
            for a, b, rest in zip(x, y, given.tolist(), strict=True)
        ], dtype=float)  # fmt: skip


def test_a_triple_whose_sets_disagree_is_oriented_by_no_rule_when_conservative():
    found = {}
    for orientation in ORIENTATIONS:
        graph, notes = pc_from_test(
            Contradictory(), Contradictory.names, alpha=0.5, orientation=orientation
        )
        found[orientation] = {(e.a, e.mark, e.b) for e in graph}, codes(notes)
    assert {("x", "-->", "z"), ("y", "-->", "z")} <= found["standard"][0]
    assert {("x", "-->", "z"), ("y", "-->", "z")} <= found["max"][0]
    for careful in ("conservative", "majority"):  # one set with z, one without
        marks, notes = found[careful]
        assert marks == {("w", "---", "x"), ("x", "---", "z"), ("y", "---", "z")}
        assert "ambiguous_triples" in notes


def test_where_too_many_sets_would_vote_the_small_ones_decide_and_it_is_said(monkeypatch):
    monkeypatch.setattr(separating_sets._Tests, "most_votes", 0)
    _, notes = pc_from_test(Contradictory(), Contradictory.names, alpha=0.5, orientation="majority")
    assert "votes_cut" in codes(notes)


def test_an_unknown_orientation_is_an_option_error(oracle):
    dag = Graph.from_pairs([("a", "b")])
    with pytest.raises(OptionError, match="Did you mean 'majority'"):
        pc_from_test(oracle(dag), dag.nodes, orientation="mayority")


# ---- compiled code ----------------------------------------------------------------------------
@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_compiled_and_plain_searches_give_the_same_graph(
    orientation, random_dag, linear_gaussian, edges_of, monkeypatch
):
    from whydrift.discovery.search import separating_sets

    for seed in range(3):
        rng = np.random.default_rng(seed)
        names = tuple(f"c{i}" for i in range(25))
        snapshot = linear_gaussian(random_dag(names, 3, rng), 400, rng)
        total = snapshot.column("c0") + snapshot.column("c1")
        snapshot = snapshot.with_sample({"c2": total, "c3": total + 1e-4 * snapshot.column("c3")})
        known = Knowledge(tiers=[names[:12], names[12:]], forbidden=[("c0", "c5"), ("c5", "c0")])
        options = {"test": "fisher_z", "alpha": 0.05, "orientation": orientation}
        fast = pc(snapshot, names, knowledge=known, **options)
        with monkeypatch.context() as patch:
            patch.setattr(separating_sets, "_FEW_COLUMNS", 100)
            slow = pc(snapshot, names, knowledge=known, **options)
        assert edges_of(fast[0]) == edges_of(slow[0])
        assert [n.code for n in fast[1]] == [n.code for n in slow[1]]


def test_few_columns_load_no_compiler():
    code = (
        "import sys, numpy as np, pyarrow as pa; from whydrift.discovery import discover; "
        "x = np.random.default_rng(0).normal(size=(20, 300)); "
        "discover(pa.table({f'c{i}': v for i, v in enumerate(x)}), 'pc'); "
        "print('numba' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_column_of_its_own_scale_does_not_reach_the_compiled_search_by_halves():
    # One column with a hole among many: the compiled code, which needs whole rows, is not used.
    rng = np.random.default_rng(0)
    values = rng.normal(size=(30, 400))
    values[1] += values[0]
    values[2, 5] = np.nan
    frame = pa.table({f"c{i}": v for i, v in enumerate(values)})
    graph, _ = pc(Snapshot.from_frame(frame), tuple(f"c{i}" for i in range(30)), test="fisher_z")
    assert graph.edge_between("c0", "c1") is not None


def test_the_edges_of_a_sum_and_its_parts_stay_and_are_named():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 3000))
    effect = a + b + rng.normal(size=3000)
    frame = pa.table({"a": a, "b": b, "sum": a + b, "effect": effect})
    snapshot = Snapshot.from_frame(frame)
    graph, notes = pc(snapshot, snapshot.schema.names, test="fisher_z", alpha=0.001)
    joined = {frozenset((e.a, e.b)) for e in graph}
    assert {
        frozenset(("a", "sum")),
        frozenset(("b", "sum")),
        frozenset(("effect", "sum")),
    } == joined
    assert [n.code for n in notes if n.code == "determined_column"]


# ---- what causal-learn 0.1.4 does wrong -------------------------------------------------------
def test_a_constant_among_many_columns_makes_no_wrong_edges(random_dag, linear_gaussian, edges_of):
    # causal-learn's pc joins other columns wrongly when one is constant (its correlations are NaN).
    rng = np.random.default_rng(4)
    names = tuple(f"c{i}" for i in range(25))
    snapshot = linear_gaussian(random_dag(names, 2, rng), 2000, rng)
    frame = {name: snapshot.column(name) for name in names}
    more = Snapshot.from_frame(pa.table({"constant": np.full(2000, 1e9), **frame}))
    plain, _ = pc(snapshot, names, test="fisher_z")
    graph, _ = pc(more, more.schema.names, test="fisher_z")
    assert edges_of(graph) == edges_of(plain)


def test_a_copy_among_many_columns_raises_nothing_and_takes_no_edge_away(
    random_dag, linear_gaussian, edges_of
):
    # causal-learn's pc stops with a singular matrix.
    rng = np.random.default_rng(5)
    names = tuple(f"c{i:02}" for i in range(25))
    snapshot = linear_gaussian(random_dag(names, 2, rng), 2000, rng)
    frame = {name: snapshot.column(name) for name in names}
    more = Snapshot.from_frame(pa.table({**frame, "twin": 3 * snapshot.column("c07") - 1}))
    plain, _ = pc(snapshot, names, test="fisher_z")
    graph, notes = pc(more, more.schema.names, test="fisher_z")
    others = {edge for edge in edges_of(graph) if "twin" not in edge}
    assert {frozenset((a, b)) for a, _, b in others} == {
        frozenset((a, b)) for a, _, b in edges_of(plain)
    }
    assert {frozenset((a, b)) for a, _, b in edges_of(graph) - others} == {
        frozenset(("c07", "twin"))
    }
    assert "duplicate_column" in codes(notes)
