"""Every kind of bad column, given to every method: named, treated by a rule, never an exception."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

from whydrift.discovery import (
    DataWarning,
    OptionError,
    SchemaError,
    Snapshot,
    TooFewRows,
    WhydriftError,
    discover,
)
from whydrift.discovery.discover import Discovery, learn_graph
from whydrift.discovery.search.registry import METHODS

ROWS = 600
TRUE = {frozenset("ac"), frozenset("bc"), frozenset("cd")}
OF_CAUSAL_LEARN = ("lingam", "anm", "exact")
OF_NUMBERS = {"lingam", "exact"}  # and of complete rows
# Without torch pnl only says that it needs it; with torch it takes half a minute a pair.
QUICK = [name for name in METHODS if name != "pnl"]

Frame = pd.DataFrame


def world(rows: int = ROWS) -> Frame:
    """a and b cause c, c causes d: lines, and noise that is not normal."""
    a, b, c, d = np.random.default_rng(0).laplace(size=(4, rows))
    c = a + b + 0.7 * c
    return pd.DataFrame({"a": a, "b": b, "c": c, "d": c + 1.2 * d})


@dataclass(frozen=True)
class Bad:
    """One way for data to be bad, and what must be said of it.

    Parameters
    ----------
    name : str
    frame : callable
    told : frozenset of (str, str)
        Codes of notes and the columns that they name.
    lost : frozenset of frozenset of str
        True edges that need not be found: what they say is said by the bad column as well.
    joined : frozenset of str
        Bad columns that may have edges.
    """

    name: str
    frame: Callable[[], Frame]
    told: frozenset[tuple[str, str]] = frozenset()
    lost: frozenset[frozenset[str]] = frozenset()
    joined: frozenset[str] = frozenset()


def bad(name, frame, *told, lost=(), joined=""):
    edges = frozenset(frozenset(pair) for pair in lost)
    return Bad(name, frame, frozenset(told), edges, frozenset(joined.split()))


def with_holes() -> Frame:
    frame = world()
    return frame.mask(np.random.default_rng(1).random(frame.shape) < 0.08)


def with_infinities() -> Frame:
    frame = world()
    frame.iloc[::50, 0], frame.iloc[7::60, 2] = np.inf, -np.inf
    return frame


def with_levels() -> Frame:
    """Ten thousand names, that tell nothing."""
    rows = 20_000
    rng = np.random.default_rng(2)
    number = np.where(rng.random(rows) < 0.6, rng.integers(0, 100_000, size=rows), 0)
    frame = world(rows).assign(city=[f"city {n}" for n in number])
    assert frame.city.nunique() > 7_000
    return frame


def with_codes() -> Frame:
    """A category written as whole numbers, that moves d up and down."""
    code = np.random.default_rng(3).integers(1, 6, size=ROWS)
    step = np.array([0.0, 1.0, -3.0, 3.0, -3.0, 3.0])
    return world().assign(code=code, d=lambda f: f.d + step[code])


def with_objects() -> Frame:
    return world().assign(
        o=np.array([1, "u", None, 2.5] * (ROWS // 4), dtype=object),
        nested=[[1, 2]] * ROWS,
        rounded=lambda f: f.a.round(3).astype(object),
    )


BAD = (
    bad("constant", lambda: world().assign(k=1e9), ("constant_column", "k")),
    bad("duplicate", lambda: world().assign(twin=lambda f: f.a), ("duplicate_column", "twin"),
        joined="twin"),
    bad("affine copy", lambda: world().assign(twin=lambda f: 7 - 40 * f.c),
        ("duplicate_column", "twin"), joined="twin"),
    bad("rounded copy", lambda: world().assign(rounded=lambda f: f.a.round(2)),
        ("determined_column", "rounded"), lost=["ac"], joined="rounded"),
    bad("sum", lambda: world().assign(s=lambda f: f.a + 2 * f.b), ("determined_column", "s"),
        lost=["ac", "bc"], joined="s"),
    bad("difference", lambda: world().assign(s=lambda f: f.c - f.d), ("determined_column", "s"),
        lost=["ac", "bc", "cd"], joined="s"),
    bad("rounded sum", lambda: world().assign(s=lambda f: (f.a + 2 * f.b).round(2)),
        ("determined_column", "s"), lost=["ac", "bc"], joined="s"),
    bad("ratio", lambda: world().assign(s=lambda f: f.a / f.d), ("determined_column", "s"),
        joined="s"),
    bad("product", lambda: world().assign(s=lambda f: f.a * f.b), ("determined_column", "s"),
        joined="s"),
    bad("square", lambda: world().assign(s=lambda f: f.a**2), ("determined_column", "s"),
        joined="s"),
    bad("missing values", with_holes),
    bad("infinite values", with_infinities, ("infinite_values", "a"), ("infinite_values", "c")),
    bad("no value at all", lambda: world().assign(void=np.nan), ("all_missing", "void")),
    bad("ten thousand levels", with_levels, ("many_categories", "city")),
    bad("integer codes", with_codes, ("numbers_as_names", "code"), joined="code"),
    bad("offsets of a billion", lambda: world() + 1e9),
    bad("object columns", with_objects, ("mixed_types", "o"), ("unsupported_type", "nested"),
        ("determined_column", "rounded"), lost=["ac"], joined="rounded o"),
)  # fmt: skip


def pairs_of(found: Discovery) -> set[frozenset[str]]:
    return {frozenset((e.a, e.b)) for e in found.graph}


def told(found: Discovery) -> set[tuple[str, str]]:
    return {(n.code, n.column) for n in found.notes}


@pytest.mark.parametrize("method", QUICK)
@pytest.mark.parametrize("case", BAD, ids=lambda case: case.name)
def test_bad_columns_are_named_and_hide_no_true_edge(case, method):
    frame = case.frame()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found = learn_graph(frame, method)
    except (OptionError, SchemaError) as refused:
        # Some methods refuse by name what they cannot stand.
        assert method in OF_NUMBERS
        assert any(repr(name) in str(refused) for name in {n for _, n in case.told})
        return
    missed = case.told - told(found)
    # Of sums and the like, any column of the relation may be the one that is named.
    assert {code for code, _ in missed} <= {code for code, _ in told(found)}
    for code, column in missed:
        assert any(n.code == code and column in n.text for n in found.notes)
    pairs = pairs_of(found)
    assert pairs >= TRUE - case.lost
    strange = {p for p in pairs - TRUE if p - case.joined - {*"abcd"}}
    assert not strange
    # Where an edge may be lost, the bad column stands in for its end.
    for edge in case.lost - pairs:
        assert any(p & case.joined and p & edge for p in pairs)


# ---- too little -------------------------------------------------------------------------------
@pytest.mark.parametrize("method", QUICK)
def test_five_rows_and_one_column_are_refused_in_plain_words(method):
    with pytest.raises(TooFewRows, match="5 rows are too few"):
        discover(world(5), method)
    with pytest.raises(SchemaError, match="only 'a' varies"):
        discover(world()[["a"]], method)
    with pytest.raises(SchemaError, match="none varies"):
        discover(pd.DataFrame({"k": np.ones(50), "void": np.full(50, np.nan)}), method)


def pairs_of_columns(rows: int, columns: int) -> Frame:
    """Every other column is caused by the one before it."""
    values = np.random.default_rng(4).laplace(size=(rows, columns))
    values[:, 1::2] += 1.5 * values[:, ::2]
    return pd.DataFrame(values, columns=[f"x{i:03}" for i in range(columns)])


@pytest.mark.parametrize("method", QUICK)
def test_more_columns_than_rows_are_told_or_refused(method):
    frame = pairs_of_columns(24, 30)
    try:
        found = learn_graph(frame, method)
    except WhydriftError as refused:
        assert method in (*OF_CAUSAL_LEARN, "cd-nod")
        assert ("24 rows" if method == "cd-nod" else "30 columns") in str(refused)
        return
    assert "few_rows" in {n.code for n in found.notes}
    true = {frozenset((f"x{i:03}", f"x{i + 1:03}")) for i in range(0, 30, 2)}
    assert len(true & pairs_of(found)) >= 10
    assert len(pairs_of(found)) <= 30


@pytest.mark.parametrize("method", ["auto", "boss", "pc", "fci", "rfci"])
def test_many_sparse_columns_are_searched(method):
    frame = pairs_of_columns(400, 160)
    pairs = pairs_of(learn_graph(frame, method, **({"alpha": 1e-4} if method != "boss" else {})))
    true = {frozenset((f"x{i:03}", f"x{i + 1:03}")) for i in range(0, 160, 2)}
    assert true <= pairs
    assert len(pairs) <= 1.1 * len(true)


# ---- rules ------------------------------------------------------------------------------------
def test_codes_that_are_called_names_are_names():
    frame = with_codes()
    assert "numbers_as_names" in {n.code for n in learn_graph(frame, "pc").notes}
    named = Snapshot.from_frame(frame, kinds={"code": "categorical"})
    found = learn_graph(named, "pc")
    assert "numbers_as_names" not in {n.code for n in found.notes}
    assert frozenset(("code", "d")) in pairs_of(found)


def test_grades_that_rise_or_fall_all_the_way_are_not_taken_for_names():
    rng = np.random.default_rng(0)
    grade = rng.integers(1, 6, size=2000)
    for other in (grade + rng.normal(size=2000), -(2.0**grade), rng.normal(size=2000)):
        notes = learn_graph(pd.DataFrame({"grade": grade, "other": other}), "pc").notes
        assert "numbers_as_names" not in {n.code for n in notes}


def test_the_graph_alone_comes_with_warnings_that_name_the_columns():
    frame = world().assign(same=1.0, twin=lambda f: f.a, void=np.nan)
    frame.iloc[0, 1] = np.inf
    with pytest.warns(DataWarning) as caught:
        discover(frame, "pc")
    texts = [str(w.message) for w in caught]
    for column in ("same", "twin", "void", "b"):
        assert any(repr(column) in text for text in texts)
    assert all(w.filename == __file__ for w in caught)


def test_ordinary_data_bring_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        discover(world(), "pc")


def test_what_was_odd_is_told_once_by_whoever_read_the_window():
    frame = world().assign(void=np.nan)
    codes = [n.code for n in learn_graph(Snapshot.from_frame(frame), "pc").notes]
    assert "all_missing" not in codes  # it is in Snapshot.notes
    assert [n.code for n in learn_graph(frame, "pc").notes].count("all_missing") == 1


# ---- what causal-learn 0.1.4 does wrong -------------------------------------------------------
def class_of(graph) -> set[tuple[str, str, str]]:
    return {(e.a, e.mark, e.b) for e in graph}


CLASS = {("a", "-->", "c"), ("b", "-->", "c"), ("c", "-->", "d")}


def test_a_constant_column_gets_no_edge_in_pc_where_causal_learn_draws_wrong_ones():
    assert class_of(discover(world().assign(k=3.0), "pc")) == CLASS


def test_a_duplicate_stops_no_pc_where_causal_learn_meets_a_singular_matrix():
    graph = discover(world().assign(twin=lambda f: f.a), "pc")
    assert class_of(graph) == CLASS | {("a", "---", "twin")}


def test_missing_values_leave_ges_its_edges_where_causal_learn_returns_none():
    assert class_of(discover(with_holes(), "ges")) == CLASS


def test_missing_values_do_not_hang_boss_where_causal_learn_never_returns():
    assert class_of(discover(with_holes(), "boss")) == CLASS


@pytest.mark.parametrize("method", ["boss", "ges", "pc"])
def test_missing_values_of_columns_that_hang_together_make_no_edges(method):
    """Moments of pairs from different rows do not fit together; complete rows are taken instead."""
    right = 0
    for seed in range(4):
        rng = np.random.default_rng(seed)
        a, c = rng.normal(size=(2, 1200))
        b = a + 0.6 * rng.normal(size=1200)
        y = b + c + 0.5 * rng.normal(size=1200)
        frame = pd.DataFrame({"a": a, "b": b, "c": c, "y": y})
        frame = frame.where(rng.random(frame.shape) > 0.15)
        pairs = pairs_of(learn_graph(frame, method))
        right += pairs == {frozenset("ab"), frozenset("by"), frozenset("cy")}
    assert right >= 3


@pytest.mark.parametrize("method", ["pc", "fci", "boss"])
def test_a_copy_that_misses_some_values_is_joined_to_its_original_alone(method):
    rng = np.random.default_rng(0)
    lost = rng.random(ROWS) < 0.2
    frame = world().assign(twin=lambda f: np.where(lost, np.nan, 3 - 2 * f.a))
    with pytest.warns(DataWarning, match="'twin' repeats 'a'"):
        graph = discover(frame, method=method)
    assert {frozenset((e.a, e.b)) for e in graph} == TRUE | {frozenset(("a", "twin"))}


def test_a_category_that_misses_some_values_is_seen_to_be_a_copy():
    rng = np.random.default_rng(1)
    city = rng.choice(["a", "b", "c"], size=ROWS)
    code = np.char.add("code ", city).astype(object)
    code[rng.random(ROWS) < 0.2] = None
    other = np.where(rng.random(ROWS) < 0.5, "u", "v")
    frame = pd.DataFrame({"city": city, "code": code, "other": other})
    with pytest.warns(DataWarning, match="'code' repeats 'city'"):
        graph = discover(frame, method="pc")
    assert [{e.a, e.b} for e in graph] == [{"city", "code"}]
