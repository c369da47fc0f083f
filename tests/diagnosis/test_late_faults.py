"""Since which row a fault of whole columns is present, from what each row says."""

import numpy as np
import pytest

from tests.diagnosis.worlds import houses
from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.monitor.diagnosis.faults.late import begins, in_the_last, late_starts, stepped


@pytest.mark.parametrize("since", [100, 900, 1_700])
def test_the_beginning_is_where_rows_begin_to_speak_for_the_fault(since):
    for seed in range(20):
        speaks = np.random.default_rng(seed).normal(scale=2.0, size=2_000)
        speaks += np.where(np.arange(2_000) < since, -1.0, 1.0)
        surely = next(s for s in late_starts(2_000) if s >= since)
        found = begins(speaks, surely)
        assert found is not None
        assert abs(found - since) < 40


def test_a_fault_that_may_as_well_be_in_all_rows_does_not_begin_within_the_window():
    told = sum(
        begins(np.random.default_rng(seed).normal(0.3, 2.0, size=2_000), 1_000) is not None
        for seed in range(200)
    )
    assert told == 0


@pytest.mark.parametrize("speaks", [np.zeros(200), np.ones(200), -np.ones(200)])
def test_rows_that_say_nothing_or_all_the_same_date_nothing(speaks):
    assert begins(speaks, 100) is None


def test_later_parts_of_short_windows_are_not_looked_at():
    assert late_starts(99) == ()
    assert late_starts(150) == (75,)
    assert late_starts(2_000) == (1_000, 1_500, 1_750)


def test_all_of_the_rows_are_not_spoken_of():
    assert in_the_last(1.0) == ""
    assert in_the_last(0.456) == " in the last 46% of the rows"


def steps_of(frame):
    window = Snapshot.from_frame(frame)
    return stepped(window, window.schema.modelled, window.schema)


def test_a_column_that_a_later_part_has_otherwise_is_told_and_the_others_are_not():
    frame = houses(2_000, 1)
    frame["price"] = frame["price"].where(np.arange(2_000) < 1_500, -frame["price"])
    found = steps_of(frame.assign(other=np.random.default_rng(2).normal(size=2_000)))
    assert all("price" in columns and "other" not in columns for columns in found.values())
    assert tuple(found) == late_starts(2_000)


def test_ordinary_windows_are_seldom_looked_at_more_closely():
    found = [steps_of(houses(1_000, seed)) for seed in range(40)]
    pairs = sum(len(columns) > 1 for parts in found for columns in parts.values())
    assert pairs <= 6  # of 120


def test_a_window_of_few_rows_has_no_later_parts():
    assert steps_of(houses(90, 1)) == {}
