"""A real Alertmanager on the loopback; tests that need it skip where it is not installed."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

BINARY = "prometheus-alertmanager"
_SECONDS = 15
_CONFIG = """\
route: {{receiver: hook, group_by: [monitor, segment, target, kind], group_wait: 0s,
  group_interval: 1s, repeat_interval: 1h}}
receivers: [{{name: hook, webhook_configs: [{{url: "{hook}", send_resolved: true}}]}}]
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Alertmanager:
    """A server that can be stopped and started again with what it has kept."""

    folder: Path
    hook: str
    peer: int | None = None
    port: int = field(default_factory=free_port)
    cluster: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        self.folder.mkdir(exist_ok=True)
        config = self.folder / "alertmanager.yml"
        config.write_text(_CONFIG.format(hook=self.hook))
        cluster = [f"--cluster.listen-address=127.0.0.1:{self.cluster}"]
        cluster += ["--cluster.settle-timeout=2s", "--cluster.gossip-interval=50ms"]
        if self.peer is not None:
            cluster.append(f"--cluster.peer=127.0.0.1:{self.peer}")
        command = [
            BINARY, f"--config.file={config}", f"--storage.path={self.folder}",
            f"--web.listen-address=127.0.0.1:{self.port}", *cluster,
        ]  # fmt: skip
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        until(self.is_up)

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None

    def is_up(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def alerts(self) -> list[dict[str, Any]]:
        """What fires there, by its own API."""
        with urllib.request.urlopen(f"{self.url}/api/v2/alerts", timeout=5) as answer:
            found: list[dict[str, Any]] = json.load(answer)
            return found

    def amtool(self, *arguments: str) -> str:
        """Run amtool against it, as somebody on call does."""
        done = subprocess.run(
            ["amtool", f"--alertmanager.url={self.url}", *arguments],
            capture_output=True, text=True, check=True, timeout=10,
        )  # fmt: skip
        return done.stdout


def until(holds: Callable[[], object], seconds: float = _SECONDS) -> None:
    """Wait for another process."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come to that in time"
        time.sleep(0.05)


def require_alertmanager() -> None:
    """Skip where there is none."""
    for name in (BINARY, "amtool"):
        if shutil.which(name) is None:
            pytest.skip(
                f"{name} is not installed (Debian: apt-get install prometheus-alertmanager)"
            )
