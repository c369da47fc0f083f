"""Rows of Python values, as database drivers give them, as Arrow batches of steady types."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["ColumnTypes"]


class ColumnTypes:
    """Turns batch after batch into Arrow; a type, once known, changes only to a wider one.

    Parameters
    ----------
    names : sequence of str
        The columns.
    known : mapping of str to pyarrow.DataType
        Types that the database states.
    """

    def __init__(self, names: Sequence[str], known: Mapping[str, pa.DataType]) -> None:
        self._names = tuple(names)
        self._types: dict[str, pa.DataType] = dict(known)

    def unknown(self) -> tuple[str, ...]:
        """Return the columns of which no value has come yet."""
        return tuple(name for name in self._names if name not in self._types)

    def learn(self, name: str, value: Any) -> None:
        """Take one value of a column as an example of its type."""
        self._types.setdefault(name, _type_of(value))

    def schema(self) -> pa.Schema:
        """Return the types as far as they are known."""
        import pyarrow as pa

        return pa.schema([pa.field(n, self._types.get(n, pa.null())) for n in self._names])

    def batch(self, rows: Sequence[Sequence[Any]]) -> pa.RecordBatch:
        """Return rows as a batch.

        Parameters
        ----------
        rows : sequence of sequence
            Values in the order of the columns.
        """
        import pyarrow as pa

        columns = list(zip(*rows, strict=True)) if rows else [()] * len(self._names)
        arrays = []
        for name, values in zip(self._names, columns, strict=True):
            for example in {type(v): v for v in values if v is not None}.values():
                kind = _type_of(example)
                self._types[name] = _wider(self._types.get(name, kind), kind)
            arrays.append(_array(values, self._types.get(name, pa.null())))
        fields = [pa.field(n, a.type) for n, a in zip(self._names, arrays, strict=True)]
        return pa.RecordBatch.from_arrays(arrays, schema=pa.schema(fields))


def _type_of(value: Any) -> pa.DataType:
    import pyarrow as pa

    match value:
        case bool():
            return pa.bool_()
        case int():
            return pa.int64()
        case float() | Decimal():
            return pa.float64()
        case datetime():  # before date, which it is too
            return pa.timestamp("us", tz=None if value.tzinfo is None else "UTC")
        case date():
            return pa.date32()
        case time():
            return pa.time64("us")
        case timedelta():
            return pa.duration("us")
        case bytes() | bytearray() | memoryview():
            return pa.binary()
        case _:
            return pa.string()


def _wider(one: pa.DataType, other: pa.DataType) -> pa.DataType:
    """Return a type that holds both: numbers go together, all else becomes text."""
    import pyarrow as pa

    if one == other or pa.types.is_null(other):
        return one
    if pa.types.is_null(one):
        return other
    if {one, other} == {pa.int64(), pa.float64()}:
        return pa.float64()
    return pa.string()


def _array(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    import pyarrow as pa

    if pa.types.is_string(kind):
        return pa.array([_text(value) for value in values], kind)
    if pa.types.is_floating(kind):
        return pa.array([None if value is None else float(value) for value in values], kind)
    try:
        return pa.array(values, kind)
    except OverflowError:  # a whole number of more than 64 bits
        return _array(values, pa.float64())


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, (dict, list, tuple)):
        return json.dumps(value, default=str, sort_keys=True)
    return str(value)
