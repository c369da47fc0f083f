"""How much is kept, of which monitors, since when."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from whydrift.monitor.store import tables
from whydrift.monitor.store.engine import pragma
from whydrift.monitor.store.store import Store
from whydrift.monitor.store.version import head

__all__ = ["Information", "MonitorInformation", "describe", "size"]


@dataclass(frozen=True, slots=True)
class MonitorInformation:
    """What is kept of one monitor.

    Parameters
    ----------
    name : str
    windows : int
        Current revisions, of segments and versions too.
    segments : int
        Beside the whole.
    rows : int
        That the windows of the whole were made of.
    bytes : int
        Of all revisions.
    first, last : datetime, optional
        Begin of the first window and end of the last.
    samples : int
        Windows that still have their sample.
    graphs, results : int
        Versions; current results.
    """

    name: str
    windows: int
    segments: int
    rows: int
    bytes: int
    first: datetime | None
    last: datetime | None
    samples: int
    graphs: int
    results: int


@dataclass(frozen=True, slots=True)
class Information:
    """What is kept in a store, and how much room it takes (files beside the database too)."""

    where: str
    version: str
    bytes: int
    monitors: tuple[MonitorInformation, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON holds it."""
        value = asdict(self)
        for monitor in value["monitors"]:
            for name in ("first", "last"):
                moment = monitor[name]
                monitor[name] = moment and moment.isoformat().replace("+00:00", "Z")
        return {"schema": "whydrift/store-info/1", **value, "monitors": list(value["monitors"])}


def describe(store: Store) -> Information:
    """Count what is kept.

    Raises
    ------
    StoreError
        If the database cannot be reached.
    """
    with store.database.reading() as connection:
        monitors = tuple(_monitors(connection))
        total = _size(connection, store)
    return Information(store.database.where, head(), total, monitors)


def size(store: Store) -> int:
    """Return how many bytes the store takes, files beside the database too.

    Raises
    ------
    StoreError
        If the database cannot be reached.
    """
    with store.database.reading() as connection:
        return _size(connection, store)


def _monitors(connection: sa.Connection) -> list[MonitorInformation]:
    windows, graph, result = tables.snapshot.c, tables.graph.c, tables.result.c
    is_whole = sa.and_(windows.current, windows.segment == "")
    counted = {
        row.monitor: row
        for row in connection.execute(
            sa.select(
                windows.monitor,
                sa.func.sum(sa.case((windows.current, 1), else_=0)).label("windows"),
                sa.func.count(sa.distinct(sa.func.nullif(windows.segment, ""))).label("segments"),
                sa.func.sum(sa.case((is_whole, windows.rows), else_=0)).label("rows"),
                sa.func.sum(windows.bytes).label("bytes"),
                sa.func.min(windows.window_start).label("first"),
                sa.func.max(windows.window_end).label("last"),
                sa.func.sum(
                    sa.case((sa.and_(windows.current, windows.has_sample), 1), else_=0)
                ).label("samples"),
            ).group_by(windows.monitor)
        )
    }
    graphs = _counts(connection, sa.select(graph.monitor, sa.func.count()).group_by(graph.monitor))
    results = _counts(
        connection,
        sa.select(result.monitor, sa.func.count()).where(result.current).group_by(result.monitor),
    )
    found = []
    for name in connection.execute(sa.select(tables.monitor.c.name).order_by("name")).scalars():
        row = counted.get(name)
        found.append(
            MonitorInformation(
                name,
                int(row.windows) if row else 0,
                int(row.segments) if row else 0,
                int(row.rows) if row else 0,
                int(row.bytes) if row else 0,
                row.first if row else None,
                row.last if row else None,
                int(row.samples) if row else 0,
                graphs.get(name, 0),
                results.get(name, 0),
            )
        )
    return found


def _counts(connection: sa.Connection, query: sa.Select[Any]) -> dict[str, int]:
    return {row[0]: int(row[1]) for row in connection.execute(query)}


def _size(connection: sa.Connection, store: Store) -> int:
    if store.database.is_sqlite:
        pages = int(pragma(connection, "page_count")) * int(pragma(connection, "page_size"))
        folder = store.content.folder
        return pages + sum((folder / n).stat().st_size for n in store.content.files() if folder)
    names = list(tables.METADATA.tables)
    return sum(
        int(connection.execute(sa.select(sa.func.pg_total_relation_size(name))).scalar() or 0)
        for name in names
    )
