"""The store keeps what it is given, once, on both engines."""

from __future__ import annotations

import os
import stat
import threading
from datetime import timedelta

import pytest
import sqlalchemy as sa

from tests.monitor.conftest import NOW, START, diagnosis, key, window
from whydrift import Graph, WhydriftError
from whydrift.discovery.errors import StoreError
from whydrift.monitor.store import WindowKey, open_store, tables
from whydrift.monitor.store.check import check
from whydrift.monitor.store.file_system import file_system, is_network
from whydrift.monitor.window.interval import Interval


def test_a_window_comes_back_as_it_was_written(store, reopened):
    snapshot = window(1)
    record = store.put_snapshot(key(), snapshot)
    found = reopened().find_snapshot(key())
    assert found == record and found.at == NOW and found.rows == 60
    assert store.get_snapshot(found).to_bytes() == snapshot.to_bytes()


def test_a_window_larger_than_a_megabyte_comes_back_too(store):
    snapshot = window(1, rows=2000, columns=80)
    record = store.put_snapshot(key(), snapshot)
    assert record.bytes > 1 << 20
    assert (record.file is not None) == store.database.is_sqlite
    assert store.get_snapshot(record).to_bytes() == snapshot.to_bytes()
    assert check(store) == []


def test_writing_the_same_window_twice_changes_nothing(store):
    first = store.put_snapshot(key(), window(1))
    assert store.put_snapshot(key(), window(1)) == first
    assert store.list_snapshots(current=None) == (first,)


def test_a_window_with_late_rows_is_the_next_revision_and_the_one_that_counts(store):
    store.put_snapshot(key(), window(1))
    later = store.put_snapshot(key(), window(1, rows=70))
    assert (later.revision, later.rows) == (2, 70)
    assert store.find_snapshot(key()) == later
    assert [r.current for r in store.list_snapshots(current=None)] == [False, True]


def test_segments_parts_and_monitors_are_told_apart(store):
    for place, (monitor, segment, part) in enumerate(
        [("m", "", ""), ("m", "", "v2"), ("m", "fr", ""), ("n", "", "")]
    ):
        record = store.put_snapshot(key(0, monitor, segment), window(place), part=part)
        assert record.revision == 1
    assert len(store.list_snapshots(monitor="m")) == 3
    assert len(store.list_snapshots(monitor="m", segment="")) == 2
    assert len(store.list_snapshots(monitor="m", segment="", part="v2")) == 1
    assert [m.name for m in store.list_monitors()] == ["m", "n"]


def test_windows_are_listed_that_lie_between_two_moments(store):
    for hour in (3, 1, 2, 0):
        store.put_snapshot(key(hour), window(hour))
    found = store.list_snapshots(
        monitor="m", start=START + timedelta(hours=1), end=START + timedelta(hours=3)
    )
    assert [r.key for r in found] == [key(1), key(2)]


def test_times_are_kept_in_utc_and_a_time_without_a_zone_is_refused(store, reopened):
    from datetime import timezone

    east = timezone(timedelta(hours=5, minutes=30))
    there = Interval(START.astimezone(east), START.astimezone(east) + timedelta(hours=1))
    store.put_snapshot(WindowKey("m", there), window(1))
    (found,) = reopened().list_snapshots(monitor="m")
    assert found.key == key()
    assert found.key.interval.start.utcoffset() == timedelta(0)
    with pytest.raises(WhydriftError, match="no time zone"):
        Interval(START.replace(tzinfo=None), START)


def test_names_that_no_database_takes_are_refused():
    for name in ("a\0b", "\ud800"):
        with pytest.raises(StoreError, match="cannot be stored"):
            key(segment=name)


