"""Windows that are each a little odd."""

import numpy as np
import pytest
from scipy.stats import combine_pvalues

from whydrift.monitor.diagnosis.slow_scale import slow_scale


def test_faint_evidence_in_a_row_adds_up():
    assert slow_scale([0.02] * 7, 7) < 1e-4
    assert slow_scale([0.5] * 7, 7) > 0.3


def test_it_is_fishers_method_over_the_newest_windows():
    p_values = [1e-9, *np.random.default_rng(1).random(7)]
    reference = combine_pvalues(p_values[1:], method="fisher").pvalue
    assert slow_scale(p_values, 7) == pytest.approx(reference)


def test_too_few_windows_have_no_answer():
    assert slow_scale([0.01] * 6, 7) is None


def test_a_p_value_of_zero_is_not_the_last_word():
    assert slow_scale([0.0, *[0.9] * 29], 30) > 0.01


def test_a_shared_reference_hardly_raises_the_rate_of_false_alarms():
    """Seven windows against the same 28 past ones: 5 % asked, at most 6 % found."""
    rng = np.random.default_rng(2)
    from scipy.stats import norm

    past, now = rng.normal(size=(20_000, 28)), rng.normal(size=(20_000, 7))
    z = (now - past.mean(axis=1, keepdims=True)) / np.sqrt(1 + 1 / 28)
    p_values = 2 * norm.sf(np.abs(z))
    found = np.mean([slow_scale(list(row), 7) <= 0.05 for row in p_values])
    assert found <= 0.06


@pytest.mark.parametrize("windows", [7, 30])
@pytest.mark.parametrize("anchor", [14, 28])
def test_an_anchor_that_learned_too_little_spread_does_not_alarm_for_ever(anchor, windows):
    """How much windows differ is learned from the anchor: its error is in all of them."""
    rng = np.random.default_rng(3)
    from scipy.special import stdtr

    past, now = rng.normal(size=(10_000, anchor)), rng.normal(size=(10_000, windows))
    error = past.std(axis=1, ddof=1, keepdims=True) * np.sqrt(1 + 1 / anchor)
    z = (now - past.mean(axis=1, keepdims=True)) / error
    rows = (2 * stdtr(anchor - 1, -np.abs(z))).tolist()
    found = np.mean([slow_scale(row, windows, anchor=anchor) <= 0.001 for row in rows])
    alone = np.mean([slow_scale(row, windows) <= 0.001 for row in rows])
    assert found <= 0.002 < alone


def test_a_drift_that_stays_is_seen_beside_an_anchor_too():
    assert slow_scale([0.002] * 7, 7, anchor=14) < 1e-4
    assert slow_scale([0.03] * 30, 30, anchor=28) < 1e-4
