"""Columns of an Arrow table as arrays of numbers or codes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from whydrift.discovery.arrays import BoolArray, FloatArray, IntArray
from whydrift.discovery.errors import SchemaError, nearest

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["codes", "is_category", "is_missing", "level_text", "numbers", "require"]

_MICROSECONDS_A_DAY = 86_400_000_000


def require(table: pa.Table, name: str, role: str) -> str:
    """Return the name, or raise where the table has no such column.

    Raises
    ------
    SchemaError
        It names the nearest column.
    """
    if name not in table.column_names:
        guess = nearest(str(name), table.column_names)
        raise SchemaError(
            f"there is no column {name!r}",
            where=role,
            remedy=f"Did you mean {guess!r}?"
            if guess
            else f"Columns are: {', '.join(table.column_names[:20])}",
        )
    return name


def is_category(table: pa.Table, name: str) -> bool:
    """Whether a column holds words (or a category type) and not numbers, truth values or times."""
    import pyarrow.types as t

    kind = table.schema.field(name).type
    return any(f(kind) for f in (t.is_string, t.is_large_string, t.is_string_view, t.is_dictionary))


def numbers(table: pa.Table, name: str, role: str) -> FloatArray:
    """Return a column as numbers: truth values as 0 and 1, times as days, missing as NaN.

    Infinite numbers count as missing.

    Raises
    ------
    SchemaError
        If it holds words or values of another type.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    column = table[name]
    kind = column.type
    if pa.types.is_null(kind):
        return np.full(len(column), np.nan)
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        # Through whole microseconds, so that two equal times stay equal.
        instants = pc.cast(pc.cast(column, pa.timestamp("us"), safe=False), pa.int64())
        column = pc.divide(pc.cast(instants, pa.float64()), float(_MICROSECONDS_A_DAY))
    elif pa.types.is_boolean(kind):
        column = pc.cast(column, pa.int8())
    elif not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
        raise SchemaError(
            f"column {name!r} holds {'words' if is_category(table, name) else kind}, not numbers",
            where=role,
            remedy="Name a column of numbers, or turn it into numbers first",
        )
    values = np.array(pc.cast(column, pa.float64(), safe=False).to_numpy(), dtype=np.float64)
    values[~np.isfinite(values)] = np.nan
    return values


def codes(table: pa.Table, name: str) -> tuple[IntArray, tuple[str, ...]]:
    """Return a column as codes into its levels, missing as −1.

    Levels that occur, in the order of a category type, else sorted (numbers by size).
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    column = table[name].combine_chunks()
    if isinstance(column, pa.ChunkedArray):  # of no chunk, or too long for one
        column = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
    if pa.types.is_dictionary(column.type):
        order = [str(v) for v in column.dictionary.to_pylist()]
        found = column.indices
        raw = np.asarray(pc.fill_null(found, -1).to_numpy(zero_copy_only=False), dtype=np.int64)
    else:
        encoded = column.dictionary_encode()
        values = encoded.dictionary.to_pylist()
        ranked = sorted(range(len(values)), key=lambda i: _sort_key(values[i]))
        order = [level_text(values[i]) for i in ranked]
        rank = np.empty(len(values) + 1, dtype=np.int64)
        rank[ranked] = np.arange(len(values))
        rank[-1] = -1
        indices = pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False)
        raw = rank[np.asarray(indices, dtype=np.int64)]
    used = np.unique(raw[raw >= 0])
    place = np.full(len(order) + 1, -1, dtype=np.int64)
    place[used] = np.arange(len(used))
    return place[raw], tuple(order[i] for i in used)


def is_missing(table: pa.Table, name: str) -> BoolArray:
    """Return which rows of a column are missing (or not finite)."""
    import pyarrow as pa
    import pyarrow.compute as pc

    column = table[name]
    gone = np.asarray(pc.is_null(column, nan_is_null=True).to_numpy(), dtype=bool)
    if pa.types.is_floating(column.type):
        finite = pc.fill_null(pc.is_finite(column), False)
        gone |= ~np.asarray(finite.to_numpy(), dtype=bool)
    return gone


def _sort_key(value: Any) -> tuple[bool, float, str]:
    is_number = isinstance(value, (bool, int, float))
    return not is_number, float(value) if is_number else 0.0, str(value)


def level_text(value: Any) -> str:
    """Return a value as the name of a level: a whole number without decimals, as in 1.0."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
