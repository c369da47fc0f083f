import numpy as np
import pytest
from scipy.stats import cauchy

from whydrift.discovery.scores.kernel_density import leave_one_out_log_likelihood

DRAWS = {
    "normal": lambda rng, rows: rng.normal(size=rows),
    "heavy tails": lambda rng, rows: rng.laplace(size=rows) / 2**0.5,
    "an edge": lambda rng, rows: rng.exponential(size=rows) - 1,
    "far outliers": lambda rng, rows: rng.standard_t(2, rows) / 1.5,
}


def summed(values: np.ndarray) -> float:
    """Return the log-likelihood by a sum over all pairs of rows; the far ones lie at an edge."""
    rows = len(values)
    ordered = np.sort(values)
    quartiles = ordered[rows - 1 - rows // 4] - ordered[rows // 4]
    spread = min(values.std(), quartiles / 1.349)
    bandwidth = 0.9 * spread * rows**-0.2  # Silverman 1986, equation 3.31
    near = values.clip(-8, 8)
    gaps = (near[:, None] - near[None, :]) / bandwidth
    kernels = np.exp(-0.5 * gaps**2) / (bandwidth * np.sqrt(2 * np.pi))
    np.fill_diagonal(kernels, 0.0)
    others = kernels.sum(axis=1) / (rows - 1)
    return float(np.log(0.97 * others + 0.03 * cauchy.pdf(values, scale=2)).sum())


@pytest.mark.parametrize("kind", DRAWS)
@pytest.mark.parametrize(("seed", "rows"), [(0, 200), (1, 1000), (2, 2000)])
def test_the_grid_costs_less_than_a_thousandth_of_a_nat_a_row(kind, seed, rows):
    values = DRAWS[kind](np.random.default_rng(seed), rows)
    found = leave_one_out_log_likelihood(values, float(values.std()))
    assert found == pytest.approx(summed(values), abs=5e-4 * rows)


def test_rows_beyond_the_grid_count_for_how_far_they_are():
    values = np.append(np.random.default_rng(0).normal(size=500), [9.0, -30.0])
    farther = np.append(values[:-1], -300.0)
    near, far = (leave_one_out_log_likelihood(v, 1.0) for v in (values, farther))
    assert near - far == pytest.approx(np.log(1 + 150**2) - np.log(1 + 15**2), abs=1e-4)


def test_a_row_does_not_vouch_for_itself():
    alone = leave_one_out_log_likelihood(np.array([-8.0, 8.0]), 0.1)
    assert alone == pytest.approx(2 * np.log(0.03 * cauchy.pdf(8.0, scale=2)), abs=1e-4)
