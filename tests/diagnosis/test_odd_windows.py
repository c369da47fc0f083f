"""Odd windows, found by people who tried to break the comparison."""

import unicodedata

import numpy as np
import pandas as pd
import pytest

import whydrift as wd


def houses(rows=500, seed=0, shift=0.0):
    """a causes b, b and c cause y."""
    rng = np.random.default_rng(seed)
    a = rng.normal(size=rows) + shift
    b = a + 0.6 * rng.normal(size=rows)
    c = rng.normal(size=rows)
    y = b + c + 0.5 * rng.normal(size=rows)
    return pd.DataFrame({"a": a, "b": b, "c": c, "y": y})


@pytest.mark.parametrize("words", [(False, True), ("u", "w")])
def test_a_category_that_was_constant_and_varies_now_is_a_fault(words):
    switched = np.where(np.random.default_rng(0).random(500) < 0.3, words[1], words[0])
    diagnosis = wd.compare(
        houses().assign(k=words[0]), houses(500, 1).assign(k=switched), target="y"
    )
    assert diagnosis.columns["k"].verdict == "fault"


def test_a_past_window_without_a_column_is_named():
    past = [houses(300, i) for i in range(16)]
    past[3] = past[3].drop(columns="c")
    with pytest.raises(wd.WhydriftError, match=r"reference window 4: column 'c'"):
        wd.compare(past, houses(300, 99), target="y")


@pytest.mark.parametrize("huge", [1e155, np.finfo(float).max])
def test_a_number_too_large_to_square_counts_as_missing_and_is_told(huge):
    current = houses(500, 1)
    current.loc[0, "c"] = huge
    diagnosis = wd.compare(houses(), current, target="y")
    assert diagnosis.verdict == "none"
    assert ("infinite_values", "c") in {(w.code, w.column) for w in diagnosis.warnings}
    wd.discover(houses().assign(k=lambda d: d.a.clip(-1, 1) * 1.7e308, d=1.0 * np.arange(500)))


def test_one_cluster_for_all_rows_is_refused():
    windows = [houses().assign(u=1), houses(500, 2, shift=1.0).assign(u=1)]
    with pytest.raises(wd.WhydriftError, match="all rows would belong together"):
        wd.compare(*windows, cluster="u", target="y")


def test_intervals_and_whole_numbers_beyond_64_bits_are_read():
    frame = houses().assign(k=lambda d: pd.cut(d.a, 4))
    assert any("k" in {edge.a, edge.b} for edge in wd.discover(frame))
    long = houses().assign(k=[10**30 + i for i in range(500)])
    assert wd.discover(long, columns=["a", "b", "y"]).edges


@pytest.mark.parametrize(
    "wrong", [{"random_state": -1}, {"bootstrap": 2.5}, {"method": None}, {"score": 3}]
)
def test_options_of_another_type_are_refused_in_plain_words(wrong):
    with pytest.raises(wd.WhydriftError, match=next(iter(wrong))):
        wd.discover(houses(), **wrong)
    with pytest.raises(wd.WhydriftError, match="floor"):
        wd.compare(houses(), houses(500, 1), floor="x")


@pytest.mark.parametrize("value", [5.0, "no"])
@pytest.mark.parametrize("predicted", [False, True])
def test_nothing_is_called_upstream_of_a_target_that_is_the_same_in_every_row(value, predicted):
    def window(seed: int, moved: float) -> pd.DataFrame:
        rng = np.random.default_rng(seed)
        a = rng.normal(moved, 1, 500)
        frame = pd.DataFrame({"a": a, "b": a + rng.normal(size=500), "y": value})
        if predicted:
            frame["p"] = a if value == 5.0 else np.where(a > 0, "yes", "no")
        return frame

    roles = {"target": "y", "prediction": "p" if predicted else None}
    found = wd.compare(window(0, 0.0), window(1, 2.0), **roles)
    assert found.ranking == ("a",) and found.columns["b"].verdict == "inherited"
    # As without labels: any input may matter to it.
    assert found.verdict == "covariate" and "y" not in found.columns
    assert found.summary.startswith(
        "Covariate shift, beginning at a (1 more column inherited it). "
        "y is the same in every row, and tells nothing of what leads to it"
    )
    assert found.remedy.action == "investigate" and "if it should vary" in found.remedy.text
    # Who says what leads to it is believed.
    known = wd.compare(window(0, 0.0), window(1, 2.0), **roles, graph=[("a", "b"), ("b", "y")])
    assert "upstream of y" in known.summary
    # A graph that was learned before, as monitors have one, knows no more.
    learned = wd.compare(window(0, 0.0), window(1, 2.0), **roles, graph=found.graph)
    assert learned.summary == found.summary
    required = wd.Knowledge(required=[("b", "y")])
    known = wd.compare(window(0, 0.0), window(1, 2.0), **roles, knowledge=required)
    assert "upstream of y" in known.summary
    assert wd.compare(window(0, 0.0), window(1, 0.0), **roles).verdict == "none"


