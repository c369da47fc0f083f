"""On a terminal long reading shows how far it is, and how fast."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest


def test_the_bar_shows_rows_per_second_and_goes_without_a_trace(tmp_path):
    pty = pytest.importorskip("pty", reason="no terminals on this system")
    path = tmp_path / "long.csv"
    row = ",".join(f"{i}.25" for i in range(50)) + "\n"
    with path.open("w") as sink:
        sink.write(",".join(f"c{i}" for i in range(50)) + "\n")
        for k in range(150):
            sink.write(row.replace("7.25", f"{k}.5") * 1_000)
    ours, theirs = pty.openpty()
    running = subprocess.Popen(
        [sys.executable, "-m", "whydrift", "discover", path, "--method", "pc"],
        stderr=theirs, stdout=subprocess.DEVNULL,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "200", "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    os.close(theirs)
    told = b""
    while True:
        try:
            more = os.read(ours, 65_536)
        except OSError:  # the other end was closed
            break
        if not more:
            break
        told += more
    os.close(ours)
    assert running.wait(60) == 0
    assert b"rows/s" in told and b"long.csv" in told
