"""A window that comes in pieces: one Snapshot of all, in memory that does not grow with rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from whydrift.discovery.errors import SchemaError
from whydrift.discovery.snapshot.arrow import to_table
from whydrift.discovery.snapshot.build import Piece, read_window
from whydrift.discovery.snapshot.merge import merge
from whydrift.discovery.snapshot.note import Note
from whydrift.discovery.snapshot.schema import ColumnKind, Role, Schema
from whydrift.discovery.snapshot.snapshot import Snapshot

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["infer_schema", "read_stream"]

_ROWS_AT_ONCE = 65_536


def read_stream(
    batches: Iterable[Any],
    *,
    schema: Schema | None,
    kinds: Mapping[str, ColumnKind | str],
    roles: Mapping[str, Role | str],
    sample_rows: int | None,
    salt: int,
    where: str,
) -> Snapshot:
    """Summarise batches of rows; the arguments are those of :meth:`Snapshot.from_batches`.

    Raises
    ------
    SchemaError
        If a batch is no table, one lacks a column of the first, or there are no rows.
    """
    whole: Snapshot | None = None
    run: int | None = None
    for table, notes in _pieces(batches, where):
        part = read_window(
            table,
            notes,
            schema=schema,
            kinds=kinds,
            roles=roles,
            sample_rows=sample_rows,
            salt=salt,
            piece=Piece(run, 0 if whole is None else whole.rows),
        )
        if whole is None:
            assert part.draw is not None
            whole, run = part, int(part.draw.run[0])
            # All pieces are read with the schema of the first, so that it does not matter how the
            # rows were cut into pieces.
            known = (replace(c, categories=c.categories[: c.known]) for c in part.schema)
            schema, kinds, roles = replace(part.schema, columns=tuple(known)), {}, {}
        else:
            whole = merge([whole, part])
    if whole is None:
        raise SchemaError("there are no rows", where=where, remedy="Give a window that has data")
    return whole


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
        The first rows of the window: of more than 65,536 the rest is not looked at.
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
    """Yield tables of 65,536 rows, the last one of fewer, and what had to be mended in them."""
    waiting: list[pa.Table] = []
    notes: list[Note] = []
    count = 0
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
            part = table.slice(0, _ROWS_AT_ONCE - count)
            table = table.slice(part.num_rows)
            waiting.append(part)
            count += part.num_rows
            if count == _ROWS_AT_ONCE:
                yield _joined(waiting, where), notes
                waiting, notes, count = [], [], 0
    if waiting:
        yield _joined(waiting, where), notes


def _joined(tables: list[pa.Table], where: str) -> pa.Table:
    """Return the rows of tables whose columns may be stored in different ways."""
    import pyarrow as pa

    try:
        return pa.concat_tables(tables, promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise SchemaError(
            f"batches hold columns of one name and different types ({error})",
            where=where,
            remedy="Cast them to one type, or give the batches of one table",
        ) from error
