"""Regression discontinuity: beside rdrobust, in known worlds, and where it must not be believed."""

from __future__ import annotations

import numpy as np
import pytest

import whydrift as wd
from tests.effects.worlds import real
from whydrift.discovery.errors import OptionError, SchemaError, TooFewRows
from whydrift.effects import Outcome
from whydrift.effects.discontinuity.cluster_error import clustered_error
from whydrift.effects.discontinuity.kernel import kernel_named
from whydrift.effects.discontinuity.local_polynomial import jump_weights


def elections(seed: int = 7, rows: int = 1000) -> dict[str, np.ndarray]:
    """Model 1 of Calonico, Cattaneo & Titiunik (2014) and a fuzzy variant of it."""
    rng = np.random.default_rng(seed)
    x = 2 * rng.beta(2, 4, rows) - 1
    powers = x[:, None] ** np.arange(6)
    below = powers @ (0.48, 1.27, 7.18, 20.21, 21.54, 7.33)
    above = powers @ (0.52, 0.84, -3.0, 7.99, -9.01, 3.56)
    mean = np.where(x < 0, below, above)
    y = mean + 0.1295 * rng.normal(size=rows)
    w = rng.normal(size=rows)
    took = (rng.random(rows) < np.where(x >= 0, 0.8, 0.2)).astype(float)
    fuzzy = mean + took + 0.2 * w + 0.3 * rng.normal(size=rows)
    return {"x": x, "treat": (x >= 0).astype(int), "y": y, "took": took, "fuzzy": fuzzy, "w": w}


def jump(data, treatment="treat", outcome="y", **options):
    return wd.estimate(data, treatment, outcome, running="x", cutoff=0.0, **options)


@pytest.mark.parametrize(
    ("asked", "value", "error"),
    [
        # rdrobust 2.1.1 (Python): bias-corrected estimate and robust error at given bandwidths.
        ({"bandwidth": 0.2, "bias_bandwidth": 0.3}, 0.00400616, 0.04762351),
        ({"bandwidth": 0.2, "bias_bandwidth": 0.3, "errors": "hc2"}, 0.00400616, 0.05370176),
        (
            {"bandwidth": 0.3, "bias_bandwidth": 0.4, "estimand": "kink"}, 0.67052081, 1.28406381,
        ),
        (
            {"treatment": "took", "outcome": "fuzzy", "bandwidth": 0.3, "bias_bandwidth": 0.4},
            1.15751504, 0.18773881,
        ),
        (
            {"outcome": "fuzzy", "adjustment": "w", "bandwidth": 0.3, "bias_bandwidth": 0.4},
            0.6352059, 0.17041722,
        ),
    ],
)  # fmt: skip
def test_the_same_as_rdrobust_at_its_bandwidths(asked, value, error):
    effect = jump(elections(), **asked)
    assert effect.value == pytest.approx(value, abs=1e-8)
    # rdrobust looks for neighbours within the bandwidth alone.
    assert effect.standard_error == pytest.approx(error, rel=1e-6)


@pytest.mark.parametrize(
    ("asked", "bandwidths"),
    [
        # rdrobust 2.1.1; its rule of thumb takes another quartile, hence the tolerance.
        ({}, (0.11965148, 0.25193243)),
        ({"kernel": "epanechnikov"}, (0.14168693, 0.28140548)),
        ({"order": 2}, (0.15320008, 0.28558513)),
        ({"estimand": "kink"}, (0.18413677, 0.28558513)),
    ],
)
def test_bandwidths_are_those_of_rdrobust(asked, bandwidths):
    found = jump(elections(), **asked).details["estimates"]
    assert found["bandwidth"][0] == pytest.approx(bandwidths[0], rel=1e-3)
    assert found["bandwidth of the bias"][0] == pytest.approx(bandwidths[1], rel=1e-3)


def test_real_households_agree_with_rdrobust_although_values_repeat():
    # rdrobust 2.1.1 on causaldata's gov_transfers, h = 0.005, b = 0.008: 0.06483461 (0.08257968)
    # above less below; the programme is for those below.
    effect = wd.estimate(
        real("gov_transfers"), "Participation", "Support", running="Income_Centered", cutoff=0.0,
        bandwidth=0.005, bias_bandwidth=0.008,
    )  # fmt: skip
    assert effect.value == pytest.approx(-0.06483461, abs=1e-8)
    assert effect.standard_error == pytest.approx(0.08257968, rel=0.02)


def test_the_order_of_rows_and_the_scale_of_the_running_variable_do_not_matter():
    data = elections()
    order = np.random.default_rng(0).permutation(1000)
    mixed = {name: column[order] for name, column in data.items()}
    one, other = jump(data), jump(mixed)
    assert other.value == pytest.approx(one.value, rel=1e-9)
    stretched = {**data, "x": data["x"] * 1000}
    assert jump(stretched).value == pytest.approx(one.value, rel=1e-6)


