"""Times, predictions and cluster keys break, too: they are in no graph, but in the faults."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import whydrift as wd
from whydrift.monitor.diagnosis.diagnosis import ColumnVerdict, Diagnosis, FaultKind

ROWS = 600


def window(seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=ROWS)
    seconds = np.sort(rng.integers(0, 3 * 86_400, ROWS)) + seed * 3 * 86_400
    return pd.DataFrame(
        {
            "when": pd.Timestamp("2026-01-01") + pd.to_timedelta(seconds, unit="s"),
            "user": rng.integers(0, 80, ROWS).astype(str),
            "x": x,
            "y": x + rng.normal(size=ROWS),
            "guess": x + 0.05 * rng.normal(size=ROWS),
        }
    )


def compared(current: pd.DataFrame) -> Diagnosis:
    return wd.compare(
        window(1),
        current,
        target="y",
        prediction="guess",
        time_column="when",
        cluster="user",
        graph=[("x", "y")],
    )


@pytest.mark.parametrize(
    ("column", "kind", "value"),
    [
        ("guess", FaultKind.NULL_SPIKE, np.nan),
        ("user", FaultKind.NULL_SPIKE, None),
        ("when", FaultKind.NULL_SPIKE, pd.NaT),
        ("when", FaultKind.DEFAULT_VALUE, pd.Timestamp(0)),
    ],
)
def test_a_column_with_a_role_breaks_like_any_other(column, kind, value):
    current = window(2)
    current.loc[np.random.default_rng(0).random(ROWS) < 0.2, column] = value
    found = compared(current)
    assert [(f.kind, f.columns) for f in found.faults] == [(kind, (column,))]
    assert found.remedy.action == "fix_pipeline"
    assert found.current.start.startswith("2026-01-07")
    since = found.faults[0].first_seen
    assert since.startswith("2026-01-07") if column != "when" else since is None
    has_row = column == "guess"
    assert (kind.value in {w.code for w in found.warnings}) is not has_row
    if has_row:
        row = found.columns[column]
        assert (row.verdict, row.fault) == (ColumnVerdict.FAULT, kind)
        assert "in the reference 0.0%" in row.reason


def test_sound_columns_with_roles_have_no_fault():
    assert compared(window(2)).faults == ()


def test_a_window_of_a_single_day_has_no_placeholder_for_its_date():
    def of(days: list[str], seed: int) -> pd.DataFrame:
        rng = np.random.default_rng(seed)
        when = np.sort(pd.to_datetime(rng.choice(days, ROWS)))
        return pd.DataFrame({"when": when, "x": rng.normal(size=ROWS), "y": rng.normal(size=ROWS)})

    june = [f"2026-06-{day:02}" for day in range(1, 31)]
    found = wd.compare(of(june, 1), of(["2026-07-01"], 2), time_column="when", graph=[])
    assert found.faults == ()
