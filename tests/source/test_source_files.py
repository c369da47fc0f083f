"""Tables are read as people write them, or the message says what to do."""

from __future__ import annotations

import bz2
import gzip
import os
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import feather, parquet

import whydrift.monitor.source.delimited as delimited
from whydrift import read_snapshot
from whydrift.discovery.errors import OptionError, SourceError
from whydrift.discovery.snapshot.note import Note
from whydrift.monitor.source.base import Rows
from whydrift.monitor.source.files import Files, FilesSource
from whydrift.monitor.source.paths import resolve
from whydrift.monitor.source.reading import stream

TABLE = pa.table({"a": [1, 2, 3], "b": ["x", "y", "x"]})


def wrote(path: Path, contents: bytes | str) -> Path:
    path.write_bytes(contents if isinstance(contents, bytes) else contents.encode())
    return path


def read_noted(path: object) -> tuple[pa.Table, tuple[Note, ...]]:
    """Read files as one table, and what had to be mended on the way."""
    notes: list[Note] = []
    source = FilesSource(Files(os.fspath(path)))  # type: ignore[arg-type]
    tables = list(stream(source, Rows(), tell=notes.append))
    return pa.concat_tables(tables, promote_options="permissive"), tuple(dict.fromkeys(notes))


def read_table(path: object, *, columns: list[str] | None = None) -> pa.Table:
    rows = Rows(None if columns is None else tuple(columns))
    return pa.concat_tables(stream(FilesSource(Files(str(path))), rows))


def message(path: object, **options: object) -> str:
    with pytest.raises(SourceError) as caught:
        read_table(path, **options)  # type: ignore[arg-type]
    assert caught.value.what and caught.value.where and caught.value.remedy
    return str(caught.value)


def as_stream(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


CSV = b"a,b\n1,x\n2,y\n3,x\n"


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("t.parquet", lambda p: parquet.write_table(TABLE, p)),
        ("t.feather", lambda p: feather.write_feather(TABLE, str(p))),
        ("t.csv", lambda p: p.write_bytes(CSV)),
        ("t.tsv", lambda p: p.write_bytes(CSV.replace(b",", b"\t"))),
        ("t.csv.gz", lambda p: p.write_bytes(gzip.compress(CSV))),
        ("t.csv.bz2", lambda p: p.write_bytes(bz2.compress(CSV))),
        ("t.csv.zst", lambda p: p.write_bytes(pa.compress(CSV, "zstd", asbytes=True))),
        ("t.arrow", lambda p: feather.write_feather(TABLE, str(p), compression="zstd")),
        ("t.arrows", lambda p: p.write_bytes(as_stream(TABLE))),
    ],
)
def test_every_format_gives_the_same_table(tmp_path, name, write):
    path = tmp_path / name
    write(path)
    assert read_table(path).to_pydict() == TABLE.to_pydict()


def test_the_contents_count_and_not_the_name(tmp_path):
    parquet.write_table(TABLE, tmp_path / "really_parquet.csv")
    assert read_table(tmp_path / "really_parquet.csv").to_pydict() == TABLE.to_pydict()
    assert read_table(wrote(tmp_path / "no_suffix", CSV)).to_pydict() == TABLE.to_pydict()


@pytest.mark.parametrize(
    "text",
    [
        "a;b\n1;x\n2;y\n3;x\n",
        "a|b\n1|x\n2|y\n3|x\n",
        "\ufeffa,b\n1,x\n2,y\n3,x\n",
        "a,b\r\n1,x\r\n2,y\r\n3,x\r\n",
        '"a","b"\n"1","x"\n"2","y"\n"3","x"\n',
        "\n\na,b\n1,x\n2,y\n3,x",
    ],
)
def test_dialects_of_csv_are_recognised(tmp_path, text):
    assert read_table(wrote(tmp_path / "t.csv", text)).to_pydict() == TABLE.to_pydict()


def test_decimal_commas_are_numbers_where_semicolons_delimit(tmp_path):
    table = read_table(wrote(tmp_path / "t.csv", "a;b\n1,5;x\n2,25;y\n"))
    assert table.to_pydict() == {"a": [1.5, 2.25], "b": ["x", "y"]}


def test_utf16_as_spreadsheets_write_it_is_read(tmp_path):
    assert read_table(wrote(tmp_path / "t.csv", "a\tb\n1\té\n".encode("utf-16"))).to_pydict() == {
        "a": [1],
        "b": ["é"],
    }


