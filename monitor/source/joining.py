"""Joins the tables of several files by the names of their columns."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from whydrift.discovery.errors import SourceError
from whydrift.discovery.snapshot.note import Note

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["join_files"]


def join_files(parts: Sequence[tuple[Path, pa.Table]]) -> tuple[pa.Table, tuple[Note, ...]]:
    """Return one table with every column that any file has.

    Types are widened where they differ (whole numbers to numbers); where they do not go together
    the column becomes text. A file without a column leaves it missing in its rows.

    Parameters
    ----------
    parts : sequence of (path, pyarrow.Table)
        At least two.

    Raises
    ------
    SourceError
        If a column's types cannot be joined, not even as text.
    """
    import pyarrow as pa

    notes: list[Note] = []
    tables = []
    for path, table in parts:
        kept = [i for i, n in enumerate(table.column_names) if n not in table.column_names[:i]]
        if len(kept) < table.num_columns:
            notes.append(_repeated(path, table))
        tables.append(table.select(kept).replace_schema_metadata(None))
    names = list(dict.fromkeys(name for table in tables for name in table.column_names))
    for name in names:
        having = [t for t in tables if name in t.column_names]
        if len(having) < len(tables):
            notes.append(
                Note(
                    "partial_column",
                    name,
                    f"column {name!r} is in {len(having)} of {len(tables)} files; "
                    "it is missing in the rows of the others",
                )
            )
        types = list(dict.fromkeys(t.schema.field(name).type for t in having))
        if len(types) > 1 and not _go_together(types):
            tables = [_as_text(t, name, parts[i][0]) for i, t in enumerate(tables)]
            listed = ", ".join(str(kind) for kind in types)
            notes.append(
                Note(
                    "mixed_types",
                    name,
                    f"column {name!r} is {listed} in different files; it is read as text",
                )
            )
    return pa.concat_tables(tables, promote_options="permissive"), tuple(notes)


def _repeated(path: Path, table: pa.Table) -> Note:
    names = table.column_names
    name = next(n for i, n in enumerate(names) if n in names[:i])
    return Note(
        "duplicate_name", name, f"{path}: column name {name!r} occurs twice; the first is used"
    )


def _go_together(types: Sequence[Any]) -> bool:
    import pyarrow as pa

    schemas = [pa.schema([pa.field("c", kind)]) for kind in types]
    try:
        pa.unify_schemas(schemas, promote_options="permissive")
    except pa.ArrowException:
        return False
    return True


def _as_text(table: pa.Table, name: str, path: Path) -> pa.Table:
    import pyarrow as pa

    if name not in table.column_names:
        return table
    position = table.column_names.index(name)
    try:
        text = table.column(position).cast(pa.string())
    except pa.ArrowException as error:
        raise SourceError(
            f"column {name!r} is {table.schema.field(position).type} here and something else "
            "in another file",
            where=str(path),
            remedy="Write the column with one type in all files",
        ) from error
    return table.set_column(position, name, text)
