"""The rules for Prometheus: taken by promtool, and right about what they alert on."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

from tests.servers import promtool
from tests.service.told import config
from whydrift.monitor.cli import main
from whydrift.monitor.diagnosis.alert import AlertKey, AlertKind
from whydrift.monitor.service.alert_names import (
    ALERT_NAMES,
    alert_labels,
    alert_severity,
    report_link,
)
from whydrift.monitor.service.families import FAMILIES
from whydrift.monitor.service.rules import ALERTS, RECORDINGS, Links, rules, rules_text

ROOT = Path(__file__).parents[2]
RUNBOOKS = ROOT / "docs" / "runbooks"
LINKS = Links("https://whydrift.example/w/", "https://grafana.example")


def configured():
    """price belongs to a team and is grave; clicks is neither."""
    both = config("price", "clicks")
    price, clicks = both.monitors
    alert = price.alert.model_copy(update={"severity": "error", "team": "pricing"})
    return both.model_copy(update={"monitors": (price.model_copy(update={"alert": alert}), clicks)})


def alerts(*said) -> list[dict]:
    return [r for g in rules(*said)["groups"] for r in g["rules"] if "alert" in r]


def covers(rule: dict, monitor: str) -> bool:
    """Whether a rule is about a monitor."""
    found = re.findall(r'monitor(=~|!~)"([^"]*)"', rule["expr"])
    return all(bool(re.fullmatch(names, monitor)) == (op == "=~") for op, names in found)


@pytest.mark.parametrize("said", [(), (configured(), LINKS)], ids=["bare", "configured"])
def test_promtool_takes_the_rules(said, tmp_path):
    (tmp_path / "rules.yml").write_text(rules_text(*said))
    assert "SUCCESS" in promtool("check", "rules", tmp_path / "rules.yml")


@pytest.mark.parametrize("name", ["drift", "service"])
def test_rules_alert_on_what_they_should_and_on_nothing_else(name, tmp_path):
    (tmp_path / "whydrift-rules.yml").write_text(rules_text(configured(), LINKS))
    shutil.copy(Path(__file__).parent / "rules" / f"{name}.yml", tmp_path)
    promtool("test", "rules", tmp_path / f"{name}.yml")


def test_each_alert_has_what_the_person_on_call_needs():
    for rule in alerts(configured(), LINKS):
        notes = rule["annotations"]
        assert set(notes) == {
            "summary", "description", "runbook_url", "dashboard_url", "report_url",
        }  # fmt: skip
        assert rule["labels"]["severity"] in {"critical", "error", "warning", "info"}
        assert notes["runbook_url"].endswith(f"/{rule['alert']}.md")


def test_without_our_address_there_are_no_links_that_lead_nowhere():
    for rule in alerts():
        assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}


def test_each_alert_has_its_runbook_and_each_runbook_its_alert():
    pages = {path.stem for path in RUNBOOKS.glob("*.md")}
    assert pages == {alert.name for alert in ALERTS}
    for path in RUNBOOKS.glob("*.md"):
        text = path.read_text()
        parts = re.findall(r"^## (.+)$", text, re.M)
        assert parts == ["Meaning", "First look", "Likely causes", "Mend", "Silence"], path.name
        (severity,) = {a.severity for a in ALERTS if a.name == path.stem}
        said = f"Severity: {severity or re.escape('the monitor')}"
        assert re.search(said, text), path.name
        for linked in re.findall(r"\]\(([^)#:]+\.md)\)", text):
            target = (RUNBOOKS / linked).resolve()
            assert target.exists(), (path.name, linked)


def test_drift_rules_read_the_state_of_the_episode_alone():
    for alert in ALERTS:
        if alert.kind is not None:
            assert set(re.findall(r"whydrift_\w+", alert.value)) == {"whydrift_alert_firing"}
            assert alert.wait == "", "after and resolve_after are the daemon's"


def test_rules_name_no_metric_that_is_not_exported():
    recorded = {row.name for row in RECORDINGS}
    histograms = {f"{n}_{s}" for n, f in FAMILIES.items() if f.kind == "histogram"
                  for s in ("bucket", "sum", "count")}  # fmt: skip
    for rule in (*ALERTS, *RECORDINGS):
        expr = rule.expr() if hasattr(rule, "condition") else rule.expr
        named = set(re.findall(r"(?<![\w:])whydrift_\w+", expr))
        assert named and named <= set(FAMILIES) | histograms | recorded, rule.name


@pytest.mark.parametrize("kind", AlertKind)
def test_a_rule_gives_the_labels_that_a_direct_notification_has(kind):
    whole = configured()
    for monitor in whole.monitors:
        (rule,) = (
            r for r in alerts(whole) if r["alert"] == ALERT_NAMES[kind] and covers(r, monitor.name)
        )
        grouped = re.search(r"by \(([^)]*)\)", rule["expr"])[1].split(", ")
        direct = alert_labels(
            monitor.name, AlertKey("y", kind, "DE"),
            severity=alert_severity(kind, monitor.alert.severity), team=monitor.alert.team,
        )  # fmt: skip
        assert {*grouped, *rule["labels"], "alertname"} == set(direct)
        assert {k: direct[k] for k in rule["labels"]} == rule["labels"]


def test_monitors_of_one_owner_share_a_rule_and_all_are_covered_once():
    whole = configured()
    names = ["price", "clicks", "added-later"]
    for alert in (a for a in ALERTS if a.is_of_monitor):
        written = [r for r in alerts(whole) if r["alert"] == alert.name]
        for name in names:
            assert [covers(rule, name) for rule in written].count(True) == 1, (alert.name, name)


def test_a_report_link_reads_as_it_was_written():
    key = AlertKey("a&b", AlertKind.FAULT, "ü /+%")
    url = report_link("https://w.example/sub/", "price", key)
    assert url.startswith("https://w.example/sub/monitors/price/report?")
    asked = {k: v[0] for k, v in parse_qs(urlsplit(url).query).items()}
    assert asked == {"segment": key.segment, "target": key.target, "kind": "fault"}


def test_export_writes_the_rules_of_a_configuration(tmp_path, capsys):
    file = tmp_path / "whydrift.yaml"
    file.write_text(
        "version: 1\nstore: {url: '${NOT_SET}'}\nweb: {external_url: 'https://w.example'}\n"
        "monitors: [{name: m, source: {files: x.parquet}, alert: {team: t, severity: error}}]\n"
    )
    assert main(["export", "rules", "-c", str(file), "-o", str(tmp_path / "new")]) == 0
    written = yaml.safe_load((tmp_path / "new" / "whydrift-rules.yml").read_text())
    found = [r for g in written["groups"] for r in g["rules"] if r.get("labels", {}).get("team")]
    assert found and all("https://w.example/" in r["annotations"]["report_url"] for r in found)
    assert "wrote" in capsys.readouterr().err


def test_export_says_when_links_are_missing_and_prints_a_single_file(tmp_path, capsys):
    file = tmp_path / "whydrift.yaml"
    file.write_text("version: 1\nmonitors: [{name: m, source: {files: x.parquet}}]\n")
    assert main(["export", "rules", "-c", str(file)]) == 0
    said = capsys.readouterr()
    assert yaml.safe_load(said.out)["groups"]
    assert "web.external_url is not set" in said.err
    file.write_text(
        "version: 1\nweb: {external_url: '${NOT_SET}'}\n"
        "monitors: [{name: m, source: {files: x.parquet}}]\n"
    )
    assert main(["export", "rules", "-c", str(file)]) == 2
    assert "external_url" in capsys.readouterr().err
