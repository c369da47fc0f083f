"""A window that comes in pieces: one Snapshot of all, in memory that does not grow with rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from whydrift.discovery.errors import SchemaError
from whydrift.discovery.snapshot.arrow import to_table
from whydrift.discovery.snapshot.build import Piece, read_window
from whydrift.discovery.snapshot.merge import merge
from whydrift.discovery.snapshot.note import Note
from whydrift.discovery.snapshot.schema import ColumnKind, Role, Schema
from whydrift.discovery.snapshot.snapshot import Snapshot

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["infer_schema", "joined_tables", "read_stream"]

_ROWS_AT_ONCE: Final = 65_536
# Of many columns fewer rows: so many values of the first piece, which the schema is inferred from,
# and of the others, which are rather to stay in the processor's cache.
_CELLS_AT_FIRST: Final = 1 << 24
_CELLS_AT_ONCE: Final = 1 << 23
_MOST_WAITING: Final = 16  # parts


def read_stream(
    batches: Iterable[Any],
    *,
    schema: Schema | None,
    kinds: Mapping[str, ColumnKind | str],
    roles: Mapping[str, Role | str],
    sample_rows: int | None,
    salt: int,
    where: str,
    run: int | None = None,
    first: int = 0,
) -> Snapshot:
    """Summarise batches of rows; the arguments are those of :meth:`Snapshot.from_batches`.

    Parameters
    ----------
    run : int, optional
        Stands for a longer stream that these rows are a part of.
    first : int
        Place of the first of these rows in it.

    Raises
    ------
    SchemaError
        If a batch is no table, one lacks a column of the first, or there are no rows.
    """
    waiting: list[Snapshot] = []  # the window so far, and parts that are not yet joined to it
    rows = 0
    for table, notes in _pieces(batches, where):
        limits = [p.totals.copies.limit for p in waiting if p.totals is not None]
        part = read_window(
            table,
            notes,
            schema=schema,
            kinds=kinds,
            roles=roles,
            sample_rows=sample_rows,
            salt=salt,
            piece=Piece(
                run,
                rows,
                min((p.draw.threshold for p in waiting if p.draw is not None), default=1.0),
                min((limit for limit in limits if limit is not None), default=None),
                np.arange(first + rows, first + rows + table.num_rows),
            ),
        )
        assert part.draw is not None
        if not waiting:
            run = int(part.draw.run[0])
            # All pieces are read with the schema of the first, so that it does not matter how the
            # rows were cut into pieces.
            known = (replace(c, categories=c.categories[: c.known]) for c in part.schema)
            schema, kinds, roles = replace(part.schema, columns=tuple(known)), {}, {}
        rows += part.rows
        waiting.append(part)
        if (
            sum(len(p.sample) for p in waiting[1:]) > part.draw.most // 2
            or len(waiting) > _MOST_WAITING
        ):
            waiting = [merge(waiting)]
    if not waiting:
        raise SchemaError("there are no rows", where=where, remedy="Give a window that has data")
    return merge(waiting)


def infer_schema(
    head: Any,
    *,
    kinds: Mapping[str, ColumnKind | str] | None = None,
    roles: Mapping[str, Role | str] | None = None,
    where: str = "data",
) -> Schema:
    """Return the schema that :meth:`Snapshot.from_batches` reads a window with.

    Parts of a window that are read on their own with it (``schema=``) and joined are the window as
    ``from_batches`` reads it, where ``head`` are its first rows. Categories that come after these
    are told apart too, up to 1,000 in all.

    Parameters
    ----------
    head : pandas.DataFrame, polars.DataFrame, pyarrow.Table or pyarrow.RecordBatch
        The first rows of the window: of more than 65,536 (of many columns: of more than 16 million
        values) the rest is not looked at.
    kinds, roles : mapping, optional
        Override what would be inferred.
    where : str
        Names the data in error messages.

    Raises
    ------
    SchemaError
        If the head is no table, or has no rows or no columns.
    """
    for table, notes in _pieces([head], where):
        return read_window(
            table,
            notes,
            schema=None,
            kinds=kinds or {},
            roles=roles or {},
            sample_rows=None,
            salt=0,
        ).schema
    raise SchemaError("there are no rows", where=where, remedy="Give a window that has data")


def _pieces(batches: Iterable[Any], where: str) -> Iterator[tuple[pa.Table, list[Note]]]:
    """Yield tables of so many rows, the last one of fewer, and what had to be mended in them."""
    waiting: list[pa.Table] = []
    notes: list[Note] = []
    count = 0
    cells = _CELLS_AT_FIRST
    for number, batch in enumerate(batches, start=1):
        table, more = to_table(batch, where=f"{where}, batch {number}")
        if table.num_columns == 0:
            raise SchemaError(
                "there are no columns",
                where=f"{where}, batch {number}",
                remedy="Give tables with a header",
            )
        notes += more
        while table.num_rows:
            most = min(_ROWS_AT_ONCE, max(1, cells // table.num_columns))
            part = table.slice(0, most - count)
            table = table.slice(part.num_rows)
            waiting.append(part)
            count += part.num_rows
            if count == most:
                yield joined_tables(waiting, where), notes
                waiting, notes, count, cells = [], [], 0, _CELLS_AT_ONCE
    if waiting:
        yield joined_tables(waiting, where), notes


def joined_tables(tables: list[pa.Table], where: str) -> pa.Table:
    """Return the rows of tables whose columns may be stored in different ways.

    Raises
    ------
    SchemaError
        If types of one column do not fit together.
    """
    import pyarrow as pa

    if any(not t.schema.equals(tables[0].schema) for t in tables[1:]):
        tables = [_without_lists(t) for t in tables]  # Arrow joins no list of values to plain ones
        tables = _with_texts(tables)
    try:
        return pa.concat_tables(tables, promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise SchemaError(
            f"batches hold columns of one name and different types ({error})",
            where=where,
            remedy="Cast them to one type, or give the batches of one table",
        ) from error


def _with_texts(tables: list[pa.Table]) -> list[pa.Table]:
    """Return the tables with each column as text that is text in one of them.

    As of a file in which it shows late that a column is none of numbers.
    """
    import pyarrow as pa

    texts = (pa.string(), pa.large_string())
    wide = {f.name for t in tables for f in t.schema if f.type in texts}
    mixed = {f.name for t in tables for f in t.schema if f.name in wide and f.type not in texts
             and not pa.types.is_null(f.type)}  # fmt: skip
    for name in mixed:
        tables = [
            t.set_column(t.column_names.index(name), name, t.column(name).cast(pa.string()))
            if name in t.column_names
            else t
            for t in tables
        ]
    return tables


def _without_lists(table: pa.Table) -> pa.Table:
    """Return the table with each value in full where it was a place in a list of values."""
    import pyarrow as pa

    for place, field in enumerate(table.schema):
        if pa.types.is_dictionary(field.type):
            values = table.column(place).cast(field.type.value_type)
            table = table.set_column(place, field.name, values)
    return table
