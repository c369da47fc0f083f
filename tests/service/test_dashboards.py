"""The dashboards: as they were built, about metrics that there are, shipped with the package."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import urllib.request
from pathlib import Path

import pytest
import yaml

from tests.servers import alertmanager, program, promtool, wait_until
from tests.service.panels import annotations, dashboards, expressions, metrics_of
from whydrift.monitor.cli import main
from whydrift.monitor.diagnosis.alert import AlertKey, AlertKind
from whydrift.monitor.service.alert_names import alert_labels, alert_severity
from whydrift.monitor.service.dashboards import dashboard_texts
from whydrift.monitor.service.families import FAMILIES
from whydrift.monitor.service.rules import ALERTS, rules_text

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
CHOSEN = {"monitor": "a", "segment": "^$", "target": ".*"}


def test_building_again_gives_what_is_committed():
    pytest.importorskip("grafana_foundation_sdk")
    spec = importlib.util.spec_from_file_location("build", DEPLOY / "grafana" / "build.py")
    build = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(build)
    assert build.built() == dashboard_texts()


def test_there_is_one_of_the_fleet_of_a_monitor_and_of_the_service():
    found = dashboards()
    assert {d["uid"] for d in found.values()} == {
        "whydrift-fleet", "whydrift-monitor", "whydrift-service",
    }  # fmt: skip
    variables = {v["name"] for v in found["whydrift-monitor.json"]["templating"]["list"]}
    assert variables == {"datasource", "whydrift", "monitor", "segment", "target"}


def test_each_panel_says_what_it_shows_and_asks_the_chosen_prometheus():
    for name, dashboard in dashboards().items():
        ids = [panel["id"] for panel in dashboard["panels"]]
        assert len(ids) == len(set(ids))
        for panel in dashboard["panels"]:
            where = f"{name}, {panel['title']}"
            assert panel["description"].endswith("."), where
            assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}, where
            for target in panel["targets"]:
                assert target["datasource"] == panel["datasource"], where
            place = panel["gridPos"]
            assert place["x"] + place["w"] <= 24, where


def test_panels_do_not_overlap():
    for name, dashboard in dashboards().items():
        taken: dict[tuple[int, int], str] = {}
        for panel in dashboard["panels"]:
            p = panel["gridPos"]
            for x in range(p["x"], p["x"] + p["w"]):
                for y in range(p["y"], p["y"] + p["h"]):
                    assert (x, y) not in taken, (name, panel["title"], taken[x, y])
                    taken[x, y] = panel["title"]


def test_panels_ask_for_metrics_that_are_exported_and_every_metric_is_shown():
    asked = set().union(
        *(metrics_of(expr) for _, expr in (*expressions(CHOSEN), *annotations(CHOSEN)))
    )
    known = set(FAMILIES) | {"whydrift_check_duration_seconds_bucket"}
    assert asked <= known, asked - known
    # The two that say when a check ended stand on our own pages, and q-values in the report.
    assert set(FAMILIES) - asked == {
        "whydrift_check_duration_seconds",
        "whydrift_column_q_value",
        "whydrift_last_check_timestamp_seconds",
        "whydrift_last_success_timestamp_seconds",
    }


def test_prometheus_can_parse_every_expression(tmp_path):
    asked = [*expressions(CHOSEN), *annotations(CHOSEN)]
    rules = [
        {"record": f"x{n}", "expr": expr, "labels": {"of": where}}
        for n, (where, expr) in enumerate(asked)
    ]
    file = tmp_path / "rules.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    promtool("check", "rules", file)


def test_export_writes_them_as_they_are(tmp_path, capsys):
    assert main(["export", "dashboards", "-o", str(tmp_path / "boards"), "--quiet"]) == 0
    written = {p.name: p.read_text() for p in (tmp_path / "boards").iterdir()}
    assert written == dashboard_texts()
    assert capsys.readouterr() == ("", "")
    assert main(["export", "dashboards"]) == 2
    assert "-o dashboards/" in capsys.readouterr().err
    (tmp_path / "file").write_text("")
    assert main(["export", "dashboards", "-o", str(tmp_path / "file")]) == 2


# ---- what stands in deploy/ ----------------------------------------------------------------------
def test_the_example_of_prometheus_is_taken_with_the_rules_beside_it():
    promtool("check", "config", DEPLOY / "prometheus" / "prometheus.yml")
    assert (DEPLOY / "prometheus" / "whydrift-rules.yml").read_text() == rules_text()


def test_the_example_of_alertmanager_is_taken_and_names_alerts_that_there_are():
    file = DEPLOY / "prometheus" / "alertmanager.yml"
    done = subprocess.run(
        [program("amtool"), "check-config", file], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    names = {alert.name for alert in ALERTS}
    for rule in yaml.safe_load(file.read_text())["inhibit_rules"]:
        for matcher in (*rule["source_matchers"], *rule["target_matchers"]):
            pattern = re.fullmatch(r'alertname=~?"(.*)"', matcher)[1]
            for option in re.split(r"\|(?![^(]*\))", pattern):
                assert [n for n in names if re.fullmatch(option, n)], matcher


def test_what_says_a_fault_or_a_moved_mechanism_once_more_waits_and_nothing_else_does(tmp_path):
    def labels(kind: AlertKind, monitor: str, segment: str = "") -> dict[str, str]:
        severity = alert_severity(kind, "warning")
        return alert_labels(monitor, AlertKey("y", kind, segment), severity=severity, team=None)

    posted = [
        labels(AlertKind.FAULT, "a"),
        labels(AlertKind.COVARIATE, "a"),
        labels(AlertKind.MECHANISM, "a"),
        labels(AlertKind.MECHANISM, "a", "DE"),
        labels(AlertKind.MECHANISM, "b"),
        labels(AlertKind.CONDITIONAL, "b"),
        labels(AlertKind.GRAPH, "b"),
        labels(AlertKind.CONDITIONAL, "c"),
        labels(AlertKind.GRAPH, "c"),
        labels(AlertKind.COVARIATE, "c"),
    ]
    with alertmanager(tmp_path, (DEPLOY / "prometheus" / "alertmanager.yml").read_text()) as real:
        body = json.dumps([{"labels": one} for one in posted]).encode()
        asked = urllib.request.Request(
            f"{real.url}/api/v2/alerts", body, {"Content-Type": "application/json"}
        )
        urllib.request.urlopen(asked, timeout=60).close()
        held = wait_until(
            "inhibition",
            lambda: [a["labels"] for a in real.alerts() if a["status"]["inhibitedBy"]],
        )
    said = {(a["alertname"], a["monitor"], a.get("segment", "")) for a in held}
    assert said == {
        ("WhydriftCovariateShift", "a", ""),
        ("WhydriftMechanismShift", "a", ""),
        ("WhydriftConditionalShift", "b", ""),
        ("WhydriftGraphChange", "b", ""),
    }


def test_grafana_is_told_where_dashboards_and_prometheus_are():
    folder = DEPLOY / "grafana" / "provisioning"
    (source,) = yaml.safe_load((folder / "datasources" / "prometheus.yml").read_text())[
        "datasources"
    ]
    assert source["type"] == "prometheus"
    (provider,) = yaml.safe_load((folder / "dashboards" / "whydrift.yml").read_text())["providers"]
    assert provider["type"] == "file" and provider["options"]["path"]


def test_dashboards_are_json_without_numbers_that_json_lacks():
    for text in dashboard_texts().values():
        json.loads(text, parse_constant=lambda name: pytest.fail(name))
