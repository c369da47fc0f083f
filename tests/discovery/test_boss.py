"""The order search by every score, compiled and not, over one window and over several."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from whydrift.discovery import Knowledge, OptionError, SchemaError, Snapshot, discover
from whydrift.discovery.discover import learn_graph
from whydrift.discovery.orientation import dag_to_cpdag
from whydrift.discovery.progress import silent
from whydrift.discovery.scores.registry import score_named
from whydrift.discovery.search import _boss_kernel, _score_kernel
from whydrift.discovery.search.order import best_graph


def chain(rows: int, seed: int, shift: float = 0.0, slope: float = 0.8) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    a = shift + rng.normal(size=rows)
    b = slope * a + rng.normal(size=rows)
    c = 0.8 * b + rng.normal(size=rows)
    return pd.DataFrame({"c": c, "a": a, "b": b})


def total(score, graph) -> float:
    place = {name: i for i, name in enumerate(score.names)}
    return sum(
        float(score.local(place[n], [tuple(place[p] for p in graph.parents(n))])[0])
        for n in score.names
    )


# ---- one window -------------------------------------------------------------------------------
@pytest.mark.parametrize("seed", range(3))
def test_the_true_class_of_a_linear_gaussian_graph_is_found(seed, random_dag, linear_gaussian):
    rng = np.random.default_rng(seed)
    names = tuple(f"x{i}" for i in range(40))
    dag = random_dag(names, 3.0, rng)
    window = linear_gaussian(dag, 8000, rng)
    found = discover(window, "boss", score="ebic")
    truth = {(e.a, e.mark, e.b) for e in dag_to_cpdag(dag)}
    assert len(truth ^ {(e.a, e.mark, e.b) for e in found}) <= 2


@pytest.mark.parametrize("name", ["bic", "spline_bic"])
def test_the_compiled_search_ends_as_high_as_the_other(name, random_dag, linear_gaussian):
    for seed in range(3):
        rng = np.random.default_rng(seed)
        window = linear_gaussian(random_dag(tuple("abcdefgh"), 3.0, rng), 800, rng)
        score, _ = score_named(name, [window], tuple("abcdefgh"))
        slow = best_graph(score, compile_above=99)
        fast = best_graph(score, compile_above=1)
        assert total(score, fast) >= total(score, slow) - 1e-3


def test_the_kernel_is_the_python_it_is_written_in(monkeypatch):
    window = Snapshot.from_frame(chain(300, 1))
    score, _ = score_named("bic", [window], ("a", "b", "c"))
    compiled = best_graph(score, compile_above=1)
    from whydrift.discovery.search import boss

    for module in (_score_kernel, _boss_kernel, boss):
        for name, value in list(vars(module).items()):
            if hasattr(value, "py_func"):
                monkeypatch.setattr(module, name, value.py_func)
    monkeypatch.setattr(_score_kernel, "pointer", lambda function, signature: function)
    assert best_graph(score, compile_above=1) == compiled


def test_full_trees_are_begun_anew_without_changing_the_answer(random_dag, linear_gaussian):
    from whydrift.discovery.search import boss

    rng = np.random.default_rng(5)
    names = tuple(f"x{i}" for i in range(15))
    window = linear_gaussian(random_dag(names, 3.0, rng), 1000, rng)
    score, _ = score_named("bic", [window], names)
    free = np.ones((15, 15), dtype=bool) & ~np.eye(15, dtype=bool)

    def parents(branches):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(
                boss, "new_trees", lambda n, most: _boss_kernel.new_trees(n, most, branches)
            )
            none = [frozenset()] * 15
            return boss.best_parents(
                score, free, none, np.zeros((15, 15), dtype=bool), 2,
                np.random.default_rng(0), silent,
            )  # fmt: skip

    assert parents(1) == parents(4_000_000)


@pytest.mark.parametrize("method", ["boss", "ges"])
@pytest.mark.parametrize("columns", [6, 25])
def test_knowledge_is_honoured_with_few_columns_and_with_many(
    method, columns, random_dag, linear_gaussian
):
    rng = np.random.default_rng(2)
    names = tuple(f"x{i}" for i in range(columns))
    window = linear_gaussian(random_dag(names, 2.5, rng), 1500, rng)
    first, last = names[: columns // 2], names[columns // 2 :]
    known = Knowledge(
        tiers=[last, first],
        required=[(last[0], first[0]), (last[1], last[2])],
        forbidden=[(first[1], first[2]), (first[2], first[1]), (last[2], first[2])],
    )
    graph = discover(window, method, knowledge=known)
    assert len(graph) > 3
    for edge in graph:
        assert known.allows(edge.a, edge.b) or known.allows(edge.b, edge.a)
        if edge.is_directed:
            assert known.allows(edge.a, edge.b)
        else:
            assert known.allows(edge.a, edge.b) and known.allows(edge.b, edge.a)
    assert last[0] in graph.parents(first[0])
    assert last[1] in graph.parents(last[2])
    assert graph.edge_between(first[1], first[2]) is None


def test_categories_and_mixtures_are_searched_by_their_own_scores():
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 2, size=(2, 2000))
    z = np.where(rng.random(2000) < 0.1, 1 - (x | y), x | y)
    frame = pd.DataFrame({"x": x, "y": y, "z": z}).astype(str)
    found = learn_graph(frame, "boss")
    assert found.graph.parents("z") == ("x", "y")
    assert "score bdeu" in " ".join(note.text for note in found.notes)
    mixed = frame.assign(w=(z == 1) + rng.normal(size=2000))
    assert discover(mixed, "boss").parents("w") == ("z",)


# ---- several windows --------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["auto", "bic", "ebic", "mixed", "spline_bic", "spline_ebic"])
def test_a_moved_cause_orients_the_chain_and_the_column_that_moved_is_named(name):
    frames = [chain(800, 0), chain(800, 1, shift=1.0), chain(800, 2, shift=-1.0)]
    found = learn_graph(frames, "boss", score=name)
    assert {(e.a, e.mark, e.b) for e in found.graph} == {("a", "-->", "b"), ("b", "-->", "c")}
    assert [n.column for n in found.notes if n.code == "mechanism_moved"] == ["a"]


def test_windows_that_do_not_differ_orient_nothing():
    found = learn_graph([chain(800, s) for s in range(3)], "boss", score="bic")
    assert {e.mark for e in found.graph} == {"---"}
    assert "mechanism_moved" not in {n.code for n in found.notes}


def test_a_moved_slope_orients_its_edge():
    frames = [chain(1000, 0), chain(1000, 1, slope=-0.8), chain(1000, 2)]
    graph = discover(frames, "boss", score="bic")
    assert graph.edge_between("a", "b").mark == "-->"
    assert graph.parents("c") == ("b",)


def test_moved_tables_of_categories_orient_edges():
    def draw(seed, share):
        rng = np.random.default_rng(seed)
        x = rng.random(1500) < share
        y = np.where(rng.random(1500) < 0.15, ~x, x)
        return pd.DataFrame({"y": y, "x": x}).astype(str)

    graph = discover([draw(0, 0.5), draw(1, 0.8)], "boss")
    assert [(e.a, e.mark, e.b) for e in graph] == [("x", "-->", "y")]


def test_invariance_orients_among_many_columns_too(random_dag):
    rng = np.random.default_rng(3)
    names = tuple(f"x{i}" for i in range(30))
    dag = random_dag(names, 2.0, rng)
    slopes = {(e.a, e.b): rng.choice([-1, 1]) * rng.uniform(0.5, 1.0) for e in dag}

    def draw(moved):
        values = {}
        for name in dag.topological_order():
            values[name] = rng.normal(size=1500) + (1.0 if name in moved else 0.0)
            for cause in dag.parents(name):
                values[name] = values[name] + slopes[cause, name] * values[cause]
        return pd.DataFrame({name: values[name] for name in names})

    frames = [draw(()), *(draw(names[i::3]) for i in range(3))]
    graph = discover(frames, "boss", score="bic", penalty=2.0)
    directed = [e for e in graph if e.is_directed]
    right = sum(e.a in dag.parents(e.b) for e in directed)
    assert len(directed) >= 0.95 * len(dag)
    assert right >= 0.95 * len(directed)


def test_windows_that_do_not_fit_together_or_the_method_are_refused():
    frames = [chain(100, 0), chain(100, 1)]
    with pytest.raises(OptionError, match="Methods that take several: boss, cd-nod"):
        discover(frames, "pc")
    with pytest.raises(OptionError, match="'ges' takes one window"):
        discover(frames, "ges")
    with pytest.raises(SchemaError, match="window 2: column 'b' of the first window is absent"):
        discover([frames[0], frames[1].drop(columns="b")])
    with pytest.raises(SchemaError, match="there are no windows"):
        discover([])


def test_windows_may_list_their_categories_in_any_order():
    rng = np.random.default_rng(0)
    frames = []
    for names in ("ab", "cba"):
        x = rng.choice([*names], 800)
        y = np.where(rng.random(800) < 0.8, x == "a", rng.random(800) < 0.5)
        frames.append(pd.DataFrame({"x": x, "y": y.astype(int)}))
    apart = discover([Snapshot.from_frame(frame) for frame in frames])
    together = discover(frames)
    assert [(e.a, e.mark, e.b) for e in apart] == [(e.a, e.mark, e.b) for e in together]
    assert [{e.a, e.b} for e in apart] == [{"x", "y"}]


# ---- bad input --------------------------------------------------------------------------------
@pytest.mark.parametrize("method", ["boss", "ges"])
class TestBadInput:
    """What causal-learn 0.1.4 answers wrongly, not at all, or never."""

    def collider(self, rows: int = 1500) -> pd.DataFrame:
        rng = np.random.default_rng(0)
        a, b = rng.normal(size=(2, rows))
        return pd.DataFrame({"a": a, "b": b, "c": a + b + rng.normal(size=rows)})

    @pytest.mark.parametrize("score", ["auto", "bic", "spline_bic"])
    def test_missing_values_hide_no_edge_and_hang_nothing(self, method, score):
        frame = self.collider()
        frame = frame.mask(np.random.default_rng(1).random(frame.shape) < 0.1)
        assert discover(frame, method, score=score).parents("c") == ("a", "b")

    def test_a_constant_column_gets_no_edges(self, method):
        graph = discover(self.collider().assign(constant=3.0), method, score="bic")
        assert graph.parents("c") == ("a", "b")
        assert not [e for e in graph if "constant" in (e.a, e.b)]

    @pytest.mark.parametrize("scale", [1.0, -40.0])
    def test_a_copy_is_joined_to_its_original_alone_and_noted(self, method, scale):
        found = learn_graph(self.collider().assign(twin=lambda f: scale * f.a + 2), method)
        assert found.graph.parents("c") == ("a", "b")
        assert found.graph.edge_between("a", "twin") is not None
        assert len(found.graph) == 3
        assert "duplicate_column" in {n.code for n in found.notes}

    def test_copies_alone_are_one_edge(self, method):
        frame = self.collider()[["a"]].assign(twin=lambda f: f.a * 3)
        assert [e.mark for e in discover(frame, method)] == ["---"]

    def test_a_sum_of_columns_keeps_its_edges_and_is_noted(self, method):
        frame = self.collider().assign(sum=lambda f: f.a + f.b)
        found = learn_graph(frame, method, score="bic")
        joined = {n for e in found.graph for n in (e.a, e.b) if "sum" in (e.a, e.b)}
        assert {"a", "b"} <= joined
        assert "sum" in {n.column for n in found.notes if n.code == "determined_column"}

    def test_infinite_and_huge_values_raise_nothing(self, method):
        frame = self.collider() + 1e9
        frame.iloc[3, 0] = np.inf
        assert discover(frame, method, score="bic").parents("c") == ("a", "b")

    def test_more_columns_than_rows_give_a_sparse_graph(self, method):
        rng = np.random.default_rng(0)
        wide = pd.DataFrame(rng.normal(size=(30, 60)), columns=[f"x{i}" for i in range(60)])
        assert len(discover(wide, method, score="ebic")) <= 6

    def test_an_all_missing_column_gets_no_edges(self, method):
        graph = discover(self.collider().assign(void=np.nan), method, columns=["a", "b", "c"])
        assert graph.parents("c") == ("a", "b")


def test_a_small_interpreted_search_and_compare_never_load_the_compiler():
    code = (
        "import sys, numpy as np, pandas as pd, whydrift\n"
        "rng = np.random.default_rng(0)\n"
        "frame = pd.DataFrame(rng.normal(size=(300, 8)), columns=list('abcdefgh'))\n"
        "whydrift.compare(frame, frame + 0.1)\n"
        "print('numba' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
