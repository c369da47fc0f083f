from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

import whydrift
from whydrift.discovery.errors import OptionError
from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.monitor.diagnosis.mechanism.base import MechanismTestResult, Untestable
from whydrift.monitor.diagnosis.mechanism.residual_scores import ResidualScores
from whydrift.monitor.diagnosis.pair import WindowPair


def result(
    reference: pd.DataFrame, current: pd.DataFrame, column: str, parents: tuple[str, ...]
) -> MechanismTestResult:
    a = Snapshot.from_frame(reference)
    b = Snapshot.from_frame(current, schema=a.schema)
    return ResidualScores()(WindowPair(a, b, tuple(reference.columns)), column, parents)


def world(rng, rows, *, shift=0.0, kind="linear", rho=0.0) -> pd.DataFrame:
    x = shift + rng.normal(size=rows)
    noise = rng.standard_t(3, size=rows) if kind == "heavy" else rng.normal(size=rows)
    for i in range(1, rows if rho else 0):
        noise[i] = rho * noise[i - 1] + np.sqrt(1 - rho**2) * noise[i]
    if kind == "category":
        chance = 1 / (1 + np.exp(-1.5 * x))
        return pd.DataFrame({"x": x, "y": np.where(rng.random(rows) < chance, "a", "b")})
    y = np.tanh(1.5 * x) if kind == "curved" else x
    spread = np.exp(0.4 * x) if kind == "uneven" else 1.0
    return pd.DataFrame({"x": x, "y": y + spread * noise})


@pytest.mark.parametrize("kind", ["linear", "curved", "uneven", "heavy", "category"])
@pytest.mark.parametrize("shift", [0.0, 0.7])
def test_p_values_keep_their_level_when_only_the_parent_moved(kind, shift):
    trials, level = 150, 0.05
    rng = np.random.default_rng(11)
    rejections = 0
    for _ in range(trials):
        reference, current = world(rng, 300, kind=kind), world(rng, 300, kind=kind, shift=shift)
        p_value = result(reference, current, "y", ("x",)).p_value
        assert p_value is not None
        rejections += p_value <= level
    # A right test exceeds this bound for one seed in ten thousand.
    assert rejections <= binom.isf(1e-4, trials, level)


def test_p_values_keep_their_level_when_neighbouring_rows_depend_on_each_other():
    trials, level, rejections = 60, 0.05, 0
    rng = np.random.default_rng(5)
    for _ in range(trials):
        pair = (world(rng, 400, rho=0.9), world(rng, 400, rho=0.9))
        p_value = result(*pair, "y", ("x",)).p_value
        rejections += p_value is not None and p_value <= level
    assert rejections <= binom.isf(1e-4, trials, level)


@pytest.mark.parametrize(
    ("change", "component"),
    [
        (lambda f, rng: f.assign(y=f.y + 0.5), "level"),
        (lambda f, rng: f.assign(y=f.x + 2 * (f.y - f.x)), "spread"),
        (lambda f, rng: f.assign(y=f.y - 1.0 * f.x), "slope of x"),
        (lambda f, rng: f.assign(y=f.y + 0.8 * (f.x**2 - 1)), "curvature of x"),
    ],
)
def test_each_way_to_change_is_found_and_named(change, component):
    rng = np.random.default_rng(3)
    reference, current = world(rng, 800), world(rng, 800)
    found = result(reference, change(current, rng), "y", ("x",))
    assert found.p_value is not None
    assert found.p_value < 1e-6
    assert component in [c.name for c in found.components[:2]]


@pytest.mark.parametrize("tails", ["two in a hundred", "Student's t"])
def test_changed_tails_are_found_and_named(tails):
    found = 0
    for seed in range(5):
        rng = np.random.default_rng(seed)
        reference = world(rng, 5000)
        current = world(rng, 5000, shift=0.3)
        noise = rng.normal(size=5000)
        noise[:100] *= 6
        if tails == "Student's t":
            noise = rng.standard_t(4, size=5000) / np.sqrt(2)
        current["y"] = current["x"] + noise
        answer = result(reference, current, "y", ("x",))
        assert answer.p_value is not None
        z = {c.name: abs(c.z) for c in answer.components}
        found += answer.p_value < 0.005 and z.get("share of extreme values", 0.0) > 3
    assert found >= 4


def test_a_changed_category_table_is_found():
    rng = np.random.default_rng(3)
    reference, current = world(rng, 800, kind="category"), world(rng, 800, kind="category")
    flipped = current.assign(y=np.where(rng.random(800) < 0.3, "a", current.y))
    found = result(reference, flipped, "y", ("x",))
    assert found.p_value is not None
    assert found.p_value < 1e-6
    assert found.components[0].unit == "probability"


def test_the_effect_of_a_changed_level_is_measured_in_reference_sd():
    rng = np.random.default_rng(8)
    reference = pd.DataFrame({"x": rng.normal(size=6000)})
    current = pd.DataFrame({"x": 0.4 + rng.normal(size=6000)})
    level = next(c for c in result(reference, current, "x", ()).components if c.name == "level")
    assert abs(level.value - 0.4) < 4 * level.error + 0.02
    assert level.error < 0.05


def test_parents_without_overlap_are_untestable_and_not_a_verdict():
    rng = np.random.default_rng(2)
    found = result(world(rng, 400), world(rng, 400, shift=8.0), "y", ("x",))
    assert found.p_value is None
    assert found.untestable is Untestable.NO_OVERLAP
    assert found.overlap < 0.35


def test_too_few_rows_are_untestable():
    rng = np.random.default_rng(2)
    found = result(world(rng, 400), world(rng, 12), "y", ("x",))
    assert found.untestable is Untestable.TOO_FEW_ROWS


