"""Rules for Prometheus: what is recorded, what alerts, and what the person on call reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from whydrift.monitor.diagnosis.alert import AlertKind
from whydrift.monitor.service.alert_names import ALERT_NAMES, alert_severity
from whydrift.monitor.service.lapses import FAILURES, LAPSES, LATE_FOR
from whydrift.monitor.store.state import LapseKind

if TYPE_CHECKING:
    from whydrift.monitor.config.model import Config
    from whydrift.monitor.config.monitor import Monitor

__all__ = ["ALERTS", "RECORDINGS", "Alert", "Links", "Recording", "rules", "rules_text"]

RUNBOOKS: Final = "https://github.com/whydrift/whydrift/blob/main/docs/runbooks"

# A scrape that fails ends all series at once: without looking back, each restart of the daemon
# would resolve what fires and, a minute later, page again.
_BACK: Final = "15m"


def _held(taken: str, series: str) -> str:
    """Return what the living daemons say of a series, and only without any what was said last.

    Where one lives, another that died must not go on speaking.
    """
    return f"(\n  {taken} ({series})\n  or {taken} (last_over_time({series}[{_BACK}]))\n)"


_OF_ALERT: Final = "monitor, segment, target, kind"

# Monitors and their severities are written into the rules, not joined from whydrift_monitor_info:
# while daemons with two configurations run side by side the join has two answers, and then gives
# an error instead of an alert.
_ONLY: Final = "%(only)s"


@dataclass(frozen=True, slots=True)
class Recording:
    """One recorded series."""

    name: str
    expr: str


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert.

    Parameters
    ----------
    name : str
        That of its runbook too.
    value : str
        An expression that has a value whether it fires or not; ``%(only)s`` stands for the
        monitors that a rule is about.
    condition : str
        What makes it fire, such as ``== 1``; empty where having a value does.
    severity : str
        Empty: the monitor's own.
    summary, description : str
        Templates of Prometheus.
    wait : str
        How long the condition has to hold.
    kind : AlertKind, optional
        Of drift: then it is known by segment, target and kind too.
    is_of_monitor : bool
        Whether it is about one monitor, and so belongs to its team.
    """

    name: str
    value: str
    condition: str
    severity: str
    summary: str
    description: str
    wait: str = ""
    kind: AlertKind | None = None
    is_of_monitor: bool = True

    def expr(self, only: str = "") -> str:
        """Return the expression; ``only`` is a matcher of monitors with the comma behind it."""
        return f"{self.value} {self.condition}".strip().replace(_ONLY, only)


@dataclass(frozen=True, slots=True)
class Links:
    """Where links of alerts lead.

    Parameters
    ----------
    whydrift : str, optional
        ``web.external_url``: without it, nobody knows where our pages are, and there are no links.
    grafana : str, optional
        Where the dashboards are; ours stand in for them without it.
    runbooks : str
        The folder of runbooks.
    """

    whydrift: str | None = None
    grafana: str | None = None
    runbooks: str = RUNBOOKS


RECORDINGS: Final = (
    Recording(
        "monitor_segment_target_verdict:whydrift_verdict:max",
        "max by (monitor, segment, target, verdict) (whydrift_verdict)",
    ),
    Recording(
        "monitor_segment_column_kind:whydrift_column_shift:max",
        "max by (monitor, segment, column, kind) (whydrift_column_shift)",
    ),
    Recording(
        "monitor:whydrift_checks_failed:ratio_rate1d",
        'sum by (monitor) (rate(whydrift_checks_total{outcome="error"}[1d]))\n'
        "/ sum by (monitor) (rate(whydrift_checks_total[1d]))",
    ),
)

