"""On a terminal long reading shows how far it is, and how fast."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from whydrift.monitor.cli import progress as module
from whydrift.monitor.cli.progress import shown_progress


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


@pytest.mark.parametrize("in_logs", [True, False])
def test_a_line_a_minute_is_written_where_there_is_no_terminal(capsys, monkeypatch, in_logs):
    now = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    with shown_progress(quiet=False, in_logs=in_logs) as tell:
        for done in range(10):
            now[0] += 25.0
            tell("house-price 2026-05-01", done, 73)
    said = capsys.readouterr().err.splitlines()
    lines = [f"house-price 2026-05-01: {done} of 73" for done in (2, 5, 8)]
    assert said == (lines if in_logs else [])
