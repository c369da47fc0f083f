"""Dask: what its workers build is what one process builds, and nobody else is let in."""

from __future__ import annotations

import os
import signal
from dataclasses import replace

import pytest

from tests.building.parts import ParquetPart, parts_of, window, workers
from tests.building.test_building import ROLES, assert_same
from whydrift.discovery import ClusterError, OptionError, Snapshot, SourceError
from whydrift.discovery.snapshot.segments import Segments
from whydrift.monitor.building import (
    DaskCluster,
    DaskSettings,
    build,
    build_segments,
    choose_segments,
    connected,
)
from whydrift.monitor.building.dask_address import check_address
from whydrift.monitor.source.reading import Cancelled

pytest.importorskip("distributed", reason="Dask is not installed")
TABLE = window(30_000)


@pytest.fixture(scope="module")
def parts(tmp_path_factory) -> tuple[ParquetPart, ...]:
    return parts_of(TABLE, tmp_path_factory.mktemp("parts"), 9)


@pytest.fixture(scope="module")
def once(parts) -> Snapshot:
    return build(parts, roles=ROLES)


@pytest.fixture(scope="module")
def address():
    with workers(2) as found:
        yield found


@pytest.fixture(scope="module")
def dask(address):
    with connected(DaskSettings(address)) as found:
        yield found


# ---- who is let in ----------------------------------------------------------------------------
@pytest.mark.parametrize(
    "address",
    ["tls://scheduler.example:8786", "tls://10.0.0.5:8786", "tcp://127.0.0.1:8786",
     "127.0.0.1:8786", "tcp://[::1]:8786", "localhost:8786", "inproc://127.0.0.1/7/1"],
)  # fmt: skip
def test_tls_and_this_machine_are_let_in(address):
    check_address(address)


@pytest.mark.parametrize(
    "address",
    ["tcp://10.0.0.5:8786", "scheduler:8786", "tcp://0.0.0.0:8786", "tcp://[2001:db8::1]:8786",
     "localhost.example:8786", "tcp://127.0.0.1.example:8786", "tcp://user@10.1.1.1:8786"],
)  # fmt: skip
def test_plain_connections_to_other_machines_are_refused_with_the_reason(address):
    with pytest.raises(OptionError, match=r"can run code.*tls://"):
        check_address(address)


@pytest.mark.parametrize(
    "address",
    ["", "tls://", "tls://host", "ws://127.0.0.1:80", "ucx://host:1", "tcp://[::1", "127.0.0.1:x"],
)
def test_what_is_no_address_is_told(address):
    with pytest.raises(OptionError, match="no address of a Dask scheduler"):
        check_address(address)


def test_tls_without_certificates_says_where_they_go(monkeypatch, tmp_path):
    settings = DaskSettings("tls://scheduler.example:8786")
    with pytest.raises(OptionError, match=r"no ca is named.*dask: \{tls"):
        settings.security()
    gone = str(tmp_path / "ca.pem")
    with pytest.raises(ClusterError, match=r"ca\.pem cannot be read"):
        replace(settings, ca=gone, cert=gone, key=gone).security()


def test_no_answer_is_told_with_the_address(monkeypatch):
    monkeypatch.setattr("whydrift.monitor.building.dask_cluster._SECONDS_TO_CONNECT", 1)
    with (
        pytest.raises(ClusterError, match=r"tcp://127.0.0.1:9: the Dask scheduler does not answer"),
        connected(DaskSettings("tcp://127.0.0.1:9")),
    ):
        pass


# ---- what comes out ---------------------------------------------------------------------------
def test_workers_build_what_one_process_builds(dask, parts, once):
    told = []
    found = build(parts, roles=ROLES, on=dask, progress=lambda *step: told.append(step))
    assert_same(found, once)
    assert told[-1][1:] == (30_000, 0)


def test_segments_are_built_on_workers(dask, parts, once):
    choice = choose_segments(parts, Segments(("country",), top=2, min_rows=10), on=dask)
    found = build_segments(parts, choice, schema=once.schema, on=dask)
    here = build_segments(parts, choice, schema=once.schema)
    assert choice.chosen == ("fr", "de")
    assert_same(found.whole, once)
    for key in choice.chosen:
        assert_same(found.segments[key], here.segments[key])
    assert found.outside == here.outside


def test_parts_without_rows_change_nothing(dask, parts, once):
    empty = replace(parts[0], groups=())
    assert_same(build([empty, *parts, empty], schema=once.schema, on=dask), once)


def test_a_function_of_any_kind_runs_on_the_workers_in_order(dask):
    here = os.getpid()
    found = list(dask.map(lambda n: (n * n, os.getpid() != here), range(20)))
    assert found == [(n * n, True) for n in range(20)]


# ---- what can go wrong ------------------------------------------------------------------------
def test_an_error_on_a_worker_names_the_part(dask, parts, once):
    gone = [*parts[:2], replace(parts[2], fault="gone"), *parts[3:]]
    with pytest.raises(SourceError, match=r"window.parquet\[2\]: there is no such file"):
        build(gone, schema=once.schema, on=dask)
    broken = [*parts[:2], replace(parts[2], fault="bug"), *parts[3:]]
    with pytest.raises(ZeroDivisionError) as caught:
        build(broken, schema=once.schema, on=dask)
    assert "while reading window.parquet[2]" in caught.value.__notes__


def test_work_on_workers_stops_when_it_is_called_off(dask, parts, once):
    slow = [replace(part, seconds=0.3) for part in parts]
    told = []
    with pytest.raises(Cancelled, match=r"window\.parquet"):
        build(
            slow, schema=once.schema, on=dask,
            progress=lambda *step: told.append(step), cancel=lambda: len(told) >= 2,
        )  # fmt: skip


def test_workers_of_another_version_or_without_whydrift_are_told(address, monkeypatch):
    from importlib.metadata import PackageNotFoundError

    def run_with(answer):
        def run(client, function, *arguments, **options):
            return {"tcp://127.0.0.1:1": answer}

        monkeypatch.setattr("distributed.Client.run", run)
        with pytest.raises(ClusterError) as caught, connected(DaskSettings(address)):
            pass
        return str(caught.value)

    assert "does not have whydrift" in run_with(PackageNotFoundError("whydrift"))
    assert "has whydrift 0.0.7, and here is" in run_with("0.0.7")
    assert "does not answer (gone)" in run_with(OSError("gone"))


def test_a_part_of_the_cluster_that_listens_to_the_network_is_refused(address, monkeypatch):
    monkeypatch.setattr("distributed.Client.nthreads", lambda client: {"tcp://10.0.0.7:4321": 1})
    with (
        pytest.raises(ClusterError, match=r"listens at tcp://10.0.0.7:4321, without TLS"),
        connected(DaskSettings(address)),
    ):
        pass


def test_a_worker_killed_in_the_middle_costs_a_retry_only(dask: DaskCluster, parts, once):
    slow = [replace(part, seconds=0.4) for part in parts]
    killed = []

    def kill_one(stage: str, done: int, total: int) -> None:
        if not killed:
            pids = dask._client.run(os.getpid)
            killed.append(sorted(pids.values())[0])
            os.kill(killed[0], signal.SIGKILL)

    found = build(slow, schema=once.schema, on=dask, progress=kill_one)
    assert killed
    assert_same(found, once)
