"""What systemd is told, on a socket like its own."""

import os
import socket
from pathlib import Path

from whydrift.monitor.service.systemd import Manager


def test_each_state_is_one_datagram(tmp_path: Path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as there:
        there.bind(str(tmp_path / "notify"))
        there.settimeout(5)
        manager = Manager(
            {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "120000000",
             "WATCHDOG_PID": str(os.getpid())}
        )  # fmt: skip
        assert manager.watchdog_seconds == 120
        manager.ready("watching 3 monitors")
        manager.reloading()
        manager.is_alive()
        manager.stopping()
        told = [there.recv(1000).decode() for _ in range(4)]
    assert told[0] == "READY=1\nSTATUS=watching 3 monitors"
    assert told[1].startswith("RELOADING=1\nMONOTONIC_USEC=")
    assert told[2:] == ["WATCHDOG=1", "STOPPING=1"]


def test_without_systemd_or_after_its_end_nothing_happens(tmp_path: Path):
    Manager({}).ready("")
    Manager({"NOTIFY_SOCKET": str(tmp_path / "gone")}).ready("")
    assert Manager({"WATCHDOG_USEC": "1000", "WATCHDOG_PID": "1"}).watchdog_seconds is None