def test_a_treatment_of_the_lower_side_turns_the_sign():
    data = elections()
    turned = {**data, "treat": 1 - data["treat"]}
    assert jump(turned).value == pytest.approx(-jump(data).value)


def test_sorting_across_the_cutoff_fails_the_density_check():
    rng = np.random.default_rng(3)
    x = rng.uniform(-1, 1, 2000)
    x = np.where((x > -0.1) & (x < 0) & (rng.random(2000) < 0.7), -x, x)
    data = {"x": x, "treat": (x >= 0).astype(int), "y": x + rng.normal(size=2000)}
    assert jump(data).check("density").outcome is Outcome.FAIL


def test_a_covariate_that_jumps_too_fails():
    data = elections()
    data["z"] = data["treat"] + 0.1 * data["w"]
    effect = jump(data, balance="z")
    assert effect.check("covariate_continuity").outcome is Outcome.FAIL
    assert not effect.is_credible


def test_a_treatment_that_hardly_jumps_fails_the_first_stage():
    data = elections()
    rng = np.random.default_rng(5)
    data["took"] = (rng.random(1000) < 0.5).astype(int)
    assert jump(data, treatment="took").check("first_stage").outcome is Outcome.FAIL


def test_the_story_the_page_and_json_hold_together():
    effect = jump(elections(), balance="w")
    assert type(effect).from_dict(effect.to_dict()) == effect
    assert {chart.name for chart in effect.charts} == {"discontinuity", "bandwidths"}


def test_what_cannot_be_estimated_says_why():
    data = elections()
    with pytest.raises(SchemaError, match="has the value 1 in all 1,000"):
        jump({**data, "x": np.ones(1000)})
    with pytest.raises(OptionError, match="not inside the values of x"):
        wd.estimate(data, "treat", "y", running="x", cutoff=5.0)
    with pytest.raises(TooFewRows, match="different values of x below"):
        jump({**data, "x": np.maximum(data["x"], -0.001)})
    with pytest.raises(OptionError, match="needs 'cutoff'"):
        wd.estimate(data, "treat", "y", running="x", method="rdd")
    with pytest.raises(OptionError, match="triangular"):
        jump(data, kernel="triangle")
    with pytest.raises(OptionError, match="no width"):
        jump(data, bandwidth=-1.0)


def test_clustered_errors_are_those_of_the_formula_written_out():
    # Bell & McCaffrey (2002) with matrices of rows by rows, beside the sums over clusters.
    rng = np.random.default_rng(1)
    x, y, groups = rng.uniform(-1, 1, 120), rng.normal(size=120), rng.integers(0, 15, 120)
    above, kernel = x >= 0, kernel_named("triangular")
    _, weights = jump_weights(x, above, kernel, (0.5, 0.8), 1, 0)
    error, freedom = clustered_error(x, above, y, weights, groups, kernel, 0.8, 2)
    root = np.sqrt(kernel(x / 0.8))
    powers = x[:, None] ** np.arange(3)
    design = root[:, None] * np.hstack([powers * above[:, None], powers * ~above[:, None]])
    hat = design @ np.linalg.pinv(design)
    shares = []
    for group in range(15):
        rows = np.flatnonzero((groups == group) & (root > 0))
        sizes, vectors = np.linalg.eigh(np.eye(len(rows)) - hat[np.ix_(rows, rows)])
        longer = vectors @ np.diag(sizes**-0.5) @ vectors.T
        own = np.zeros(120)
        own[rows] = weights[rows] / root[rows] @ longer
        # Residuals are those of the rows times the root of their weight.
        shares.append((own @ (np.eye(120) - hat)) * root)
    table = np.array(shares)
    covariance = table @ table.T
    assert error == pytest.approx(np.sqrt(((table @ y) ** 2).sum()))
    assert freedom == pytest.approx(np.trace(covariance) ** 2 / (covariance**2).sum())
    assert freedom < 10  # of 15 clusters, few lie near the cutoff


def test_clusters_far_from_the_cutoff_add_no_certainty():
    rng = np.random.default_rng(0)
    groups = np.arange(2000) // 100  # by the running variable: most lie far out
    x = np.sort(rng.uniform(-1, 1, 2000))
    y = x + rng.normal(size=20)[groups] + rng.normal(size=2000)
    data = {"x": x, "treat": (x >= 0).astype(int), "y": y, "group": groups}
    near, far = (jump(data, bandwidth=h, cluster="group") for h in (0.2, 0.8))
    reach = [(e.high - e.value) / e.standard_error for e in (near, far)]
    assert reach[0] > reach[1] > 1.96
