import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy.stats import fisher_exact

import whydrift
from tests.diagnosis.worlds import houses
from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.monitor.diagnosis.diagnosis import FaultKind
from whydrift.monitor.diagnosis.faults.base import share_rises
from whydrift.monitor.diagnosis.faults.registry import find_faults


def found(reference: pd.DataFrame, current: pd.DataFrame):
    a = Snapshot.from_frame(reference)
    b = Snapshot.from_frame(current, schema=a.schema)
    faults = find_faults(a, b, a.schema.modelled)
    return faults.findings, faults.repaired, b


def kinds(findings) -> dict[FaultKind, tuple[str, ...]]:
    return {f.fault.kind: f.fault.columns for f in findings}


@pytest.mark.parametrize("seed", range(8))
def test_sound_data_have_no_fault(seed):
    findings, repaired, current = found(houses(500, seed), houses(500, seed + 100))
    assert findings == ()
    assert repaired is current


@pytest.mark.parametrize("seed", range(4))
def test_a_real_shift_is_no_fault(seed):
    findings, _, _ = found(houses(500, seed), houses(500, seed + 100, income_shift=0.8))
    assert findings == ()


def test_a_null_spike_is_found_with_its_share():
    current = houses(500, 2)
    current.loc[::4, "rooms"] = np.nan
    findings, _, _ = found(houses(500, 1), current)
    assert kinds(findings) == {FaultKind.NULL_SPIKE: ("rooms",)}
    assert findings[0].fault.share == pytest.approx(0.25)


def test_a_few_missing_values_are_a_fault_where_there_never_were_any():
    current = houses(300, 2)
    current.loc[:16, "rooms"] = np.nan
    assert kinds(found(houses(300, 1), current)[0]) == {FaultKind.NULL_SPIKE: ("rooms",)}
    reference = houses(300, 1)
    reference.loc[:0, "rooms"] = np.nan
    assert found(reference, current)[0] == ()


@pytest.mark.parametrize(
    "counts",
    [(0, 300, 14, 300), (28, 300, 39, 300), (5, 10, 10, 10), (3_900, 100_000, 900, 20_000)],
)
def test_a_risen_share_is_judged_by_fishers_exact_test(counts):
    before, before_rows, after, after_rows = counts
    table = [[after, after_rows - after], [before, before_rows - before]]
    expected = fisher_exact(table, alternative="greater").pvalue
    assert share_rises(*counts) == pytest.approx(expected, rel=1e-6)


def test_missing_values_that_another_column_explains_are_no_fault():
    rng = np.random.default_rng(0)

    def window(shift: float) -> pd.DataFrame:
        x = shift + rng.normal(size=3000)
        z = np.where(rng.random(3000) < 1 / (1 + np.exp(2 - x)), np.nan, rng.normal(size=3000))
        return pd.DataFrame({"x": x, "z": z, "w": rng.normal(size=3000)})

    findings, _, _ = found(window(0.0), window(0.7))
    assert findings == ()


def discounts(rows: int, seed: int, levels: int = 3) -> pd.DataFrame:
    """A discount where there is a coupon; a rating that one in twenty lacks."""
    rng = np.random.default_rng(seed)
    coupon = np.where(rng.random(rows) < 0.3, "SAVE10", None)
    return pd.DataFrame(
        {
            "coupon": coupon,
            "discount": np.where(coupon == "SAVE10", rng.gamma(4, 2, rows), np.nan),
            "shop": [f"s{i}" for i in rng.integers(levels, size=rows)],
            "rating": np.where(rng.random(rows) < 0.05, np.nan, rng.normal(size=rows)),
        }
    )


def test_values_that_are_missing_where_they_never_were_are_told_however_few():
    current = discounts(2_000, 2)
    with_coupon = current.index[current["coupon"] == "SAVE10"]
    current.loc[with_coupon[::8], "discount"] = np.nan
    findings, _, _ = found(discounts(2_000, 1), current)
    assert kinds(findings) == {FaultKind.NULL_SPIKE: ("discount",)}
    assert "coupon says that there is a value" in findings[0].fault.evidence
    assert findings[0].rows[with_coupon[::8]].all()


def test_a_coupon_that_is_missing_beside_its_discount_is_told():
    current = discounts(2_000, 2)
    current.loc[current.index[current["coupon"] == "SAVE10"][::8], "coupon"] = None
    assert kinds(found(discounts(2_000, 1), current)[0]) == {FaultKind.NULL_SPIKE: ("coupon",)}


