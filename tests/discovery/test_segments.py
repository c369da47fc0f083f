"""Segments of a window: the rows of each value, summarised in the same pass as the whole."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from whydrift.discovery import OptionError, SchemaError, Snapshot
from whydrift.discovery.snapshot.segment_counts import SegmentCounts, segment_keys
from whydrift.discovery.snapshot.segments import (
    REST,
    SegmentChoice,
    SegmentedSnapshots,
    Segments,
    count_segments,
    read_segments,
)

ROWS = 1_500
RNG = np.random.default_rng(3)
FRAME = pd.DataFrame(
    {
        "country": RNG.choice(["fr", "de", "it", "es", None], ROWS, p=[0.5, 0.3, 0.1, 0.05, 0.05]),
        "device": RNG.choice(["phone", "desk"], ROWS),
        "x": RNG.normal(size=ROWS),
        "big": 1e9 + RNG.normal(size=ROWS),
        "shop": RNG.choice(["a", "b", "c"], ROWS),
    }
)
WHOLE = Snapshot.from_frame(FRAME, sample_rows=200)
RULE = Segments(("country",), top=3, min_rows=100)
CHOICE = RULE.choose(count_segments([FRAME], RULE.by, "data"))
slow = settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))


def read(frames, choice=CHOICE, schema=WHOLE.schema) -> SegmentedSnapshots:
    return read_segments(frames, choice, schema=schema, sample_rows=200)


def assert_same(one: Snapshot, other: Snapshot) -> None:
    assert (one.rows, one.repeats, one.sampled) == (other.rows, other.repeats, other.sampled)
    assert one.draw.threshold == other.draw.threshold
    for a, b in zip(by_row(one), by_row(other), strict=True):
        np.testing.assert_array_equal(a, b)
    for name, a in one.summaries.items():
        b = other.summaries[name]
        assert (a.missing, a.count, a.low, a.high, a.category_counts) == (
            b.missing, b.count, b.low, b.high, b.category_counts,
        )  # fmt: skip
        if a.mean is not None:
            assert a.mean == pytest.approx(b.mean, rel=1e-15)
            assert a.sd == pytest.approx(b.sd, rel=1e-9)


def by_row(window: Snapshot) -> tuple[np.ndarray, np.ndarray]:
    order = np.argsort(window.draw.row)
    return window.draw.row[order], window.sample[order]


# ---- which values are segments ----------------------------------------------------------------
def test_the_values_with_the_most_rows_are_segments_and_the_rest_is_pooled():
    assert CHOICE.chosen == ("fr", "de", "it")
    assert CHOICE.pooled == ("es", r"\N")
    assert Segments(("country",), top=20, min_rows=400).choose(
        count_segments([FRAME], RULE.by, "data")
    ).chosen == ("fr", "de")
    assert SegmentChoice.from_dict(CHOICE.to_dict()) == CHOICE


def test_a_missing_value_is_a_value_of_its_own_and_no_text_reads_like_it():
    texts = pa.table({"a": [None, "", r"\N", "x|y", "x"], "b": ["1", None, "1", "y", "y"]})
    codes, keys = segment_keys(texts, ["a"])
    assert [keys[c] for c in codes] == [r"\N", r"\N", r"\\N", r"x\|y", "x"]
    codes, keys = segment_keys(texts, ["a", "b"])
    assert len(set(keys)) == 5
    assert [keys[c] for c in codes] == [r"\N|1", r"\N|\N", r"\\N|1", r"x\|y|y", "x|y"]


def test_a_key_reads_the_same_however_its_values_are_stored():
    stored = (
        pa.array([1, 2, None]),
        pa.array([1.0, 2.0, float("nan")]),
        pa.array(["1", "2", " "]),
        pa.array(["1", "2", None]).dictionary_encode(),
    )
    for array in stored:
        codes, keys = segment_keys(pa.table({"k": array}), ["k"])
        assert [keys[c] for c in codes] == ["1", "2", r"\N"]
    assert segment_keys(pa.table({"k": pa.nulls(2)}), ["k"])[1] == [r"\N"]


@slow
@given(st.lists(st.lists(st.integers(0, 40), max_size=60), min_size=1, max_size=8))
def test_counts_beyond_the_limit_are_off_by_no_more_than_they_say(parts):
    limit = 6
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("whydrift.discovery.snapshot.segment_counts._MOST", limit)
        tables = [pa.table({"k": [str(v) for v in part]}) for part in parts if part]
        counts = SegmentCounts.merged(SegmentCounts.of(t, ["k"]) for t in tables)
    rows = [v for part in parts for v in part]
    assert len(counts.rows) <= limit
    assert counts.error * (limit + 1) <= len(rows)  # Misra & Gries' bound
    for value in set(rows):
        found = counts.rows.get(str(value), 0)
        assert found <= rows.count(value) <= found + counts.error


def test_with_too_many_values_the_common_ones_are_found_and_new_ones_are_not_told(monkeypatch):
    monkeypatch.setattr("whydrift.discovery.snapshot.segment_counts._MOST", 50)
    users = [f"u{k}" for k in range(3_000)] + ["bot"] * 700
    frames = [pa.table({"user": users[start::7]}) for start in range(7)]
    rule = Segments(("user",))
    choice = rule.choose(count_segments(frames, rule.by, "data"))
    assert choice == SegmentChoice(("user",), ("bot",), None)
    assert SegmentedSnapshots(choice, WHOLE.schema).new_values is None


@pytest.mark.parametrize("options", [{"by": ()}, {"by": ("a", "a")}, {"top": 0}, {"min_rows": 0}])
def test_a_rule_that_cannot_be_is_refused(options):
    with pytest.raises(OptionError, match="segments"):
        Segments(**{"by": ("a",), **options})


def test_an_unknown_segment_column_is_named():
    with pytest.raises(SchemaError, match="'land' is not in the data"):
        count_segments([FRAME], ("land",), "june.parquet")


# ---- their Snapshots --------------------------------------------------------------------------
@pytest.mark.parametrize("waiting", [1, 400, 10_000])
def test_each_segment_is_what_reading_its_rows_alone_gives(waiting, monkeypatch):
    for name in ("_MOST_WAITING", "_LEAST_WAITING"):
        monkeypatch.setattr(f"whydrift.discovery.snapshot.segments.{name}", waiting)
    found = read([FRAME[:700], FRAME[700:]])
    assert tuple(found.segments) == CHOICE.chosen
    for key, window in found.segments.items():
        alone = FRAME[FRAME["country"] == key]
        assert_same(window, Snapshot.from_frame(alone, schema=WHOLE.schema, sample_rows=200))
    rest = FRAME[~FRAME["country"].isin(CHOICE.chosen)]
    assert_same(found.rest, Snapshot.from_frame(rest, schema=WHOLE.schema, sample_rows=200))


def test_the_whole_is_what_reading_without_segments_gives():
    found = read([FRAME]).whole
    assert_same(found, WHOLE)
    np.testing.assert_array_equal(found.sample, WHOLE.sample)  # in the order of the rows too


@pytest.mark.parametrize("coarse", [["shop"], ["shop", "device"]])
def test_the_whole_is_the_same_where_rows_repeat_each_other(coarse):
    frame = FRAME[["country", *coarse]]
    plain = Snapshot.from_frame(frame, sample_rows=200)
    assert not plain.schema.blocks.rows_differ
    found = read([frame], schema=plain.schema).whole
    np.testing.assert_array_equal(found.sample, plain.sample)
    assert found.draw.threshold == plain.draw.threshold


@slow
@given(st.integers(0, 2**32 - 1))
def test_any_split_of_the_rows_merges_to_the_same_segments(seed):
    label = np.random.default_rng(seed).integers(0, 4, ROWS)
    a, b, c, *_ = (read([FRAME[label == k]]) for k in range(4))
    d = read([FRAME[label == 3]])
    one, other = a.merge(b).merge(c.merge(d)), d.merge(b).merge(a).merge(c)
    once = read([FRAME])
    assert one.outside.rows == other.outside.rows == once.outside.rows
    for key in (*CHOICE.chosen, REST):
        parts = [w.rest if key == REST else w.segments[key] for w in (one, other, once)]
        assert_same(parts[0], parts[1])
        assert_same(parts[0], parts[2])
    assert_same(one.whole, WHOLE)


def test_a_window_of_no_rows_changes_nothing_and_has_all_segments():
    none = SegmentedSnapshots(CHOICE, WHOLE.schema)
    assert none.whole.rows == 0
    assert [w.rows for w in none.segments.values()] == [0, 0, 0]
    once = read([FRAME])
    assert none.merge(once).parts == once.parts
    assert once.merge(none).parts == once.parts


def test_segments_have_one_schema_so_that_any_two_compare():
    frame = FRAME.copy()
    frame.loc[frame["country"] == "de", "shop"] = "only in de"
    frame.loc[frame["country"] == "fr", "shop"] = "only in fr"
    found = read([frame])
    assert {w.schema for w in (*found.segments.values(), found.rest)} == {found.whole.schema}
    shops = found.whole.schema["shop"].categories
    for key in ("de", "fr"):
        window = found.segments[key]
        assert [shops[int(c)] for c in set(window.column("shop"))] == [f"only in {key}"]
        counts = window.summaries["shop"].category_counts
        assert dict(zip(shops, counts, strict=True))[f"only in {key}"] == window.rows


def test_values_that_come_later_go_to_the_rest_and_are_told():
    later = FRAME.assign(country=FRAME["country"].replace({"it": "pt", "es": "gr"}))
    found = read([later])
    assert found.segments["it"].rows == 0
    assert found.new_values == {
        "pt": int((later["country"] == "pt").sum()), "gr": int((later["country"] == "gr").sum())
    }  # fmt: skip
    (note,) = found.notes
    assert note.code == "segment_values_new"
    assert "pt (" in note.text
    assert read([FRAME]).notes == ()


def test_without_the_segment_column_all_rows_are_in_the_rest_and_it_is_told():
    found = read([FRAME.drop(columns="country")])
    assert found.rest.rows == ROWS
    assert "segment_column_missing" in {note.code for note in found.whole.notes}


def test_windows_of_other_segments_are_not_merged():
    other = SegmentChoice(("country",), ("fr",))
    with pytest.raises(SchemaError, match="other segments"):
        read([FRAME]).merge(read([FRAME], other))


def test_combinations_of_columns_are_segments():
    rule = Segments(("country", "device"), top=2, min_rows=1)
    choice = rule.choose(count_segments([FRAME], rule.by, "data"))
    assert sorted(choice.chosen) == ["fr|desk", "fr|phone"]
    found = read([FRAME], choice)
    for key in choice.chosen:
        country, device = key.split("|")
        rows = (FRAME["country"] == country) & (FRAME["device"] == device)
        assert found.segments[key].rows == int(rows.sum())
