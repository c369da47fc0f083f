"""Processes that write at once, and processes that are killed while they write."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.monitor.conftest import NOW, key, window
from whydrift.monitor.store.check import ProblemKind, check
from whydrift.monitor.store.collect import collect
from whydrift.monitor.store.retention import Keep
from whydrift.monitor.window.duration import Duration

ROOT = Path(__file__).parent.parent.parent
KEEP = Keep(Duration(400, "d"), Duration(400, "d"), Duration(3, "y"))

WRITER = """
import sys
from tests.monitor.conftest import diagnosis, key, window
from whydrift.monitor.store import open_store
url, me = sys.argv[1], int(sys.argv[2])
sys.stdin.readline()
with open_store(url) as store:
    rules = store.put_config("m", "floor: 0.1")
    for turn in range(10):
        store.put_snapshot(key(turn % 3), window(100 * me + turn))
        store.put_result(key(), diagnosis(f"{me}-{turn}", f"v{me}-{turn}"), config_hash=rules)
"""

# Kills itself with nothing to catch it, as kill -9 and a power cut do, at a named line.
KILLED = """
import os, signal, sys
import sqlalchemy as sa
from tests.monitor.conftest import key, window
from whydrift.monitor.store import content, open_store, snapshots
url, line = sys.argv[1:]

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

store = open_store(url)
if line == "before the rename":
    content.Path.replace = die
if line == "after the file":
    content.fsync_folder = die
if line == "after the row":
    real = snapshots.put
    def put(*a, **k):
        real(*a, **k)
        die()
    snapshots.put = put
if line == "after the commit":
    sa.event.listen(store.database._engine, "checkin", die)
store.put_snapshot(key(), window(2, rows=2000, columns=80))
raise SystemExit("was not killed")
"""


def script(code: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        cwd=ROOT, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_two_processes_that_write_at_once_lose_nothing(url, reopened):
    writers = [script(WRITER, url, str(me)) for me in (1, 2)]
    for writer in writers:  # both are up, and begin by making the tables
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
    for writer in writers:
        _, told = writer.communicate(timeout=60)
        assert writer.returncode == 0, told
    store = reopened()
    windows = store.list_snapshots(current=None)
    assert len(windows) == 20
    assert Counter(w.key for w in windows if w.current) == {key(h): 1 for h in range(3)}
    for hour in range(3):
        revisions = sorted(w.revision for w in windows if w.key == key(hour))
        assert revisions == list(range(1, len(revisions) + 1))
    results = store.list_results(current=None)
    assert sorted(r.revision for r in results) == list(range(1, 21))
    assert sum(r.current for r in results) == 1
    assert check(store) == []


@pytest.mark.parametrize(
    "line", ["before the rename", "after the file", "after the row", "after the commit"]
)
def test_a_process_killed_while_it_writes_leaves_the_store_whole(url, reopened, line):
    is_sqlite = url.startswith("sqlite")
    if not is_sqlite and line in {"before the rename", "after the file"}:
        pytest.skip("PostgreSQL keeps no files beside it")
    store = reopened()
    before = store.put_snapshot(key(), window(1))
    killed = script(KILLED, url, line)
    _, told = killed.communicate(timeout=60)
    assert killed.returncode == -signal.SIGKILL, told
    now = store.find_snapshot(key())
    assert now is not None
    if line == "after the commit":
        assert now.revision == 2 and now.rows == 2000
    else:
        assert now == before
    assert store.get_snapshot(now).rows == now.rows
    problems = check(store)
    assert {p.kind for p in problems} <= {ProblemKind.LEFT_OVER}
    assert len(problems) == (is_sqlite and line != "after the commit"), json.dumps(
        [p.to_dict() for p in problems]
    )
    assert collect(store, KEEP, now=NOW).files == len(problems)
    assert check(store) == []
    # Nothing is locked, and the write goes through when it is tried again.
    again = store.put_snapshot(key(), window(2, rows=2000, columns=80))
    assert again.revision == 2 and store.get_snapshot(again).rows == 2000
    assert check(store) == []
