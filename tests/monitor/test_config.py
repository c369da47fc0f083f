"""The whole configuration: what it means, and what is wrong with it told in its place."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from whydrift.discovery.errors import ConfigError
from whydrift.monitor.config import Config, load_config, parse_config
from whydrift.monitor.config.expand import KEEP_UNSET, is_unset
from whydrift.monitor.config.redact import monitor_text, redacted
from whydrift.monitor.config.values import masked_url
from whydrift.monitor.source.base import Rows
from whydrift.monitor.source.registry import open_source
from whydrift.monitor.source.sql import SqlSource
from whydrift.monitor.window.by_rows import RowWindows
from whydrift.monitor.window.calendar import TimeWindows
from whydrift.monitor.window.duration import Duration
from whydrift.monitor.window.reference import (
    Exclusion,
    FixedReference,
    LastWindows,
    PreviousVersion,
    Same,
)

SHA = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
OUTSIDE = {
    "PROM_TOKEN_SHA256": SHA,
    "LABELS_URL": "postgresql://reader:hunter2@db/labels",
    "HOOK_URL": "https://hooks.example/T0/hunter3",
    "HOOK_SECRET": "hunter4",
}
SECRETS = ("hunter2", "hunter3", "hunter4", SHA)

WHOLE = """\
# yaml-language-server: $schema=./whydrift.schema.json
version: 1
store:
  url: sqlite:///whydrift.db          # or postgresql+psycopg://…
  keep: {snapshots: 400d, samples: 90d, results: 3y, hourly: 60d}
web:
  listen: 127.0.0.1:9464              # beyond loopback only with auth
  external_url: https://whydrift.example
  hosts: [localhost]
  lifecycle: false
  auth: {tokens: [{name: prometheus, sha256: "${PROM_TOKEN_SHA256}", role: read}]}
metrics: {max_columns: 50, max_series: 10000}
checks: {workers: 2, timeout: 10m, memory: 2GiB}
dask: {address: "tls://scheduler:8786", tls: {ca: ca.pem, cert: cert.pem, key: key.pem}}
sources:
  predictions:
    files: s3://bucket/predictions/dt={date}/*.parquet
    time_column: ts
  labels:
    sql:
      url: "${LABELS_URL}"
      query: "select id, price from labels where ts >= :start and ts < :end"
monitors:
  - name: house-price                 # [a-z0-9][a-z0-9_-]*: it becomes a URL and a label
    source: predictions               # or written out here
    labels: {source: labels, join: id}
    columns:
      {target: price, prediction: price_hat, cluster: user_id, version: model_version, ignore: [id]}
    window: {every: 1d, delay: 2h, label_delay: 7d, timezone: Europe/Paris}
    late: {allow: 3d, then: recompute}
    reference: {last: 28d, exclude: [fault, drift]}   # or {from:, to:} · {version: previous}
    segments: {by: [country], top: 20, min_rows: 500}
    graph: {method: auto, relearn: 7d, knowledge: {tiers: [[region], [income, rooms], [price]]}}
    loss: squared_error
    false_alarms_per_month: 0.2       # the monitor's own; check-config prints the sum over all
    alert: {after: 1, resolve_after: 2, severity: warning, team: pricing}
events:
  - {at: 2026-05-04T09:00:00Z, kind: release, text: "model 12", monitor: house-price}
notify:
  - webhook: {url: "${HOOK_URL}", secret: "${HOOK_SECRET}"}
