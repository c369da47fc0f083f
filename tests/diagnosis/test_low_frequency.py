"""Series whose rows stay alike for hundreds of rows."""

import numpy as np
import pandas as pd
import pytest
from scipy.signal import lfilter
from scipy.stats import binom, norm, t

from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.monitor.diagnosis.mechanism.combination import as_normal
from whydrift.monitor.diagnosis.mechanism.low_frequency import by_slow_waves
from whydrift.monitor.diagnosis.mechanism.residual_scores import ResidualScores
from whydrift.monitor.diagnosis.pair import WindowPair


def series(rng, rows: int, rho: float, slow: float) -> np.ndarray:
    """A first-order autoregression under noise, with its share of the variance."""
    drawn = rng.normal(size=rows + 400) * np.sqrt(1 - rho**2)
    walk = lfilter([1], [1, -rho], drawn)[400:]
    return np.sqrt(slow) * walk + np.sqrt(1 - slow) * rng.normal(size=rows)


def p_value(rng, rho: float, slow: float, parents: tuple[str, ...], shift: float = 0.0) -> float:
    rows = 1000
    x = series(rng, 2 * rows, rho, slow)
    y = 0.7 * x + series(rng, 2 * rows, rho, slow)
    y[rows:] += shift
    both = pd.DataFrame({"x": x, "y": y})
    before = Snapshot.from_frame(both[:rows])
    after = Snapshot.from_frame(both[rows:], schema=before.schema)
    answer = ResidualScores()(WindowPair(before, after, ("x", "y")), "y", parents).p_value
    assert answer is not None
    return answer


@pytest.mark.parametrize("parents", [(), ("x",)])
@pytest.mark.parametrize(("rho", "slow"), [(0.97, 0.3), (0.99, 1.0)])
def test_what_wanders_slowly_has_not_moved(rho, slow, parents):
    rng, trials, level = np.random.default_rng(17), 60, 0.05
    rejected = sum(p_value(rng, rho, slow, parents) <= level for _ in range(trials))
    assert rejected <= binom.isf(1e-3, trials, level)


def test_a_change_of_a_series_with_short_memory_is_still_found():
    rng = np.random.default_rng(18)
    found = [p_value(rng, 0.7, 1.0, ("x",), shift=0.7) for _ in range(20)]
    assert np.mean(np.array(found) <= 0.01) >= 0.8


def test_slow_waves_see_the_variance_of_a_mean_whatever_the_windows_level():
    rng, rho = np.random.default_rng(19), 0.9
    columns = np.column_stack([series(rng, 4000, rho, 1.0) for _ in range(40)])
    columns[2000:] += 5.0
    near = np.full((2, 40), 0.5)
    variance, freedom = by_slow_waves(columns, 2000, near)
    assert np.median(variance) == pytest.approx(4000 * (1 + rho) / (1 - rho), rel=0.25)
    assert (freedom <= 128).all()


def test_what_near_rows_say_stands_where_slow_waves_carry_no_more():
    columns = np.random.default_rng(20).normal(size=(2000, 40))
    of_window = np.stack([(part**2).sum(axis=0) for part in (columns[:1000], columns[1000:])])
    near = of_window.sum(axis=0)
    variance, freedom = by_slow_waves(columns, 1000, of_window)
    stands = np.isinf(freedom)
    assert stands.mean() > 0.7
    assert (variance[stands] == near[stands]).all()
    few, unknown = by_slow_waves(columns[:40], 20, of_window)
    assert (few == near).all()
    assert np.isinf(unknown).all()


@pytest.mark.parametrize("in_reference", [False, True])
def test_a_break_is_no_slow_wave_unless_the_reference_has_them_too(in_reference):
    columns = np.random.default_rng(21).normal(size=(4000, 10))
    of_window = np.stack([(part**2).sum(axis=0) for part in (columns[:2000], columns[2000:])])
    columns[3000:] += 1.0
    columns[1000:2000] += 1.0 if in_reference else 0.0
    variance, _ = by_slow_waves(columns, 2000, of_window)
    assert (np.median(variance) > 10 * 4000) == in_reference


def test_students_t_becomes_a_normal_of_the_same_p_value():
    z, freedom = np.array([3.0, -3.0, 3.0]), np.array([8.0, 8.0, np.inf])
    mapped = as_normal(z, freedom)
    assert norm.sf(mapped[0]) == pytest.approx(t.sf(3.0, 8))
    assert mapped[1] == -mapped[0]
    assert mapped[2] == 3.0