_WHO: Final = (
    "{{ $labels.monitor }}{{ with $labels.segment }}, segment {{ . }}{{ end }}"
    "{{ with $labels.target }}, target {{ . }}{{ end }}"
)
# Asked of Prometheus when the alert is told: it belongs to no identity, and changes as it may.
_COLUMNS: Final = (
    '{{ with query (printf "max by (column, kind) (whydrift_column_shift{monitor=%q, segment=%q})'
    ' == 1" $labels.monitor $labels.segment) }} It begins at:'
    "{{ range . }} {{ .Labels.column }} ({{ .Labels.kind }});{{ end }} as the newest window has it."
    "{{ end }}"
)
_WINDOW: Final = (
    '{{ with query (printf "max(whydrift_window_end_timestamp_seconds{monitor=%q, segment=%q})"'
    " $labels.monitor $labels.segment) }} Newest window: up to"
    " {{ . | first | value | humanizeTimestamp }}.{{ end }}"
)
_LOSS: Final = (
    '{{ with query (printf "max(whydrift_loss_change{monitor=%q, segment=%q})"'
    " $labels.monitor $labels.segment) }} Change of the loss:"
    ' {{ . | first | value | printf "%.3g" }}'
    '{{ with query (printf "max(whydrift_loss_change_low{monitor=%q, segment=%q}) > 0"'
    " $labels.monitor $labels.segment) }}, more than chance"
    "{{ else }}, no more than chance{{ end }}.{{ end }}"
)
_HELD: Final = " The alert stays while newer results are missing."


def _drift(kind: AlertKind, summary: str, description: str) -> Alert:
    series = f'whydrift_alert_firing{{{_ONLY}kind="{kind.value}"}}'
    return Alert(
        ALERT_NAMES[kind],
        _held(f"max by ({_OF_ALERT})", series),
        "== 1",
        alert_severity(kind, ""),
        f"{_WHO}: {summary}",
        f"{description}{_COLUMNS}{_LOSS}{_WINDOW}{_HELD}",
        kind=kind,
    )


def _undetermined(offset: str = "") -> str:
    series = f'whydrift_verdict{{{_ONLY}verdict="undetermined"}}'
    return f"min by (monitor, segment, target) ({series}{offset})"


