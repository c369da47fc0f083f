"""Joins the columns of several files by their names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from whydrift.discovery.errors import SourceError
from whydrift.discovery.snapshot.note import Note
from whydrift.monitor.source.base import Tell

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["fitted", "joined_schema", "kept_columns"]


def kept_columns(schema: pa.Schema, where: str, tell: Tell) -> tuple[int, ...]:
    """Return the places of the columns that are data: each name once, no row numbers.

    pandas writes a nameless index as a column ``__index_level_0__``.
    """
    kept: dict[str, int] = {}
    for place, name in enumerate(schema.names):
        if name in kept:
            text = f"{where}: column name {name!r} occurs twice; the first is used"
            tell(Note("duplicate_name", name, text))
        elif not name.startswith("__index_level_"):
            kept[name] = place
    return tuple(kept.values())


def joined_schema(schemas: Sequence[tuple[str, pa.Schema]], tell: Tell) -> pa.Schema:
    """Return every column that any file has.

    Types are widened where they differ (whole numbers to numbers); where they do not go together
    the column becomes text. A file without a column leaves it missing in its rows.

    Parameters
    ----------
    schemas : sequence of (str, pyarrow.Schema)
        Each file's name and columns, whose names do not repeat.
    tell : callable
        Takes what had to be mended.

    Raises
    ------
    SourceError
        If a column's types cannot be joined, not even as text.
    """
    import pyarrow as pa

    fields: dict[str, dict[Any, str]] = {}  # by column its types, each with a file that has it
    having: dict[str, int] = {}
    for where, schema in schemas:
        for field in schema:
            fields.setdefault(field.name, {}).setdefault(field.type, where)
            having[field.name] = having.get(field.name, 0) + 1
    joined = []
    for name, types in fields.items():
        if having[name] < len(schemas):
            text = (
                f"column {name!r} is in {having[name]} of {len(schemas)} files; "
                "it is missing in the rows of the others"
            )
            tell(Note("partial_column", name, text))
        joined.append(pa.field(name, _joined_type(name, types, tell)))
    return pa.schema(joined)


def _joined_type(name: str, types: Mapping[Any, str], tell: Tell) -> pa.DataType:
    import pyarrow as pa

    if len(types) == 1:
        return next(iter(types))
    schemas = [pa.schema([pa.field(name, kind)]) for kind in types]
    try:
        kind = pa.unify_schemas(schemas, promote_options="permissive").field(0).type
    except pa.ArrowException:
        pass
    else:
        # Nanoseconds end in 2262: another file's 9999-12-31 would wrap around to 1816.
        is_finest = pa.types.is_timestamp(kind) and kind.unit == "ns"
        return pa.timestamp("us", tz=kind.tz) if is_finest else kind
    for kind, where in types.items():
        try:
            pa.nulls(0, kind).cast(pa.string())
        except pa.ArrowException as error:
            raise SourceError(
                f"column {name!r} is {kind} here and something else in another file",
                where=where,
                remedy="Write the column with one type in all files",
            ) from error
    listed = ", ".join(str(kind) for kind in types)
    text = f"column {name!r} is {listed} in different files; it is read as text"
    tell(Note("mixed_types", name, text))
    return pa.string()


def fitted(batch: pa.RecordBatch, schema: pa.Schema, columns: Sequence[str]) -> pa.RecordBatch:
    """Return a batch of one file with the columns and types of all.

    A column that turned out to be text, where its first rows were numbers, stays text.

    Parameters
    ----------
    batch : pyarrow.RecordBatch
        Whose column names do not repeat.
    schema : pyarrow.Schema
        Of all files.
    columns : sequence of str
        Those that are wanted.
    """
    import pyarrow as pa

    arrays, fields = [], []
    for name in columns:
        kind = schema.field(name).type
        place = batch.schema.get_field_index(name)
        if place < 0:
            array = pa.nulls(batch.num_rows, kind)
        else:
            array = batch.column(place)
            if array.type != kind and not _turned_out(array.type, kind):
                array = array.cast(kind, safe=False)
        arrays.append(array)
        fields.append(pa.field(name, array.type))
    if not arrays:  # the rows still count
        return batch.select([])
    return pa.RecordBatch.from_arrays(arrays, schema=pa.schema(fields))


def _turned_out(kind: pa.DataType, declared: pa.DataType) -> bool:
    """Whether a late value made the column of a wider type than the first rows had."""
    import pyarrow as pa

    is_text = pa.types.is_string(kind) and not pa.types.is_dictionary(declared)
    return is_text or (pa.types.is_floating(kind) and pa.types.is_integer(declared))
