"""Rows of the table of graphs: versions of what causes what in a monitor."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from whydrift.discovery.errors import GraphError, StoreError
from whydrift.discovery.graph import Graph
from whydrift.monitor.store import tables
from whydrift.monitor.store.content import sha256
from whydrift.monitor.store.records import GraphRecord
from whydrift.monitor.store.statements import lock_monitor

__all__ = ["get", "listed", "put"]

_TABLE: Final = tables.graph
_COLUMNS: Final = [c for c in _TABLE.c if c.name != "json"]


def put(
    connection: sa.Connection, monitor: str, graph: Graph, *, learned_from: str, at: datetime
) -> GraphRecord:
    """Keep a graph: nothing where it is the latest already, else the next version."""
    text = json.dumps(graph.to_dict(), allow_nan=False, sort_keys=True, separators=(",", ":"))
    lock_monitor(connection, monitor)
    latest = connection.execute(
        sa.select(*_COLUMNS)
        .where(_TABLE.c.monitor == monitor)
        .order_by(_TABLE.c.version.desc())
        .limit(1)
    ).first()
    digest = sha256(text.encode())
    if latest is not None and latest.sha256 == digest:
        return _record(latest)
    row: dict[str, Any] = {
        "monitor": monitor,
        "version": 1 if latest is None else latest.version + 1,
        "sha256": digest,
        "learned_from": learned_from,
        "at": at,
    }
    number = connection.execute(
        sa.insert(_TABLE).values(json=text, **row).returning(_TABLE.c.id)
    ).scalar_one()
    return GraphRecord(id=number, **row)


def get(
    connection: sa.Connection,
    monitor: str,
    *,
    version: int | None = None,
    at: datetime | None = None,
) -> tuple[GraphRecord, Graph] | None:
    """Return a version of a monitor's graph: that one, the one of a moment, or the latest.

    Raises
    ------
    StoreError
        If it was changed, or is no graph.
    """
    query = sa.select(_TABLE).where(_TABLE.c.monitor == monitor)
    if version is not None:
        query = query.where(_TABLE.c.version == version)
    if at is not None:
        query = query.where(_TABLE.c.at <= at)
    row = connection.execute(query.order_by(_TABLE.c.version.desc()).limit(1)).first()
    if row is None:
        return None
    where = f"graph {row.version} of {monitor}"
    try:
        if sha256(row.json.encode()) != row.sha256:
            raise GraphError(
                "its text was changed", where=where, remedy="Restore it, or learn the graph again"
            )
        return _record(row), Graph.from_dict(json.loads(row.json))
    except (GraphError, ValueError) as error:
        what = error.what if isinstance(error, GraphError) else "this is no graph"
        raise StoreError(
            what, where=where, remedy="Restore it, or learn the graph again"
        ) from error


def listed(connection: sa.Connection, monitor: str | None = None) -> tuple[GraphRecord, ...]:
    """Return all versions, in their order."""
    query = sa.select(*_COLUMNS)
    if monitor is not None:
        query = query.where(_TABLE.c.monitor == monitor)
    rows = connection.execute(query.order_by(_TABLE.c.monitor, _TABLE.c.version))
    return tuple(_record(row) for row in rows)


def _record(row: sa.Row[Any]) -> GraphRecord:
    return GraphRecord(row.id, row.monitor, row.version, row.sha256, row.learned_from, row.at)
