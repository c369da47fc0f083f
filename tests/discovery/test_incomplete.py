"""Moments of rows with missing values, and the graphs learned from them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from whydrift.discovery import DataWarning, Knowledge, discover
from whydrift.discovery.scores.incomplete import (
    affordable_rows,
    likeliest_moments,
    rows_in_common,
)


def test_moments_are_the_likeliest_where_those_have_a_closed_form():
    # Anderson (1957), Maximum likelihood estimates for a multivariate normal distribution when
    # some observations are missing: y is regressed on x where both are seen.
    rng = np.random.default_rng(0)
    x = rng.normal(size=3000)
    y = 0.8 * x + 0.6 * rng.normal(size=3000)
    y[x + 0.5 * rng.normal(size=3000) > 0.3] = np.nan  # for reasons that the row shows
    both = np.isfinite(y)
    slope = np.cov(x[both], y[both])[0, 1] / x[both].var(ddof=1)
    mean = y[both].mean() + slope * (x.mean() - x[both].mean())
    variance = y[both].var() + slope**2 * (x.var() - x[both].var())
    found = likeliest_moments(np.column_stack([x, y]))
    assert found[0, 2] == pytest.approx(mean, abs=0.01)
    assert found[2, 2] - found[0, 2] ** 2 == pytest.approx(variance, abs=0.02)
    assert found[1, 2] - found[0, 1] * found[0, 2] == pytest.approx(slope * x.var(), abs=0.01)
    assert abs(y[both].mean() - mean) > 0.2  # the rows that have both say something else


def test_complete_rows_give_their_own_moments():
    values = np.random.default_rng(1).normal(size=(200, 3))
    wide = np.column_stack([np.ones(200), values])
    assert likeliest_moments(values) == pytest.approx(wide.T @ wide / 200, abs=1e-9)


def test_features_that_were_never_seen_or_never_vary_spoil_nothing():
    values = np.random.default_rng(2).normal(size=(100, 4))
    values[:, 1] = np.nan
    values[:, 2] = 1.0
    values[::3, 0] = values[1::3, 2] = np.nan
    found = likeliest_moments(values)
    assert np.isfinite(found).all()
    assert found[2].tolist() == [0.0, 0.0, 1.0, 0.0, 0.0]
    assert rows_in_common(np.isfinite(values)) == np.isfinite(values[:, [0, 2]]).all(axis=1).sum()
    assert np.array_equal(likeliest_moments(np.full((5, 2), np.nan)), np.eye(3))


def test_rows_are_left_out_where_all_of_them_would_take_minutes():
    few = np.ones((1000, 50), dtype=bool)
    assert np.array_equal(affordable_rows(few), np.arange(1000))
    many = np.random.default_rng(3).random((4000, 500)) < 0.6
    assert 100 < len(affordable_rows(many)) < 1000


@pytest.mark.parametrize("by_chance", [True, False])
def test_holes_in_columns_that_hang_together_make_no_edges(by_chance):
    # Hardly a row is complete. Moments of each pair from its own rows gave 50 false edges.
    rng = np.random.default_rng(4)
    columns, rows = 18, 600
    values = 0.6 * rng.normal(size=(rows, columns))
    truth = set()
    for j in range(1, columns):
        for k in rng.choice(j, min(j, 2), replace=False).tolist():
            values[:, j] += rng.choice([-0.9, 0.9]) * values[:, k] / values[:, k].std()
            truth.add(frozenset((f"x{j}", f"x{k}")))
    chance = 0.2 if by_chance else np.where(values[:, :1] > 0, 0.35, 0.05)
    missing = rng.random((rows, columns)) < chance
    values[:, 1:][missing[:, 1:]] = np.nan
    frame = pd.DataFrame(values, columns=[f"x{i}" for i in range(columns)])
    found = {frozenset((e.a, e.b)) for e in discover(frame, "boss", score="ebic")}
    assert len(found - truth) <= 3
    assert len(truth - found) <= 5


def chain_with_two_strangers() -> pd.DataFrame:
    """Return a → b → c → d → e and a → f, where no row has both e and f."""
    rng = np.random.default_rng(0)
    columns = {"a": rng.normal(size=2000)}
    for cause, effect in ("ab", "bc", "cd", "de", "af"):
        columns[effect] = 0.8 * columns[cause] + rng.normal(size=2000)
    frame = pd.DataFrame(columns)
    frame.loc[:999, "e"] = np.nan
    frame.loc[1000:, "f"] = np.nan
    return frame


@pytest.mark.parametrize("method", ["boss", "grasp", "ges"])
@pytest.mark.parametrize("score", ["ebic", "spline_ebic"])
def test_columns_that_no_row_has_both_of_are_left_apart_and_hide_no_other_edge(method, score):
    with pytest.warns(DataWarning, match="both 'e' and 'f'"):
        graph = discover(chain_with_two_strangers(), method, score=score)
    assert {"".join(sorted((e.a, e.b))) for e in graph} == {"ab", "bc", "cd", "de", "af"}


def test_a_column_that_makes_scores_count_few_rows_is_told():
    frame = chain_with_two_strangers()
    frame["f"] = frame["a"] + 0.1
    frame.loc[frame.index % 20 != 0, "f"] = np.nan
    frame["f"] += np.random.default_rng(1).normal(size=2000)
    with pytest.warns(DataWarning, match=r"count 50, .* without 'f'"):
        discover(frame, "boss", score="ebic")


def test_knowledge_may_join_columns_that_no_row_has_both_of():
    graph = discover(
        chain_with_two_strangers(),
        "boss",
        score="ebic",
        knowledge=Knowledge(required=(("e", "f"),)),
    )
    assert "f" in graph.children("e")


@pytest.mark.parametrize("method", ["pc", "fci"])
def test_searches_by_tests_tell_of_columns_that_no_row_has_both_of(method):
    with pytest.warns(DataWarning, match="both 'e' and 'f'"):
        graph = discover(chain_with_two_strangers(), method)
    assert not [e for e in graph if {e.a, e.b} == {"e", "f"}]
