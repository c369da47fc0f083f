"""Makes of DATA, as it stands on the command line, what it is read from."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from whydrift.monitor.building import Cluster
    from whydrift.monitor.source.base import Source

__all__ = ["data_given", "query_given"]


def data_given(data: str, query: str | None, workers: Cluster | None = None) -> Source:
    """Return the source of a path or address, or of a query to a database.

    Parameters
    ----------
    data : str
        As it was typed.
    query : str, optional
        SQL, or the file that holds it after an @.
    workers : Cluster, optional
        Who will read it: they were started in another folder, so that they are given whole paths.

    Raises
    ------
    SourceError
        If a database is named without a query, or the other way round, or there is no such file.
    """
    from whydrift.monitor.source.opening import as_source

    if workers is not None and query is None and "://" not in data:
        data = os.path.abspath(data)  # noqa: PTH100 - a glob or template is no Path
    return as_source(data, query=query_given(query), side="DATA")


def query_given(query: str | None) -> str | None:
    """Return the text of a query, which may lie in the file that an @ names.

    Raises
    ------
    SourceError
        If there is no such file.
    """
    from whydrift.monitor.source.text_file import read_text

    return read_text(Path(query[1:])) if query is not None and query.startswith("@") else query
