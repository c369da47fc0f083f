"""What users hand in, as one Arrow table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from whydrift.discovery.errors import SchemaError
from whydrift.discovery.snapshot.note import Note

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["as_table"]


def as_table(data: Any) -> tuple[pa.Table, tuple[Note, ...]]:
    """Return a frame, or a mapping of names to columns, as a table, and what had to be mended.

    Raises
    ------
    SchemaError
        If it is neither, or its columns differ in length.
    """
    import pyarrow as pa

    from whydrift.discovery.snapshot.arrow import to_table

    if isinstance(data, Mapping):
        columns = {str(k): _as_array(v) for k, v in data.items()}
        lengths = {name: len(column) for name, column in columns.items()}
        if len(set(lengths.values())) > 1:
            raise SchemaError(
                f"columns differ in length: {lengths}",
                where="data",
                remedy="Give columns of one length",
            )
        return pa.table(columns), ()
    return to_table(data)


def _as_array(values: Any) -> Any:
    import pyarrow as pa

    if isinstance(values, (pa.Array, pa.ChunkedArray)):
        return values
    return pa.array(np.asarray(values) if not isinstance(values, list) else values)
