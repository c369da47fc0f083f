"""The remedy follows what a correction wins on held-out rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

import whydrift as wd
from whydrift.monitor.diagnosis.diagnosis import (
    Action,
    Diagnosis,
    Estimate,
    Metric,
    Remedy,
    Verdict,
)
from whydrift.monitor.diagnosis.gain import Gains
from whydrift.monitor.diagnosis.remedy import Case, choose_remedy


def numbers(
    rng: np.random.Generator,
    rows: int = 1500,
    *,
    shift: float = 0.0,
    slope: float = 1.0,
    bend: float = 0.0,
    noise: float = 0.5,
    harder: float = 0.0,
) -> pd.DataFrame:
    """y on two inputs, predicted by the line that fits where x is about 0."""
    x = shift + rng.normal(size=rows)
    z = rng.normal(size=rows)
    spread = noise * np.exp(harder * x)
    y = slope * x + bend * np.maximum(x - 1, 0) ** 2 - 0.5 * z + spread * rng.normal(size=rows)
    return pd.DataFrame({"x": x, "z": z, "y": y, "guess": x - 0.5 * z})


def diagnose(before: pd.DataFrame, after: pd.DataFrame, **options) -> Diagnosis:
    options = {"graph": [("x", "y"), ("z", "y")], "target": "y", "prediction": "guess"} | options
    return wd.compare(before, after, **options)


def test_a_changed_relationship_is_retrained_and_the_gain_is_what_retraining_wins():
    # The best model for a slope of 2 has the loss of the noise, .25; the old one has 1 more.
    rng = np.random.default_rng(0)
    remedy = diagnose(numbers(rng), numbers(rng, slope=2.0)).remedy
    assert remedy.action is Action.RETRAIN
    assert remedy.gain.low < 1.0 < remedy.gain.high
    assert remedy.gain.value == pytest.approx(1.0, abs=0.15)


def test_a_bent_world_seen_elsewhere_is_worth_old_rows_weighted():
    rng = np.random.default_rng(1)
    before, after = (numbers(rng, 2500, shift=s, bend=1.0) for s in (0.0, 0.8))
    remedy = diagnose(before, after).remedy
    assert remedy.action is Action.REWEIGHT
    assert remedy.gain.low > 0


def test_harder_rows_have_no_remedy():
    rng = np.random.default_rng(20)  # with seed 2 a change of the mechanism is seen, by chance
    diagnosis = diagnose(numbers(rng, harder=0.6), numbers(rng, shift=0.7, harder=0.6))
    assert diagnosis.metric.change.low > 0
    assert diagnosis.remedy.action is Action.NONE
    assert "harder rows" in diagnosis.remedy.text
    assert diagnosis.remedy.gain.low < 0.02 * diagnosis.metric.reference


def test_inputs_that_moved_at_no_cost_need_no_remedy():
    rng = np.random.default_rng(3)
    remedy = diagnose(numbers(rng), numbers(rng, shift=0.7)).remedy
    assert remedy.action is Action.NONE
    assert "did not rise" in remedy.text


def test_a_class_that_became_common_is_worth_a_prior_correction():
    rng = np.random.default_rng(4)

    def frame(share: float) -> pd.DataFrame:
        y = (rng.random(2500) < share).astype(float)
        x = y + rng.normal(size=2500)
        chance = 1 / (1 + np.exp(-(x - 0.5 + np.log(0.2 / 0.8))))
        return pd.DataFrame({"x": x, "y": y, "guess": chance})

    remedy = diagnose(frame(0.2), frame(0.7), graph=[("y", "x")]).remedy
    assert remedy.action is Action.PRIOR_CORRECTION
    assert remedy.gain.low > 0


def test_a_loss_that_lies_outside_the_old_rows_asks_for_new_ones():
    rng = np.random.default_rng(5)
    remedy = diagnose(numbers(rng, bend=0.5), numbers(rng, shift=6.0, bend=0.5)).remedy
    assert remedy.action is Action.COLLECT_AND_RETRAIN


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error"])
def test_the_gain_is_measured_in_the_loss_that_is_named(loss):
    rng = np.random.default_rng(6)
    before, after = numbers(rng), numbers(rng, slope=2.0)
    diagnosis = diagnose(before, after, loss=loss)
    assert diagnosis.metric.name == loss
    rest = (after.y - 2 * after.x + 0.5 * after.z).to_numpy()
    best = np.mean(rest**2 if loss == "squared_error" else np.abs(rest))
    assert diagnosis.remedy.gain.value == pytest.approx(diagnosis.metric.current - best, abs=0.06)


def pinball(guess: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.maximum(0.9 * (y - guess), -0.1 * (y - guess))


@pytest.mark.parametrize("loss", ["quantile:0.9", pinball])
def test_a_predicted_quantile_is_corrected_to_the_quantile(loss):
    rng = np.random.default_rng(9)
    above = 0.5 * float(norm.ppf(0.9))
    before, after = (
        numbers(rng, slope=s).assign(guess=lambda rows: rows.guess + above) for s in (1.0, 2.0)
    )
    diagnosis = diagnose(before, after, loss=loss)
    best = pinball(after.guess + after.x, after.y).mean()
    assert diagnosis.remedy.action is Action.RETRAIN
    assert diagnosis.remedy.gain.value == pytest.approx(diagnosis.metric.current - best, abs=0.02)


@pytest.mark.parametrize("loss", ["quantile:0.9", pinball])
def test_a_quantile_of_rows_that_spread_wider_is_moved_further_out(loss):
    rng = np.random.default_rng(10)
    before, after = (
        numbers(rng, noise=s).assign(guess=lambda rows: rows.guess + 0.5 * norm.ppf(0.9))
        for s in (0.5, 1.5)
    )
    diagnosis = diagnose(before, after, loss=loss)
    best = pinball(after.guess + norm.ppf(0.9), after.y).mean()
    assert diagnosis.remedy.gain.value == pytest.approx(diagnosis.metric.current - best, abs=0.03)


def test_a_loss_without_a_value_below_zero_is_asked_for_none():
    rng = np.random.default_rng(11)

    def prices(slope: float) -> pd.DataFrame:
        rows = numbers(rng, slope=slope)
        return rows.assign(y=np.exp(rows.y), guess=np.exp(rows.guess))

    def squared_log(guess: np.ndarray, y: np.ndarray) -> np.ndarray:
        with np.errstate(invalid="raise", divide="raise"):
            return (np.log(guess) - np.log(y)) ** 2

    assert diagnose(prices(1.0), prices(2.0), loss=squared_log).remedy.action is Action.RETRAIN


def test_of_a_loss_of_ones_own_it_is_not_said_that_rows_are_merely_harder():
    rng = np.random.default_rng(12)
    after = numbers(rng, noise=1.5)
    remedy = diagnose(numbers(rng), after, loss=lambda f, y: np.minimum(np.abs(f - y), 2.0)).remedy
    assert remedy.action is Action.NONE
    assert "corrections that were tried" in remedy.text


def test_wrong_classes_are_relearned():
    rng = np.random.default_rng(7)

    def frame(limit: float) -> pd.DataFrame:
        x = rng.normal(size=1200)
        y = np.where(x + 0.2 * rng.normal(size=1200) > limit, "up", "down")
        return pd.DataFrame({"x": x, "y": y, "guess": np.where(x > 0, "up", "down")})

    diagnosis = diagnose(frame(0.0), frame(1.0), graph=[("x", "y")])
    assert diagnosis.metric.name == "zero_one"
    assert diagnosis.remedy.action is Action.RETRAIN
    # A third of all rows lies between the old limit and the new one.
    assert diagnosis.remedy.gain.value == pytest.approx(0.30, abs=0.05)


@pytest.mark.parametrize("names", ["abcdef", "012345"], ids=["words", "numbers"])
def test_wrong_classes_of_many_are_relearned_whether_words_or_numbers(names):
    rng = np.random.default_rng(8)
    classes = np.array([int(n) if n.isdigit() else n for n in names])

    def frame(turned: int) -> pd.DataFrame:
        x = rng.normal(size=1200)
        group = np.digitize(x, [-1, -0.5, 0, 0.5, 1])
        y = np.where(rng.random(1200) < 0.1, rng.integers(0, 6, 1200), (group + turned) % 6)
        return pd.DataFrame({"x": x, "y": classes[y], "guess": classes[group]})

    diagnosis = diagnose(frame(0), frame(2), graph=[("x", "y")], loss="zero_one")
    assert diagnosis.remedy.action is Action.RETRAIN
    assert diagnosis.remedy.gain.value == pytest.approx(0.9, abs=0.05)


def test_without_labels_nothing_is_said_to_cost_nothing():
    rng = np.random.default_rng(8)
    after = numbers(rng, shift=0.7).drop(columns="y")
    remedy = diagnose(numbers(rng), after).remedy
    assert remedy.action is Action.INVESTIGATE
    assert remedy.gain is None


def test_without_labels_nothing_is_to_do_only_where_no_input_moved():
    rng = np.random.default_rng(13)
    remedy = diagnose(numbers(rng), numbers(rng).drop(columns="y")).remedy
    assert remedy.action is Action.NONE
    assert "only labels tell" in remedy.text


def chosen(gains: Gains, change: Estimate) -> Remedy:
    case = Case(
        verdict=Verdict.BOTH,
        conditional_shift=True,
        faults=(),
        ranking=("x",),
        target="y",
        metric=Metric("squared_error", 1.0, 1.0 + change.value, change),
        is_loss=True,
        has_labels=True,
        has_overlap=True,
        gains=gains,
    )
    return choose_remedy(case)


ROSE = Estimate(0.5, 0.4, 0.6)


def test_of_two_that_win_alike_the_cheaper_is_chosen():
    alike = {Action.REWEIGHT: Estimate(0.30, 0.2, 0.4), Action.RETRAIN: Estimate(0.31, 0.2, 0.4)}
    better = {Action.REWEIGHT: Estimate(0.10, 0.05, 0.2), Action.RETRAIN: Estimate(0.31, 0.2, 0.4)}
    assert chosen(Gains(alike, 0.0), ROSE).action is Action.REWEIGHT
    assert chosen(Gains(better, 0.0), ROSE).action is Action.RETRAIN


def test_a_gain_that_may_be_nothing_is_not_acted_on():
    unsure = {Action.REWEIGHT: Estimate(0.1, -0.1, 0.3), Action.RETRAIN: Estimate(0.1, -0.1, 0.3)}
    remedy = chosen(Gains(unsure, 0.0), ROSE)
    assert remedy.action is Action.NONE
    assert "not sure" in remedy.text
    assert "harder" not in remedy.text


def test_a_loss_that_rose_by_chance_is_let_be_where_nothing_moved():
    """In one window of twenty the interval lies above zero for no reason."""

    def asked(change: Estimate) -> Remedy:
        case = Case(
            verdict=Verdict.NONE,
            conditional_shift=False,
            faults=(),
            ranking=(),
            target="y",
            metric=Metric("squared_error", 1.0, 1.0 + change.value, change),
            is_loss=True,
            has_labels=True,
            has_overlap=True,
        )
        return choose_remedy(case)

    assert asked(Estimate(0.5, 0.1, 0.9)).action is Action.NONE
    assert asked(Estimate(0.5, 0.3, 0.7)).action is Action.INVESTIGATE


def test_what_a_correction_wins_is_not_learned_from_effects_of_the_target():
    """A speed is computed from the duration that is to be told."""

    def trips(rng: np.random.Generator, stop: float) -> pd.DataFrame:
        distance, stops = 1 + rng.gamma(2, 7, 3000), 1 + rng.poisson(2, 3000)
        y = (2 * distance + stop * stops) * rng.lognormal(0, 0.1, 3000)
        speed = 60 * distance / y * rng.lognormal(0, 0.02, 3000)
        return pd.DataFrame({"distance": distance, "stops": stops, "speed": speed, "y": y,
                             "p": 2 * distance + 3 * stops})  # fmt: skip

    rng = np.random.default_rng(15)
    graph = [("distance", "y"), ("stops", "y"), ("distance", "speed"), ("y", "speed")]
    windows = trips(rng, 3), trips(rng, 5)
    diagnosis = wd.compare(*windows, graph=graph, target="y", prediction="p")
    assert diagnosis.remedy.action is Action.RETRAIN
    # What no input tells, a tenth of the duration, remains.
    noise = (0.1 * windows[1].y).pow(2).mean()
    assert diagnosis.metric is not None and diagnosis.remedy.gain is not None
    assert diagnosis.remedy.gain.value < diagnosis.metric.current - 0.8 * noise


def test_what_was_to_be_won_before_is_no_remedy_of_more_noise():
    for seed in range(5):
        rng = np.random.default_rng(seed)
        frames = [numbers(rng, noise=noise, bend=1.0) for noise in (0.5, 0.9)]
        found = wd.compare(*frames, graph=[("x", "y"), ("z", "y")], target="y", prediction="guess")
        assert found.metric.change.low > 0
        assert found.remedy.action == "none" and "won before" in found.remedy.text


def test_labels_of_some_users_alone_are_enough_to_measure_what_a_remedy_wins():
    def window(slope: float, first: int) -> pd.DataFrame:
        x = rng.normal(size=2000)
        y = slope * x + 0.5 * rng.normal(size=2000)
        user = first + np.arange(2000) // 10
        return pd.DataFrame({"x": x, "y": y, "guess": x, "user": user})

    rng = np.random.default_rng(0)
    current = window(2.0, 200)
    current.loc[400:, "y"] = np.nan
    found = wd.compare(window(1.0, 0), current, target="y", prediction="guess", cluster="user")
    assert found.remedy.gain.value == pytest.approx(1.0, abs=0.3)


@pytest.mark.parametrize("price", [1.5, 2.1])
def test_a_column_that_nothing_follows_changes_neither_remedy_nor_test_of_the_target(price):
    """Cars became slower; the price of fuel went up or not, and nobody reads it."""

    def trips(rng: np.random.Generator, price: float, slower: float) -> pd.DataFrame:
        distance = rng.lognormal(1.2, 0.6, 1500)
        car = rng.integers(0, 2, 1500)
        guess = 8 + 60 * distance / np.where(car == 1, 28, 14)
        y = guess + slower * distance * car + 3 * rng.normal(size=1500)
        fuel = price + 0.05 * rng.normal(size=1500)
        return pd.DataFrame({"distance": distance, "courier": np.where(car == 1, "car", "bike"),
                             "fuel_price": fuel, "guess": guess, "y": y})  # fmt: skip

    rng = np.random.default_rng(16)
    found = wd.compare(trips(rng, 1.5, 0), trips(rng, price, 3), target="y", prediction="guess")
    assert found.columns["y"].verdict == "mechanism" and found.conditional_shift is True
    assert found.remedy.action is Action.RETRAIN
    assert found.remedy.gain.value == pytest.approx(found.metric.current - 9, rel=0.1)
    codes = [w.code for w in found.warnings]
    assert "estimated_loss_off" in codes
    assert ("conditional_without" in codes) is (price > 2)


@pytest.mark.parametrize("won", [0.0, 0.3])
@pytest.mark.parametrize("knows_loss", [True, False])
@pytest.mark.parametrize(
    ("verdict", "shifted"),
    [(Verdict.COVARIATE, False), (Verdict.NONE, True), (Verdict.MECHANISM, None)],
)
def test_rows_are_harder_only_where_what_they_say_of_the_target_stands(
    verdict, shifted, knows_loss, won
):
    """Claims that cost 40 % more are no harder rows, though no correction tells them better."""
    gains = Gains(
        {Action.RETRAIN: Estimate(won, won - 0.01, won + 0.01)},
        0.0,
        knows_loss=knows_loss,
        before=won,
    )
    case = Case(
        verdict=verdict, conditional_shift=shifted, faults=(), ranking=("x",), target="y",
        metric=Metric("squared_error", 1.0, 1.5, ROSE), is_loss=True, has_labels=True,
        has_overlap=True, gains=gains,
    )  # fmt: skip
    remedy = choose_remedy(case)
    assert remedy.action is Action.NONE
    is_told = "harder rows" in remedy.text or "no worse" in remedy.text
    assert is_told is (verdict is Verdict.COVARIATE)


def claims(rng: np.random.Generator, often: float, *, follows: bool = True) -> pd.DataFrame:
    """How many claims there were is known only when the cost is; the prediction follows the age."""
    age, region = rng.uniform(18, 80, 3000), rng.integers(0, 2, 3000)
    count = rng.poisson((0.9 - 0.008 * age) * np.where(region == 1, often, 1.0))
    cost = count * rng.lognormal(0, 0.5, 3000)
    guess = 1.13 * (0.9 - 0.008 * age) if follows else rng.normal(0.5, 0.1, 3000)
    return pd.DataFrame({"age": age, "region": region.astype(str), "count": count,
                         "guess": guess, "cost": cost})  # fmt: skip


CLAIMS = [("age", "count"), ("region", "count"), ("count", "cost")]


def test_a_gain_that_needs_a_column_that_no_prediction_follows_says_so():
    rng = np.random.default_rng(17)
    found = wd.compare(
        claims(rng, 1.0), claims(rng, 3.0), graph=CLAIMS, target="cost", prediction="guess"
    )
    remedy = found.remedy
    assert remedy.action is Action.RETRAIN
    assert "Learned also from columns that guess is not seen to follow (region and count)" in (
        remedy.text
    )
    assert "if they are known when predictions are made" in remedy.text
    # What the count tells of the cost no correction from the age alone can win.
    assert 0 < remedy.gain.value < 0.3 * (found.metric.current - found.metric.reference)


def test_a_model_of_which_nothing_is_recognised_is_corrected_from_all_columns():
    rng = np.random.default_rng(18)
    windows = (claims(rng, often, follows=False) for often in (1.0, 3.0))
    found = wd.compare(*windows, graph=CLAIMS, target="cost", prediction="guess")
    assert found.remedy.action in {Action.RETRAIN, Action.REWEIGHT}
    assert "not seen to follow" not in found.remedy.text


def test_a_gain_from_what_the_prediction_follows_names_no_other_column():
    rng = np.random.default_rng(19)
    before, after = (numbers(rng, slope=s) for s in (1.0, 2.0))
    for frame in (before, after):
        frame["beside"] = rng.normal(size=len(frame))
    remedy = diagnose(before, after).remedy
    assert remedy.action is Action.RETRAIN and "not seen to follow" not in remedy.text
    assert remedy.gain.value == pytest.approx(1.0, abs=0.15)
