"""One real daemon among broken windows and a receiver that hangs, and `run` where clocks change."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import count
from pathlib import Path
from threading import Event, Thread
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq
import pytest

from tests.service.receiver import Receiver, receiver
from tests.service.served import Served, served, until
from tests.service.world import HOUR, configuration, lately, monitor
from whydrift.monitor.store import open_store
from whydrift.monitor.store.state import Visit
from whydrift.monitor.window.interval import Interval

FIRST, LAST, BROKEN = 2, 8, 6  # hours after the begin: files from, files to, and the odd one
ROWS = 200
FINAL = {"ok", "drift", "undetermined"}
Change = Callable[[pa.Table], pa.Table]


def rows(hour: int, begin: datetime, size: int = ROWS) -> pa.Table:
    draws = np.random.default_rng([11, hour])
    income = draws.normal(size=size)
    seconds = np.sort(draws.uniform(0, 3599, size))
    moments = [begin + hour * HOUR + timedelta(seconds=float(s)) for s in seconds]
    return pa.table(
        {
            "ts": pa.array(moments, pa.timestamp("us", "UTC")),
            "income": income,
            "price": 2 * income + draws.normal(size=size),
        }
    )


def twice(table: pa.Table) -> pa.Table:
    return pa.concat_tables([table, table])


def words(table: pa.Table) -> pa.Table:
    said = pa.array([f"x{value}" for value in table["income"].to_pylist()])
    return table.set_column(1, "income", said)


def users(table: pa.Table) -> pa.Table:
    """Ten thousand names in a window, other ones in each."""
    first = table["ts"][0].as_py().hour
    return table.append_column("user", pa.array([f"u{first}-{k}" for k in range(len(table))]))


# What becomes of the odd hour, by monitor.
CHANGES: dict[str, Change] = {
    "well": lambda table: table,
    "again": twice,
    "went": lambda table: table.drop_columns(["income"]),
    "typed": words,
    "empty": lambda table: table.slice(0, 0),
}


@dataclass
class World:
    folder: Path
    begin: datetime
    daemon: Served
    told: Receiver

    @property
    def store(self) -> str:
        return f"sqlite:///{self.folder}/whydrift.db"

    @property
    def odd(self) -> Interval:
        return Interval(self.begin + BROKEN * HOUR, self.begin + (BROKEN + 1) * HOUR)

    def file(self, name: str, hour: int = BROKEN) -> Path:
        suffix = "csv" if name in {"cut", "grows"} else "parquet"
        at = self.begin + hour * HOUR
        return self.folder / name / f"{at:%Y-%m-%dT%H}.{suffix}"

    def visits(self, name: str) -> list[Visit]:
        """What is known of its windows that have files, but those of the reference."""
        first, last = (self.begin + hour * HOUR for hour in (FIRST + 2, LAST))
        with open_store(self.store, create=False) as store:
            return list(store.list_visits(name, start=first, end=last))

    def outcomes(self, name: str) -> list[str]:
        return [v.outcome.value for v in self.visits(name)]

    def result(self, name: str) -> dict[str, object]:
        with open_store(self.store, create=False) as store:
            (record,) = (r for r in store.list_results(monitor=name) if r.key.interval == self.odd)
            return store.get_result(record.id) or {}

    def says(self) -> str:
        return self.daemon.log.read_text()


def write_all(there: World) -> None:
    for name in (*CHANGES, "many", "footer", "cut", "grows"):
        (there.folder / name).mkdir()
        for hour in range(FIRST, LAST):
            table = rows(hour, there.begin, 10_000 if name == "many" else ROWS)
            if name == "many":
                table = users(table)
            elif hour == BROKEN and name in CHANGES:
                table = CHANGES[name](table)
            path = there.file(name, hour)
            if path.suffix == ".csv":
                pc.write_csv(table, path)
            else:
                pq.write_table(table, path)


def without_footer(there: World) -> None:
    path = there.file("footer")
    path.write_bytes(path.read_bytes()[:-100])


def cut_in_a_row(path: Path) -> bytes:
    """Leave the file without its last lines, and half of one; return what is missing."""
    whole = path.read_bytes()
    place = whole.rindex(b",", 0, len(whole) * 2 // 3)  # before the last field of a row
    path.write_bytes(whole[:place])
    return whole[place:]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder, begin = tmp_path_factory.mktemp("world"), lately()
    grown = Event()
    # The first messages: one is never answered, one is refused for now.
    with receiver("hang", 500) as told:
        there = World(folder, begin, None, told)  # type: ignore[arg-type]
        write_all(there)
        without_footer(there)
        cut_in_a_row(there.file("cut"))
        rest = cut_in_a_row(there.file("grows"))
        monitors = "".join(
            monitor(name, folder / name, begin=begin).replace(
                "*.parquet", f"{{date}}T{{hour}}{there.file(name).suffix}"
            )
            for name in (*CHANGES, "many", "footer", "cut", "grows")
        )
        config = folder / "whydrift.yaml"
        config.write_text(
            configuration(there.store, monitors, more="checks: {workers: 2, timeout: 2m}\n")
            + f"notify:\n  - webhook: {{url: '{told.url}'}}\n"
        )
        writer = Thread(target=grow, args=(there.file("grows"), rest, begin, grown))
        writer.start()
        try:
            with served(config) as daemon:
                there.daemon = daemon.ready()
                until(lambda: "error" in there.outcomes("grows"), 300, of=there.says)
                grown.set()
                writer.join()
                yield there
        finally:
            grown.set()
            writer.join()


def grow(path: Path, rest: bytes, begin: datetime, grown: Event) -> None:
    """Add to a file until it was seen to grow; the end of what is there is always half a row."""
    moment = (begin + BROKEN * HOUR).strftime("%Y-%m-%d %H:%M:%S.%fZ").encode()
    with path.open("ab", buffering=0) as file:
        for number in count():
            file.write(b",%d\n%s,%d" % (number, moment, number))
            if grown.wait(0.02):
                file.write(rest)
                return


def test_windows_are_judged_beside_one_that_is_half_written(world: World):
    for name in ("footer", "cut", "grows"):
        until(lambda name=name: len(world.outcomes(name)) == 4, 300, of=world.says)
        outcomes = world.outcomes(name)
        assert outcomes[BROKEN - 4] == "error", (name, outcomes)
        until(lambda name=name: sum(o in FINAL for o in world.outcomes(name)) == 3, 300)
        (line, *_) = world.daemon.said("check_failed", monitor=name)
        assert world.file(name).name in line["error"] and "traceback" not in line, line
        assert f"{world.begin + BROKEN * HOUR:%Y-%m-%dT%H}" in line["window"]


def test_what_was_half_written_is_judged_in_full_once_it_is_whole(world: World):
    table = rows(BROKEN, world.begin)
    pq.write_table(table, world.file("footer"))
    for name in ("cut", "grows"):
        pc.write_csv(table, world.file(name))
    for name in ("footer", "cut", "grows"):  # tried again half a minute later, or a minute
        until(lambda name=name: sum(o in FINAL for o in world.outcomes(name)) == 4, 600)
        assert world.result(name)["windows"]["current"]["rows"] == ROWS  # type: ignore[index]
    until(lambda: world.daemon.metric('whydrift_consecutive_failures{monitor="cut"}') == 0)


def test_a_receiver_that_hangs_slows_nobody_down(world: World):
    until(lambda: world.told.received, 300, of=world.says)
    took = []
    for _ in range(20):
        began = time.perf_counter()
        assert world.daemon.get("/metrics")[0] == 200
        took.append(time.perf_counter() - began)
    assert statistics.median(took) < 0.5, took
    until(lambda: sum(o in FINAL for o in world.outcomes("well")) == 4, 300, of=world.says)


@pytest.mark.parametrize(
    ("name", "kind"),
    [("again", "rows_duplicated"), ("went", "column_missing"), ("typed", "type_change")],
)
def test_a_window_that_broke_is_a_fault_and_the_next_one_is_judged(
    world: World, name: str, kind: str
):
    until(lambda: sum(o in FINAL for o in world.outcomes(name)) == 4, 300, of=world.says)
    result = world.result(name)
    assert result["fault"] is True and result["verdict"] in {"none", "undetermined"}
    assert [fault["kind"] for fault in result["faults"]] == [kind]  # type: ignore[attr-defined]
    assert not world.daemon.lines("check_failed", monitor=name)


def test_a_window_without_rows_says_so_and_is_no_error(world: World):
    until(lambda: len(world.outcomes("empty")) == 4, 300, of=world.says)
    assert world.outcomes("empty")[BROKEN - 4] == "no_data"
    assert not world.daemon.lines("check_failed", monitor="empty")


def test_ten_thousand_names_in_each_window_are_judged(world: World):
    until(lambda: sum(o in FINAL for o in world.outcomes("many")) == 4, 300, of=world.says)
    assert not world.daemon.lines("check_failed", monitor="many")


def test_each_message_was_taken_once_though_the_receiver_hung(world: World):
    with open_store(world.store, create=False) as store:
        until(lambda: not store.outbox_pending(), 300, of=world.says)
    keys = Counter(world.told.keys())
    assert len(keys) >= 3 and set(keys.values()) == {1}, keys
    assert len(world.told.received) == len(keys) + 2
    refused = world.daemon.said("not_notified")
    assert [line["error"][:9] for line in refused] == ["no answer", "HTTP 500:"]
    assert world.daemon.end() == 0


# ---- where clocks change ------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("zone", "changes", "hours"),
    [
        ("Europe/Paris", date(2024, 3, 31), 23),
        ("Europe/Paris", date(2024, 10, 27), 25),
        ("Australia/Lord_Howe", date(2024, 4, 7), 24.5),
        ("Australia/Lord_Howe", date(2024, 10, 6), 23.5),
        ("Asia/Kolkata", date(2024, 3, 31), 24),
    ],
)
def test_a_run_judges_local_days_in_full_where_clocks_change(
    tmp_path: Path, zone: str, changes: date, hours: float
):
    first = datetime.combine(changes - timedelta(days=5), datetime.min.time(), ZoneInfo(zone))
    half_hours = 2 * 24 * 8
    start = first.astimezone(UTC)
    moments = [start + timedelta(minutes=10 * k + 1) for k in range(3 * half_hours)]
    draws = np.random.default_rng(3)
    income = draws.normal(size=len(moments))
    table = pa.table({"ts": pa.array(moments, pa.timestamp("us", "UTC")), "income": income})
    pq.write_table(table, tmp_path / "rows.parquet")
    (tmp_path / "whydrift.yaml").write_text(
        f"version: 1\nstore: {{url: 'sqlite:///{tmp_path}/whydrift.db'}}\nmonitors:\n"
        f"  - name: days\n    source: {{files: '{tmp_path}/rows.parquet', time_column: ts}}\n"
        f"    window: {{every: 1d, timezone: {zone}}}\n    reference: {{last: 3}}\n"
    )
    left = subprocess.run(
        [sys.executable, "-m", "whydrift", "run", "-c", str(tmp_path / "whydrift.yaml"), "-q",
         "--from", f"{changes - timedelta(days=1)}", "--to", f"{changes + timedelta(days=2)}"],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert left.returncode == 0, left.stderr
    with open_store(f"sqlite:///{tmp_path}/whydrift.db", create=False) as store:
        records = store.list_results(monitor="days")
        found = [store.get_result(record.id) or {} for record in records]
    lengths = [record.key.interval.length / HOUR for record in records]
    assert lengths == [24, hours, 24]
    assert [one["windows"]["current"]["rows"] for one in found] == [6 * h for h in lengths]
