"""A hash of all that two stores should agree on: what was kept and found, not when or by whom."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import sqlalchemy as sa

from whydrift.monitor.store import events, tables
from whydrift.monitor.store.store import Store

__all__ = ["Digest", "digest"]

_ID: Final = re.compile(r"(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])")
_LINKS: Final = frozenset(("report_url",))  # to a diagnosis, by its id
# Before it lies the visit that stands for "whether there are new windows", not for a window.
_FIRST: Final = datetime(1970, 1, 2, tzinfo=UTC)
# Happen when somebody edits a file, or something is late, whatever the windows hold.
_BESIDE: Final = ("reload", *events.LAPSES)

# What counts of each table. Left out: numbers and ids of rows, clock times, attempts and errors
# that are over, leases, and revisions of windows that later ones replaced, which gc removes.
_COUNTS: Final[Mapping[str, tuple[str, ...]]] = {
    "config": ("hash",),
    "monitor": ("name", "config_hash"),
    "monitor_state": (
        "monitor", "began", "is_paused", "consecutive_failures", "source_last_row", "source_rows",
    ),
    "snapshot": (
        "monitor", "segment", "window_start", "window_end", "part", "revision", "rows", "format",
        "sha256", "has_sample",
    ),
    "graph": ("monitor", "version", "sha256", "learned_from"),
    "result": (
        "monitor", "segment", "stage", "window_start", "window_end", "config_hash", "revision",
        "current", "verdict", "fault", "sha256",
    ),
    "visit": ("monitor", "window_start", "window_end", "kind", "outcome"),
    "alert": (
        "monitor", "segment", "target", "kind", "state", "opened", "last", "counted", "rejections",
        "quiet", "columns", "fired", "resolved", "result", "details",
    ),
    "ledger": (
        "monitor", "segment", "stage", "window_start", "window_end", "purpose", "level",
    ),
    "outbox": ("notifier", "key", "body"),
    "event": ("monitor", "kind", "actor", "text", "window_start", "window_end"),
}  # fmt: skip
_JSON: Final = frozenset(("details", "body"))


@dataclass(frozen=True, slots=True)
class Digest:
    """What tells this history from any other.

    Parameters
    ----------
    total : str
        64 hexadecimal digits: equal where all parts are.
    parts : mapping of str to str
        The same of each table, by its name.
    """

    total: str
    parts: Mapping[str, str]

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON holds it."""
        return {"schema": "whydrift/store-digest/1", "digest": self.total, "parts": {**self.parts}}


def digest(store: Store) -> Digest:
    """Return the hash of what is kept: the same on both engines, however it came to be.

    Raises
    ------
    StoreError
        If the database cannot be reached.
    """
    with store.database.reading() as connection:
        known = _known(connection)
        parts = {name: _hash(_rows(connection, name, known)) for name in _COUNTS}
    return Digest(_hash(f"{name} {value}" for name, value in parts.items()), parts)


def _known(connection: sa.Connection) -> dict[str, str]:
    """Return what stands for the id of each diagnosis: the hash of what it says."""
    query = sa.select(tables.result.c.id, tables.result.c.sha256)
    return {row.id: row.sha256 for row in connection.execute(query)}


def _rows(connection: sa.Connection, name: str, known: Mapping[str, str]) -> Iterator[str]:
    table = tables.METADATA.tables[name]
    query = sa.select(*(table.c[column] for column in _COUNTS[name]))
    match name:
        case "snapshot":
            query = query.where(table.c.current)
        case "visit":
            query = query.where(table.c.window_end >= _FIRST)
        case "event":
            query = query.where(table.c.kind.not_in(_BESIDE))
        case _:
            pass
    for row in connection.execute(query):
        said = {column: _said(column, value, known) for column, value in row._mapping.items()}
        yield json.dumps(said, sort_keys=True)


def _said(column: str, value: Any, known: Mapping[str, str]) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if column in _JSON:
        value = json.dumps(_without_links(json.loads(value)), sort_keys=True)
    if isinstance(value, str):
        return _ID.sub(lambda found: known.get(found[0], found[0]), value)
    return value


def _without_links(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_links(v) for name, v in value.items() if name not in _LINKS}
    if isinstance(value, list):
        return [_without_links(v) for v in value]
    return value


def _hash(rows: Iterable[str]) -> str:
    """Return a hash of rows in any order."""
    whole = hashlib.sha256()
    for one in sorted(hashlib.sha256(row.encode()).digest() for row in rows):
        whole.update(one)
    return whole.hexdigest()
