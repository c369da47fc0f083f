"""What a reload changes is told in words, and what it cannot change too."""

from __future__ import annotations

from whydrift.monitor.config import Config, parse_config
from whydrift.monitor.config.differences import Differences, differences

OLD = """version: 1
store: {url: "sqlite:///a.db"}
sources: {rows: {files: a/*.csv, time_column: at}}
monitors:
  - {name: a, source: rows}
  - {name: b, source: {files: b.csv}}
notify: [{slack: {url: "https://hooks.example/hush-1"}}]
"""


def read(text: str) -> Config:
    return parse_config(text, environment={})


def changed(*edits: tuple[str, str]) -> Differences:
    text = OLD
    for before, after in edits:
        assert before in text
        text = text.replace(before, after)
    return differences(read(OLD), read(text))


def test_nothing_is_said_of_comments_and_order_of_keys():
    same = changed(("version: 1\n", "# new words\nversion: 1\n"))
    assert same == Differences() and str(same) == "nothing changed"


def test_monitors_that_come_go_and_change_are_named():
    found = changed(
        ("name: b, source", "name: c, source"), ("{name: a, ", "{name: a, floor: 0.2, ")
    )
    assert (found.added, found.removed, found.changed) == (("c",), ("b",), ("a",))
    assert str(found) == "monitors added: c; monitors removed: b; monitors changed: a"


def test_a_named_source_is_a_part_of_the_monitors_that_read_it():
    assert changed(("a/*.csv", "z/*.csv")).changed == ("a",)


def test_a_changed_secret_is_told_without_it():
    found = changed(("hush-1", "hush-2"))
    assert found.settings == ("notify",) and "hush" not in str(found)


def test_what_only_a_restart_takes_is_named():
    found = changed(('url: "sqlite:///a.db"', 'url: "sqlite:///b.db", keep: {results: 1y}'))
    assert found.settings == ("store.url", "store.keep.results")
    assert found.needs_restart == ("store.url",)
    listen = changed(("version: 1\n", "version: 1\nweb: {listen: 127.0.0.1:9000}\n"))
    assert "only a restart takes: web.listen" in str(listen)
