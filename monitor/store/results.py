"""Rows of the table of results: one current diagnosis for each stage of a window."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from whydrift.discovery.errors import StoreError
from whydrift.monitor.store import tables
from whydrift.monitor.store.content import sha256
from whydrift.monitor.store.records import ResultRecord, WindowKey
from whydrift.monitor.store.statements import (
    key_of,
    lock_monitor,
    of_window,
    read_json,
    within,
)

__all__ = [
    "column_of", "delete", "find", "get", "is_current", "latest", "listed", "page", "put", "record",
]  # fmt: skip

_TABLE: Final = tables.result
_COLUMNS: Final = [c for c in _TABLE.c if c.name not in {"json", "sha256"}]
_GROUP: Final = ("monitor", "segment", "stage")
# What differs each time the same window is judged by the same rules.
_PASSING: Final = frozenset(("id", "seconds", "whydrift"))


def put(
    connection: sa.Connection,
    key: WindowKey,
    diagnosis: Mapping[str, Any],
    *,
    config_hash: str,
    at: datetime,
) -> ResultRecord:
    """Keep a diagnosis as the one that counts for its stage of the window.

    Where the same configuration said the same before, that row is the one; else it is the next
    revision.

    Raises
    ------
    StoreError
        If it is no diagnosis, or the configuration is not stored.
    """
    try:
        identity, stage = str(diagnosis["id"]), str(diagnosis["stage"])
        verdict, version = str(diagnosis["verdict"]), str(diagnosis["whydrift"]["version"])
        text = _text(diagnosis)
    except (KeyError, TypeError, ValueError) as error:
        raise StoreError(
            f"this is no diagnosis ({type(error).__name__}: {error})",
            where=f"result {key}",
            remedy="Give what Diagnosis.to_dict() returns",
        ) from error
    _require_config(connection, config_hash, key)
    lock_monitor(connection, key.monitor)
    staged = sa.and_(of_window(_TABLE, key), _TABLE.c.stage == stage)
    by_revision: sa.Select[Any] = (
        sa.select(*_COLUMNS, _TABLE.c.sha256)
        .where(staged, _TABLE.c.config_hash == config_hash)
        .order_by(_TABLE.c.revision.desc())
        .limit(1)
    )
    latest = connection.execute(by_revision).first()
    digest = _digest(diagnosis)
    is_known = latest is not None and latest.sha256 == digest
    if latest is not None and is_known and latest.current:
        return _record(latest)
    connection.execute(sa.update(_TABLE).where(staged, _TABLE.c.current).values(current=False))
    if latest is not None and is_known:
        # An earlier configuration is back, and says what it said.
        query = sa.update(_TABLE).where(_TABLE.c.id == latest.id).values(current=True)
        return _record(connection.execute(query.returning(*_COLUMNS)).one())
    row: dict[str, Any] = {
        "stage": stage,
        "config_hash": config_hash,
        "revision": 1 if latest is None else latest.revision + 1,
        "current": True,
        "verdict": verdict,
        "fault": bool(diagnosis.get("fault")),
        "whydrift_version": version,
        "at": at,
    }
    connection.execute(
        sa.insert(_TABLE).values(
            id=identity,
            monitor=key.monitor,
            segment=key.segment,
            window_start=key.interval.start,
            window_end=key.interval.end,
            json=text,
            sha256=digest,
            **row,
        )
    )
    return ResultRecord(id=identity, key=key, **row)


def find(connection: sa.Connection, key: WindowKey, stage: str) -> ResultRecord | None:
    """Return the result that counts for a stage of a window."""
    row = connection.execute(
        sa.select(*_COLUMNS).where(
            of_window(_TABLE, key), _TABLE.c.stage == stage, _TABLE.c.current
        )
    ).first()
    return None if row is None else _record(row)


def is_current(
    connection: sa.Connection, key: WindowKey, diagnosis: Mapping[str, Any], *, config_hash: str
) -> bool:
    """Whether a diagnosis says what the one that counts says, by the same configuration."""
    row = connection.execute(
        sa.select(_TABLE.c.sha256, _TABLE.c.config_hash).where(
            of_window(_TABLE, key), _TABLE.c.stage == str(diagnosis.get("stage")), _TABLE.c.current
        )
    ).first()
    return row is not None and row.config_hash == config_hash and row.sha256 == _digest(diagnosis)


def latest(connection: sa.Connection, monitor: str | None) -> tuple[ResultRecord, ...]:
    """Return the results that count of the newest window of each monitor, segment and stage.

    The index is asked for the last row of each, one after the other: what is older costs nothing.
    """
    each, row = _TABLE.alias("each"), _TABLE.alias()
    # As the index has it: SQLite does not see that ``current = 1`` is ``current``.
    last = sa.select(each.c.id).where(sa.text("each.current"))
    last = last.order_by(*(each.c[n].desc() for n in (*_GROUP, "window_end"))).limit(1)
    if monitor is not None:
        last = last.where(each.c.monitor == monitor)
    newest = sa.select(last.scalar_subquery().label("id")).cte("newest", recursive=True)
    # The next group: of the same segment, else of the same monitor, else of another one. A single
    # comparison of all three would make SQLite pass over every window of the monitor.
    further = [
        last.where(
            *(each.c[n] == row.c[n] for n in _GROUP[:place]), each.c[name] < row.c[name]
        ).correlate(row).scalar_subquery()
        for place, name in reversed(list(enumerate(_GROUP)))
    ]  # fmt: skip
    newest = newest.union_all(
        sa.select(sa.func.coalesce(*further)).select_from(newest.join(row, row.c.id == newest.c.id))
    )
    query = sa.select(*_COLUMNS).join(newest, newest.c.id == _TABLE.c.id)
    order = (_TABLE.c[name] for name in _GROUP)
    return tuple(_record(found) for found in connection.execute(query.order_by(*order)))


def get(connection: sa.Connection, identity: str) -> dict[str, Any] | None:
    """Return a diagnosis as it was written.

    Raises
    ------
    StoreError
        If it was changed, or cannot be read.
    """
    row = connection.execute(
        sa.select(_TABLE.c.json, _TABLE.c.sha256).where(_TABLE.c.id == identity)
    ).first()
    if row is None:
        return None
    try:
        diagnosis = json.loads(row.json)
        if _digest(diagnosis) != row.sha256:
            raise ValueError("its text was changed")
    except (ValueError, TypeError, AttributeError) as error:
        raise StoreError(
            f"it cannot be read ({error})",
            where=f"result {identity}",
            remedy="Restore it, or judge the window again: whydrift run --recompute",
        ) from error
    assert isinstance(diagnosis, dict)
    return diagnosis


def listed(
    connection: sa.Connection,
    *,
    monitor: str | None = None,
    segment: str | None = None,
    stage: str | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    current: bool | None = True,
) -> tuple[ResultRecord, ...]:
    """Return the results of windows that lie wholly between two moments, in the order of time."""
    query = sa.select(*_COLUMNS).where(*within(_TABLE, monitor, segment, start, end))
    if stage is not None:
        query = query.where(_TABLE.c.stage == stage)
    if current is not None:
        query = query.where(_TABLE.c.current if current else sa.not_(_TABLE.c.current))
    order = (_TABLE.c[n] for n in ("window_start", "monitor", "segment", "stage", "at", "id"))
    return tuple(_record(row) for row in connection.execute(query.order_by(*order)))


def page(
    connection: sa.Connection,
    *,
    monitor: str | None = None,
    segment: str | None = None,
    stage: str | None = None,
    verdict: str | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    limit: int,
    after: tuple[datetime, str] | None = None,
) -> tuple[ResultRecord, ...]:
    """Return the results that count, newest first: so many that follow one of them."""
    query = sa.select(*_COLUMNS).where(
        _TABLE.c.current, *within(_TABLE, monitor, segment, start, end)
    )
    if stage is not None:
        query = query.where(_TABLE.c.stage == stage)
    if verdict is not None:
        query = query.where(_TABLE.c.verdict == verdict)
    if after is not None:
        ended, identity = after
        is_older = sa.or_(
            _TABLE.c.window_end < ended,
            sa.and_(_TABLE.c.window_end == ended, _TABLE.c.id < identity),
        )
        query = query.where(_TABLE.c.window_end <= ended, is_older)
    query = query.order_by(_TABLE.c.window_end.desc(), _TABLE.c.id.desc()).limit(limit)
    return tuple(_record(row) for row in connection.execute(query))


def column_of(
    connection: sa.Connection, identities: Sequence[str], column: str
) -> dict[str, dict[str, Any]]:
    """Return what diagnoses say of one column, by their ids, without what they say of others.

    Those that do not speak of it are left out.
    """
    if connection.dialect.name == "postgresql":
        columns = sa.cast(_TABLE.c.json, sa.JSON)["columns"]
        said = sa.cast(columns[column], sa.Text)
        query = sa.select(_TABLE.c.id, said).where(said.is_not(None))
    else:
        # By its key: a path would have to quote the name, and not every name can be quoted.
        each = sa.func.json_each(_TABLE.c.json, "$.columns").table_valued("key", "value")
        query = sa.select(_TABLE.c.id, each.c.value).join(each, each.c.key == column)
    query = query.where(_TABLE.c.id.in_(identities))
    return {row[0]: read_json(row[1], f"result {row[0]}") for row in connection.execute(query)}


def record(connection: sa.Connection, identity: str) -> ResultRecord | None:
    """Return what is known of a result."""
    row = connection.execute(sa.select(*_COLUMNS).where(_TABLE.c.id == identity)).first()
    return None if row is None else _record(row)


def delete(connection: sa.Connection, record: ResultRecord) -> int:
    """Delete all results of a stage of a window, and return how many there were."""
    query = sa.delete(_TABLE).where(of_window(_TABLE, record.key), _TABLE.c.stage == record.stage)
    return connection.execute(query).rowcount


def _text(value: Mapping[str, Any]) -> str:
    return json.dumps(value, allow_nan=False, ensure_ascii=True, separators=(",", ":"))


def _digest(diagnosis: Mapping[str, Any]) -> str:
    said = {name: value for name, value in diagnosis.items() if name not in _PASSING}
    text = json.dumps(said, allow_nan=False, sort_keys=True, separators=(",", ":"))
    return sha256(text.encode())


def _require_config(connection: sa.Connection, config_hash: str, key: WindowKey) -> None:
    found = sa.select(sa.literal(1)).where(tables.config.c.hash == config_hash)
    if connection.execute(found).scalar() is None:
        raise StoreError(
            f"the configuration {config_hash[:12]!r} is not stored",
            where=f"result {key}",
            remedy="Store it first: put_config(monitor, text)",
        )


def _record(row: sa.Row[Any]) -> ResultRecord:
    return ResultRecord(
        row.id,
        key_of(row),
        row.stage,
        row.config_hash,
        row.revision,
        row.current,
        row.verdict,
        row.fault,
        row.whydrift_version,
        row.at,
    )
