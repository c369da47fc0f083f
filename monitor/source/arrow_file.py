"""Reads Arrow and Feather files batch by batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from whydrift.monitor.source.formats import Format

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["arrow_schema", "read_arrow"]


def arrow_schema(stream: Any, form: Format) -> pa.Schema:
    """Return the columns of a file."""
    from pyarrow import feather, ipc

    if form is Format.FEATHER_1:
        return feather.read_table(stream).schema
    return (ipc.open_stream if form is Format.IPC_STREAM else ipc.open_file)(stream).schema


def read_arrow(
    stream: Any, form: Format, columns: Sequence[int] | None
) -> Iterator[pa.RecordBatch]:
    """Yield the rows as they were written, batch by batch; only ``columns`` are decoded.

    Feather of version 1, which pandas wrote until 2020, can be read as a whole only.
    """
    from pyarrow import feather, ipc

    if form is Format.FEATHER_1:
        table = feather.read_table(stream)
        yield from (table if columns is None else table.select(list(columns))).to_batches()
        return
    options = ipc.IpcReadOptions(included_fields=None if columns is None else list(columns))
    if form is Format.IPC_STREAM:
        yield from ipc.open_stream(stream, options=options)
        return
    file = ipc.open_file(stream, options=options)
    for number in range(file.num_record_batches):
        yield file.get_batch(number)
