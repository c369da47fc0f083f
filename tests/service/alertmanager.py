"""A real Alertmanager that can be stopped and started again, alone or as one of a pair."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.servers import fetch, fetch_json, free_port, program, wait_until

_CONFIG = """\
route: {{receiver: hook, group_by: [monitor, segment, target, kind], group_wait: 0s,
  group_interval: 1s, repeat_interval: 1h}}
receivers: [{{name: hook, webhook_configs: [{{url: "{hook}", send_resolved: true}}]}}]
"""


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
            program("prometheus-alertmanager"), f"--config.file={config}",
            f"--storage.path={self.folder}",
            f"--web.listen-address=127.0.0.1:{self.port}", *cluster,
        ]  # fmt: skip
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        wait_until("Alertmanager", lambda: fetch(f"{self.url}/-/ready"))

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None

    def alerts(self) -> list[dict[str, Any]]:
        """What fires there, by its own API."""
        found: list[dict[str, Any]] = fetch_json(f"{self.url}/api/v2/alerts")
        return found

    def peers(self) -> int:
        """How many members its cluster has."""
        return len(fetch_json(f"{self.url}/api/v2/status")["cluster"].get("peers", []))

    def amtool(self, *arguments: str) -> str:
        """Run amtool against it, as somebody on call does."""
        done = subprocess.run(
            [program("amtool"), f"--alertmanager.url={self.url}", *arguments],
            capture_output=True, text=True, check=True, timeout=60,
        )  # fmt: skip
        return done.stdout
