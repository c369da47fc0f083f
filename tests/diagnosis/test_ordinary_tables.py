"""What tables of ML teams have and textbooks do not: nothing of it is a change, or a fault."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

import whydrift as wd
from whydrift.monitor.diagnosis.diagnosis import Diagnosis, FaultKind

TRIALS = 20
MOST = int(binom.isf(1e-4, TRIALS, 0.05))


def codes(found: Diagnosis) -> set[tuple[str, str | None]]:
    return {(w.code, w.column) for w in found.warnings}


def kinds(found: Diagnosis) -> set[tuple[str, tuple[str, ...]]]:
    return {(f.kind.value, f.columns) for f in found.faults}


def is_quiet(found: Diagnosis) -> bool:
    return found.verdict in {"none", "undetermined"} and not found.faults and not found.ranking


def refunds(rng: np.random.Generator, rows: int) -> pd.DataFrame:
    amount = np.round(np.exp(rng.normal(4, 2, rows)), 2)
    return pd.DataFrame(
        {
            "refund": np.where(rng.random(rows) < 0.97, 0.0, amount),
            "x": rng.normal(size=rows).round(2),
        }
    )


@pytest.mark.parametrize("rows", [(300, 5_000), (300, 20_000), (1_000, 15_000), (20_000, 300)])
def test_rows_that_are_equal_by_chance_are_no_copies_beside_a_longer_window(rows):
    alarms = 0
    for seed in range(TRIALS):
        windows = [refunds(np.random.default_rng([seed, k]), n) for k, n in enumerate(rows)]
        found = wd.compare(*windows, graph=[("refund", "x")])
        assert "rows_copied" not in {w.code for w in found.warnings}
        alarms += not is_quiet(found)
    assert alarms <= MOST


def orders(
    rng: np.random.Generator, rows: int, base: float = -1.0, rise: float = 1
) -> pd.DataFrame:
    prices = np.array([4.99, 9.99, 14.99, 19.99, 49.99])
    price = rng.choice(prices, rows, p=[0.4, 0.3, 0.15, 0.1, 0.05])
    segment = rng.choice(["a", "b", "c"], rows, p=[0.6, 0.3, 0.1])
    logit = base + 0.4 * (segment == "a") + 0.02 * price
    return pd.DataFrame(
        {
            "segment": segment,
            "quantity": 1 + rng.poisson(0.6, rows),
            "price": np.round(rise * price, 2),
            "returned": (rng.random(rows) < 1 / (1 + np.exp(-logit))).astype(int),
        }
    )


CAUSES = [("segment", "returned"), ("quantity", "returned"), ("price", "returned")]
NEW: dict[str, Callable[[pd.DataFrame, int], pd.DataFrame]] = {
    "a month": lambda d, k: d.assign(month=5 + k),
    "January": lambda d, k: d.assign(month=[12, 1][k]),
    "a month as text": lambda d, k: d.assign(month=["2025-12", "2026-01"][k]),
    "weeks": lambda d, k: d.assign(week=18 + 4 * k + np.arange(len(d)) % 4),
    "one week more": lambda d, k: d.assign(week=[1 + np.arange(len(d)) % 12, 13][k]),
    "days since launch": lambda d, k: d.assign(days=30 * k + np.arange(len(d))[::-1] % 30),
    "a release": lambda d, k: d.assign(version=["3.1.4", "3.2.0"][k]),
    "a model": lambda d, k: d.assign(model=f"v{12 + k}"),
}


@pytest.mark.parametrize("new", NEW.values(), ids=NEW.keys())
def test_what_is_new_as_time_goes_by_is_left_out_and_hides_no_change(new):
    def windows(base: float) -> list[pd.DataFrame]:
        frames = (orders(np.random.default_rng([7, k]), 3_000, b) for k, b in ((0, -1), (1, base)))
        return [new(frame, k) for k, frame in enumerate(frames)]

    found = wd.compare(*windows(-1), graph=CAUSES, target="returned")
    assert is_quiet(found)
    assert "clock_column" in {w.code for w in found.warnings}
    # A coarse table whose rows cannot come again in a window of another month.
    found = wd.compare(*windows(0.0), graph=CAUSES, target="returned")
    assert found.ranking == ("returned",)
    assert found.verdict == "mechanism"


def test_a_graph_may_have_a_column_that_is_left_out_as_a_clock():
    frames = [
        orders(np.random.default_rng(k), 2_000).assign(
            month=5 + k,
            at=pd.Timestamp(f"2026-{5 + k:02d}-01") + pd.to_timedelta(range(2_000), "min"),
        )
        for k in range(2)
    ]
    graph = [*CAUSES, ("month", "returned")]
    found = wd.compare(*frames, graph=graph, target="returned", time_column="at")
    assert is_quiet(found)
    assert "month" not in found.columns
    # Without a time that says so it may be any dial that was set to another number.
    frames = [f.drop(columns="at") for f in frames]
    found = wd.compare(*frames, graph=graph, target="returned")
    assert found.columns["month"].verdict == "source"
    assert found.columns["returned"].reason_code == "no_overlap"


@pytest.mark.parametrize("written", [lambda t: t.dt.month, lambda t: t.dt.strftime("%b")])
def test_the_month_of_the_time_column_is_a_clock_also_in_a_week_that_has_two(written):
    def week(start: str, days: int, seed: int) -> pd.DataFrame:
        frame = orders(np.random.default_rng(seed), 2_000)
        at = pd.Timestamp(start) + pd.to_timedelta(np.linspace(0, days, 2_000), "D")
        return frame.assign(at=at, month=written(pd.Series(at)))

    found = wd.compare(
        week("2026-03-01", 28, 1), week("2026-03-29", 7, 2), graph=CAUSES, time_column="at"
    )
    assert ("clock_column", "month") in codes(found)
    assert is_quiet(found)


def test_sizes_that_leave_their_range_are_no_clock():
    rng = np.random.default_rng(3)
    frames = [
        orders(rng, 2_000).assign(grade=rng.normal(5 + 9 * k, 1, 2_000).round()) for k in range(2)
    ]
    found = wd.compare(*frames, graph=CAUSES, target="returned")
    assert "grade" in found.columns
    assert found.columns["grade"].verdict in {"source", "fault"}


def test_a_new_price_list_moved_and_does_not_stand_still():
    frames = [orders(np.random.default_rng(k), 3_000, rise=1 + 0.05 * k) for k in range(2)]
    found = wd.compare(*frames, graph=CAUSES[:2])
    assert not found.faults
    assert found.columns["price"].verdict == "source"


def test_a_release_that_is_rolled_out_does_not_stand_still():
    rng = np.random.default_rng(1)
    frames = [orders(rng, 2_000).assign(version=4.3), orders(rng, 2_000).assign(version=4.3)]
    frames[1].loc[rng.random(2_000) < 0.16, "version"] = 4.4
    found = wd.compare(*frames, graph=CAUSES)
    assert not found.faults
    assert found.columns["version"].verdict == "source"


def test_values_cut_at_another_bound_do_not_stand_still():
    rng = np.random.default_rng(1)
    income = [np.minimum(rng.lognormal(10.6, 0.6, 3_000), cap).round() for cap in (6e4, 8e4)]
    found = wd.compare(*(pd.DataFrame({"income": v, "x": rng.normal(size=3_000)}) for v in income))
    assert not found.faults
    # Where nothing was cut before, values at one bound do.
    whole = [
        pd.DataFrame({"income": v, "x": rng.normal(size=3_000)})
        for v in (rng.lognormal(10.6, 0.6, 3_000).round(), income[1])
    ]
    found = wd.compare(*whole)
    assert FaultKind.STUCK_VALUE in {f.kind for f in found.faults}


def test_a_year_later_ages_follow_from_births_as_before():
    rng = np.random.default_rng(1)
    births = [rng.integers(1960, 2005, 2_000) for _ in range(2)]
    frames = [pd.DataFrame({"birth": b, "age": 2025 + k - b}) for k, b in enumerate(births)]
    assert not wd.compare(*frames, graph=[("birth", "age")]).faults
    # Without a constant of its own a sum has none to change.
    paid = [rng.normal(100, 10, 2_000).round(2) for _ in range(2)]
    frames = [
        pd.DataFrame({"net": p, "tax": b / 10, "gross": p + b / 10 + 5 * k})
        for k, (p, b) in enumerate(zip(paid, births, strict=True))
    ]
    assert kinds(wd.compare(*frames)) == {("identity_broken", ("gross",))}


def test_of_two_identities_that_name_one_column_the_exact_one_counts():
    def shop(seed: int, lost: float) -> pd.DataFrame:
        rng = np.random.default_rng(seed)
        ordered = 1 + rng.poisson(4, 5_000)
        shipped = ordered - (rng.random(5_000) < lost)
        price = np.round(np.exp(rng.normal(3, 0.5, 5_000)), 2)
        total = np.round(price * shipped, 2)
        return pd.DataFrame(
            {"ordered": ordered, "shipped": shipped, "price": price, "total": total}
        )

    graph = [("ordered", "shipped"), ("shipped", "total"), ("price", "total")]
    for seed in range(5):
        found = wd.compare(shop(seed, 0.003), shop(100 + seed, 0.02), graph=graph)
        assert "total" not in {c for f in found.faults for c in f.columns}


def test_a_product_of_its_parents_stays_one_however_they_move():
    def day(seed: int, mean: float) -> pd.DataFrame:
        rng = np.random.default_rng(seed)
        price = np.round(np.exp(rng.normal(mean, 0.8, 4_000)), 2)
        quantity = 1 + rng.poisson(np.exp(mean - 2), 4_000)
        return pd.DataFrame({"price": price, "quantity": quantity, "total": price * quantity})

    graph = [("price", "total"), ("quantity", "total")]
    p_values = [
        wd.compare(day(seed, 2.0), day(100 + seed, 2.8), graph=graph).columns["total"].p_value
        for seed in range(8)
    ]
    assert all(p is None or p > 0.05 for p in p_values)


def visits(seed: int, first: int, each: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    users = 1_500 // each
    user = np.repeat(np.arange(users), each)
    own = rng.normal(size=users)[user]
    x = 50 + 10 * own + 10 * rng.normal(size=len(user))
    rows = pd.DataFrame(
        {
            "user": first + rng.permutation(users)[user] * 7,
            "x": x.round(1),
            "y": (x / 2 + 3 * own + rng.normal(0, 5, len(user))).round(1),
        }
    )
    return rows.sample(frac=1, random_state=seed).reset_index(drop=True)


@pytest.mark.parametrize("each", [5, 25])
@pytest.mark.parametrize("written", ["number", "text"])
def test_a_user_id_that_nobody_named_counts_users_and_not_rows(each, written):
    alarms = 0
    for seed in range(TRIALS):
        frames = [visits(seed, 0, each), visits(1_000 + seed, 10**5, each)]
        if written == "text":
            frames = [f.assign(user="u" + f["user"].astype(str)) for f in frames]
        found = wd.compare(*frames, target="y", graph=[("x", "y")])
        assert ("cluster_not_named", "user") in codes(found)
        assert not found.faults
        alarms += not is_quiet(found)
    assert alarms <= MOST


def test_new_countries_are_told_and_not_taken_for_users():
    def rows(seed: int, countries: int) -> pd.DataFrame:
        rng = np.random.default_rng(seed)
        own = np.random.default_rng(1).normal(size=60)
        country = rng.integers(0, countries, 4_000)
        y = own[country] + rng.normal(size=4_000)
        return pd.DataFrame({"country": [f"c{k}" for k in country], "y": y})

    found = wd.compare(rows(1, 40), rows(2, 55), target="y")
    assert ("category_set", ("country",)) in kinds(found)


def test_a_whole_number_that_measures_something_is_no_id():
    def rows(seed: int, more: float) -> pd.DataFrame:
        rng = np.random.default_rng(seed)
        stock = rng.normal(500 + more, 60, 3_000).round()
        amount = rng.lognormal(6, 1, 3_000).round()
        y = np.log(amount) + np.sin(stock / 80) + rng.normal(0, 0.5, 3_000)
        return pd.DataFrame({"stock": stock, "amount": amount, "y": y})

    for seed in range(10):
        found = wd.compare(
            rows(seed, 0),
            rows(100 + seed, 150),
            target="y",
            graph=[("stock", "y"), ("amount", "y")],
        )
        assert "cluster_not_named" not in {w.code for w in found.warnings}
        assert found.ranking == ("stock",)


def test_a_category_is_not_named_for_the_rows_of_others_that_look_converted_too():
    def day(seed: int) -> pd.DataFrame:
        rng = np.random.default_rng(seed)
        rows = 3_000
        at = pd.Timestamp("2026-03-01") + pd.to_timedelta(np.linspace(0, 24, rows), "h")
        country = rng.choice(["US", "DE", "FR"], rows, p=[0.25, 0.45, 0.3])
        price = np.exp(rng.normal(2, 0.6, rows)).round(2)
        return pd.DataFrame(
            {"at": at, "country": country, "price": price, "x": rng.normal(size=rows)}
        )

    for share, hour in ((0.875, 3), (0.917, 2)):
        later = day(2)
        later.loc[later["at"].dt.hour >= hour, "price"] *= 100
        (fault,) = wd.compare(day(1), later, time_column="at").faults
        assert (fault.kind, fault.columns) == ("unit_change", ("price",))
        assert abs(fault.share - share) < 0.01
        assert pd.Timestamp(fault.first_seen).tz_localize(None) > pd.Timestamp("2026-03-01 00:50")


@pytest.mark.parametrize("rare", [0.1, 0.03, 0.01])
def test_independent_rows_of_a_rare_flag_do_not_resemble_each_other(rare):
    told = 0
    for seed in range(TRIALS):
        rng = np.random.default_rng(seed)
        frames = [
            pd.DataFrame({"flag": rng.random(2_000) < rare, "x": rng.normal(size=2_000)})
            for _ in range(2)
        ]
        told += "rows_dependent" in {w.code for w in wd.compare(*frames).warnings}
    assert told <= 2


def predicted(seed: int, slope: float, written: str) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    x, z = rng.normal(size=(2, 1_500)).round(3)
    guess = (x + z).round(3)
    y = (slope * x + z + rng.normal(0, 0.5, 1_500)).round(3)
    made = {
        "error": y - guess,
        "size": np.abs(guess - y),
        "square": (y - guess) ** 2,
        "share": np.abs((y - guess) / np.where(y == 0, np.nan, y)),
    }
    return pd.DataFrame({"x": x, "z": z, "y": y, "guess": guess, "made": made[written].round(4)})


@pytest.mark.parametrize("written", ["error", "size", "square", "share"])
def test_what_is_made_of_target_and_prediction_is_no_input(written):
    before, after = predicted(1, 1.0, written), predicted(2, 1.5, written)
    found = wd.compare(before, after, target="y", prediction="guess")
    assert ("made_of_outcome", "made") in codes(found)
    assert found.ranking == ("y",)
    assert (found.verdict, found.remedy.action) == ("mechanism", "retrain")
    assert found.conditional_shift is True


def test_an_input_that_tells_the_target_or_the_prediction_stays_one():
    before, after = (predicted(k, 1.0, "error").drop(columns="made") for k in range(2))
    before, after = (f.assign(copy=2 * f["guess"], leak=f["y"] + 1) for f in (before, after))
    found = wd.compare(before, after, target="y", prediction="guess")
    assert {"copy", "leak"} <= found.columns.keys()


def test_columns_of_which_one_moved_stand_in_the_headline_where_neither_reaches_the_target():
    def mix(seed: int, shares: tuple[float, ...]) -> pd.DataFrame:
        rng = np.random.default_rng(seed)
        device = rng.choice(3, 1_500, p=shares)
        x = rng.normal(size=1_500)
        columns = {"mobile": device == 0, "desktop": device == 1, "tablet": device == 2}
        return pd.DataFrame({**columns, "x": x, "y": x + rng.normal(size=1_500)})

    found = wd.compare(mix(0, (0.6, 0.25, 0.15)), mix(999, (0.45, 0.4, 0.15)), target="y")
    assert not found.summary.startswith("Nothing changed")
    assert "mobile" in found.summary
    assert "desktop" in found.summary


def test_the_prediction_follows_inputs_of_which_one_or_the_other_moved():
    def near(seed: int, mean: float) -> pd.DataFrame:
        rng = np.random.default_rng(seed)
        a = rng.normal(3 + mean, 1, 1_500).round(2)
        b = (a / 1.3 + rng.normal(0, 0.03, 1_500)).round(2)
        x = rng.normal(size=1_500).round(2)
        y = (a + x + rng.normal(size=1_500)).round(2)
        return pd.DataFrame({"a": a, "b": b, "x": x, "y": y, "guess": (a + x).round(2)})

    found = wd.compare(near(1, 0), near(2, 0.5), target="y", prediction="guess")
    assert found.verdict == "covariate"
    assert found.columns["guess"].verdict == "inherited"


def week_of_orders(start: str, days: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    rows = 300 * days
    moment = rng.integers(0, days, rows) + rng.beta(2, 3, rows)
    at = pd.Timestamp(start) + pd.to_timedelta(np.sort(moment), "D")
    weekend = pd.Series(at.day_of_week >= 5)
    hour = pd.Series(at.hour)
    x = rng.normal(size=rows)
    return pd.DataFrame(
        {
            "at": at,
            "weekday": at.day_name().str[:3],
            "dow": at.day_of_week,
            "weekend": weekend,
            "hour": hour,
            "night": hour.isin([22, 23, 0, 1, 2, 3, 4]),
            "day": at.day,
            "x": x,
            "y": x + 0.02 * hour + rng.normal(size=rows),
        }
    )


CALENDAR = ("weekday", "dow", "weekend", "hour", "night", "day")


@pytest.mark.parametrize("day", ["2026-03-30", "2026-04-04", "2026-04-05"])
@pytest.mark.parametrize("days", [5, 10, 28])
def test_what_the_time_of_the_row_says_is_never_broken_and_never_moved(day, days):
    """Also where the reference is a few days, and has no weekend."""
    start = {5: "2026-03-23", 10: "2026-03-16", 28: "2026-03-01"}[days]
    found = wd.compare(
        week_of_orders(start, days, 1), week_of_orders(day, 1, 2), target="y", time_column="at"
    )
    assert not found.faults
    assert not {*CALENDAR} & {*found.ranking}
    assert {found.columns[c].verdict for c in CALENDAR if c in found.columns} == {"stable"}


def test_a_calendar_column_that_breaks_is_told():
    before, after = week_of_orders("2026-03-01", 28, 1), week_of_orders("2026-03-30", 1, 2)
    graph = [("x", "y"), ("hour", "y")]

    def faults(**columns: object) -> set[tuple[str, tuple[str, ...]]]:
        broken = after.assign(**columns)
        return kinds(wd.compare(before, broken, graph=graph, target="y", time_column="at"))

    assert ("offset", ("hour",)) in faults(hour=(after["hour"] + 5) % 24)
    some = np.random.default_rng(1).random(len(after)) < 0.3
    assert ("null_spike", ("weekday",)) in faults(weekday=after["weekday"].mask(some))
    assert ("stuck_value", ("hour",)) in faults(hour=12)


@pytest.mark.parametrize(("factor", "decimals"), [(12, 4), (1, 6), (0.01, 7)])
def test_a_rate_is_computed_from_what_it_is_a_rate_of(factor, decimals):
    def loans(seed: int, mean: float) -> pd.DataFrame:
        rng = np.random.default_rng(seed)
        income = np.round(np.exp(rng.normal(mean, 0.55, 1_500)), -2)
        payment = np.round(np.exp(rng.normal(5.9, 0.6, 1_500)), 2)
        rate = np.round(factor * payment / income, decimals)
        logit = -2 + 3 * rate / (0.011 * factor)
        default = rng.random(1_500) < 1 / (1 + np.exp(-logit))
        return pd.DataFrame(
            {"income": income, "payment": payment, "rate": rate, "default": default}
        )

    for seed in range(5):
        found = wd.compare(loans(seed, 10.6), loans(100 + seed, 10.85), target="default")
        assert found.ranking[0] == "income"
        assert found.columns["rate"].verdict == "inherited"
    broken = loans(7, 10.6)
    broken.loc[broken.index % 10 == 0, "rate"] *= 1.5
    found = wd.compare(loans(6, 10.6), broken, target="default")
    assert kinds(found) == {("identity_broken", ("rate",))}


def with_input(column: Callable[[np.random.Generator, int], np.ndarray], seed: int) -> pd.DataFrame:
    """Rows of which one input is given; it moves the target. From the first of January on."""
    rng = np.random.default_rng(seed)
    rows = 2_000
    value = column(rng, rows)
    x = rng.normal(size=rows)
    at = pd.Timestamp("2026-01-05") + pd.to_timedelta(np.linspace(0, 4.99, rows), "D")
    y = x + 0.8 * value / max(1.0, float(np.abs(value).max())) + rng.normal(size=rows)
    return pd.DataFrame({"at": at, "q": value, "x": x, "y": y})


Column = Callable[[np.random.Generator, int], np.ndarray]
MOVES: dict[str, tuple[Column, Column]] = {
    "a rare flag": (lambda r, n: 1 * (r.random(n) < 0.03), lambda r, n: 1 * (r.random(n) < 0.09)),
    "mostly one": (lambda r, n: 1 + (r.random(n) < 0.03), lambda r, n: 1 + (r.random(n) < 0.09)),
    "a promotion": (lambda r, n: np.zeros(n, int), lambda r, n: np.ones(n, int)),
    "a dial": (lambda r, n: np.full(n, 12), lambda r, n: np.full(n, 1)),
    "another grade": (lambda r, n: r.integers(1, 6, n), lambda r, n: np.full(n, 6)),
    "saturation": (lambda r, n: r.integers(0, 100, n), lambda r, n: np.full(n, 100)),
    "far off": (lambda r, n: r.integers(0, 100, n), lambda r, n: 1_000 + r.integers(0, 100, n)),
    "warmer": (lambda r, n: r.integers(10, 21, n), lambda r, n: r.integers(21, 32, n)),
    "placeholders": (
        lambda r, n: 1 * (r.random(n) < 0.03),
        lambda r, n: np.where(r.random(n) < 0.05, -999, 0),
    ),
}


@pytest.mark.parametrize("with_time", [True, False])
@pytest.mark.parametrize("move", MOVES.values(), ids=MOVES.keys())
def test_what_moved_is_no_clock_and_no_calendar(move, with_time):
    before, after = (with_input(column, k) for k, column in enumerate(move))
    after["at"] += pd.Timedelta("7D")
    if not with_time:
        before, after = (f.drop(columns="at") for f in (before, after))
    found = wd.compare(
        before, after, graph=[("q", "y"), ("x", "y")], target="y",
        time_column="at" if with_time else None,
    )  # fmt: skip
    assert "q" in found.ranking
    assert "y" not in found.ranking


def test_placeholders_in_calendar_columns_are_told():
    before, after = week_of_orders("2026-03-01", 28, 1), week_of_orders("2026-03-29", 7, 2)
    some = np.random.default_rng(1).random(len(after)) < 0.08
    broken = after.assign(dow=after["dow"].mask(some, 99).astype(int))
    found = wd.compare(before, broken, target="y", time_column="at")
    assert ("default_value", ("dow",)) in kinds(found)


def test_prices_of_products_are_no_users():
    def sales(seed: int, rise: float) -> pd.DataFrame:
        rng = np.random.default_rng(seed)
        catalogue = np.random.default_rng(1)
        cents, weight = catalogue.integers(100, 9_999, 60), catalogue.normal(5, 2, 60)
        product = rng.integers(0, 60, 2_000)
        return pd.DataFrame(
            {
                "cents": (cents[product] * rise).round().astype(int),
                "weight": weight[product] + rng.normal(0, 0.3, 2_000),
                "x": rng.normal(size=2_000),
            }
        )

    found = wd.compare(sales(1, 1.0), sales(2, 1.05))
    assert "cents" in found.columns
    assert "cluster_not_named" not in {w.code for w in found.warnings}


@pytest.mark.parametrize("fee", [0, 7, 105])
def test_a_fee_that_changed_is_told(fee):
    def bills(seed: int, fee: float) -> pd.DataFrame:
        rng = np.random.default_rng(seed)
        net, tax = rng.normal(100, 20, 2_000).round(2), rng.normal(20, 4, 2_000).round(2)
        return pd.DataFrame({"net": net, "tax": tax, "gross": (net + tax + fee).round(2)})

    assert kinds(wd.compare(bills(1, 5), bills(2, fee))) == {("identity_broken", ("gross",))}


@pytest.mark.parametrize("overflow", [255.0, 6553.5, 1e9])
def test_an_overflow_is_no_new_bound(overflow):
    flow = [np.random.default_rng(k).normal(60, 15, 3_000).round(2) for k in range(2)]
    frames = [
        pd.DataFrame({"flow": np.where(v > 80, top, v), "x": v[::-1] / 7})
        for v, top in zip(flow, (80.0, overflow), strict=True)
    ]
    assert ("stuck_value", ("flow",)) in kinds(wd.compare(*frames))


def test_one_of_several_machines_that_take_turns_stands_still():
    def shift(seed: int) -> pd.DataFrame:
        rng = np.random.default_rng(seed)
        point = rng.choice(np.arange(18, 25.5, 0.5), 3_000)
        machine = np.array([f"m{k}" for k in np.arange(3_000) % 5])
        return pd.DataFrame({"machine": machine, "point": point, "x": rng.normal(size=3_000)})

    later = shift(2)
    later.loc[later["machine"] == "m3", "point"] = 30.0
    assert ("stuck_value", ("point",)) in kinds(wd.compare(shift(1), later))


def test_a_part_that_the_prediction_leaves_out_is_an_input():
    def freight(seed: int, mean: float) -> pd.DataFrame:
        rng = np.random.default_rng(seed)
        net = rng.normal(100, 20, 2_000).round(2)
        ship = np.exp(rng.normal(mean, 0.5, 2_000)).round(2)
        return pd.DataFrame({"x": net / 3, "net": net, "ship": ship, "total": net + ship})

    found = wd.compare(freight(1, 2.0), freight(2, 2.4), target="total", prediction="net")
    assert found.ranking == ("ship",)


def sites(rng: np.random.Generator, rows: int, levels: int, tail: float) -> pd.DataFrame:
    shares = 1 / np.arange(1, levels + 1) ** tail
    drawn = rng.choice(levels, rows, p=shares / shares.sum())
    return pd.DataFrame({"site": [f"s{i}" for i in drawn], "x": rng.normal(size=rows)})


@pytest.mark.parametrize(
    ("rows", "levels", "tail"),
    [
        ((3_000, 3_000), 2_000, 1.05),  # hardly told apart in the reference, and not in the current
        ((3_000, 3_000), 2_000, 0.0),
        ((3_000, 3_000), 8_000, 0.9),
        ((1_000, 20_000), 900, 0.0),
    ],
)
def test_a_long_tail_of_categories_is_no_change_and_no_new_set_of_them(rows, levels, tail):
    alarms = 0
    for seed in range(TRIALS):
        windows = [
            sites(np.random.default_rng([seed, k]), n, levels, tail) for k, n in enumerate(rows)
        ]
        alarms += not is_quiet(wd.compare(*windows))
    assert alarms <= MOST


def test_a_site_of_a_long_tail_that_takes_many_more_rows_is_told():
    for seed in range(5):
        before, now = (sites(np.random.default_rng([seed, k]), 3_000, 2_000, 1.05) for k in (0, 1))
        now.loc[np.random.default_rng(seed).random(3_000) < 0.08, "site"] = "s3"
        assert "site" in wd.compare(before, now).ranking
        now["site"] = now["site"].replace({"s3": "a new site"})
        assert ("category_set", ("site",)) in kinds(wd.compare(before, now)) or "site" in (
            wd.compare(before, now).ranking
        )


def riders(rng: np.random.Generator, slope: float = 0.8, level: float = 0.0) -> pd.DataFrame:
    group = rng.choice(["a", "b", "c"], 3_000)
    x = rng.normal(size=3_000) + 0.4 * (group == "b")
    y = slope * x + level + rng.normal(size=3_000)
    return pd.DataFrame({"group": group, "x": x, "y": y})


@pytest.mark.parametrize("changed", [{"slope": -0.8}, {"level": 0.8}])
@pytest.mark.parametrize("placeholder", [np.nan, -999.0])
def test_a_few_values_lost_of_the_target_do_not_hide_that_its_mechanism_changed(
    changed, placeholder
):
    for seed in range(4):
        rng = np.random.default_rng(seed)
        before, now = riders(rng), riders(rng, **changed)
        now.loc[rng.random(3_000) < 0.04, "y"] = placeholder
        found = wd.compare(before, now, target="y")
        assert found.faults
        assert found.remedy.action == "fix_pipeline"
        assert (found.verdict, found.conditional_shift) == ("mechanism", True)
        assert "That will not be all" in found.remedy.text
        assert "in the rows that are sound too" in found.summary


@pytest.mark.parametrize("share", [0.03, 0.1, 0.3])
@pytest.mark.parametrize("for_what_they_are", [True, False])
def test_values_lost_of_the_target_are_no_change_of_its_mechanism(share, for_what_they_are):
    for seed in range(4):
        rng = np.random.default_rng(seed)
        before, now = riders(rng), riders(rng)
        lost = now["y"] > now["y"].quantile(1 - share)
        now.loc[lost if for_what_they_are else rng.random(3_000) < share, "y"] = np.nan
        found = wd.compare(before, now, target="y")
        assert (found.verdict, found.conditional_shift or False) == ("none", False)
        assert not for_what_they_are or ("conditional_in_doubt", "y") in codes(found)


@pytest.mark.parametrize("lost", ["half of a small region", "a class"])
def test_values_lost_for_what_they_are_in_a_part_of_the_rows_are_no_change_either(lost):
    for seed in range(4):
        windows = []
        for k in range(2):
            rng = np.random.default_rng([seed, k])
            region = rng.choice(["a", "b", "c"], 4_000, p=[0.1, 0.5, 0.4])
            x = rng.normal(size=4_000)
            y = x + rng.normal(size=4_000)
            level = pd.Series(np.where(y > 1.8, "hi", np.where(y > 0, "mid", "lo")))
            windows.append(
                pd.DataFrame({"region": region, "x": x, "y": level if lost == "a class" else y})
            )
        now = windows[1]["y"]
        if lost == "a class":
            windows[1]["y"] = now.where(now != "hi", None)
        else:
            in_a = windows[1]["region"] == "a"
            windows[1]["y"] = now.where(~in_a | (now < now[in_a].median()))
        found = wd.compare(*windows, target="y")
        assert found.faults
        assert (found.verdict, found.conditional_shift) == ("none", None)


def subscribers(rng: np.random.Generator, dearer: float = 1.0) -> pd.DataFrame:
    internet = rng.choice(["fiber", "dsl", "none"], 3_000, p=[0.4, 0.3, 0.3])
    streams = rng.random(3_000) < 0.4
    charge = 20 + 45 * (internet == "fiber") + 25 * (internet == "dsl")
    charge = charge + 10 * (streams & (internet != "none")) + rng.normal(0, 3, 3_000)
    speed = np.where(internet == "none", np.nan, 50 + 150 * (internet == "fiber"))
    streaming = np.where(internet == "none", None, np.where(streams, "yes", "no"))
    return pd.DataFrame(
        {
            "internet": internet,
            "streaming": streaming,
            "speed": (speed + rng.normal(0, 10, 3_000)).round(),
            "charge": (charge * dearer).round(2),
            "churn": rng.random(3_000) < 1 / (1 + np.exp(1.2 - 0.02 * (charge * dearer - 60))),
        }
    )


def test_what_can_have_no_value_is_not_blamed_for_a_price_that_moved():
    for seed in range(6):
        rng = np.random.default_rng(seed)
        found = wd.compare(subscribers(rng), subscribers(rng, 1.08), target="churn")
        assert found.ranking == ("charge",)


def loans(rng: np.random.Generator, richer: float = 1.0) -> pd.DataFrame:
    income = np.round(np.exp(rng.normal(8, 0.4, 3_000)) * richer)
    years = rng.choice([3, 5, 7], 3_000)
    amount = np.round(np.exp(rng.normal(8.5, 0.4, 3_000)) * (income / 3_000) ** 0.4, -2)
    payment = np.round(amount * 1.15 / (12 * years), 2)
    debt = np.round(100 * payment / income, 1)  # a hundredth of its sd
    default = rng.random(3_000) < 1 / (1 + np.exp(3 - 0.1 * debt))
    return pd.DataFrame({"income": income, "years": years, "amount": amount, "payment": payment,
                         "debt": debt, "default": default})  # fmt: skip


def test_a_ratio_that_is_written_with_one_decimal_does_not_pass_the_blame_on():
    for seed in range(6):
        rng = np.random.default_rng(seed)
        found = wd.compare(loans(rng), loans(rng, 1.35), target="default")
        assert set(found.columns["debt"].parents) == {"payment", "income"}
        assert "payment" not in found.ranking
        assert "debt" not in found.ranking


def deliveries(rng: np.random.Generator, start: str, farther: float = 1.0) -> pd.DataFrame:
    """A week, of which evenings and weekends differ, and whose hours have more rows or fewer."""
    day = np.arange(24)
    busy = 10 + 30 * np.exp(-(((day - 19) / 3) ** 2)) + 15 * np.exp(-(((day - 12) / 1.5) ** 2))
    counts = rng.poisson(np.tile(busy, 7))
    hours = np.repeat(np.arange(7 * 24), counts)
    seconds = np.sort(hours * 3_600 + rng.integers(0, 3_600, len(hours)))
    at = pd.Timestamp(start) + pd.to_timedelta(seconds, unit="s")
    hour, weekend = at.hour.to_numpy(), at.day_of_week.to_numpy() >= 5
    rows = len(at)
    evening = (hour >= 18) & (hour <= 21)
    distance = np.round(2.6 * farther * np.exp(0.5 * rng.normal(size=rows) + 0.08 * weekend), 2)
    items = 1 + rng.poisson(1.6 + 0.5 * weekend + 0.3 * evening)
    price = np.round(items * np.exp(rng.normal(2.1, 0.35, rows)) + 0.5 * distance, 2)
    base = 8 + 1.1 * items + 3 * distance + 3 * evening
    return pd.DataFrame(
        {
            "at": at,
            "hour": hour,
            "weekday": at.strftime("%a"),
            "distance": distance,
            "items": items,
            "price": price,
            "eta": np.round(base + rng.normal(size=rows), 1),
            "minutes": np.round(base + rng.gamma(4, 1.2, rows) - 4.8, 1),
        }
    )


def test_a_prediction_says_that_the_target_came_last_and_the_clock_what_nothing_causes():
    rng = np.random.default_rng(0)
    windows = deliveries(rng, "2026-09-14"), deliveries(rng, "2026-09-21", 1.35)
    found = wd.compare(*windows, target="minutes", prediction="eta", time_column="at")
    assert set(found.graph.children("minutes")) <= {"price"}  # which the prediction does not follow
    assert {"hour", "weekday"}.isdisjoint(e.b for e in found.graph)
    assert (found.verdict, found.ranking) == ("covariate", ("distance",))
    assert any("'minutes' is taken to cause none" in w.text for w in found.warnings)
    known = wd.Knowledge(required=[("minutes", "price")])
    found = wd.compare(
        *windows, target="minutes", prediction="eta", time_column="at", knowledge=known
    )
    assert "minutes" in found.columns["price"].parents


def couriers(rng: np.random.Generator, farther: float = 1.0, stricter: float = 0.0) -> pd.DataFrame:
    distance = np.round(np.exp(1 + 0.6 * rng.normal(size=3_000)) * farther, 1)
    minutes = 10 + 4 * distance + 4 * rng.normal(size=3_000)
    rating = 6 - 0.08 * minutes + 0.7 * rng.normal(size=3_000) - stricter
    return pd.DataFrame(
        {
            "distance": distance,
            "minutes": np.round(minutes, 1),
            "rating": np.clip(np.round(rating), 1, 5),
            "eta": 10 + 4 * distance + rng.normal(size=3_000),
        }
    )


@pytest.mark.parametrize(
    ("changed", "ranking"),
    [({"farther": 1.3}, ("distance",)), ({"stricter": 0.5}, ("rating",))],
)
def test_what_is_recorded_after_the_target_may_follow_from_it(changed, ranking):
    for seed in range(4):
        rng = np.random.default_rng(seed)
        found = wd.compare(
            couriers(rng), couriers(rng, **changed), target="minutes", prediction="eta"
        )
        assert found.ranking == ranking
        assert "minutes" not in found.columns["distance"].parents


def test_evenings_that_differ_a_little_are_no_series_side_by_side():
    for seed in range(8):
        rng = np.random.default_rng(seed)
        found = wd.compare(
            deliveries(rng, "2026-09-14"), deliveries(rng, "2026-09-21"), target="minutes",
            prediction="eta", time_column="at",
        )  # fmt: skip
        assert "rows_interleaved" not in {w.code for w in found.warnings}


def test_a_new_model_is_told_beside_a_month_that_went_on():
    for seed in range(4):
        windows = []
        for k, month in enumerate((4, 5)):
            rng = np.random.default_rng([seed, k])
            at = pd.Timestamp(2026, month, 1) + pd.to_timedelta(
                np.sort(rng.uniform(0, 30 * 86_400, 3_000)), unit="s"
            )
            x = rng.normal(size=3_000)
            score = (1 - 0.4 * k) * x + 0.5 * k + 0.1 * rng.normal(size=3_000)
            y = x + rng.normal(size=3_000)
            windows.append(
                pd.DataFrame({"at": at, "month": at.month, "x": x, "score": score, "y": y})
            )
        found = wd.compare(*windows, target="y", prediction="score", time_column="at")
        assert ("clock_column", "month") in codes(found)
        assert ("model_changed", "score") in codes(found)
        assert found.remedy.action == "investigate"


def test_a_weekday_that_is_left_out_is_not_called_a_new_model():
    said = 0
    for seed in range(8):
        rng = np.random.default_rng(seed)
        week = deliveries(rng, "2026-09-14")
        middle = pd.Timestamp("2026-09-18")
        found = wd.compare(
            week[week["at"] < middle], week[week["at"] >= middle], target="minutes",
            prediction="eta", time_column="at",
        )  # fmt: skip
        assert ("clock_column", "weekday") in codes(found)
        said += found.columns["eta"].verdict == "mechanism"
    assert said == 0


def test_the_commonest_of_thousands_of_sites_is_told_to_be_renamed_and_mapped_back():
    for seed in range(3):
        windows = [sites(np.random.default_rng([seed, k]), 6_000, 5_000, 1.05) for k in (0, 1)]
        for k, window in enumerate(windows):
            noise = np.random.default_rng([seed, 2 + k]).normal(size=6_000)
            window["y"] = window["x"] + 2.0 * (window["site"] == "s0") + noise
        windows[1]["site"] = windows[1]["site"].replace({"s0": "S-zero"})
        found = wd.compare(*windows, target="y")
        assert kinds(found) == {("recode", ("site",))}
        assert found.columns["y"].verdict == "stable"
