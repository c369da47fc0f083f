"""A diagnosis of Snapshots is that of the rows, however the Snapshots came about."""

from __future__ import annotations

from dataclasses import replace
from functools import reduce

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import whydrift as wd
from whydrift.discovery import SchemaError, Snapshot

ROLES = {"at": "time", "user": "cluster"}
EDGES = [("income", "price"), ("region", "price")]


def month(rows: int, seed: int, *, slope: float = 1.0) -> pd.DataFrame:
    """Sales in the order of time; ``slope`` says how the price follows the income."""
    rng = np.random.default_rng(seed)
    start = pd.Timestamp("2026-05-01") + pd.Timedelta(days=31 * seed)
    income = rng.normal(size=rows)
    region = rng.choice(["north", "south", "west"], rows)
    price = slope * income + (region == "north") + rng.normal(size=rows)
    return pd.DataFrame(
        {
            "at": start + pd.to_timedelta(np.sort(rng.uniform(0, 2e6, rows)), unit="s"),
            "user": [f"u{k}" for k in rng.integers(0, rows // 5, rows)],
            "income": np.where(rng.random(rows) < 0.03, np.nan, income),
            "region": region,
            "price": price,
        }
    )


def told(diagnosis: wd.Diagnosis) -> dict[str, object]:
    """Return what a diagnosis says, without what differs from run to run."""
    found = diagnosis.to_dict()
    return {key: found[key] for key in found if key not in {"id", "seconds"}}


BEFORE, AFTER = month(900, 0), month(700, 1, slope=1.6)
ASKED = {"graph": EDGES, "target": "price", "time_column": "at", "cluster": "user"}


def in_parts(frame: pd.DataFrame, schema: wd.Schema) -> Snapshot:
    """Read every third row on its own, and join what comes out, last part first."""
    parts = [Snapshot.from_frame(frame[k::3], schema=schema) for k in (2, 0, 1)]
    return reduce(Snapshot.merge, parts)


WAYS = {
    "frames": lambda frame, schema: Snapshot.from_frame(frame, schema=schema, roles=ROLES),
    "batches": lambda frame, schema: Snapshot.from_batches(
        (frame[k : k + 64] for k in range(0, len(frame), 64)), schema=schema, roles=ROLES
    ),
    "parts": in_parts,
    "bytes": lambda frame, schema: Snapshot.from_bytes(
        Snapshot.from_frame(frame, schema=schema, roles=ROLES).to_bytes()
    ),
}


@pytest.fixture(scope="module")
def of_rows() -> dict[str, object]:
    diagnosis = wd.compare(BEFORE, AFTER, **ASKED)
    assert diagnosis.columns["price"].verdict == "mechanism"
    return told(diagnosis)


@pytest.mark.parametrize("way", WAYS)
def test_snapshots_that_hold_all_rows_give_the_diagnosis_of_the_rows(way, of_rows):
    schema = Snapshot.from_frame(BEFORE, roles=ROLES).schema
    first = WAYS[way](BEFORE, schema)
    second = WAYS[way](AFTER, first.schema)
    assert told(wd.compare(first, second, **ASKED)) == of_rows


def test_a_graph_is_the_same_from_a_snapshot_of_parts():
    schema = Snapshot.from_frame(BEFORE, roles=ROLES).schema
    columns = ["income", "region", "price"]
    plain, joined = (
        wd.discover(window, columns=columns, method="boss")
        for window in (Snapshot.from_frame(BEFORE, roles=ROLES), in_parts(BEFORE, schema))
    )
    assert plain.to_dict() == joined.to_dict()


def test_roles_named_after_the_reading_put_rows_in_order_or_say_why_not():
    shuffled = BEFORE.sample(frac=1.0, random_state=1)
    late = Snapshot.from_frame(shuffled).with_roles({"at": "time"})
    early = Snapshot.from_frame(BEFORE, roles={"at": "time"})
    np.testing.assert_array_equal(late.column("at"), early.column("at"))
    assert (late.start, late.end, late.timeline) == (early.start, early.end, early.timeline)
    unread = Snapshot.from_frame(BEFORE, kinds={"user": "id", "at": "id"})
    with pytest.raises(SchemaError, match=r"cluster.*roles="):
        wd.compare(unread, unread, cluster="user")
    with pytest.raises(SchemaError, match=r"time column.*timestamp"):
        wd.compare(unread, unread, time_column="at")


def test_a_window_larger_than_its_sample_is_judged_by_its_sample_and_all_its_counts():
    windows = {}
    for side, slope in (("before", 1.0), ("same", 1.0), ("after", 1.2)):
        frame = month(40_000, len(windows), slope=slope)
        schema = windows["before"].schema if windows else None
        windows[side] = Snapshot.from_frame(frame, schema=schema, roles=ROLES)
        assert windows[side].rows == 40_000
        assert 8_000 <= len(windows[side].sample) <= 16_384
    asked = {"graph": EDGES, "target": "price"}
    quiet = wd.compare(windows["before"], windows["same"], **asked)
    assert (quiet.verdict, quiet.fault) == ("none", False)
    found = wd.compare(windows["before"], windows["after"], **asked)
    assert found.columns["price"].verdict == "mechanism"
    assert found.columns["income"].verdict == "stable"
    assert found.current.rows == 40_000


# ---- categories that came on some days only ----------------------------------------------------
SALES = pd.concat([month(600, seed).drop(columns=["at", "user"]) for seed in range(3)])
DAYS = [SALES[k * 600 : (k + 1) * 600].reset_index(drop=True) for k in range(3)]
FAIR = np.arange(600) % 40 == 0
AT_FAIRS = [day.assign(region=np.where(FAIR, "fair", day["region"])) for day in DAYS]
PLAIN_SCHEMA = Snapshot.from_frame(DAYS[0]).schema
SIMPLE = {"graph": EDGES, "target": "price"}
orders = st.permutations(["north", "south", "west", "fair"])
few = settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))


