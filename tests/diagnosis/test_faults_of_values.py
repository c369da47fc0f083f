"""Offsets, units in part of the rows, placeholders, cut-off names, broken identities."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import whydrift as wd
from whydrift.discovery.snapshot.schema import Role
from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.monitor.diagnosis.diagnosis import Fault, FaultKind
from whydrift.monitor.diagnosis.faults.identity import find_identities
from whydrift.monitor.diagnosis.faults.registry import Faults, find_faults


def orders(rows: int, seed: int) -> pd.DataFrame:
    """Sales over four days; total = goods + fee, goods = count · price."""
    rng = np.random.default_rng(seed)
    hour = 24 * rng.beta(3, 2, rows)
    when = np.sort(np.floor(4 * rng.random(rows)) * 86_400 + 3_600 * hour)
    region = rng.choice(["north side", "south side", "west bank"], rows, p=[0.5, 0.3, 0.2])
    income = 20 + 5 * (region == "north side") + np.exp(0.4 * rng.normal(size=rows) + 1)
    count = 1 + rng.poisson(3, rows)
    price = np.round(np.exp(0.5 * rng.normal(size=rows) + 0.02 * income), 2)
    fee = np.round(0.1 * income + rng.random(rows), 2)
    return pd.DataFrame(
        {
            "when": pd.Timestamp("2026-03-02") + pd.to_timedelta(when, unit="s"),
            "region": region,
            "income": income,
            "count": count,
            "price": price,
            "fee": fee,
            "total": np.round(count * price, 2) + fee,
            "hour": np.floor(when % 86_400 / 3_600).astype(int),
            "celsius": np.round(12 + 6 * rng.normal(size=rows), 1),
            "brand": rng.choice(["acme works", "bolt brothers", "cogs", "dynamo inc"], rows),
        }
    ).assign(goods=lambda t: np.round(t["count"] * t["price"], 2))


def faults_of(reference: pd.DataFrame, current: pd.DataFrame) -> tuple[Faults, Snapshot]:
    roles = {"when": Role.TIME} if "when" in reference else {}
    a = Snapshot.from_frame(reference, roles=roles)
    b = Snapshot.from_frame(current, schema=a.schema)
    return find_faults(a, b, a.schema.modelled), b


def only(found: Faults) -> Fault:
    assert len(found.findings) == 1, [f.fault for f in found.findings]
    return found.findings[0].fault


@pytest.fixture(scope="module")
def reference() -> pd.DataFrame:
    return orders(2_000, 1)


@pytest.fixture
def current() -> pd.DataFrame:
    return orders(2_000, 2)


@pytest.mark.parametrize("seed", range(3, 9))
def test_sound_orders_have_no_fault(reference, seed):
    assert faults_of(reference, orders(2_000, seed))[0].findings == ()


def test_a_unit_that_changed_in_one_category_alone_is_found_there_and_undone(reference, current):
    west = current["region"] == "west bank"
    wrong = current.assign(celsius=current["celsius"].where(~west, 1.8 * current["celsius"] + 32))
    found, _ = faults_of(reference, wrong)
    fault = only(found)
    assert (fault.kind, fault.columns) == (FaultKind.UNIT_CHANGE, ("celsius",))
    assert "°C → °F" in fault.evidence
    assert fault.share == pytest.approx(west.mean(), abs=0.02)
    np.testing.assert_allclose(found.repaired.column("celsius"), current["celsius"], atol=2)


@pytest.mark.parametrize(("factor", "share"), [(1000.0, 0.05), (60.0, 0.3), (0.001, 0.1)])
def test_a_unit_that_changed_in_rows_with_nothing_in_common_is_found(
    reference, current, factor, share
):
    rows = np.random.default_rng(3).random(len(current)) < share
    wrong = current.assign(income=current["income"].where(~rows, factor * current["income"]))
    found, _ = faults_of(reference, wrong)
    fault = only(found)
    assert (fault.kind, fault.columns) == (FaultKind.UNIT_CHANGE, ("income",))
    assert fault.share == pytest.approx(share, abs=0.03)
    np.testing.assert_allclose(found.repaired.column("income"), current["income"], rtol=1e-9)


@pytest.mark.parametrize("share", [0.5, 0.1])
def test_a_unit_that_changed_from_some_row_on_is_found(reference, current, share):
    # Rows beside each other look alike by that alone: they are no series of few independent rows.
    rows = np.arange(len(current)) >= (1 - share) * len(current)
    wrong = current.assign(income=current["income"].where(~rows, 1_000 * current["income"]))
    found, _ = faults_of(reference, wrong)
    assert only(found).kind == FaultKind.UNIT_CHANGE
    np.testing.assert_allclose(found.repaired.column("income"), current["income"], rtol=1e-9)


def test_a_wider_spread_is_no_unit_in_part_of_the_rows():
    rng = np.random.default_rng(5)
    for spread in (1.5, 2.2, 4.0):
        before, after = rng.normal(size=3_000), spread * rng.normal(size=3_000)
        other = rng.normal(size=(2, 3_000))
        found, _ = faults_of(
            pd.DataFrame({"x": before, "o": other[0]}), pd.DataFrame({"x": after, "o": other[1]})
        )
        assert found.findings == ()


def test_another_time_zone_is_found_by_the_times_of_day(reference, current):
    found, _ = faults_of(reference, current.assign(when=current["when"] + pd.Timedelta("2h")))
    fault = only(found)
    assert (fault.kind, fault.columns) == (FaultKind.OFFSET, ("when",))
    assert "2 hours later" in fault.evidence


def test_hours_that_turned_past_midnight_are_turned_back(reference, current):
    found, _ = faults_of(reference, current.assign(hour=(current["hour"] - 3) % 24))
    fault = only(found)
    assert (fault.kind, fault.columns) == (FaultKind.OFFSET, ("hour",))
    np.testing.assert_array_equal(found.repaired.column("hour"), current["hour"])


def test_an_index_that_begins_at_one_instead_of_zero_is_an_offset():
    rng = np.random.default_rng(2)
    weekday = rng.integers(0, 7, (2, 1_000))
    other = rng.normal(size=(2, 1_000))
    found, _ = faults_of(
        pd.DataFrame({"d": weekday[0], "o": other[0]}),
        pd.DataFrame({"d": weekday[1] + 1, "o": other[1]}),
    )
    assert only(found).kind is FaultKind.OFFSET
    np.testing.assert_array_equal(found.repaired.column("d"), weekday[1])


def test_counts_whose_mean_rose_are_no_offset():
    rng = np.random.default_rng(2)
    found, _ = faults_of(
        pd.DataFrame({"n": rng.poisson(2, 2_000), "o": rng.normal(size=2_000)}),
        pd.DataFrame({"n": rng.poisson(3, 2_000), "o": rng.normal(size=2_000)}),
    )
    assert found.findings == ()


def test_whole_numbers_that_stand_between_whole_numbers_had_something_added(reference, current):
    found, _ = faults_of(reference, current.assign(count=current["count"] + 0.5))
    # goods = count · price fails too, but for the sake of a column known to be broken.
    fault = only(found)
    assert (fault.kind, fault.columns) == (FaultKind.OFFSET, ("count",))
    np.testing.assert_allclose(found.repaired.column("count"), current["count"])


@pytest.mark.parametrize("value", [0.0, -999.0, 9999.0])
def test_a_placeholder_scattered_over_the_rows_is_a_default_value(reference, current, value):
    rows = np.random.default_rng(4).random(len(current)) < 0.1
    found, _ = faults_of(reference, current.assign(income=current["income"].where(~rows, value)))
    fault = only(found)
    assert (fault.kind, fault.columns) == (FaultKind.DEFAULT_VALUE, ("income",))
    assert np.isnan(found.repaired.column("income")[rows]).all()


def test_missing_values_filled_with_the_mean_are_a_default_value(reference, current):
    with_gaps = [t.assign(income=t["income"].mask(np.arange(2_000) % 7 == 0))
                 for t in (reference, current)]  # fmt: skip
    filled = with_gaps[1].assign(income=with_gaps[1]["income"].fillna(reference["income"].mean()))
    fault = only(faults_of(with_gaps[0], filled)[0])
    assert (fault.kind, fault.columns) == (FaultKind.DEFAULT_VALUE, ("income",))
    assert "mean" in fault.evidence
    assert "less are missing" in fault.evidence


def test_a_word_for_no_value_is_a_default_value(reference, current):
    rows = np.random.default_rng(4).random(len(current)) < 0.1
    found, _ = faults_of(reference, current.assign(brand=current["brand"].where(~rows, "N/A")))
    fault = only(found)
    assert (fault.kind, fault.columns) == (FaultKind.DEFAULT_VALUE, ("brand",))
    assert np.isnan(found.repaired.column("brand")[rows]).all()


def test_a_grade_below_all_grades_is_a_default_value():
    rng = np.random.default_rng(1)
    grades = rng.integers(1, 6, (2, 1_000))
    other = rng.normal(size=(2, 1_000))
    wrong = np.where(rng.random(1_000) < 0.05, -1, grades[1])
    found, _ = faults_of(
        pd.DataFrame({"g": grades[0], "o": other[0]}), pd.DataFrame({"g": wrong, "o": other[1]})
    )
    assert only(found).kind is FaultKind.DEFAULT_VALUE


def test_a_placeholder_in_a_time_is_found_and_shown_as_a_date(reference, current):
    made = [t.assign(born=t["when"] - pd.Timedelta("9000D")) for t in (reference, current)]
    rows = np.random.default_rng(4).random(len(current)) < 0.1
    made[1]["born"] = made[1]["born"].where(~rows, pd.Timestamp(0))
    fault = only(faults_of(*made)[0])
    assert (fault.kind, fault.columns) == (FaultKind.DEFAULT_VALUE, ("born",))
    assert "1970-01-01" in fault.evidence


@pytest.mark.parametrize(
    ("value", "kind"), [(23.5, FaultKind.STUCK_VALUE), (0.0, FaultKind.DEFAULT_VALUE)]
)
def test_a_column_that_became_constant_is_a_fault_without_repair(reference, current, value, kind):
    fault = only(faults_of(reference, current.assign(income=value))[0])
    assert (fault.kind, fault.columns, fault.repaired) == (kind, ("income",), False)


def test_a_value_that_stands_in_a_run_is_stuck_and_no_placeholder(reference, current):
    rows = np.arange(len(current)) >= 1_500
    found, _ = faults_of(reference, current.assign(income=current["income"].where(~rows, 0.0)))
    fault = only(found)
    assert fault.kind is FaultKind.STUCK_VALUE
    assert fault.first_seen is not None
    seen = pd.Timestamp(fault.first_seen).tz_localize(None)
    assert abs((seen - current["when"][1_500]).total_seconds()) < 1


@pytest.mark.parametrize("share", [1.0, 0.2])
def test_names_cut_off_at_one_length_are_made_whole_again(reference, current, share):
    rows = np.random.default_rng(4).random(len(current)) < share
    cut = current["brand"].where(~rows, current["brand"].str[:6])
    found, recorded = faults_of(reference, current.assign(brand=cut))
    fault = only(found)
    assert (fault.kind, fault.repaired) == (FaultKind.TRUNCATED, True)
    whole = [recorded.schema["brand"].categories.index(b) for b in current["brand"]]
    np.testing.assert_array_equal(found.repaired.column("brand"), whole)


def test_names_in_another_spelling_are_recoded(reference, current):
    found, recorded = faults_of(
        reference, current.assign(brand=current["brand"].str.upper().str.replace(" ", "_"))
    )
    assert only(found).kind is FaultKind.RECODE
    whole = [recorded.schema["brand"].categories.index(b) for b in current["brand"]]
    np.testing.assert_array_equal(found.repaired.column("brand"), whole)


def test_a_sign_is_no_matter_of_spelling():
    rng = np.random.default_rng(0)
    other = rng.normal(size=(2, 900))
    before = rng.choice(["1", "2", "x"], 900)
    after = np.where(rng.random(900) < 0.2, "-1", rng.choice(["1", "2", "x"], 900))
    found, _ = faults_of(
        pd.DataFrame({"c": before, "o": other[0]}), pd.DataFrame({"c": after, "o": other[1]})
    )
    assert {f.fault.kind for f in found.findings}.isdisjoint({FaultKind.RECODE})


def test_a_category_merged_into_another_is_a_change_of_the_set(reference, current):
    merged = current["region"].replace("west bank", "south side")
    fault = only(faults_of(reference, current.assign(region=merged))[0])
    assert (fault.kind, fault.columns) == (FaultKind.CATEGORY_SET, ("region",))
    assert "'west bank'" in fault.evidence
    assert "'south side' grew" in fault.evidence


@pytest.mark.parametrize("share", [1.0, 0.05])
def test_a_sum_that_no_longer_adds_up_is_a_broken_identity(reference, current, share):
    rows = np.random.default_rng(4).random(len(current)) < share
    wrong = current.assign(total=current["total"].where(~rows, current["total"] * 1.2))
    found, _ = faults_of(reference, wrong)
    fault = only(found)
    assert fault.kind is FaultKind.IDENTITY_BROKEN
    assert fault.columns == ("total",)
    np.testing.assert_allclose(found.repaired.column("total"), current["total"], atol=0.02)


def test_a_product_that_fails_is_a_broken_identity_and_the_odd_column_is_named():
    rng = np.random.default_rng(0)

    def window() -> pd.DataFrame:
        a, b = rng.exponential(size=(2, 800)) + 0.5
        return pd.DataFrame({"c": a * b, "a": a, "b": b, "other": rng.normal(size=800)})

    reference, current = window(), window()
    rows = np.arange(800) % 5 == 0
    wrong = current.assign(a=current["a"].where(~rows, 8 + rng.random(800)))
    found, _ = faults_of(reference, wrong)
    fault = only(found)
    assert (fault.kind, fault.columns) == (FaultKind.IDENTITY_BROKEN, ("a",))
    np.testing.assert_allclose(found.repaired.column("a"), current["a"], rtol=1e-6)


@pytest.mark.parametrize("most", [3, 5, 19])
def test_a_total_is_known_as_price_times_a_small_count_and_gross_as_price_plus_a_fee(most):
    rng = np.random.default_rng(most)

    def window() -> pd.DataFrame:
        price = np.round(np.exp(rng.normal(2, 0.6, 800)), 2)
        count = rng.integers(1, most + 1, 800)
        fee = rng.choice([1.5, 2.5, 4.9], 800)
        total, gross = np.round(price * count, 2), np.round(price + fee, 2)
        columns = {"total": total, "gross": gross, "count": count, "price": price, "fee": fee}
        return pd.DataFrame(columns).assign(other=rng.normal(size=800))

    reference, current = window(), window()
    assert faults_of(reference, current)[0].findings == ()
    wrong = current.assign(total=1.2 * current["total"], gross=current["gross"] + 7)
    found, _ = faults_of(reference, wrong)
    assert {f.fault.kind for f in found.findings} == {FaultKind.IDENTITY_BROKEN}
    assert {f.fault.columns for f in found.findings} == {("total",), ("gross",)}
    np.testing.assert_allclose(found.repaired.column("total"), current["total"], atol=0.02)


def test_a_rare_mark_makes_up_for_no_odd_row():
    rng = np.random.default_rng(0)
    amount = rng.exponential(size=1_500)
    odd = rng.random(1_500) < 0.003
    table = pd.DataFrame({"amount": amount, "paid": np.where(odd, amount + 2, amount), "odd": odd})
    window = Snapshot.from_frame(table.astype({"odd": int}), kinds={"odd": "count"})
    assert find_identities(window, ("odd", "amount")) == []
    found = find_identities(window, ("odd", "amount", "paid"))
    assert all("odd" not in identity.names for identity in found)


def test_an_identity_that_fails_for_a_unit_is_told_as_the_unit_alone(reference, current):
    found, _ = faults_of(reference, current.assign(price=100 * current["price"]))
    fault = only(found)
    assert (fault.kind, fault.columns) == (FaultKind.UNIT_CHANGE, ("price",))


def test_a_loss_that_is_not_that_of_prediction_and_target_is_a_broken_identity():
    rng = np.random.default_rng(0)

    def window() -> pd.DataFrame:
        y = rng.normal(size=600)
        guess = y + 0.5 * rng.normal(size=600)
        return pd.DataFrame({"y": y, "guess": guess, "loss": (y - guess) ** 2})

    roles = {"y": Role.TARGET, "guess": Role.PREDICTION, "loss": Role.LOSS}
    a = Snapshot.from_frame(window(), roles=roles)
    sound = window()
    wrong = sound.assign(loss=np.abs(sound["y"] - sound["guess"]))
    faults = [
        find_faults(a, Snapshot.from_frame(w, schema=a.schema), ("y",)).findings
        for w in (sound, wrong)
    ]
    assert faults[0] == ()
    assert [f.fault.columns for f in faults[1]] == [("loss",)]
    assert faults[1][0].fault.kind is FaultKind.IDENTITY_BROKEN


def test_a_total_that_still_is_price_times_quantity_was_not_converted():
    """Its larger values look as °F do; they are what more elastic customers pay."""
    for seed in range(4):
        windows = []
        for elasticity in (-1.5, -2.0):
            rng = np.random.default_rng([seed, int(-10 * elasticity)])
            price = np.round(np.exp(rng.normal(2, 0.4, 3_000)), 2)
            quantity = 1 + rng.poisson(np.exp(3 + elasticity * (np.log(price) - 2)))
            total = np.round(price * quantity, 2)
            windows.append(pd.DataFrame({"price": price, "quantity": quantity, "total": total}))
        assert not wd.compare(*windows).faults
        # In cents in some rows it no longer is.
        cents = np.random.default_rng(seed).random(3_000) < 0.3
        windows[1]["total"] = windows[1]["total"].where(~cents, 100 * windows[1]["total"])
        assert {f.columns for f in wd.compare(*windows).faults} == {("total",)}


PLACED = {
    "a placeholder": ("celsius", -999.0, FaultKind.DEFAULT_VALUE),
    "the mean": ("celsius", 12.04, FaultKind.DEFAULT_VALUE),
    "a word": ("brand", "unknown", FaultKind.DEFAULT_VALUE),
    "a stuck value": ("celsius", 3.456, FaultKind.STUCK_VALUE),
    "nothing": ("celsius", None, FaultKind.NULL_SPIKE),
}


@pytest.mark.parametrize("how", PLACED)
@pytest.mark.parametrize("from_row", [0, 1_000])
def test_what_broke_in_rows_of_one_category_alone_says_which_also_where_only_a_part_did(
    reference, current, how, from_row
):
    name, value, kind = PLACED[how]
    there = (current.region == "west bank") & (np.arange(len(current)) >= from_row)
    there |= np.arange(len(current)) == 1_001  # one elsewhere
    broken = current.assign(**{name: current[name].where(~there, value)})
    fault = only(faults_of(reference, broken)[0])
    assert (fault.kind, fault.where) == (kind, "region is 'west bank'")
    assert "where region is 'west bank'" in fault.evidence
    # Scattered over all regions it is nowhere of its own.
    scattered = np.random.default_rng(8).random(len(current)) < 0.1
    broken = current.assign(**{name: current[name].where(~scattered, value)})
    assert only(faults_of(reference, broken)[0]).where is None


def test_of_a_site_and_its_country_the_site_is_named(reference, current):
    nested = {
        "country": lambda t: np.where(t.region == "north side", "south", "north"),
        "site": lambda t: np.where(t.region == "west bank", "west mill", "others"),
    }
    there = (current.region == "west bank") & (np.arange(len(current)) % 2 == 0)
    broken = current.assign(celsius=current.celsius.where(~there, -999.0)).assign(**nested)
    sound = reference.assign(**nested)
    columns = ["country", "site", "celsius", "income"]
    fault = only(faults_of(sound[columns], broken[columns])[0])
    assert fault.where == "site is 'west mill'"


def test_a_value_near_the_mean_is_not_said_to_be_it(reference, current):
    near = round(float(reference.celsius.mean()) + 0.15, 2)
    there = np.random.default_rng(9).random(len(current)) < 0.1
    broken = current.assign(celsius=current.celsius.where(~there, near))
    fault = only(faults_of(reference, broken)[0])
    assert f"{near:.6g}, about the reference's mean ({reference.celsius.mean():.4g})," in (
        fault.evidence
    )


@pytest.mark.parametrize("value", [0.0, 5.0])
def test_the_broken_sensor_of_one_machine_is_found_where_machines_take_turns(value):
    """The rows that stand still make a series of that machine in one window alone."""
    rng = np.random.default_rng(1)

    def window(broken: float | None) -> pd.DataFrame:
        machine = np.tile(["M1", "M2", "M3", "M4"], 750)
        rpm = np.round(1200 + 50 * (machine == "M2") + 30 * rng.normal(size=3000))
        vibration = np.round(np.exp(0.2 + 0.2 * rng.normal(size=3000)), 3)
        thickness = 0.002 * rpm + 0.1 * vibration + 0.05 * rng.normal(size=3000)
        if broken is not None:
            vibration[(machine == "M3") & (np.arange(3000) >= 1500)] = broken
        return pd.DataFrame(
            {"machine": machine, "rpm": rpm, "vibration": vibration, "thickness": thickness}
        )

    found = wd.compare(window(None), window(value), target="thickness")
    assert [(f.kind, f.columns) for f in found.faults] == [(FaultKind.STUCK_VALUE, ("vibration",))]
    assert found.verdict == "none"
