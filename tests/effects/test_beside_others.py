"""An event of one series beside others left alone: what moved all of them is no effect."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from whydrift.discovery.errors import SchemaError, TooFewRows
from whydrift.effects import Effect, Outcome
from whydrift.effects.panel.beside_others import change_beside_others


def series(seed=0, *, before=14, after=10, others=6, effect=0.0, shared=2.0, drift=0.0):
    rng = np.random.default_rng(seed)
    windows = before + after
    level = rng.uniform(2, 4, others + 1)[:, None]
    table = level + shared * rng.normal(size=windows) + 0.2 * rng.normal(size=(others + 1, windows))
    is_after = np.arange(windows) >= before
    table[0] += effect * is_after + drift * np.arange(windows)
    return table, is_after


def change(table, is_after, **options) -> Effect:
    named = [f"shop-{i}" for i in range(1, len(table))]
    return change_beside_others(
        table[0], table[1:], is_after, event="release 12", outcome="absolute_error", name="shop-0",
        other_names=named, **options,
    )  # fmt: skip


def test_what_moved_everybody_is_taken_away_and_the_effect_is_found():
    table, is_after = series(effect=1.0)
    table += 3.0 * is_after  # for all
    effect = change(table, is_after, units="EUR")
    assert effect.low < 1.0 < effect.high and effect.high - effect.low < 0.6
    assert effect.p_value < 1e-4 and effect.units == "EUR" and effect.is_credible
    assert effect.check("others_moved_as_much").outcome is Outcome.PASS
    assert effect.check("parallel_before").outcome is Outcome.PASS
    assert Effect.from_dict(effect.to_dict()) == effect


def test_intervals_hold_the_truth_as_often_as_they_say():
    trials = 600
    held = sum(e.low <= 0.5 <= e.high for e in (
        change(*series(seed, effect=0.5)) for seed in range(trials)
    ))  # fmt: skip
    # They may be longer than they need be where windows do not depend on each other.
    assert binom.ppf(1e-6, trials, 0.95) <= held <= binom.isf(1e-6, trials, 0.98)


def test_windows_that_remember_the_one_before_do_not_make_an_effect():
    rng = np.random.default_rng(5)
    trials, missed = 400, 0
    for _ in range(trials):
        noise = rng.normal(size=(5, 90))
        for t in range(1, 90):
            noise[:, t] += 0.5 * noise[:, t - 1]
        effect = change(noise[:, 50:], np.arange(40) >= 20)
        missed += not effect.low <= 0 <= effect.high
    assert missed <= binom.isf(1e-6, trials, 0.07)


def test_a_series_that_went_its_own_way_before_is_not_believed():
    effect = change(*series(drift=0.2))
    assert effect.check("parallel_before").outcome is Outcome.FAIL
    assert "did not go as they did" in effect.check("parallel_before").sentence


def test_others_that_moved_as_much_without_the_event_are_named():
    table, is_after = series(effect=0.5)
    table[3] -= 2.0 * is_after
    check = change(table, is_after).check("others_moved_as_much")
    assert check.outcome is Outcome.WARN and "shop-3" in check.sentence


def test_shares_make_different_losses_alike():
    table, is_after = series(shared=0.1, effect=0.0)
    table *= np.array([1, 10, 100, 1, 10, 100, 1])[:, None]
    table[0] *= 1 + 0.5 * is_after
    effect = change(table, is_after, relative=True, units="EUR")
    assert effect.value == pytest.approx(0.5, abs=0.05) and effect.units == ""
    with pytest.raises(SchemaError, match="mean of shop-1 before the event is"):
        change(np.vstack([table[0], -table[1:]]), is_after, relative=True)


def test_others_with_missing_windows_are_left_out_and_named():
    table, is_after = series(effect=1.0)
    table[0, 3] = table[2, 5] = np.nan
    effect = change(table, is_after)
    assert effect.n == 23 and "shop-2" in effect.warnings[0].text
    table[1:, 7] = np.nan
    with pytest.raises(SchemaError, match="nobody to compare shop-0 with"):
        change(table, is_after)


def test_too_few_windows_are_refused():
    table, is_after = series(after=2)
    with pytest.raises(TooFewRows, match="2 windows after the event"):
        change(table, is_after)
