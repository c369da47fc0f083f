"""Columns and times of the rows that are wanted: what every source does alike."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from whydrift.discovery.errors import SourceError, nearest
from whydrift.monitor.source.base import Rows
from whydrift.monitor.source.times import Times, within

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["require_columns", "timed", "with_column"]


def require_columns(columns: Iterable[str] | None, there: Sequence[str], where: str) -> None:
    """Raise where a column is not there; the message names the nearest."""
    for name in columns or ():
        if name not in there:
            guess = nearest(name, there)
            listed = ", ".join(there[:20]) + (" …" if len(there) > 20 else "")
            raise SourceError(
                f"there is no column {name!r}",
                where=where,
                remedy=f"{f'Did you mean {guess!r}? ' if guess else ''}Columns are: {listed}",
            )


def with_column(batch: pa.RecordBatch, name: str, values: pa.Array) -> pa.RecordBatch:
    """Return a batch with a column put in the place of the one of that name, or at the end."""
    import pyarrow as pa

    columns = {n: batch.column(i) for i, n in enumerate(batch.schema.names)} | {name: values}
    return pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))


def timed(batch: pa.RecordBatch, times: Times, rows: Rows) -> pa.RecordBatch:
    """Return the rows of the window, with its time column as timestamps."""
    import pyarrow as pa

    place = batch.schema.get_field_index(rows.time_column)
    read = times.read(pa.chunked_array([batch.column(place)]))
    column = read.combine_chunks()
    if isinstance(column, pa.ChunkedArray):
        column = pa.concat_arrays(column.chunks)
    batch = with_column(batch, str(rows.time_column), column)
    if rows.start is None and rows.end is None:
        return batch
    inside = within(read, rows.start, rows.end)
    return batch.filter(pa.concat_arrays(inside.chunks) if inside.num_chunks else inside)
