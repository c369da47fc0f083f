"""Parts of a window are the window: joined in any order, streamed, or stored in between."""

from __future__ import annotations

from functools import reduce
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from whydrift.discovery import SchemaError, Snapshot, infer_schema
from whydrift.discovery.snapshot.blocks import BlockKind, block_seconds
from whydrift.discovery.snapshot.copies import Copies
from whydrift.discovery.snapshot.infer import read_content
from whydrift.discovery.snapshot.moments import Moments
from whydrift.discovery.snapshot.row_hash import content_hashes
from whydrift.discovery.snapshot.snapshot import sample_limit

ROWS = 600
RNG = np.random.default_rng(11)
DAY = pd.Timestamp("2026-05-04")
FRAME = pd.DataFrame(
    {
        "at": DAY + pd.to_timedelta(np.sort(RNG.uniform(0, 86_400, ROWS)).round(3), unit="s"),
        "user": [f"u{k}" for k in RNG.integers(0, 90, ROWS)],
        "big": 1e9 + RNG.normal(size=ROWS),
        "gappy": np.where(RNG.random(ROWS) < 0.2, np.nan, RNG.normal(size=ROWS)),
        "place": RNG.choice(["north", "south", "west"], ROWS),
        "note": np.where(RNG.random(ROWS) < 0.1, None, RNG.choice(["x", "y", "z"], ROWS)),
        "empty": np.nan,
    }
)
ROLES = {
    "rows": {},
    "time": {"at": "time"},
    "clusters": {"at": "time", "user": "cluster"},
}
WHOLE = {
    (by, most): Snapshot.from_frame(FRAME, roles=roles, sample_rows=most)
    for by, roles in ROLES.items()
    for most in (100, 16_384)
}
windows = st.sampled_from(sorted(WHOLE))
splits = st.integers(0, 2**32 - 1).map(
    lambda seed: np.random.default_rng(seed).integers(0, 4, ROWS)
)
slow = settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))


def test_a_window_is_shown_in_a_line_and_equals_itself_alone():
    window = Snapshot.from_frame(pd.DataFrame({"x": np.arange(20_000) / 7}))
    assert repr(window) == "Snapshot(20,000 rows, 16,384 of them sampled, 1 columns)"
    assert window == window
    assert window != Snapshot.from_frame(pd.DataFrame({"x": [1.5, 2.5]}))


def parts_of(which, label):
    """Read the rows of each label, in their order, as a part of a window."""
    whole = WHOLE[which]
    label = np.asarray(label)
    return [
        Snapshot.from_frame(FRAME[label == k], schema=whole.schema, sample_rows=which[1])
        for k in np.unique(label)
    ]


def assert_same(one: Snapshot, other: Snapshot) -> None:
    """Counts and rows of the sample alike, moments to 1e-9 of their scale."""
    assert (one.rows, one.repeats, one.start, one.end, one.absent, one.timeline) == (
        other.rows, other.repeats, other.start, other.end, other.absent, other.timeline,
    )  # fmt: skip
    assert one.draw.threshold == other.draw.threshold
    assert one.sampled == other.sampled
    assert [c.categories for c in one.schema] == [c.categories for c in other.schema]
    for a, b in zip(by_row(one), by_row(other), strict=True):
        np.testing.assert_array_equal(a, b)
    assert one.summaries.keys() == other.summaries.keys()
    for name, a in one.summaries.items():
        b = other.summaries[name]
        assert (a.missing, a.count, a.low, a.high, a.category_counts) == (
            b.missing, b.count, b.low, b.high, b.category_counts,
        )  # fmt: skip
        if a.mean is not None:
            assert a.mean == pytest.approx(b.mean, rel=1e-15)
            assert a.sd == pytest.approx(b.sd, rel=1e-9)
    a, b = one.totals, other.totals
    np.testing.assert_array_equal(a.co_missing.rows, b.co_missing.rows)
    np.testing.assert_array_equal(a.copies.counts, b.copies.counts)
    np.testing.assert_array_equal(a.moments.count, b.moments.count)
    np.testing.assert_allclose(a.moments.cross, b.moments.cross, atol=1e-9 * ROWS)


def by_row(window: Snapshot) -> tuple[np.ndarray, np.ndarray]:
    order = np.argsort(window.draw.row)
    return window.draw.row[order], window.sample[order]


