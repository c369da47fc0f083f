"""Files behind addresses are read as those on this machine: S3, web servers, date templates."""

from __future__ import annotations

import contextlib
import http.server
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import feather, parquet

from tests.servers import free_port
from whydrift import read_snapshot
from whydrift.discovery.errors import SourceError
from whydrift.monitor.source import files as files_module
from whydrift.monitor.source import listing
from whydrift.monitor.source.base import Rows
from whydrift.monitor.source.files import Files, FilesSource
from whydrift.monitor.source.listing import list_files
from whydrift.monitor.source.reading import stream
from whydrift.monitor.source.retry import Retry
from whydrift.monitor.source.trouble import Interrupted

DAY = datetime(2026, 5, 4, tzinfo=UTC)
AT_ONCE = Retry(sleep=lambda _: None)


def hours(day: int, rows: int = 24) -> pa.Table:
    """Rows of one day, one an hour."""
    first = int(DAY.replace(day=day).timestamp())
    times = pa.array(first + 3600 * np.arange(rows), pa.timestamp("s"))
    return pa.table({"ts": times, "price": np.arange(rows, dtype=float), "day": [day] * rows})


def rows_of(path: object, rows: Rows | None = None, **options: object) -> pa.Table:
    source = FilesSource(Files(str(path), options=options))
    return pa.concat_tables(stream(source, rows or Rows(), retry=AT_ONCE))


@pytest.fixture(scope="module")
def s3() -> Iterator[dict[str, object]]:
    """A real S3 server (moto) in a process of its own, with three days of rows."""
    pytest.importorskip("moto", reason="moto is not installed")
    fs_of = pytest.importorskip("s3fs", reason="s3fs is not installed").S3FileSystem
    port = free_port()
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        for _ in range(600):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.2):
                break
            time.sleep(0.2)
        options = {"key": "k", "secret": "hunter2", "endpoint_url": f"http://127.0.0.1:{port}",
                   "client_kwargs": {"region_name": "eu-west-1"}}  # fmt: skip
        system = fs_of(**options)
        system.mkdir("lake")
        for day in (3, 4, 5):
            with system.open(f"lake/sales/dt=2026-05-{day:02}/part-0.parquet", "wb") as sink:
                parquet.write_table(hours(day), sink)
        with system.open("lake/one.csv", "wb") as sink:
            sink.write(b"a,b\n1,x\n2,y\n")
        yield options
    finally:
        server.terminate()
        server.wait()


def test_a_file_a_glob_and_a_folder_in_s3_are_read(s3):
    assert rows_of("s3://lake/one.csv", **s3).to_pydict() == {"a": [1, 2], "b": ["x", "y"]}
    everything = rows_of("s3://lake/sales", **s3)
    assert everything.num_rows == 72
    assert set(everything["dt"].to_pylist()) == {date(2026, 5, day) for day in (3, 4, 5)}
    assert rows_of("s3://lake/sales/dt=2026-05-0[34]/*.parquet", **s3).num_rows == 48


def test_a_window_of_a_template_lists_only_the_folders_that_it_touches(s3, monkeypatch):
    asked = []
    once = listing._in_store
    monkeypatch.setattr(listing, "_in_store", lambda *a: asked.append(a[0]) or once(*a))
    window = Rows(time_column="ts", start=DAY, end=DAY.replace(hour=12))
    table = rows_of("s3://lake/sales/dt={date}/*.parquet", window, **s3)
    assert asked == ["s3://lake/sales/dt=2026-05-04/*.parquet"]
    assert table["price"].to_pylist() == list(range(12))
    assert table.column_names == ["ts", "price", "day"]  # dt only says again when it was


def test_a_file_that_came_since_the_last_look_is_seen(s3):
    import boto3

    client = boto3.client("s3", aws_access_key_id="k", aws_secret_access_key="hunter2",
                          endpoint_url=s3["endpoint_url"], region_name="eu-west-1")  # fmt: skip
    for number in (1, 2):
        client.put_object(Bucket="lake", Key=f"grows/{number}.csv", Body=b"a\n1\n")
        assert rows_of("s3://lake/grows/*.csv", **s3).num_rows == number


@pytest.mark.parametrize("address", ["s3://lake/nothing.csv", "s3://nowhere/a.csv"])
def test_what_is_not_in_s3_is_one_clear_error(s3, address):
    with pytest.raises(SourceError, match="there is no such file") as caught:
        rows_of(address, **s3)
    assert not isinstance(caught.value, Interrupted)


def test_an_s3_server_that_does_not_answer_is_tried_again_and_then_told(s3):
    away = {**s3, "endpoint_url": f"http://127.0.0.1:{free_port()}",
            "config_kwargs": {"retries": {"max_attempts": 0}, "connect_timeout": 1}}  # fmt: skip
    waits: list[float] = []
    retry = Retry(attempts=3, sleep=waits.append)
    with pytest.raises(Interrupted) as caught:
        list(stream(FilesSource(Files("s3://lake/one.csv", options=away)), Rows(), retry=retry))
    assert len(waits) == 2 and "hunter2" not in str(caught.value)


