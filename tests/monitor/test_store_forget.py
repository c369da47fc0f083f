"""What is forgotten is gone, what is not stays, and that it was forgotten is kept."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa

from tests.monitor.conftest import NOW, START, diagnosis, key, window
from tests.monitor.test_store_memory import closed, message, opened, settlement
from whydrift import Graph
from whydrift.discovery.errors import StoreError
from whydrift.monitor.store import tables
from whydrift.monitor.store.check import check
from whydrift.monitor.store.forget import Forgotten, Scope, forget

LARGE = {"rows": 2000, "columns": 80}


@pytest.fixture
def filled(store):
    for hour in range(4):
        store.put_snapshot(key(hour), window(hour, **LARGE))
        store.put_snapshot(key(hour, segment="fr"), window(hour))
        change = opened(hour) if hour != 1 else closed(hour)
        results = {s: diagnosis(f"d{hour}{s}", "mechanism") for s in ("", "fr")}
        done = settlement(store, hour, results=results, alerts=(change,))
        store.settle(done, None)
    store.put_graph("m", Graph.from_pairs([("x0", "x1")]), learned_from="-")
    store.put_event("release", "v2", at=START, actor="ann", monitor="m")
    store.put_snapshot(key(monitor="other"), window(1))
    store.put_result(
        key(monitor="other"), diagnosis("o"), config_hash=store.put_config("other", "floor: 0.2")
    )
    return store


def rows(store, **names):
    with store.database.reading() as connection:
        found = {}
        for table in tables.METADATA.sorted_tables:
            column = table.c.get("monitor", table.c.get("name"))
            if column is not None:
                query = sa.select(sa.func.count()).where(column == "m")
                found[table.name] = connection.execute(query).scalar()
        return {name: count for name, count in found.items() if count}


def test_a_forgotten_monitor_leaves_nothing_but_the_event_that_tells_of_it(filled):
    would = forget(filled, Scope("m"), actor="ann", at=NOW, dry_run=True)
    assert would == Forgotten(8, 8, 1, 2, 4, 1)
    assert forget(filled, Scope("m"), actor="ann", at=NOW) == would
    assert rows(filled) == {"event": 1}
    (event,) = filled.list_events()
    assert (event.kind, event.actor, event.text) == ("forget", "ann", "monitor m")
    assert [m.name for m in filled.list_monitors()] == ["other"]
    assert len(filled.list_snapshots()) == len(filled.list_results()) == 1
    assert filled.content.files() == [] and check(filled) == []
    with filled.database.reading() as connection:
        assert connection.execute(sa.select(tables.config.c.yaml_redacted)).scalars().all() == [
            "floor: 0.2"
        ]
    with pytest.raises(StoreError, match="nothing is kept of a monitor 'm'"):
        forget(filled, Scope("m"), actor="ann", at=NOW)


def test_the_token_of_a_forgotten_monitor_goes_on_growing(filled):
    old = filled.take_lease("m", "a", seconds=0)
    forget(filled, Scope("m"), actor="ann", at=NOW)
    assert filled.take_lease("m", "b", seconds=0).token == old.token + 1


def test_a_monitor_that_a_daemon_checks_is_not_forgotten(filled):
    filled.take_lease("m", "db1:4711", seconds=60)
    with pytest.raises(StoreError, match="a daemon checks it"):
        forget(filled, Scope("m"), actor="ann", at=NOW)
    assert len(filled.list_snapshots(monitor="m")) == 8
    assert forget(filled, Scope("m", key(0).interval.end), actor="ann", at=NOW).snapshots == 2


def test_what_is_older_than_a_date_goes_and_is_not_looked_at_again(filled):
    first, second = filled.outbox_due(NOW)[:2]
    filled.outbox_done(first.id, "ok")
    scope = Scope("m", key(1).interval.end)
    filled.database.close()
    done = forget(filled, scope, actor="ann", at=NOW + timedelta(days=1))
    assert (done.snapshots, done.results, done.graphs, done.events) == (4, 4, 0, 1)
    assert done.alerts == 1  # the one that was over by then
    assert {r.key.interval for r in filled.list_results(monitor="m")} == {
        key(2).interval, key(3).interval,
    }  # fmt: skip
    assert len(filled.list_visits("m")) == 4
    assert len(filled.spent("m", START).spent) == 2
    assert filled.outbox_due(NOW)[0].id == second.id
    assert check(filled) == []


def test_a_segment_goes_and_the_whole_stays(filled):
    filled.put_messages([message("x"), message("y")])
    done = forget(filled, Scope("m", segment="fr"), actor="ann", at=NOW)
    assert done == Forgotten(4, 4, 0, 0, 0, 0)
    assert {r.key.segment for r in filled.list_snapshots(monitor="m")} == {""}
    assert len(filled.list_results(monitor="m")) == 4 and len(filled.list_alerts()) == 2
    with pytest.raises(StoreError, match="segment 'fr'"):
        forget(filled, Scope("m", segment="fr"), actor="ann", at=NOW)


def test_what_is_forgotten_is_overwritten_in_the_file(tmp_path):
    from whydrift.monitor.store import open_store

    with open_store(f"sqlite:///{tmp_path}/w.db") as store:
        rules = store.put_config("m", "floor: 0.1")
        store.put_snapshot(key(), window(1))
        said = diagnosis() | {"summary": "the clerk Ann Example was ill"}
        store.put_result(key(), said, config_hash=rules)
        forget(store, Scope("m"), actor="ann", at=NOW)
    assert b"Ann Example" not in (tmp_path / "w.db").read_bytes()