@pytest.mark.parametrize("text", ["a,b\n1,café\n", "a,é\n1,x\n"])
def test_latin_1_is_read_with_a_note(tmp_path, text):
    table, notes = read_noted(wrote(tmp_path / "t.csv", text.encode("latin-1")))
    assert "é" in str(table.to_pydict())
    assert [n.code for n in notes] == ["encoding_fallback"]


def test_a_type_that_changes_late_in_the_file_gives_text_and_no_error(tmp_path, monkeypatch):
    monkeypatch.setattr(delimited, "_BLOCK_BYTES", 1_000)
    rows = "1,2,,2026-01-01\n" * 500 + "oops,2.5,7,soon\n"
    table = read_table(wrote(tmp_path / "t.csv", "a,b,c,d\n" + rows))
    assert table.num_rows == 501
    assert [str(kind) for kind in table.schema.types] == ["string", "double", "string", "string"]
    assert [c[-1].as_py() for c in table.columns] == ["oops", 2.5, "7", "soon"]


def test_many_late_surprises_do_not_read_the_file_for_each(tmp_path, monkeypatch):
    monkeypatch.setattr(delimited, "_BLOCK_BYTES", 10_000)
    opened = []
    once = delimited._opened
    monkeypatch.setattr(delimited, "_opened", lambda *a: opened.append(1) or once(*a))
    width = 60
    rows = [",".join(["true"] * width)] * 100 + [",".join(["oops"] * width)]
    head = ",".join(f"c{i}" for i in range(width))
    table = read_table(wrote(tmp_path / "t.csv", "\n".join([head, *rows]) + "\n"))
    assert table.num_columns == width and len(opened) < 15


def test_a_bad_line_late_in_a_large_file_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(delimited, "_BLOCK_BYTES", 1_000)
    path = wrote(tmp_path / "t.csv", "a,b\n" + "1,2\n" * 3_000 + "1,2,3\n" + "1,2\n")
    assert "line 3002 has 3 fields, the header has 2" in message(path)


def test_a_quoted_line_break_does_not_put_the_line_number_out(tmp_path):
    assert "line 4 has 1 field," in message(wrote(tmp_path / "t.csv", 'a,b\n1,"x\ny"\n2\n'))


def test_a_quote_that_never_closes_is_told_by_the_line_in_which_it_opens(tmp_path):
    lines = [f"{i},2,3" for i in range(400)]
    lines[199] = '199,"unclosed,3'
    told = message(wrote(tmp_path / "t.csv", "a,b,c\n" + "\n".join(lines) + "\n"))
    assert "a quotation mark that opens in line 201 closes in line 401 or never" in told


def test_of_two_columns_of_one_name_the_first_comes_through_with_a_note(tmp_path):
    table, notes = read_noted(wrote(tmp_path / "t.csv", "a,a,\n1,x,2\n"))
    assert table.to_pydict() == {"a": [1], "column 3": [2]}
    assert [n.code for n in notes] == ["duplicate_name"]


@pytest.mark.parametrize(
    ("name", "contents", "says"),
    [
        ("t.csv", b"", "the file is empty"),
        ("t.csv", b"\n \n", "the file is empty"),
        ("t.csv", b"a,b\n", "a header but no rows"),
        ("t.csv", b"a,b", "a header but no rows"),
        ("t.csv", b"a,b\n1,2\n3\n", "line 3 has 1 field"),
        ("t.csv", b'a,b\n1,"x\n2,y\n', "never closes"),
        ("t.csv", b"\x00\x01\x02", "zero bytes"),
        ("t.csv.gz", gzip.compress(CSV * 100, mtime=0)[:40], "damaged or cut short"),
        ("t.csv.gz", gzip.compress(b"", mtime=0), "empty once decompressed"),
        ("t.parquet", b"PAR1 and rubbish", "damaged or cut short"),
        ("t.parquet", b"a,b\n1,2\n", "damaged or misnamed"),
        ("t.xlsx", b"PK\x03\x04", "a spreadsheet"),
        ("t.json", b"{}", "JSON"),
    ],
)
def test_what_cannot_be_read_is_one_clear_error(tmp_path, name, contents, says):
    path = wrote(tmp_path / name, contents)
    text = message(path)
    assert says in text and str(path) in text


def test_a_parquet_file_cut_short_is_named(tmp_path):
    path = tmp_path / "t.parquet"
    parquet.write_table(pa.table({"a": list(range(10_000))}), path)
    wrote(path, path.read_bytes()[:-100])
    assert "damaged or cut short" in message(path)


