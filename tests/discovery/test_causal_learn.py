"""Methods of causal-learn: right where they should be, and never shown what they cannot stand."""

from __future__ import annotations

import random
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest

from whydrift.discovery import (
    Graph,
    Knowledge,
    OptionError,
    Origin,
    SchemaError,
    Snapshot,
    TooFewRows,
    discover,
)
from whydrift.discovery.discover import learn_graph
from whydrift.discovery.orientation import dag_to_cpdag
from whydrift.discovery.search.causal_learn import anm, exact, lingam

NUMBERS_ONLY = {"lingam": lingam, "exact": exact}


def skewed(rows: int = 2000, seed: int = 0) -> dict[str, np.ndarray]:
    """a → b → c ← d, linear, with skewed noise."""
    rng = np.random.default_rng(seed)
    noise = rng.exponential(size=(4, rows)) - 1
    a, d = noise[0], noise[3]
    b = 0.8 * a + noise[1]
    c = 0.8 * b - 0.7 * d + noise[2]
    return {"c": c, "a": a, "d": d, "b": b}


TRUTH = Graph.from_pairs([("a", "b"), ("b", "c"), ("d", "c")], nodes=("c", "a", "d", "b"))


def directed(graph: Graph) -> set[tuple[str, str]]:
    return {(e.a, e.b) for e in graph if e.is_directed}


def window(**columns: np.ndarray) -> Snapshot:
    return Snapshot.from_frame(pa.table(columns))


# ---- what each can do -------------------------------------------------------------------------
def test_lingam_finds_all_directions_where_noise_is_skewed():
    graph, notes = lingam(window(**skewed()), ("c", "a", "d", "b"))
    assert directed(graph) == directed(TRUTH)
    assert not notes


def test_lingam_tells_where_it_has_nothing_to_go_by():
    rng = np.random.default_rng(0)
    a = rng.normal(size=3000)
    _, notes = lingam(window(a=a, b=a + rng.normal(size=3000)), ("a", "b"))
    assert any("'a', 'b' looks normal" in n.text for n in notes if n.code == "normal_noise")


def test_the_exact_search_finds_the_class(edges_of):
    graph, _ = exact(window(**skewed(4000)), ("c", "a", "d", "b"))
    assert edges_of(graph) == edges_of(dag_to_cpdag(TRUTH))


def test_anm_directs_a_curve_and_leaves_a_line_open():
    rng = np.random.default_rng(1)
    x, u = rng.uniform(-2, 2, size=(2, 600))
    columns = {
        "x": x,
        "y": x + 0.5 * x**3 + rng.normal(size=600),
        "u": u,
        "v": rng.normal(size=600),
    }
    columns["w"] = columns["v"] + rng.normal(size=600)
    graph, notes = anm(window(**columns), ("y", "x", "v", "w"))
    assert directed(graph) == {("x", "y")}
    assert graph.edge_between("v", "w").mark == "---"
    assert any("1 of 2 open edges" in n.text for n in notes)


def test_pnl_without_torch_says_how_to_get_it_and_that_many_columns_would_take_too_long(
    monkeypatch,
):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(OptionError, match=r"'pnl' needs torch.*pip install torch"):
        discover(pa.table(skewed(100)), "pnl")
    wide = pa.table({f"c{i}": np.random.default_rng(i).normal(size=50) for i in range(16)})
    with pytest.raises(OptionError, match="would take too long for 16 columns"):
        discover(wide, "pnl")


def test_the_same_seed_gives_the_same_graph_and_others_generators_are_left_alone():
    frame = window(**skewed(300))
    random.seed(5)
    np.random.seed(5)  # noqa: NPY002
    expected = random.random(), np.random.random()  # noqa: NPY002
    random.seed(5)
    np.random.seed(5)  # noqa: NPY002
    one, other = (lingam(frame, ("c", "a", "d", "b"))[0] for _ in range(2))
    assert one == other
    assert (random.random(), np.random.random()) == expected  # noqa: NPY002


# ---- knowledge --------------------------------------------------------------------------------
@pytest.mark.parametrize("method", ["lingam", "exact"])
def test_what_is_known_is_in_the_graph(method):
    known = Knowledge(
        tiers=[["d"], ["a", "b", "c"]], required=[("a", "c")],
        forbidden=[("b", "c")],
    )  # fmt: skip
    graph, _ = NUMBERS_ONLY[method](window(**skewed()), ("c", "a", "d", "b"), knowledge=known)
    assert graph.edge_between("a", "c").origin is Origin.REQUIRED
    assert ("a", "c") in directed(graph)
    assert ("b", "c") not in directed(graph)
    assert not any(effect == "d" for _, effect in directed(graph))


