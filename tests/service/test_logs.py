"""What a line of the log says, and what it never says."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from whydrift.discovery.errors import SourceError
from whydrift.monitor.config import parse_config
from whydrift.monitor.service.logs import (
    EventLog,
    LogFormat,
    Secrets,
    about,
    error_fields,
    set_up_logs,
)
from whydrift.monitor.service.reload import secrets_in


@pytest.fixture
def loggers() -> Iterator[None]:
    """Leave logging as it was found."""
    root, ours = logging.getLogger(), logging.getLogger("whydrift")
    before = root.handlers[:], root.level, ours.level
    yield
    root.handlers[:], root.level, ours.level = before
    logging.captureWarnings(False)


def written(
    style: LogFormat, level: str = "info", *words: str, colours: bool = False
) -> io.StringIO:
    stream, secrets = io.StringIO(), Secrets()
    secrets.add(words)
    set_up_logs(style, level, secrets, stream=stream, colours=colours)
    return stream


@pytest.mark.usefixtures("loggers")
def test_a_json_line_holds_the_event_its_fields_and_what_it_is_about():
    stream = written(LogFormat.JSON)
    with about(monitor="house-price", window="w1"):
        EventLog("daemon").warning("check_finished", outcome="drift", seconds=1.23456, rows=7)
    EventLog("daemon").debug("not_shown")
    line = json.loads(stream.getvalue())
    assert line.pop("at").endswith("Z")
    assert line == {
        "level": "warning", "event": "check_finished", "monitor": "house-price", "window": "w1",
        "outcome": "drift", "seconds": 1.235, "rows": 7,
    }  # fmt: skip


@pytest.mark.usefixtures("loggers")
def test_a_line_for_people_is_one_line_whatever_it_quotes():
    stream = written(LogFormat.TEXT)
    EventLog("daemon").error("check_failed", error="two\nlines \x1b[31m", count=3, nothing=None)
    (line,) = stream.getvalue().splitlines()
    assert " ERROR   check_failed " in line
    assert r'error="two\\nlines \\x1b[31m" count=3' in line and "nothing" not in line
    assert "\x1b" not in line
    stream = written(LogFormat.TEXT, colours=True)
    EventLog("daemon").error("check_failed")
    assert "\x1b[31mERROR" in stream.getvalue()


@pytest.mark.usefixtures("loggers")
def test_an_error_is_one_line_with_its_remedy_and_a_bug_has_a_traceback():
    stream = written(LogFormat.JSON)
    log = EventLog("daemon")
    try:
        raise SourceError("the file is gone", where="a.parquet", remedy="Bring it back")
    except SourceError as error:
        log.error("check_failed", **error_fields(error))
        log.bug("impossible", **error_fields(ZeroDivisionError("by zero")))
    told, bug = map(json.loads, stream.getvalue().splitlines())
    assert told["remedy"] == "Bring it back" and "traceback" not in told
    assert "Traceback" in bug["traceback"]


@pytest.mark.usefixtures("loggers")
@pytest.mark.parametrize("style", list(LogFormat))
def test_no_secret_of_the_configuration_stands_in_a_line(style: LogFormat):
    config = parse_config(
        "version: 1\n"
        "store: {url: 'postgresql+psycopg://drift:s3cr%40t-one@db/drift'}\n"
        "sources: {s: {sql: {url: 'postgresql://u:secret-two@h/d', query: 'select 1 from t'}}}\n"
        "monitors: [{name: m, source: s}]\n"
        "notify: [{webhook: {url: 'https://hooks.example/secret-three', secret: secret-four}}]\n"
    )
    stream = written(style, "info", *secrets_in(config))
    said = "s3cr@t-one s3cr%40t-one secret-two https://hooks.example/secret-three secret-four"
    EventLog("daemon").error("check_failed", error=said)
    logging.getLogger("library").warning(said)
    text = stream.getvalue()
    assert "***" in text
    for word in ("s3cr", "secret-two", "secret-three", "secret-four"):
        assert word not in text


@pytest.mark.usefixtures("loggers")
@pytest.mark.parametrize("style", list(LogFormat))
def test_a_secret_with_quotes_of_its_own_is_masked_too(style: LogFormat):
    secret = 'hush"\\hush'
    stream = written(style, "info", secret)
    EventLog("daemon").info("told", text=f"the password {secret} is refused")
    assert "hush" not in stream.getvalue() and "***" in stream.getvalue()
