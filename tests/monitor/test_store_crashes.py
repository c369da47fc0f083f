"""Processes that write at once, and processes that are killed while they write."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.monitor.conftest import NOW, key, window
from tests.monitor.test_store_memory import settlement
from whydrift.monitor.store import open_store
from whydrift.monitor.store.check import ProblemKind, check
from whydrift.monitor.store.collect import collect
from whydrift.monitor.store.digest import digest
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


# A check is settled by one process after another; each of them is killed at another line.
SETTLED = """
import json, os, signal, sys
import sqlalchemy as sa
from tests.monitor.conftest import NOW
from tests.monitor.test_store_memory import settlement
from whydrift.monitor.store import open_store, settle

def die(*_a, **_k):
    os.kill(os.getpid(), signal.SIGKILL)

def after(module, name):
    real = getattr(module, name)
    def called(*arguments, **named):
        real(*arguments, **named)
        die()
    setattr(module, name, called)

def work(url, line):
    with open_store(url, clock=lambda: NOW) as store:
        lease = store.take_lease("m", "one", seconds=600)
        found = settlement(store)
        match line:
            case "result": after(settle.results, "put")
            case "alert": after(settle.alerts, "change")
            case "message": after(settle.outbox, "put")
            case "state": after(settle.visits, "put_state")
            case "commit": sa.event.listen(store.database._engine, "checkin", die)
        store.settle(found, lease)

told = []
for line in ("result", "alert", "message", "state", "commit", "none"):
    child = os.fork()
    if not child:
        work(sys.argv[1], line)
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    with open_store(sys.argv[1]) as store:
        told.append([status, len(store.list_visits("m")), store.outbox_pending().get("hook", 0)])
print(json.dumps(told))
"""

# Holds the lease, and is stopped by its parent before it settles.
LEADER = """
import sys
from tests.monitor.conftest import NOW
from tests.monitor.test_store_memory import settlement
from whydrift.discovery.errors import LeaseLost
from whydrift.monitor.store import open_store
with open_store(sys.argv[1], clock=lambda: NOW) as store:
    lease = store.take_lease("m", "old", seconds=0.2)
    found = settlement(store, verdict="both")
    print("leads", flush=True)
    sys.stdin.readline()
    try:
        store.settle(found, lease)
    except LeaseLost as error:
        print(error, flush=True)
"""


def test_a_check_killed_at_any_line_and_run_again_is_settled_once(url, reopened, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", SETTLED, url],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    killed = -signal.SIGKILL
    assert json.loads(done.stdout) == [*[[killed, 0, 0]] * 4, [killed, 1, 1], [0, 1, 1]]
    store = reopened()
    with open_store(f"sqlite:///{tmp_path}/undisturbed.db", clock=lambda: NOW) as undisturbed:
        undisturbed.settle(settlement(undisturbed), None)
        assert digest(store) == digest(undisturbed)
    assert store.outbox_pending() == {"hook": 1} and check(store) == []


def test_a_leader_that_was_paused_while_another_took_over_writes_nothing(url, reopened):
    store = reopened()
    old = subprocess.Popen(
        [sys.executable, "-c", LEADER, url],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert old.stdin is not None and old.stdout is not None
    assert old.stdout.readline() == "leads\n"
    old.send_signal(signal.SIGSTOP)
    while (lease := store.take_lease("m", "new", seconds=600)) is None:
        time.sleep(0.02)  # by the database's clock, which nobody can put on
    assert lease.token == 2
    store.settle(settlement(store), lease)
    before = digest(store)
    old.send_signal(signal.SIGCONT)
    told, _ = old.communicate("go\n", timeout=60)
    assert "another process has taken over" in told
    assert digest(store) == before


# Takes the lease and is stopped, by itself, in the middle of the transaction that settles.
STOPPED = """
import os, signal, sys
from tests.monitor.conftest import NOW
from tests.monitor.test_store_memory import settlement
from whydrift.discovery.errors import StoreError
from whydrift.monitor.store import open_store, settle
with open_store(sys.argv[1], clock=lambda: NOW) as store:
    lease = store.take_lease("m", "old", seconds=0)
    found = settlement(store, verdict="both")
    real = settle.outbox.put
    def put(*arguments, **named):
        real(*arguments, **named)
        print("stops", flush=True)
        os.kill(os.getpid(), signal.SIGSTOP)
    settle.outbox.put = put
    try:
        store.settle(found, lease)
    except StoreError as error:
        print(error, flush=True)
"""


def test_a_leader_that_was_stopped_amid_its_transaction_holds_nobody_up_for_long(postgres):
    url = postgres.new_schema()
    stopped = f"{url}%20-c%20idle_in_transaction_session_timeout%3D200ms"
    with open_store(url, clock=lambda: NOW) as store:
        old = subprocess.Popen(
            [sys.executable, "-c", STOPPED, stopped], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        assert old.stdout is not None and old.stdout.readline() == "stops\n"
        lease = store.take_lease("m", "new", seconds=600)
        assert lease is not None and lease.token == 2
        store.settle(settlement(store), lease)
        before = digest(store)
        old.send_signal(signal.SIGCONT)
        told, _ = old.communicate(timeout=60)
        assert "idle-in-transaction timeout" in told or "terminating connection" in told
        assert digest(store) == before
