"""Rows that count unequally, belong together or lack values; columns that say nothing new."""

from __future__ import annotations

import sys
import time

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import binom

from whydrift.discovery import OptionError, Role, SchemaError, Snapshot, discover
from whydrift.discovery.discover import learn_graph
from whydrift.discovery.independence.evidence import Evidence
from whydrift.discovery.independence.mixed import Mixed
from whydrift.discovery.independence.registry import independence_test, rows
from whydrift.discovery.scores.features import rank_normal

FAST = [row.name for row in rows() if row.name != "kci"]
OF_NUMBERS = ["fisher_z", "rank_fisher_z", "mc_fisher_z", "mixed", "gcm"]
OF_CATEGORIES = ["g_square", "chi_square", "mixed", "gcm"]


def ask(test: str, snapshot: Snapshot, x: str, y: str, *given: str) -> float:
    names = tuple(dict.fromkeys((x, y, *given)))
    asked, _ = independence_test(test, snapshot, names)
    index = np.arange(2, len(names), dtype=np.int64)[None]
    return float(asked(np.array([0]), np.array([1]), index)[0])


def many(test: str, snapshot: Snapshot, pairs: int) -> np.ndarray:
    """P-values of x0 ⊥ y0, x1 ⊥ y1, … at once."""
    names = tuple(f"{side}{i}" for i in range(pairs) for side in "xy")
    asked, _ = independence_test(test, snapshot, names)
    x = 2 * np.arange(pairs)
    return asked(x, x + 1, np.empty((pairs, 0), dtype=np.int64))


def keeps_its_level(found: np.ndarray) -> bool:
    return bool((found <= 0.05).sum() <= binom.isf(1e-5, len(found), 0.05))


def in_pairs(make, pairs: int) -> dict[str, np.ndarray]:
    return {f"{side}{i}": make() for i in range(pairs) for side in "xy"}


# ---- rows that count unequally --------------------------------------------------------------
@pytest.mark.parametrize("test", FAST)
def test_weighted_rows_do_not_pass_for_more_evidence_than_they_are(test):
    rng = np.random.default_rng(0)
    pairs, count = 100, 400
    discrete = test not in OF_NUMBERS

    def make():
        drawn = rng.normal(size=count)
        return np.where(drawn > 0, "a", "b") if discrete else drawn

    columns = in_pairs(make, pairs) | {"w": np.exp(1.2 * rng.normal(size=count))}
    snapshot = Snapshot.from_frame(pa.table(columns), roles={"w": "weight"})
    # Counting every row fully would reject about every fifth time.
    assert keeps_its_level(many(test, snapshot, pairs))


def test_equal_weights_change_nothing():
    rng = np.random.default_rng(1)
    columns = {n: rng.normal(size=300) for n in "xyz"}
    plain = Snapshot.from_frame(pa.table(columns))
    equal = Snapshot.from_frame(
        pa.table({**columns, "w": np.full(300, 2.5)}), roles={"w": "weight"}
    )
    for test in OF_NUMBERS:
        one, other = (ask(test, s, "x", "y", "z") for s in (plain, equal))
        assert one == pytest.approx(other, rel=1e-9)


def test_a_row_of_weight_zero_is_no_row():
    rng = np.random.default_rng(2)
    x, y, w = rng.normal(size=(3, 200))
    w = np.where(w > 0, 1.0, 0.0)
    y[w == 0] = x[w == 0]  # as if dependent
    snapshot = Snapshot.from_frame(pa.table({"x": x, "y": y, "w": w}), roles={"w": "weight"})
    kept = Snapshot.from_frame(pa.table({"x": x[w > 0], "y": y[w > 0]}))
    assert ask("fisher_z", snapshot, "x", "y") == pytest.approx(ask("fisher_z", kept, "x", "y"))
    _, notes = independence_test("fisher_z", snapshot, ("x", "y"))
    assert any(n.code == "unusable_weight" and n.column == "w" for n in notes)