def test_a_missing_file_names_the_nearest_there_is(tmp_path):
    wrote(tmp_path / "june.csv", CSV)
    assert "Did you mean" in message(tmp_path / "jun.csv")
    assert "june.csv" in message(tmp_path / "zzzzzzzz")
    assert "nor its folder" in message(tmp_path / "nowhere" / "june.csv")


def test_folders_and_globs_are_joined_in_the_order_of_names(tmp_path):
    wrote(tmp_path / "b.csv", "a\n3\n")
    wrote(tmp_path / "a.csv", "a\n1\n2\n")
    wrote(tmp_path / "_SUCCESS", "")
    wrote(tmp_path / "README.txt", "notes")
    assert read_table(tmp_path)["a"].to_pylist() == [1, 2, 3]
    assert read_table(f"{tmp_path}/*.csv")["a"].to_pylist() == [1, 2, 3]
    assert [p.name for p in resolve(tmp_path)] == ["a.csv", "b.csv"]


def test_a_file_whose_name_looks_like_a_pattern_is_a_file(tmp_path):
    assert read_table(wrote(tmp_path / "t[1].csv", CSV)).num_rows == 3


def test_folders_and_globs_without_a_table_say_so(tmp_path):
    (tmp_path / "empty").mkdir()
    assert "empty" in message(tmp_path / "empty")
    wrote(tmp_path / "empty" / "notes.md", "x")
    assert "notes.md" in message(tmp_path / "empty")
    assert "no file matches" in message(tmp_path / "*.parquet")


def test_files_with_different_columns_and_types_are_joined_by_name(tmp_path):
    wrote(tmp_path / "1.csv", "a,b,c\n1,2,x\n")
    wrote(tmp_path / "2.csv", "c,b,a\ny,2.5,7\n")
    wrote(tmp_path / "3.csv", "a,b\noops,3\n")
    wrote(tmp_path / "4.csv", "")
    table, notes = read_noted(tmp_path)
    assert table.to_pydict() == {
        "a": ["1", "7", "oops"],
        "b": [2.0, 2.5, 3.0],
        "c": ["x", "y", None],
    }
    assert {n.code for n in notes} == {"partial_column", "mixed_types", "empty_file"}


def test_types_that_cannot_be_joined_are_an_error(tmp_path):
    parquet.write_table(pa.table({"a": [1]}), tmp_path / "1.parquet")
    parquet.write_table(pa.table({"a": [{"x": 1}]}), tmp_path / "2.parquet")
    assert "something else in another file" in message(tmp_path)


def test_a_database_without_a_query_is_refused_with_a_way_out_and_without_its_password():
    text = message("postgresql+psycopg://u:hunter2@h/db")
    assert "--query" in text and "hunter2" not in text


def test_a_file_address_is_a_file(tmp_path):
    assert read_table(f"file://{wrote(tmp_path / 't.csv', CSV)}").num_rows == 3


def test_a_file_that_may_not_be_read_says_so(tmp_path, monkeypatch):
    path = wrote(tmp_path / "t.csv", CSV)

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(pa, "OSFile", refuse)  # root, as in a container, may read everything
    assert "permission denied" in message(path)


def test_a_pipe_is_read_once(tmp_path):
    import threading

    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=(CSV,))
    writer.start()
    assert read_table(path).to_pydict() == TABLE.to_pydict()
    writer.join()


def test_a_device_is_no_file():
    assert "a device" in message("/dev/null")


@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
def test_columns_are_chosen_and_a_typo_names_the_nearest(tmp_path, name):
    path = tmp_path / name
    if name.endswith("csv"):
        wrote(path, CSV)
    else:
        parquet.write_table(TABLE, path)
    assert read_table(path, columns=["b"]).column_names == ["b"]
    assert "there is no column 'bb'. Did you mean 'b'?" in message(path, columns=["bb"])


def test_row_numbers_that_pandas_left_are_no_column(tmp_path):
    import pandas as pd

    frame = pd.DataFrame({"a": [1, 2, 3]})[lambda f: f["a"] > 1]
    frame.to_parquet(tmp_path / "t.parquet")
    assert read_table(tmp_path / "t.parquet").column_names == ["a"]


def test_a_snapshot_carries_the_notes_of_reading(tmp_path):
    path = wrote(tmp_path / "t.csv", "a,b\n1,café\n2,x\n".encode("latin-1"))
    snapshot = read_snapshot(path)
    assert snapshot.rows == 2
    assert "encoding_fallback" in {n.code for n in snapshot.notes}
    assert read_snapshot(path, columns=["a"]).schema.names == ("a",)


