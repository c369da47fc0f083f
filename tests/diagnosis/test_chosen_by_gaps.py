"""Rows that have all their values, and the column that says which rows these are."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

import whydrift as wd
from whydrift.discovery.graph import Graph
from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.monitor.diagnosis.chosen_by_gaps import ChosenByGaps
from whydrift.monitor.diagnosis.gaps import ThinnedPair
from whydrift.monitor.diagnosis.mechanism.base import MechanismTestResult
from whydrift.monitor.diagnosis.mechanism.registry import mechanism_test
from whydrift.monitor.diagnosis.pair import WindowPair

BACKWARDS = Graph.from_pairs(
    [("lactate", "creatinine"), ("creatinine", "died"), ("lactate", "died")]
)


def chance(log_odds: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-log_odds))


def ward(
    seed: int, policy: float = 0.0, *, rows: int = 2400, by: str = "creatinine", move: float = 0.0
) -> pd.DataFrame:
    """Lactate follows creatinine, and is measured where another column is high; death follows both.

    ``policy`` is added to the log-odds of a measurement, ``move`` to creatinine.
    """
    rng = np.random.default_rng(seed)
    creatinine = move + rng.normal(size=rows)
    lactate = 0.7 * creatinine + 0.7 * rng.normal(size=rows)
    died = (rng.random(rows) < chance(-1.5 + 0.8 * creatinine + 0.6 * lactate)).astype(int)
    frame = pd.DataFrame({"creatinine": creatinine, "lactate": lactate, "died": died})
    log_odds = 2.0 * died - 0.5 if by == "died" else 1.5 * creatinine
    measured = rng.random(rows) < chance(-0.2 + policy + log_odds)
    return frame.assign(lactate=np.where(measured, lactate, np.nan))


def asked(
    before: pd.DataFrame, after: pd.DataFrame, column: str, *parents: str
) -> MechanismTestResult:
    one = Snapshot.from_frame(before)
    two = Snapshot.from_frame(after, schema=one.schema)
    pair = WindowPair(one, two, tuple(before.columns))
    return ChosenByGaps(mechanism_test("residual_scores"))(pair, column, parents)


@pytest.mark.parametrize("graph", [None, BACKWARDS])
def test_a_change_of_who_is_measured_is_told_of_the_gaps_alone(graph):
    for seed in range(4):
        found = wd.compare(ward(seed), ward(seed + 50, 1.0), target="died", graph=graph)
        assert found.columns["creatinine"].verdict == "stable"
        lactate = found.columns["lactate"]
        assert (lactate.verdict, lactate.reason_code) == ("undetermined", "missingness_changed")
        assert found.ranking == ()
        assert "% of lactate is missing, " in found.summary
        assert "cannot tell" not in found.summary
        assert found.remedy.columns == ("lactate",)
        assert "why other rows have a value of lactate" in found.remedy.text


@pytest.mark.parametrize("policy", [0.0, 1.0])
def test_the_column_that_says_who_is_measured_is_still_found_where_it_moved(policy):
    found = [
        asked(ward(s), ward(s + 50, policy, move=0.7), "creatinine", "lactate") for s in range(10)
    ]
    assert sum(r.p_value is not None and r.p_value < 0.005 for r in found) >= 9


def test_who_is_measured_by_the_target_does_not_move_it_given_all_inputs():
    for seed in range(4):
        before, after = ward(seed, by="died"), ward(seed + 50, 1.0, by="died")
        found = wd.compare(before, after, target="died")
        assert found.conditional_shift is False
        assert found.columns["died"].verdict == "stable"


def window(seed: int, by: str, policy: float, *, rows: int = 1000, move: float = 0.0):
    """x follows z and w; whether z is known follows one of the three, or a limit of x."""
    rng = np.random.default_rng(seed)
    w = move + rng.normal(size=rows)
    z = move + 0.5 * w + rng.normal(size=rows)
    x = 0.6 * z + 0.5 * w + 0.8 * rng.normal(size=rows)
    if by == "limit":
        known = x > policy / 2
    else:
        known = rng.random(rows) < chance(1.5 * {"x": x, "z": z, "w": w}[by] + policy)
    return pd.DataFrame({"z": np.where(known, z, np.nan), "w": w, "x": x})


@pytest.mark.parametrize("move", [0.0, 0.5])
@pytest.mark.parametrize("by", ["x", "z", "w", "limit"])
def test_whatever_gaps_follow_a_column_is_told_as_seldom_as_the_level_says(by, move):
    trials, level = 40, 0.05
    found = [
        asked(window(s, by, 0.0), window(s + 500, by, 1.0, move=move), "x", "z", "w")
        for s in range(trials)
    ]
    told = sum(r.p_value is not None and r.p_value <= level for r in found)
    assert told <= binom.isf(1e-3, trials, level)


def test_own_gaps_that_follow_a_column_which_is_no_parent_are_no_change():
    found = [asked(ward(s), ward(s + 50, 1.0), "lactate") for s in range(20)]
    told = sum(r.p_value is not None and r.p_value <= 0.05 for r in found)
    assert told <= binom.isf(1e-3, 20, 0.05)


def test_a_column_with_a_few_gaps_of_its_own_says_where_others_are():
    def lacking(frame: pd.DataFrame, seed: int) -> pd.DataFrame:
        gone = np.random.default_rng(seed).random(len(frame)) < 0.05
        return frame.assign(creatinine=frame["creatinine"].mask(gone))

    found = [
        asked(lacking(ward(s), s), lacking(ward(s + 50, 1.0), s + 1), "creatinine", "lactate")
        for s in range(20)
    ]
    told = sum(r.p_value is not None and r.p_value <= 0.05 for r in found)
    assert told <= binom.isf(1e-3, 20, 0.05)


def test_without_gaps_a_test_is_done_once():
    made = []

    def make():
        made.append(1)
        return mechanism_test("residual_scores")()

    before = ward(1, 50.0).astype(float)
    after = ward(2, 50.0, move=1.0)
    one = Snapshot.from_frame(before)
    pair = WindowPair(one, Snapshot.from_frame(after, schema=one.schema), tuple(before.columns))
    p_value = ChosenByGaps(make)(pair, "creatinine", ("lactate",)).p_value
    assert p_value is not None and p_value < 1e-6
    assert len(made) == 1


def test_a_thinned_pair_asks_of_the_rows_kept_alone():
    before, after = ward(1), ward(2)
    one = Snapshot.from_frame(before)
    pair = WindowPair(one, Snapshot.from_frame(after, schema=one.schema), tuple(before.columns))
    kept = np.arange(len(pair.is_current)) % 2 == 0
    thin = ThinnedPair.of(pair, kept)
    assert (thin.complete(("lactate",)) == (pair.complete(("lactate",)) & kept)).all()
    assert thin.features("lactate") is pair.features("lactate")
