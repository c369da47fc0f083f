"""Which values are missing, beside how many."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

import whydrift as wd
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


def admissions(seed: int, later: float, *, kind: str = "number", rows: int = 3000) -> pd.DataFrame:
    """Whether someone is admitted follows age and pulse, from 65 on otherwise later; never lab."""
    rng = np.random.default_rng(seed)
    age, pulse = rng.integers(0, 95, rows), rng.normal(size=rows)
    lab: np.ndarray = rng.normal(size=rows).round(2)
    if kind == "category":
        lab = np.where(lab > 0, "high", "low")
    lab = np.where(rng.random(rows) < 0.7, None, lab.astype(object))
    log_odds = -1.5 + 0.6 * pulse + later * (age > 65)
    y = (rng.random(rows) < 1 / (1 + np.exp(-log_odds))).astype(int)
    frame = pd.DataFrame({"age": age, "pulse": pulse, "lab": lab, "y": y})
    return frame.astype({"lab": float}) if kind == "number" else frame


ADMISSIONS = Graph.from_pairs([("age", "y"), ("pulse", "y"), ("age", "lab")])


@pytest.mark.parametrize("kind", ["number", "category"])
def test_gaps_of_a_column_beside_the_matter_do_not_hide_what_the_inputs_say(kind):
    before, after = admissions(1, 0.0, kind=kind), admissions(2, 1.0, kind=kind)
    found = wd.compare(before, after, graph=ADMISSIONS, target="y")
    assert found.verdict == "mechanism" and found.columns["y"].verdict == "mechanism"
    assert found.conditional_shift is True and found.shift_type == "concept"
    assert not [w.code for w in found.warnings if w.code == "graph_contradicts_data"]


def test_filled_gaps_are_told_for_a_change_as_seldom_as_the_level_says():
    trials, level, told = 60, 0.05, 0
    for seed in range(trials):
        frames = [admissions(seed + part, 0.0, rows=600) for part in (0, trials)]
        frames[1]["lab"] = frames[1]["lab"].where(frames[1].index % 3 > 0)  # more gaps, too
        found = wd.compare(*frames, graph=ADMISSIONS, target="y")
        told += bool(found.conditional_shift)
    assert told <= binom.isf(1e-4, trials, level)


def test_too_few_complete_rows_do_not_gainsay_a_mechanism_that_moved():
    """An effect of the target that mostly lacks a value: what is left of the rows shows nothing."""

    def rows(seed: int, lift: float) -> pd.DataFrame:
        rng = np.random.default_rng(seed)
        a = rng.normal(size=1500)
        y = 0.8 * a + lift + rng.normal(size=1500)
        b = np.where(rng.random(1500) < 0.7, np.nan, 0.7 * y + rng.normal(size=1500))
        return pd.DataFrame({"a": a, "b": b, "y": y})

    found = wd.compare(rows(0, 0.0), rows(50, 0.2), graph=[("a", "y"), ("y", "b")], target="y")
    assert found.verdict == "mechanism"
    assert found.conditional_shift is None and found.shift_type is None
    (note,) = [w for w in found.warnings if w.code == "conditional_in_doubt"]
    assert "too few to gainsay it" in note.text