def test_a_category_of_nearly_one_level_says_that_the_other_is_too_rare():
    rng = np.random.default_rng(0)
    reference, current = (
        pd.DataFrame({"x": rng.normal(size=500), "y": ["ok"] * 498 + ["slow"] * 2}) for _ in "ab"
    )
    found = whydrift.compare(reference, current, graph=[("x", "y")]).columns["y"]
    assert found.verdict.value == "undetermined"
    assert "too few to test" in found.reason


def test_the_answer_does_not_depend_on_a_monotone_change_of_scale():
    rng = np.random.default_rng(9)
    reference, current = world(rng, 300), world(rng, 300, shift=0.3)
    plain = result(reference, current, "y", ("x",))
    warped = result(
        reference.assign(x=np.exp(reference.x)), current.assign(x=np.exp(current.x)), "y", ("x",)
    )
    assert plain.p_value == pytest.approx(warped.p_value)


def test_clusters_widen_the_uncertainty():
    rng = np.random.default_rng(4)

    def users(first: int) -> pd.DataFrame:
        user = np.repeat(np.arange(first, first + 25), 20)
        own = np.repeat(rng.normal(size=25), 20)
        return pd.DataFrame({"user": user, "y": own + 0.3 * rng.normal(size=500)})

    rejected = {"rows": 0, "clusters": 0}
    for _ in range(40):
        a = Snapshot.from_frame(users(0), kinds={"user": "count"})
        b = Snapshot.from_frame(users(100), schema=a.schema)
        for name, cluster in (("rows", None), ("clusters", "user")):
            # Without the declared cluster the rows only look autocorrelated.
            p_value = ResidualScores()(WindowPair(a, b, ("y",), cluster), "y", ()).p_value
            rejected[name] += p_value is not None and p_value <= 0.05
    assert rejected["clusters"] <= binom.isf(1e-4, 40, 0.05)


@pytest.mark.parametrize("kind", ["linear", "uneven", "heavy"])
@pytest.mark.parametrize("change", [0.0, 0.3])
def test_intervals_of_the_change_in_level_cover_the_truth(kind, change):
    trials, covered, errors, values = 150, 0, [], []
    rng = np.random.default_rng(17)
    for _ in range(trials):
        reference, current = world(rng, 300, kind=kind), world(rng, 300, kind=kind)
        found = result(reference, current.assign(y=current.y + change), "y", ("x",))
        level = next(c for c in found.components if c.name == "level")
        # In units of the reference's rank-normal sd: for this world close to its plain sd.
        truth = change / reference.y.std()
        covered += abs(level.value - truth) <= 1.96 * level.error
        errors.append(level.error)
        values.append(level.value)
    if kind == "linear" or not change:  # ranks bend a shift where the noise is not normal
        assert covered >= binom.ppf(1e-4, trials, 0.92)
    # A standard error is a steady number: never blown up where the evidence happens to be near 0.
    assert max(errors) < 3 * np.median(errors)
    assert np.median(errors) == pytest.approx(np.std(values), rel=0.25)


@pytest.mark.parametrize(
    ("draw", "sd"),
    [
        (lambda rng: rng.normal(size=300), 1.0),
        (lambda rng: rng.exponential(size=300), 1.0),
        # The sd of Student's t with two degrees is infinite: its middle half / 1.349 stands for it.
        (lambda rng: rng.standard_t(2, size=300), 2 * 0.8165 / 1.349),
    ],
    ids=["normal", "skewed", "heavy"],
)
@pytest.mark.parametrize("change", [0.3, 1.0, 3.0])
def test_intervals_of_a_root_s_change_cover_small_and_large_ones(draw, sd, change):
    trials, level, spread = 80, 0, 0
    rng = np.random.default_rng(23)
    for _ in range(trials):
        a, b = (pd.DataFrame({"x": draw(rng)}) for _ in range(2))
        found = {c.name: c for c in result(a, b + change * sd, "x", ()).components}
        level += abs(found["level"].value - change) <= 1.96 * found["level"].error
        found = {c.name: c for c in result(a, b * np.exp(change / 2), "x", ()).components}
        spread += abs(found["spread"].value - change / 2) <= 1.96 * found["spread"].error
    # Borderline kurtosis picks now moments, now quartiles: a little below 95 %.
    assert min(level, spread) >= binom.ppf(1e-4, trials, 0.9)


class _Deaf:
    """A test that never finds anything."""

    def __call__(self, pair, column, parents, others=()):
        found = ResidualScores()(pair, column, parents, others)
        return replace(found, p_value=None if found.p_value is None else 1.0)


def test_a_comparison_takes_another_mechanism_test_by_name_or_as_it_is():
    rng = np.random.default_rng(0)
    reference, current = world(rng, 500), world(rng, 500)
    current["y"] += 1.0
    options = {"graph": [("x", "y")], "floor": 0.0}
    by_name = whydrift.compare(reference, current, mechanism_test="residual_scores", **options)
    assert by_name.ranking == ("y",)
    assert whydrift.compare(reference, current, mechanism_test=_Deaf, **options).ranking == ()
    with pytest.raises(OptionError, match="residual_scores"):
        whydrift.compare(reference, current, mechanism_test="residual_score", **options)


def test_a_mirrored_noise_of_the_same_mean_and_spread_is_another_mechanism():
    rng = np.random.default_rng(0)
    windows = []
    for sign in (1, -1):
        x = rng.normal(size=2000)
        windows.append(pd.DataFrame({"x": x, "y": x + sign * (rng.exponential(size=2000) - 1)}))
    found = whydrift.compare(*windows, graph=[("x", "y")], target="y")
    assert found.ranking == ("y",)
    assert found.conditional_shift is True
    assert "quantiles" in found.columns["y"].reason