@slow
@given(windows, splits)
def test_any_split_of_the_rows_merges_to_the_whole(which, label):
    merged, *others = parts_of(which, label)
    for part in others:
        merged = merged.merge(part)
    assert_same(merged, WHOLE[which])


@slow
@given(windows, splits)
def test_it_does_not_matter_which_parts_are_joined_first(which, label):
    a, b, c, *_ = parts_of(which, [0, 1, 2, *label[3:]])
    assert_same(a.merge(b).merge(c), a.merge(b.merge(c)))
    one, other = a.merge(b), b.merge(a)
    assert_same(one, other)
    np.testing.assert_array_equal(one.sample, other.sample)  # in the same order too


@pytest.mark.parametrize("which", sorted(WHOLE))
def test_no_rows_change_nothing(which):
    whole = WHOLE[which]
    none = Snapshot.empty(whole.schema)
    assert whole.merge(none) is whole
    assert none.merge(whole) is whole
    assert none.merge(none).rows == 0


@pytest.mark.parametrize("which", sorted(WHOLE))
@pytest.mark.parametrize("size", [1_000, 170])
def test_a_stream_is_read_like_the_table(which, size, monkeypatch):
    monkeypatch.setattr("whydrift.discovery.snapshot.stream._ROWS_AT_ONCE", 250)
    batches = pa.Table.from_pandas(FRAME, preserve_index=False).to_batches(max_chunksize=size)
    whole = WHOLE[which]
    stream = Snapshot.from_batches(iter(batches), schema=whole.schema, sample_rows=which[1])
    assert_same(stream, whole)
    np.testing.assert_array_equal(stream.sample, whole.sample)


def test_without_a_schema_a_stream_takes_that_of_its_first_rows(monkeypatch):
    monkeypatch.setattr("whydrift.discovery.snapshot.stream._ROWS_AT_ONCE", 200)
    stream = Snapshot.from_batches([FRAME[:150], FRAME[150:]], roles=ROLES["time"])
    assert stream.rows == ROWS
    assert [c.kind for c in stream.schema] == [c.kind for c in WHOLE["time", 16_384].schema]
    assert stream.totals.moments.names == ("big", "gappy")


def test_parts_read_with_the_schema_of_the_first_rows_are_the_stream(monkeypatch):
    monkeypatch.setattr("whydrift.discovery.snapshot.stream._ROWS_AT_ONCE", 200)
    monkeypatch.setattr("whydrift.discovery.snapshot.snapshot._SAMPLE_ROWS", 150)
    # Seventy categories come late, and not in the order in which they are common.
    late = [f"late {k * k % 71}" for k in range(ROWS - 400)]
    frame = FRAME.assign(place=[*FRAME["place"][:400], *late])
    stream = Snapshot.from_batches([frame], roles=ROLES["clusters"])
    schema = infer_schema(frame, roles=ROLES["clusters"])
    assert schema == infer_schema(frame[:200], roles=ROLES["clusters"])
    assert schema.blocks.kind is BlockKind.CLUSTER
    assert schema["place"].categories == stream.schema["place"].categories[:3]
    cuts = [0, 350, 470, 480, ROWS]
    parts = [Snapshot.from_batches([frame[a:b]], schema=schema) for a, b in pairwise(cuts)]
    assert_same(reduce(Snapshot.merge, parts), stream)
    assert_same(reduce(Snapshot.merge, parts[::-1]), stream)
    assert len(stream.schema["place"].categories) > 3 + 30
    with pytest.raises(SchemaError, match="no rows"):
        infer_schema(frame[:0])


def test_a_stream_without_rows_or_of_other_types_is_refused():
    with pytest.raises(SchemaError, match="no rows"):
        Snapshot.from_batches([])
    with pytest.raises(SchemaError, match=r"batch 2.*no columns"):
        Snapshot.from_batches([FRAME, pa.table({})])
    with pytest.raises(SchemaError, match="different types"):
        Snapshot.from_batches([pa.table({"x": [1]}), pa.table({"x": [[1]]})])


