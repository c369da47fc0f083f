"""Guesses how rows may be cut into windows, from when they were."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from whydrift.monitor.window.calendar import TimeWindows
from whydrift.monitor.window.duration import Duration

if TYPE_CHECKING:
    from whydrift.discovery.snapshot.snapshot import Snapshot

__all__ = ["WindowGuess", "guess_windows"]

# How long a window is, and how long to wait after its end; the longest first.
_LENGTHS: Final = (("1w", "6h"), ("1d", "2h"), ("1h", "10m"), ("10m", "1m"))
_USUAL: Final = 1  # a day
_LEAST_WINDOWS: Final = 15  # fourteen past ones tell how much they differ, and one is judged
_LEAST_ROWS: Final = 200
_REFERENCE: Final = 28
_SHARE_OF_REFERENCE: Final = 0.7  # where there are not enough for a whole one


@dataclass(frozen=True, slots=True)
class WindowGuess:
    """Windows that the rows at hand fill.

    Parameters
    ----------
    every, delay : str
        As they are written in a configuration.
    since : datetime, optional
        End of the first reference, in UTC; None where there are too few windows for one.
    reference : int
        Past windows that one is compared with.
    why : str
        What it follows from.
    """

    every: str
    delay: str
    since: datetime | None
    reference: int
    why: str

    @property
    def since_text(self) -> str | None:
        """As it is written: a date where it is midnight."""
        if self.since is None:
            return None
        if self.since.hour == self.since.minute == 0:
            return f"{self.since:%Y-%m-%d}"
        return f"{self.since:%Y-%m-%dT%H:%M:%SZ}"


def guess_windows(snapshot: Snapshot, time: str) -> WindowGuess:
    """Return days, where the rows are enough for that; else shorter or longer windows.

    Parameters
    ----------
    snapshot : Snapshot
        All rows at hand.
    time : str
        The column that says when a row was.
    """
    ends = snapshot.quantiles(time, [0.0, 1.0])
    first, last = (datetime.fromtimestamp(float(seconds), UTC) for seconds in ends)
    chosen = _chosen(snapshot.rows, (last - first).total_seconds())
    every, delay = _LENGTHS[chosen]
    windows = TimeWindows(Duration.parse(every), UTC)
    # Ends of whole windows: the first one may have begun before the first row.
    begin = windows.next_end(windows.last_end(first))
    complete = [begin, *_ends(windows, begin, last)]
    count = len(complete) - 1
    rows = snapshot.rows / max(count, 1)
    span = f"{first:%Y-%m-%d} to {last:%Y-%m-%d}, about {rows:,.0f} rows a window"
    if count < _LEAST_WINDOWS:
        return WindowGuess(every, delay, None, _REFERENCE, f"{span}: too few windows to tell")
    past = _REFERENCE if count > _REFERENCE else max(
        _LEAST_WINDOWS - 1, int(count * _SHARE_OF_REFERENCE)
    )  # fmt: skip
    return WindowGuess(every, delay, complete[past], past, span)


def _chosen(rows: int, seconds: float) -> int:
    """Return the longest of the lengths that is not too long; a day where it will do."""
    counts = [seconds / Duration.parse(every).least_seconds for every, _ in _LENGTHS]
    if counts[_USUAL] >= _LEAST_WINDOWS + 1:
        is_thin = rows / counts[_USUAL] < _LEAST_ROWS and counts[0] >= _LEAST_WINDOWS + 1
        return 0 if is_thin else _USUAL
    fitting = [
        place
        for place, count in enumerate(counts)
        if count >= _LEAST_WINDOWS + 1 and rows / count >= _LEAST_ROWS
    ]
    return fitting[0] if fitting else _USUAL


def _ends(windows: TimeWindows, end: datetime, last: datetime) -> list[datetime]:
    found = []
    while (end := windows.next_end(end)) <= last:
        found.append(end)
    return found