def test_weights_without_a_positive_value_are_refused():
    frame = pa.table({"x": [1.0, 2.0, 3.5], "y": [2.0, 1.0, 0.5], "w": [0.0, -1.0, 0.0]})
    snapshot = Snapshot.from_frame(frame, roles={"w": "weight"})
    with pytest.raises(SchemaError, match="no row has a positive weight"):
        independence_test("fisher_z", snapshot, ("x", "y"))


# ---- rows that belong together --------------------------------------------------------------
@pytest.mark.parametrize("test", FAST)
def test_rows_of_one_cluster_do_not_pass_for_independent_evidence(test):
    rng = np.random.default_rng(3)
    pairs, clusters, size = 100, 80, 6
    cluster = np.repeat(np.arange(clusters), size)

    def make():
        drawn = rng.normal(size=clusters)[cluster] + 0.7 * rng.normal(size=len(cluster))
        return np.where(drawn > 0, "a", "b") if test not in OF_NUMBERS else drawn

    columns = in_pairs(make, pairs) | {"who": [f"user {c}" for c in cluster]}
    snapshot = Snapshot.from_frame(pa.table(columns), roles={"who": "cluster"})
    # Counting all rows would reject about every third time.
    assert keeps_its_level(many(test, snapshot, pairs))


def test_a_cluster_key_that_looks_like_an_id_is_kept_in_the_sample():
    keys = np.arange(1000, 1100)
    frame = pa.table({"user_id": keys, "x": np.linspace(0, 1, 100)})
    assert not Snapshot.from_frame(frame).has("user_id")
    kept = Snapshot.from_frame(frame, roles={"user_id": "cluster"})
    assert kept.column("user_id").tolist() == keys.tolist()
    assert "user_id" not in kept.schema.modelled


def test_a_text_key_has_the_same_number_in_every_window():
    first, second = (
        Snapshot.from_frame(pa.table({"who": who, "x": [0.1, 0.2, 0.3]}), roles={"who": "cluster"})
        for who in (["ann", "bob", None], ["bob", "eve", "ann"])
    )
    a, b = first.column("who"), second.column("who")
    assert a[0] == b[2]
    assert a[1] == b[0]
    assert np.isnan(a[2])
    assert len({*a[:2], *b}) == 3


def test_a_cluster_named_too_late_is_refused_with_the_way_out():
    frame = pa.table(
        {"user_id": np.arange(100), "x": np.linspace(0, 1, 100) ** 2, "y": np.sin(np.arange(100))}
    )
    late = Snapshot.from_frame(frame).with_roles({"user_id": Role.CLUSTER})
    with pytest.raises(SchemaError, match="roles="):
        independence_test("fisher_z", late, ("x", "y"))


@pytest.mark.parametrize("test", [*OF_NUMBERS])
def test_rows_that_repeat_their_neighbours_do_not_pass_for_evidence(test):
    rng = np.random.default_rng(6)
    pairs, count = 100, 400
    noise = rng.normal(size=(count, 2 * pairs))
    for t in range(1, count):
        noise[t] += 0.8 * noise[t - 1]
    columns = {f"{s}{i}": noise[:, 2 * i + j] for i in range(pairs) for j, s in enumerate("xy")}
    # Counting all rows would reject about every third time.
    assert keeps_its_level(many(test, Snapshot.from_frame(pa.table(columns)), pairs))


