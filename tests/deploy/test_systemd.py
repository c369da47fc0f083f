"""The units: systemd takes them, and lets them do little."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.deploy.manifests import DEPLOY
from tests.servers import program

FOLDER = DEPLOY / "systemd"
SERVICES = ("whydrift.service", "whydrift-run.service")


def settings(name: str) -> dict[str, list[str]]:
    """Return the values of every key of a unit."""
    found: dict[str, list[str]] = {}
    for line in (FOLDER / name).read_text().splitlines():
        if not line.startswith("#") and "=" in line:
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units, beginning a program that is on this machine."""
    for path in FOLDER.iterdir():
        text = path.read_text().replace("/opt/whydrift/bin/whydrift", shutil.which("true") or "")
        (tmp_path / path.name).write_text(text)
    return tmp_path


def test_systemd_takes_the_units(units):
    paths = sorted(units.iterdir())
    assert len(paths) == 3
    done = subprocess.run(
        [program("systemd-analyze"), "verify", "--man=no", *paths],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.parametrize("name", SERVICES)
def test_what_is_left_open_is_little(units, name):
    done = subprocess.run(
        [program("systemd-analyze"), "security", "--offline=true", "--threshold=20", units / name],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", SERVICES)
def test_the_command_is_understood_and_secrets_come_as_credentials(name):
    import typer.main

    from whydrift.monitor.cli.app import app

    found = settings(name)
    _, verb, *arguments = found["ExecStart"][0].split()
    command = typer.main.get_command(app).commands[verb]
    with command.make_context(verb, arguments) as asked:
        assert str(asked.params["config"]) == "/etc/whydrift/whydrift.yaml"
    assert [c.partition(":")[0] for c in found["LoadCredential"]] == [
        "prometheus-token.sha256", "operator-token.sha256"
    ]  # fmt: skip


def test_daemon_and_timer_are_the_same_account_with_the_same_rights():
    daemon, timed = map(settings, SERVICES)
    own = {"Type", "ExecStart", "ExecReload", "WatchdogSec", "TimeoutStartSec", "KillMode",
           "TimeoutStopSec", "Restart", "RestartSec", "RestartPreventExitStatus", "WantedBy",
           "Description"}  # fmt: skip
    assert {k: v for k, v in daemon.items() if k not in own} == {
        k: v for k, v in timed.items() if k not in own
    }
    assert "MemoryDenyWriteExecute" not in daemon  # kernels are compiled


def test_what_may_be_written_to_is_what_systemd_makes():
    told = " ".join(settings("whydrift.service")["Environment"])
    assert re.search(r"NUMBA_CACHE_DIR=%C/whydrift/", told)
    assert re.search(r"HOME=%S/whydrift\b", told)
