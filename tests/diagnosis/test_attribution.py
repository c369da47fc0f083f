"""Contributions against values worked out by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import whydrift as wd
from whydrift.discovery.graph import Edge, Graph
from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.monitor.diagnosis.attribution import Attribution, attribute
from whydrift.monitor.diagnosis.metric import row_measure
from whydrift.monitor.diagnosis.pair import WindowPair


def chain(rng, rows, *, shift=0.0, slope=1.0) -> pd.DataFrame:
    x = shift + rng.normal(size=rows)
    return pd.DataFrame({"x": x, "y": slope * x + 0.5 * rng.normal(size=rows)})


def attribution_of(
    a: Snapshot, b: Snapshot, graph: Graph | list[tuple[str, str]], players: tuple[str, ...]
) -> Attribution:
    """Attribute the change of the mean of y to these players, whatever the tests would say."""
    graph = graph if isinstance(graph, Graph) else Graph.from_pairs(graph)
    measure = row_measure(a, b, target="y", prediction=None)
    assert measure is not None
    pair = WindowPair(a, b, graph.nodes)
    rng = np.random.default_rng(0)
    return attribute(pair, measure, graph, players, target="y", prediction=None, rng=rng)


def test_a_moved_cause_and_a_moved_slope_share_the_change_as_shapley_has_it():
    # E[y] is slope · shift. With x moved by 0.5 and the slope from 1 to 2, x alone brings 0.5, the
    # slope alone nothing, both together 1.0: Shapley gives x (0.5 + 1.0) / 2 and y (0 + 0.5) / 2.
    rng = np.random.default_rng(0)
    diagnosis = wd.compare(
        chain(rng, 8000), chain(rng, 8000, shift=0.5, slope=2.0), graph=[("x", "y")], target="y"
    )
    assert set(diagnosis.ranking) == {"x", "y"}
    parts = {n: c.contribution for n, c in diagnosis.columns.items()}
    assert parts["x"].value == pytest.approx(0.75, abs=0.08)
    assert parts["y"].value == pytest.approx(0.25, abs=0.08)
    for name, truth in (("x", 0.75), ("y", 0.25)):
        assert parts[name].low - 0.05 <= truth <= parts[name].high + 0.05


def test_a_column_that_does_not_lead_to_the_target_contributes_nothing():
    rng = np.random.default_rng(1)
    before, after = (
        chain(rng, 2000, shift=s).assign(aside=s + rng.normal(size=2000)) for s in (0.0, 0.7)
    )
    diagnosis = wd.compare(before, after, graph=[("x", "y")], target="y")
    assert set(diagnosis.ranking) == {"x", "aside"}
    aside = diagnosis.columns["aside"].contribution
    assert (aside.value, aside.low, aside.high) == (0.0, 0.0, 0.0)
    metric = diagnosis.metric
    assert metric is not None
    x = diagnosis.columns["x"].contribution
    assert x.low < 0.7 < x.high
    assert x.value + metric.unattributed == pytest.approx(metric.change.value)


def test_a_change_that_no_column_is_said_to_have_is_not_given_to_the_one_that_moved():
    # y falls by 1 through a cause that is not here; x rises, which raises y by 0.5.
    rng = np.random.default_rng(11)
    before, after = chain(rng, 4000), chain(rng, 4000, shift=0.5).assign(y=lambda f: f.y - 1)
    a = Snapshot.from_frame(before)
    b = Snapshot.from_frame(after, schema=a.schema)
    found = attribution_of(a, b, [("x", "y")], ("x",))
    x = found.contributions["x"]
    assert x.low < 0.5 < x.high
    assert x.high - x.low < 0.3
    assert found.metric.unattributed == pytest.approx(-1.0, abs=0.1)
    assert found.metric.unexplained == pytest.approx(-1.0, abs=0.1)


def test_players_far_apart_from_the_reference_still_share_the_change():
    # No row of x is common to both windows, and none of its child m: nothing to weigh rows by.
    rng = np.random.default_rng(12)

    def frame(shift: float, lift: float) -> pd.DataFrame:
        x = shift + rng.normal(size=3000)
        m = x + lift + 0.5 * rng.normal(size=3000)
        return pd.DataFrame({"x": x, "m": m, "y": m + 0.5 * rng.normal(size=3000)})

    a = Snapshot.from_frame(frame(0.0, 0.0))
    b = Snapshot.from_frame(frame(8.0, 3.0), schema=a.schema)
    found = attribution_of(a, b, [("x", "m"), ("m", "y")], ("x", "m"))
    assert found.contributions["x"].value == pytest.approx(8.0, abs=1.0)
    assert found.contributions["m"].value == pytest.approx(3.0, abs=1.0)


def test_a_loss_is_shared_between_its_causes_as_by_exact_calculation():
    # y = x + noise, predicted by x: a slope of 2 brings E[x²] = 1 + s² to the loss where x has
    # moved by s, and moving x alone brings nothing. Shapley: x ½ s², y 1 + ½ s².
    rng = np.random.default_rng(13)
    shift = 1.0
    before, after = (
        chain(rng, 6000, shift=s, slope=b).assign(guess=lambda f: f.x)
        for s, b in ((0.0, 1.0), (shift, 2.0))
    )
    diagnosis = wd.compare(before, after, graph=[("x", "y")], target="y", prediction="guess")
    parts = {n: c.contribution for n, c in diagnosis.columns.items() if c.contribution}
    assert parts["x"].value == pytest.approx(0.5, abs=0.12)
    assert parts["y"].value == pytest.approx(1.5, abs=0.12)


def test_a_category_between_cause_and_binary_target_carries_its_part():
    # P(plan = big) rises from .3 to .7 by its own mechanism; churn is .2 or .6 by plan.
    rng = np.random.default_rng(14)

    def frame(big: float) -> pd.DataFrame:
        plan = np.where(rng.random(5000) < big, "big", "small")
        churn = rng.random(5000) < np.where(plan == "big", 0.6, 0.2)
        return pd.DataFrame({"plan": plan, "churn": churn.astype(float)})

    diagnosis = wd.compare(frame(0.3), frame(0.7), graph=[("plan", "churn")], target="churn")
    assert diagnosis.ranking == ("plan",)
    part = diagnosis.columns["plan"].contribution
    assert part.value == pytest.approx(0.16, abs=0.03)
    assert part.low < 0.16 < part.high


def test_players_joined_by_an_edge_without_direction_are_one_group():
    rng = np.random.default_rng(15)

    def frame(shift: float) -> pd.DataFrame:
        u = shift + rng.normal(size=3000)
        v = u + shift + 0.5 * rng.normal(size=3000)
        return pd.DataFrame({"u": u, "v": v, "y": u + v + 0.5 * rng.normal(size=3000)})

    a = Snapshot.from_frame(frame(0.0))
    b = Snapshot.from_frame(frame(1.0), schema=a.schema)
    edges = (Edge.of("u", "---", "v"), Edge.of("u", "-->", "y"), Edge.of("v", "-->", "y"))
    found = attribution_of(a, b, Graph(("u", "v", "y"), edges), ("u", "v"))
    assert found.groups == {"u": "u + v", "v": "u + v"}
    u, v = found.contributions["u"], found.contributions["v"]
    assert u == v
    assert u.low <= 0 and u.high >= 3.0 - 0.2
    assert u.value + v.value == pytest.approx(3.0, abs=0.2)


def test_contributions_do_not_hang_on_units():
    rng = np.random.default_rng(16)
    before, after = chain(rng, 2000), chain(rng, 2000, shift=0.5, slope=2.0)
    found = []
    for scale in (1.0, 1e6):
        a = Snapshot.from_frame(before * scale)
        b = Snapshot.from_frame(after * scale, schema=a.schema)
        found.append(attribution_of(a, b, [("x", "y")], ("x", "y")).contributions)
    for name in ("x", "y"):
        assert found[1][name].value == pytest.approx(1e6 * found[0][name].value, rel=1e-3)


@pytest.mark.parametrize(
    ("loss", "by_hand"),
    [
        ("squared_error", lambda y, f: (y - f) ** 2),
        ("absolute_error", lambda y, f: (y - f).abs()),
    ],
)
def test_the_metric_is_the_mean_loss_as_anyone_would_compute_it(loss, by_hand):
    rng = np.random.default_rng(2)
    before, after = (chain(rng, 1000, slope=s).assign(guess=lambda f: f.x) for s in (1.0, 1.5))
    diagnosis = wd.compare(
        before, after, graph=[("x", "y")], target="y", prediction="guess", loss=loss
    )
    metric = diagnosis.metric
    assert metric is not None and metric.name == loss
    assert metric.reference == pytest.approx(by_hand(before.y, before.guess).mean())
    assert metric.current == pytest.approx(by_hand(after.y, after.guess).mean())


def test_the_log_loss_of_a_probability_is_taken_for_a_binary_target():
    rng = np.random.default_rng(3)

    def frame(rows: int) -> pd.DataFrame:
        x = rng.normal(size=rows)
        chance = 1 / (1 + np.exp(-x))
        return pd.DataFrame({"x": x, "y": rng.random(rows) < chance, "p": chance})

    before, after = frame(1000), frame(1000)
    diagnosis = wd.compare(before, after, graph=[("x", "y")], target="y", prediction="p")
    metric = diagnosis.metric
    assert metric is not None and metric.name == "log_loss"
    truth = -np.where(before.y, np.log(before.p), np.log(1 - before.p)).mean()
    assert metric.reference == pytest.approx(truth)


@pytest.mark.parametrize("classes", [("stay", "churn"), ("good", "bad"), ("bad", "good"), (2, 1)])
@pytest.mark.parametrize("share", [0.3, 0.7])
def test_the_class_whose_chance_is_predicted_is_recognised(classes, share):
    rng = np.random.default_rng(5)

    def frame(rows: int) -> pd.DataFrame:
        x = rng.normal(size=rows)
        chance = 1 / (1 + np.exp(-x - np.log(share / (1 - share))))
        happened = rng.random(rows) < chance
        return pd.DataFrame({"x": x, "y": np.where(happened, *classes), "p": chance})

    before, after = frame(1500), frame(1500)
    diagnosis = wd.compare(before, after, graph=[("x", "y")], target="y", prediction="p")
    happened = (before.y == classes[0]).to_numpy()
    truth = -np.where(happened, np.log(before.p), np.log(1 - before.p)).mean()
    assert diagnosis.metric is not None
    assert diagnosis.metric.reference == pytest.approx(truth)
    told = [w.text for w in diagnosis.warnings if w.code == "positive_class"]
    assert bool(told) == isinstance(classes[0], str)
    assert all(repr(classes[0]) in text for text in told)


def test_a_loss_that_does_not_fit_is_refused():
    rng = np.random.default_rng(6)
    before, after = (chain(rng, 300).assign(guess=lambda f: f.x) for _ in range(2))
    with pytest.raises(wd.SchemaError, match="binary target"):
        wd.compare(before, after, target="y", prediction="guess", loss="log_loss")


def test_a_class_that_is_new_is_a_fault_and_no_error():
    rng = np.random.default_rng(7)

    def frame(classes: list[str], p: list[float]) -> pd.DataFrame:
        return pd.DataFrame(
            {"x": rng.normal(size=500), "y": rng.choice(classes, 500, p=p), "p": rng.random(500)}
        )

    before = frame(["no", "yes"], [0.5, 0.5])
    after = frame(["no", "yes", "maybe"], [0.45, 0.45, 0.1])
    diagnosis = wd.compare(before, after, graph=[("x", "y")], target="y", prediction="p")
    assert [f.kind for f in diagnosis.faults] == ["category_set"]
    assert diagnosis.metric is not None and diagnosis.metric.name == "log_loss"


def guessed(rng: np.random.Generator) -> pd.DataFrame:
    a = rng.normal(size=1500)
    b = 0.8 * a + rng.normal(size=1500)
    return pd.DataFrame({"a": a, "b": b, "y": b + rng.normal(size=1500), "guess": 0.9 * b})


def explained(before: pd.DataFrame, after: pd.DataFrame, prediction: str | None = "guess"):
    if prediction is None:
        before, after = (rows.drop(columns="guess") for rows in (before, after))
    edges = [("a", "b"), ("b", "y")]
    return wd.compare(before, after, graph=edges, target="y", prediction=prediction)


def broken(rows: pd.DataFrame, how: str) -> pd.DataFrame:
    if how == "unit":
        return rows.assign(b=1000 * rows.b)
    return rows.assign(b=rows.b.where(np.arange(1500) < 300, 0.3))


@pytest.mark.parametrize("how", ["unit", "stuck"])
@pytest.mark.parametrize("prediction", ["guess", None])
def test_values_that_broke_in_the_record_alone_contribute_nothing(how, prediction):
    rng = np.random.default_rng(0)
    found = explained(guessed(rng), broken(guessed(rng), how), prediction)
    assert found.columns["b"].verdict == "fault"
    assert found.columns["b"].contribution.value == 0
    assert found.metric.unattributed == pytest.approx(found.metric.change.value)


@pytest.mark.parametrize("how", ["unit", "stuck"])
def test_broken_values_that_the_model_read_contribute(how):
    rng = np.random.default_rng(1)
    after = broken(guessed(rng), how)
    found = explained(guessed(rng), after.assign(guess=0.9 * after.b))
    contribution = found.columns["b"].contribution
    assert contribution.low > 0
    assert contribution.value > 0.2 * found.metric.change.value


def test_what_a_product_of_causes_loses_is_shared_out_as_it_should():
    """A line for a model, y = a · x: x moved, and so did what it counts for."""

    def bills(rng: np.random.Generator, new_x: bool, new_y: bool, rows: int) -> pd.DataFrame:
        a = rng.normal(1, 1, rows)
        x = rng.normal(0.6, 1.3, rows) if new_x else rng.normal(0, 1, rows)
        y = a * x * (1.3 if new_y else 1.0) + rng.normal(0, 0.5, rows)
        return pd.DataFrame({"a": a, "x": x, "y": y, "p": x})

    def lost(new_x: bool, new_y: bool) -> float:
        frame = bills(np.random.default_rng(9), new_x, new_y, 1_000_000)
        return float(((frame.y - frame.p) ** 2).mean())

    both = lost(True, True) - lost(False, False)
    true = (lost(True, False) - lost(False, False) + lost(True, True) - lost(False, True)) / 2
    errors, covered = [], 0
    for seed in range(4):
        rng = np.random.default_rng(seed)
        found = wd.compare(
            bills(rng, False, False, 2000), bills(rng, True, True, 2000),
            graph=[("a", "y"), ("x", "y")], target="y", prediction="p",
        )  # fmt: skip
        contribution = found.columns["x"].contribution
        errors.append((contribution.value - true) / both)
        covered += contribution.low <= true <= contribution.high
    assert abs(np.mean(errors)) < 0.05  # a tenth and more of the change before
    assert covered >= 3


def test_claims_of_which_more_are_made_have_intervals_that_hold_the_truth():
    def claims(rng: np.random.Generator, more: float) -> pd.DataFrame:
        x = rng.normal(size=2000)
        is_claim = rng.random(2000) < 1 / (1 + np.exp(1 - x - 0.5 * more))
        y = np.where(is_claim, np.exp(1 + 0.5 * x + 0.6 * rng.normal(size=2000)), 0.0)
        return pd.DataFrame({"x": x, "y": y})

    rng = np.random.default_rng(20)
    true = np.mean([claims(rng, 1).y.mean() - claims(rng, 0).y.mean() for _ in range(200)])
    covered = 0
    for seed in range(12):
        rng = np.random.default_rng(seed)
        found = wd.compare(claims(rng, 0), claims(rng, 1), graph=[("x", "y")], target="y")
        contribution = found.columns["y"].contribution
        covered += contribution.low <= true <= contribution.high
    assert covered >= 9  # 4 of 10 before


def test_what_stars_lose_by_a_cause_that_moved_is_no_more_than_it_is():
    """There is no sixth star: a curve with a noise made the loss move by nearly twice as much."""

    def rated(rng: np.random.Generator, later: float, rows: int) -> pd.DataFrame:
        days = rng.normal(3 + later, 1.7, rows)
        taste = rng.normal(size=rows)
        z = 1.2 + 0.7 * taste - 0.25 * days + rng.logistic(size=rows)
        stars = np.digitize(z, [-2.5, -1.2, -0.3, 0.9]) + 1
        guess = np.clip(3.9 + 0.5 * taste - 0.2 * (days - 3), 1, 5)
        return pd.DataFrame({"days": days, "taste": taste, "stars": stars, "guess": guess})

    def lost(later: float) -> float:
        frame = rated(np.random.default_rng(9), later, 1_000_000)
        return float(((frame.stars - frame.guess) ** 2).mean())

    true, values, covered = lost(1.0) - lost(0.0), [], 0
    for seed in range(5):
        rng = np.random.default_rng(seed)
        found = wd.compare(
            rated(rng, 0, 4000), rated(rng, 1, 4000),
            graph=[("days", "stars"), ("taste", "stars")], target="stars", prediction="guess",
        )  # fmt: skip
        contribution = found.columns["days"].contribution
        values.append(contribution.value)
        covered += contribution.low <= true <= contribution.high
    assert np.mean(values) == pytest.approx(true, rel=0.3)
    assert covered >= 4


def test_what_a_broken_unit_did_to_a_target_that_changed_as_well_is_not_claimed():
    """Given what was recorded no rows are alike: to go on along the curve tells nothing."""

    def waits(seed: int, slope: float) -> pd.DataFrame:
        rng = np.random.default_rng(seed)
        latency, age = np.exp(4 + 0.8 * rng.normal(size=2000)), rng.normal(45, 12, 2000)
        cost = slope * age / 10 + 0.5 * np.log(latency) + rng.normal(size=2000)
        return pd.DataFrame({"latency": latency, "age": age, "cost": cost})

    current = waits(2, 1.3)
    current["latency"] *= 60
    found = wd.compare(waits(1, 1.0), current, target="cost")
    assert found.columns["cost"].reason_code == "no_overlap"
    assert found.columns["latency"].contribution is None
    assert found.columns["cost"].contribution is None
    assert found.metric is not None
    assert found.metric.unattributed == pytest.approx(found.metric.change.value)