"""

LEAST = "version: 1\nmonitors:\n  - name: a\n    source: {files: x.csv}\n"


def parsed(text: str, **outside: str) -> Config:
    return parse_config(text, "w.yaml", environment=outside)


def monitor(line: str):
    return parsed(LEAST + f"    {line}\n").monitors[0]


@pytest.fixture
def whole() -> Config:
    return parsed(WHOLE, **OUTSIDE)


def test_the_example_of_the_design_is_read_whole(whole):
    assert whole.store.keep.samples == Duration(90, "d")
    assert whole.checks.memory == 2 << 30 and whole.checks.timeout == Duration(10, "m")
    labels = whole.sources["labels"].sql
    assert labels is not None and labels.url.get_secret_value() == OUTSIDE["LABELS_URL"]
    (house,) = whole.monitors
    assert house.labels is not None and house.labels.join == ("id",)
    assert house.columns.version == "model_version" and house.columns.ignore == ("id",)
    assert house.graph.knowledge is not None and not house.graph.knowledge.allows("price", "rooms")
    assert house.alert.team == "pricing" and house.segments is not None
    assert whole.events[0].at == datetime(2026, 5, 4, 9, tzinfo=UTC)
    assert whole.notify[0].webhook.url.get_secret_value() == OUTSIDE["HOOK_URL"]
    windows = house.window.cut()
    assert isinstance(windows, TimeWindows)
    assert windows.label_delay == Duration(7, "d") and str(windows.zone) == "Europe/Paris"
    rule = house.reference.rule(windows.zone)
    assert rule == LastWindows(Duration(28, "d"), None, frozenset(Exclusion))


def test_what_is_left_out_has_the_defaults_of_the_design():
    least = parsed(LEAST)
    assert least.store.url.get_secret_value() == "sqlite:///whydrift.db"
    assert str(least.store.keep.results) == "3y" and least.store.keep.hourly is None
    assert least.web.listen == "127.0.0.1:9464" and least.dask is None
    (only,) = least.monitors
    assert only.false_alarms_per_month == 0.2 and only.alert.resolve_after == 2
    assert isinstance(only.window.cut(), TimeWindows)


def test_notifiers_of_every_kind_have_names_of_their_own():
    text = (
        LEAST
        + """notify:
  - webhook: {url: "https://a.example/x", secret: s}
  - {name: webhook-2, slack: {url: "https://hooks.slack.com/services/T0/B0/hush"}}
  - webhook: {url: "http://b.example"}
  - pagerduty: {routing_key: hush}
  - alertmanager: {urls: ["http://am-1:9093", "https://u:hush@am-2/prefix"], resend: 30s}
