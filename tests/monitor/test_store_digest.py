"""Two stores of the same history have the same digest, whatever happened in between."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest

from tests.monitor.conftest import NOW, START, diagnosis, key, window
from tests.monitor.test_store_memory import closed, opened, settlement
from whydrift import Graph
from whydrift.monitor.store import open_store
from whydrift.monitor.store.digest import digest
from whydrift.monitor.store.state import CheckOutcome, Message, Visit, VisitKind


def fill(store, *, is_disturbed: bool = False) -> None:
    """Judge four windows; where it is disturbed, with errors, restarts and take-overs."""
    lease = store.take_lease("m", "a", seconds=0)
    store.begin("m", START)
    store.put_graph("m", Graph.from_pairs([("x0", "x1")]), learned_from="2 windows")
    for hour in range(4):
        interval = key(hour).interval
        identity = uuid4().hex
        store.put_snapshot(key(hour), window(hour))
        change = opened(hour) if hour < 3 else closed(hour)
        url = f"https://drift/diagnoses/{identity}"
        details = {"report_url": url, "text": f"see {identity}"}
        done = settlement(
            store, hour,
            results={"": diagnosis(identity, "none" if hour == 3 else "mechanism")},
            alerts=(replace(change, result=identity, details=details),),
            messages=(
                Message("hook", f"k{hour}", {"monitor": "m", "fingerprint": "f" * 32} | details),
            ),
        )  # fmt: skip
        if is_disturbed:
            store.fail("m", interval, VisitKind.FEATURES, "gone", next_at=NOW, lease=lease)
            lease = store.take_lease("m", f"other {hour}", seconds=0)
            store.put_snapshot(key(hour), window(hour))
        store.settle(done, lease)
        if is_disturbed:
            done.results[""].update(id=uuid4().hex, seconds={"total": 7.0})
            store.settle(done, lease)
            (waiting,) = store.outbox_due(NOW + timedelta(days=1))
            store.outbox_retry(waiting.id, NOW, "500")
            store.outbox_done(waiting.id, "ok")
            store.put_event("reload", "whydrift.yaml", at=NOW, actor="serve")
    store.put_event("release", "v2", at=START, actor="ann", monitor="m")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> str:
    with open_store(f"sqlite:///{tmp_path_factory.mktemp('digest')}/w.db") as store:
        fill(store)
        return digest(store).total


def test_errors_restarts_take_overs_and_the_engine_leave_the_digest_as_it_is(url, undisturbed):
    with open_store(url, clock=lambda: NOW + timedelta(days=1)) as store:
        fill(store, is_disturbed=True)
        assert digest(store).total == undisturbed


@pytest.mark.parametrize(
    ("part", "write"),
    [
        ("visit", lambda s: s.put_visits(
            [Visit("m", key(9).interval, VisitKind.LABELS, CheckOutcome.SKIPPED, NOW)])),
        ("result", lambda s: s.put_result(
            key(3), diagnosis("d", "both"), config_hash=s.put_config("m", "floor: 0.1"))),
        ("snapshot", lambda s: s.put_snapshot(key(3), window(9))),
        ("outbox", lambda s: s.put_messages([Message("hook", "k9", {})])),
        ("event", lambda s: s.put_event("fix", "v3", at=NOW, actor="ann")),
        ("monitor_state", lambda s: s.set_paused("m", True)),
        ("graph", lambda s: s.put_graph("m", Graph.from_pairs([("x1", "x0")]), learned_from="-")),
        ("config", lambda s: s.put_config("m", "floor: 0.2")),
    ],
)  # fmt: skip
def test_what_was_kept_or_found_shows_in_the_digest_and_in_its_part(tmp_path, part, write):
    with open_store(f"sqlite:///{tmp_path}/w.db") as store:
        fill(store)
        before = digest(store)
        write(store)
        after = digest(store)
    assert after.total != before.total
    changed = {name for name in before.parts if before.parts[name] != after.parts[name]}
    assert part in changed and changed <= {part, "monitor"}
