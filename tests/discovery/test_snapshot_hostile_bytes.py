"""Bytes that are no Snapshot, or that someone made up, are refused: no crash, no memory taken."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from whydrift.discovery import SchemaError, Snapshot
from whydrift.discovery.snapshot.stored import _checksum

RNG = np.random.default_rng(4)
ROWS = 300
WINDOW = Snapshot.from_frame(
    pa.table({"x": RNG.normal(size=ROWS), "c": RNG.choice(["a", "b", "c"], ROWS)}), sample_rows=80
)
STORED = WINDOW.to_bytes()


def test_bytes_cut_anywhere_are_refused():
    for length in [*range(0, 64), *range(64, len(STORED), len(STORED) // 150), len(STORED) - 1]:
        with pytest.raises(SchemaError, match="from_bytes"):
            Snapshot.from_bytes(STORED[:length])


def test_a_flipped_bit_is_noticed_or_changes_nothing():
    noticed = 0
    for place in RNG.integers(0, len(STORED), 400):
        changed = bytearray(STORED)
        changed[place] ^= 1 << int(RNG.integers(8))
        try:
            found = Snapshot.from_bytes(bytes(changed))
        except SchemaError:
            noticed += 1
        else:  # a bit of the Parquet file itself that says nothing, such as who wrote it
            assert found.to_bytes() == STORED
    assert noticed > 350


@pytest.mark.parametrize("content", [b"", b"PAR1PAR1", b"PAR1" + bytes(200) + b"PAR1", bytes(999)])
def test_foreign_bytes_are_refused(content):
    with pytest.raises(SchemaError, match="no Snapshot"):
        Snapshot.from_bytes(content)


def rewritten(change: Callable[[dict[str, Any]], None], **columns: np.ndarray) -> bytes:
    """Return the Snapshot with other content, and the checksum that belongs to it."""
    file = pq.ParquetFile(pa.BufferReader(STORED))
    table = file.read()
    told = json.loads(json.loads(file.metadata.metadata[b"whydrift.snapshot"])["content"])
    change(told)
    arrays = {name: table.column(name).to_numpy() for name in table.column_names}
    arrays |= {name.replace("_", ":", 1): values for name, values in columns.items()}
    text = json.dumps(told)
    outer = json.dumps({"content": text, "checksum": _checksum(text, arrays)})
    sink = pa.BufferOutputStream()
    metadata = {"whydrift.snapshot": outer}
    pq.write_table(pa.table(arrays).replace_schema_metadata(metadata), sink)
    return bytes(sink.getvalue())


def pack(shape: list[int], content: bytes) -> dict[str, Any]:
    packed = base64.b64encode(zlib.compress(content)).decode()
    return {"type": "<f8", "shape": shape, "bytes": packed}


def into(*path: str, to: Any) -> Callable[[dict[str, Any]], None]:
    def change(told: dict[str, Any]) -> None:
        for key in path[:-1]:
            told = told[key]
        told[path[-1]] = to

    return change


MADE_UP = {
    "more bytes than the shape": into("totals", "moments", "shift", to=pack([1], bytes(10**8))),
    "a shape without bytes": into("totals", "moments", "shift", to=pack([10**12], b"")),
    "a shape below nothing": into("totals", "moments", "shift", to=pack([-1], b"")),
    "another shape": into("totals", "moments", "shift", to=pack([3], bytes(24))),
    "objects": into("totals", "copies", "hashes", "type", to="|O"),
    "no rows": into("rows", to=2),
    "rows in words": into("rows", to="many"),
    "an unknown kind": into("schema", "columns", to=[{"name": "x", "kind": "y"}]),
    "columns of one name": lambda told: told["schema"]["columns"].append(
        told["schema"]["columns"][0]
    ),
    "a summary of no column": lambda told: told["summaries"].update(y=told["summaries"]["x"]),
    "no draw": lambda told: told.pop("draw"),
    "another word": into("draw", "extra", to=1),
    "a list": into("totals", to=[]),
    "a sketch of other sizes": into("totals", "sketches", "x", "sizes", to=[5]),
    "too many counts": into("summaries", "c", "category_counts", to=[1] * 9),
}


def nothing(told: dict[str, Any]) -> None:
    pass


def test_the_same_content_written_again_is_read():
    assert Snapshot.from_bytes(rewritten(nothing)).to_bytes() == STORED


# In a process of its own: the peak is that of one reading, whatever other threads do meanwhile.
READING = """
import json, sys
from pathlib import Path
from whydrift.discovery import SchemaError, Snapshot

def peak():
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024

Snapshot.from_bytes(Path(sys.argv[1]).read_bytes())
for path in sys.argv[2:]:
    before, refusal = peak(), ""
    try:
        Snapshot.from_bytes(Path(path).read_bytes())
    except SchemaError as error:
        refusal = str(error)
    print(json.dumps([refusal, peak() - before]))
"""


@pytest.fixture(scope="module")
def read_elsewhere(tmp_path_factory) -> dict[str, tuple[str, int]]:
    """Return for each made-up content how it was refused, and the bytes of memory that took."""
    folder: Path = tmp_path_factory.mktemp("made-up")
    (folder / "sound").write_bytes(STORED)
    for number, change in enumerate(MADE_UP.values()):
        (folder / str(number)).write_bytes(rewritten(change))
    paths = [folder / "sound", *(folder / str(number) for number in range(len(MADE_UP)))]
    done = subprocess.run(
        [sys.executable, "-c", READING, *map(str, paths)],
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    return dict(zip(MADE_UP, map(json.loads, done.stdout.splitlines()), strict=True))


@pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="the peak of memory is read from Linux' /proc"
)
@pytest.mark.parametrize("name", MADE_UP)
def test_made_up_content_is_refused_without_taking_memory(read_elsewhere, name):
    refusal, taken = read_elsewhere[name]
    assert "from_bytes" in refusal
    assert taken < 40e6


@pytest.mark.parametrize("code", [-1.0, 3.0, 0.5, np.inf])
def test_codes_of_no_category_are_refused(code):
    size = len(WINDOW.sample)
    with pytest.raises(SchemaError, match="codes"):
        Snapshot.from_bytes(rewritten(nothing, column_c=np.full(size, code)))
    assert np.isnan(
        Snapshot.from_bytes(rewritten(nothing, column_c=np.full(size, np.nan))).column("c")
    ).all()


def test_a_table_of_far_more_rows_than_its_bytes_is_not_unpacked():
    sink = pa.BufferOutputStream()
    table = pa.table({"draw:row": np.zeros(40_000_000, dtype=np.int8)})
    pq.write_table(table.replace_schema_metadata({"whydrift.snapshot": "{}"}), sink)
    assert sink.tell() < 1_000_000
    with pytest.raises(SchemaError, match="no Snapshot"):
        Snapshot.from_bytes(bytes(sink.getvalue()))


def test_text_that_is_nested_without_end_is_refused():
    sink = pa.BufferOutputStream()
    metadata = {"whydrift.snapshot": "[" * 200_000}
    pq.write_table(pa.table({"x": [1]}).replace_schema_metadata(metadata), sink)
    with pytest.raises(SchemaError, match="no Snapshot"):
        Snapshot.from_bytes(bytes(sink.getvalue()))