"""
    )
    found = parsed(text)
    names = [notifier.name for notifier in found.notify]
    assert names == ["webhook", "webhook-2", "webhook-3", "pagerduty", "alertmanager"]
    assert [n.kind for n in found.notify][1] == "slack"
    shown = json.dumps(redacted(found))
    assert "hush" not in shown and "am-2" in shown


def test_the_settings_of_the_daemon_have_defaults_and_limits():
    least = parsed(LEAST)
    assert (least.checks.catch_up, least.checks.recycle, least.checks.lease.least_seconds) == (
        100, 300, 60,
    )  # fmt: skip
    assert least.metrics.max_segments == 20 and not least.metrics.segment_columns
    assert least.store.migrate is None and least.web.runbook_url.endswith("/docs/runbooks/")
    assert least.monitors[0].since_instant is None
    paris = monitor("window: {timezone: Europe/Paris}\n    since: 2026-05-01")
    assert paris.since_instant == datetime(2026, 4, 30, 22, tzinfo=UTC)


@pytest.mark.parametrize(
    ("item", "says"),
    [
        ("{name: a}", ["notify[0]", "does not say who is told"]),
        ("{slack: {url: https://x}, webhook: {url: https://y}}", ["names webhook and slack"]),
        ("{slack: https://hooks/hush}", ["notify[0].slack", "not text"]),
        ("{slack: {url: hush}}", ["notify[0].slack.url", "this is no URL"]),
        ("{pagerduty: {routing_key: ''}}", ["notify[0].pagerduty.routing_key", "empty"]),
        ("{alertmanager: {urls: []}}", ["notify[0].alertmanager.urls", "empty"]),
        ("{alertmanager: {urls: [hush]}}", ["notify[0].alertmanager.urls", "this is no URL"]),
        ("{alertmanager: {urls: [http://x], resend: 1s}}", ["alertmanager.resend", "1s"]),
        ("{alertmanager: {url: hush}}", ["alertmanager.url", "Did you mean 'urls'?"]),
        ("{name: a, slack: {url: http://x}}, {name: a, slack: {url: http://y}}", ["two notifiers"]),
    ],
)
def test_what_is_wrong_with_a_notifier_is_told_without_its_secret(item, says):
    with pytest.raises(ConfigError) as caught:
        parsed(LEAST + f"notify: [{item}]\n")
    for words in ["w.yaml, line 5", *says]:
        assert words in str(caught.value)
    assert "hush" not in str(caught.value)


def test_references_and_windows_can_be_written_in_every_way_of_the_design():
    paris = "window: {timezone: Europe/Paris}\n    "
    fixed = monitor(paris + "reference: {from: 2026-05-01, to: 2026-05-08}")
    rule = fixed.reference.rule(fixed.window.timezone)
    assert isinstance(rule, FixedReference)  # from midnight to midnight in Paris
    assert rule.stretch.start == datetime(2026, 4, 30, 22, tzinfo=UTC)
    same = monitor("reference: {same: weekday, last: 8w, exclude: []}").reference.rule(UTC)
    assert same == LastWindows(Duration(8, "w"), Same.WEEKDAY, frozenset())
    assert monitor("reference: {last: 28}").reference.rule(UTC) == LastWindows(28)
    version = monitor("columns: {version: v}\n    reference: {version: previous}")
    assert version.reference.rule(UTC) == PreviousVersion()
    assert monitor("window: {rows: 1000, step: 500}").window.cut() == RowWindows(1000, 500)
    sliding = monitor("window: {every: 1h, length: 6h}").window.cut()
    assert isinstance(sliding, TimeWindows) and sliding.slides


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("nmae: b", ["line 5", "monitors[0].nmae", "Did you mean 'name'?"]),
        ("columns: {target: x, prediction: x}", ["monitors[0].columns.prediction", "'x' is named"]),
        ("columns: {target: x, ignore: [x]}", ["columns.target", "ignore"]),
        ("columns: {ignore: 3}", ["columns.ignore", "list of column names"]),
        ("columns: {ignore: [a, a]}", ["twice"]),
        ("window: {every: 1 day}", ["line 5", "window.every", "no duration", "28d"]),
        ("window: {every: 60}", ["window.every", "no duration"]),
        ("window: {every: 0d}", ["window.every", "not offered"]),
        ("window: {every: 1d, length: 1h}", ["window.length", "leave rows between them out"]),
        ("window: {every: 1d, rows: 5}", ["monitors[0].window", "not both"]),
        ("window: {step: 5}", ["window.step", "in rows"]),
        ("window: {timezone: Europe/Pari}", ["window.timezone", "'Europe/Paris'"]),
        ("window: {timezone: ../../etc/passwd}", ["window.timezone", "no time zone"]),
        ("late: {then: recomputed}", ["late.then", "'recompute'"]),
        ("reference: {}", ["monitors[0].reference", "no past windows"]),
        ("reference: {last: 28d, version: previous}", ["last and version"]),
        ("reference: {from: 2026-05-01}", ["two ends"]),
        ("reference: {from: 2026-05-08, to: 2026-05-01}", ["monitors[0].reference", "empty"]),
        ("reference: {from: yesterday, to: 2026-05-01}", ["reference.from", "no date"]),
        ("reference: {same: weekday}", ["no past windows"]),
        ("reference: {last: 0}", ["reference.last", "at least 1"]),
        ("reference: {last: 2x}", ["reference.last", "no duration"]),
        ("reference: {version: previous}", ["reference.version", "columns: {version"]),
        ("reference: {last: 28d, exclude: [drfit]}", ["exclude[0]", "'drift'"]),
        ("segments: {}", ["segments.by", "missing"]),
        ("segments: {by: []}", ["segments.by", "empty"]),
        ("segments: {by: country, top: 0}", ["segments.top", "greater than or equal to 1"]),
        ("segments: {by: country, top: true}", ["segments.top", "no whole number"]),
        ("graph: {method: bos}", ["graph.method", "'boss'"]),
        ("graph: {knowledge: {tiers: [a]}}", ["graph.knowledge", "tiers"]),
        ("loss: squared_eror", ["monitors[0].loss", "'squared_error'"]),
        ("loss: quantile:2", ["no level"]),
        ("floor: -1", ["floor", "greater than or equal to 0"]),
        ("floor: .nan", ["floor", "finite"]),
        ("false_alarms_per_month: 0", ["false_alarms_per_month", "greater than 0"]),
        ("alert: {severity: warn}", ["alert.severity", "'warning'"]),
        ("alert: [1]", ["monitors[0].alert", "mapping is expected"]),
        ("labels: {source: labels, join: id}", ["labels", "columns: {target"]),
        ("source: {files: y.csv}", ["line 5", "occurs twice"]),
    ],
)
def test_what_is_wrong_with_a_monitor_is_told_in_its_place(line, says):
    with pytest.raises(ConfigError) as caught:
        monitor(line)
    for words in ["w.yaml, line", *says]:
        assert words in str(caught.value)
    assert "Also:" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", ["mapping is expected", "w.yaml"]),
        ("version: 1\nmonitors: 3\n", ["line 2", "a list is expected"]),
        ("version: 1\nmonitors:\n  - source: x\n", ["line 3", "'name' is missing"]),
        (LEAST.replace("name: a", "name: House Price"), ["line 3", "'house-price'"]),
        (LEAST.replace("{files: x.csv}", "{}"), ["line 4", "monitors[0].source", "files, sql"]),
        (LEAST.replace("x.csv", "x.csv, sql: {url: a, query: b}"), ["files and sql"]),
        (LEAST.replace("files", "fils"), ["line 4", "monitors[0].source.fils", "'files'"]),
        (LEAST.replace("{files: x.csv}", "3"), ["monitors[0].source", "mapping is expected"]),
        (LEAST.replace("{files: x.csv}", "{sql: {url: x}}"), ["source.sql.query", "missing"]),
        (LEAST.replace("{files: x.csv}", "{warehouse: {url: x}}"), ["source.warehouse", "neither"]),
        (LEAST + "  - name: a\n    source: {files: y}\n", ["line 5", "two monitors", "'a'"]),
        (LEAST + "stoer: {}\n", ["line 5", "'store'"]),
        (LEAST + "store: {keep: {snapshot: 1d}}\n", ["store.keep.snapshot", "'snapshots'"]),
        (LEAST + "store: {url: ''}\n", ["store.url"]),
        (LEAST + "web: {listen: '0.0.0.0:9464'}\n", ["web.listen", "other machines", "auth: none"]),
        (LEAST + "web: {listen: '9464'}\n", ["web.listen", "HOST:PORT"]),
        (LEAST + "web: {auth: nobody}\n", ["web.auth", "'nobody'"]),
        (LEAST + "web: {auth: {tokens: []}}\n", ["web.auth.tokens", "empty"]),
        (LEAST + "web: {auth: {tokens: [{name: p, sha256: abc}]}}\n", ["tokens[0].sha256"]),
        (LEAST + "web: {external_url: whydrift}\n", ["web.external_url", "no URL"]),
        (LEAST + "web: {lifecycle: maybe}\n", ["web.lifecycle", "neither true nor false"]),
        (LEAST + "metrics: {max_series: many}\n", ["metrics.max_series", "whole number"]),
        (LEAST + "checks: {memory: 2GB}\n", ["checks.memory", "2GiB"]),
        (LEAST + "dask: {address: 'tcp://scheduler:8786'}\n", ["dask.address", "run code"]),
        (LEAST + "dask: {address: 'tls://s:1', tls: {ca: a}}\n", ["dask.tls.cert", "missing"]),
        (LEAST + "dask: {address: 'ws://127.0.0.1:1'}\n", ["dask.address", "no address"]),
        (
            LEAST + "events: [{at: 2026-05-04T09:00, kind: fix, text: x}]\n",
            ["events[0].at", "zone"],
        ),
        (
            LEAST + "events: [{at: 2026-05-04T09:00:00Z, kind: fix, text: x, monitor: b}]\n",
            ["events[0].monitor", "no monitor 'b'"],
        ),
        (LEAST + "notify: [{slak: x}]\n", ["notify[0].slak", "Did you mean 'slack'?"]),
    ],
)
def test_what_is_wrong_elsewhere_is_told_in_its_place(text, says):
    with pytest.raises(ConfigError) as caught:
        parsed(text)
    for words in ["w.yaml", *says]:
        assert words in str(caught.value)


def test_several_mistakes_are_told_at_once():
    with pytest.raises(ConfigError) as caught:
        parsed(LEAST + "    loss: x\n    floor: x\nchecks: {workers: 0}\n")
    told = str(caught.value)
    for words in ("Also:", "monitors[0].loss", "monitors[0].floor", "checks.workers", "line 7"):
        assert words in told
    assert "\n" not in told


def test_dask_on_this_machine_needs_no_certificates():
    for address in ("tcp://127.0.0.1:8786", "tcp://[::1]:8786", "localhost:8786", "inproc://x"):
        assert parsed(LEAST + f"dask: {{address: '{address}'}}\n").dask is not None
    for address in ("tcp://127.0.0.1.evil.example:1", "tcp://10.0.0.1:1", "tcp://:8786"):
        with pytest.raises(ConfigError):
            parsed(LEAST + f"dask: {{address: '{address}'}}\n")


def test_values_from_outside_stand_in_scalars_only(tmp_path):
    (tmp_path / "column").write_text("price\n")
    text = (
        LEAST
        + "    columns: {target: {file: column}, cluster: '${C:-user}',\n"
        + "              ignore: ['$${x}', 'a${B}']}\n"
        + "    alert: {after: '${N}'}\n"
    )
    config = parse_config(text, "w.yaml", folder=tmp_path, environment={"N": "3", "B": "${N}"})
    (only,) = config.monitors
    assert (only.columns.target, only.columns.cluster) == ("price", "user")
    assert only.columns.ignore == ("${x}", "a${N}")  # what comes from outside is not read again
    assert only.alert.after == 3


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("columns: {target: '${TARGTE}'}", ["line 5", "columns.target", "TARGTE", "mean TARGET"]),
        ("columns: {target: {file: nowhere}}", ["columns.target", "nowhere", "no such file"]),
        ("columns: {target: '${'}", ["columns.target", "no name"]),
        ("columns: {target: '${1X}'}", ["columns.target", "no name"]),
        ("columns: {'${X}': y}", ["unknown key '${X}'"]),
    ],
)
def test_what_is_not_there_outside_is_told_in_its_place(line, says, tmp_path):
    with pytest.raises(ConfigError) as caught:
        parse_config(LEAST + f"    {line}\n", "w.yaml", environment={"TARGET": "x"})
    for words in ["w.yaml", *says]:
        assert words in str(caught.value)


def test_a_reader_that_needs_no_secrets_needs_no_variables():
    config = parse_config(WHOLE, "w.yaml", environment={"PROM_TOKEN_SHA256": SHA}, keep_unset=True)
    assert config.notify[0].webhook.url.get_secret_value() == "${HOOK_URL}"


def test_secrets_are_masked_wherever_a_configuration_is_shown(whole):
    shown = [
        repr(whole),
        str(whole),
        json.dumps(redacted(whole)),
        monitor_text(whole, "house-price"),
    ]
    for text in shown:
        for secret in SECRETS:
            assert secret not in text
    assert "postgresql://reader:***@db/labels" in shown[2]


@pytest.mark.parametrize(
    "line",
    [
        "store: {url: '${S}'}\nweb2: 1",
        "store: '${S}'",
        "notify: [{webhook: {url: ['${S}']}}]",
        "notify: [{webhook: '${S}'}]",
        "notify: '${S}'",
        "web: {auth: {tokens: [{name: a, sha256: '${S}'}]}}",
        "web: {auth: '${S}'}",
        "checks: {workers: '${S}', memory: '${S}', timeout: '${S}'}",
        "sources: {a: {sql: 'postgresql://u:hunter2@h/d'}}",
        "sources: {a: 'postgresql://u:hunter2@h/d'}",
    ],
)
def test_no_message_quotes_a_secret(line):
    with pytest.raises(ConfigError) as caught:
        parsed(f"{LEAST}{line}\n", S="hunter2")
    assert "hunter2" not in str(caught.value)
    assert "hunter2" not in repr(caught.value.__cause__)


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("postgresql+psycopg://u:p@h:5432/d", "postgresql+psycopg://u:***@h:5432/d"),
        ("postgresql://u:p@x@h/d?sslmode=on", "postgresql://u:***@h/d?sslmode=on"),
        ("postgresql://h/d?password=p&user=u", "postgresql://h/d?password=***&user=u"),
        ("https://u@h/a", "https://u@h/a"),
        ("s3://b/k?X-Amz-Signature=p", "s3://b/k?X-Amz-Signature=***"),
        ("sqlite:///w.db", "sqlite:///w.db"),
        ("sqlite:////var/w.db", "sqlite:////var/w.db"),
        ("p", "***"),
    ],
)
def test_addresses_are_shown_without_their_secrets(address, shown):
    assert masked_url(address) == shown


def test_a_monitors_text_tells_rules_apart_and_nothing_else(whole):
    before = monitor_text(whole, "house-price")
    assert monitor_text(parsed(WHOLE, **OUTSIDE), "house-price") == before
    for old, new in (
        ("severity: warning", "severity: critical"),
        ("workers: 2", "workers: 3"),
        ("hosts: [localhost]", "hosts: [other]"),
        ("    loss: squared_error\n", "    loss: squared_error  # yes\n"),
    ):
        assert monitor_text(parsed(WHOLE.replace(old, new), **OUTSIDE), "house-price") == before
    for old, new in (
        ("loss: squared_error", "loss: absolute_error"),
        ("time_column: ts", "time_column: at"),
        ("select id, price", "select id, cost as price"),
        ("[income, rooms]", "[income]"),
        ("Europe/Paris", "Europe/Rome"),
    ):
        assert monitor_text(parsed(WHOLE.replace(old, new), **OUTSIDE), "house-price") != before


def test_a_folder_is_one_configuration(tmp_path):
    (tmp_path / "a.yaml").write_text("version: 1\nstore: {url: 'sqlite:///x.db'}\n")
    (tmp_path / "b.yml").write_text(
        "version: 1\nsources:\n  s: {files: s.csv}\nmonitors:\n  - {name: a, source: s}\n"
    )
    (tmp_path / "c.yaml").write_text("monitors:\n  - {name: b, source: s}\n")
    (tmp_path / "notes.txt").write_text("monitors: 3")
    config = load_config(tmp_path)
    assert [m.name for m in config.monitors] == ["a", "b"]
    (tmp_path / "c.yaml").write_text("\nmonitors:\n  - {name: b, source: t}\n")
    with pytest.raises(ConfigError, match=r"c\.yaml, line 3, monitors\[0\]\.source.*no source 't'"):
        load_config(tmp_path)
    (tmp_path / "d.yaml").write_text("sources:\n  s: {files: other.csv}\n")
    with pytest.raises(ConfigError, match=r"d\.yaml, line 2.*b\.yml, line 3"):
        load_config(tmp_path)
    (tmp_path / "d.yaml").write_text("store: {}\n")
    with pytest.raises(ConfigError, match=r"d\.yaml, line 1.*a\.yaml, line 2"):
        load_config(tmp_path)


def test_what_two_files_name_alike_is_told_with_both_places(tmp_path):
    (tmp_path / "a.yaml").write_text(LEAST + "notify: [{name: n, slack: {url: http://x}}]\n")
    second = tmp_path / "b.yaml"
    second.write_text(LEAST)
    with pytest.raises(ConfigError) as caught:
        load_config(tmp_path, environment={})
    for words in ["b.yaml, line 3, monitors[0].name", "two monitors", "a.yaml, line 3, monitors"]:
        assert words in str(caught.value)
    second.write_text(
        LEAST.replace("name: a", "name: b") + "notify: [{name: n, slack: {url: http://y}}]\n"
    )
    with pytest.raises(ConfigError) as caught:
        load_config(tmp_path, environment={})
    for words in ["b.yaml, line 5, notify[0].name", "two notifiers", "a.yaml, line 5, notify[0]"]:
        assert words in str(caught.value)


def test_a_folder_without_files_says_how_to_make_one(tmp_path):
    with pytest.raises(ConfigError, match="whydrift init"):
        load_config(tmp_path)


def test_settings_are_frozen(whole):
    with pytest.raises(ValueError, match="frozen"):
        whole.monitors[0].loss = "auto"


def test_the_schema_for_editors_knows_every_key_and_no_other():
    schema = Config.model_json_schema()
    parts = {"Config": schema, **schema["$defs"]}
    assert {"from", "to", "last", "same"} <= set(parts["Reference"]["properties"])
    assert all(part["additionalProperties"] is False for part in parts.values())
    json.dumps(schema)


def test_known_losses_are_those_that_compare_knows():
    from whydrift.monitor.config.values import _LOSSES
    from whydrift.monitor.diagnosis.losses import LOSSES

    assert set(_LOSSES) == {"auto", *LOSSES}


def test_what_is_written_of_sources_is_what_opens_them(whole):
    from whydrift.monitor.source.files import Files
    from whydrift.monitor.source.joined import Joined
    from whydrift.monitor.source.registry import Plugin
    from whydrift.monitor.source.sql import Sql
    from whydrift.monitor.source.warehouse import Warehouse

    joined = whole.reader_of(whole.monitors[0])
    assert isinstance(joined, Joined)
    assert joined.rows == Files("s3://bucket/predictions/dt={date}/*.parquet", "ts")
    assert isinstance(joined.labels, Sql) and joined.labels.url == OUTSIDE["LABELS_URL"]
    assert joined.keys == ("id",) and joined.label_delay.days == 7
    for text, expected in (
        ("{files: 's3://b/x', storage: {anon: true}}", Files("s3://b/x", None, {"anon": True})),
        ("{warehouse: {url: 'duckdb:///a', table: t}, time_column: ts}",
         Warehouse("duckdb:///a", "t", None, "ts")),
        ("{warehouse: {url: 'duckdb:///a', query: select 1}}",
         Warehouse("duckdb:///a", None, "select 1")),
        ("{sql: {url: 'sqlite:///a', query: select 1, timeout: 2m}}",
         Sql("sqlite:///a", "select 1", None, 120)),
        ("{plugin: {name: lake, options: {a: [1]}}}", Plugin("lake", {"a": [1]})),
    ):  # fmt: skip
        config = parsed(LEAST.replace("{files: x.csv}", text))
        assert config.reader_of(config.monitors[0]) == expected


@pytest.mark.parametrize(
    "columns",
    [
        ["region", "income", "price", "price_hat", "user_id", "model_version", "ts"],
        ["yes", "no", "${HOME}", "a: b", "#x", "12:30", "-", "null", "été", "a\"b'c", "{file}"],
        ["target", "prediction", "id", "label", "y", "y_pred"],
    ],
)
def test_what_init_writes_is_a_configuration(columns, tmp_path):
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    from whydrift.monitor.cli import main

    rng = np.random.default_rng(1)
    table = pa.table({name: rng.normal(size=120) for name in columns})
    data = tmp_path / "May ${2026}.parquet"
    pq.write_table(table, data)
    out = tmp_path / "w.yaml"
    assert main(["init", str(data), "-o", str(out), "--quiet"]) == 0
    config = load_config(out, environment={})
    (only,) = config.monitors
    assert config.source_of(only.source).files == str(data)
    named = {only.columns.target, only.columns.prediction, *only.columns.ignore} - {None}
    assert named <= set(columns)


def test_the_files_that_ship_are_read():
    folder = Path(__file__).parent.parent.parent / "config"
    for path in sorted(folder.glob("*.yaml")):
        assert load_config(path, environment={}, keep_unset=True).monitors
    whole = load_config(folder / "whydrift.yaml", environment={}, keep_unset=True)
    left_out = {name for name in Config.model_fields if name not in whole.model_fields_set}
    assert not left_out, "the example shows every section"
    for monitor in whole.monitors:
        monitor.window.cut()
        monitor.reference.rule(monitor.window.timezone)
        whole.reader_of(monitor)


@pytest.mark.parametrize("kind", ["files", "sql", "warehouse"])
def test_values_from_outside_are_filled_in_once(kind, tmp_path):
    """A password may hold ${X}, and $${X} is text: neither is looked up again when it is read."""
    literal = "/${X}/$${Y}"
    address = f"sqlite:///{tmp_path}${{P}}"
    written = {
        "files": "{files: '${P}'}",
        "sql": f"{{sql: {{url: '{address}', query: \"select '$${{Z}}'\"}}}}",
        "warehouse": f"{{warehouse: {{url: '{address}', table: t}}}}",
    }[kind]
    text = f"version: 1\nmonitors:\n  - {{name: m, source: {written}}}\n"
    config = parse_config(text, environment={"P": literal})
    source = open_source(config.reader_of(config.monitors[0]))
    assert source.where.partition(",")[0].endswith(literal)
    if isinstance(source, SqlSource):
        (part,) = source.parts(Rows())
        assert part.settings.query == "select '${Z}'"


def test_a_password_that_looks_half_like_a_variable_is_one(tmp_path):
    text = "version: 1\nstore: {url: '${URL}'}\nmonitors: [{name: m, source: {files: a.csv}}]\n"
    url = "postgresql://u:a${b@db/x"
    assert not is_unset(url, {KEEP_UNSET: True})
    config = parse_config(text, environment={"URL": url}, keep_unset=True)
    assert config.store.url.get_secret_value() == url
    assert is_unset("postgresql://u:${B}@db/x", {KEEP_UNSET: True})


def test_characters_that_no_yaml_has_are_told():
    with pytest.raises(ConfigError, match="special characters are not allowed"):
        parse_config("version: 1\0")
