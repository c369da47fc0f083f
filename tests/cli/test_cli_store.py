"""``whydrift store``: its answers, exit statuses, and what it refuses."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.monitor.conftest import diagnosis, key, window
from whydrift.monitor.store import Store, WindowKey, open_store
from whydrift.monitor.window.interval import Interval

CONFIG = """\
version: 1
store:
  url: sqlite:///{folder}/w.db
  keep: {{snapshots: 10d, samples: 5d, results: 1y}}
web: {{auth: {{tokens: [{{name: p, sha256: "${{NOT_SET_HERE}}"}}]}}}}
monitors:
  - name: house-price
    source: {{files: x.csv}}
    window: {{every: 1d}}
    reference: {{last: 2d}}
"""


def day(age: int) -> WindowKey:
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    start = midnight - timedelta(days=age)
    return WindowKey("house-price", Interval(start, start + timedelta(days=1)))


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "w.yaml"
    path.write_text(CONFIG.format(folder=tmp_path))
    return path


@pytest.fixture
def filled(tmp_path: Path, config: Path) -> Path:
    with open_store(f"sqlite:///{tmp_path}/w.db") as store:
        rules = store.put_config("house-price", "floor: 0.1")
        for age in (1, 3, 7, 12):
            store.put_snapshot(day(age), window(age))
            store.put_result(day(age), diagnosis(f"d{age}"), config_hash=rules)
    return config


def opened(folder: Path) -> Store:
    return open_store(f"sqlite:///{folder}/w.db")


def test_info_shows_each_monitor_and_its_json_says_the_same(call, filled, tmp_path):
    told = call("store", "info", "-c", filled)
    assert told.status == 0 and "house-price" in told.out and "tables of version" in told.out
    value = call("store", "info", "-c", filled, "--json", "-").diagnosis
    assert value["schema"] == "whydrift/store-info/1" and value["bytes"] > 10_000
    (only,) = value["monitors"]
    assert (only["windows"], only["rows"], only["results"], only["samples"]) == (4, 240, 4, 4)
    assert only["first"].startswith(f"{day(12).interval.start:%Y-%m-%d}")


def test_gc_keeps_to_the_configuration_and_does_no_more_the_second_time(call, filled, tmp_path):
    dry = call("store", "gc", "-c", filled, "--dry-run")
    assert "1 windows would be deleted" in dry.out and "1 samples would be deleted" in dry.out
    with opened(tmp_path) as store:
        assert len(store.list_snapshots()) == 4
    told = call("store", "gc", "-c", filled, "--json", tmp_path / "gc.json")
    assert told.status == 0, told.err
    assert "1 windows deleted" in told.out and "1 samples deleted" in told.out
    assert json.loads((tmp_path / "gc.json").read_text())["snapshots"] == 1
    with opened(tmp_path) as store:
        left = store.list_snapshots()
        assert [r.key for r in left] == [day(7), day(3), day(1)]
        assert [r.has_sample for r in left] == [False, True, True]
    assert call("store", "gc", "-c", filled).out == "nothing to delete\n"
    assert call("store", "check", "-c", filled).out == "all that is kept is whole\n"


def test_check_leaves_with_1_where_something_is_damaged(call, filled, tmp_path):
    import sqlalchemy as sa

    from whydrift.monitor.store import tables

    with opened(tmp_path) as store, store.database.writing() as connection:
        connection.execute(sa.update(tables.snapshot).values(sha256="0"))
    told = call("store", "check", "-c", filled)
    assert told.status == 1 and told.out.count("damaged: snapshot house-price") == 4
    value = call("store", "check", "-c", filled, "--json", "-").diagnosis
    assert value["damaged"] is True and len(value["problems"]) == 4


def test_a_file_that_an_interrupted_write_left_is_no_damage(call, config, tmp_path):
    with opened(tmp_path) as store:
        store.put_snapshot(key(monitor="house-price"), window(1, rows=2000, columns=80))
    (tmp_path / "w.db-snapshots" / "abc.parquet.77.tmp").write_bytes(b"half")
    told = call("store", "check", "-c", config)
    assert told.status == 0 and "left over" in told.out and "gc" in told.out
    assert "1 left-over files deleted" in call("store", "gc", "-c", config).out


def test_migrate_makes_a_store_once(call, config):
    assert "from nothing" in call("store", "migrate", "-c", config).out
    assert "nothing to do" in call("store", "migrate", "-c", config).out


def test_a_store_in_postgresql_is_looked_after_in_the_same_way(call, postgres, monkeypatch):
    monkeypatch.setenv("DRIFT_PASSWORD", "hunter2")
    url = postgres.url(postgres.new_database()).replace("secret", "${DRIFT_PASSWORD}")
    assert call("store", "migrate", "--store", url).status == 0
    told = call("store", "info", "--store", url)
    assert told.status == 0 and "nothing is kept yet" in told.out and "hunter2" not in told.out
    assert call("store", "check", "--store", url).status == 0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["store"], "missing command"),
        (["store", "inf"], "Did you mean 'info'?"),
        (["store", "info"], "Add -c whydrift.yaml"),
        (["store", "gc", "--store", "sqlite:///w.db"], "Add -c FILE"),
        (["store", "info", "--store", "w.db"], "no database URL"),
        (["store", "info", "--store", "sqlite:///${WHYDRIFT_NOWHERE}"], "WHYDRIFT_NOWHERE"),
        (["store", "info", "-c", "nowhere.yaml"], "nowhere.yaml"),
        (["store", "info", "--store", "sqlite:////tmp/no-such-store.db"], "no store yet"),
    ],
)
def test_what_cannot_be_is_one_sentence(call, words, says):
    call(*words).refused(says)


def test_a_store_address_whose_variable_is_not_set_is_told(call, config):
    config.write_text(config.read_text().replace("sqlite:", "${NOT_SET_HERE}sqlite:"))
    call("store", "info", "-c", config).refused("store.url", "not set")


def test_a_backup_is_a_store_and_is_made_beside_it(call, filled, tmp_path):
    told = call("store", "backup", "-c", filled, "-o", tmp_path / "copy.db")
    assert told.status == 0 and "copy.db" in told.out
    assert call("store", "check", "--store", f"sqlite:///{tmp_path}/copy.db").status == 0
    digests = [
        call("store", "check", "--store", f"sqlite:///{tmp_path}/{name}", "--digest").out
        for name in ("w.db", "copy.db")
    ]
    assert digests[0] == digests[1] and len(digests[0].strip()) == 64
    value = call("store", "backup", "-c", filled, "--json", "-").diagnosis
    assert Path(value["path"]).parent == tmp_path and Path(value["path"]).suffix == ".db"
    call("store", "backup", "-c", filled, "-o", tmp_path / "copy.db").refused("already")


def test_the_digest_of_each_table_stands_in_its_json(call, filled):
    value = call("store", "check", "-c", filled, "--digest", "--json", "-").diagnosis
    assert value["schema"] == "whydrift/store-digest/1" and len(value["parts"]["result"]) == 64


def test_a_store_in_postgresql_names_the_command_that_backs_it_up(call, postgres):
    url = postgres.url(postgres.new_database())
    call("store", "migrate", "--store", url)
    call("store", "backup", "--store", url).refused("pg_dump --format=custom")


def test_forgetting_asks_unless_it_is_told_not_to(call, filled, tmp_path):
    words = ("store", "forget", "-c", filled, "--monitor", "house-price")
    call(*words).refused("Add --yes")
    told = call(*words, "--before", f"{day(5).interval.start:%Y-%m-%d}", "--yes")
    assert told.status == 0 and told.out == "deleted: 2 windows, 2 results\n"
    with opened(tmp_path) as store:
        assert len(store.list_snapshots()) == 2
        assert [e.kind for e in store.list_events()] == ["forget"]
    value = call(*words, "--yes", "--json", "-").diagnosis
    assert (value["schema"], value["snapshots"]) == ("whydrift/store-forget/1", 2)
    call(*words, "--yes").refused("nothing is kept")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "Add --monitor"),
        (["--monitor", "house-prize", "--yes"], "Did you mean 'house-price'?"),
        (["--monitor", "house-price", "--segment", "fr", "--yes"], "segment 'fr'"),
        (["--monitor", "house-price", "--before", "May"], "no date or time"),
        (["--monitor", "house-price", "--before", "2026-05-04T09:00"], "time zone"),
    ],
)
def test_what_cannot_be_forgotten_is_one_sentence(call, filled, words, says):
    call("store", "forget", "-c", filled, *words).refused(says)