def test_ten_clusters_keep_the_level_where_three_clustered_columns_are_given():
    # What the slopes of Z take away hides how alike the rest is: by it .11 was rejected at .05.
    rng = np.random.default_rng(18)
    worlds, together, clusters = 1_000, 50, np.arange(100) // 10
    found = []
    for _ in range(worlds // together):
        noise = rng.normal(size=(10, 5, together))[clusters] + rng.normal(size=(100, 5, together))
        noise[:, :2] += noise[:, 2:].sum(axis=1, keepdims=True) / np.sqrt(3)
        scores = [rank_normal(column) for column in noise.reshape(100, -1).T]
        bent = [np.column_stack([score, np.maximum(score, 0.0)]) for score in scores]
        asked = Mixed(bent, [1] * len(bent), Evidence(clusters=clusters))
        x, y, *z = np.arange(5 * together).reshape(5, together)
        found.append(asked(x, y, np.column_stack(z)))
    assert keeps_its_level(np.concatenate(found))


def test_memory_of_the_noise_alone_is_seen_behind_a_given_column_without_any():
    rng = np.random.default_rng(7)
    found = []
    for _ in range(80):
        z = 2 * rng.normal(size=400)
        noise = rng.normal(size=(400, 2))
        for t in range(1, 400):
            noise[t] += 0.8 * noise[t - 1]
        columns = {"x": z + noise[:, 0], "y": z + noise[:, 1], "z": z}
        found.append(ask("fisher_z", Snapshot.from_frame(pa.table(columns)), "x", "y", "z"))
    # The autocorrelation of x and of y themselves is low: by it every fourth would be rejected.
    assert keeps_its_level(np.array(found))


# ---- rows that lack values --------------------------------------------------------------------
def lost_by_effect(rng: np.random.Generator, count: int = 800) -> Snapshot:
    x, y = rng.normal(size=(2, count))
    effect = x + y + 0.5 * rng.normal(size=count)
    lost = rng.random(count) < 1 / (1 + np.exp(-1.2 * effect))
    return Snapshot.from_frame(pa.table({"x": x, "y": np.where(lost, np.nan, y), "effect": effect}))


def test_values_lost_by_a_common_effect_do_not_look_like_dependence_once_corrected():
    rng = np.random.default_rng(8)
    names = ("x", "y", "effect")
    found: dict[str, list[float]] = {"fisher_z": [], "mc_fisher_z": []}
    for _ in range(40):
        snapshot = lost_by_effect(rng)
        for test, those in found.items():
            asked, _ = independence_test(test, snapshot, names)
            those.append(asked(np.array([0]), np.array([1]), np.empty((1, 0), dtype=int))[0])
    assert keeps_its_level(np.array(found["mc_fisher_z"]))
    assert np.mean(np.array(found["fisher_z"]) < 0.05) > 0.3


def test_what_missing_values_depend_on_is_told():
    _, notes = independence_test(
        "mc_fisher_z", lost_by_effect(np.random.default_rng(9)), ("x", "y", "effect")
    )
    told = [n for n in notes if n.code == "missingness_corrected"]
    assert [n.column for n in told] == ["y"]
    assert "'effect'" in told[0].text


# ---- columns that say nothing new ---------------------------------------------------------------
@pytest.mark.parametrize("test", OF_NUMBERS)
def test_there_is_no_answer_about_what_the_given_columns_determine(test):
    rng = np.random.default_rng(0)
    a, b, y = rng.normal(size=(3, 500))
    frame = pa.table({"a": a, "b": b, "total": a + b + 5, "copy": 3 * a - 1, "y": a + y})
    snapshot = Snapshot.from_frame(frame)
    assert np.isnan(ask(test, snapshot, "a", "y", "copy"))
    names = snapshot.schema.names
    asked, _ = independence_test(test, snapshot, names)
    sum_given = asked(np.array([0]), np.array([4]), np.array([[1, 2]]))
    assert np.isnan(sum_given[0])  # a is total − b


@pytest.mark.parametrize("test", ["fisher_z", "gcm"])
def test_there_is_no_answer_about_a_ratio_either_and_its_columns_are_named(test):
    rng = np.random.default_rng(1)
    a, b = np.exp(rng.normal(size=(2, 400)))
    frame = pa.table({"income": a, "people": b, "per_head": a / b, "y": a + rng.normal(size=400)})
    snapshot = Snapshot.from_frame(frame)
    asked, notes = independence_test(test, snapshot, snapshot.schema.names)
    assert np.isnan(asked(np.array([0]), np.array([3]), np.array([[1, 2]]))[0])
    told = [n.text for n in notes if n.code == "determined_column"]
    assert len(told) == 1
    assert all(name in told[0] for name in ("income", "people", "per_head"))


@pytest.mark.parametrize("test", OF_CATEGORIES)
def test_a_city_leaves_nothing_of_its_country_to_test(test):
    rng = np.random.default_rng(2)
    city = rng.integers(0, 6, size=900)
    y = np.where(rng.random(900) < 0.3 + 0.05 * city, "u", "v")
    frame = pa.table({"city": city.astype(str), "country": (city // 2).astype(str), "y": y})
    snapshot = Snapshot.from_frame(frame, kinds={"city": "categorical", "country": "categorical"})
    assert np.isnan(ask(test, snapshot, "country", "y", "city"))
    assert ask(test, snapshot, "city", "y", "country") >= 0
    _, notes = independence_test(test, snapshot, ("city", "country", "y"))
    assert [n.column for n in notes if n.code == "determined_column"] == ["country"]


def test_a_sum_among_the_columns_does_not_lose_the_true_edges_of_its_parts():
    rng = np.random.default_rng(3)
    a, b, e = rng.normal(size=(3, 3000))
    frame = pa.table({"a": a, "b": b, "total": a + b, "y": a - b + e})
    learned = learn_graph(frame, method="pc", test="fisher_z")
    assert learned.graph.edge_between("a", "total") is not None
    assert learned.graph.edge_between("b", "total") is not None
    assert learned.graph.edge_between("a", "y") is not None
    assert any(n.code == "determined_column" for n in learned.notes)


@pytest.mark.parametrize("test", FAST)
def test_a_column_that_never_varies_is_independent_of_all(test):
    rng = np.random.default_rng(4)
    one = np.full(60, 3.0) if test in OF_NUMBERS else np.full(60, "only")
    kind = "continuous" if test in OF_NUMBERS else "categorical"
    other = rng.normal(size=(2, 60))
    other = other if test in OF_NUMBERS else np.where(other > 0, "a", "b")
    frame = pa.table({"x": one, "y": other[0], "z": other[1]})
    snapshot = Snapshot.from_frame(frame, kinds=dict.fromkeys("xyz", kind))
    assert ask(test, snapshot, "x", "y") == 1.0
    assert ask(test, snapshot, "y", "x", "z") == 1.0


@pytest.mark.parametrize("test", OF_NUMBERS)
def test_hostile_numbers_get_an_answer_or_none_but_no_exception(test):
    rng = np.random.default_rng(5)
    count = 120
    x = rng.normal(size=count)
    frame = {
        "x": x,
        "copy": x.copy(),
        "affine": -4 * x + 7,
        "offset": 1e9 + rng.normal(size=count),
        "huge": 1e120 * rng.normal(size=count),
        "tiny": 1e-120 * rng.normal(size=count),
        "infinite": np.where(rng.random(count) < 0.1, np.inf, rng.normal(size=count)),
        "spike": np.r_[np.zeros(count - 1), 1.5],
        "gaps": np.where(rng.random(count) < 0.9, np.nan, rng.normal(size=count)),
    }
    snapshot = Snapshot.from_frame(pa.table(frame), kinds=dict.fromkeys(frame, "continuous"))
    names = snapshot.schema.names
    asked, _ = independence_test(test, snapshot, names)
    for size in (0, 1, 2):
        triples = np.array(
            [np.random.default_rng(i).permutation(len(names))[: 2 + size] for i in range(60)]
        )
        found = asked(triples[:, 0], triples[:, 1], triples[:, 2:])
        answered = found[np.isfinite(found)]
        assert ((answered >= 0) & (answered <= 1)).all()
    # Copies depend on each other, and that is seen.
    assert asked(np.array([0]), np.array([1]), np.empty((1, 0), dtype=int))[0] < 1e-6


@pytest.mark.parametrize("test", OF_NUMBERS)
def test_an_offset_of_a_billion_costs_no_digits(test):
    rng = np.random.default_rng(6)
    x, y, z = rng.normal(size=(3, 300))
    near = Snapshot.from_frame(pa.table({"x": x + z, "y": y + z, "z": z}))
    far = Snapshot.from_frame(pa.table({"x": x + z + 1e9, "y": y + z - 1e9, "z": z}))
    assert ask(test, near, "x", "y", "z") == pytest.approx(ask(test, far, "x", "y", "z"), abs=1e-4)


@pytest.mark.parametrize("test", FAST)
@pytest.mark.parametrize("count", [5, 30])
def test_fewer_rows_than_columns_give_no_exception(test, count):
    rng = np.random.default_rng(7)
    drawn = rng.normal(size=(40, count))
    drawn = drawn if test in OF_NUMBERS else np.where(drawn > 0, "a", "b")
    kind = "continuous" if test in OF_NUMBERS else "categorical"
    names = tuple(f"c{i}" for i in range(40))
    frame = pa.table(dict(zip(names, drawn, strict=True)))
    snapshot = Snapshot.from_frame(frame, kinds=dict.fromkeys(names, kind))
    asked, _ = independence_test(test, snapshot, names)
    for size in (0, 1, 3, 8):
        found = asked(
            np.array([0, 1]), np.array([2, 3]), np.arange(4, 4 + 2 * size).reshape(2, size)
        )
        assert np.isnan(found[(found < 0) | (found > 1) | np.isnan(found)]).all()


@pytest.mark.parametrize("test", OF_CATEGORIES)
def test_ten_thousand_levels_are_pooled_quickly_and_told(test):
    rng = np.random.default_rng(8)
    level = rng.zipf(1.3, size=12_000) % 10_000
    y = np.where(rng.random(12_000) < np.where(level == 1, 0.7, 0.4), "u", "v")
    frame = pa.table({"x": level, "y": y, "z": rng.integers(0, 3, size=12_000)})
    snapshot = Snapshot.from_frame(frame, kinds=dict.fromkeys("xyz", "categorical"))
    began = time.process_time()
    assert ask(test, snapshot, "x", "y") < 1e-6
    assert ask(test, snapshot, "x", "z") > 1e-4
    assert 0 <= ask(test, snapshot, "y", "z") <= 1
    ask(test, snapshot, "y", "z", "x")
    assert time.process_time() - began < 5
    if test in {"g_square", "chi_square"}:
        _, notes = independence_test(test, snapshot, ("x", "y"))
        assert any(n.code == "pooled_levels" and n.column == "x" for n in notes)


def test_an_integer_coded_category_is_a_category_once_it_is_called_one():
    rng = np.random.default_rng(9)
    code = rng.integers(0, 4, size=800)
    y = rng.normal(size=800) + 1.0 * (code == 2) + 1.0 * (code == 1)  # no trend in the code
    frame = pa.table({"code": code, "y": y})
    as_category = Snapshot.from_frame(frame, kinds={"code": "categorical"})
    assert ask("mixed", as_category, "code", "y") < 1e-6
    _, notes = independence_test("auto", as_category, ("code", "y"))
    assert "mixed" in notes[0].text


# ---- seeing more than lines -----------------------------------------------------------------
@pytest.mark.parametrize("shape", ["square", "spread"])
def test_gcm_sees_what_a_line_does_not(shape):
    rng = np.random.default_rng(10)
    x, z, e = rng.normal(size=(3, 800))
    y = z + (0.5 * x**2 + e if shape == "square" else e * np.exp(0.5 * x))
    snapshot = Snapshot.from_frame(pa.table({"x": x + z, "y": y, "z": z}))
    assert ask("gcm", snapshot, "x", "y", "z") < 1e-4


def test_gcm_and_mixed_are_not_misled_by_a_bent_common_cause():
    rng = np.random.default_rng(11)
    found: dict[str, list[float]] = {"gcm": [], "mixed": [], "fisher_z": []}
    for _ in range(40):
        z = rng.normal(size=400)
        x, y = np.abs(z) + 0.5 * rng.normal(size=(2, 400))
        snapshot = Snapshot.from_frame(pa.table({"x": x, "y": y, "z": z}))
        for test, those in found.items():
            those.append(ask(test, snapshot, "x", "y", "z"))
    assert keeps_its_level(np.array(found["gcm"]))
    assert keeps_its_level(np.array(found["mixed"]))
    assert np.mean(np.array(found["fisher_z"]) < 0.05) > 0.9


# ---- what others build on -------------------------------------------------------------------
def test_ten_thousand_fisher_z_tests_take_milliseconds():
    rng = np.random.default_rng(12)
    names = tuple(f"c{i}" for i in range(50))
    snapshot = Snapshot.from_frame(
        pa.table(dict(zip(names, rng.normal(size=(50, 500)), strict=True)))
    )
    asked, _ = independence_test("fisher_z", snapshot, names)
    triples = np.array([rng.permutation(50)[:4] for _ in range(10_000)])
    asked(triples[:, 0], triples[:, 1], triples[:, 2:])
    taken = []
    for _ in range(5):
        began = time.process_time()
        asked(triples[:, 0], triples[:, 1], triples[:, 2:])
        taken.append(time.process_time() - began)
    assert min(taken) < 0.05  # some ms; the bound leaves room for a slow machine


def test_fisher_z_shows_its_one_matrix_where_there_is_one():
    rng = np.random.default_rng(13)
    values = rng.normal(size=(200, 3))
    values[:, 2] += values[:, 0]
    frame = dict(zip("xyz", values.T, strict=True))
    asked, _ = independence_test("fisher_z", Snapshot.from_frame(pa.table(frame)), tuple("xyz"))
    correlation, rows = asked.whole()
    assert rows == 200
    np.testing.assert_allclose(correlation, np.corrcoef(values.T), atol=1e-12)
    frame["x"] = np.r_[np.nan, values[1:, 0]]
    asked, _ = independence_test("fisher_z", Snapshot.from_frame(pa.table(frame)), tuple("xyz"))
    assert asked.whole() is None


# ---- kci --------------------------------------------------------------------------------------
def test_kci_without_causal_learn_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "causallearn.utils.KCI.KCI", None)
    snapshot = Snapshot.from_frame(
        pa.table({"x": np.sin(np.arange(50)), "y": np.cos(np.arange(50))})
    )
    with pytest.raises(OptionError, match="pip install causal-learn"):
        independence_test("kci", snapshot, ("x", "y"))


def test_kci_tells_that_it_draws_rows_and_refuses_weights():
    pytest.importorskip("causallearn", reason="causal-learn is not installed")
    rng = np.random.default_rng(14)
    columns = {n: rng.normal(size=600) for n in "xy"}
    _, notes = independence_test("kci", Snapshot.from_frame(pa.table(columns)), ("x", "y"))
    assert any(n.code == "rows_drawn" for n in notes)
    weighted = Snapshot.from_frame(
        pa.table({**columns, "w": rng.uniform(1, 2, size=600)}), roles={"w": "weight"}
    )
    with pytest.raises(OptionError, match="neither weights nor clusters"):
        independence_test("kci", weighted, ("x", "y"))


def test_pc_takes_every_test_by_name():
    rng = np.random.default_rng(15)
    x, y, e = rng.normal(size=(3, 400))
    frame = pa.table({"x": x, "y": y, "z": x + y + 0.5 * e})
    for test in OF_NUMBERS:
        graph = discover(frame, method="pc", test=test)
        assert graph.parents("z") == ("x", "y")
