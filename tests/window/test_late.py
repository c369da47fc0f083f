from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from whydrift.monitor.window.duration import Duration
from whydrift.monitor.window.late import Arrival, late_rows

PARIS = ZoneInfo("Europe/Paris")
READY = datetime(2026, 5, 4, 2, tzinfo=PARIS)


@pytest.mark.parametrize(
    ("found", "now", "arrival", "told"),
    [
        (100, datetime(2026, 5, 5, tzinfo=PARIS), Arrival.NOTHING, ""),
        (101, datetime(2026, 5, 5, tzinfo=PARIS), Arrival.RECOMPUTE, "1 row came late"),
        (90, datetime(2026, 5, 5, tzinfo=PARIS), Arrival.RECOMPUTE, "10 rows are gone"),
        (
            101,
            datetime(2026, 5, 7, 2, tzinfo=PARIS),
            Arrival.TOO_LATE,
            "what was said of it stands",
        ),
    ],
)
def test_late_rows_are_taken_up_for_as_long_as_is_allowed(
    found: int, now: datetime, arrival: Arrival, told: str
) -> None:
    late = late_rows(100, found, ready=READY, now=now, allow=Duration.parse("3d"), zone=PARIS)
    assert late.arrival is arrival
    assert late.change == found - 100
    assert told in late.text
