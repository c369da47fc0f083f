"""Makes a source from what a person names: a path, an address, a query."""

from __future__ import annotations

import os
from typing import Any

from whydrift.discovery.errors import SchemaError, SourceError
from whydrift.monitor.source.address import expanded, masked, scheme_of
from whydrift.monitor.source.base import Source
from whydrift.monitor.source.files import Files, FilesSource
from whydrift.monitor.source.listing import is_database

__all__ = ["as_source"]


def as_source(data: Any, *, query: str | None = None, side: str = "data") -> Source:
    """Return the source that a path, an address, settings or a source stand for.

    Parameters
    ----------
    data : str, path, Source or settings
    query : str, optional
        What to select, where ``data`` is the address of a database.
    side : str
        Names the argument in messages.

    Raises
    ------
    SourceError
        If it is the address of a database, and no query is given, or the other way round.
    SchemaError
        If it is none of these.
    """
    if isinstance(data, (str, os.PathLike)):
        given = os.fspath(data)
        if query is None:
            return FilesSource(Files(given))
        address = expanded(given, where=side)
        if not is_database(address):
            raise SourceError(
                "a query is given, but this is no database",
                where=masked(address),
                remedy="Leave the query out, or give an address such as postgresql://user@host/db",
            )
        if scheme_of(address) == "duckdb":
            from whydrift.monitor.source.warehouse import Warehouse, WarehouseSource

            return WarehouseSource(Warehouse(given, query=query))
        from whydrift.monitor.source.sql import Sql, SqlSource

        return SqlSource(Sql(given, query))
    from whydrift.monitor.source.registry import is_settings, open_source

    if is_settings(data):
        return open_source(data)
    if all(hasattr(data, name) for name in ("where", "time_column", "schema", "parts")):
        return data  # type: ignore[no-any-return]
    raise SchemaError(
        f"a {type(data).__name__} is not a table",
        where=side,
        remedy="Give a DataFrame, a pyarrow Table, a Snapshot, a path or a source",
    )