def test_a_discount_where_there_is_no_coupon_does_not_mean_that_coupons_are_missing():
    current = discounts(2_000, 2)
    current.loc[1_500:, "discount"] = 7.5
    assert kinds(found(discounts(2_000, 1), current)[0]) == {FaultKind.STUCK_VALUE: ("discount",)}


@pytest.mark.parametrize("seed", range(3))
def test_small_categories_without_gaps_by_chance_promise_none(seed):
    # Two hundred shops of thirty rows: in a fifth of them no rating happened to be missing.
    assert found(discounts(6_000, seed, 200), discounts(6_000, seed + 10, 200))[0] == ()


def test_a_stuck_value_is_found_and_its_rows_are_left_out_of_the_repair():
    current = houses(500, 2)
    current.loc[:149, "income"] = 1.2345
    findings, repaired, _ = found(houses(500, 1), current)
    assert kinds(findings) == {FaultKind.STUCK_VALUE: ("income",)}
    assert np.isnan(repaired.column("income")[:150]).all()
    assert np.isfinite(repaired.column("income")[150:]).all()


def test_more_zeros_in_a_column_that_has_zeros_is_a_shift_and_no_stuck_value():
    rng = np.random.default_rng(0)

    def spending(zeros: float) -> pd.DataFrame:
        return pd.DataFrame(
            {
                "spend": np.where(rng.random(900) < zeros, 0.0, rng.exponential(size=900)),
                "other": rng.normal(size=900),
            }
        )

    findings, _, _ = found(spending(0.2), spending(0.5))
    assert findings == ()


@pytest.mark.parametrize("factor", [1000.0, 0.01, 60.0, 1024.0, 10.0])
def test_a_change_of_unit_is_found_and_undone(factor):
    reference, current = houses(500, 1), houses(500, 2)
    findings, repaired, _ = found(reference, current.assign(income=factor * current.income))
    assert kinds(findings) == {FaultKind.UNIT_CHANGE: ("income",)}
    assert findings[0].fault.repaired
    np.testing.assert_allclose(repaired.column("income"), current.income, rtol=0.05)


def test_a_thousand_is_not_told_as_1024_where_both_fit():
    reference, current = houses(500, 1), houses(500, 2)
    for seed in range(8):
        rng = np.random.default_rng(seed)
        incomes = np.exp(0.6 * rng.normal(size=(2, 500)) + 3)
        findings, repaired, _ = found(
            reference.assign(income=incomes[0]), current.assign(income=1_000 * incomes[1])
        )
        assert kinds(findings) == {FaultKind.UNIT_CHANGE: ("income",)}
        assert "(× 1,000; × 1,024 fits as well)" in findings[0].fault.evidence
        np.testing.assert_allclose(repaired.column("income"), incomes[1])


def test_1024_is_told_where_the_values_are_close_enough_to_tell():
    rng = np.random.default_rng(0)
    sizes = 500 + 5 * rng.normal(size=(2, 500))
    reference, current = houses(500, 1), houses(500, 2)
    findings, _, _ = found(
        reference.assign(income=sizes[0]), current.assign(income=1_024 * sizes[1])
    )
    assert "(× 1,024)" in findings[0].fault.evidence


def test_fahrenheit_for_celsius_is_found_and_undone():
    rng = np.random.default_rng(1)
    celsius = 12 + 6 * rng.normal(size=(2, 800))
    other = rng.normal(size=(2, 800))
    findings, repaired, _ = found(
        pd.DataFrame({"t": celsius[0], "o": other[0]}),
        pd.DataFrame({"t": 32 + 1.8 * celsius[1], "o": other[1]}),
    )
    assert kinds(findings) == {FaultKind.UNIT_CHANGE: ("t",)}
    np.testing.assert_allclose(repaired.column("t"), celsius[1], atol=1e-9)


def test_a_renamed_category_is_recoded_back():
    current = houses(800, 2)
    findings, repaired, recorded = found(
        houses(800, 1), current.assign(region=current.region.replace("south", "S"))
    )
    assert kinds(findings) == {FaultKind.RECODE: ("region",)}
    south = recorded.schema["region"].categories.index("south")
    assert (repaired.column("region") == south).sum() == (current.region == "south").sum()


