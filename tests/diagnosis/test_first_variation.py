"""A number that stood still in the reference and varies now."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom, hypergeom

import whydrift as wd
from tests.diagnosis.worlds import EDGES, houses
from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.monitor.diagnosis.diagnosis import ColumnResult, ColumnVerdict, ReasonCode
from whydrift.monitor.diagnosis.first_variation import FirstVariation
from whydrift.monitor.diagnosis.mechanism.residual_scores import ResidualScores
from whydrift.monitor.diagnosis.pair import WindowPair

ROWS = 800


def judged(values: np.ndarray, edges=(), **shifts) -> ColumnResult:
    reference = houses(ROWS, 1).assign(k=3.0)
    current = houses(ROWS, 2, **shifts).assign(k=values)
    return wd.compare(reference, current, graph=[*EDGES, *edges]).columns["k"]


def switched(share: float) -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.where(rng.random(ROWS) < share, 3 + rng.normal(size=ROWS), 3.0)


@pytest.mark.parametrize("share", [0.02, 0.3, 1.0])
def test_it_is_a_source_without_causes_and_a_mechanism_with_them(share):
    root = judged(switched(share))
    assert root.verdict is ColumnVerdict.SOURCE
    assert "share of values other than 3" in root.reason
    assert root.effect.value == pytest.approx(share, abs=0.05)
    child = judged(switched(share), [("income", "k")], income_shift=0.5)
    assert child.verdict is ColumnVerdict.MECHANISM


def test_a_setting_that_was_changed_for_good_is_told_and_a_short_event_is_left_open():
    late = np.where(np.arange(ROWS) < 500, 3.0, 4.0)
    assert judged(late).verdict is ColumnVerdict.SOURCE
    event = np.where((np.arange(ROWS) > 500) & (np.arange(ROWS) < 560), 3.0 + np.arange(ROWS), 3.0)
    found = judged(event)
    assert found.verdict is ColumnVerdict.UNDETERMINED
    assert found.reason_code is ReasonCode.TOO_DEPENDENT
    assert "did for a while" in found.reason


def test_a_cause_that_went_where_the_reference_never_was_is_not_blamed_on_the_child():
    def overflow(frame: pd.DataFrame) -> pd.DataFrame:
        return frame.assign(k=np.maximum(0.0, frame["income"] - 4.5))

    reference, current = overflow(houses(ROWS, 1)), overflow(houses(ROWS, 2, income_shift=2.5))
    assert reference["k"].nunique() == 1
    found = wd.compare(reference, current, graph=[*EDGES, ("income", "k")]).columns
    assert found["income"].verdict is ColumnVerdict.MECHANISM
    assert found["k"].verdict in {ColumnVerdict.INHERITED, ColumnVerdict.UNDETERMINED}


def test_the_p_value_is_that_of_all_rows_dealt_into_one_window():
    values = np.full(ROWS, 3.0)
    values[[5, 90, 200, 310, 400, 555]] = 7.0, 8.0, 9.0, 7.0, 8.0, 9.0
    reference = Snapshot.from_frame(houses(ROWS, 1).assign(k=3.0))
    current = Snapshot.from_frame(houses(ROWS, 2).assign(k=values), schema=reference.schema)
    pair = WindowPair(reference, current, reference.schema.names)
    found = FirstVariation(ResidualScores())(pair, "k", ())
    assert found.p_value == pytest.approx(2 * hypergeom.pmf(6, 2 * ROWS, 6, ROWS), rel=0.1)


def test_rare_values_that_the_reference_happened_to_lack_keep_the_level():
    trials, alarms = 400, 0
    rng = np.random.default_rng(3)
    for _ in range(trials):
        both = np.where(rng.random(400) < 0.01, rng.normal(size=400), 0.0)
        frames = [pd.DataFrame({"k": part}) for part in np.split(both, 2)]
        reference = Snapshot.from_frame(frames[0], kinds={"k": "continuous"})
        current = Snapshot.from_frame(frames[1], schema=reference.schema)
        pair = WindowPair(reference, current, ("k",))
        p_value = FirstVariation(ResidualScores())(pair, "k", ()).p_value
        alarms += p_value is not None and p_value <= 0.05
    assert alarms <= binom.isf(1e-4, trials, 0.05)


def test_rows_of_one_cluster_count_once():
    users = np.repeat(np.arange(40), 20)
    reference = houses(ROWS, 1).assign(k=3.0, user=users)
    one = np.where(users == 7, 3 + np.arange(ROWS), 3.0)
    found = wd.compare(
        reference, houses(ROWS, 2).assign(k=one, user=users + 100), graph=EDGES, cluster="user"
    )
    assert found.columns["k"].verdict is ColumnVerdict.STABLE


def test_whole_numbers_that_spread_out_from_one_value_are_no_placeholders():
    values = np.random.default_rng(0).integers(0, 40, ROWS)
    found = wd.compare(
        houses(ROWS, 1).assign(k=0), houses(ROWS, 2).assign(k=values), graph=EDGES, target="price"
    )
    assert not found.fault
    assert found.columns["k"].verdict is ColumnVerdict.SOURCE
