"""Snapshots read the same from every library, and say what each column is."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from whydrift.discovery import ColumnKind, Role, Schema, SchemaError, Snapshot

ROWS = 200
RNG = np.random.default_rng(0)


def kind(values: object, name: str = "x") -> ColumnKind:
    return Snapshot.from_frame(pa.table({name: values})).schema[name].kind


def codes(snapshot: Snapshot) -> set[tuple[str, str | None]]:
    return {(note.code, note.column) for note in snapshot.notes}


WORDS = np.array(["north", "south", "west"])[np.arange(ROWS) % 3]
KINDS = {
    "real numbers": (RNG.normal(size=ROWS), "continuous"),
    "whole numbers, some negative": (np.arange(ROWS) % 50 - 25, "continuous"),
    "decimals": ([Decimal(i) / 10 for i in range(ROWS)], "continuous"),
    "many whole numbers from 0": (np.arange(ROWS) % 50, "count"),
    "grades": (np.arange(ROWS) % 5, "ordinal"),
    "whole numbers stored as floats": ((np.arange(ROWS) % 5).astype(float), "ordinal"),
    "zero and one": (np.arange(ROWS) % 2, "binary"),
    "true and false": (np.arange(ROWS) % 2 == 0, "binary"),
    "two words": (WORDS[np.arange(ROWS) % 2], "binary"),
    "some words": (WORDS, "categorical"),
    "dictionary-encoded words": (pa.array(WORDS).dictionary_encode(), "categorical"),
    "numbers as text": ([f"{i / 7:.3f}" for i in range(ROWS)], "continuous"),
    "dates": ([date(2026, 1, 1) + timedelta(days=i) for i in range(ROWS)], "timestamp"),
    "times": ([datetime(2026, 1, 1) + timedelta(hours=i) for i in range(ROWS)], "timestamp"),
    "dates as text": ([f"2026-01-{i % 28 + 1:02d}" for i in range(ROWS)], "timestamp"),
    "row numbers": (np.arange(ROWS), "id"),
    "a different word in each row": ([f"k{i:04d}" for i in range(ROWS)], "id"),
    "free text": ([f"{i} customer wrote that all was {'very ' * 8}well" for i in range(ROWS)],
                  "ignored"),
    "words as bytes": ([w.encode() for w in WORDS.tolist()], "categorical"),
    "numbers as bytes": ([f"{i / 7:.3f}".encode() for i in range(ROWS)], "continuous"),
    "bytes of keys": ([np.random.default_rng(i).bytes(8) for i in range(ROWS)], "ignored"),
    "bytes of small numbers": ([bytes([i % 5]) for i in range(ROWS)], "ignored"),
    "lists": ([[i] for i in range(ROWS)], "ignored"),
    "nothing": (pa.nulls(ROWS), "ignored"),
    "nothing but NaN": (np.full(ROWS, np.nan), "ignored"),
}  # fmt: skip


@pytest.mark.parametrize("what", KINDS)
def test_the_kind_is_read_off_the_values(what):
    values, expected = KINDS[what]
    assert kind(values) == expected


def test_distinct_whole_numbers_are_an_id_only_where_the_name_says_so():
    values = RNG.permutation(10 * np.arange(ROWS))
    assert kind(values, "user_id") == "id"
    assert kind(values, "income") == "count"


def test_every_kind_comes_with_its_reason():
    snapshot = Snapshot.from_frame(pa.table({"x": np.arange(ROWS) % 5}))
    assert snapshot.schema["x"].why == "5 distinct whole numbers"


@pytest.mark.parametrize("first", [[0.0], [0.0, 0.5], [0.0, 1.0, 2.0]])
def test_values_that_come_late_in_a_long_window_count_for_its_kind(first):
    long = np.resize(first, 30_000)
    assert kind(np.append(long, [3.25, 4.75])) == "continuous"


# ---- libraries --------------------------------------------------------------------------------
def plain() -> dict[str, object]:
    return {
        "number": np.where(np.arange(ROWS) % 10 == 0, np.nan, np.linspace(0, 1, ROWS)),
        "grade": np.arange(ROWS) % 4,
        "word": [None if i % 7 == 0 else str(w) for i, w in enumerate(WORDS)],
        "flag": np.arange(ROWS) % 3 == 0,
        "time": [datetime(2026, 1, 1) + timedelta(minutes=i) for i in range(ROWS)],
    }


def test_pandas_polars_and_pyarrow_give_the_same_snapshot():
    frames = [pa.table(plain()), pd.DataFrame(plain()), pl.DataFrame(plain())]
    one, *others = [Snapshot.from_frame(frame) for frame in frames]
    for other in others:
        assert other.schema == one.schema
        assert other.rows == one.rows == ROWS
        np.testing.assert_array_equal(other.sample, one.sample)
        assert other.summaries == one.summaries


def test_pandas_categories_and_nullable_types_are_read_like_plain_ones():
    frame = pd.DataFrame({
        "word": pd.Categorical(WORDS),
        "whole": pd.array([i % 5 if i % 9 else None for i in range(ROWS)], dtype="Int64"),
        "flag": pd.array([i % 2 == 0 for i in range(ROWS)], dtype="boolean"),
    })  # fmt: skip
    schema = Snapshot.from_frame(frame).schema
    assert [c.kind for c in schema] == ["categorical", "ordinal", "binary"]


def test_what_is_no_table_is_refused():
    for thing in ([1, 2], {"x": [1]}, None):
        with pytest.raises(SchemaError, match="is not a table"):
            Snapshot.from_frame(thing)
    with pytest.raises(SchemaError, match="no rows"):
        Snapshot.from_frame(pa.table({"x": pa.array([], pa.float64())}))
    with pytest.raises(SchemaError, match="no columns"):
        Snapshot.from_frame(pd.DataFrame(index=range(3)))


# ---- awkward columns --------------------------------------------------------------------------
def test_a_column_that_mixes_types_is_read_as_text_and_noted():
    frame = pd.DataFrame({"x": [1, "two", 3.0, None] * 50})
    snapshot = Snapshot.from_frame(frame)
    assert ("mixed_types", "x") in codes(snapshot)
    assert snapshot.summaries["x"].missing == 50


def test_some_text_among_numbers_is_missing_and_noted():
    values = [f"{i / 3:.2f}" for i in range(ROWS)]
    values[3] = "n/a"
    snapshot = Snapshot.from_frame(pa.table({"x": values}))
    assert snapshot.schema["x"].kind == "continuous"
    assert ("mixed_types", "x") in codes(snapshot)
    assert snapshot.summaries["x"].misfit == 1


def test_infinite_values_are_missing_and_counted():
    values = RNG.normal(size=ROWS)
    values[:3] = [np.inf, -np.inf, np.nan]
    snapshot = Snapshot.from_frame(pa.table({"x": values}))
    summary = snapshot.summaries["x"]
    assert (summary.infinite, summary.missing, summary.count) == (2, 3, ROWS - 3)
    assert ("infinite_values", "x") in codes(snapshot)
    assert np.isnan(snapshot.column("x")[:3]).all()


@pytest.mark.parametrize("what", ["words", "numbers"])
def test_values_that_nothing_can_be_read_from_are_misfits_and_not_said_to_lack(what):
    first = Snapshot.from_frame(
        pa.table({"x": {"words": WORDS, "numbers": np.arange(ROWS) / 7}[what]})
    )
    lists = [None if i < 30 else [i] for i in range(ROWS)]
    found = Snapshot.from_frame(pa.table({"x": lists}), schema=first.schema).summaries["x"]
    assert (found.storage, found.count, found.missing, found.misfit) == ("other", 0, 200, 170)


def test_a_column_without_values_is_left_out_and_noted():
    snapshot = Snapshot.from_frame(pa.table({"x": pa.nulls(ROWS), "y": np.arange(ROWS) % 5}))
    assert snapshot.schema.modelled == ("y",)
    assert ("all_missing", "x") in codes(snapshot)
    assert not snapshot.has("x")


def test_blank_text_is_missing():
    snapshot = Snapshot.from_frame(pa.table({"x": ["a", "b", "c", "", "  "] * 40}))
    assert snapshot.missing_share("x") == pytest.approx(0.4)


def test_of_two_columns_of_one_name_the_first_is_used_and_noted():
    frame = pd.DataFrame(np.column_stack([np.arange(ROWS) % 5, np.zeros(ROWS)]), columns=["x", "x"])
    snapshot = Snapshot.from_frame(frame)
    assert snapshot.schema.names == ("x",)
    assert snapshot.summaries["x"].high == 4
    assert ("duplicate_name", "x") in codes(snapshot)


def test_column_names_that_are_no_text_become_text():
    assert Snapshot.from_frame(pd.DataFrame({0: RNG.normal(size=ROWS)})).schema.names == ("0",)


def test_a_large_offset_costs_no_digits():
    values = 1e9 + RNG.normal(size=ROWS)
    summary = Snapshot.from_frame(pa.table({"x": values})).summaries["x"]
    assert summary.sd == pytest.approx(np.std(values - 1e9), rel=1e-6)


# ---- overriding and a second window -----------------------------------------------------------
def test_kinds_and_roles_can_be_set():
    frame = pa.table({"zip": np.arange(ROWS) % 40, "y": RNG.normal(size=ROWS)})
    snapshot = Snapshot.from_frame(frame, kinds={"zip": "categorical"}, roles={"y": "target"})
    assert snapshot.schema["zip"].kind is ColumnKind.CATEGORICAL
    assert snapshot.schema.with_role(Role.TARGET) == "y"


def test_an_unknown_column_or_kind_names_the_nearest():
    frame = pa.table({"income": RNG.normal(size=ROWS)})
    with pytest.raises(SchemaError, match="Did you mean 'income'"):
        Snapshot.from_frame(frame, kinds={"incme": "count"})
    with pytest.raises(SchemaError, match="unknown kind 'number'"):
        Snapshot.from_frame(frame, kinds={"income": "number"})


def test_predictions_and_losses_are_not_modelled():
    frame = pa.table({"x": RNG.normal(size=ROWS), "p": RNG.normal(size=ROWS)})
    assert Snapshot.from_frame(frame, roles={"p": "prediction"}).schema.modelled == ("x",)


def test_a_current_window_keeps_the_codes_of_its_reference():
    reference = Snapshot.from_frame(pa.table({"x": ["a", "a", "b", "c"] * 50}))
    current = Snapshot.from_frame(pa.table({"x": ["c", "new", "b"] * 50}), schema=reference.schema)
    assert reference.schema["x"].categories == ("a", "b", "c")
    assert current.schema["x"].categories == ("a", "b", "c", "new")
    assert current.summaries["x"].category_counts == (0, 50, 50, 50)
    assert current.column("x")[:3].tolist() == [2, 3, 1]


def test_columns_that_are_new_or_gone_are_said_to_be():
    reference = Snapshot.from_frame(
        pa.table({"x": RNG.normal(size=ROWS), "y": np.arange(ROWS) % 5})
    )
    current = Snapshot.from_frame(
        pa.table({"x": RNG.normal(size=ROWS), "z": np.arange(ROWS)}), schema=reference.schema
    )
    assert current.absent == ("y",)
    assert ("unknown_column", "z") in codes(current)
    assert not current.has("y")


def test_the_sample_is_bounded_seeded_and_in_the_order_of_the_rows():
    frame = pa.table({"x": np.arange(100_000) * 1.5})
    one, same, other = (
        Snapshot.from_frame(frame, sample_rows=1600, random_state=s) for s in (1, 1, 2)
    )
    np.testing.assert_array_equal(one.sample, same.sample)
    assert not np.isin(other.column("x"), one.column("x")).all()
    assert one.sample.shape == (1600, 1)
    assert (np.diff(one.column("x")) > 0).all()
    assert one.rows == 100_000


def test_taking_rows_keeps_the_counts_of_the_whole_window():
    snapshot = Snapshot.from_frame(pa.table({"x": RNG.normal(size=ROWS)}))
    half = snapshot.take(np.arange(100))
    assert half.sample.shape == (100, 1)
    assert half.rows == ROWS
    assert not half.sample.flags.writeable


def test_a_schema_survives_the_trip_through_a_dict():
    schema = Snapshot.from_frame(pa.table(plain()), roles={"time": "time"}).schema
    assert Schema.from_dict(schema.to_dict()) == schema


def test_the_notebook_views_escape_names_and_categories():
    values = ["<i>", "b", "c"] * 50
    snapshot = Snapshot.from_frame(pa.table({"<b>": values}))
    for view in (snapshot._repr_html_(), snapshot.schema._repr_html_()):
        assert "<b>" not in view
        assert "<i>" not in view


def test_times_finer_than_a_microsecond_are_cut_not_refused():
    stamps = pd.to_datetime([1_000_000_001, 2_000_000_999], unit="ns")
    window = Snapshot.from_frame(pd.DataFrame({"at": stamps, "x": [1.0, 2.0]}))
    np.testing.assert_allclose(window.column("at"), [1.0, 2.0], atol=1e-6)


def test_sparse_columns_of_pandas_are_numbers_like_any_other():
    values = np.where(np.arange(60) % 7 == 0, np.arange(60) / 3, 0.0)
    frame = pd.DataFrame({"dense": values, "sparse": pd.arrays.SparseArray(values, fill_value=0.0)})
    snapshot = Snapshot.from_frame(frame)
    assert snapshot.schema["sparse"].kind is snapshot.schema["dense"].kind
    assert snapshot.column("sparse").tolist() == values.tolist()
    assert not snapshot.notes


@pytest.mark.parametrize("before", [[True, False], [1, 0], ["True", "False"], ["TRUE", "FALSE"]])
@pytest.mark.parametrize(
    "after", [[True, False], [1, 0], [1.0, 0.0], ["true", "false"], ["True", "False"]]
)
def test_true_and_false_are_the_same_however_they_are_written(before, after):
    first = Snapshot.from_frame(pd.DataFrame({"x": before * 20}))
    then = Snapshot.from_frame(
        pd.DataFrame({"x": pd.Series([*after * 20, None], dtype=object)}), schema=first.schema
    )
    (yes,), (no,) = first.column("x")[:1], first.column("x")[1:2]
    np.testing.assert_array_equal(then.column("x")[:2], [yes, no])
    assert then.summaries["x"].missing == 1


def test_other_words_beside_true_and_false_stay_what_they_are():
    first = Snapshot.from_frame(pd.DataFrame({"x": [True, False] * 20}))
    then = Snapshot.from_frame(
        pd.DataFrame({"x": ["True", "False", "maybe"] * 20}), schema=first.schema
    )
    assert {"True", "maybe"} <= {*then.schema["x"].categories}


BASE = 2**62  # where floats are 1,024 apart
DEVICES = [BASE + i % 60 for i in range(ROWS)]


@pytest.mark.parametrize(
    "values",
    [
        pa.array(DEVICES, pa.int64()),
        pa.array([*DEVICES[:-1], None], pa.int64()),
        pa.array([2 * d for d in DEVICES], pa.uint64()),
        pa.array([Decimal(d) for d in DEVICES], pa.decimal128(38, 0)),
        pa.array([str(d) for d in DEVICES]),
        pa.array([str(10**25 + i % 60) for i in range(ROWS)]),
    ],
    ids=["int64", "with a gap", "uint64", "decimal", "text", "long text"],
)
def test_whole_numbers_that_floats_do_not_tell_apart_are_names(values):
    snapshot = Snapshot.from_frame(pa.table({"device": values}))
    assert snapshot.schema["device"].kind == "categorical"
    assert len(snapshot.schema["device"].categories) == 60
    assert ("large_numbers", "device") in codes(snapshot)
    # A number for each device, also as a key of clusters.
    keys = Snapshot.from_frame(pa.table({"device": values}), roles={"device": Role.CLUSTER})
    column = keys.column("device")
    assert np.unique(column[np.isfinite(column)]).size == 60


def test_the_first_two_whole_numbers_of_one_float_are_told_apart():
    snapshot = Snapshot.from_frame(pa.table({"device": [2**53 + i % 2 for i in range(ROWS)]}))
    assert len(snapshot.schema["device"].categories) == 2
    assert ("large_numbers", "device") in codes(snapshot)


def test_large_whole_numbers_in_each_row_are_an_id_and_those_that_lie_apart_stay_numbers():
    assert kind([BASE + i for i in range(ROWS)]) == "id"
    nanoseconds = [1_700_000_000_000_000_000 + 10**9 * (i % 60) for i in range(ROWS)]
    assert kind(nanoseconds) == "count"


def test_large_whole_numbers_where_numbers_were_are_warned_of():
    first = Snapshot.from_frame(pa.table({"x": np.arange(ROWS) % 50}))
    then = Snapshot.from_frame(
        pa.table({"x": [BASE + i for i in range(ROWS)]}), schema=first.schema
    )
    assert ("large_numbers", "x") in codes(then)


def test_an_example_of_text_among_numbers_does_not_depend_on_how_rows_are_split():
    first = Snapshot.from_frame(pa.table({"x": np.arange(ROWS) / 7}))
    texts = [["1.5", "b?" + 40 * "x", "2.5"], ["3.5", "a?"], ["4.5", "5.5"]]
    parts = [Snapshot.from_frame(pa.table({"x": t}), schema=first.schema) for t in texts]
    whole = Snapshot.from_frame(
        pa.table({"x": [t for part in texts for t in part]}), schema=first.schema
    )
    for merged in (
        parts[0].merge(parts[1]).merge(parts[2]),
        parts[2].merge(parts[1].merge(parts[0])),
    ):
        assert merged.summaries["x"].example == whole.summaries["x"].example == "a?"
    assert parts[0].summaries["x"].example == "b?" + 28 * "x"
    for window in (parts[0], parts[2]):
        assert Snapshot.from_bytes(window.to_bytes()).summaries == window.summaries
