"""Several windows joined: the same counts as of their rows together."""

import numpy as np
import pandas as pd
import pytest

from whydrift import Snapshot, WhydriftError
from whydrift.discovery.snapshot.pool import pool
from whydrift.discovery.snapshot.timeline import Timeline

RNG = np.random.default_rng(3)


def frame(rows, start):
    return pd.DataFrame(
        {
            "at": pd.to_datetime(start + np.sort(RNG.uniform(0, 86_400, rows)), unit="s"),
            "x": 1e9 + RNG.normal(size=rows),
            "c": RNG.choice(["u", "v"], size=rows),
            "gap": np.where(RNG.random(rows) < 0.2, np.nan, RNG.normal(size=rows)),
        }
    )


FRAMES = [frame(rows, day * 86_400.0) for day, rows in enumerate((50, 400, 120))]


def chained(frames):
    windows = []
    for part in frames:
        schema = windows[-1].schema if windows else None
        windows.append(Snapshot.from_frame(part, schema=schema, roles={"at": "time"}))
    return windows


def test_joined_windows_count_what_their_rows_count_together():
    joined = pool(chained(FRAMES))
    whole = Snapshot.from_frame(pd.concat(FRAMES), roles={"at": "time"},
                                schema=joined.snapshot.schema)  # fmt: skip
    assert joined.snapshot.rows == whole.rows == 570
    assert np.bincount(joined.parts).tolist() == [50, 400, 120]
    np.testing.assert_array_equal(joined.snapshot.sample, whole.sample)
    for name, summary in whole.summaries.items():
        own = joined.snapshot.summaries[name]
        assert (own.missing, own.count, own.low, own.high) == (
            summary.missing, summary.count, summary.low, summary.high,
        )  # fmt: skip
        assert own.category_counts == summary.category_counts
        if summary.mean is not None:
            assert own.mean == pytest.approx(summary.mean, rel=1e-14)
            assert own.sd == pytest.approx(summary.sd, rel=1e-6)
    assert (joined.snapshot.start, joined.snapshot.end) == (whole.start, whole.end)
    assert joined.snapshot.timeline == whole.timeline


def test_a_thinned_sample_gives_every_window_its_share_in_whole_blocks():
    joined = pool(chained(FRAMES), most_rows=200)
    counts = np.bincount(joined.parts)
    assert counts.max() <= 200 // 3
    assert joined.snapshot.rows == 570
    first = np.flatnonzero(joined.parts == 1)
    times = joined.snapshot.column("at")[first]
    assert (np.diff(times) > 0).all()


def test_a_window_far_longer_than_the_others_does_not_stand_for_them_and_is_told():
    long = frame(4_000, 3 * 86_400.0).assign(x=0.0, c="v")
    windows = chained([*FRAMES, frame(100, 5 * 86_400.0), long])
    joined = pool(windows, most_times=2.0)
    assert np.bincount(joined.parts).tolist()[:4] == [50, 240, 120, 100]
    assert np.bincount(joined.parts)[4] <= 240
    assert joined.snapshot.rows == 50 + 240 + 120 + 100 + 240
    counts = joined.snapshot.summaries["c"].category_counts
    assert sum(counts) == pytest.approx(joined.snapshot.rows, abs=2)
    assert joined.snapshot.summaries["c"].count == pytest.approx(joined.snapshot.rows, abs=1)
    (note,) = (n for n in joined.snapshot.notes if n.code == "windows_uneven")
    assert "5 (4,000 rows, counted as 240)" in note.text


def test_windows_of_other_columns_are_refused_with_the_way_out():
    one, two = Snapshot.from_frame(FRAMES[0]), Snapshot.from_frame(FRAMES[1][["x"]])
    with pytest.raises(WhydriftError, match=r"schema of the one before|schema=first"):
        pool([one, two])
    with pytest.raises(WhydriftError, match="no windows"):
        pool([])


def test_timelines_of_different_lengths_add_up():
    short = Timeline.of(np.arange(0.0, 50.0))
    long = Timeline.of(np.arange(0.0, 86_400.0 * 30, 3_600.0))
    merged = Timeline.merged([short, long])
    assert sum(merged.counts) == 50 + 24 * 30
    assert merged.seconds == long.seconds
    assert Timeline.merged([]) is None


def test_weights_tell_what_a_row_of_each_window_counts_for():
    windows = chained([frame(400, k * 86_400.0) for k in range(3)])
    joined = pool(windows, importance=[1.0, 2.0, 4.0])
    assert np.bincount(joined.parts).tolist() == pytest.approx([100, 200, 400], abs=16)
    assert joined.snapshot.rows == 700
    assert pool(windows, importance=[3.0] * 3).snapshot.rows == pool(windows).snapshot.rows
    for wrong in ([1.0, 2.0], [1.0, 0.0, 1.0], [1.0, float("nan"), 1.0]):
        with pytest.raises(WhydriftError, match="one positive number for each"):
            pool(windows, importance=wrong)
