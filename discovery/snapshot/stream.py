"""A window that comes in pieces: one Snapshot of all, in memory that does not grow with rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from whydrift.discovery.errors import SchemaError
from whydrift.discovery.snapshot.arrow import to_table
from whydrift.discovery.snapshot.build import (
    MOST_CATEGORIES,
    MOST_NEW_CATEGORIES,
    Piece,
    read_window,
)
from whydrift.discovery.snapshot.merge import merge
from whydrift.discovery.snapshot.note import Note
from whydrift.discovery.snapshot.schema import ColumnKind, Role, Schema
from whydrift.discovery.snapshot.snapshot import Snapshot

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["joined_tables", "read_stream"]

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
    is_given = schema is not None
    whole: Snapshot | None = None
    run: int | None = None
    for table, notes in _pieces(batches, where):
        first = whole is None
        piece = Piece(
            run,
            0 if whole is None else whole.rows,
            MOST_NEW_CATEGORIES if is_given else MOST_CATEGORIES,
        )
        part = read_window(
            table,
            notes,
            schema=schema,
            kinds=kinds if first else {},
            roles=roles if first else {},
            sample_rows=sample_rows,
            salt=salt,
            piece=piece,
        )
        if whole is None:
            assert part.draw is not None
            whole, run, schema = part, int(part.draw.run[0]), part.schema
        else:
            whole = merge(whole, part)
            schema = whole.schema
    if whole is None:
        raise SchemaError("there are no rows", where=where, remedy="Give a window that has data")
    return whole


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
                yield joined_tables(waiting, where), notes
                waiting, notes, count = [], [], 0
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

    try:
        return pa.concat_tables(tables, promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise SchemaError(
            f"batches hold columns of one name and different types ({error})",
            where=where,
            remedy="Cast them to one type, or give the batches of one table",
        ) from error
