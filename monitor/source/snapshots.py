"""Reads a window from files as a Snapshot."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace

from whydrift.discovery.snapshot.schema import ColumnKind, Role, Schema
from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.monitor.source.files import read_noted

__all__ = ["read_snapshot"]


def read_snapshot(
    path: str | os.PathLike[str],
    *,
    schema: Schema | None = None,
    kinds: Mapping[str, ColumnKind | str] | None = None,
    roles: Mapping[str, Role | str] | None = None,
    columns: Sequence[str] | None = None,
) -> Snapshot:
    """Summarise one window that lies in files.

    Parameters
    ----------
    path : str or path
        A file, glob or folder of Parquet, CSV or TSV (plain, .gz, .zst, .bz2), Arrow or Feather.
    schema : Schema, optional
        That of the reference, for a current window; inferred otherwise.
    kinds, roles : mapping, optional
        Override what would be inferred, or the schema, for some columns.
    columns : sequence of str, optional
        Read these columns only.

    Returns
    -------
    Snapshot

    Raises
    ------
    SourceError
        If the files cannot be read.
    SchemaError
        If ``kinds`` or ``roles`` name a column that is not there.
    """
    table, notes = read_noted(path, columns=columns)
    snapshot = Snapshot.from_frame(
        table, schema=schema, kinds=kinds, roles=roles, where=os.fspath(path)
    )
    return replace(snapshot, notes=(*notes, *snapshot.notes))