def test_parts_that_do_not_belong_together_are_refused():
    whole = WHOLE["rows", 100]
    with pytest.raises(SchemaError, match="same kind"):
        whole.merge(Snapshot.from_frame(FRAME[["big"]]))
    with pytest.raises(SchemaError, match="different rules"):
        whole.merge(Snapshot.from_frame(FRAME, schema=whole.schema, random_state=1))
    with pytest.raises(SchemaError, match="chosen again"):
        whole.merge(whole.take(np.arange(10)))


def test_new_categories_of_two_parts_are_told_apart():
    reference = Snapshot.from_frame(pa.table({"c": ["a", "a", "b"] * 20}))
    one, other = (
        Snapshot.from_frame(pa.table({"c": values}), schema=reference.schema)
        for values in (["b", "new", "rare"], ["other", "new", "a"])
    )
    for merged in (one.merge(other), other.merge(one)):
        assert merged.schema["c"].categories == ("a", "b", "new", "other", "rare")
        assert merged.summaries["c"].category_counts == (1, 1, 2, 1, 1)
        assert sorted(merged.column("c")) == [0, 1, 2, 2, 3, 4]


def test_more_new_categories_than_are_told_apart_share_the_overflow_bucket():
    values = [f"c{k:04d}" for k in range(900)]
    one = Snapshot.from_frame(pa.table({"c": values * 3}), kinds={"c": "categorical"})
    more = pa.table({"c": [f"d{k:04d}" for k in range(300)]})
    other = Snapshot.from_frame(more, schema=one.schema)
    merged = one.merge(other)
    assert len(merged.schema["c"].categories) == 1_000 + 1
    assert merged.schema["c"].categories[-1] == "(other)"
    assert sum(merged.summaries["c"].category_counts) == 3_000
    assert np.isfinite(merged.column("c")).all()


def test_a_part_that_lacks_a_column_counts_as_missing_in_it():
    whole = WHOLE["rows", 16_384]
    merged = whole.merge(Snapshot.from_frame(FRAME.drop(columns="gappy"), schema=whole.schema))
    assert merged.absent == ()
    assert merged.summaries["gappy"].missing == whole.summaries["gappy"].missing + ROWS
    assert np.isnan(merged.column("gappy")).sum() == merged.summaries["gappy"].missing


def test_rows_that_come_in_two_parts_are_counted_as_repeats():
    whole = WHOLE["time", 16_384]
    merged = whole.merge(Snapshot.from_frame(FRAME[:50], schema=whole.schema))
    assert merged.repeats == 50
    assert merged.repeated.sum() == 50


def test_repeats_among_more_rows_than_are_remembered_are_estimated():
    rng = np.random.default_rng(5)
    hashes = rng.integers(0, 2**63, 200_000, dtype=np.uint64)
    hashes[-20_000:] = hashes[:20_000]
    whole = Copies.of(hashes)
    parts = Copies.merged([Copies.of(hashes[:90_000]), Copies.of(hashes[90_000:])])
    np.testing.assert_array_equal(parts.counts, whole.counts)
    assert parts.limit == whole.limit
    assert whole.repeats(200_000) == pytest.approx(20_000, rel=0.06)  # some six standard errors


def test_a_text_has_one_number_whatever_stands_beside_it_and_however_it_is_stored():
    texts = ["ab", "cd", None, "é"]
    ways = [pa.array(texts), pa.array([*texts, "longer", " "]), pa.array(texts).dictionary_encode()]
    numbers = [content_hashes(read_content(pa.chunked_array([way])))[:4] for way in ways]
    assert len(set(numbers[0].tolist())) == 4
    for other in numbers[1:]:
        np.testing.assert_array_equal(numbers[0], other)


# ---- the sample --------------------------------------------------------------------------------
def test_rows_in_one_block_are_kept_or_dropped_together_once_it_is_thinned():
    seconds = np.arange(100_000) / 20.0
    frame = pa.table({"at": pd.to_datetime(seconds, unit="s"), "x": RNG.normal(size=100_000)})
    window = Snapshot.from_frame(frame, roles={"at": "time"}, sample_rows=1_600)
    rule = window.schema.blocks
    assert (rule.kind, rule.seconds, rule.share) == (BlockKind.TIME, 1, 16 / 20)
    blocks, counts = np.unique(np.floor(window.column("at")), return_counts=True)
    assert 80 <= len(blocks) <= 125  # 1,600 rows of 16 each
    assert counts.mean() == pytest.approx(16, abs=1)
    assert (window.draw.priority < window.draw.threshold).all()
    assert (np.diff(window.column("at")) > 0).all()


