"""Groups, networks, blocks of time and rings in space: published variances, and what is refused."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import whydrift as wd
from whydrift.effects import Outcome
from whydrift.effects.interference import network_exposure
from whydrift.effects.interference.exposure import EXPOSURES, Network
from whydrift.effects.interference.joint_chances import JointChances

# ---- two stages -------------------------------------------------------------------------------
GROUPS = 4
SAVED = np.random.default_rng(5).normal(size=(GROUPS, 4, 3))  # Y(0; low), Y(0; high), Y(1; high)
# Treatment adds the same to all rows of a group, another amount in each group.
SAVED[:, :, 2] = SAVED[:, :, 1] + np.array([[-1.0], [0.5], [2.0], [0.3]])


def all_two_stage_draws():
    """Every outcome of a draw of two groups of four, in which two of four rows are treated."""
    pairs = list(itertools.combinations(range(4), 2))
    for high in pairs:
        for chosen in itertools.product(pairs, repeat=2):
            treated = np.zeros((GROUPS, 4), dtype=int)
            for group, rows in zip(high, chosen, strict=True):
                treated[group, rows] = 1
            is_high = np.isin(np.arange(GROUPS), high)
            outcome = np.where(is_high[:, None], SAVED[:, :, 1], SAVED[:, :, 0])
            outcome = np.where(treated == 1, SAVED[:, :, 2], outcome)
            yield {
                "group": np.repeat(np.arange(GROUPS), 4), "plan": np.repeat(is_high * 50, 4),
                "treat": treated.ravel(), "y": outcome.ravel(),
            }  # fmt: skip


def two_stage(data, estimand, **more):
    return wd.estimate(
        data, "treat", "y", method="two_stage", cluster="group", saturation="plan",
        estimand=estimand, **more,
    )  # fmt: skip


@pytest.fixture(scope="module")
def every_draw():
    """Value and standard error of the four effects, over all draws."""
    found = []
    for data in all_two_stage_draws():
        table = two_stage(data, "overall").details["effects"]
        found.append((table["change"], table["standard error"]))
    assert len(found) == 216
    values, errors = (np.array(each, dtype=float) for each in zip(*found, strict=True))
    names = table["effect"]
    return {name: (values[:, i], errors[:, i] ** 2) for i, name in enumerate(names)}


@pytest.mark.parametrize(
    ("estimand", "truth"),
    [
        ("direct", (SAVED[:, :, 2] - SAVED[:, :, 1]).mean()),
        ("indirect", (SAVED[:, :, 1] - SAVED[:, :, 0]).mean()),
        ("total", (SAVED[:, :, 2] - SAVED[:, :, 0]).mean()),
        ("overall", (SAVED[:, :, 1:].mean(axis=2) - SAVED[:, :, 0]).mean()),
    ],
)
def test_over_all_draws_effects_are_unbiased_and_variances_those_of_hudgens_and_halloran(
    every_draw, estimand, truth
):
    values, variances = every_draw[estimand]
    assert values.mean() == pytest.approx(truth, abs=1e-10)
    if estimand == "direct":  # unbiased, as treatment adds the same within a group
        assert variances.mean() == pytest.approx(values.var(), rel=1e-10)
    else:  # not too small
        assert variances.mean() >= values.var()


def groups(seed, spill=3.0, count=40, size=12):
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(count), size)
    plan = np.where(np.arange(count) % 2, 75, 25)
    treat = np.concatenate([rng.permutation(np.arange(size) < size * p // 100) for p in plan])
    outcome = 2.0 * treat + spill * plan[group] / 100 + rng.normal(size=count * size)
    return {"group": group, "plan": plan[group], "treat": treat.astype(int), "y": outcome}


def test_own_treatment_and_that_of_others_add_up_to_the_total():
    effect = two_stage(groups(1), "total")
    table = effect.details["effects"]
    change = dict(zip(table["effect"], table["change"], strict=True))
    assert change["direct"] + change["indirect"] == pytest.approx(change["total"])
    assert effect.value == change["total"] and effect.is_credible
    assert effect.check("interference").outcome is Outcome.WARN
    assert two_stage(groups(2, spill=0.0), "direct").check("interference").outcome is Outcome.PASS


def test_a_strategy_that_treats_nobody_has_no_direct_effect_and_says_so():
    data = groups(3)
    data["treat"] = np.where(data["plan"] == 25, 0, data["treat"])
    assert two_stage(data, "total").value is not None
    with pytest.raises(wd.TooFewRows, match="no group has untreated"):
        two_stage(data, "direct", high=25, low=75)


# ---- networks ---------------------------------------------------------------------------------
def all_exposures(rows, links):
    both = np.array([*links, *((b, a) for a, b in links)], dtype=np.int64).reshape(-1, 2)
    network = Network(both, np.arange(rows))
    draws = np.array(list(itertools.product((False, True), repeat=rows)))
    return network, np.stack([network.exposure(draw) for draw in draws])


@pytest.mark.parametrize(
    ("links", "exact"), [([], True), ([(i, (i + 1) % 9) for i in range(9)], False)]
)
def test_over_all_draws_the_variance_is_that_of_aronow_and_samii(links, exact):
    rows = 9
    network, seen = all_exposures(rows, links)
    chance = np.stack([(seen == e).mean(axis=0) for e in range(len(EXPOSURES))])
    saved = np.random.default_rng(2).normal(3, 1, size=(len(EXPOSURES), rows))
    joint = JointChances.build(network.related(), np.ones(rows, bool), seen, len(EXPOSURES))
    for e, other in ((0, 0), (2, 2), (2, 0)):
        totals, estimates = [], []
        for mine in seen:
            scores = [np.where(mine == k, saved[k], 0.0) for k in range(len(EXPOSURES))]
            totals.append([scores[k] @ (1 / np.maximum(chance[k], 1e-9)) for k in (e, other)])
            estimates.append(joint.covariance(e, other, scores, mine, chance))
        truth = np.cov(np.array(totals).T, bias=True)[0, 1]
        slack = np.mean(estimates) - truth
        if exact and e == other:  # no pair excludes another
            assert slack == pytest.approx(0, abs=1e-8)
        elif e == other:
            assert slack > 0
        else:  # it is subtracted: not too large
            assert slack < 1e-8
    assert np.mean(totals, axis=0) == pytest.approx(saved[[2, 0]].sum(axis=1))


ROWS = 200


def friends(seed, spill=1.5):
    rng = np.random.default_rng(seed)
    treat = (rng.random(ROWS) < 0.4).astype(int)
    near = [[(i - 1) % ROWS, (i + 1) % ROWS] for i in range(ROWS)]
    touched = treat[np.array(near)].max(axis=1)
    outcome = 2.0 * treat + spill * touched + rng.normal(size=ROWS)
    names = np.array([f"u{i}" for i in range(ROWS)])
    listed = np.array(["; ".join(names[each]) for each in near])
    return {"id": names, "friends": listed, "treat": treat, "y": outcome}


def network(data, estimand="indirect", **more):
    asked = {"unit": "id", "neighbours": "friends", "share": 0.4, **more}
    return wd.estimate(data, "treat", "y", method="network_exposure", estimand=estimand, **asked)


def test_a_column_of_neighbours_says_what_links_say():
    data = friends(1)
    links = [(i, (i + 1) % ROWS) for i in range(ROWS)]
    by_links = network_exposure(data["treat"], data["y"], links, share=0.4)
    effect = network(data)
    assert (effect.value, effect.low, effect.high) == pytest.approx(
        by_links.effect("neighbour only")
    )
    assert effect.check("interference").outcome is Outcome.WARN
    lists = {**data, "friends": [each.split("; ") for each in data["friends"]]}
    assert network(lists).value == effect.value
    chances = {**data, "chance": np.full(ROWS, 0.4)}
    assert network(chances, share="chance").value == effect.value


def test_both_estimators_and_both_errors_are_about_one_number():
    data = friends(2)
    plain = network(data, "direct")
    raw = network(data, "direct", estimator="horvitz_thompson")
    sharp = network(data, "direct", errors="network")
    assert sharp.value == plain.value and sharp.standard_error < plain.standard_error
    assert abs(raw.value - plain.value) < 3 * raw.standard_error
    assert raw.standard_error > plain.standard_error


def test_how_many_neighbours_count_is_the_user_s_to_say():
    data = friends(3)
    one, two, all_of_them = (
        network(data, least=least).details["exposures"]["rows"][0] for least in (1, 2, 1e-9)
    )
    assert one == all_of_them > two
    assert network(data, least=0.9).details["exposures"]["rows"][0] == two


def test_links_to_rows_that_are_not_there_are_counted():
    data = friends(4)
    data["friends"][:5] = "u1; nobody"
    assert network(data).check("links").outcome is Outcome.WARN
    data["friends"][:60] = "nobody"
    assert network(data).check("links").outcome is Outcome.FAIL


# ---- blocks of time ---------------------------------------------------------------------------
def switched(seed, length=6, blocks=60, carried=0, places=1, alternate=False):
    rng = np.random.default_rng(seed)
    parts = []
    for place in range(places):
        drawn = np.arange(blocks) % 2 if alternate else rng.integers(0, 2, blocks)
        treat = np.repeat(drawn, length)
        outcome = treat + place + rng.normal(size=len(treat))
        for back in range(1, carried + 1):
            outcome += 2 * np.concatenate([np.zeros(back), treat[:-back]])
        parts.append((np.full(len(treat), place), np.arange(len(treat)), treat, outcome))
    columns = [np.concatenate(each) for each in zip(*parts, strict=True)]
    return dict(zip(("place", "time", "treat", "y"), columns, strict=True))


def switchback(data, **more):
    return wd.estimate(data, "treat", "y", method="switchback", time="time", **more)


def test_one_place_is_least_squares_with_errors_by_block():
    import statsmodels.api as sm

    data = switched(1)
    found = switchback(data, block_length=6)
    fit = sm.OLS(data["y"], sm.add_constant(data["treat"])).fit(
        cov_type="cluster", cov_kwds={"groups": data["time"] // 6}
    )
    # statsmodels counts both parameters where we count the slope alone.
    assert found.value == pytest.approx(fit.params[1])
    assert found.standard_error == pytest.approx(fit.bse[1], rel=0.01)


def test_blocks_are_told_from_runs_of_one_treatment_and_said():
    data = switched(2)
    found = switchback(data)
    assert "blocks of 6 periods" in found.warnings[0].text
    named = switchback({**data, "shift": data["time"] // 6}, block="shift")
    assert found.value == named.value == switchback(data, block_length=6).value
    assert found.standard_error == named.standard_error


def test_what_a_block_leaves_behind_is_found_and_left_out():
    data = switched(3, carried=2)
    early = switchback(data, block_length=6)
    late = switchback(data, block_length=6, burn_in=2)
    assert early.check("carry_over").outcome is Outcome.FAIL
    assert late.check("carry_over").outcome is Outcome.PASS
    assert early.high < 5.0 and late.low < 5.0 < late.high
    assert late.n == 60 * 4
    shown = late.details["carry_over"]
    assert [round(change) for change in shown["change"][:4]] == [4, 2, 0, 0]
    assert list(late.details["burn_in"]["burn-in"]) == [str(b) for b in range(6)]


def test_places_switched_on_their_own_have_a_level_and_blocks_each():
    found = switchback(switched(4, places=4, blocks=20), unit="place")
    assert "blocks with treatment" in found.check("blocks").sentence
    assert found.low < 1.0 < found.high
    together = switched(4, blocks=20)
    doubled = {name: np.tile(values, 3) for name, values in together.items()}
    doubled["place"] = np.repeat(np.arange(3), len(together["time"]))
    # Places switched together are no more blocks than one of them.
    assert switchback(doubled, unit="place").standard_error == pytest.approx(
        switchback(together).standard_error, rel=0.02
    )


def test_strict_alternation_cannot_tell_what_is_left_behind():
    found = switchback(switched(5, alternate=True))
    assert found.check("carry_over").outcome is Outcome.WARN
    assert "alternate" in found.check("carry_over").sentence


# ---- space ------------------------------------------------------------------------------------
def town(seed, spill=0.8, rows=400, scale=1.0):
    rng = np.random.default_rng(seed)
    x, z = rng.random(rows) * 30, rng.random(rows) * 30
    treat = (rng.random(rows) < 0.4).astype(int)
    gaps = np.hypot(x[:, None] - x, z[:, None] - z)
    outcome = treat + spill * (((gaps <= 1) & (gaps > 0)) @ treat) + rng.normal(size=rows)
    return {"x": x * scale, "z": z * scale, "treat": treat, "y": outcome}


def rings(data, **more):
    asked = {"place": ("x", "z"), "rings": (1, 2, 4), **more}
    return wd.estimate(data, "treat", "y", method="spatial_rings", **asked)


def test_rings_are_means_around_sites_compared_with_errors_that_go_by_place():
    import statsmodels.api as sm

    data = town(1, rows=150)
    gaps = np.hypot(data["x"][:, None] - data["x"], data["z"][:, None] - data["z"])
    inside = (gaps > 1) & (gaps <= 2)
    kept = inside.any(axis=1)
    around = (inside @ data["y"])[kept] / inside.sum(axis=1)[kept]
    fit = sm.OLS(around, sm.add_constant(data["treat"][kept])).fit(cov_type="HC1")
    found = rings(data, ring=2, cutoff=0)
    assert found.value == pytest.approx(fit.params[1])
    # Nobody is near anybody: the Conley error is that of rows that err alone.
    assert found.standard_error == pytest.approx(fit.bse[1], rel=0.01)


def test_the_effect_is_found_where_it_is_and_not_beyond():
    found = rings(town(2))
    table = found.details["rings"]
    low, high = dict(zip(table["ring"], table["low"], strict=True)), dict(
        zip(table["ring"], table["high"], strict=True)
    )  # fmt: skip
    assert low["0 to 1"] < 0.8 < high["0 to 1"] and low["0 to 1"] > 0
    assert low["2 to 4"] < 0 < high["2 to 4"]
    assert rings(town(2), ring=0).check("interference").outcome is Outcome.WARN
    assert rings(town(3, spill=0.0), ring=0).check("interference").outcome is Outcome.PASS


def test_degrees_on_the_earth_are_kilometres():
    flat = town(4)
    degree = np.pi * 6371.0088 / 180
    round_ = {**flat, "x": flat["x"] / degree, "z": flat["z"] / degree}  # at the equator
    assert rings(round_, earth=True).value == pytest.approx(rings(flat).value, abs=1e-3)


def test_rows_that_could_not_be_treated_are_no_sites_but_stand_in_rings():
    data = town(5)
    data["site"] = np.where(data["treat"] == 1, 1, np.arange(400) % 2)
    found = rings(data, sites="site")
    assert found.details["rings"]["rows"][0] == data["site"].sum()
    with pytest.raises(wd.SchemaError, match="could not have been"):
        rings({**data, "site": 1 - data["treat"]}, sites="site")


# ---- doubt ------------------------------------------------------------------------------------
@pytest.mark.parametrize(("spill", "outcome"), [(3.0, Outcome.WARN), (0.0, Outcome.PASS)])
def test_a_plain_comparison_within_clusters_says_whether_others_matter(spill, outcome):
    found = wd.estimate(groups(6, spill), "treat", "y", cluster="group")
    assert found.method == "difference_in_means"
    assert found.check("interference").outcome is outcome


def test_clusters_treated_whole_raise_no_such_question():
    data = groups(7)
    data["treat"] = data["group"] % 2
    found = wd.estimate(data, "treat", "y", cluster="group")
    assert "interference" not in [check.name for check in found.checks]


# ---- bad input --------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("ask", "data", "given", "says"),
    [
        (two_stage, groups(0), {"high": 80}, "unknown strategy '80'"),
        (two_stage, groups(0), {"high": 25, "low": 25}, "compared with itself"),
        (two_stage, {**groups(0), "plan": np.ones(480)}, {}, "one strategy"),
        (two_stage, {**groups(0), "plan": np.arange(480) % 2}, {}, "of several strategies"),
        (network, friends(0), {"share": 1.0}, "no chance"),
        (network, friends(0), {"neighbours": "freinds"}, "Did you mean 'friends'"),
        (network, friends(0), {"estimator": "hayek"}, "unknown estimator"),
        (network, friends(0), {"draws": 10}, "100 or more"),
        (network, {**friends(0), "id": np.arange(200) % 50}, {}, "names 50 rows"),
        (network, {**friends(0), "pair": np.arange(200) // 2}, {"cluster": "pair"}, "not alike"),
        (network, {**friends(0), "friends": np.full(200, "")}, {}, "some exposure"),
        (switchback, switched(0), {"block_length": 4}, "in part only"),
        (switchback, switched(0), {"burn_in": 6}, "Give a shorter one"),
        (switchback, switched(0), {"burn_in": -1}, "no number of periods"),
        (switchback, switched(0), {"block": "time", "block_length": 2}, "Give one of the two"),
        (switchback, switched(0, blocks=4), {}, "blocks in all"),
        (rings, town(0), {"rings": (2, 1)}, "no edges of rings"),
        (rings, town(0), {"ring": 4}, "no ring 4"),
        (rings, town(0), {"place": ("x",)}, "not two columns"),
        (rings, town(0, scale=10), {"earth": True}, "90 degrees"),
        (rings, town(0), {"rings": (0.001,)}, "too few sites"),
    ],
)  # fmt: skip
def test_bad_input_is_one_clear_sentence(ask, data, given, says):
    with pytest.raises(wd.WhydriftError, match=says):
        if ask is two_stage:
            ask(data, "overall", **given)
        else:
            ask(data, **given)
