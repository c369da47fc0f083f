"""A Snapshot as bytes: a Parquet table of the sample, all else in its metadata.

Every tool that reads Parquet can read the sample. The metadata holds a version, so that later
versions of whydrift can read what this one wrote, and a checksum over all that was read.

The columns of the table are ``column:NAME`` (doubles: numbers, codes of categories, seconds),
``draw:row``, ``draw:run``, ``draw:place``, ``draw:priority`` (left out where it follows from the
rows) and ``repeated`` (left out where no row is). The metadata has one key, ``whydrift.snapshot``,
with a JSON object of ``content``, a JSON text, and ``checksum``, the SHA-256 of that text and of
all columns in their order, each its name and its values (little-endian, one kind of NaN). The text
holds the fields of :class:`Snapshot` by name; larger arrays are ``type``, ``shape`` and ``bytes``
(zlib, then base64), of symmetric ones the upper triangle, row by row.

Formats: 1 had KLL sketches, whole matrices, and no frequent values; 2 is this one.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import zlib
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from whydrift.discovery.arrays import FloatArray, read_only
from whydrift.discovery.errors import SchemaError
from whydrift.discovery.snapshot.blocks import Blocks
from whydrift.discovery.snapshot.copies import Copies
from whydrift.discovery.snapshot.draw import Draw
from whydrift.discovery.snapshot.frequent import FrequentValues
from whydrift.discovery.snapshot.moments import Moments
from whydrift.discovery.snapshot.note import Note
from whydrift.discovery.snapshot.quantiles import QuantileSketch
from whydrift.discovery.snapshot.row_hash import HashArray
from whydrift.discovery.snapshot.schema import Role, Schema
from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.discovery.snapshot.summary import ColumnSummary
from whydrift.discovery.snapshot.timeline import Timeline
from whydrift.discovery.snapshot.totals import CoMissing, Totals

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["read_bytes", "to_bytes"]

_VERSION: Final = 2
_KEY: Final = b"whydrift.snapshot"
_WHERE: Final = "from_bytes"
_REMEDY: Final = "Build the Snapshot again from the data"
# More memory than any sample of default size takes, and than others do beside their bytes: each row
# has a hash, which does not compress.
_MOST_BYTES: Final = 1 << 28
_MOST_TIMES: Final = 64
# What reading bytes that someone made up can end in.
_UNREADABLE: Final = (
    OSError, KeyError, ValueError, TypeError, AttributeError, IndexError, ArithmeticError,
    MemoryError, RecursionError, zlib.error,
)  # fmt: skip


def to_bytes(window: Snapshot) -> bytes:
    """Return the window as the bytes of a Parquet file.

    Raises
    ------
    SchemaError
        If rows of its sample were replaced or chosen again.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if window.draw is None or window.totals is None:
        raise SchemaError(
            "rows of the sample were replaced or chosen again",
            where="to_bytes",
            remedy="Store the Snapshot that from_frame, from_batches or merge gave",
        )
    draw = window.draw
    arrays: dict[str, Any] = {f"column:{n}": window.column(n) for n in window.sampled}
    arrays |= {"draw:row": draw.row, "draw:run": draw.run, "draw:place": draw.place}
    if not np.array_equal(draw.priority, _of_rows_alone(window.schema, draw.row, draw.salt)):
        arrays["draw:priority"] = draw.priority
    if window.repeated is not None:
        arrays["repeated"] = window.repeated
    told = {
        "version": _VERSION,
        "schema": window.schema.to_dict(),
        "rows": window.rows,
        "summaries": {name: _summary(s) for name, s in window.summaries.items()},
        "absent": window.absent,
        "start": window.start,
        "end": window.end,
        "notes": [note.to_dict() for note in window.notes],
        "repeats": window.repeats,
        "timeline": None if window.timeline is None else asdict(window.timeline),
        "draw": {"threshold": draw.threshold, "most": draw.most, "salt": draw.salt},
        "totals": _totals_to_dict(window.totals),
    }
    text = json.dumps(told, ensure_ascii=False, separators=(",", ":"))
    told_again = {"content": text, "checksum": _checksum(text, arrays)}
    table, told_apart = pa.table(arrays), {_KEY: json.dumps(told_again)}
    # The metadata of the table would be written twice; pyarrow 15 knows no other way.
    is_apart = hasattr(pq.ParquetWriter, "add_key_value_metadata")
    if not is_apart:
        table = table.replace_schema_metadata(told_apart)
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(
        sink,
        table.schema,
        compression="zstd",
        # Numbers and hashes are as good as random; blocks have one priority, and places ascend.
        use_dictionary=["draw:priority", "draw:run"],
        column_encoding={"draw:place": "DELTA_BINARY_PACKED"},
        write_statistics=False,
        store_schema=not is_apart,
    ) as writer:
        writer.write_table(table)
        if is_apart:
            writer.add_key_value_metadata(told_apart)
    return bytes(sink.getvalue())


