import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from whydrift import WhydriftError
from whydrift.monitor.diagnosis.alarm_budget import (
    DAYS_PER_MONTH,
    WHOLE,
    AlarmBudget,
    Ledger,
    Purpose,
    opens_gate,
)
from whydrift.monitor.diagnosis.error_control import holm, holm_adjusted
from whydrift.monitor.diagnosis.mechanism.combination import cauchy_combination

DAILY = DAYS_PER_MONTH

budgets = st.builds(
    AlarmBudget,
    windows_per_month=st.floats(0.1, 50_000),
    false_alarms_per_month=st.floats(0.001, 10),
    stages=st.integers(1, 2),
    segments=st.lists(st.text("abc", min_size=1, max_size=4), max_size=5, unique=True).map(tuple),
)


@given(budgets)
def test_levels_never_allow_more_false_alarms_than_granted(budget):
    assert budget.bound <= budget.false_alarms_per_month * (1 + 1e-12)
    shares = [budget.share(unit) for unit in (WHOLE, *budget.segments)]
    assert np.isclose(sum(shares), 1)


def test_the_levels_are_those_of_the_formula():
    budget = AlarmBudget(DAILY, 0.2)
    assert budget.level() == pytest.approx(0.6 * 0.2 / DAILY)
    assert budget.level(Purpose.FAULT) == pytest.approx(0.2 * 0.2 / DAILY)
    with_labels = AlarmBudget(DAILY, 0.2, stages=2, segments=("de", "fr"))
    assert with_labels.level() == pytest.approx(0.6 * 0.2 * 0.5 / (2 * DAILY))
    assert with_labels.level(segment="de") == pytest.approx(0.6 * 0.2 * 0.25 / (2 * DAILY))
    assert sum(p.share for p in Purpose) == pytest.approx(1)


def test_a_rare_window_gets_no_level_above_five_percent():
    assert AlarmBudget(1, 0.2).level() == 0.05


def test_false_alarms_of_a_simulated_year_stay_within_the_budget():
    """Each window's p-value shares most of its noise with the last: dependence does not matter."""
    rng = np.random.default_rng(5)
    budget = AlarmBudget(DAILY, 2.0)
    months, monitors = 12, 400
    windows = round(months * DAILY)
    noise = rng.normal(size=(monitors, windows))
    for t in range(1, windows):
        noise[:, t] = 0.8 * noise[:, t - 1] + 0.6 * noise[:, t]
    from scipy.stats import norm

    alarms = (norm.sf(noise) <= budget.level()).sum() / monitors / months
    assert alarms == pytest.approx(0.6 * 2.0, rel=0.1)


@pytest.mark.parametrize(
    "wrong",
    [
        {"windows_per_month": 0},
        {"windows_per_month": 30, "false_alarms_per_month": float("nan")},
        {"windows_per_month": 30, "stages": 3},
        {"windows_per_month": 30, "segments": ("a", "a")},
        {"windows_per_month": 30, "segments": ("",)},
    ],
)
def test_impossible_budgets_are_refused_with_the_way_out(wrong):
    with pytest.raises(WhydriftError, match=r"Give|Name"):
        AlarmBudget(**wrong)


def test_an_unknown_segment_is_told_with_the_known_ones():
    with pytest.raises(WhydriftError, match="de, fr"):
        AlarmBudget(30, segments=("de", "fr")).level(segment="dk")


def test_the_ledger_tells_what_a_month_of_decisions_spent():
    budget, day = AlarmBudget(DAILY, 0.2), 86_400.0
    ledger = Ledger()
    for number in range(60):
        for purpose in (Purpose.DRIFT, Purpose.FAULT, Purpose.SLOW, Purpose.SLOW, Purpose.GRAPH):
            ledger = ledger.with_decision(number * day, budget.level(purpose))
    assert ledger.ratio(59 * day, budget) == pytest.approx(1, rel=0.03)
    assert ledger.since(30 * day).ratio(59 * day, budget) == pytest.approx(1, rel=0.03)
    assert Ledger().ratio(0.0, budget) == 0


def test_holm_adjusted_p_values_reject_what_holm_rejects():
    p = {"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.005}
    adjusted = holm_adjusted(p)
    assert adjusted == pytest.approx({"d": 0.02, "a": 0.03, "c": 0.06, "b": 0.06})
    for level in (0.01, 0.02, 0.05, 0.06, 0.2):
        assert holm(p, level) == {n for n, value in adjusted.items() if value <= level}
    assert holm_adjusted({}) == {}


def test_the_combined_p_value_keeps_its_small_levels_under_dependence():
    rng = np.random.default_rng(2)
    from scipy.stats import norm

    for correlation in (0.0, 0.5, 0.95):
        common = rng.normal(size=(20_000, 1))
        own = rng.normal(size=(20_000, 6))
        p = norm.sf(np.sqrt(correlation) * common + np.sqrt(1 - correlation) * own)
        rejected = np.mean([cauchy_combination(list(row), [1.0] * 6) <= 0.004 for row in p])
        assert rejected <= 0.004 + 3 * np.sqrt(0.004 / 20_000)


def test_the_gate_stays_shut_on_quiet_segments_and_opens_for_a_loud_one():
    budget = AlarmBudget(DAILY, 0.2, segments=("de", "fr"))
    assert not opens_gate([0.4, 0.2, 0.9], budget)
    assert opens_gate([0.4, 1e-6, 0.9], budget)


def test_no_answer_opens_no_gate():
    assert not opens_gate([], AlarmBudget(DAILY))