def test_a_sample_of_rows_without_time_or_cluster_says_so_once():
    frame = pa.table({"x": RNG.normal(size=3_000)})
    whole = Snapshot.from_frame(frame, sample_rows=500)
    parts = [
        Snapshot.from_frame(frame.slice(start, 1_000), schema=whole.schema, sample_rows=500)
        for start in (0, 1_000, 2_000)
    ]
    for window in (whole, parts[0].merge(parts[1]).merge(parts[2])):
        (note,) = window.notes
        assert note.code == "dependence_unknown"
        assert "of 3,000 rows 500" in note.text
    assert WHOLE["time", 100].notes == WHOLE["rows", 16_384].notes


def test_every_cluster_of_a_few_large_ones_stays_visible():
    user = np.repeat(np.arange(12), [20_000, 5_000, *[1_000] * 10])
    frame = pd.DataFrame({"user": [f"u{k}" for k in user], "x": RNG.normal(size=len(user))})
    window = Snapshot.from_frame(frame, roles={"user": "cluster"}, sample_rows=2_000)
    shares = np.unique(window.column("user"), return_counts=True)[1] / len(window.sample)
    np.testing.assert_allclose(np.sort(shares)[-2:], [5_000 / 35_000, 20_000 / 35_000], atol=0.03)
    assert len(shares) == 12


def test_one_cluster_larger_than_the_sample_does_not_empty_it():
    schema = Snapshot.from_frame(
        pd.DataFrame({"user": [f"u{k}" for k in range(200)], "x": RNG.normal(size=200)}),
        roles={"user": "cluster"},
    ).schema
    frame = pd.DataFrame({"user": ["one"] * 5_000, "x": RNG.normal(size=5_000)})
    window = Snapshot.from_frame(frame, schema=schema, sample_rows=500)
    assert 250 <= len(window.sample) <= 500


def test_rows_of_a_coarse_table_are_sampled_one_by_one():
    frame = pa.table({"c": RNG.choice(list("abcd"), 50_000), "d": RNG.choice([0, 1], 50_000)})
    window = Snapshot.from_frame(frame, sample_rows=4_000)
    assert not window.schema.blocks.rows_differ
    shares = np.bincount(window.column("c").astype(int)) / len(window.sample)
    np.testing.assert_allclose(shares, 0.25, atol=0.035)  # five standard errors
    stream = Snapshot.from_batches(
        frame.to_batches(max_chunksize=999), schema=window.schema, sample_rows=4_000
    )
    np.testing.assert_array_equal(stream.sample, window.sample)


