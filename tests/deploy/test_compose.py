"""The compose file: by its specification, closed, and everything that it names is there."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.manifests import DEPLOY
from tests.servers import promtool
from whydrift.monitor.config import load_config

FOLDER = DEPLOY / "compose"
COMPOSE: dict[str, Any] = yaml.safe_load((FOLDER / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = ("whydrift", "demo")


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    """What secrets.sh makes."""
    script = shutil.copy(FOLDER / "secrets.sh", tmp_path)
    subprocess.run([script], check=True, capture_output=True, timeout=120)
    return tmp_path / "secrets"


def test_it_follows_the_specification():
    # The package ships the schema of the Compose Specification.
    pytest.importorskip("check_jsonschema", reason="check-jsonschema is not installed")
    done = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec",
         FOLDER / "compose.yaml"],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", SERVICES)
def test_no_service_can_do_more_than_it_must(name):
    service = SERVICES[name]
    assert service["read_only"] is True and service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    image, _, tag = service["image"].partition(":")
    assert image and re.search(r"\d+\.\d+", tag), "a tag that stays what it is"
    for port in service.get("ports", ()):
        assert port.startswith("127.0.0.1:")
    if name != "demo":
        assert "healthcheck" in service or name in OURS  # ours has it in its image


@pytest.mark.parametrize("name", SERVICES)
def test_what_is_mounted_is_there(name):
    for mount in SERVICES[name].get("volumes", ()):
        here, _ = re.sub(r"\$\{\w+:-(\w+)\}", r"\1", mount).split(":")[:2]
        if here.startswith("."):
            assert (FOLDER / here).exists(), here
        else:
            assert here in COMPOSE["volumes"]
    for secret in SERVICES[name].get("secrets", ()):
        assert secret in COMPOSE["secrets"]
    for other in SERVICES[name].get("depends_on", {}):
        assert other in SERVICES
    for network in SERVICES[name].get("networks", ()):
        assert network in COMPOSE["networks"]


def test_every_variable_is_explained():
    text = (FOLDER / "compose.yaml").read_text()
    guide = (DEPLOY.parent / "docs" / "deploy.md").read_text()
    for variable in set(re.findall(r"\$\{(\w+)", text)):
        assert f"`{variable}`" in guide


def test_secrets_are_made_once_and_are_what_is_mounted(secrets):
    made = {path.name for path in secrets.iterdir()}
    wanted = {Path(s["file"]).name for s in COMPOSE["secrets"].values()}
    assert wanted <= made
    assert secrets.stat().st_mode & 0o777 == 0o700
    assert {p.stat().st_mode & 0o777 for p in secrets.iterdir()} == {0o444}
    for name in ("prometheus_token", "operator_token"):
        token = (secrets / name).read_bytes()
        assert len(token) == 48
        told = (secrets / f"{name}.sha256").read_text().strip()
        assert told == hashlib.sha256(token).hexdigest()
    password = (secrets / "postgres_password").read_text()
    assert (secrets / "store_url").read_text().count(f":{password}@db/") == 1
    again = subprocess.run(
        [secrets.parent / "secrets.sh"], capture_output=True, text=True, check=False, timeout=120
    )
    assert again.returncode == 1 and "there already" in again.stderr


def test_the_daemon_reads_its_configuration_and_listens_where_prometheus_asks(tmp_path, secrets):
    folder = tmp_path / "config"
    folder.mkdir()
    for path in (FOLDER / "config").iterdir():
        (folder / path.name).write_text(path.read_text().replace("/run/secrets", str(secrets)))
    config = load_config(folder)
    service = SERVICES["whydrift"]
    port = config.web.listen.rpartition(":")[2]
    assert service["ports"] == [f"127.0.0.1:{port}:{port}"]
    assert config.checks.workers * config.checks.memory + (1 << 30) <= 5 << 30
    assert service["mem_limit"] == "5g"
    url = config.store.url.get_secret_value()
    database = SERVICES["db"]["environment"]
    assert url.startswith(f"postgresql+psycopg://{database['POSTGRES_USER']}:")
    assert url.endswith(f"@db/{database['POSTGRES_DB']}")
    assert config.web.auth not in (None, "none")

    prometheus = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
    job = next(j for j in prometheus["scrape_configs"] if j["job_name"] == "whydrift")
    assert job["static_configs"] == [{"targets": [f"whydrift:{port}"]}]
    assert "whydrift" in config.web.hosts
    assert job["authorization"]["credentials_file"] == "/run/secrets/prometheus_token"
    assert "prometheus_token" in SERVICES["prometheus"]["secrets"]


def test_prometheus_takes_its_configuration(tmp_path):
    text = (FOLDER / "prometheus.yml").read_text()
    token, rules = tmp_path / "token", DEPLOY / "prometheus" / "whydrift-rules.yml"
    token.write_text("secret")
    text = text.replace("/run/secrets/prometheus_token", str(token))
    text = text.replace("/etc/prometheus/rules/*.yml", str(rules))
    (tmp_path / "prometheus.yml").write_text(text)
    assert "rules found" in promtool("check", "config", tmp_path / "prometheus.yml")


def test_grafana_finds_prometheus_and_the_dashboards():
    provisioning = DEPLOY / "grafana" / "provisioning"
    (sources,) = (provisioning / "datasources").iterdir()
    (source,) = yaml.safe_load(sources.read_text())["datasources"]
    port = SERVICES["prometheus"]["ports"][0].rpartition(":")[2]
    assert source["url"] == f"http://prometheus:{port}" and source["isDefault"]
    (providers,) = (provisioning / "dashboards").iterdir()
    (provider,) = yaml.safe_load(providers.read_text())["providers"]
    there, here = provider["options"]["path"], None
    for mount in SERVICES["grafana"]["volumes"]:
        source_path, target = mount.split(":")[:2]
        here = source_path if target == there else here
    assert here is not None
    shown = {path.name for path in (FOLDER / here).glob("*.json")}
    home = Path(SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert str(home.parent) == there and home.name in shown
