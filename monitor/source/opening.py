"""Makes a source from what a person or a configuration names."""

from __future__ import annotations

import os
from typing import Any

from whydrift.discovery.errors import SchemaError
from whydrift.monitor.source.base import Source
from whydrift.monitor.source.files import Files, FilesSource

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
        return FilesSource(Files(os.fspath(data)))
    if hasattr(data, "parts") and hasattr(data, "schema"):
        return data  # type: ignore[no-any-return]
    raise SchemaError(
        f"a {type(data).__name__} is not a table",
        where=side,
        remedy="Give a DataFrame, a pyarrow Table, a Snapshot, a path or a source",
    )