ALERTS: Final = (
    _drift(
        AlertKind.MECHANISM,
        "the relationship between the inputs and the target changed",
        "What produces the target changed: the model learned something that no longer holds.",
    ),
    _drift(
        AlertKind.COVARIATE,
        "the inputs moved, upstream of the target",
        "Other rows come in than those that the model learned from.",
    ),
    _drift(
        AlertKind.FAULT,
        "recorded values broke",
        "A pipeline writes something else than it did: what the model says of these rows is not"
        " to be trusted.",
    ),
    _drift(
        AlertKind.CONDITIONAL,
        "the target answers differently to the same inputs",
        "A direct test, that needs no graph, found that P(target given the inputs) moved.",
    ),
    _drift(
        AlertKind.GRAPH,
        "columns depend on each other in another way",
        "Edges of the newest window differ from the graph of the reference.",
    ),
    Alert(
        "WhydriftUndetermined",
        _undetermined(),
        # Not of a monitor that is new: three days ago it was undetermined already.
        f"== 1\nand min_over_time(({_undetermined()})[3d:1h]) == 1\n"
        f"and {_undetermined(' offset 3d')} == 1",
        "info",
        f"{_WHO}: no verdict for three days",
        "Every window of the last three days was undetermined: nobody watches this target.",
    ),
    Alert(
        LAPSES[LapseKind.NO_DATA].alert,
        _held("min by (monitor)", f'whydrift_window_rows{{{_ONLY}segment="", window="current"}}'),
        "== 0",
        LAPSES[LapseKind.NO_DATA].severity,
        f"{_WHO}: {LAPSES[LapseKind.NO_DATA].headline}",
        "The source answered, and had {{ $value }} rows for the newest window." + _WINDOW,
    ),
    Alert(
        LAPSES[LapseKind.CHECK_OVERDUE].alert,
        f"time() - max by (monitor) (whydrift_next_result_due_timestamp_seconds{{{_ONLY}}})",
        "> 0",
        LAPSES[LapseKind.CHECK_OVERDUE].severity,
        f"{_WHO}: {LAPSES[LapseKind.CHECK_OVERDUE].headline}",
        "A result was due {{ $value | humanizeDuration }} ago, and is not there.",
        wait=f"{LATE_FOR // timedelta(minutes=1)}m",
    ),
    Alert(
        LAPSES[LapseKind.CHECK_FAILING].alert,
        f"max by (monitor) (whydrift_consecutive_failures{{{_ONLY}}})",
        f">= {FAILURES}",
        LAPSES[LapseKind.CHECK_FAILING].severity,
        f"{_WHO}: {LAPSES[LapseKind.CHECK_FAILING].headline}",
        "The last {{ $value }} checks ended in an error; the log says which.",
    ),
    Alert(
        "WhydriftSeriesOmitted",
        f"max by (monitor, what) (whydrift_metrics_omitted{{{_ONLY}}})",
        "> 0",
        "info",
        "{{ $labels.monitor }}: {{ $labels.what }} are left out of the metrics",
        "{{ $value }} {{ $labels.what }} are left out: more than the limits under `metrics` allow."
        " What rules read is never left out.",
        wait="1h",
    ),
    Alert(
        "WhydriftDown",
        "absent(whydrift_build_info)",
        "",
        "critical",
        "no whydrift is scraped",
        "Prometheus has had no metrics of any whydrift for five minutes.",
        wait="5m",
        is_of_monitor=False,
    ),
    Alert(
        "WhydriftSchedulerStuck",
        "time() - max by (job, instance) (whydrift_scheduler_heartbeat_timestamp_seconds)",
        "> 300",
        "critical",
        "{{ $labels.instance }}: the scheduler stands still",
        "It last looked for work {{ $value | humanizeDuration }} ago; it does so every second.",
        wait="5m",
        is_of_monitor=False,
    ),
    Alert(
        "WhydriftStoreUnavailable",
        "min by (job, instance) (whydrift_store_up)",
        "== 0",
        "critical",
        "{{ $labels.instance }}: the store does not answer",
        "Nothing is judged and nothing is written; pages and metrics show what was last read.",
        wait="5m",
        is_of_monitor=False,
    ),
    Alert(
        "WhydriftConfigReloadFailed",
        "min by (job, instance) (whydrift_config_last_reload_successful)",
        "== 0",
        "warning",
        "{{ $labels.instance }}: the new configuration was refused",
        "It runs on with the one before; the log says what is wrong.",
        wait="10m",
        is_of_monitor=False,
    ),
    Alert(
        "WhydriftNotificationsFailing",
        "max by (notifier) (whydrift_notifications_pending)",
        "> 0\nunless sum by (notifier)"
        ' (increase(whydrift_notifications_total{outcome="ok"}[30m])) > 0',
        "warning",
        "{{ $labels.notifier }} cannot be reached",
        "{{ $value }} messages wait, and none got through for half an hour.",
        wait="30m",
        is_of_monitor=False,
    ),
    Alert(
        "WhydriftNotificationsLost",
        'sum by (notifier) (increase(whydrift_notifications_total{outcome="dead"}[1h]))',
        "> 0",
        "critical",
        "{{ $labels.notifier }} refused a message for good",
        "About {{ $value | humanize }} messages were given up in the last hour; the log says why.",
        is_of_monitor=False,
    ),
)

_GROUPS: Final = (
    ("whydrift-drift", [a for a in ALERTS if a.kind is not None]),
    ("whydrift-monitors", [a for a in ALERTS if a.kind is None and a.is_of_monitor]),
    ("whydrift-service", [a for a in ALERTS if not a.is_of_monitor]),
)