def test_a_full_disk_is_told_and_leaves_the_store_as_it_was(tmp_path, monkeypatch):
    import errno

    def full(_descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    with open_store(f"sqlite:///{tmp_path}/w.db") as store:
        before = store.put_snapshot(key(), window(1))
        with monkeypatch.context() as patched:
            patched.setattr(os, "fsync", full)
            with pytest.raises(StoreError, match="no space left on device"):
                store.put_snapshot(key(), window(2, rows=2000, columns=80))
        assert store.list_snapshots(current=None) == (before,)
        assert check(store) == []


def test_a_version_that_no_database_takes_is_refused(store):
    with pytest.raises(StoreError, match="cannot be stored"):
        store.put_snapshot(key(), window(1), part="v\0")


def test_graphs_are_versioned_and_the_same_graph_is_no_new_version(store):
    one, two = Graph.from_pairs([("a", "b")]), Graph.from_pairs([("b", "a")])
    first = store.put_graph("m", one, learned_from="28 windows to 2026-05-04")
    assert store.put_graph("m", one, learned_from="again") == first
    second = store.put_graph("m", two, learned_from="given")
    assert (first.version, second.version) == (1, 2)
    assert store.get_graph("m") == (second, two)
    assert store.get_graph("m", version=1) == (first, one)
    assert store.get_graph("m", at=NOW - timedelta(days=1)) is None
    assert store.get_graph("other") is None
    assert store.list_graphs("m") == (first, second)


def test_a_result_written_twice_is_one_though_its_id_and_seconds_differ(store):
    rules = store.put_config("m", "floor: 0.1")
    first = store.put_result(key(), diagnosis("d1"), config_hash=rules)
    again = store.put_result(key(), diagnosis("d2") | {"seconds": {"total": 9}}, config_hash=rules)
    assert again == first and first.id == "d1"
    assert store.get_result("d1") == diagnosis("d1")
    assert store.get_result("d2") is None


def test_exactly_one_result_of_a_stage_is_current_whatever_was_recomputed(store):
    old, new = store.put_config("m", "floor: 0.1"), store.put_config("m", "floor: 0.2")
    store.put_result(key(), diagnosis("d1"), config_hash=old)
    store.put_result(key(), diagnosis("d2", "both"), config_hash=old)
    store.put_result(key(), diagnosis("d3"), config_hash=new)
    labelled = store.put_result(key(), diagnosis("d4", stage="labels"), config_hash=new)
    (current,) = store.list_results(stage="features")
    assert (current.id, current.revision, current.config_hash) == ("d3", 1, new)
    assert store.find_result(key(), stage="labels") == labelled
    assert {r.id: r.revision for r in store.list_results(current=None)} == {
        "d1": 1, "d2": 2, "d3": 1, "d4": 1,
    }  # fmt: skip
    # An earlier configuration is back and says what it said: that row counts again.
    back = store.put_result(key(), diagnosis("d5", "both"), config_hash=old)
    assert back.id == "d2" and store.find_result(key(), stage="features") == back
    assert check(store) == []


def test_the_database_itself_refuses_a_second_current_row(store):
    store.put_snapshot(key(), window(1))
    store.put_snapshot(key(), window(2))
    with pytest.raises(StoreError), store.database.writing() as connection:
        connection.execute(sa.update(tables.snapshot).values(current=True))
    assert check(store) == []


def test_the_database_itself_refuses_rows_of_no_monitor(store):
    with pytest.raises(StoreError), store.database.writing() as connection:
        connection.execute(
            sa.insert(tables.graph).values(
                monitor="nobody", version=1, json="{}", sha256="", learned_from="", at=NOW
            )
        )


def test_a_result_needs_its_configuration_and_must_be_a_diagnosis(store):
    with pytest.raises(StoreError, match="put_config"):
        store.put_result(key(), diagnosis(), config_hash="0" * 64)
    rules = store.put_config("m", "")
    with pytest.raises(StoreError, match="no diagnosis"):
        store.put_result(key(), {"id": "d1"}, config_hash=rules)
    with pytest.raises(StoreError, match="no diagnosis"):
        store.put_result(key(), diagnosis() | {"p": float("nan")}, config_hash=rules)
    assert store.list_results(current=None) == ()


def test_configurations_are_kept_by_what_they_say(store):
    one = store.put_config("m", "floor: 0.1")
    assert store.put_config("n", "floor: 0.1") == one
    assert store.get_config(one) == "floor: 0.1"
    store.put_config("m", "floor: 0.2")
    hashes = {m.name: m.config_hash for m in store.list_monitors()}
    assert hashes["n"] == one != hashes["m"]


def test_threads_that_read_and_then_write_wait_for_each_other(store):
    failed: list[Exception] = []

    def write(seed: int) -> None:
        try:
            for hour in range(5):
                store.put_snapshot(key(hour), window(seed * 10 + hour))
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=write, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert len(store.list_snapshots(current=None)) == 20
    assert len(store.list_snapshots()) == 5
    assert check(store) == []


def test_sqlite_is_set_up_so_that_nothing_told_is_lost(tmp_path):
    path = tmp_path / "w.db"
    with open_store(f"sqlite:///{path}") as store, store.database.writing() as connection:
        said = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "auto_vacuum")
        }
        busy = connection.exec_driver_sql("PRAGMA busy_timeout").scalar()
    assert said == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "auto_vacuum": 2}
    assert busy == 30_000


def test_only_the_owner_may_read_a_store_of_files(tmp_path):
    before = os.umask(0)
    try:
        with open_store(f"sqlite:///{tmp_path}/w.db") as store:
            store.put_snapshot(key(), window(1, rows=2000, columns=80))
            files = [p for p in tmp_path.rglob("*") if p.is_file()]
            assert len(files) >= 2
            assert {stat.S_IMODE(p.stat().st_mode) for p in files} == {0o600}
    finally:
        os.umask(before)


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("sqlite://", "memory"),
        ("sqlite:///:memory:", "memory"),
        ("not a url", "no database URL"),
        ("mysql://u:secret@host/db", "cannot be kept in 'mysql'"),
        ("postgres:ql//x", "no database URL"),
        ("sqlite:////no/such/folder/w.db", "folder that exists"),
    ],
)
def test_an_address_that_cannot_hold_a_store_is_refused_with_the_way_out(address, says):
    with pytest.raises(StoreError, match=says) as caught:
        open_store(address)
    assert "secret" not in str(caught.value)


