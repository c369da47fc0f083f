"""Reads Parquet files row group by row group, in memory that does not grow with them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from whydrift.monitor.source.base import rows_at_once

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["RowGroup", "parquet_groups", "read_parquet"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_PER_SECOND: Final = {"milliseconds": 1_000, "microseconds": 1_000_000, "nanoseconds": 10**9}
# Bytes of each column that are read at once: together they stay below this.
_BUFFERS_BYTES: Final = 64 * 1024 * 1024
_LEAST_BUFFER, _MOST_BUFFER = 64 * 1024, 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class RowGroup:
    """One row group.

    Parameters
    ----------
    number, rows : int
    first, last : datetime, optional
        Its smallest and largest time, where they are written beside it.
    """

    number: int
    rows: int
    first: datetime | None = None
    last: datetime | None = None

    def may_hold(self, start: datetime | None, end: datetime | None) -> bool:
        """Whether rows of a window may be in it."""
        is_before = start is not None and self.last is not None and self.last < start
        is_after = end is not None and self.first is not None and self.first >= end
        return not (is_before or is_after)


def parquet_groups(stream: Any, time_column: str | None) -> tuple[pa.Schema, tuple[RowGroup, ...]]:
    """Return the columns of a file, and its row groups, with the times that are in them."""
    from pyarrow import parquet

    with parquet.ParquetFile(stream) as file:
        metadata = file.metadata
        leaves = {file.schema.column(i).path: i for i in range(len(file.schema))}
        leaf = leaves.get(time_column) if time_column is not None else None
        kind = None if leaf is None else json.loads(file.schema.column(leaf).logical_type.to_json())
        groups = []
        for number in range(metadata.num_row_groups):
            group = metadata.row_group(number)
            first, last = (
                (None, None) if leaf is None else _extremes(group.column(leaf).statistics, kind)
            )
            groups.append(RowGroup(number, group.num_rows, first, last))
        return file.schema_arrow, tuple(groups)


def read_parquet(
    stream: Any, groups: Sequence[int], columns: Sequence[str]
) -> Iterator[pa.RecordBatch]:
    """Yield the rows of row groups in batches of at most 65,536; only ``columns`` are decoded."""
    from pyarrow import parquet

    # A row group is not read as a whole, which would take as much memory as its writer chose.
    width = len(columns)
    buffer = max(_LEAST_BUFFER, min(_MOST_BUFFER, _BUFFERS_BYTES // max(1, width)))
    with parquet.ParquetFile(stream, buffer_size=buffer, pre_buffer=False) as file:
        for group in groups:
            yield from file.iter_batches(
                rows_at_once(width), row_groups=[group], columns=list(columns)
            )


def _extremes(statistics: Any, kind: Any) -> tuple[datetime | None, datetime | None]:
    """Return the extremes of a row group's times, where they are told and times they are."""
    if statistics is None or not statistics.has_min_max:
        return None, None
    if kind["Type"] == "Timestamp":
        per_second = _PER_SECOND[kind["timeUnit"]]
    elif kind["Type"] == "Date":
        per_second = None
    else:
        return None, None

    def instant(raw: int) -> datetime:
        if per_second is None:
            return _EPOCH + timedelta(days=raw)
        return _EPOCH + timedelta(microseconds=raw * 1_000_000 // per_second)

    try:
        return instant(statistics.min_raw), instant(statistics.max_raw)
    except OverflowError:  # a year that Python does not know
        return None, None