def test_a_new_category_that_replaces_nothing_is_an_unknown_category():
    current = houses(800, 2)
    current.loc[:99, "region"] = "overseas"
    findings, _, _ = found(houses(800, 1), current)
    assert kinds(findings) == {FaultKind.CATEGORY_SET: ("region",)}
    assert "overseas" in findings[0].fault.evidence


def test_exchanged_labels_are_recognised_by_the_company_they_keep():
    current = houses(2000, 2)
    exchanged = current.region.replace({"north": "south", "south": "north"})
    findings, repaired, _ = found(houses(2000, 1), current.assign(region=exchanged))
    assert kinds(findings) == {FaultKind.RECODE: ("region",)}
    sound = found(houses(2000, 1), current)[2]
    np.testing.assert_array_equal(repaired.column("region"), sound.column("region"))


@pytest.mark.parametrize("share", [0.7, 0.45, 0.2])
def test_labels_exchanged_from_some_row_on_are_exchanged_back_there_alone(share):
    current = houses(3000, 2)
    wrong = np.arange(3000) >= round((1 - share) * 3000)
    other = current.region.replace({"north": "south", "south": "north"})
    findings, repaired, _ = found(
        houses(3000, 1), current.assign(region=current.region.where(~wrong, other))
    )
    assert kinds(findings) == {FaultKind.RECODE: ("region",)}
    assert f"in the last {share:.0%}"[:-2] in findings[0].fault.evidence
    sound = found(houses(3000, 1), current)[2]
    as_it_was = repaired.column("region") == sound.column("region")
    assert as_it_was.mean() > 0.98  # the row it begins with is estimated


@pytest.mark.parametrize("rows", [300, 1_500])
@pytest.mark.parametrize("before", [(0.3, 0.7), (0.2, 0.3, 0.5)])
def test_shares_that_changed_places_among_strangers_are_a_shift_and_no_exchange(rows, before):
    rng = np.random.default_rng(rows)
    labels = [f"label {k}" for k in range(len(before))]
    told = 0
    for _ in range(10):
        windows = [
            pd.DataFrame(rng.normal(size=(rows, 3)), columns=["a", "b", "c"]).assign(
                label=rng.choice(labels, rows, p=shares)
            )
            for shares in (before, before[::-1])
        ]
        told += bool(found(*windows)[0])
    assert told == 0


def test_swapped_columns_are_found_and_exchanged_back():
    current = houses(1000, 2)
    swapped = current.rename(columns={"rooms": "price", "price": "rooms"})[current.columns]
    findings, repaired, _ = found(houses(1000, 1), swapped)
    assert kinds(findings) == {FaultKind.SWAP: ("rooms", "price")}
    np.testing.assert_array_equal(repaired.column("rooms"), current.rooms)


@pytest.mark.parametrize("share", [0.7, 0.45, 0.2])
def test_columns_swapped_from_some_row_on_are_exchanged_back_there_alone(share):
    rows = 6000
    current = houses(rows, 2)
    wrong = np.arange(rows) >= round((1 - share) * rows)
    swapped = current.assign(
        rooms=current.rooms.where(~wrong, current.price),
        price=current.price.where(~wrong, current.rooms),
    )
    findings, repaired, _ = found(houses(rows, 1), swapped)
    assert kinds(findings) == {FaultKind.SWAP: ("rooms", "price")}
    assert findings[0].fault.share == pytest.approx(share, abs=0.02)
    assert (repaired.column("rooms") == current.rooms).mean() > 0.98


def test_a_slope_that_turns_within_the_window_is_no_swap_and_no_recode():
    for seed in range(6):
        first, last = houses(1500, seed), houses(1500, seed + 50, price_slope=-0.8)
        current = pd.concat([first, last], ignore_index=True)
        assert found(houses(3000, seed + 100), current)[0] == ()


def test_text_among_numbers_is_a_change_of_type():
    current = houses(500, 2)
    text = current.income.round(3).astype(str)
    text[:100] = "n/a!"
    findings, _, _ = found(houses(500, 1), current.assign(income=text))
    assert kinds(findings)[FaultKind.TYPE_CHANGE] == ("income",)
    assert findings[0].fault.evidence == (
        "20% of the values are text, such as 'n/a!', where the reference has numbers"
    )


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (lambda v: f"{v:.2f}".replace(".", ","), "(a decimal comma)"),
        (lambda v: f"{1000 + abs(v):,.0f}", "(a decimal comma, or one between thousands)"),
        (lambda v: f"€ {v:.2f}", "such as '€ "),
    ],
)
def test_how_numbers_are_written_that_cannot_be_read_is_said(written, said):
    text = [written(v) for v in houses(500, 2).income]
    findings, _, _ = found(houses(500, 1), houses(500, 2).assign(income=text))
    assert [f.fault.kind for f in findings] == ["type_change"]
    assert said in findings[0].fault.evidence


