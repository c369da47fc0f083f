import numpy as np
import pandas as pd
import pytest
from scipy.signal import lfilter

from whydrift.discovery.scores.residual_density import ResidualDensity
from whydrift.discovery.snapshot.snapshot import Snapshot


def preference(x: np.ndarray, y: np.ndarray) -> float:
    """Return how much better x → y explains two numbers than y → x."""
    density = ResidualDensity(np.column_stack([x, y]), (False, False), np.array([0, len(x)]))
    return (
        density.local(0, ())
        + density.local(1, (0,))
        - density.local(1, ())
        - density.local(0, (1,))
    )


@pytest.mark.parametrize("seed", range(3))
def test_noise_that_is_not_normal_tells_the_direction(seed):
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, 1500)
    y = 0.8 * x + rng.uniform(-1, 1, 1500)
    assert preference(x, y) > 10
    assert preference(y, x) < -10


@pytest.mark.parametrize("seed", range(3))
def test_spread_that_follows_the_cause_tells_the_direction(seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=1500)
    y = x + np.exp(0.6 * x) * rng.normal(size=1500)
    assert preference(x, y) > 10


def test_normal_numbers_in_a_straight_line_have_no_direction():
    rng = np.random.default_rng(0)
    sizes = []
    for _ in range(5):
        x = rng.normal(size=1500)
        sizes.append(abs(preference(x, 0.8 * x + rng.normal(size=1500))))
    assert np.mean(sizes) < 4


def test_causes_that_act_together_are_told_from_effects_by_what_each_bends_by_itself():
    # Solar power: the hour's bend, less what clouds leave of it.
    rng = np.random.default_rng(0)
    hour, cloud = np.arange(1600) % 24.0, rng.random(1600)
    day = np.clip(np.sin(np.pi * (hour - 6) / 12), 0, None)
    power = day * (1 - 0.7 * cloud) * np.exp(0.05 * rng.normal(size=1600))
    columns = np.column_stack([hour, cloud, power])
    density = ResidualDensity(columns, (False, False, False), np.array([0, 1600]))
    forward = density.local(1, ()) + density.local(2, (0, 1))
    assert forward > density.local(2, (0,)) + density.local(1, (0, 2)) + 100


def test_a_mechanism_that_changed_is_cheaper_in_its_own_direction():
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(0, 1, 800), rng.normal(1, 1, 800)])
    y = x + rng.normal(size=1600)
    density = ResidualDensity(np.column_stack([x, y]), (False, False), np.array([0, 800, 1600]))
    forward = density.local(0, ()) + density.local(1, (0,))
    assert forward > density.local(1, ()) + density.local(0, (1,)) + 3