def test_a_file_that_a_pattern_reaches_in_two_ways_is_read_once(tmp_path):
    (tmp_path / "a/b/c").mkdir(parents=True)
    wrote(tmp_path / "a/b/c/t.csv", CSV)
    assert len(read_table(tmp_path / "**" / "**" / "*.csv")) == len(TABLE)


def test_a_folder_named_by_day_hides_no_times_of_the_files_in_it(tmp_path):
    (tmp_path / "ts=2026-05-04").mkdir()
    hours = [datetime(2026, 5, 4, hour, tzinfo=UTC) for hour in range(24)]
    parquet.write_table(pa.table({"ts": hours}), tmp_path / "ts=2026-05-04/t.parquet")
    window = Rows(None, "ts", hours[6], hours[12])
    assert len(pa.concat_tables(stream(FilesSource(Files(str(tmp_path))), window))) == 6


def test_a_far_date_does_not_wrap_around_where_another_file_has_nanoseconds(tmp_path):
    far, near = datetime(9999, 12, 31), datetime(2026, 5, 4)
    for name, unit, time in (("a", "us", far), ("b", "ns", near)):
        parquet.write_table(
            pa.table({"t": pa.array([time], pa.timestamp(unit))}), tmp_path / f"{name}.parquet"
        )
    assert read_table(tmp_path).column("t").to_pylist() == [far, near]


@pytest.mark.parametrize("never", [0, -1, 253_402_300_799])
def test_a_number_that_stands_for_never_does_not_change_the_unit_of_times(tmp_path, never):
    start = datetime(2026, 5, 4, tzinfo=UTC)
    seconds = [int(start.timestamp()) + i for i in range(3)]
    lines = "".join(f"{value}\n" for value in ["ts", never, *seconds])
    window = Rows(None, "ts", start, datetime(2026, 5, 5, tzinfo=UTC))
    source = FilesSource(Files(str(wrote(tmp_path / "t.csv", lines))))
    assert len(pa.concat_tables(stream(source, window))) == 3


def test_a_link_to_a_file_that_is_there_too_does_not_count_its_rows_twice(tmp_path):
    (tmp_path / "in").mkdir()
    wrote(tmp_path / "in" / "z.csv", CSV)
    (tmp_path / "in" / "latest.csv").symlink_to("z.csv")
    (tmp_path / "now").symlink_to("in")
    assert [p.name for p in resolve(tmp_path)] == ["z.csv"]
    assert [p.name for p in resolve(tmp_path / "in")] == ["z.csv"]
    assert resolve(tmp_path / "*" / "*.csv") == (tmp_path / "in" / "z.csv",)
    assert resolve(tmp_path / "now" / "latest.csv") == (tmp_path / "now" / "latest.csv",)


def test_a_key_whose_value_the_path_names_is_no_column(tmp_path: Path) -> None:
    for day in (1, 2, 3):
        folder = tmp_path / f"dt=2026-05-0{day}" / "country=fr"
        folder.mkdir(parents=True)
        parquet.write_table(TABLE, folder / "part.parquet")
    one = read_table(tmp_path / "dt=2026-05-03")
    several = read_table(f"{tmp_path}/dt=2026-05-0[12]/country=*/*.parquet")
    assert one.column_names == several.column_names == ["a", "b", "country"]
    assert "dt" in read_table(tmp_path).column_names


def test_a_window_without_a_zone_is_in_utc(tmp_path: Path) -> None:
    times = pa.array([datetime(2026, 5, 4, hour, tzinfo=UTC) for hour in range(24)])
    parquet.write_table(pa.table({"at": times, "x": range(24)}), tmp_path / "t.parquet")
    found = read_snapshot(
        tmp_path / "t.parquet", time_column="at", start=datetime(2026, 5, 4, 6),
        end=datetime(2026, 5, 4, 12, tzinfo=UTC),
    )  # fmt: skip
    assert found.rows == 6
    with pytest.raises(OptionError, match="Give a datetime"):
        read_snapshot(tmp_path / "t.parquet", time_column="at", start="2026-05-04")  # type: ignore[arg-type]


@pytest.mark.parametrize("first", [0, 3_000])
def test_whole_numbers_beyond_64_bits_keep_their_digits(tmp_path, monkeypatch, first):
    monkeypatch.setattr(delimited, "_BLOCK_BYTES", 8_192)
    values = [*range(first), *(10**25 + i for i in range(100))]
    path = wrote(tmp_path / "t.csv", "key,b\n" + "".join(f"{v},x\n" for v in values))
    table = read_table(path)
    assert table["key"].to_pylist() == [str(v) for v in values]
