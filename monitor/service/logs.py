"""Logs of the daemon: a fixed word with fields a line, for people or as JSON; never a secret.

Which monitor and window a line is about is said once, around the work (:func:`about`), and stands
in every line that is written meanwhile, by whomever.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final, TextIO

from whydrift.discovery.errors import WhydriftError
from whydrift.discovery.plain_text import clean

__all__ = [
    "EventLog", "JsonLines", "LogFormat", "PlainLines", "Secrets", "about", "error_fields",
    "set_up_logs", "with_context",
]  # fmt: skip

_ROOT: Final = "whydrift"
_FIELDS: Final = "whydrift_fields"  # of a LogRecord
_ABOUT: Final = "whydrift_about"
_MASK: Final = "***"
_SHORTEST_SECRET: Final = 4  # shorter ones would blank out ordinary words
_LEVEL_COLOURS: Final = {"WARNING": "\x1b[33m", "ERROR": "\x1b[31m", "CRITICAL": "\x1b[1;31m"}
_END_COLOUR: Final = "\x1b[0m"

_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})
_context: ContextVar[Mapping[str, str]] = ContextVar("whydrift_log_context", default=_NOTHING)


class LogFormat(StrEnum):
    """How a line is written."""

    TEXT = "text"
    JSON = "json"


@contextmanager
def about(**fields: object) -> Iterator[None]:
    """Put these fields into every line that is written within, such as ``monitor``."""
    token = _context.set({**_context.get(), **{k: str(v) for k, v in fields.items()}})
    try:
        yield
    finally:
        _context.reset(token)


def with_context(record: logging.LogRecord) -> bool:
    """Note on a record what it is about, as a filter of a handler; those from workers know it."""
    if not hasattr(record, _ABOUT):
        setattr(record, _ABOUT, dict(_context.get()))
    return True


class EventLog:
    """Writes events: a fixed word, by which lines are found, and what belongs to it.

    Parameters
    ----------
    part : str
        Which part of the daemon speaks.
    """

    def __init__(self, part: str) -> None:
        self._logger = logging.getLogger(f"{_ROOT}.{part}")

    def debug(self, event: str, **fields: object) -> None:
        """Say what only those who look for a bug want to know."""
        self._say(logging.DEBUG, event, fields)

    def info(self, event: str, **fields: object) -> None:
        """Say what happened as it should."""
        self._say(logging.INFO, event, fields)

    def warning(self, event: str, **fields: object) -> None:
        """Say what somebody may want to look at."""
        self._say(logging.WARNING, event, fields)

    def error(self, event: str, **fields: object) -> None:
        """Say what failed; with the traceback where debugging is on and an exception handled."""
        self._say(logging.ERROR, event, fields)

    def bug(self, event: str, **fields: object) -> None:
        """Say what must not have happened, with the traceback of the exception being handled."""
        self._say(logging.ERROR, event, fields, is_bug=True)

    def _say(
        self, level: int, event: str, fields: Mapping[str, object], *, is_bug: bool = False
    ) -> None:
        if self._logger.isEnabledFor(level):
            wants_traceback = is_bug or (
                level >= logging.ERROR and self._logger.isEnabledFor(logging.DEBUG)
            )
            shown = wants_traceback and sys.exc_info()[0] is not None
            self._logger.log(level, event, exc_info=shown, extra={_FIELDS: dict(fields)})


def error_fields(error: Exception) -> dict[str, str]:
    """Return what a line says of an error: what, where, and the way out."""
    if isinstance(error, WhydriftError):
        return {"error": error.what, "where": error.where, "remedy": error.remedy}
    return {"error": f"{type(error).__name__}: {error}"}


class Secrets:
    """Words that stand in no line."""

    def __init__(self) -> None:
        self._words: tuple[str, ...] = ()

    def add(self, words: Iterable[str]) -> None:
        """Mask these too; those of an older configuration stay masked."""
        known = {*self._words, *(w for w in words if len(w) >= _SHORTEST_SECRET)}
        # The longest first: one may be a part of another.
        self._words = tuple(sorted(known, key=lambda word: (-len(word), word)))

    def masked(self, text: str) -> str:
        """Return the text with each secret blanked out."""
        for word in self._words:
            text = text.replace(word, _MASK)
        return text


def _parts(record: logging.LogRecord) -> tuple[str, dict[str, Any]]:
    """Return the event and its fields; lines of libraries are the event ``log``."""
    fields: dict[str, Any] = {**getattr(record, _ABOUT, {}), **getattr(record, _FIELDS, {})}
    if record.name.split(".")[0] == _ROOT:
        return record.getMessage(), fields
    return "log", {**fields, "logger": record.name, "text": record.getMessage()}


class JsonLines(logging.Formatter):
    """One JSON object a line: ``at``, ``level``, ``event``, then the fields."""

    def __init__(self, secrets: Secrets) -> None:
        super().__init__()
        self._secrets = secrets

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        event, fields = _parts(record)
        line: dict[str, object] = {
            "at": _time(record),
            "level": record.levelname.lower(),
            "event": event,
        }
        line |= {k: _plain(v) for k, v in fields.items() if v is not None}
        if record.exc_info or record.exc_text:
            line["traceback"] = record.exc_text or self.formatException(record.exc_info)  # type: ignore[arg-type]
        masked = {k: self._secrets.masked(v) if isinstance(v, str) else v for k, v in line.items()}
        return json.dumps(masked, ensure_ascii=False, allow_nan=False, default=str)


class PlainLines(logging.Formatter):
    """Time, level, event and fields, aligned; in colour where it is a terminal."""

    def __init__(self, secrets: Secrets, *, colours: bool = False) -> None:
        super().__init__()
        self._secrets = secrets
        self._colours = colours

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        event, fields = _parts(record)
        said = " ".join(
            # Masked before it is quoted, which would write a secret's own quotes in another way.
            f"{k}={_quoted(clean(self._secrets.masked(str(_plain(v)))))}"
            for k, v in fields.items()
            if v is not None
        )
        level = f"{record.levelname:<7}"
        if self._colours and record.levelname in _LEVEL_COLOURS:
            level = f"{_LEVEL_COLOURS[record.levelname]}{level}{_END_COLOUR}"
        text = f"{_time(record)} {level} {event:<16} {said}".rstrip()
        if record.exc_info or record.exc_text:
            text += "\n" + (record.exc_text or self.formatException(record.exc_info))  # type: ignore[arg-type]
        return self._secrets.masked(text)


def _time(record: logging.LogRecord) -> str:
    at = datetime.fromtimestamp(record.created, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _plain(value: object) -> object:
    if isinstance(value, float):
        # JSON has neither of the infinities.
        return round(value, 3) if abs(value) < float("inf") else str(value)
    return value if isinstance(value, (str, int, bool)) else str(value)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False) if not text or set(text) & set(' "=') else text


def set_up_logs(
    style: LogFormat,
    level: str,
    secrets: Secrets,
    *,
    stream: TextIO | None = None,
    colours: bool = False,
) -> None:
    """Send all lines of the process to a stream, standard error by default.

    Parameters
    ----------
    style : LogFormat
    level : str
        ``debug``, ``info``, ``warning`` or ``error``: of our lines; those of libraries begin at
        ``warning``.
    secrets : Secrets
    stream : file, optional
    colours : bool
        Whether the stream shows colours.
    """
    handler = logging.StreamHandler(stream)
    handler.addFilter(with_context)
    handler.setFormatter(
        JsonLines(secrets) if style is LogFormat.JSON else PlainLines(secrets, colours=colours)
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger(_ROOT).setLevel(level.upper())
    # It warns of each job that is still running when its next turn comes; we count on that.
    logging.getLogger("apscheduler").setLevel(logging.ERROR)
    logging.captureWarnings(True)
