"""The check finds what is damaged, and says where."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from tests.monitor.conftest import NOW, START, diagnosis, key, window
from tests.monitor.test_store_memory import settlement
from whydrift import Graph
from whydrift.discovery.errors import StoreError
from whydrift.monitor.store import tables
from whydrift.monitor.store.check import ProblemKind, check


def change(store, table, **values):
    with store.database.writing() as connection:
        connection.execute(sa.update(table).values(**values))


def kinds(store):
    return [p.kind for p in check(store)]


def test_a_changed_content_is_found_and_never_read_as_a_window(store):
    record = store.put_snapshot(key(), window(1))
    change(store, tables.snapshot, content=b"PAR1" + b"x" * (record.bytes - 4))
    assert kinds(store) == [ProblemKind.SNAPSHOT]
    with pytest.raises(StoreError, match=r"m 2026-05-04T00:00:00Z.*content was changed"):
        store.get_snapshot(record)


def test_a_content_that_is_no_window_is_found_though_its_hash_is_right(store):
    from whydrift.monitor.store.content import sha256

    store.put_snapshot(key(), window(1))
    change(store, tables.snapshot, content=b"x" * 9, bytes=9, sha256=sha256(b"x" * 9))
    assert kinds(store) == [ProblemKind.SNAPSHOT]


def test_a_file_that_is_gone_or_changed_is_found(store):
    record = store.put_snapshot(key(), window(1, rows=2000, columns=80))
    if record.file is None:
        pytest.skip("PostgreSQL keeps no files beside it")
    path = store.content.folder / record.file
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    assert kinds(store) == [ProblemKind.SNAPSHOT]
    path.unlink()
    (problem,) = check(store)
    assert "gone" in problem.what and record.file in problem.where
    # Writing the window again mends it: the row is there, and so is the file.
    store.put_snapshot(key(), window(2))
    store.put_snapshot(key(), window(1, rows=2000, columns=80))
    assert check(store) == []


def test_windows_and_results_without_a_current_row_are_found(store):
    rules = store.put_config("m", "")
    store.put_snapshot(key(), window(1))
    store.put_result(key(), diagnosis(), config_hash=rules)
    change(store, tables.snapshot, current=False)
    change(store, tables.result, current=False)
    assert kinds(store) == [ProblemKind.CURRENT] * 2


def test_changed_graphs_and_results_are_found(store):
    rules = store.put_config("m", "")
    store.put_graph("m", Graph.from_pairs([("a", "b")]), learned_from="given")
    store.put_result(key(), diagnosis(), config_hash=rules)
    change(store, tables.graph, json="{}")
    change(store, tables.result, json='{"verdict": "none"}')
    assert kinds(store) == [ProblemKind.GRAPH, ProblemKind.RESULT]
    with pytest.raises(StoreError, match="changed"):
        store.get_graph("m")
    with pytest.raises(StoreError, match="changed"):
        store.get_result("d1")


def test_damaged_pages_of_a_file_are_found(tmp_path):
    from whydrift.monitor.store import open_store

    path = tmp_path / "w.db"
    with open_store(f"sqlite:///{path}") as store:
        for hour in range(40):
            store.put_snapshot(key(hour), window(hour))
    content = bytearray(path.read_bytes())
    for place in range(len(content) // 2, len(content) - 100, 4096):
        content[place : place + 8] = b"\xff" * 8
    path.write_bytes(content)
    with open_store(f"sqlite:///{path}") as store:
        try:
            found = check(store)
        except StoreError as error:  # damaged where it is read first
            assert "malformed" in str(error)
        else:
            assert any(p.kind.is_damage for p in found)


@pytest.mark.parametrize(
    ("table", "values"),
    [
        ("visit", {"outcome": "fine"}),
        ("alert", {"details": "{"}),
        ("alert", {"kind": "odd"}),
        ("outbox", {"body": "[]"}),
        ("event", {"window_end": START}),
    ],
)
def test_what_the_daemon_remembers_and_nobody_can_read_is_found(store, table, values):
    store.settle(settlement(store), None)
    store.put_event("accept", "v2", at=NOW, actor="ann", monitor="m", window=key().interval)
    assert check(store) == []
    change(store, tables.METADATA.tables[table], **values)
    assert kinds(store) == [ProblemKind.MEMORY]