ODD_TYPES = {
    "lists": lambda values: [[v] for v in values],
    "structs": lambda values: [{"v": v} for v in values],
    "bytes": lambda values: [np.random.default_rng(i).bytes(8) for i in range(len(values))],
}


@pytest.mark.parametrize("how", ODD_TYPES)
@pytest.mark.parametrize(
    ("name", "usual"), [("income", "numbers"), ("region", "text"), ("price", "numbers")]
)
def test_values_of_a_type_that_cannot_be_read_are_a_change_of_type_and_not_missing(
    name, usual, how
):
    reference, current = houses(500, 1), houses(500, 2)
    broken = current.assign(**{name: ODD_TYPES[how](current[name].tolist())})
    tables = [
        (reference, broken),
        (pa.Table.from_pandas(reference), pa.Table.from_pandas(broken)),
        (pl.from_pandas(reference), pl.from_pandas(broken)),
        (first := Snapshot.from_frame(reference), Snapshot.from_frame(broken, schema=first.schema)),
    ]
    for before, after in tables:
        found = whydrift.compare(before, after, target="price")
        assert [(f.kind, f.columns) for f in found.faults] == [("type_change", (name,))]
        assert found.faults[0].evidence == (
            f"100% of the values are nested or binary where the reference has {usual}"
        )
        assert found.remedy.text.startswith(f"Mend the pipeline: restore the type of {name}")


def test_devices_of_large_numbers_are_told_apart():
    def with_devices(rows: int, seed: int, first: int) -> pd.DataFrame:
        device = 2**62 + first + np.random.default_rng(seed).integers(0, 100, rows)
        return houses(rows, seed).assign(device=device)

    same = whydrift.compare(with_devices(500, 1, 0), with_devices(500, 2, 0))
    assert not same.faults and "device" in same.columns
    other = whydrift.compare(with_devices(500, 1, 0), with_devices(500, 2, 1_000))
    assert [(f.kind, f.columns) for f in other.faults] == [("category_set", ("device",))]


def test_whole_numbers_that_were_rounded_to_one_do_not_stand_still():
    current = houses(500, 2).assign(rooms=2**63 - 1 - np.arange(500))
    diagnosis = whydrift.compare(houses(500, 1), current)
    assert "stuck_value" not in {f.kind for f in diagnosis.faults}
    assert "large_numbers" in {w.code for w in diagnosis.warnings}


def test_text_that_arrives_as_bytes_is_read_and_is_no_fault():
    current = houses(500, 2)
    as_bytes = current.assign(region=[v.encode() for v in current.region])
    assert found(houses(500, 1), as_bytes)[0] == ()


def test_predictions_that_are_text_in_part_are_a_change_of_type():
    reference, current = (
        t.assign(guess=t.income.round(3)) for t in map(houses, (500, 500), (1, 2))
    )
    text = current.guess.astype(str)
    text[:100] = "n/a!"
    diagnosis = whydrift.compare(
        reference, current.assign(guess=text), target="price", prediction="guess"
    )
    assert [(f.kind, f.columns) for f in diagnosis.faults] == [("type_change", ("guess",))]


def test_numbers_that_arrive_as_text_are_read_and_are_no_fault():
    current = houses(500, 2)
    findings, _, _ = found(houses(500, 1), current.assign(income=current.income.astype(str)))
    assert findings == ()


def test_a_column_has_at_most_one_fault():
    current = houses(500, 2)
    current["income"] = 1000 * current.income
    current.loc[::3, "income"] = np.nan
    findings, _, _ = found(houses(500, 1), current)
    named = [c for f in findings for c in f.fault.columns]
    assert len(named) == len(set(named))


def test_no_columns_seem_swapped_where_many_columns_are_unrelated():
    # With 60 columns there are 1,770 pairs: the best of them must not look like a finding.
    for seed in range(6):
        rng = np.random.default_rng(seed)
        names = [f"c{i}" for i in range(60)]
        windows = [pd.DataFrame(rng.normal(size=(200, 60)), columns=names) for _ in range(2)]
        assert found(*windows)[0] == ()


