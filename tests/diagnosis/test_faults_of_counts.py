"""Units, offsets, placeholders and still stretches of counts, grades, and of much that is 0."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.monitor.diagnosis.diagnosis import FaultKind
from whydrift.monitor.diagnosis.faults.base import Finding
from whydrift.monitor.diagnosis.faults.conversion import distance_by_chance
from whydrift.monitor.diagnosis.faults.registry import Faults, find_faults

ROWS = 3_000


def visits(seed: int, rows: int = ROWS) -> pd.DataFrame:
    """Visits to a clinic: counts of all sizes, a grade, a number that mostly is 0."""
    rng = np.random.default_rng(seed)
    share = 1 / np.arange(1, 25)
    city = rng.choice(24, rows, p=share / share.sum())
    age = np.clip(np.round(rng.normal(50 + 6 * np.sin(city), 17, rows)), 18, 99)
    rain = np.where(rng.random(rows) < 0.6, 0.0, np.round(rng.gamma(2, 3, rows), 1))
    return pd.DataFrame(
        {
            "city": [f"city {i:02d}" for i in city],
            "age": age.astype(int),
            "past": rng.poisson(0.01 * age),
            "grade": 1 + rng.binomial(3, 0.4, rows),
            "rain": rain,
            "wait": np.floor(rng.exponential(6, rows)).astype(int),
            "stay": 1 + rng.poisson(3 + 0.02 * age),
            "cost": rng.normal(size=rows) + 0.1 * age,
        }
    )


def faults(reference: pd.DataFrame, current: pd.DataFrame) -> Faults:
    a = Snapshot.from_frame(reference)
    return find_faults(a, Snapshot.from_frame(current, schema=a.schema), a.schema.modelled)


def only(found: Faults, kind: FaultKind, name: str) -> Finding:
    assert [(f.fault.kind, f.fault.columns) for f in found.findings] == [(kind, (name,))]
    return found.findings[0]


@pytest.fixture(scope="module")
def reference() -> pd.DataFrame:
    return visits(1)


@pytest.fixture
def current() -> pd.DataFrame:
    return visits(2)


@pytest.mark.parametrize("seed", range(5))
def test_sound_windows_have_no_fault(reference, seed):
    assert not faults(reference, visits(100 + seed)).findings


@pytest.mark.parametrize("factor", [1_000.0, 10.0, 1 / 60])
@pytest.mark.parametrize("name", ["age", "past", "grade", "stay"])
def test_another_unit_of_a_count_or_grade_is_found_and_undone(reference, current, name, factor):
    found = faults(reference, current.assign(**{name: current[name] * factor}))
    only(found, FaultKind.UNIT_CHANGE, name)
    np.testing.assert_allclose(found.repaired.column(name), current[name], rtol=1e-9)


def test_another_unit_of_grades_in_one_city_is_told_where(reference, current):
    there = current["city"] == "city 02"
    broken = current.assign(grade=current["grade"].where(~there, 10 * current["grade"]))
    found = faults(reference, broken)
    fault = only(found, FaultKind.UNIT_CHANGE, "grade").fault
    assert fault.where == "city is 'city 02'"
    assert fault.share == pytest.approx(there.mean(), abs=0.01)
    np.testing.assert_allclose(found.repaired.column("grade"), current["grade"])


def test_a_scale_that_grew_by_some_grades_is_no_other_unit(reference, current):
    grown = current.assign(grade=current["grade"] + np.random.default_rng(3).binomial(4, 0.5, ROWS))
    assert not faults(reference, grown).findings


def test_a_unit_of_numbers_that_wander_is_found(reference, current):
    rng = np.random.default_rng(4)

    def cloud(rows: int) -> np.ndarray:
        steps = np.zeros(rows)
        for i in range(1, rows):
            steps[i] = 0.95 * steps[i - 1] + 0.3 * rng.normal()
        return np.round(1 / (1 + np.exp(-steps)), 2)

    before, now = reference.assign(cloud=cloud(ROWS)), current.assign(cloud=1_000 * cloud(ROWS))
    only(faults(before, now), FaultKind.UNIT_CHANGE, "cloud")


@pytest.mark.parametrize("name", ["age", "past", "stay", "rain"])
def test_a_minus_one_is_a_placeholder_where_nothing_was_negative(reference, current, name):
    gone = np.random.default_rng(5).random(ROWS) < 0.05
    found = faults(reference, current.assign(**{name: current[name].where(~gone, -1)}))
    assert only(found, FaultKind.DEFAULT_VALUE, name).rows[gone].all()
    assert np.isnan(found.repaired.column(name)[gone]).all()


def test_numbers_that_went_below_0_have_no_placeholder(reference, current):
    early = current.assign(past=current["past"] - np.random.default_rng(6).poisson(0.7, ROWS))
    assert not faults(reference, early).findings


@pytest.mark.parametrize("name", ["wait", "stay", "age"])
def test_a_usual_value_that_stands_for_hundreds_of_rows_is_stuck(reference, current, name):
    still = np.arange(ROWS) >= 2_400
    found = faults(reference, current.assign(**{name: current[name].where(~still, 2)}))
    finding = only(found, FaultKind.STUCK_VALUE, name)
    assert finding.rows[still].all() and finding.rows.sum() <= still.sum() + 20
    assert finding.fault.share == pytest.approx(0.2, abs=0.01)


@pytest.mark.parametrize("name", ["city", "past", "stay", "age"])
def test_rows_in_another_order_do_not_stand_still(reference, current, name):
    assert not faults(reference, current.sort_values(name, ignore_index=True)).findings


def test_a_user_with_many_rows_does_not_stand_still(reference, current):
    rows = slice(1_000, 1_400)
    current.loc[rows, ["age", "stay"]] = [41, 5]
    assert not faults(reference, current.iloc[:-1]).findings


def test_values_that_stand_as_long_in_the_reference_are_not_stuck(reference, current):
    dial = np.repeat(np.arange(60) % 9, ROWS // 60)
    longer = np.repeat([3, 5, 7, 4, 6, 8, 2, 1, 5, 3, 6, 7, 0, 2, 4], 200)
    found = faults(reference.assign(dial=dial), current.assign(dial=longer))
    assert FaultKind.STUCK_VALUE not in [f.fault.kind for f in found.findings]


def test_a_shop_that_was_closed_is_not_stuck(reference, current):
    current.loc[2_000:2_400, "wait"] = 0
    assert not faults(reference, current).findings


def test_a_promotion_of_a_few_prices_is_not_stuck(reference, current):
    rng = np.random.default_rng(7)
    off = [rng.choice([0, 5, 10, 20], ROWS, p=[0.7, 0.1, 0.1, 0.1]) for _ in range(2)]
    off[1][2_000:] = 20
    assert not faults(reference.assign(off=off[0]), current.assign(off=off[1])).findings


@pytest.mark.parametrize(("name", "added"), [("rain", 2.0), ("rain", 0.3), ("age", 10)])
def test_what_many_rows_share_moves_along_with_an_offset(reference, current, name, added):
    if name == "age":  # a clip that many rows reach
        reference, current = (t.assign(age=t["age"].clip(lower=35)) for t in (reference, current))
    found = faults(reference, current.assign(**{name: current[name] + added}))
    fault = only(found, FaultKind.OFFSET, name).fault
    assert f"+{added:g} was added" in fault.evidence
    np.testing.assert_allclose(found.repaired.column(name), current[name], atol=1e-9)


def test_more_rain_in_the_rain_is_no_offset(reference, current):
    wetter = current["rain"].where(current["rain"] == 0, current["rain"] + 2)
    assert not faults(reference, current.assign(rain=wetter)).findings


def test_counts_that_begin_later_are_an_offset(reference, current):
    found = faults(reference, current.assign(wait=current["wait"] + 3))
    assert "+3 was added" in only(found, FaultKind.OFFSET, "wait").fault.evidence
    np.testing.assert_allclose(found.repaired.column("wait"), current["wait"])


def test_counts_that_grew_are_no_offset(reference, current):
    grown = current["wait"] + np.random.default_rng(8).poisson(2, ROWS)
    assert not faults(reference, current.assign(wait=grown)).findings


def test_rows_that_no_longer_come_are_a_filter_and_no_offset():
    # Of a geometric count the rest has the same shape: fewer rows tell.
    rng = np.random.default_rng(9)
    before, now = (
        pd.DataFrame({"n": rng.geometric(0.3, ROWS) - 1, "x": rng.normal(size=ROWS)})
        for _ in range(2)
    )
    fewer = now[now["n"] >= 2].reset_index(drop=True)
    assert [f.fault.kind for f in faults(before, fewer).findings] == [FaultKind.FILTER_CHANGED]
    only(faults(before, now.assign(n=now["n"] + 2)), FaultKind.OFFSET, "n")


def test_labels_of_many_that_changed_places_are_exchanged_back(reference, current):
    exchanged = current["city"].replace({"city 01": "city 04", "city 04": "city 01"})
    reference, current = (
        t.assign(far=3 * np.sin(t["city"].str[-2:].astype(int)) + np.sqrt(1 + t["age"]))
        for t in (reference, current)
    )
    found = faults(reference, current.assign(city=exchanged))
    only(found, FaultKind.RECODE, "city")
    sound = Snapshot.from_frame(current, schema=Snapshot.from_frame(reference).schema)
    np.testing.assert_array_equal(found.repaired.column("city"), sound.column("city"))


def test_names_of_which_one_beginning_is_left_are_cut_off(reference, current):
    only(
        faults(reference, current.assign(city=current["city"].str[:5])),
        FaultKind.TRUNCATED,
        "city",
    )


# ---- what is no fault


def panel(rng: np.random.Generator, users: int) -> pd.DataFrame:
    """Rows of users: a score that some of them lack, an income, a city, a device of their own."""
    of = np.repeat(np.arange(users), rng.poisson(15, users) + 1)
    score = np.where(rng.random(users) < 0.15, np.nan, rng.normal(size=users))
    return pd.DataFrame(
        {
            "city": rng.choice(list("abcdefghijkl"), users)[of],
            "score": score[of],
            "income": np.round(rng.lognormal(10, 1, users))[of],
            "device": np.array([f"d{i}" for i in rng.permutation(400)[:users]])[of],
            "x": rng.normal(size=of.size),
        }
    )


@pytest.mark.parametrize("seed", range(6))
def test_other_users_of_a_panel_are_no_fault(seed):
    rng = np.random.default_rng([seed, 1])
    assert not faults(panel(rng, 200), panel(rng, 40)).findings


def test_a_test_that_is_ordered_for_more_people_lost_no_value_of_another():
    rng = np.random.default_rng(1)

    def lab(rows: int, more: float) -> pd.DataFrame:
        both = rng.random(rows) < 0.3
        values = {"b": both, "a": both | (rng.random(rows) < more)}
        return pd.DataFrame(
            {name: np.where(there, rng.normal(size=rows), np.nan) for name, there in values.items()}
        )

    assert not faults(lab(4_000, 0.0), lab(2_000, 0.1)).findings


def test_what_a_column_says_in_both_windows_explains_that_more_is_missing():
    rng = np.random.default_rng(2)

    def rated(rows: int, rate: float) -> pd.DataFrame:
        reviews = rng.geometric(rate, rows) - 1
        rating = np.where(reviews == 0, np.nan, rng.normal(4, 0.5, rows))
        return pd.DataFrame({"reviews": reviews, "rating": rating, "x": rng.normal(size=rows)})

    assert not faults(rated(4_000, 0.1), rated(2_000, 0.25)).findings


def test_rows_of_one_value_that_come_first_do_not_stand_still():
    rng = np.random.default_rng(3)
    before, now = (
        pd.DataFrame({"k": rng.poisson(6, rows), "x": rng.normal(size=rows)})
        for rows in (4_000, 2_000)
    )
    first = pd.concat([now[now["k"] == 6], now[now["k"] != 6]], ignore_index=True)
    assert not faults(before, first).findings


def test_a_floor_that_was_raised_is_no_stuck_value():
    rng = np.random.default_rng(4)
    before, now = (
        pd.DataFrame({"price": np.maximum(floor, rng.gamma(4, 2, rows))})
        for rows, floor in ((4_000, 3.5), (2_000, 4.5))
    )
    assert not faults(before, now).findings


def test_scores_that_rose_to_the_limit_do_not_stand_still():
    rng = np.random.default_rng(5)
    before, now = (
        pd.DataFrame({"score": np.clip(rng.normal(mean, 15, rows), 0, 100), "x": range(rows)})
        for rows, mean in ((3_000, 60), (1_000, 85))
    )
    assert FaultKind.STUCK_VALUE not in [f.fault.kind for f in faults(before, now).findings]


@pytest.mark.parametrize("flat", [19.99, 0.0])
def test_more_customers_of_a_flat_tariff_do_not_stand_still(flat):
    rng = np.random.default_rng(6)

    def bills(rows: int, share: float) -> pd.DataFrame:
        is_flat = rng.random(rows) < share
        bill = np.where(is_flat, flat, rng.gamma(3, 10, rows).round(2))
        return pd.DataFrame({"tariff": np.where(is_flat, "flat", "metered"), "bill": bill})

    assert not faults(bills(4_000, 0.03), bills(2_000, 0.25)).findings


def test_prices_with_a_floor_that_rose_by_a_fifth_had_no_constant_added():
    rng = np.random.default_rng(7)
    before, now = (
        pd.DataFrame({"fee": (k * np.maximum(2.5, 0.01 * rng.lognormal(5, 1, rows))).round(2)})
        for rows, k in ((4_000, 1.0), (2_000, 1.2))
    )
    assert not faults(before, now).findings


def test_grades_that_all_fell_by_one_have_no_placeholder():
    rng = np.random.default_rng(8)
    before, now = (pd.DataFrame({"difference": rng.binomial(6, 0.5, 3_000) - k}) for k in (0, 1))
    assert FaultKind.DEFAULT_VALUE not in [f.fault.kind for f in faults(before, now).findings]


def test_packs_of_ten_beside_single_ones_are_no_other_unit():
    rng = np.random.default_rng(9)
    before, now = (
        pd.DataFrame({"n": np.where(rng.random(rows) < p, 10, 1) * rng.integers(1, 6, rows)})
        for rows, p in ((4_000, 0.0), (2_000, 0.15))
    )
    assert not faults(before, now).findings


def test_a_name_with_another_sign_is_not_spelt_otherwise():
    rng = np.random.default_rng(10)
    before, now = (
        pd.DataFrame({"language": rng.choice(names, 3_000)})
        for names in (["C", "Java", "Go"], ["C", "C#", "Java", "Go"])
    )
    only(faults(before, now), FaultKind.CATEGORY_SET, "language")


def test_a_commonest_value_that_moved_to_0_is_an_offset(reference, current):
    before, now = (t.assign(rain=t["rain"] + shift) for t, shift in ((reference, 5), (current, 0)))
    only(faults(before, now), FaultKind.OFFSET, "rain")


@pytest.mark.parametrize("rows", range(20, 27))
def test_windows_of_few_rows_are_asked_without_a_crash(rows):
    few = pd.DataFrame({"n": [3] * (rows - 2) + [4, 5], "one": 7, "rare": [0.0] * (rows - 1) + [1]})
    for placeholder in (-1, 99, 0):
        broken = few.copy()
        broken.loc[: rows - 3, ["n", "one"]] = placeholder
        faults(few, broken)
        faults(broken, few)


def test_nines_beside_a_grade_that_never_varied_are_a_placeholder(reference, current):
    before, now = (t.assign(grade=1) for t in (reference, current))
    now.loc[::10, "grade"] = 99
    only(faults(before, now), FaultKind.DEFAULT_VALUE, "grade")


@pytest.mark.parametrize("values", [np.empty(0), np.ones(1), np.linspace(0, 1, 5_000)])
def test_a_distance_by_chance_is_known_of_any_values(values):
    assert distance_by_chance(values, np.arange(2.0)) > 0


def test_two_tails_that_end_as_far_apart_by_chance_are_no_constant_that_was_added():
    rng = np.random.default_rng(12)
    for _ in range(200):
        sample = {k: np.round(60 + 10 * rng.normal(size=(2, 60))) for k in "abcdef"}
        windows = [pd.DataFrame({k: v[i] for k, v in sample.items()}) for i in (0, 1)]
        reference = Snapshot.from_frame(windows[0])
        current = Snapshot.from_frame(windows[1], schema=reference.schema)
        assert find_faults(reference, current, tuple(sample)).findings == ()


def test_more_requests_at_a_time_out_in_a_long_tail_are_not_stuck():
    for seed in range(10):
        rng = np.random.default_rng(seed)
        waits = [
            np.minimum(np.exp(1 + s + rng.normal(size=n)), 15) for s, n in ((0, 1500), (0.8, 400))
        ]
        windows = [pd.DataFrame({"wait": w.round(1)}) for w in waits]
        reference = Snapshot.from_frame(windows[0])
        current = Snapshot.from_frame(windows[1], schema=reference.schema)
        assert find_faults(reference, current, ("wait",)).findings == ()
