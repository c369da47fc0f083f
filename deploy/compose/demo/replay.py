"""Writes wines as a live model would see them: a day of past windows, then one every ten minutes.

    python replay.py DIR

The rows are those of ``whydrift demo``. Past windows are ordinary; from then on the jury changes
for an hour in every eight, wines get sweeter for another, and the laboratory's export breaks for a
third. A window's rows go by its time alone: what is written twice is the same.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from whydrift.monitor.demo.scenes import build_stage

EVERY = timedelta(minutes=10)
PAST = timedelta(days=1)
ROWS = 400
CYCLE = 48  # windows: eight hours
DRIFTS = {"new_jury": range(12, 18), "sweeter": range(26, 32), "lab_export": range(40, 46)}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Wines:
    """What there is to be drawn from: by scene, its rows."""

    def __init__(self) -> None:
        stage = build_stage()
        found = {scene.name: scene.window for scene in stage.scenes}
        ordinary = pa.concat_tables([stage.reference, found.pop("quiet")])
        self._scenes: dict[str, pa.Table] = {"": ordinary, **found}

    def window(self, start: datetime, scene: str) -> pa.Table:
        """Return the rows of a window, each with its time."""
        rng = np.random.default_rng(int(start.timestamp()))
        table = self._scenes[scene]
        drawn = table.take(rng.choice(table.num_rows, ROWS, replace=False))
        seconds = np.sort(rng.uniform(0, EVERY.total_seconds(), ROWS))
        at = np.datetime64(start.replace(tzinfo=None), "us") + (seconds * 1e6).astype("m8[us]")
        return drawn.append_column("at", pa.array(at, pa.timestamp("us", tz="UTC")))


def scene_at(start: datetime) -> str:
    """Return what happens in a window that is written live; empty for nothing."""
    place = (start - _EPOCH) // EVERY % CYCLE
    return next((scene for scene, windows in DRIFTS.items() if place in windows), "")


def path_of(folder: Path, start: datetime) -> Path:
    """Return where a window's rows lie."""
    return folder / "wine" / f"dt={start:%Y-%m-%d}" / f"{start:%H%M}.parquet"


def complete(since: datetime, now: datetime) -> Iterator[datetime]:
    """Yield the starts of windows that begin at or after ``since`` and are over."""
    start = _EPOCH + -(-(since - _EPOCH) // EVERY) * EVERY
    while start + EVERY <= now:
        yield start
        start += EVERY


def write_due(wines: Wines, folder: Path, live_since: datetime, now: datetime) -> int:
    """Write the windows that are over and not there yet; return how many."""
    written = 0
    for start in complete(live_since - PAST, now):
        path = path_of(folder, start)
        if path.exists():
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        # Whole or not at all: nobody reads half a file.
        unfinished = path.with_suffix(".unfinished")
        scene = scene_at(start) if start >= live_since else ""
        pq.write_table(wines.window(start, scene), unfinished)
        unfinished.rename(path)
        written += 1
    return written


def main() -> None:
    """Write for ever."""
    folder, wines, live_since = Path(sys.argv[1]), Wines(), datetime.now(UTC)
    while True:
        written = write_due(wines, folder, live_since, datetime.now(UTC))
        if written:
            print(f"{written} windows written", flush=True)
        time.sleep(5)


if __name__ == "__main__":
    main()
