import numpy as np
import pandas as pd
import pytest

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


def test_a_mechanism_that_changed_is_cheaper_in_its_own_direction():
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(0, 1, 800), rng.normal(1, 1, 800)])
    y = x + rng.normal(size=1600)
    density = ResidualDensity(np.column_stack([x, y]), (False, False), np.array([0, 800, 1600]))
    forward = density.local(0, ()) + density.local(1, (0,))
    assert forward > density.local(1, ()) + density.local(0, (1,)) + 3


def test_it_is_not_offered_where_many_values_are_missing_or_all_categories_have_many_levels():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=200), "b": rng.normal(size=200)})
    assert ResidualDensity.of([Snapshot.from_frame(frame)], ("a", "b")) is not None
    frame.loc[:80, "a"] = np.nan
    assert ResidualDensity.of([Snapshot.from_frame(frame)], ("a", "b")) is None
    many = list("abcdefgh")
    words = pd.DataFrame({"a": rng.choice(many, 200), "b": rng.choice(many, 200)})
    assert ResidualDensity.of([Snapshot.from_frame(words)], ("a", "b")) is None