def number_and_category(
    rng: np.random.Generator, rows: int, memory: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Return normal noise beside an effect of a level: explained by both directions alike."""
    level = (rng.random(rows) < 0.3).astype(float)
    noise = rng.normal(size=rows)
    if memory:
        noise = lfilter([np.sqrt(1 - memory**2)], [1.0, -memory], noise)
    return level, level + noise


def test_a_number_and_a_category_are_compared_on_the_same_rows_however_many_there_are():
    rng = np.random.default_rng(0)
    gains = []
    for _ in range(5):
        values = np.column_stack(number_and_category(rng, 12_000))
        density = ResidualDensity(values, (True, False), np.array([0, 12_000]))
        gains.append(density.local(1, (0,)) + density.local(0, ())
                     - density.local(1, ()) - density.local(0, (1,)))  # fmt: skip
    # A density that is estimated costs some; other rows would change the sum by 50 and more.
    assert np.abs(gains).max() < 20


@pytest.mark.parametrize("made", ["a count", "many zeros", "five grades"])
def test_what_explains_counts_zeros_and_grades_explains_more_than_nothing(made):
    for seed in range(3):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=3_000)
        if made == "a count":
            y = rng.poisson(np.exp(0.6 + 0.3 * x)).astype(float)
        elif made == "many zeros":
            y = np.maximum(x + rng.normal(size=3_000), 0.0)
        else:
            y = np.clip(np.round(3 + 0.5 * x + rng.normal(size=3_000)), 1, 5)
        density = ResidualDensity(np.column_stack([x, y]), (False, False), np.array([0, 3_000]))
        assert density.local(1, (0,)) > density.local(1, ()) + 50


def test_a_cause_of_no_effect_on_a_count_does_not_pay():
    gains = []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        values = np.column_stack([rng.normal(size=3_000), rng.poisson(2.0, 3_000)])
        density = ResidualDensity(values, (False, False), np.array([0, 3_000]))
        gains.append(density.local(1, (0,)) - density.local(1, ()))
    assert max(gains) < 0


@pytest.mark.parametrize("is_category", [True, False])
def test_what_explains_a_series_does_not_seem_to_follow_from_it(is_category):
    preferred = []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        level, y = number_and_category(rng, 4_000, memory=0.9)
        x = level if is_category else rng.normal(size=4_000)
        y = y if is_category else x + y - level
        values = np.column_stack([x, y])
        density = ResidualDensity(values, (is_category, False), np.array([0, 4_000]), [0.0, 0.0])
        preferred.append(density.local(0, ()) + density.local(1, (0,))
                         - density.local(1, ()) - density.local(0, (1,)))  # fmt: skip
    assert min(preferred) > -10


def test_a_column_with_many_gaps_explains_others_and_is_not_explained():
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, 1500)
    y = 0.8 * x + rng.uniform(-1, 1, 1500)
    seldom = np.where(rng.random(1500) < 0.6, np.nan, y + rng.normal(size=1500))
    frame = pd.DataFrame({"x": x, "y": y, "seldom": seldom})
    density = ResidualDensity.of([Snapshot.from_frame(frame)], ("x", "y", "seldom"))
    assert density is not None
    assert [density.serves(c) for c in range(3)] == [True, True, False]
    assert density.rows[0] == 1500
    x_first = density.local(0, ()) + density.local(1, (0,))
    assert x_first > density.local(1, ()) + density.local(0, (1,)) + 10
    assert density.local(1, (2,)) > density.local(1, ()) + 10


def test_it_is_not_offered_where_nothing_has_enough_values_or_no_category_has_few_levels():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=200), "b": rng.normal(size=200)})
    assert ResidualDensity.of([Snapshot.from_frame(frame)], ("a", "b")) is not None
    frame.loc[:80, "a"] = frame.loc[100:180, "b"] = np.nan
    assert ResidualDensity.of([Snapshot.from_frame(frame)], ("a", "b")) is None
    many = list("abcdefghijklmn")
    words = pd.DataFrame({"a": rng.choice(many, 200), "b": rng.choice(many, 200)})
    assert ResidualDensity.of([Snapshot.from_frame(words)], ("a", "b")) is None


@pytest.mark.parametrize("seed", range(3))
def test_whether_there_is_an_amount_and_how_much_it_is_follow_from_what_moves_both(seed):
    # An auction: nothing where no bid reaches the floor, else the second highest or so.
    rng = np.random.default_rng(seed)
    bidders = rng.integers(1, 9, 3000).astype(float)
    floor = np.round(rng.gamma(4, 0.1, 3000), 2)
    bids = np.exp(-1.2 + 0.25 * bidders + 0.6 * rng.normal(size=3000))
    revenue = np.where(bids < floor, 0.0, np.round(np.maximum(floor, 0.8 * bids), 3))
    columns = np.column_stack([bidders, floor, revenue])
    density = ResidualDensity(columns, (False, False, False), np.array([0, 3000]))
    forward = density.local(1, ()) + density.local(2, (0, 1))
    assert forward > density.local(2, (0,)) + density.local(1, (0, 2)) + 10


@pytest.mark.parametrize("seed", range(3))
def test_a_skewed_number_with_normal_logs_prefers_no_direction(seed):
    # As it is, a density says little of it until a cause is known: any cause seemed to say much.
    rng = np.random.default_rng(seed)
    group, agents = (rng.random(3000) < 0.42).astype(float), 6 + 2 * rng.normal(size=3000)
    log = 5.4 + 1.6 * (group - 0.5) - 0.08 * (agents - 6) + 0.6 * rng.normal(size=3000)
    columns = np.column_stack([agents, group, np.exp(log)])
    density = ResidualDensity(columns, (False, True, False), np.array([0, 3000]))
    forward = density.local(0, ()) + density.local(2, (0, 1))
    assert abs(forward - density.local(2, (1,)) - density.local(0, (1, 2))) < 10
