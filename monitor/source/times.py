"""Columns of times, however they are written, as timestamps."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from whydrift.discovery.errors import SchemaError

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Times", "no_times", "within"]

# Whole numbers this large are times since 1970 in ns, us and ms; smaller ones are seconds.
_EPOCHS = ((1e17, "ns"), (1e14, "us"), (1e11, "ms"), (1e8, "s"))


class Times:
    """Reads one column batch after batch; the unit of numbers is told from the first that come.

    Parameters
    ----------
    name : str
        The column: dates, times, ISO text, or seconds (ms, us, ns) since 1970.
    where : str
        Names the data in messages.
    """

    def __init__(self, name: str, where: str) -> None:
        self._name, self._where = name, where
        self._unit: str | None = None

    def read(self, column: pa.ChunkedArray) -> pa.ChunkedArray:
        """Return timestamps in microseconds (UTC; a time without a zone counts as UTC).

        Raises
        ------
        SchemaError
            If the column holds no times.
        """
        times = self._read(column)
        if times is None:
            raise no_times(self._name, str(column.type), self._where)
        return times

    def _read(self, column: pa.ChunkedArray) -> pa.ChunkedArray | None:
        import pyarrow as pa
        import pyarrow.compute as pc

        kind = column.type
        if pa.types.is_dictionary(kind):
            column = column.cast(kind.value_type)
            kind = column.type
        try:
            if pa.types.is_integer(kind) or pa.types.is_floating(kind):
                if self._unit is None:
                    self._unit = _unit(column)
                if self._unit is None:
                    # Nothing but nulls says nothing yet; small numbers are no times.
                    return None if column.null_count < len(column) else _none(len(column))
                whole = pc.floor(column).cast(pa.int64()) if pa.types.is_floating(kind) else column
                column = whole.cast(pa.int64()).cast(pa.timestamp(self._unit))
            elif pa.types.is_string(kind) or pa.types.is_large_string(kind):
                column = _parse(column)
            elif pa.types.is_null(kind):
                return _none(len(column))
            elif not (pa.types.is_timestamp(kind) or pa.types.is_date(kind)):
                return None
            return _in_utc(column)
        except pa.ArrowException:
            return None


def _unit(column: pa.ChunkedArray) -> str | None:
    """Return the unit that most numbers are in, None where none is large enough to be a time.

    Not the largest number, nor all: 0 and 9999-12-31 stand for "never" in many systems.
    """
    import pyarrow.compute as pc

    sizes = pc.abs(pc.cast(column, "float64", safe=False))
    sizes = sizes.filter(pc.greater_equal(sizes, _EPOCHS[-1][0]))
    middle = pc.quantile(sizes, 0.5, interpolation="lower")[0].as_py()
    return next((u for least, u in _EPOCHS if middle is not None and middle >= least), None)


def no_times(name: str, holds: str, where: str) -> SchemaError:
    """Build the error for a column that was named as that of the time, and holds none."""
    return SchemaError(
        f"the time column {name!r} holds no times ({holds})",
        where=where,
        remedy="Name a column of dates, times, ISO text (2026-05-04T09:00:00Z) or epochs",
    )


def within(times: pa.ChunkedArray, start: datetime | None, end: datetime | None) -> Any:
    """Return which timestamps (UTC) lie in ``[start, end)``; a missing one does not."""
    import pyarrow as pa
    import pyarrow.compute as pc

    inside = pc.is_valid(times)
    if start is not None:
        inside = pc.and_kleene(inside, pc.greater_equal(times, pa.scalar(start, times.type)))
    if end is not None:
        inside = pc.and_kleene(inside, pc.less(times, pa.scalar(end, times.type)))
    return pc.fill_null(inside, False)


def _none(rows: int) -> pa.ChunkedArray:
    import pyarrow as pa

    return pa.chunked_array([pa.nulls(rows, pa.timestamp("us", tz="UTC"))])


def _in_utc(column: pa.ChunkedArray) -> pa.ChunkedArray:
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_date(column.type):
        column = column.cast(pa.timestamp("ms" if pa.types.is_date64(column.type) else "s"))
    micro = pa.timestamp("us", tz=column.type.tz)
    # What lies below a microsecond is cut off. A zone is only how a time is shown.
    column = column.cast(options=pc.CastOptions(micro, allow_time_truncate=True))
    return column.cast(pa.timestamp("us", tz="UTC"))


def _parse(column: pa.ChunkedArray) -> pa.ChunkedArray:
    import pyarrow as pa
    import pyarrow.compute as pc

    blank = pc.equal(pc.utf8_trim_whitespace(column), "")
    texts = pc.if_else(blank, pa.scalar(None, column.type), column)
    try:
        return texts.cast(pa.timestamp("us"))
    except pa.ArrowInvalid:  # with a zone: "expected no zone offset"
        return texts.cast(pa.timestamp("us", tz="UTC"))
