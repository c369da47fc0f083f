import numpy as np
import pytest

from whydrift.discovery.scores.window_regression import WindowRegression, window_groupings

BOUNDS = np.array([0, 300, 700, 1000])
BLOCKS, RESPONSES = (slice(1, 3), slice(4, 5)), slice(5, 7)


def regression(rng: np.random.Generator, moved: float) -> WindowRegression:
    """Return features of which the sixth moves in the last window, and the seventh never."""
    features = rng.normal(size=(7, 1000))
    features[0] = 1.0
    features[5] += features[1] - features[4]
    features[5, 700:] += moved
    features[6] += features[2]
    features[1:] -= features[1:].mean(axis=1, keepdims=True)
    return WindowRegression(features, BOUNDS, window_groupings(3))


def best(found: WindowRegression):
    return found.best([BLOCKS], RESPONSES, 1.0, 0.5 * np.log(1000), moved=True)


def test_residuals_are_those_of_least_squares_with_an_intercept_of_each_group():
    found = regression(np.random.default_rng(0), 3.0)
    fit = best(found)[0]
    assert fit.groups == (slice(0, 700), slice(700, 1000))
    assert len(fit.slopes) == 1
    is_last = (np.arange(1000) >= 700).astype(float)
    design = np.column_stack([found.features[[1, 2, 4]].T, 1 - is_last, is_last])
    left = found.features[5] - design @ np.linalg.lstsq(design, found.features[5])[0]
    spreads = np.array([left[:700].std(), left[700:].std()])
    residuals = np.empty(1000)
    log_spread = found.residuals(fit, 5, residuals)
    np.testing.assert_allclose(residuals, left / np.repeat(spreads, [700, 300]), atol=1e-4)
    assert log_spread == pytest.approx(np.log(spreads) @ [700, 300], abs=1e-2)
    # Three slopes, two intercepts, two spreads, and which windows differ.
    assert fit.price == pytest.approx(8 * 0.5 * np.log(1000))
    assert fit.value == pytest.approx(-log_spread - fit.price)


def test_windows_that_are_alike_share_everything():
    fit = best(regression(np.random.default_rng(0), 3.0))[1]
    assert fit.groups == (slice(0, 1000),)
    np.testing.assert_allclose(fit.slopes, [[0.0, 1.0, 0.0]], atol=0.15)


def test_slopes_that_changed_are_each_group_s_own():
    rng = np.random.default_rng(1)
    features = rng.normal(size=(7, 1000))
    features[5] += np.where(np.arange(1000) < 700, 1.0, -1.0) * features[1]
    fit = best(WindowRegression(features, BOUNDS, window_groupings(3)))[0]
    np.testing.assert_allclose(fit.slopes[:, 0], [1.0, -1.0], atol=0.2)
    residuals = np.empty(1000)
    WindowRegression(features, BOUNDS, window_groupings(3)).residuals(fit, 5, residuals)
    assert abs(np.corrcoef(residuals[700:], features[1, 700:])[0, 1]) < 1e-4


def test_the_way_of_fewer_features_wins_where_they_are_enough():
    found = regression(np.random.default_rng(2), 3.0)
    fewer = (slice(1, 2), slice(4, 5))
    unit = 0.5 * np.log(1000)
    wide, narrow = (found.best([b], RESPONSES, 1.0, unit, moved=True) for b in (BLOCKS, fewer))
    both = found.best([BLOCKS, fewer], RESPONSES, 1.0, unit, moved=True)
    assert [fit.blocks for fit in both] == [fewer, BLOCKS]
    for fit, alone in zip(both, (narrow[0], wide[1]), strict=True):
        assert fit.value == pytest.approx(alone.value)
        assert fit.groups == alone.groups
        np.testing.assert_allclose(fit.slopes, alone.slopes)
        np.testing.assert_allclose(fit.intercepts, alone.intercepts)
        np.testing.assert_allclose(fit.spreads, alone.spreads)
