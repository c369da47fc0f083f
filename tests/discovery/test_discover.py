"""The one way in: its choices, its refusals, and its confidences."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import whydrift.discovery
from whydrift.discovery import (
    Graph,
    GraphError,
    Knowledge,
    OptionError,
    Origin,
    SchemaError,
    Snapshot,
    TooFewRows,
    discover,
)
from whydrift.discovery.discover import learn_graph, method_names
from whydrift.discovery.stability import block_length, resampled_rows


def collider(rows: int = 1500) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, rows))
    return pd.DataFrame({"a": a, "b": b, "c": a + b + rng.normal(size=rows)})


def note(discovery, code: str) -> str:
    return " ".join(n.text for n in discovery.notes if n.code == code)


WITHOUT_TORCH = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="torch is not installed"
)
EVERY_METHOD = [
    pytest.param(name, marks=WITHOUT_TORCH if name == "pnl" else ()) for name in method_names()
]
HIDDEN = {"fci", "rfci"}  # allow for hidden causes: their arrows have circles behind them


@pytest.mark.parametrize("method", EVERY_METHOD)
def test_every_method_finds_a_collider_and_gives_no_confidence_unasked(method):
    graph = discover(collider(), method)
    if method in HIDDEN:
        assert {(e.a, e.mark, e.b) for e in graph} == {("a", "o->", "c"), ("b", "o->", "c")}
    elif method == "lingam":  # all is normal here, and it says so
        assert len(graph) >= 2
    else:
        assert graph.parents("c") == ("a", "b")
    assert all(e.confidence is None for e in graph)


@pytest.mark.parametrize("method", EVERY_METHOD)
def test_every_method_leaves_open_what_one_window_cannot_tell(method):
    found = learn_graph(collider()[["a", "c"]], method)
    if method == "lingam":  # it always takes a side, and tells when it had nothing to go by
        assert "'a', 'c' looks normal" in note(found, "normal_noise")
    else:
        assert [e.mark for e in found.graph] == ["o-o" if method in HIDDEN else "---"]


@pytest.mark.parametrize("method", EVERY_METHOD)
def test_every_method_honours_knowledge(method):
    known = Knowledge(tiers=[["c"], ["a", "b"]], required=[("a", "b")])
    graph = discover(collider(), method, knowledge=known)
    assert graph.edge_between("a", "b").origin is Origin.REQUIRED
    assert graph.parents("b")[0] == "a"
    assert not {"a", "b"} & {*graph.parents("c")}
    if method not in HIDDEN:  # c might share a hidden cause with a and with b
        assert graph.children("c") == ("a", "b")


def test_frames_of_all_libraries_and_snapshots_give_the_same_graph():
    frame = collider()
    inputs = [frame, pl.from_pandas(frame), pa.Table.from_pandas(frame), Snapshot.from_frame(frame)]
    graphs = [discover(data, "pc") for data in inputs]
    assert all(graph == graphs[0] for graph in graphs)


def test_the_same_seed_gives_the_same_graph():
    frame = collider(200)
    one, other = (discover(frame, "pc", bootstrap=5, random_state=3) for _ in range(2))
    assert one == other


# ---- choices ----------------------------------------------------------------------------------
def test_the_choice_is_told_with_its_reason():
    plain = learn_graph(collider())
    assert (plain.method, plain.test) == ("boss", None)
    assert "boss" in note(plain, "method_choice")
    tested = learn_graph(collider(), test="rank_fisher_z")
    assert (tested.method, tested.test) == ("pc", "rank_fisher_z")
    assert "test given" in note(tested, "method_choice")
    assert tested.seconds > 0


def test_many_columns_are_searched_by_tests():
    rng = np.random.default_rng(0)
    wide = pd.DataFrame(rng.normal(size=(100, 151)), columns=[f"c{i}" for i in range(151)])
    assert learn_graph(wide).method == "pc"


# ---- refusals ---------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"method": "bos"}, "Did you mean 'boss'"),
        ({"orientation": "mayority"}, "Did you mean 'majority'"),
        ({"method": "rfci", "orientation": "max"}, "'rfci' has no orientation"),
        ({"test": "fisher"}, "unknown independence test 'fisher'"),
        ({"score": "bix"}, "Did you mean 'bic'"),
        ({"alpha": 1.5}, "not between 0 and 1"),
        ({"penalty": 0.0}, "not a positive number"),
        ({"bootstrap": -1}, "whole number from 0 on"),
        ({"method": "pc", "penalty": 2.0}, "'pc' has no penalty"),
        ({"method": "boss", "alpha": 0.1}, "'boss' has no alpha"),
        ({"alpha": 0.1, "penalty": 2.0}, "'pc' has no penalty"),
    ],
)
def test_options_that_mean_nothing_are_refused(options, words):
    with pytest.raises(OptionError, match=words):
        discover(collider(100), **options)


def test_too_few_rows_or_columns_are_refused_in_plain_words():
    with pytest.raises(TooFewRows, match="19 rows are too few"):
        discover(collider(19))
    with pytest.raises(SchemaError, match="only 'a' varies"):
        discover(collider().assign(b=1.0, c=2.0))
    with pytest.raises(SchemaError, match="none varies"):
        discover(collider()[["a"]].assign(a=1.0))


def test_columns_unknown_or_not_for_graphs_are_refused():
    frame = collider().assign(row_id=range(1500))
    with pytest.raises(SchemaError, match="Did you mean 'a'"):
        discover(frame, columns=["A", "b"])
    with pytest.raises(SchemaError, match="'row_id' is id"):
        discover(frame, columns=["a", "row_id"])
    with pytest.raises(GraphError, match="unknown column"):
        discover(frame, knowledge=Knowledge(tiers=[["d"]]))


# ---- columns ----------------------------------------------------------------------------------
def test_only_the_columns_asked_for_are_in_the_graph():
    assert discover(collider(), "pc", columns=["c", "a"]).nodes == ("c", "a")


@pytest.mark.parametrize("method", EVERY_METHOD)
def test_a_constant_column_is_a_node_without_edges_and_noted(method):
    found = learn_graph(collider().assign(constant=1.0), method)
    assert found.graph.nodes == ("a", "b", "c", "constant")
    assert not found.graph.parents("constant")
    assert "'constant'" in note(found, "constant_column")


def test_a_required_edge_at_a_constant_column_is_kept():
    known = Knowledge(required=[("constant", "a")])
    graph = discover(collider().assign(constant=1.0), "pc", knowledge=known)
    assert graph.parents("a") == ("constant",)


# ---- confidence -------------------------------------------------------------------------------
def test_confidence_is_high_for_clear_edges_and_lower_for_chance_ones():
    rng = np.random.default_rng(5)
    frame = collider(300).assign(faint=lambda f: 0.2 * f.a + rng.normal(size=300))
    graph = discover(frame, "pc", alpha=0.01, bootstrap=30)
    clear = graph.edge_between("a", "c")
    assert clear.confidence >= 0.6
    assert all(0 <= e.confidence <= 1 for e in graph)
    faint = graph.edge_between("a", "faint")
    assert faint is not None
    assert faint.confidence < clear.confidence


def test_a_rare_value_missing_from_a_draw_is_no_error():
    frame = collider(60)
    frame["rare"] = ["yes"] + ["no"] * 59
    graph = discover(frame, "pc", bootstrap=10)
    assert "rare" in graph.nodes


def test_alike_neighbours_are_drawn_together():
    rng = np.random.default_rng(0)
    walk = np.convolve(rng.normal(size=1020), np.ones(21) / 21, mode="valid")
    assert block_length(Snapshot.from_frame(pa.table({"x": rng.normal(size=1000)}))) == 1
    length = block_length(Snapshot.from_frame(pa.table({"x": walk})))
    assert 20 <= length <= 50
    rows = resampled_rows(1000, length, rng)
    assert rows.shape == (1000,)
    assert (np.diff(rows)[: length - 1] % 1000 == 1).all()


# ---- the package ------------------------------------------------------------------------------
def test_the_function_is_not_hidden_by_the_module_of_its_name():
    from whydrift.discovery.discover import learn_graph as _  # noqa: F401

    assert callable(whydrift.discovery.discover)
    assert whydrift.discovery.Graph is Graph


def test_importing_the_package_loads_no_heavy_library():
    code = (
        "import sys, whydrift.discovery; "
        "print([m for m in ('numpy', 'scipy', 'pyarrow', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_public_name_is_there():
    for name in whydrift.discovery.__all__:
        assert getattr(whydrift.discovery, name) is not None
    with pytest.raises(AttributeError):
        _ = whydrift.discovery.no_such_name