def test_a_block_of_time_is_as_long_as_rows_resemble_each_other():
    times = np.arange(20_000.0)
    noise = np.random.default_rng(2).normal(size=20_000)
    slow_noise = np.repeat(noise[: 20_000 // 100], 100)
    assert block_seconds(times, [noise]) == 1
    assert block_seconds(times, [noise, slow_noise]) >= 60
    assert block_seconds(times, []) == 1
    assert block_seconds(np.full(5, np.nan), [np.ones(5)]) == 1


def test_a_wide_window_keeps_its_sample_within_its_bytes():
    assert sample_limit(200) == 16_384
    assert sample_limit(1_000) * 1_000 * 8 == 64_000_000
    frame = pa.table({f"x{k}": RNG.normal(size=300) for k in range(201)})
    whole = Snapshot.from_frame(frame)
    for window in (whole, whole.merge(Snapshot.from_frame(frame, schema=whole.schema))):
        moments = window.totals.moments
        assert moments.count.tolist() == [[window.rows]]
        assert moments.mean.shape == (201, 1)
        assert window.totals.co_missing.rows is None
        np.testing.assert_allclose(
            moments.correlation(), np.corrcoef(whole.sample, rowvar=False), atol=1e-9
        )


# ---- moments and quantiles ---------------------------------------------------------------------
def test_moments_survive_a_large_offset_and_gaps():
    values = RNG.normal(size=(3_000, 3)) @ RNG.normal(size=(3, 3))
    values[RNG.random(values.shape) < 0.1] = np.nan
    columns = [values[:, 0] + 1e9, values[:, 1], values[:, 2]]
    parts = [
        Moments.of(("a", "b", "c"), [c[rows] for c in columns])
        for rows in (slice(0, 10), slice(10, 2_000), slice(2_000, 3_000))
    ]
    merged = Moments.merged(parts)
    expected = pd.DataFrame(values).cov().to_numpy()  # pandas: over the rows that have both
    np.testing.assert_allclose(merged.covariance(), expected, rtol=1e-6)
    np.testing.assert_allclose(
        merged.correlation()[0, 1],
        expected[0, 1] / np.sqrt(expected[0, 0] * expected[1, 1]), rtol=1e-6,
    )  # fmt: skip
    none = Moments.none(("a", "b", "c"))
    assert Moments.merged([none, merged]) is merged
    in_turn = Moments.merged([parts[2], Moments.merged([parts[1], none, parts[0]])])
    np.testing.assert_allclose(in_turn.covariance(), expected, rtol=1e-6)


def test_of_many_columns_the_rows_that_have_all_are_summed_up():
    values = RNG.normal(size=(500, 210))
    values[:40, 7] = np.nan
    frame = pa.table({f"x{k}": column for k, column in enumerate(values.T)})
    whole = Snapshot.from_frame(frame)
    parts = [Snapshot.from_frame(frame.slice(k, 250), schema=whole.schema) for k in (0, 250)]
    for moments in (whole.totals.moments, parts[0].merge(parts[1]).totals.moments):
        assert moments.count.tolist() == [[460]]
        np.testing.assert_allclose(
            moments.covariance(), np.cov(values[40:], rowvar=False), atol=1e-12
        )
    assert whole.summaries["x7"].count == 460
    assert whole.summaries["x8"].mean == pytest.approx(values[:, 8].mean(), abs=1e-15)


def test_quantiles_are_exact_while_all_rows_are_here_and_close_after():
    values = RNG.normal(size=50_000)
    shares = [0.01, 0.25, 0.5, 0.9]
    exact = np.quantile(values, shares, method="inverted_cdf")
    whole = Snapshot.from_frame(pa.table({"x": values}), sample_rows=50_000)
    np.testing.assert_array_equal(whole.quantiles("x", shares), exact)
    parts = [
        Snapshot.from_frame(pa.table({"x": part}), schema=whole.schema, sample_rows=10_000)
        for part in np.split(values, [8_000])
    ]
    found = parts[0].merge(parts[1]).quantiles("x", shares)
    ranks = np.searchsorted(np.sort(values), found) / len(values)
    np.testing.assert_allclose(ranks, shares, atol=0.03)
    with pytest.raises(SchemaError, match="has no quantiles"):
        WHOLE["rows", 100].quantiles("place", [0.5])


# ---- bytes -------------------------------------------------------------------------------------
STORED = Path(__file__).parent / "data"


def sold(first: int, last: int) -> pa.Table:
    """Return rows of the window that was stored with clusters, by their numbers."""
    k = np.arange(first, last)
    return pa.table(
        {
            "at": pd.to_datetime(1.7e9 + k * 37.5, unit="s"),
            "user": [f"user {i * 7 % 31}" for i in k],
            "big": 1e9 + np.sqrt(k),
            "gappy": [None if i % 9 == 0 else i / 7 for i in k],
            "grade": k * 5 % 4,
            "place": [None if i % 11 == 0 else f"place {i * i % 53}" for i in k],
        }
    )


@pytest.mark.parametrize("which", sorted(WHOLE))
def test_a_stored_window_is_the_window(which):
    whole = WHOLE[which]
    again = Snapshot.from_bytes(whole.to_bytes())
    assert_same(again, whole)
    assert again.schema == whole.schema
    assert again.summaries == whole.summaries
    assert again.notes == whole.notes
    np.testing.assert_array_equal(again.sample, whole.sample)
    assert_same(again.merge(Snapshot.empty(whole.schema)), whole)


def test_a_window_stored_by_the_first_format_can_be_read_for_ever():
    window = Snapshot.from_bytes((STORED / "snapshot-format-1.parquet").read_bytes())
    expected = Snapshot.from_frame(
        pa.table(
            {
                "at": pd.to_datetime(np.arange(60) * 60, unit="s"),
                "x": np.arange(60) / 8,
                "c": ["a", "b", None] * 20,
            }
        ),
        roles={"at": "time"},
        sample_rows=40,
    )
    assert_same(window, expected)
    assert window.schema == expected.schema
    np.testing.assert_array_equal(window.sample, expected.sample)


def test_a_joined_window_of_the_first_format_goes_on_being_joined():
    stored = Snapshot.from_bytes((STORED / "snapshot-format-1-clusters.parquet").read_bytes())
    first = Snapshot.from_frame(
        sold(0, 250), roles={"at": "time", "user": "cluster"}, sample_rows=100
    )
    rest = Snapshot.from_frame(sold(250, 400), schema=first.schema, sample_rows=100)
    more = Snapshot.from_frame(sold(400, 500), schema=first.schema, sample_rows=100)
    assert stored.schema == first.schema
    assert_same(stored, first.merge(rest))
    assert_same(stored.merge(more), first.merge(rest).merge(more))
    assert_same(Snapshot.from_bytes(stored.to_bytes()), stored)
    assert stored.quantiles("big", [0.5]) == pytest.approx(1e9 + np.sqrt(200), abs=0.2)


def test_a_window_stored_by_the_second_format_can_be_read_for_ever():
    stored = Snapshot.from_bytes((STORED / "snapshot-format-2.parquet").read_bytes())
    codes = pa.array([f"code {k * 7 % 1409}" for k in range(1_500)])
    frame = sold(0, 1_500).append_column("code", codes)
    kinds, roles = {"code": "categorical"}, {"at": "time", "user": "cluster"}
    expected = Snapshot.from_frame(frame, kinds=kinds, roles=roles, sample_rows=100)
    assert_same(stored, expected)
    assert stored.schema == expected.schema
    assert stored.frequent_values("code") == expected.frequent_values("code")
    assert_same(stored.merge(expected), expected.merge(expected))
    shares = [0.1, 0.5, 0.9]
    np.testing.assert_array_equal(
        stored.quantiles("big", shares), expected.quantiles("big", shares)
    )


def test_the_same_rows_give_the_same_bytes():
    for which, whole in WHOLE.items():
        again = Snapshot.from_frame(FRAME, roles=ROLES[which[0]], sample_rows=which[1])
        assert again.to_bytes() == whole.to_bytes()
        assert Snapshot.from_bytes(whole.to_bytes()).to_bytes() == whole.to_bytes()


def test_changed_bytes_foreign_bytes_and_later_formats_are_refused():
    import pyarrow.parquet as pq

    stored = WHOLE["rows", 100].to_bytes()
    table = pq.read_table(pa.BufferReader(stored))

    def rewritten(changed):
        sink = pa.BufferOutputStream()
        pq.write_table(changed, sink)
        return bytes(sink.getvalue())

    shorter = table.slice(1).replace_schema_metadata(table.schema.metadata)
    with pytest.raises(SchemaError, match="checksum"):
        Snapshot.from_bytes(rewritten(shorter))
    with pytest.raises(SchemaError, match="no Snapshot"):
        Snapshot.from_bytes(b"PAR1")
    with pytest.raises(SchemaError, match="no Snapshot"):
        Snapshot.from_bytes(rewritten(pa.table({"x": [1]})))
    key = b"whydrift.snapshot"
    later = table.schema.metadata[key].replace(b'\\"version\\":2', b'\\"version\\":99')
    with pytest.raises(SchemaError, match="Upgrade"):
        Snapshot.from_bytes(rewritten(table.replace_schema_metadata({key: later})))
    with pytest.raises(SchemaError, match="chosen again"):
        WHOLE["rows", 100].take(np.arange(5)).to_bytes()


def test_a_window_of_fifty_columns_takes_at_most_eight_megabytes_however_long():
    rng = np.random.default_rng(0)
    frame = pa.table({f"x{k}": rng.normal(size=40_000) for k in range(50)})
    window = Snapshot.from_frame(frame)
    more = [frame.set_column(0, "x0", pa.array(rng.normal(size=40_000))) for _ in range(3)]
    sizes = [
        len(w.to_bytes())
        for w in (window, Snapshot.from_batches([frame, *more], schema=window.schema))
    ]
    assert max(sizes) <= 8_000_000
    assert sizes[1] == pytest.approx(sizes[0], rel=0.02)
