"""A real `whydrift serve`, as a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.servers import free_port

__all__ = ["Served", "served", "until"]


def until(is_so: Callable[[], Any], seconds: float = 180, *, of: Callable[[], Any] = str) -> Any:
    """Wait until something is so, and return it."""
    deadline = time.monotonic() + seconds
    while not (found := is_so()):
        assert time.monotonic() < deadline, of()
        time.sleep(0.05)
    return found


class Served:
    """The process, where it answers, and what it has said."""

    def __init__(
        self, config: Path, port: int, *arguments: str, environment: dict[str, str] | None = None,
        program: Sequence[str] = ("-m", "whydrift"), prepare: Callable[[], object] | None = None,
    ) -> None:  # fmt: skip
        self.port = port
        self.log = config.with_name(f"log-{port}-{time.monotonic_ns()}")
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, *program, "serve", "-c", str(config),
                 "--listen", f"127.0.0.1:{port}", "--log-format", "json", *arguments],
                stdout=subprocess.PIPE, stderr=log, text=True,
                env={**os.environ, **(environment or {})}, preexec_fn=prepare,
            )  # fmt: skip

    def ready(self) -> Served:
        """Wait until it answers."""
        until(self._answers, of=lambda: self.log.read_text())
        return self

    def _answers(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        try:
            return self.get("/-/ready")[0] == 200
        except OSError:
            return False

    def get(self, path: str, method: str = "GET") -> tuple[int, str]:
        """Ask for a path."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", method=method)
        request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def metric(self, series: str) -> float | None:
        """Return the value of a series, None where there is none."""
        _, text = self.get("/metrics")
        found = [line for line in text.splitlines() if line.startswith(series + " ")]
        return float(found[0].rsplit(" ", 1)[1]) if found else None

    def lines(self, event: str | None = None, **fields: Any) -> list[dict[str, Any]]:
        """Return the lines of the log of this event and these fields."""
        found = []
        for text in self.log.read_text().splitlines():
            line = json.loads(text) if text.startswith("{") else {"event": "no JSON", "text": text}
            if event in {None, line["event"]} and fields.items() <= line.items():
                found.append(line)
        return found

    def said(self, event: str, seconds: float = 180, **fields: Any) -> list[dict[str, Any]]:
        """Wait for such lines."""
        found: list[dict[str, Any]] = until(
            lambda: self.lines(event, **fields), seconds, of=lambda: self.log.read_text()
        )
        return found

    def workers(self) -> list[int]:
        """Return the process ids of its workers."""
        children = Path(f"/proc/{self.process.pid}/task").glob("*/children")
        pids = [int(pid) for one in children for pid in one.read_text().split()]
        return [p for p in pids if b"spawn_main" in Path(f"/proc/{p}/cmdline").read_bytes()]

    def end(self, how: signal.Signals = signal.SIGTERM, seconds: float = 60) -> int:
        """Send it a signal, and return its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            last = "\n".join(self.log.read_text().splitlines()[-20:])
            pytest.fail(f"it goes on {seconds:.0f} s after {how.name}; its last lines:\n{last}")


@contextmanager
def served(config: Path, *arguments: str, **how: Any) -> Iterator[Served]:
    """Run it within; it is killed at the end, where it still runs."""
    one = Served(config, free_port(), *arguments, **how)
    try:
        yield one
    finally:
        one.process.kill()
        one.process.communicate()