def rules(config: Config | None = None, links: Links = Links()) -> dict[str, Any]:
    """Return the rules as Prometheus reads them.

    Parameters
    ----------
    config : Config, optional
        Each monitor's severity and team are written in; a monitor that is not in it (because it
        was added later) alerts as ``warning``, of no team.
    links : Links
    """
    monitors = () if config is None else config.monitors
    groups: list[dict[str, Any]] = [
        {
            "name": "whydrift-recordings",
            "rules": [{"record": row.name, "expr": row.expr} for row in RECORDINGS],
        }
    ]
    for name, alerts in _GROUPS:
        written = [rule for alert in alerts for rule in _written(alert, monitors, links)]
        groups.append({"name": name, "rules": written})
    return {"groups": groups}


def rules_text(config: Config | None = None, links: Links = Links()) -> str:
    """Return the rules as a file; parameters as for :func:`rules`."""
    import yaml

    class Blocks(yaml.SafeDumper):
        """Writes text of several lines as such."""

    def text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
        style = "|" if "\n" in value else None
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)

    Blocks.add_representer(str, text)
    head = "# Written by `whydrift export rules`: write it again when monitors change.\n"
    # Expressions stay on the lines that they were written on.
    return head + yaml.dump(rules(config, links), Dumper=Blocks, sort_keys=False, width=10_000)


def _written(alert: Alert, monitors: Iterable[Monitor], links: Links) -> Iterator[dict[str, Any]]:
    if not alert.is_of_monitor:
        yield _rule(alert, "", {"severity": alert.severity}, links)
        return
    default = (alert.severity or "warning", "")
    owners: dict[tuple[str, str], list[str]] = {}
    for monitor in monitors:
        owner = (alert.severity or monitor.alert.severity, monitor.alert.team or "")
        if owner != default:
            owners.setdefault(owner, []).append(monitor.name)
    # Names are made of a-z, 0-9, - and _: none means anything else in a regular expression.
    for (severity, team), names in sorted(owners.items()):
        labels = {"severity": severity} | ({"team": team} if team else {})
        yield _rule(alert, f'monitor=~"{"|".join(sorted(names))}", ', labels, links)
    known = "|".join(sorted(name for names in owners.values() for name in names))
    # Also those that nobody had configured yet when the rules were written.
    yield _rule(alert, f'monitor!~"{known}", ' if known else "", {"severity": default[0]}, links)


def _rule(alert: Alert, only: str, labels: Mapping[str, str], links: Links) -> dict[str, Any]:
    annotations = {
        "summary": alert.summary,
        "description": alert.description,
        "runbook_url": f"{links.runbooks.rstrip('/')}/{alert.name}.md",
        **_leading(alert, links),
    }
    wait = {"for": alert.wait} if alert.wait else {}
    return {
        "alert": alert.name,
        "expr": alert.expr(only),
        **wait,
        "labels": dict(labels),
        "annotations": annotations,
    }


def _leading(alert: Alert, links: Links) -> dict[str, str]:
    """Return the links to dashboard and report, as far as it is known where they are."""
    found = {}
    ours = links.whydrift.rstrip("/") if links.whydrift else None
    page = f"{ours}/monitors/{{{{ $labels.monitor }}}}" if alert.is_of_monitor else f"{ours}/"
    if links.grafana is not None:
        grafana = f"{links.grafana.rstrip('/')}/d"
        chosen = "var-monitor={{ $labels.monitor }}&var-segment={{ $labels.segment | urlquery }}"
        found["dashboard_url"] = (
            f"{grafana}/whydrift-monitor?{chosen}"
            if alert.is_of_monitor
            else f"{grafana}/whydrift-service"
        )
    elif ours is not None:
        found["dashboard_url"] = page
    if ours is not None:
        found["report_url"] = page if alert.kind is None else f"{page}/report?{_ASKED}"
    return found


# As report_link() writes it: Go's urlquery escapes as Python's urlencode does.
_ASKED: Final = (
    "segment={{ $labels.segment | urlquery }}&target={{ $labels.target | urlquery }}"
    "&kind={{ $labels.kind }}"
)
