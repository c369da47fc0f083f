from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from whydrift.discovery.errors import ConfigError
from whydrift.monitor.window.by_rows import RowWindows

START = datetime(1970, 1, 1, tzinfo=UTC)
FAR = datetime(2100, 1, 1, tzinfo=UTC)


def cut(plan: RowWindows, times: list[int], pieces: int = 1, **settings: object) -> list[tuple]:
    batches = np.array_split(np.array(times, dtype=np.int64), pieces)
    found = plan.cut(batches, START, FAR, **settings)  # type: ignore[arg-type]
    micros = timedelta(microseconds=1)
    return [((w.start - START) // micros, (w.end - START) // micros) for w in found]


def test_each_window_holds_its_rows_and_begins_where_the_last_ended() -> None:
    assert cut(RowWindows(3), [10, 20, 30, 40, 50, 60, 70]) == [(0, 31), (31, 61)]


def test_rows_of_one_time_stay_together() -> None:
    assert cut(RowWindows(3), [10, 20, 30, 30, 30, 40, 50, 60]) == [(0, 31), (31, 61)]


def test_windows_slide_by_rows() -> None:
    assert cut(RowWindows(4, step=2), [10, 20, 30, 40, 50, 60]) == [(0, 41), (30, 61)]


def test_rows_that_may_be_on_their_way_do_not_complete_a_window() -> None:
    times = np.array([10, 20, 30], dtype=np.int64)
    until = START + timedelta(microseconds=30)
    assert RowWindows(3).cut([times], START, until) == ()
    assert len(RowWindows(2).cut([times], START, until)) == 1


def test_where_more_are_complete_the_rest_follows_from_the_last_end() -> None:
    plan, times = RowWindows(2), np.arange(1, 101, dtype=np.int64)[::-1]
    first = plan.cut([times], START, FAR, most=30)
    rest = plan.cut([times], first[-1].end, FAR, most=30)
    assert len(first) == 30
    assert len(rest) == 20


@given(
    times=st.lists(st.integers(1, 60), max_size=80),
    rows=st.integers(1, 12),
    step=st.integers(1, 12),
    pieces=st.integers(1, 7),
    most=st.integers(1, 9),
)
def test_order_and_batches_do_not_matter(
    times: list[int], rows: int, step: int, pieces: int, most: int
) -> None:
    plan = RowWindows(rows, min(step, rows))
    whole = cut(plan, sorted(times), most=most)
    assert cut(plan, times, pieces, most=most) == whole
    for low, high in whole:
        inside = [t for t in times if low <= t < high]
        assert len(inside) >= rows
        assert sum(t < max(inside) for t in inside) < rows


@pytest.mark.parametrize(("rows", "step"), [(0, None), (5, 6), (5, 0)])
def test_windows_that_cannot_be_are_refused(rows: int, step: int | None) -> None:
    with pytest.raises(ConfigError, match="at least 1 row"):
        RowWindows(rows, step)
