"""What is foreseen of a monitor is what its results then say they could have seen."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from whydrift import Snapshot, compare
from whydrift.monitor.diagnosis.foreseen import foreseen_effect


@pytest.mark.parametrize(
    ("rows", "columns", "windows"), [(300, 4, 20), (1000, 6, 16), (1000, 4, 7)]
)
def test_what_is_foreseen_is_what_results_say(rows, columns, windows):
    """Of rows that do not depend on each other, in windows that are alike."""
    rng = np.random.default_rng(7)
    level = 0.004

    def window(schema=None):
        table = pa.table({f"x{i}": rng.normal(size=rows) for i in range(columns)})
        return Snapshot.from_frame(table, schema=schema)

    first = window()
    past = [first, *(window(first.schema) for _ in range(windows - 1))]
    found = compare(past, window(first.schema), level=level)
    told = sorted(c.detectable_effect for c in found.columns.values())
    foreseen = foreseen_effect(rows, windows, level=level, tests=found.error_control.tests)
    assert foreseen == pytest.approx(told[len(told) // 2], rel=0.15)


def test_more_rows_windows_and_level_show_smaller_changes():
    def seen(rows=1000, windows=28, level=0.004, tests=10):
        found = foreseen_effect(rows, windows, level=level, tests=tests)
        assert found is not None
        return found

    assert seen(rows=4000) < seen() < seen(rows=250)
    assert seen(windows=60) < seen() < seen(windows=14)
    assert seen(level=0.04) < seen() < seen(level=0.0004)
    assert seen(tests=2) < seen() < seen(tests=100)
    assert seen(rows=10**9) == seen(rows=10**8)  # a sample holds so many
    assert foreseen_effect(1, 28, level=0.004, tests=10) is None