# ---- web servers -------------------------------------------------------------------------------
class Pages(http.server.BaseHTTPRequestHandler):
    """Serves ``content``; answers 503 as often as ``failures`` says, and redirects."""

    content: bytes = b""
    failures = 0
    asked = 0

    def do_GET(self) -> None:
        Pages.asked += 1
        if self.path.startswith("/to/"):
            self.send_response(302)
            self.send_header("Location", self.path[len("/to/") :])
            self.end_headers()
            return
        if self.path.startswith("/private"):
            self.send_error(403)
            return
        if self.path.startswith("/none"):
            self.send_error(404)
            return
        if Pages.failures > 0:
            Pages.failures -= 1
            self.send_error(503)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.content)))
        self.end_headers()
        self.wfile.write(self.content)

    do_HEAD = do_GET  # noqa: N815

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def web() -> Iterator[str]:
    pytest.importorskip("aiohttp", reason="aiohttp is not installed")
    from whydrift.monitor.source import storage

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    Pages.content, Pages.failures, Pages.asked = b"a,b\n1,x\n2,y\n", 0, 0
    storage._copy.cache_clear()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_page_of_the_web_is_read(web, kind):
    if kind == "parquet":
        sink = pa.BufferOutputStream()
        parquet.write_table(pa.table({"a": [1, 2], "b": ["x", "y"]}), sink)
        Pages.content = sink.getvalue().to_pybytes()
    assert rows_of(f"{web}/table.{kind}?day=1").to_pydict() == {"a": [1, 2], "b": ["x", "y"]}


def test_a_page_that_changed_is_fetched_anew_but_once_for_a_window(web):
    source = FilesSource(Files(f"{web}/table.csv"))
    assert source.schema().names == ["a", "b"]
    assert pa.concat_tables(stream(source, Rows())).num_rows == 2
    assert Pages.asked == 1
    Pages.content = b"a,b\n1,x\n"
    assert pa.concat_tables(stream(source, Rows())).num_rows == 1


def test_a_server_that_fails_for_a_moment_is_asked_again(web):
    Pages.failures = 2
    assert rows_of(f"{web}/table.csv").num_rows == 2


@pytest.mark.parametrize(("page", "says"), [("private", "permission denied"), ("none", "no such")])
def test_a_page_that_is_refused_is_not_asked_for_again(web, page, says):
    with pytest.raises(SourceError, match=says) as caught:
        rows_of(f"{web}/{page}.csv?token=hunter2")
    assert not isinstance(caught.value, Interrupted) and "hunter2" not in str(caught.value)
    assert Pages.asked <= 3


@pytest.mark.parametrize(
    "target", ["http://169.254.169.254/latest/meta-data", "http://localhost:1/a.csv", "file:///etc"]
)
def test_a_redirection_to_a_private_address_is_refused(web, target):
    with pytest.raises(SourceError, match="redirects to a private address"):
        rows_of(f"{web}/to/{target}")


def test_a_redirection_on_the_same_server_is_followed(web):
    assert rows_of(f"{web}/to//table.csv").num_rows == 2


def test_a_missing_package_is_one_sentence_with_the_command(monkeypatch):
    import fsspec

    def fail(*_: object, **__: object) -> None:
        raise ImportError("Please install gcsfs to access Google Storage")

    monkeypatch.setattr(fsspec.core, "url_to_fs", fail)
    with pytest.raises(SourceError, match=r"pip install 'whydrift\[gcs\]'"):
        rows_of("gs://bucket/a.csv")


def test_a_kind_of_address_that_nobody_knows_is_told():
    with pytest.raises(SourceError, match="s4://"):
        rows_of("s4://bucket/a.csv")


# ---- folders, templates, row groups ------------------------------------------------------------
def test_folders_of_key_and_value_are_columns(tmp_path):
    for country, year in (("fr", 2025), ("de", 2026)):
        folder = tmp_path / f"country={country}" / f"year={year}"
        folder.mkdir(parents=True)
        parquet.write_table(pa.table({"a": [1]}), folder / "part.parquet")
    table = rows_of(tmp_path)
    assert table.to_pydict() == {"a": [1, 1], "country": ["de", "fr"], "year": [2026, 2025]}
    assert rows_of(tmp_path / "country=fr").column_names == ["a", "year"]
    assert read_snapshot(tmp_path, columns=["country"]).schema.names == ("country",)
    for name in ("part.csv", "part.arrow"):
        folder = tmp_path / "other" / f"kind={name}"
        folder.mkdir(parents=True)
        if name.endswith("csv"):
            (folder / name).write_text("a,b\n1,2\n3,4\n")
        else:
            feather.write_feather(pa.table({"a": [1], "b": [2]}), str(folder / name))
    only = rows_of(tmp_path / "other", Rows(("kind",)))
    assert only.to_pydict() == {"kind": ["part.arrow", "part.csv", "part.csv"]}


