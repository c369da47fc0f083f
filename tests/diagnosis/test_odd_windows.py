"""Odd windows, found by people who tried to break the comparison."""

import numpy as np
import pandas as pd
import pytest

import whydrift as wd


def houses(rows=500, seed=0, shift=0.0):
    """a causes b, b and c cause y."""
    rng = np.random.default_rng(seed)
    a = rng.normal(size=rows) + shift
    b = a + 0.6 * rng.normal(size=rows)
    c = rng.normal(size=rows)
    y = b + c + 0.5 * rng.normal(size=rows)
    return pd.DataFrame({"a": a, "b": b, "c": c, "y": y})


@pytest.mark.parametrize("words", [(False, True), ("u", "w")])
def test_a_category_that_was_constant_and_varies_now_is_a_fault(words):
    switched = np.where(np.random.default_rng(0).random(500) < 0.3, words[1], words[0])
    diagnosis = wd.compare(
        houses().assign(k=words[0]), houses(500, 1).assign(k=switched), target="y"
    )
    assert diagnosis.columns["k"].verdict == "fault"


def test_a_past_window_without_a_column_is_named():
    past = [houses(300, i) for i in range(16)]
    past[3] = past[3].drop(columns="c")
    with pytest.raises(wd.WhydriftError, match=r"reference window 4: column 'c'"):
        wd.compare(past, houses(300, 99), target="y")


@pytest.mark.parametrize("huge", [1e155, np.finfo(float).max])
def test_a_number_too_large_to_square_counts_as_missing_and_is_told(huge):
    current = houses(500, 1)
    current.loc[0, "c"] = huge
    diagnosis = wd.compare(houses(), current, target="y")
    assert diagnosis.verdict == "none"
    assert ("infinite_values", "c") in {(w.code, w.column) for w in diagnosis.warnings}
    wd.discover(houses().assign(k=lambda d: d.a.clip(-1, 1) * 1.7e308, d=1.0 * np.arange(500)))


def test_one_cluster_for_all_rows_is_refused():
    windows = [houses().assign(u=1), houses(500, 2, shift=1.0).assign(u=1)]
    with pytest.raises(wd.WhydriftError, match="all rows would belong together"):
        wd.compare(*windows, cluster="u", target="y")


def test_intervals_and_whole_numbers_beyond_64_bits_are_read():
    frame = houses().assign(k=lambda d: pd.cut(d.a, 4))
    assert any("k" in {edge.a, edge.b} for edge in wd.discover(frame))
    long = houses().assign(k=[10**30 + i for i in range(500)])
    assert wd.discover(long, columns=["a", "b", "y"]).edges


@pytest.mark.parametrize(
    "wrong", [{"random_state": -1}, {"bootstrap": 2.5}, {"method": None}, {"score": 3}]
)
def test_options_of_another_type_are_refused_in_plain_words(wrong):
    with pytest.raises(wd.WhydriftError, match=next(iter(wrong))):
        wd.discover(houses(), **wrong)
    with pytest.raises(wd.WhydriftError, match="floor"):
        wd.compare(houses(), houses(500, 1), floor="x")