def read_bytes(stored: bytes) -> Snapshot:
    """Read what :func:`to_bytes` wrote.

    Raises
    ------
    SchemaError
        If the bytes are no Snapshot, were changed, or come from a later version of whydrift.
    """
    try:
        table, outer = _read_table(stored)
        text, checksum = outer["content"], outer["checksum"]
        told = json.loads(text)
        version = int(told["version"])
    except _UNREADABLE as error:
        raise SchemaError(
            f"these bytes are no Snapshot ({type(error).__name__})", where=_WHERE, remedy=_REMEDY
        ) from error
    if version > _VERSION:
        raise SchemaError(
            f"the Snapshot was written in format {version}, this whydrift reads up to {_VERSION}",
            where=_WHERE,
            remedy="Upgrade whydrift",
        )
    try:
        arrays = {
            name: np.array(table.column(name).to_numpy(), order="C") for name in table.column_names
        }
        is_whole = _checksum(text, arrays) == checksum
        window = _window(told, arrays, version) if is_whole else None
    except _UNREADABLE as error:
        raise SchemaError(
            f"the Snapshot does not hold what it should ({type(error).__name__}: {error})",
            where=_WHERE,
            remedy=_REMEDY,
        ) from error
    if window is None:
        raise SchemaError(
            "the Snapshot's checksum is not that of its content", where=_WHERE, remedy=_REMEDY
        )
    return window


def _summary(summary: ColumnSummary) -> dict[str, Any]:
    told = asdict(summary)
    if not summary.example:  # as files without one have always been
        del told["example"]
    return told