def test_a_folder_outside_the_window_is_not_opened_where_folders_are_the_time(
    tmp_path, monkeypatch
):
    for day in (3, 4, 5):
        folder = tmp_path / f"day=2026-05-{day:02}"
        folder.mkdir()
        parquet.write_table(pa.table({"a": [day]}), folder / "part.parquet")
    opened = []
    once = files_module.formatted
    monkeypatch.setattr(files_module, "formatted", lambda s: opened.append(s.address) or once(s))
    window = Rows(time_column="day", start=DAY, end=DAY.replace(day=5))
    assert rows_of(tmp_path, window)["a"].to_pylist() == [4]
    assert len(set(opened)) == 1


@pytest.mark.parametrize(
    ("template", "written"),
    [
        ("dt={date}/*.parquet", "dt=2026-05-{day:02}/p.parquet"),
        ("{year}/{month}/{day}.parquet", "2026/05/{day:02}.parquet"),
        ("year={year}/month={month}/*.parquet", "year=2026/month=05/{day}.parquet"),
    ],
)
def test_templates_by_day_or_month_find_the_rows_of_a_window(tmp_path, template, written):
    for day in (3, 4, 5):
        path = tmp_path / written.format(day=day)
        path.parent.mkdir(parents=True, exist_ok=True)
        parquet.write_table(hours(day), path)
    window = Rows(time_column="ts", start=DAY.replace(hour=6), end=DAY.replace(day=5, hour=3))
    table = rows_of(tmp_path / template, window)
    assert table["day"].to_pylist() == [4] * 18 + [5] * 3
    assert table.column_names == ["ts", "price", "day"]
    assert rows_of(tmp_path / template).num_rows == 72
    assert FilesSource(Files(str(tmp_path / template))).schema().names == table.column_names


def test_templates_by_hour_name_each_hour_once():
    found = list_files(
        "memory://x/{date}/{hour}/a.csv", {}, DAY.replace(hour=22, minute=30), DAY.replace(day=5)
    )
    assert found == ()  # none is there, and that is no error: an empty window


def test_a_template_with_a_gap_is_refused(tmp_path):
    with pytest.raises(SourceError, match=r"\{day\}, but no \{month\}"):
        list_files(tmp_path / "{year}/{day}", {}, DAY, DAY.replace(day=6))


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "Europe/Paris"])
def test_row_groups_outside_the_window_are_not_read(tmp_path, unit, zone):
    times = pa.chunked_array([hours(4)["ts"].chunk(0).cast(pa.timestamp(unit, zone))])
    parquet.write_table(pa.table({"ts": times, "n": range(24)}), tmp_path / "t.parquet",
                        row_group_size=6)  # fmt: skip
    window = Rows(("n",), "ts", DAY.replace(hour=7), DAY.replace(hour=9))
    parts = FilesSource(Files(str(tmp_path / "t.parquet"))).parts(window)
    assert [group.number for part in parts for group in part.groups or ()] == [1]
    assert rows_of(tmp_path / "t.parquet", window).to_pydict() == {"n": [7, 8]}


@pytest.mark.parametrize(
    "times",
    [
        pa.array(["2026-05-03T23:59:59Z", "2026-05-04T00:00:00Z", "", "2026-05-05T00:00:00Z"]),
        pa.array([1777852799, 1777852800, None, 1777939200]),
        pa.array([date(2026, 5, 3), date(2026, 5, 4), None, date(2026, 5, 5)]),
    ],
)
def test_a_window_takes_its_first_instant_and_leaves_its_last_however_times_are_written(
    tmp_path, times
):
    parquet.write_table(pa.table({"at": times, "row": [1, 2, 3, 4]}), tmp_path / "t.parquet")
    table = rows_of(tmp_path / "t.parquet", Rows(None, "at", DAY, DAY.replace(day=5)))
    assert table["row"].to_pylist() == [2]
    assert table["at"].to_pylist() == [DAY]


def test_an_empty_window_says_so(tmp_path):
    parquet.write_table(hours(4), tmp_path / "t.parquet")
    with pytest.raises(SourceError, match="no row lies between 2026-05-06"):
        rows_of(tmp_path / "t.parquet",
                Rows(None, "ts", DAY.replace(day=6), DAY.replace(day=7)))  # fmt: skip


def test_variables_of_the_environment_are_put_into_paths(tmp_path, monkeypatch):
    parquet.write_table(hours(4), tmp_path / "t.parquet")
    monkeypatch.setenv("LAKE", str(tmp_path))
    assert rows_of("${LAKE}/t.parquet").num_rows == 24
    with pytest.raises(SourceError, match=r"no variable 'LAKES'\. Did you mean 'LAKE'"):
        rows_of("${LAKES}/t.parquet")


def test_only_wanted_columns_are_decoded(tmp_path, monkeypatch):
    path = Path(tmp_path / "t.parquet")
    parquet.write_table(hours(4), path)
    asked = []
    once = files_module.read_parquet
    monkeypatch.setattr(
        files_module,
        "read_parquet",
        lambda s, g, columns: asked.append(columns) or once(s, g, columns),
    )
    assert rows_of(path, Rows(("price",))).column_names == ["price"]
    assert asked == [["price"]]
