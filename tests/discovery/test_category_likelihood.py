import numpy as np
import pytest

from whydrift.discovery.scores.category_likelihood import fit_logistic
from whydrift.discovery.scores.residual_density import ResidualDensity


def drawn(rng: np.random.Generator, logits: np.ndarray) -> np.ndarray:
    return (logits + rng.gumbel(size=logits.shape)).argmax(axis=1)


def preference(number: np.ndarray, category: np.ndarray) -> float:
    """Return how much better number → category explains the two than category → number."""
    values = np.column_stack([number, category.astype(float)])
    density = ResidualDensity(values, (False, True), np.array([0, len(number)]))
    return (
        density.local(0, ())
        + density.local(1, (0,))
        - density.local(1, ())
        - density.local(0, (1,))
    )


def test_the_fit_is_that_of_statsmodels():
    models = pytest.importorskip("statsmodels.api", reason="statsmodels is not installed")
    rng = np.random.default_rng(0)
    x = rng.normal(size=(800, 2))
    design = np.column_stack([np.ones(800), x])
    codes = drawn(rng, np.column_stack([np.zeros(800), x[:, 0] + 0.5, -x[:, 1]]))
    expected = models.MNLogit(codes, design).fit(disp=False)
    value, slopes = fit_logistic(design, (codes[:, None] == [1, 2]).astype(float))
    assert value == pytest.approx(expected.llf, abs=0.05)
    np.testing.assert_allclose(slopes, expected.params, atol=0.02)


def test_the_best_without_features_are_the_shares():
    is_level = np.repeat([[1.0], [0.0]], [30, 70], axis=0)
    value, _ = fit_logistic(np.ones((100, 1)), is_level)
    assert value == pytest.approx(30 * np.log(0.3) + 70 * np.log(0.7), abs=0.05)


def test_perfect_separation_ends_at_the_likelihood_of_certainty():
    x = np.linspace(-1, 1, 200)
    value, slopes = fit_logistic(np.column_stack([np.ones(200), x]), (x > 0)[:, None].astype(float))
    assert np.isfinite(slopes).all()
    assert -20 < value <= 0


@pytest.mark.parametrize("seed", range(3))
def test_a_category_that_follows_a_number_is_told_from_one_that_leads_it(seed):
    rng = np.random.default_rng(seed)
    x = rng.uniform(-2, 2, 2000)
    follows = drawn(rng, np.column_stack([np.zeros(2000), 3 * np.sin(2 * x)]))
    assert preference(x, follows) > 3
    leads = rng.integers(0, 3, 2000)
    assert preference(np.array([0.0, 1.5, 3.0])[leads] + rng.exponential(size=2000), leads) < -3


def test_a_category_of_which_one_window_changed_is_cheaper_given_its_cause():
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(0, 1, 1000), rng.normal(1, 1, 1000)])
    category = drawn(rng, np.column_stack([np.zeros(2000), x]))
    values = np.column_stack([x, category.astype(float)])
    density = ResidualDensity(values, (False, True), np.array([0, 1000, 2000]))
    forward = density.local(0, ()) + density.local(1, (0,))
    assert forward > density.local(1, ()) + density.local(0, (1,)) + 3