def listed(schema: wd.Schema, categories: list[str]) -> wd.Schema:
    """Return the schema with the regions in this order."""
    columns = (
        replace(c, categories=tuple(categories)) if c.name == "region" else c for c in schema
    )
    return replace(schema, columns=tuple(columns))


def rounded(value):
    """Return figures to six digits: sums in another order differ in the last ones."""
    if isinstance(value, dict):
        return {key: rounded(v) for key, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [rounded(v) for v in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value


@pytest.mark.parametrize("days", [DAYS, AT_FAIRS[:2] + DAYS[2:], DAYS[:2] + AT_FAIRS[2:]])
def test_days_read_with_one_schema_are_compared_whichever_had_the_rare_category(days):
    *past, last = (Snapshot.from_frame(day, schema=PLAIN_SCHEMA) for day in days)
    whole = pd.concat(days[:2], ignore_index=True)
    for before, rows in ((past[0], days[0]), (past[1].merge(past[0]), whole), (past, days[:2])):
        assert told(wd.compare(before, last, **SIMPLE)) == told(wd.compare(rows, days[2], **SIMPLE))


@few
@given(orders, orders)
def test_it_does_not_matter_in_what_order_a_snapshot_lists_its_categories(first, second):
    before, after = AT_FAIRS[0], DAYS[1].assign(price=DAYS[1]["price"] * 1.6)
    expected = wd.compare(before, after, **SIMPLE)
    assert expected.ranking[0] == "price"
    windows = [
        Snapshot.from_frame(frame, schema=listed(PLAIN_SCHEMA, order))
        for frame, order in ((before, first), (after, second))
    ]
    found = wd.compare(*windows, **SIMPLE)
    assert rounded(told(found)) == rounded(told(expected))
    assert found.evidence.current.frequent_values("region") == windows[1].frequent_values("region")


@pytest.mark.parametrize("reference", ["rows", "rows and a snapshot"])
def test_rows_are_compared_with_a_snapshot_that_lists_other_categories_and_kinds(reference):
    before = DAYS[0].assign(grade=np.arange(600) % 2)  # by itself two values, and no numbers
    after = AT_FAIRS[1].assign(grade=np.arange(600) % 3)
    current = Snapshot.from_frame(after, kinds={"grade": "count"})
    given = before if reference == "rows" else [before, Snapshot.from_frame(
        before, kinds={"grade": "count"})]  # fmt: skip
    found = wd.compare(given, current, **SIMPLE)
    assert found.evidence.reference.schema["grade"].kind == "count"


def test_a_flag_is_the_same_as_text_and_as_a_number_in_two_snapshots():
    flag = np.arange(600) % 3 == 0
    written = [Snapshot.from_frame(DAYS[0].assign(flag=f)) for f in (flag, flag.astype(int))]
    for before, after in (written, written[::-1]):
        found = wd.compare(before, after, **SIMPLE)
        assert (found.faults, found.columns["flag"].verdict) == ((), "stable")


def test_a_table_is_not_merged_and_the_way_out_is_named():
    first = Snapshot.from_frame(DAYS[0])
    with pytest.raises(SchemaError, match=r"merge: a DataFrame is no Snapshot.*from_frame"):
        first.merge(DAYS[1])
