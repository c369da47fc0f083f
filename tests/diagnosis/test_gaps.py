"""Which values are missing, beside how many."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

from whydrift.discovery.graph import Graph
from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.monitor.diagnosis.compare import compare
from whydrift.monitor.diagnosis.diagnosis import ColumnResult, ColumnVerdict, ReasonCode
from whydrift.monitor.diagnosis.gaps import GapPair
from whydrift.monitor.diagnosis.mechanism.registry import mechanism_test
from whydrift.monitor.diagnosis.pair import WindowPair

GRAPH = Graph.from_pairs([("a", "b"), ("b", "y")])


def window(seed: int, slope: float, level: float, *, kind: str = "number") -> pd.DataFrame:
    """b follows a, and is missing with log-odds level + slope · a."""
    rng = np.random.default_rng(seed)
    a = rng.normal(size=2000)
    b = 0.8 * a + rng.normal(size=2000)
    y = b + rng.normal(size=2000)
    values = b.astype(object) if kind == "number" else np.where(b > 0.5, "high", "low")
    values = np.where(rng.random(2000) < 1 / (1 + np.exp(-level - slope * a)), None, values)
    frame = pd.DataFrame({"a": a, "b": values, "y": y})
    return frame.astype({"b": float}) if kind == "number" else frame


def b_of(reference: pd.DataFrame, current: pd.DataFrame) -> ColumnResult:
    a = Snapshot.from_frame(reference)
    b = Snapshot.from_frame(current, schema=a.schema)
    return compare(a, b, graph=GRAPH, target="y").columns["b"]


@pytest.mark.parametrize("kind", ["number", "category"])
@pytest.mark.parametrize("now", [(2.0, -2.72), (6.0, -6.3)])
def test_gaps_that_came_to_follow_a_cause_at_the_same_share_are_told(kind, now):
    before, after = window(1, 0.0, -1.73, kind=kind), window(2, *now, kind=kind)
    assert abs(before["b"].isna().mean() - after["b"].isna().mean()) < 0.02
    b = b_of(before, after)
    assert b.verdict is ColumnVerdict.UNDETERMINED
    assert b.reason_code is ReasonCode.MISSINGNESS_CHANGED
    assert "or which" in b.reason


def test_gaps_that_follow_a_cause_as_they_did_are_nothing_to_tell():
    assert b_of(window(1, 2.0, -2.72), window(2, 2.0, -2.72)).verdict is ColumnVerdict.STABLE


@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_gaps_are_told_as_seldom_as_the_level_says_when_only_the_cause_moved(shift):
    trials, level, told = 80, 0.05, 0
    test = mechanism_test("residual_scores")
    for seed in range(trials):
        rng = np.random.default_rng(seed)
        frames = []
        for mean in (0.0, shift):
            a = mean + rng.normal(size=500)
            gone = rng.random(500) < 1 / (1 + np.exp(2.0 - a))
            frames.append(pd.DataFrame({"a": a, "b": np.where(gone, np.nan, rng.normal(size=500))}))
        one = Snapshot.from_frame(frames[0])
        pair = WindowPair(one, Snapshot.from_frame(frames[1], schema=one.schema), ("a", "b"))
        p_value = test()(GapPair.of(pair, "b"), "b", ("a",)).p_value
        told += p_value is not None and p_value <= level
    assert told <= binom.isf(1e-6, trials, level)


def rows_of(seed: int, *, of_values: bool, of_gaps: bool) -> pd.DataFrame:
    """Two columns; of the second, values or gaps may come in runs."""
    rng = np.random.default_rng(seed)
    runs = np.repeat(rng.normal(size=40), 20)
    b = runs + 0.1 * rng.normal(size=800) if of_values else rng.normal(size=800)
    by = np.repeat(rng.random(40), 20) if of_gaps else rng.random(800)
    return pd.DataFrame({"a": rng.normal(size=800), "b": np.where(by < 0.3, np.nan, b)})


@pytest.mark.parametrize("of_values", [False, True])
@pytest.mark.parametrize("of_gaps", [False, True])
def test_a_pair_for_gaps_shares_what_is_known_of_the_other_columns_alone(of_values, of_gaps):
    first, second = (rows_of(s, of_values=of_values, of_gaps=of_gaps) for s in (1, 2))
    one = Snapshot.from_frame(first)
    pair = WindowPair(one, Snapshot.from_frame(second, schema=one.schema), ("a", "b"))
    gaps = GapPair.of(pair, "b")
    assert pair.is_autocorrelated == of_values
    assert gaps.is_autocorrelated == of_gaps
    assert gaps.features("a") is pair.features("a")
    assert gaps.observed("a") is pair.observed("a")
    assert gaps.observed("b").all() and not pair.observed("b").all()