# ---- what is new in a window, and is no change -------------------------------------------------
def shops(rows: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    shop = rng.choice(["Köln", "Łódź", "東京"], rows, p=[0.5, 0.3, 0.2])
    x = rng.normal(size=rows)
    return pd.DataFrame({"shop": shop, "x": x, "y": x + (shop == "Köln") + rng.normal(size=rows)})


@pytest.mark.parametrize("mixed", [False, True])
def test_a_counter_of_rows_says_how_long_the_windows_are(mixed):
    rng = np.random.default_rng(0)
    frames = []
    for seed, rows in enumerate((1200, 800)):
        count = rng.permutation(rows) if mixed else np.arange(rows)
        frames.append(shops(rows, seed).assign(k=0.5 * count))
    found = wd.compare(*frames, target="y")
    assert not found.faults and "k" not in found.columns
    assert ("clock_column", "k") in {(w.code, w.column) for w in found.warnings}


def test_a_filter_on_a_number_is_still_told_from_a_counter():
    before, after = (shops(3000, s).assign(k=lambda f: 10 + f["x"].rank() ** 1.2) for s in (1, 2))
    after = after[after["k"] < after["k"].quantile(0.7)]
    assert [f.kind for f in wd.compare(before, after, target="y").faults] == ["filter_changed"]


@pytest.mark.parametrize("has_time", [False, True])
def test_what_only_rises_is_not_cut_where_a_shorter_window_ends(has_time):
    rng = np.random.default_rng(0)
    before, after = (
        shops(rows, seed).assign(
            when=pd.date_range("2026-01-01", periods=rows, freq="min"),
            read=rng.exponential(size=rows).cumsum(),
        )
        for seed, rows in enumerate((1200, 800))
    )
    if has_time:
        found = wd.compare(before, after, target="y", time_column="when")
    else:
        found = wd.compare(*(w.drop(columns="when") for w in (before, after)), target="y")
    assert "filter_changed" not in {f.kind for f in found.faults}


def test_an_even_sweep_that_begins_elsewhere_moved():
    def sweep(low: float) -> pd.DataFrame:
        volt = rng.permutation(np.linspace(low, low + 5, 1000))
        return pd.DataFrame({"volt": volt, "amp": 2 * volt + 0.3 * rng.normal(size=1000)})

    rng = np.random.default_rng(11)
    assert wd.compare(sweep(0.0), sweep(3.0), target="amp").ranking == ("volt",)


def test_days_that_are_no_days_of_a_month_are_a_column_like_others():
    rng = np.random.default_rng(15)
    early, late = rng.integers(1, 31, 3000), rng.integers(1, 32, 3000)
    late = np.where(rng.random(3000) < 0.6, rng.integers(26, 32, 3000), late)
    frames = [
        pd.DataFrame({"lead_days": days, "price": 100 - days + 5 * rng.normal(size=3000)})
        for days in (early, late)
    ]
    assert wd.compare(*frames, target="price").ranking == ("lead_days",)


def test_grades_that_punctuation_tells_apart_are_no_spellings():
    def graded(grades: list[str], shares: list[float]) -> pd.DataFrame:
        grade = rng.choice(grades, 2000, p=shares)
        x = pd.Series(grade).map({"A": 0.0, "A-": 3.0, "B": 1.0}) + rng.normal(size=2000)
        return pd.DataFrame({"grade": grade, "x": x, "y": x + rng.normal(size=2000)})

    rng = np.random.default_rng(15)
    frames = graded(["A", "A-", "B"], [0.5, 0.1, 0.4]), graded(["A", "B"], [0.6, 0.4])
    found = wd.compare(*frames, target="y", graph=[("grade", "x"), ("x", "y")])
    assert "recode" not in {f.kind for f in found.faults}
    assert found.columns["x"].verdict in {"inherited", "stable"}


def test_a_constant_of_another_last_digit_is_the_same():
    found = wd.compare(houses().assign(k=0.3), houses(500, 1).assign(k=0.1 + 0.2), target="y")
    assert "k" not in found.columns


def test_a_constant_that_is_nearly_always_missing_now_is_told_without_a_crash():
    now = np.where(np.arange(500) < 495, np.nan, 3.5)
    found = wd.compare(houses().assign(k=0.0), houses(500, 1).assign(k=now), target="y")
    assert [(f.kind, f.columns) for f in found.faults] == [("null_spike", ("k",))]


def test_a_shorter_month_lacks_its_last_days():
    before = shops(3100, 1).assign(day=np.repeat(np.arange(1, 32), 100))
    after = shops(2800, 2).assign(day=np.repeat(np.arange(1, 29), 100))
    found = wd.compare(before, after, target="y")
    assert not found.faults and not found.ranking
    assert ("clock_column", "day") in {(w.code, w.column) for w in found.warnings}


def test_spellings_that_were_tidied_up_are_one_category():
    rng = np.random.default_rng(0)
    before = shops(3100, 1)
    before["shop"] = before["shop"].where(rng.random(3100) > 0.3, before["shop"].str.upper())
    found = wd.compare(before, shops(2800, 2), target="y")
    assert [(f.kind, f.columns, f.repaired) for f in found.faults] == [("recode", ("shop",), True)]
    assert found.columns["y"].verdict == "stable" and found.verdict == "none"


def test_one_of_two_spellings_that_went_with_its_rows_is_no_spelling():
    before, after = shops(3100, 1), shops(2800, 2)
    before["shop"] = before["shop"].replace("Łódź", "KÖLN")
    after = after[after["shop"] != "Łódź"]
    assert "recode" not in {f.kind for f in wd.compare(before, after, target="y").faults}


def test_another_unicode_form_is_another_spelling_and_says_so():
    after = shops(2800, 2)
    after["shop"] = after["shop"].map(lambda label: unicodedata.normalize("NFD", label))
    found = wd.compare(shops(3100, 1), after, target="y")
    (fault,) = found.faults
    assert fault.kind == "recode" and fault.repaired and "Unicode" in fault.evidence
    assert found.columns["y"].verdict == "stable"


def test_a_rare_category_that_is_new_is_told_to_be_new():
    rng = np.random.default_rng(0)
    after = shops(20_000, 2)
    after["shop"] = after["shop"].where(rng.random(20_000) > 0.01, "Napoli")
    found = wd.compare(shops(20_000, 1), after, target="y")
    assert not found.faults
    (text,) = [w.text for w in found.warnings if w.code == "new_category"]
    assert "'Napoli' is new in 'shop'" in text


def test_values_that_lack_in_one_category_alone_are_told_where():
    after = shops(2800, 2)
    after["x"] = after["x"].mask(after["shop"] == "Łódź")
    (fault,) = wd.compare(shops(3100, 1), after, target="y").faults
    assert fault.kind == "null_spike" and fault.where == "shop is 'Łódź'"
    assert "where shop is 'Łódź'" in fault.evidence


def test_a_constant_that_is_another_one_is_told_by_both():
    found = wd.compare(houses().assign(k=1.0), houses(500, 1).assign(k=2.0), target="y")
    assert "values other than 1 (all are 2 now)" in found.columns["k"].reason
    assert "spread" not in found.columns["k"].reason


def test_a_value_of_a_grid_that_few_rows_happen_to_lack_is_no_offset():
    told = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        before, after = (
            houses(n, seed + 100 * n).assign(
                off=rng.choice([5.0, 10, 20, 30], n, p=[0.04, 0.4, 0.3, 0.26])
            )
            for n in (100, 1000)
        )
        before["off"] = before["off"].replace(5.0, 10.0)
        told += bool(wd.compare(before, after, target="y").faults)
    assert told == 0