def test_slow_series_are_not_taken_for_another_unit():
    # A window of 200 rows, each nearly the row before it, holds about ten independent ones.
    for seed in range(6):
        rng = np.random.default_rng(seed)
        rows = rng.normal(size=(400, 20))
        for row in range(1, 400):
            rows[row] = 0.9 * rows[row - 1] + 0.44 * rows[row]
        frame = pd.DataFrame(50 + 100 * rows, columns=[f"c{i}" for i in range(20)])
        findings = found(frame[:200], frame[200:])[0]
        assert FaultKind.UNIT_CHANGE not in kinds(findings)


def states(rows: int, lasting: int, seed: int) -> pd.DataFrame:
    """A column of three states that each last so many rows on average."""
    rng = np.random.default_rng(seed)
    run = np.cumsum(rng.random(rows) < 1 / lasting)
    state = rng.integers(0, 3, run[-1] + 1)[run]
    return pd.DataFrame({"state": np.array(["calm", "storm", "rain"])[state]}).assign(
        other=rng.normal(size=rows)
    )


def test_a_lasting_state_that_does_not_come_in_a_short_window_was_not_merged():
    told = 0
    for seed in range(30):
        reference, current = states(2_000, 150, seed), states(400, 150, seed + 100)
        if current.state.nunique() < 3:
            told += bool(found(reference, current)[0])
    assert told == 0


def test_states_that_were_merged_are_told_where_they_do_not_last():
    current = states(2_000, 1, 2).replace({"state": {"rain": "calm"}})
    findings, _, _ = found(states(2_000, 1, 1), current)
    assert kinds(findings) == {FaultKind.CATEGORY_SET: ("state",)}


def of_days(first: int, last: int) -> pd.DataFrame:
    """Three hundred rows a day, with the weekday among the features."""
    day = np.repeat(np.arange(first, last), 300)
    rng = np.random.default_rng([first, last])
    names = np.array(["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"])
    return pd.DataFrame(
        {
            "weekday": names[day % 7],
            "dow": day % 7,
            "weekend": day % 7 >= 5,
            "amount": rng.normal(size=day.size) + 0.3 * (day % 7 >= 5),
        }
    )


@pytest.mark.parametrize("day", [28, 33])
def test_a_weekday_stands_still_for_a_day_and_is_not_stuck(day):
    findings, _, _ = found(of_days(0, 28), of_days(day, day + 1))
    assert findings == ()


def test_a_weekday_that_is_the_same_for_a_week_is_stuck():
    findings, _, _ = found(of_days(0, 28), of_days(28, 35).assign(weekday="Mon"))
    assert kinds(findings) == {FaultKind.STUCK_VALUE: ("weekday",)}


def test_a_constant_that_changed_moved_but_is_no_more_stuck_than_before():
    reference, current = (houses(400, seed).assign(unit=v) for seed, v in ((1, 1.0), (2, 5.0)))
    assert not kinds(found(reference, current)[0])
    assert whydrift.compare(reference, current).columns["unit"].verdict == "source"


def test_miles_for_kilometres_in_one_city_are_told_by_the_fee_that_knew_better():
    for seed in range(4):
        rng = np.random.default_rng(seed)

        def rides(rows: int, rng: np.random.Generator = rng) -> pd.DataFrame:
            city = rng.choice(["BER", "MUC", "HAM"], rows, p=[0.5, 0.3, 0.2])
            distance = np.round(rng.lognormal(0.8, 0.5, rows), 2)
            fee = np.round(1.9 + 0.5 * distance, 2)  # rounded to a seventieth of its sd
            minutes = 10 + 3.5 * distance + rng.normal(0, 5, rows)
            return pd.DataFrame({"city": city, "km": distance, "fee": fee, "minutes": minutes})

        reference, current = rides(6_000), rides(2_000)
        current["km"] = np.where(
            current["city"] == "HAM", np.round(0.621 * current["km"], 2), current["km"]
        )
        told = whydrift.compare(reference, current, target="minutes")
        (fault,) = told.faults
        assert (fault.kind, fault.columns) == (FaultKind.IDENTITY_BROKEN, ("km",))
        assert "fee = 0.5·km + 1.9" in fault.evidence
        assert "there km is 0.62" in fault.evidence
        assert told.ranking == ("km",)
