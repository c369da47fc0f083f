"""A covariance matrix in place of rows: the same graphs, and nothing that needs rows."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from whydrift.discovery import (
    Covariance,
    Knowledge,
    OptionError,
    SchemaError,
    Snapshot,
    TooFewRows,
    WhydriftError,
    discover,
)
from whydrift.discovery.discover import learn_graph
from whydrift.discovery.search.registry import METHODS

FROM_COVARIANCE = [m.name for m in METHODS.values() if m.from_covariance]
BY_TEST = {"pc", "fci", "rfci"}


def options_of(method: str) -> dict[str, str]:
    return {"test": "fisher_z"} if method in BY_TEST else {"score": "bic"}


def covariance_of(snapshot: Snapshot) -> Covariance:
    names = snapshot.schema.names
    return Covariance(np.cov(snapshot.columns(names).T), names, rows=len(snapshot.sample))


# ---- the same graphs --------------------------------------------------------------------------
@pytest.mark.parametrize("method", FROM_COVARIANCE)
@pytest.mark.parametrize("columns", [8, 24])  # below and above what is worth compiling
def test_the_graph_is_that_of_the_rows(method, columns, random_dag, linear_gaussian, edges_of):
    names = tuple(f"v{i:02}" for i in range(columns))
    for seed in range(3):
        rng = np.random.default_rng(seed)
        window = linear_gaussian(random_dag(names, 2, rng), 800, rng)
        from_rows = discover(window, method, **options_of(method))
        from_matrix = discover(covariance_of(window), method, **options_of(method))
        assert edges_of(from_matrix) == edges_of(from_rows)
        assert len(from_rows) > 0


@pytest.mark.parametrize("method", FROM_COVARIANCE)
def test_constants_copies_and_sums_are_met_as_where_there_are_rows(method, edges_of):
    rng = np.random.default_rng(0)
    a, b, c = rng.normal(size=(3, 600))
    table = pa.table(
        {"c": c + a, "a": a, "b": b, "same": np.ones(600), "twin": 32 - 1.8 * a, "sum": a + b}
    )
    window = Snapshot.from_frame(table)
    from_rows = learn_graph(window, method, **options_of(method))
    from_matrix = learn_graph(covariance_of(window), method, **options_of(method))
    assert edges_of(from_matrix.graph) == edges_of(from_rows.graph)

    def told(found):
        return {
            (n.code, n.column)
            for n in found.notes
            if n.code in {"constant_column", "duplicate_column", "determined_column"}
        }

    assert told(from_matrix) == told(from_rows)
    assert {"constant_column", "duplicate_column", "determined_column"} == {
        code for code, _ in told(from_matrix)
    }


def test_columns_can_be_chosen_and_knowledge_is_honoured():
    rng = np.random.default_rng(1)
    a = rng.normal(size=500)
    b = a + rng.normal(size=500)
    matrix = Covariance(np.cov([a, b, rng.normal(size=500)]), ["a", "b", "c"], rows=500)
    known = Knowledge(tiers=[["b"], ["a"]])
    graph = discover(matrix, columns=["b", "a"], knowledge=known)
    assert graph.nodes == ("b", "a")
    assert graph.parents("a") == ("b",)
    with pytest.raises(SchemaError, match="Did you mean 'b'"):
        discover(matrix, columns=["a", "bb"])


def test_a_correlation_matrix_does_as_well_as_one_of_covariances(edges_of):
    rng = np.random.default_rng(2)
    values = rng.normal(size=(400, 4)) @ np.triu(rng.uniform(0.5, 1, size=(4, 4)))
    names = ["a", "b", "c", "d"]
    graphs = [
        discover(Covariance(m, names, 400)) for m in (np.cov(values.T), np.corrcoef(values.T))
    ]
    assert edges_of(graphs[0]) == edges_of(graphs[1])


# ---- what needs rows --------------------------------------------------------------------------
SMALL = Covariance([[1.0, 0.5], [0.5, 1.0]], ["a", "b"], rows=100)


@pytest.mark.parametrize("method", [m for m in METHODS if m not in FROM_COVARIANCE])
def test_a_method_that_needs_rows_says_which_do_not(method):
    with pytest.raises(OptionError, match=r"needs rows, and a covariance.*use one of: boss, "):
        discover(SMALL, method)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"method": "pc", "test": "gcm"}, "test 'gcm' needs rows"),
        ({"method": "boss", "score": "spline_bic"}, "score 'spline_bic' needs rows"),
        ({"bootstrap": 10}, "rows are drawn again for confidences"),
    ],
)
def test_what_needs_rows_is_refused(options, words):
    with pytest.raises(OptionError, match=words):
        discover(SMALL, **options)


def test_a_matrix_is_no_window_among_others():
    with pytest.raises(SchemaError, match="no window of rows"):
        discover([SMALL, SMALL])


def test_too_few_rows_and_columns_are_told_as_where_there_are_rows():
    with pytest.raises(TooFewRows, match="12 rows are too few"):
        discover(Covariance(np.eye(2), ["a", "b"], rows=12))
    with pytest.raises(SchemaError, match="only 'a' varies"):
        discover(Covariance(np.diag([1.0, 0.0]), ["a", "b"], rows=100))


# ---- matrices that are none -------------------------------------------------------------------
@pytest.mark.parametrize(
    ("matrix", "columns", "rows", "words"),
    [
        ([[1.0, 0.0]], ["a"], 100, "not square"),
        (np.eye(2), ["a"], 100, "2 columns, and 1 are named"),
        (np.eye(2), "ab", 100, "a single name"),
        (np.eye(2), ["a", "a"], 100, "'a' is named twice"),
        ([[1.0, 0.2], [0.4, 1.0]], ["a", "b"], 100, "not symmetric at 'a' and 'b'"),
        ([[1.0, np.nan], [np.nan, 1.0]], ["a", "b"], 100, "no number for 'a' and 'b'"),
        ([[-1.0, 0.0], [0.0, 1.0]], ["a", "b"], 100, "variance of 'a' is negative"),
        ([[0.0, 0.1], [0.1, 1.0]], ["a", "b"], 100, "'a' has no variance, and varies with 'b'"),
        ([[1.0, 2.0], [2.0, 1.0]], ["a", "b"], 100, "not positive semidefinite"),
        ([["x", 0.0], [0.0, 1.0]], ["a", "b"], 100, "does not hold numbers"),
        (np.eye(2), ["a", "b"], 1, "1 rows have no covariance"),
        (np.eye(2), ["a", "b"], np.inf, "inf is no number"),
    ],
)
def test_what_is_no_covariance_matrix_is_refused(matrix, columns, rows, words):
    with pytest.raises(WhydriftError, match=words):
        Covariance(matrix, columns, rows=rows)


def test_rounding_in_the_sixth_digit_and_any_scale_are_borne():
    rng = np.random.default_rng(3)
    values = rng.normal(size=(300, 3))
    values = np.column_stack([values, values.sum(axis=1)]) * [1e-120, 1e120, 1.0, 1e-3]
    matrix = np.cov(values.T)
    rounded = np.array([[float(f"{v:.7g}") for v in row] for row in matrix])
    assert discover(Covariance(rounded, list("abcd"), rows=300), "pc").nodes == tuple("abcd")
