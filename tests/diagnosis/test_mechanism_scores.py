"""What makes the mechanism test powerful and keeps it honest, piece by piece."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.signal import lfilter
from scipy.stats import binom, chi2, norm

import whydrift
from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.monitor.diagnosis.mechanism.base import MechanismTestResult, Untestable
from whydrift.monitor.diagnosis.mechanism.combination import (
    cauchy_combination,
    chi_square,
    largest,
    unskewed,
    wald,
)
from whydrift.monitor.diagnosis.mechanism.dependence import Rows
from whydrift.monitor.diagnosis.mechanism.number_scores import BESIDE_AN_END
from whydrift.monitor.diagnosis.mechanism.residual_scores import ResidualScores
from whydrift.monitor.diagnosis.pair import WindowPair


def result(
    reference: pd.DataFrame,
    current: pd.DataFrame,
    parents: tuple[str, ...],
    *,
    others: tuple[str, ...] = (),
    cluster: str | None = None,
) -> MechanismTestResult:
    a = Snapshot.from_frame(reference)
    b = Snapshot.from_frame(current, schema=a.schema)
    names = tuple(c for c in reference.columns if c != cluster)
    return ResidualScores()(WindowPair(a, b, names, cluster), "y", parents, others)


def test_several_small_p_values_count_for_more_than_one():
    one = cauchy_combination([0.01, 0.9, 0.9], [1, 1, 1])
    three = cauchy_combination([0.01, 0.01, 0.01], [1, 1, 1])
    assert three == pytest.approx(0.01)
    assert 0.02 < one < 0.04


def test_combined_p_values_stay_ordered_where_they_nearly_underflow():
    tiny = [cauchy_combination([10.0**-k, 1.0], [1, 1]) for k in (5, 8, 50, 300)]
    assert tiny == sorted(tiny, reverse=True)
    assert tiny[0] == pytest.approx(2e-5, rel=1e-3)
    assert tiny[3] > 0


@pytest.mark.parametrize("freedom", [20, 80])
def test_the_tails_of_a_skewed_sum_become_those_of_a_normal(freedom):
    # χ² with ν degrees, standardised, has skewness √(8/ν).
    for share in (0.0005, 0.005, 0.5, 0.995, 0.9995):
        z = np.array([(chi2.ppf(share, freedom) - freedom) / np.sqrt(2 * freedom)])
        mapped = unskewed(z, np.array([np.sqrt(8 / freedom)]))
        assert mapped[0] == pytest.approx(norm.ppf(share), abs=0.05)
        assert unskewed(-z, np.array([-np.sqrt(8 / freedom)])) == pytest.approx(-mapped)


def test_directions_in_which_scores_hardly_vary_are_left_out():
    z, correlation = np.array([1.0, 1.0, 2.0]), np.eye(3)
    correlation[0, 1] = correlation[1, 0] = 0.999
    size, rank = chi_square(z, correlation, 0.01)
    assert rank == 2
    assert size == pytest.approx(2 / 1.999 + 4)
    size, rank = chi_square(z, correlation, 0.0001)
    assert rank == 3
    assert size == pytest.approx(z @ np.linalg.solve(correlation, z))


@pytest.mark.parametrize("scores", [2, 40])
def test_moments_are_the_same_in_parts_of_the_rows(scores: int):
    rng = np.random.default_rng(0)
    rows, columns = 3_000, rng.normal(size=(3_000, scores))
    chance = rng.uniform(0.2, 0.8, rows)
    window = (rng.random(rows) < chance) - chance
    hazard = (chance * (1 - chance))[:, None]
    kept = Rows(window, chance, rows // 2, 0, False, None)
    moments = kept.moments(columns, window[:, None])
    product = columns * window[:, None]
    assert moments.total == pytest.approx(product.sum(axis=0))
    assert moments.telling == pytest.approx(
        (product**2).sum(axis=0) ** 2 / (product**4).sum(axis=0)
    )
    np.testing.assert_allclose(moments.variance, (columns * hazard).T @ columns, atol=1e-8)
    alone = kept.moments(columns, window[:, None], jointly=False)
    np.testing.assert_allclose(alone.variance, np.diag(np.diag(moments.variance)))
    assert alone.skewness == pytest.approx(moments.skewness)


def test_wald_and_largest_agree_on_a_single_score():
    z = np.array([2.5])
    assert wald(z, np.eye(1), 1e6) == pytest.approx(largest(z, 1e6), rel=1e-4)


def world(rng: np.random.Generator, rows: int, *, reads_z: float = 0.0) -> pd.DataFrame:
    x, z = rng.normal(size=(2, rows))
    return pd.DataFrame({"x": x, "z": z, "y": x + reads_z * z + rng.normal(size=rows)})


def test_a_mechanism_that_comes_to_read_another_column_has_changed():
    rng = np.random.default_rng(1)
    found = result(world(rng, 800), world(rng, 800, reads_z=0.3), ("x",), others=("z",))
    assert found.p_value is not None
    assert found.p_value > 1e-3  # its spread hardly changed
    counted = found.counting({"z"})
    assert counted.p_value is not None
    assert counted.p_value < 1e-6
    assert counted.components[0].name == "dependence on z"
    # Reported in sd of y, here √2.
    assert counted.components[0].value == pytest.approx(0.3 / np.sqrt(2), abs=0.1)
    assert found.counting(()).p_value == found.p_value


def test_a_dependence_that_the_reference_has_too_is_the_graph_s_mistake_and_no_change():
    rng = np.random.default_rng(1)
    reference, current = world(rng, 800, reads_z=0.5), world(rng, 800, reads_z=0.9)
    assert result(reference, current, ("x",), others=("z",)).dependences == ()


def test_a_dependence_that_rests_on_a_handful_of_rows_is_not_counted():
    # z is seen through x, but for rare rows, and far commoner in the second window.
    trials, level, rejections = 150, 0.05, 0
    rng = np.random.default_rng(3)

    def window(share: float) -> pd.DataFrame:
        z = rng.random(3000) < share
        x = np.where(z, rng.random(3000) < 0.98, rng.random(3000) < 0.01)
        y = np.where(x, rng.random(3000) < 0.97, rng.random(3000) < 0.01)
        return pd.DataFrame({"x": x, "y": y, "z": z}).replace({True: "high", False: "low"})

    for _ in range(trials):
        found = result(window(0.05), window(0.5), ("x",), others=("z",)).counting({"z"})
        rejections += found.p_value is not None and found.p_value <= level
    assert rejections <= binom.isf(1e-4, trials, level)


def test_the_column_that_gained_a_cause_is_named_and_the_cause_is_not():
    rng = np.random.default_rng(4)

    def window(weight: float) -> pd.DataFrame:
        a, b = rng.normal(size=(2, 1000))
        child = 0.7 * b + weight * a + 0.7 * rng.normal(size=1000)
        return pd.DataFrame({"a": a, "b": b, "child": child, "own": a + rng.normal(size=1000)})

    edges = [("b", "child"), ("a", "own")]
    found = whydrift.compare(window(0.0), window(0.35), graph=edges, floor=0.0)
    assert found.ranking == ("child",)


@pytest.mark.parametrize("factor", [100.0, 0.01])
def test_parents_of_another_scale_leave_no_overlap_to_test_on(factor):
    rng = np.random.default_rng(3)
    reference, current = world(rng, 400), world(rng, 400)
    current["y"] += (factor - 1) * current.x
    current["x"] *= factor
    found = result(reference, current, ("x",))
    assert found.p_value is None
    assert found.untestable is Untestable.NO_OVERLAP


def test_a_small_window_beside_a_large_one_keeps_the_level():
    trials, level, rejections = 300, 0.02, 0
    rng = np.random.default_rng(6)
    for _ in range(trials):
        p_value = result(world(rng, 1500), world(rng, 40), ("x",)).p_value
        rejections += p_value is not None and p_value <= level
    assert rejections <= binom.isf(1e-4, trials, level)


@pytest.mark.parametrize("same", [False, True], ids=["own users", "the same users"])
def test_a_few_big_clusters_keep_the_level(same):
    trials, level, rejections = 150, 0.05, 0
    rng = np.random.default_rng(8)

    def window(own: np.ndarray, first: int) -> pd.DataFrame:
        user = np.repeat(np.arange(12), 30)
        y = own[user] + rng.normal(size=360)
        return pd.DataFrame({"user": [f"u{first + k}" for k in user], "y": y})

    for _ in range(trials):
        own = rng.normal(size=12)
        other = own if same else rng.normal(size=12)
        frames = window(own, 0), window(other, 0 if same else 50)
        p_value = result(*frames, (), cluster="user").p_value
        rejections += p_value is not None and p_value <= level
    assert rejections <= binom.isf(1e-4, trials, level)


@pytest.mark.parametrize(
    "change",
    [lambda x: 0.3 * x, lambda x: 0.3 * (x**2 - 1)],
    ids=["slope", "bend"],
)
def test_a_changed_relationship_is_found_though_rows_and_parents_change_slowly(change):
    rng = np.random.default_rng(10)

    def slow(rows: int) -> np.ndarray:
        x = rng.normal(size=rows)
        for i in range(1, rows):
            x[i] = 0.9 * x[i - 1] + np.sqrt(1 - 0.81) * x[i]
        return x

    found = 0
    for _ in range(10):
        windows = []
        for share in (0, 1):
            x = slow(500)
            y = 0.7 * x + share * change(x) + 0.7 * slow(500)
            windows.append(pd.DataFrame({"x": x, "y": y}))
        p_value = result(*windows, ("x",)).p_value
        found += p_value is not None and p_value < 0.01
    assert found >= 8


def in_order(rng: np.random.Generator, rows: int) -> np.ndarray:
    noise = rng.normal(size=rows + 50)
    return lfilter([0.6], [1.0, -0.8], noise)[50:]


@pytest.mark.parametrize(
    ("mean", "noise", "move", "rows"),
    [
        (lambda x: np.sin(2 * x), lambda x: 1.0, lambda rng, x: x + 2.0, 6_000),
        (lambda x: x, lambda x: np.exp(0.4 * x), lambda rng, x: x + 2.0 * jumps(rng, x), 6_000),
        (np.tanh, lambda x: 1.0, lambda rng, x: x + 1.0, 80_000),
    ],
    ids=["curved", "uneven noise", "rows left out"],
)
def test_rows_in_order_keep_the_level_however_far_the_parents_moved(mean, noise, move, rows):
    trials, level, rejections = 20, 0.05, 0
    rng = np.random.default_rng(12)
    # As in the sample of a long window: some rows follow the one before at once, some long after.
    kept = np.arange(rows) % 10 < (2 if rows > 16_384 else 10)
    for _ in range(trials):
        windows = []
        for side in (0, 1):
            x = in_order(rng, rows)
            x = move(rng, x) if side else x
            y = mean(x) + noise(x) * in_order(rng, rows)
            windows.append(pd.DataFrame({"x": x[kept], "y": y[kept]}))
        p_value = result(*windows, ("x",)).p_value
        rejections += p_value is not None and p_value <= level
    assert rejections <= binom.isf(1e-3, trials, level)


def jumps(rng: np.random.Generator, x: np.ndarray) -> np.ndarray:
    return (rng.random(len(x)) < 0.5).astype(float)


def test_a_slope_of_one_level_is_looked_at_before_cells_of_two_categories():
    def window(seed: int, slope: float) -> pd.DataFrame:
        rng = np.random.default_rng([seed, int(slope)])
        g, h = (rng.choice(list(names), 400) for names in ("abcdef", "uvwxyz"))
        x = rng.normal(size=400)
        y = slope * x * (g == "b") + rng.normal(size=400)
        return pd.DataFrame({"g": g, "h": h, "x": x, "y": y})

    found = [result(window(seed, 0), window(seed, 1.5), ("g", "h", "x")) for seed in range(6)]
    assert sum(f.p_value <= 0.01 for f in found) >= 5
    assert sum(f.components[0].name == "g = b × x" for f in found) >= 5


def test_products_of_many_levels_keep_the_level():
    """Each row of a product of a number and a level that few rows have weighs much."""
    rng = np.random.default_rng(30)

    def window() -> pd.DataFrame:
        g, h = (rng.choice(8, 300, p=np.arange(1, 9) / 36) for _ in range(2))
        x, z = rng.exponential(size=(2, 300))
        y = x + rng.standard_t(4, 300)
        return pd.DataFrame({"g": [*map(str, g)], "h": [*map(str, h)], "x": x, "z": z, "y": y})

    trials = 150
    p_values = [result(window(), window(), ("g", "h", "x", "z")).p_value for _ in range(trials)]
    assert sum(p <= 0.05 for p in p_values) <= binom.isf(1e-3, trials, 0.05)


def refunds(rng: np.random.Generator, rows: int, *, size: float = 0.0, x: float = 0.0):
    """Nine rows in ten are of nothing."""
    x = x + rng.normal(size=rows)
    is_any = rng.random(rows) < 1 / (1 + np.exp(2.2 - 0.8 * x))
    amount = np.exp(size + 0.3 * x + 0.8 * rng.normal(size=rows))
    return pd.DataFrame({"x": x, "z": rng.normal(size=rows), "y": np.where(is_any, amount, 0.0)})


def test_how_much_a_number_is_where_it_is_something_is_seen_beside_many_zeros():
    found = 0
    for seed in range(20):
        rng = np.random.default_rng([seed, 3])
        answer = result(refunds(rng, 3_000), refunds(rng, 3_000, size=0.4), ("x", "z"))
        assert answer.p_value is not None
        leading = answer.components[0]
        found += answer.p_value < 0.001 and leading.name == BESIDE_AN_END and leading.value > 0.2
    assert found >= 17


@pytest.mark.parametrize("x", [0.0, 0.7])
def test_zeros_that_nobody_touched_keep_the_level(x):
    trials, rejections = 150, 0
    for seed in range(trials):
        rng = np.random.default_rng([seed, 4])
        answer = result(refunds(rng, 1_000), refunds(rng, 1_000, x=x), ("x", "z"))
        rejections += answer.p_value is not None and answer.p_value <= 0.05
    assert rejections <= binom.isf(1e-4, trials, 0.05)
