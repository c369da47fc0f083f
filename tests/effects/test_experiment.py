"""Experiments: ratios, CUPED, clusters, several arms, looks before the end, power."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from scipy.stats import binom

import whydrift as wd
from tests.effects.worlds import real
from whydrift.effects import Outcome
from whydrift.effects.experiment.arms import measure_arms
from whydrift.effects.experiment.comparisons import compare_arms
from whydrift.effects.experiment.power import Plan, detectable_effect, rows_needed
from whydrift.effects.experiment.sequential import always_valid_p, always_valid_reach


def shop(rows: int = 2000, seed: int = 0, arms: int = 2, lift: float = 0.3) -> dict:
    rng = np.random.default_rng(seed)
    arm = rng.integers(0, arms, rows)
    last = rng.gamma(2.0, size=rows)
    spend = last + lift * (arm == arms - 1) + rng.normal(size=rows)
    return {"arm": np.array(list("abcd"))[arm], "last": last, "spend": spend,
            "day": np.arange(rows) // (rows // 20)}  # fmt: skip


def ab(data: dict, **given) -> wd.Effect:
    return wd.estimate(data, "arm", "spend", method="ab_test", **given)


# ---- means, ratios, CUPED, clusters -----------------------------------------------------------
def test_two_arms_give_welch_s_test():
    data = shop()
    effect = ab(data)
    one, two = (data["spend"][data["arm"] == arm] for arm in "ba")
    welch = stats.ttest_ind(one, two, equal_var=False)
    assert effect.value == pytest.approx(one.mean() - two.mean())
    assert effect.p_value == pytest.approx(welch.pvalue, rel=1e-9)
    assert (effect.low, effect.high) == pytest.approx(tuple(welch.confidence_interval()))
    assert effect.is_credible


def test_the_nsw_experiment_by_ab_test_is_the_same_1794_dollars():
    effect = wd.estimate(real("nsw"), "treat", "re78", method="ab_test", shares="unknown")
    assert round(effect.value, 2) == 1794.34 and round(effect.standard_error) == 671
    assert effect.check("sample_ratio").outcome is Outcome.WARN


def test_cuped_takes_out_what_was_known_before_and_shortens_the_interval():
    plain, cuped = ab(shop()), ab(shop(), before="last")
    assert cuped.standard_error < 0.7 * plain.standard_error
    assert cuped.adjustment == ("last",)
    assert "explains 6" in cuped.check("alike_before").sentence


def test_cuped_is_regression_with_one_slope_for_both_arms():
    import statsmodels.api as sm

    data = shop(500)
    design = sm.add_constant(np.column_stack([data["arm"] == "b", data["last"]]).astype(float))
    fitted = sm.OLS(data["spend"], design).fit()
    effect = ab(data, before="last")
    assert effect.value == pytest.approx(fitted.params[1], rel=1e-9)
    assert effect.standard_error == pytest.approx(fitted.HC1_se[1], rel=0.01)


def test_a_column_that_the_treatment_moved_is_not_from_before():
    data = shop()
    data["last"] = data["last"] + 0.5 * (data["arm"] == "b")
    effect = ab(data, before="last")
    assert effect.check("alike_before").outcome is Outcome.FAIL and not effect.is_credible


def test_a_ratio_of_sums_has_the_error_that_resampling_users_gives():
    rng = np.random.default_rng(1)
    users = 300
    sessions = 1 + rng.poisson(3, users)
    user = np.repeat(np.arange(users), sessions)
    arm = (rng.permutation(users) % 2)[user]
    views = 1 + rng.poisson(4, len(user))
    clicks = rng.binomial(views, np.clip(rng.beta(2, 6, users)[user] + 0.05 * arm, 0, 1))
    data = {"arm": arm, "user": user, "views": views, "clicks": clicks}
    effect = wd.estimate(data, "arm", "clicks", method="ab_test", per="views", cluster="user")
    ratio = [clicks[arm == a].sum() / views[arm == a].sum() for a in (0, 1)]
    assert effect.value == pytest.approx(ratio[1] - ratio[0])
    of_user = [np.bincount(user, weights=c, minlength=users) for c in (clicks, views)]
    draws = []
    for _ in range(400):
        sides = []
        for a in (0, 1):
            own = np.unique(user[arm == a])
            drawn = rng.choice(own, len(own))
            sides.append(of_user[0][drawn].sum() / of_user[1][drawn].sum())
        draws.append(sides[1] - sides[0])
    assert effect.standard_error == pytest.approx(np.std(draws), rel=0.12)
    assert effect.estimand.name == "ratio" and "clicks per views" in effect.estimand.words
    assert effect.check("sample_ratio").sentence.startswith("clusters: 150")


def test_the_relative_change_is_a_share_of_the_control():
    plain, relative = ab(shop()), ab(shop(), estimand="relative_ate")
    control = plain.details["arms"]["value"][0]
    assert relative.value == pytest.approx(plain.value / control)
    assert relative.estimand.name == "relative_ate"


def test_a_share_of_next_to_nothing_is_not_believed():
    data = shop()
    data["spend"] = data["spend"] - data["spend"][data["arm"] == "a"].mean() + 0.01
    effect = ab(data, estimand="relative_ate")
    assert effect.check("control_away_from_zero").outcome is Outcome.FAIL


def test_rows_of_one_cluster_in_several_arms_are_found():
    rng = np.random.default_rng(0)
    user = np.repeat(np.arange(100), 10)
    arm = (user % 2).copy()
    arm[:3] = 1 - arm[:3]
    data = {"arm": arm, "user": user, "y": rng.normal(size=1000)}
    effect = wd.estimate(data, "arm", "y", method="ab_test", cluster="user")
    assert effect.check("one_arm_each").outcome is not Outcome.PASS


# ---- sample ratio -----------------------------------------------------------------------------
def test_lost_rows_fail_the_sample_ratio():
    data = shop(4000)
    kept = (data["arm"] == "a") | (np.arange(4000) % 5 > 0)
    effect = ab({name: column[kept] for name, column in data.items()})
    found = effect.check("sample_ratio")
    assert found.outcome is Outcome.FAIL and found.value < 1e-3 and not effect.is_credible


@pytest.mark.parametrize("shares", [0.585, (0.415, 0.585), (415, 585), "equal"])
def test_the_sample_ratio_is_held_against_the_plan(shares):
    rng = np.random.default_rng(0)
    data = {"arm": (np.arange(2000) % 1000 < 585).astype(int), "spend": rng.normal(size=2000)}
    outcome = ab(data, shares=shares).check("sample_ratio").outcome
    assert outcome is (Outcome.FAIL if shares == "equal" else Outcome.PASS)
    plain = wd.estimate(data, "arm", "spend", method="difference_in_means", shares=shares)
    assert plain.check("sample_ratio").outcome is outcome


@pytest.mark.parametrize("shares", ["half", (0.5, 0.2, 0.3), (0.5, -0.5), 1.5])
def test_shares_that_cannot_be_are_refused(shares):
    with pytest.raises(wd.WhydriftError, match="no shares of 2 arms"):
        ab(shop(), shares=shares)


# ---- several arms -----------------------------------------------------------------------------
def test_dunnett_s_numbers_are_scipy_s():
    rng = np.random.default_rng(3)
    groups = [rng.normal(shift, 1, 400) for shift in (0, 0.05, 0.1, 0.2)]
    expected = stats.dunnett(*groups[1:], control=groups[0], rng=np.random.default_rng(0))
    ends = expected.confidence_interval()
    arms = measure_arms(tuple("abcd"), np.repeat(np.arange(4), 400), np.concatenate(groups))
    found = compare_arms(arms, level=0.95)
    # scipy pools the variances of all arms, ours are each arm's own.
    assert [c.p_value for c in found] == pytest.approx(expected.pvalue, abs=0.02)
    assert [c.low for c in found] == pytest.approx(ends.low, abs=0.01)
    assert [c.high for c in found] == pytest.approx(ends.high, abs=0.01)


def test_holm_steps_down_and_the_winner_is_said_to_look_better_than_it_is():
    effect = ab(shop(arms=4), correction="holm")
    assert effect.contrast == "arm = d against a"
    assert {note.code for note in effect.warnings} == {"winner_of_several"}
    raw = ab(shop(arms=4), correction="none").details["comparisons"]["p-value"]
    ordered = sorted(raw)
    expected = max(ordered[0] * 3, 0), max(ordered[0] * 3, ordered[1] * 2)
    found = sorted(effect.details["comparisons"]["p-value"])
    assert found[:2] == pytest.approx([min(1, p) for p in expected])


def test_a_correction_that_is_not_there_names_those_that_are():
    with pytest.raises(wd.WhydriftError, match="dunnett"):
        ab(shop(arms=3), correction="dunett")


# ---- looks ------------------------------------------------------------------------------------
def test_the_interval_for_every_look_agrees_with_its_p_value():
    for rows in (100, 1000, 50_000):
        reach = always_valid_reach(rows, 2000, 0.95)
        assert always_valid_p(reach, rows, 2000, 0.95) == pytest.approx(0.05)
    assert always_valid_p(0.0, 100, 2000, 0.95) == 1.0


def test_the_interval_for_every_look_is_shortest_at_the_planned_rows():
    at_plan = always_valid_reach(2000, 2000, 0.95)
    others = [always_valid_reach(2000, planned, 0.95) for planned in (500, 1500, 2700, 8000)]
    assert at_plan < min(others)


def test_looking_at_every_step_does_not_find_what_is_not_there():
    paths, looks, level = 300, np.unique(np.geomspace(100, 3000, 25).astype(int)), 0.95
    ever = np.zeros(2, dtype=int)
    for rng in np.random.default_rng(5).spawn(paths):
        outcome, arm = rng.exponential(size=3000), rng.integers(0, 2, 3000)
        missed = np.zeros(2, dtype=bool)
        for rows in looks:
            arms = measure_arms(("0", "1"), arm[:rows], outcome[:rows])
            for kind, planned in enumerate((1500, None)):
                c = compare_arms(arms, level=level, planned=planned)[0]
                missed[kind] |= not c.low <= 0 <= c.high
        ever += missed
    assert ever[0] <= binom.isf(1e-4, paths, 0.05)
    assert ever[1] > binom.isf(1e-4, paths, 0.05)  # what the ordinary interval does meanwhile


def test_an_experiment_over_time_shows_both_intervals():
    effect = ab(shop(), sequential=2000, time="day")
    looks = effect.details["looks"]
    assert effect.chart().name == "looks" and len(looks) >= 15
    assert looks["low"][-1] == pytest.approx(effect.low)
    assert looks["low at one look"][-1] > effect.low
    with pytest.raises(wd.WhydriftError, match="no number of rows"):
        ab(shop(), sequential=True)


def test_a_look_too_early_says_so():
    assert ab(shop(60), sequential=2000).check("first_look").outcome is Outcome.WARN


# ---- intervals hold what they say ---------------------------------------------------------------
@pytest.mark.parametrize("options", [{}, {"before": "last"}, {"estimand": "relative_ate"}])
def test_intervals_hold_the_truth_as_often_as_they_say(options):
    trials, truth = 300, 0.15 if options.get("estimand") else 0.3
    held = 0
    for seed in range(trials):
        effect = ab(shop(300, seed), **options)
        held += effect.low <= truth <= effect.high
    assert binom.ppf(1e-5, trials, 0.95) <= held <= binom.isf(1e-5, trials, 0.95)


def test_the_furthest_of_three_arms_that_do_nothing_is_called_different_in_one_of_twenty():
    trials = 120
    held = sum(
        effect.low <= 0 <= effect.high
        for effect in (ab(shop(400, seed, arms=4, lift=0.0)) for seed in range(trials))
    )
    assert binom.ppf(1e-5, trials, 0.95) <= held <= binom.isf(1e-5, trials, 0.95)


# ---- power ------------------------------------------------------------------------------------
def test_sample_sizes_are_those_of_the_textbook():
    # Two-sided 5 %, power 80 %, d = 0.5: 64 in each arm (Cohen 1988, table 2.4.1).
    assert rows_needed(0.5, Plan(1.0)) in {127, 128}
    assert detectable_effect(128, Plan(1.0)) == pytest.approx(0.5, abs=0.003)


def test_clusters_multiply_rows_and_what_is_known_before_divides_them():
    plain = rows_needed(0.1, Plan(1.0))
    assert rows_needed(0.1, Plan(1.0, cluster_rows=21, correlation=0.05)) == pytest.approx(
        2 * plain, rel=0.01
    )
    assert rows_needed(0.1, Plan(1.0, share_explained=0.5)) == pytest.approx(plain / 2, rel=0.01)
    assert rows_needed(0.1, Plan(1.0, sequential=True)) > 1.5 * plain
    assert rows_needed(0.1, Plan(1.0, shares=(1, 1, 1))) > 1.5 * plain


def test_an_experiment_of_the_planned_size_finds_the_effect_as_often_as_planned():
    rows, trials = rows_needed(0.4, Plan(math.sqrt(3.0))), 200
    found = sum(ab(shop(rows, seed, lift=0.4)).p_value < 0.05 for seed in range(trials))
    assert binom.ppf(1e-4, trials, 0.8) <= found <= binom.isf(1e-4, trials, 0.8)


@pytest.mark.parametrize("given", [{"spread": 0}, {"spread": 1, "power": 1}, {"spread": math.nan}])
def test_a_plan_that_cannot_be_is_refused(given):
    with pytest.raises(wd.WhydriftError, match="cannot be"):
        Plan(**given)
    with pytest.raises(wd.WhydriftError, match="cannot be found"):
        rows_needed(0.0, Plan(1.0))


# ---- bad input --------------------------------------------------------------------------------
def test_bad_experiments_are_refused_in_one_sentence():
    with pytest.raises(wd.WhydriftError, match="1 usable row in arm b"):
        ab({"arm": ["a", "a", "a", "b"], "spend": [1.0, 2.0, 3.0, 4.0]})
    with pytest.raises(wd.WhydriftError, match="one value"):
        ab({"arm": ["a"] * 4, "spend": [1.0, 2.0, 3.0, 4.0]})
    with pytest.raises(wd.WhydriftError, match="denominator"):
        ab({**shop(), "views": np.full(2000, -1.0)}, per="views")
    with pytest.raises(wd.WhydriftError, match="Did you mean"):
        ab(shop(), before="lsat")
    same = ab({"arm": ["a", "b"] * 20, "spend": [1.0, 2.0] * 20})
    assert not same.is_credible
