"""What compose.yaml puts together, without containers: its own files before real servers."""

from __future__ import annotations

import base64
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.deploy.manifests import DEPLOY
from tests.deploy.proxies import HOST, PROXIES, ask
from tests.postgres import Postgres
from tests.servers import alertmanager, fetch_json, free_port, prometheus, running, wait_until

sys.path.insert(0, str(DEPLOY / "compose" / "demo"))
import replay

COMPOSE = DEPLOY / "compose"


@dataclass(frozen=True)
class Composed:
    """A daemon by compose's configuration, with a PostgreSQL, over what the demo writes."""

    port: int
    secrets: Path

    def secret(self, name: str) -> str:
        return (self.secrets / name).read_text()

    def get(self, path: str, token: str = "", host: str = "whydrift:9464") -> tuple[int, str]:
        """Ask as from within the network of compose."""
        headers = {"Host": host, **({"Authorization": f"Bearer {token}"} if token else {})}
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, ""


@pytest.fixture(scope="module")
def composed(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Composed]:
    folder, port = tmp_path_factory.mktemp("compose"), free_port()
    subprocess.run([shutil.copy(COMPOSE / "secrets.sh", folder)], check=True, timeout=120)
    secrets = folder / "secrets"
    (secrets / "store_url").chmod(0o600)
    (secrets / "store_url").write_text(postgres.url(postgres.new_database()))
    (folder / "config").mkdir()
    for path in (COMPOSE / "config").iterdir():
        text = path.read_text().replace("/run/secrets", str(secrets))
        text = text.replace("0.0.0.0:9464", f"0.0.0.0:{port}").replace("/data/", f"{folder}/data/")
        text = text.replace("http://localhost:9464", f"https://{HOST}/whydrift")
        (folder / "config" / path.name).write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(replay, "PAST", timedelta(minutes=100))
        now = datetime.now(UTC)
        replay.write_due(replay.Wines(), folder / "data", now, now)
    command = [sys.executable, "-m", "whydrift", "serve", "--config", str(folder / "config")]
    found = Composed(port, secrets)
    with running(command, folder / "log"):
        wait_until("a ready daemon", lambda: found.get("/-/ready")[0] == 200)
        yield found


def test_prometheus_gets_verdicts_with_its_token_and_with_it_nothing_else(composed, tmp_path):
    token = composed.secret("prometheus_token")
    verdicts = 'whydrift_verdict{monitor="wine-quality"'
    wait_until("a verdict", lambda: verdicts in composed.get("/metrics", token)[1], seconds=120)
    assert composed.get("/metrics")[0] == 401
    assert composed.get("/", token)[0] == 403
    assert composed.get("/", composed.secret("operator_token"))[0] == 200
    assert composed.get("/", composed.secret("operator_token"), "evil.example")[0] == 421

    text = (COMPOSE / "prometheus.yml").read_text()
    with alertmanager(
        tmp_path / "am", (DEPLOY / "prometheus" / "alertmanager.yml").read_text()
    ) as receiver:
        for ours, here in (
            ("whydrift:9464", f"127.0.0.1:{composed.port}"),
            ("alertmanager:9093", receiver.url.removeprefix("http://")),
            ("/run/secrets/prometheus_token", str(composed.secrets / "prometheus_token")),
            ("/etc/prometheus/rules/*.yml", str(DEPLOY / "prometheus" / "whydrift-rules.yml")),
            ("_interval: 30s", "_interval: 1s"),
        ):
            assert ours in text
            text = text.replace(ours, here)
        with prometheus(tmp_path / "prometheus", text) as server:
            wait_until("a scrape", lambda: server.query('up{job="whydrift"} == 1'))
            assert wait_until("verdicts", lambda: server.query("whydrift_verdict"))
            told = fetch_json(f"{server.url}/api/v1/alertmanagers")["data"]
            assert len(told["activeAlertmanagers"]) == 1
            groups = fetch_json(f"{server.url}/api/v1/rules")["data"]["groups"]
            rules = [rule for group in groups for rule in group["rules"]]
            assert rules and not [rule for rule in rules if rule.get("lastError")]


@pytest.mark.parametrize("proxy", PROXIES)
def test_pages_are_whole_behind_a_proxy_with_a_prefix(composed, tmp_path, proxy):
    password = base64.b64encode(f"me:{composed.secret('operator_token')}".encode()).decode()
    with PROXIES[proxy](tmp_path, composed.port) as port:
        status, page = ask(port, "/whydrift/", f"Basic {password}")
        assert status == 200
        assert '"/whydrift/monitors/wine-quality"' in page
        assert ask(port, "/whydrift/monitors/wine-quality", f"Basic {password}")[0] == 200
        assert ask(port, "/whydrift/api/v1/monitors", f"Basic {password}")[0] == 200
        assert ask(port, "/whydrift/", "Basic bm8=")[0] == 401
