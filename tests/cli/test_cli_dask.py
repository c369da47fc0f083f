"""``--dask``: the same answer from workers, and none from a scheduler that is not safe."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.building.parts import window, workers
from tests.cli.conftest import Left, shell

Security = pytest.importorskip("distributed", reason="Dask is not installed").Security
DEPLOY = Path(__file__).parent.parent.parent / "deploy"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    found = tmp_path_factory.mktemp("windows")
    for name, seed in (("may", 1), ("june", 2)):
        (found / name).mkdir()
        table = window(3_000, seed)
        for k in range(3):
            pq.write_table(table[1_000 * k : 1_000 * (k + 1)], found / name / f"{k}.parquet")
    (found / "graph.json").write_text('[["x", "y"]]')
    return found


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with workers(2) as found:
        yield found


def asked(folder: Path) -> list[str]:
    return ["compare", str(folder / "may"), str(folder / "june"), "--target", "y",
            "--time-column", "at", "--cluster", "user", "--graph", str(folder / "graph.json"),
            "--json", "-"]  # fmt: skip


def plain(answer: str) -> dict[str, object]:
    """Return a diagnosis without its name and the seconds it took."""
    value = json.loads(answer)
    for key in ("id", "seconds"):
        value.pop(key)
    return value


@pytest.fixture(scope="module")
def here(folder) -> Left:
    return shell(*asked(folder))


def test_compare_says_the_same_whether_windows_are_read_here_or_by_workers(folder, address, here):
    there = shell(*asked(folder), "--dask", address)
    assert there.err == ""
    assert (there.status, plain(there.out)) == (here.status, plain(here.out))


def test_discover_draws_its_bootstrap_on_the_workers(folder, address, tmp_path, call):
    graphs = []
    for more in ([], ["--dask", address]):
        file = tmp_path / f"{len(graphs)}.json"
        left = call("discover", folder / "may", "--method", "pc", "--bootstrap", 6, "-o", file,
                    "--quiet", *more)  # fmt: skip
        assert (left.status, left.err) == (0, "")
        graphs.append(json.loads(file.read_text()))
    assert graphs[0] == graphs[1]
    assert graphs[0]["stability"]["draws"] == 6


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_tls_with_the_certificates_of_the_configuration(folder, tmp_path, here, call):
    made = tmp_path / "certificates"
    subprocess.run([DEPLOY / "certificates.sh", made], check=True, timeout=60)
    named = {"tls_ca_file": str(made / "ca.pem")}
    for role in ("scheduler", "worker", "client"):
        named |= {f"tls_{role}_cert": str(made / f"{role}.pem"),
                  f"tls_{role}_key": str(made / f"{role}.key")}  # fmt: skip
    security = Security(require_encryption=True, **named)
    with workers(1, security=security, protocol="tls://") as address:
        assert address.startswith("tls://")
        config = tmp_path / "whydrift.yaml"
        config.write_text(
            "version: 1\n"
            f"dask:\n  address: {address}\n  tls:\n    ca: {made / 'ca.pem'}\n"
            f"    cert: {made / 'client.pem'}\n    key: {made / 'client.key'}\n"
            "sources:\n  windows: {files: may, time_column: at}\n"
            "monitors:\n  - {name: shop, source: windows, columns: {target: y, cluster: user}}\n"
        )
        found = call("compare", folder / "may", folder / "june", "--config", config,
                     "--graph", folder / "graph.json", "--json", "-")  # fmt: skip
        assert found.err == ""
        assert plain(found.out) == plain(here.out)
        # Without them nobody is let in, and nothing is tried without encryption.
        call("compare", folder / "may", folder / "june", "--dask", address).refused(
            "needs certificates", "dask: {tls"
        )


@pytest.mark.parametrize("verb", [("compare", "a.csv", "b.csv"), ("discover", "a.csv")])
def test_a_scheduler_beyond_this_machine_without_tls_is_refused(verb, call):
    call(*verb, "--dask", "tcp://scheduler.example:8786").refused("can run code", "tls://")


def test_processes_here_and_workers_there_are_not_asked_for_at_once(call):
    call("discover", "a.csv", "--dask", "tcp://127.0.0.1:1", "--jobs", "2").refused("--jobs")