def test_a_server_that_is_not_there_is_told_without_the_password():
    with pytest.raises(StoreError, match="See that the server runs") as caught:
        open_store("postgresql://u:secret@127.0.0.1:1/db")
    assert "secret" not in str(caught.value)


def test_a_file_that_is_no_database_is_told_and_left_as_it_is(tmp_path):
    path = tmp_path / "w.db"
    path.write_text("name,price\n" * 1000)
    with pytest.raises(StoreError, match="none of SQLite's"):
        open_store(f"sqlite:///{path}")
    assert path.read_text() == "name,price\n" * 1000


MOUNTS = """\
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw
28 27 0:40 / /mnt/share rw - nfs4 server:/x rw
29 27 0:41 / /mnt/my\\040disk rw - fuse.sshfs host: rw
30 28 0:42 / /mnt/share/local rw - xfs /dev/vdb rw
"""


@pytest.mark.parametrize(
    ("path", "kind", "network"),
    [
        ("/srv/w.db", "ext4", False),
        ("/mnt/share/w.db", "nfs4", True),
        ("/mnt/shared/w.db", "ext4", False),
        ("/mnt/my disk/w.db", "fuse.sshfs", True),
        ("/mnt/share/local/w.db", "xfs", False),
    ],
)
def test_network_file_systems_are_known_by_their_mounts(path, kind, network):
    found = file_system(path, MOUNTS)
    assert found == kind and is_network(found) is network


def test_sqlite_on_a_network_file_system_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("whydrift.monitor.store.engine.file_system", lambda _path: "nfs4")
    with pytest.raises(StoreError, match="network file system"):
        open_store(f"sqlite:///{tmp_path}/w.db")


@pytest.mark.parametrize("column", ["x", "a\"b'c", "a.b[0]", "$", "", "ü/\n", "Null"])
def test_what_diagnoses_say_of_one_column_is_read_whatever_its_name(store, column):
    rules = store.put_config("m", "rules")
    said = {"verdict": "mechanism", "p_value": 0.25}
    for number, columns in enumerate(({column: said, "y": {}}, {"y": {}}, {column: said})):
        diagnosed = diagnosis(f"d{number}") | {"columns": columns}
        store.put_result(key(number), diagnosed, config_hash=rules)
    found = store.read_column(["d0", "d1", "gone"], column)
    assert found == {"d0": said}
    assert store.read_column([], column) == {}


def test_lists_that_grow_for_years_are_read_a_page_at_a_time_from_an_index(store):
    rules = store.put_config("m", "rules")
    for number in range(40):
        store.put_result(key(number), diagnosis(f"d{number:02}"), config_hash=rules)
        store.put_event("other", f"{number}", at=key(number).interval.start, actor="x")
    if not store.database.is_sqlite:
        return  # PostgreSQL chooses by how many rows there are
    with store.database.reading() as connection:
        for query in (
            "select id from result where current order by window_end desc, id desc limit 3",
            "select id from event order by happened desc, id desc limit 3",
            "select id from alert where monitor = 'm' order by id desc limit 3",
        ):
            plan = str(connection.exec_driver_sql(f"explain query plan {query}").all())
            assert "TEMP B-TREE" not in plan, plan


def test_pages_of_windows_and_events_hold_each_once_newest_first(store):
    for number in range(3):
        for part in ("1", "2"):  # each window in two parts
            store.put_snapshot(key(number), window(number), part=part)
        for twin in "ab":  # two at each moment
            store.put_event("other", twin, at=key(number).interval.start, actor="x")
    store.put_snapshot(key(1, hours=2), window(9))  # ends with another one
    windows, events, last, told = [], [], None, None
    while page := store.page_windows("m", "", limit=2, after=last):
        windows += page
        last = page[-1].end, page[-1].start
    while page := store.page_events(limit=4, after=told):
        events += page
        told = page[-1].at, page[-1].id
    kept = {r.key.interval for r in store.list_snapshots(monitor="m")}
    assert windows == sorted(kept, key=lambda w: (w.end, w.start), reverse=True)
    assert events == list(store.list_events())[::-1]
    assert store.page_windows("m", "DE") == () == store.page_windows("n", "")
    newest = store.page_windows("m", "", start=key(2).interval.start, limit=9)
    assert newest == (key(2).interval,)
    assert store.page_alerts(monitor="m", after=3) == ()
    assert store.latest_numbers("m") == (7, events[0].id)
