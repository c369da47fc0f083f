"""A Snapshot as bytes: a Parquet table of the sample, all else in its metadata.

Every tool that reads Parquet can read the sample. The metadata holds a version, so that later
versions of whydrift can read what this one wrote, and a checksum over all that was read.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import asdict
from typing import Any, Final

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
from whydrift.discovery.snapshot.schema import Schema
from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.discovery.snapshot.summary import ColumnSummary
from whydrift.discovery.snapshot.timeline import Timeline
from whydrift.discovery.snapshot.totals import CoMissing, Totals

__all__ = ["read_bytes", "to_bytes"]

_VERSION: Final = 2
_KEY: Final = b"whydrift.snapshot"
_REMEDY: Final = "Build the Snapshot again from the data"


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
        "summaries": {name: asdict(s) for name, s in window.summaries.items()},
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
    table = pa.table(arrays).replace_schema_metadata({_KEY: json.dumps(told_again)})
    # Numbers and hashes are as good as random; blocks have one priority, and places ascend.
    sink = pa.BufferOutputStream()
    pq.write_table(
        table,
        sink,
        compression="zstd",
        use_dictionary=["draw:priority", "draw:run"],
        column_encoding={"draw:place": "DELTA_BINARY_PACKED"},
        write_statistics=False,
    )
    return bytes(sink.getvalue())


def read_bytes(stored: bytes) -> Snapshot:
    """Read what :func:`to_bytes` wrote.

    Raises
    ------
    SchemaError
        If the bytes are no Snapshot, were changed, or come from a later version of whydrift.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    where = "from_bytes"
    try:
        table = pq.read_table(pa.BufferReader(stored))
        outer = json.loads((table.schema.metadata or {})[_KEY])
        text, checksum = outer["content"], outer["checksum"]
        told = json.loads(text)
        version = int(told["version"])
    except (pa.ArrowException, OSError, KeyError, ValueError, TypeError) as error:
        raise SchemaError(
            f"these bytes are no Snapshot ({type(error).__name__})", where=where, remedy=_REMEDY
        ) from error
    if version > _VERSION:
        raise SchemaError(
            f"the Snapshot was written in format {version}, this whydrift reads up to {_VERSION}",
            where=where,
            remedy="Upgrade whydrift",
        )
    arrays = {
        name: np.array(table.column(name).to_numpy(), order="C") for name in table.column_names
    }
    if _checksum(text, arrays) != checksum:
        raise SchemaError(
            "the Snapshot's checksum is not that of its content", where=where, remedy=_REMEDY
        )
    sampled = tuple(n.removeprefix("column:") for n in arrays if n.startswith("column:"))
    sample = np.empty((table.num_rows, len(sampled)), order="F")
    for place, name in enumerate(sampled):
        sample[:, place] = arrays[f"column:{name}"]
    timeline, schema = told["timeline"], Schema.from_dict(told["schema"])
    priority = arrays.get("draw:priority")
    if priority is None:
        priority = _of_rows_alone(schema, arrays["draw:row"], told["draw"]["salt"])
    return Snapshot(
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
            "count": _packed(moments.count),
            "shift": _packed(moments.shift),
            "mean": _packed(moments.mean),
            "cross": _packed(moments.cross),
        },
        "co_missing": {
            "names": co_missing.names,
            "rows": None if co_missing.rows is None else _packed(co_missing.rows),
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
            _unpacked(moments["count"]),
            _unpacked(moments["shift"]),
            _unpacked(moments["mean"]),
            _unpacked(moments["cross"]),
        ),
        CoMissing(tuple(co_missing["names"]), None if rows is None else _unpacked(rows)),
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
    return QuantileSketch(
        tuple(np.split(_unpacked(value["values"]), np.cumsum(value["sizes"][:-1])))
    )


def _packed(array: Any) -> dict[str, Any]:
    """Return an array as text, little-endian; whole numbers that repeat take little room."""
    import zlib

    little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    return {
        "type": little.dtype.str,
        "shape": little.shape,
        "bytes": base64.b64encode(zlib.compress(little.tobytes(), 1)).decode(),
    }


def _unpacked(value: dict[str, Any]) -> Any:
    import zlib

    flat = np.frombuffer(zlib.decompress(base64.b64decode(value["bytes"])), dtype=value["type"])
    return flat.reshape(value["shape"]).astype(flat.dtype.newbyteorder("="))