def test_lingam_takes_an_order_that_is_required_against_the_data():
    known = Knowledge(required=[("c", "a")])
    graph, _ = lingam(window(**skewed()), ("c", "a", "d", "b"), knowledge=known)
    assert ("c", "a") in directed(graph)


def test_anm_does_not_depend_on_the_order_of_the_rows():
    rng = np.random.default_rng(5)
    x = rng.uniform(-1, 1, size=500)  # more than the rows of a pair that are used
    y = x**3 + 0.3 * x + 0.15 * rng.normal(size=500)
    shuffled = rng.permutation(500)
    answers = [anm(window(x=x[rows], y=y[rows]), ("x", "y")) for rows in (np.arange(500), shuffled)]
    assert answers[0] == answers[1]


def test_anm_honours_what_is_forbidden():
    rng = np.random.default_rng(1)
    x = rng.uniform(-2, 2, size=600)
    frame = window(x=x, y=x + 0.5 * x**3 + rng.normal(size=600))
    known = Knowledge(forbidden=[("x", "y")])
    graph, _ = anm(frame, ("x", "y"), knowledge=known)
    assert directed(graph) == {("y", "x")}


# ---- columns that causal-learn cannot stand ---------------------------------------------------
@pytest.mark.parametrize("method", ["lingam", "exact", "anm"])
def test_constants_copies_and_holes_are_met_before_it_is_called(method):
    columns = skewed(800)
    holes = columns["d"].copy()
    holes[::10] = np.nan
    frame = pa.table({**columns, "d": holes, "same": np.ones(800), "twin": 32 - 1.8 * columns["a"]})
    found = learn_graph(frame, method)
    assert {"same", "twin"} <= {n.column for n in found.notes}
    edge = found.graph.edge_between("a", "twin")
    assert edge is not None
    assert not any("same" in {e.a, e.b} for e in found.graph)
    if method != "anm":  # tests of pairs leave out no more rows than they must
        assert any("720 of 800" in n.text for n in found.notes if n.code == "incomplete_rows")


def test_a_sum_of_columns_is_refused_by_name():
    columns = skewed(500)
    frame = pa.table({**columns, "sum": columns["a"] + columns["d"]})
    with pytest.raises(SchemaError, match="'a', 'd', 'sum' determine each other"):
        discover(frame, "exact")


def test_lingam_stands_a_sum_of_columns():
    columns = skewed(500)
    frame = pa.table({**columns, "sum": columns["a"] + columns["d"]})
    assert discover(frame, "lingam").nodes == ("c", "a", "d", "b", "sum")


@pytest.mark.parametrize("method", ["lingam", "exact"])
def test_categories_too_many_columns_and_too_few_rows_are_refused(method):
    columns = skewed(300)
    with pytest.raises(OptionError, match="does not serve column 'e', which is"):
        discover(pa.table({**columns, "e": ["u", "v", "w"] * 100}), method)
    rng = np.random.default_rng(0)
    wide = pa.table({f"c{i}": rng.normal(size=100) for i in range(61)})
    with pytest.raises(OptionError, match="would take too long for 61 columns"):
        discover(wide, method)
    half = columns["a"].copy()
    half[:285] = np.nan
    with pytest.raises(TooFewRows, match="15 rows have all 4 columns"):
        discover(pa.table({**columns, "a": half}), method)


def test_without_causal_learn_one_sentence_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "causallearn.search.FCMBased.lingam", None)
    with pytest.raises(OptionError, match=r"pip install 'whydrift\[causal-learn\]'"):
        discover(pa.table(skewed(100)), "lingam")


def test_it_is_loaded_only_where_asked_for():
    code = (
        "import sys, numpy as np, pyarrow as pa; from whydrift.discovery import discover; "
        "x = np.random.default_rng(0).normal(size=(3, 100)); "
        "t = pa.table({'a': x[0], 'b': x[1], 'c': x[2]}); "
        "[discover(t, m) for m in ('boss', 'pc', 'fci')]; "
        "print('causallearn' in sys.modules, 'sklearn' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False False"