def _read_table(stored: bytes) -> tuple[pa.Table, Any]:
    """Return the table and what its metadata say, unless it would take far too much memory."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # No text in the file can be longer than the file.
        file = pq.ParquetFile(
            pa.BufferReader(stored), thrift_string_size_limit=min(len(stored), 2**31 - 1)
        )
        size = 8 * file.metadata.num_rows * file.metadata.num_columns
        if size > max(_MOST_BYTES, _MOST_TIMES * len(stored)):
            raise ValueError(f"a table of {size} bytes in {len(stored)}")
        outer = json.loads((file.metadata.metadata or {})[_KEY])
        table = file.read()
    except pa.ArrowException as error:
        raise ValueError(str(error)) from error
    return table, outer


def _window(told: dict[str, Any], arrays: dict[str, Any], version: int) -> Snapshot:
    schema = Schema.from_dict(told["schema"])
    sampled = tuple(n.removeprefix("column:") for n in arrays if n.startswith("column:"))
    rows = len(arrays["draw:row"])
    sample = np.empty((rows, len(sampled)), order="F")
    for place, name in enumerate(sampled):
        sample[:, place] = arrays[f"column:{name}"]
    timeline = told["timeline"]
    priority = arrays.get("draw:priority")
    if priority is None:
        priority = _of_rows_alone(schema, arrays["draw:row"], told["draw"]["salt"])
    window = Snapshot(
        schema,
        told["rows"],
        {
            name: ColumnSummary(**{**value, "category_counts": tuple(value["category_counts"])})
            for name, value in told["summaries"].items()
        },
        read_only(sample),
        sampled,
        tuple(told["absent"]),
        told["start"],
        told["end"],
        tuple(Note(**note) for note in told["notes"]),
        told["repeats"],
        arrays.get("repeated"),
        None
        if timeline is None
        else Timeline(timeline["seconds"], timeline["first"], tuple(timeline["counts"])),
        Draw(
            priority,
            arrays["draw:row"],
            arrays["draw:run"],
            arrays["draw:place"],
            **told["draw"],
        ),
        _totals_from_dict(told["totals"], version),
    )
    _check(window)
    return window


def _check(window: Snapshot) -> None:
    """Refuse content that would mislead the code that works with it, or send it astray."""
    schema, draw, totals = window.schema, window.draw, window.totals
    assert draw is not None
    assert totals is not None
    _require(all(isinstance(c.name, str) for c in schema), "names of columns")
    _require(len(set(schema.names)) == len(schema), "names of columns")
    _require(all(name in schema for name in (*window.sampled, *window.summaries)), "columns")
    _require(isinstance(window.rows, int) and window.rows >= len(draw), "rows")
    kinds = [(draw.priority, "f8"), (draw.row, "u8"), (draw.run, "u8"), (draw.place, "i8")]
    _require(all(values.dtype == kind for values, kind in kinds), "types of the draw")
    for column in schema:
        summary = window.summaries.get(column.name)
        size = len(column.categories)
        _require(summary is None or len(summary.category_counts) <= size, "counts of categories")
        if not column.kind.is_discrete or column.role is Role.CLUSTER:
            continue
        codes = window.column(column.name) if window.has(column.name) else np.empty(0)
        codes = codes[~np.isnan(codes)]
        _require(bool(np.all((codes >= 0) & (codes < size) & (codes == np.floor(codes)))), "codes")
    moments, size = totals.moments, len(totals.moments.names)
    inner = moments.count.shape[0]
    shapes = [
        (moments.count, (inner, inner)),
        (moments.shift, (size,)),
        (moments.mean, (size, inner)),
        (moments.cross, (size, size)),
        (totals.copies.counts, totals.copies.hashes.shape),
    ]
    if totals.co_missing.rows is not None:
        shapes.append((totals.co_missing.rows, (len(totals.co_missing.names),) * 2))
    _require(inner in {1, size}, "moments")
    _require(all(values.shape == shape for values, shape in shapes), "shapes of totals")


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise ValueError(what)


def _of_rows_alone(schema: Schema, rows: HashArray, salt: int) -> FloatArray:
    """Return what the priorities are where each row is known by its values, and is in no block."""
    return (schema.blocks or Blocks()).priorities(rows, None, salt)


def _checksum(text: str, arrays: dict[str, Any]) -> str:
    digest = hashlib.sha256(text.encode())
    for name, values in arrays.items():
        digest.update(name.encode())
        # Of NaN only that it is one survives every reader.
        plain = values if values.dtype.kind != "f" else np.where(np.isnan(values), np.nan, values)
        digest.update(np.ascontiguousarray(plain).tobytes())
    return digest.hexdigest()


def _totals_to_dict(totals: Totals) -> dict[str, Any]:
    moments, co_missing, copies = totals.moments, totals.co_missing, totals.copies
    return {
        "moments": {
            "names": moments.names,
            "count": _packed(_triangle(moments.count)),
            "shift": _packed(moments.shift),
            "mean": _packed(moments.mean),
            "cross": _packed(_triangle(moments.cross)),
        },
        "co_missing": {
            "names": co_missing.names,
            "rows": None if co_missing.rows is None else _packed(_triangle(co_missing.rows)),
        },
        "copies": {
            "hashes": _packed(copies.hashes),
            "counts": _packed(copies.counts),
            "limit": copies.limit,
        },
        "sketches": {
            name: {
                "sizes": [len(values) for values in sketch.levels],
                "values": _packed(np.concatenate(sketch.levels)),
            }
            for name, sketch in totals.sketches.items()
        },
        "frequent": {
            name: {"counts": dict(values.counts), "taken_off": values.taken_off}
            for name, values in totals.frequent.items()
        },
    }


def _totals_from_dict(value: dict[str, Any], version: int) -> Totals:
    moments, co_missing, copies = value["moments"], value["co_missing"], value["copies"]
    rows = co_missing["rows"]
    return Totals(
        Moments(
            tuple(moments["names"]),
            _square(moments["count"], version),
            _unpacked(moments["shift"]),
            _unpacked(moments["mean"]),
            _square(moments["cross"], version),
        ),
        CoMissing(tuple(co_missing["names"]), None if rows is None else _square(rows, version)),
        Copies(_unpacked(copies["hashes"]), _unpacked(copies["counts"]), copies["limit"]),
        {name: _sketch(found, version) for name, found in value["sketches"].items()},
        # Format 1 did not have them.
        {
            name: FrequentValues(dict(found["counts"]), int(found["taken_off"]))
            for name, found in value.get("frequent", {}).items()
        },
    )


def _sketch(value: Any, version: int) -> QuantileSketch:
    if version == 1:
        return QuantileSketch.of_kll(base64.b64decode(value))
    values, sizes = _unpacked(value["values"]), value["sizes"]
    _require(min(sizes) >= 0 and sum(sizes) == len(values), "sizes of a sketch")
    return QuantileSketch(tuple(np.split(values, np.cumsum(sizes[:-1]))))


def _packed(array: Any) -> dict[str, Any]:
    """Return an array as text, little-endian; whole numbers that repeat take little room."""
    little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    return {
        "type": little.dtype.str,
        "shape": little.shape,
        "bytes": base64.b64encode(zlib.compress(little.tobytes(), 1)).decode(),
    }


def _unpacked(value: dict[str, Any]) -> Any:
    kind, shape = np.dtype(value["type"]), tuple(int(n) for n in value["shape"])
    size = math.prod(shape) * kind.itemsize
    _require(kind.str in {"<f8", "<i8", "<u8"} and min(shape, default=0) >= 0, "type of an array")
    unpacking = zlib.decompressobj()
    # A few bytes can be made to stand for gigabytes.
    flat = unpacking.decompress(base64.b64decode(value["bytes"]), size + 1)
    _require(len(flat) == size, "size of an array")
    return np.frombuffer(flat, dtype=kind).reshape(shape).astype(kind.newbyteorder("="))


def _triangle(matrix: Any) -> Any:
    return matrix[np.triu_indices(len(matrix))]


def _square(value: dict[str, Any], version: int) -> Any:
    """Return a symmetric matrix that is stored by its upper triangle, in format 1 in full."""
    values = _unpacked(value)
    if version == 1:
        return values
    size = (math.isqrt(8 * len(values) + 1) - 1) // 2
    out = np.zeros((size, size), dtype=values.dtype)
    out[np.triu_indices(size)] = values
    upper = np.triu(out, 1)
    out += upper.T
    return out
