"""Builds the dashboards with grafana-foundation-sdk; what it writes is kept, and ships.

    python deploy/grafana/build.py

Worst of stages and replicas: every expression takes the maximum, so that a take-over shows no gap.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from grafana_foundation_sdk.builders import (
    bargauge,
    common,
    dashboard,
    prometheus,
    stat,
    statetimeline,
    table,
    timeseries,
)
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as units
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models import prometheus as query

FOLDER = Path(__file__).parents[2] / "monitor" / "service" / "dashboards"
SOURCE = model.DataSourceRef(type_val="prometheus", uid="${datasource}")

GREEN, YELLOW, ORANGE, RED, PURPLE, GREY = "green", "yellow", "orange", "red", "purple", "#8e8e8e"
VERDICTS = {
    0: ("none", GREEN), 1: ("undetermined", GREY), 2: ("covariate", YELLOW),
    3: ("mechanism", ORANGE), 4: ("both", RED),
}  # fmt: skip
SHIFTS = {0: ("stable", GREEN), 1: ("source", YELLOW), 2: ("mechanism", ORANGE), 3: ("fault", RED)}
ALERTS = {0: ("quiet", GREEN), 1: ("firing", RED)}
YES_NO = {0: ("no", RED), 1: ("yes", GREEN)}

ONE = 'monitor="$monitor", segment=~"$segment"'
TARGET = f'{ONE}, target=~"$target"'
FIRING = "max by (monitor, segment, target, kind) (whydrift_alert_firing)"
REPORT = "${whydrift}/monitors/${__field.labels.monitor}/report"


def coded(series: str, matchers: str, label: str, words: Mapping[int, tuple[str, str]]) -> str:
    """Return an expression that is the number of the word that holds: what mappings colour."""
    parts = [
        f'{series}{{{matchers}, {label}="{word}"}} * {number}'
        for number, (word, _) in words.items()
        if word != "stable"
    ]
    return "\n  or ".join(parts)


def verdict(by: str, matchers: str) -> str:
    return f"max by ({by}) (\n  {coded('whydrift_verdict', matchers, 'verdict', VERDICTS)}\n)"


def mapped(words: Mapping[int, tuple[str, str]]) -> list[model.ValueMapping]:
    options = {
        str(number): model.ValueMappingResult(text=word, color=color, index=number)
        for number, (word, color) in words.items()
    }
    return [model.ValueMap(options=options)]


def steps(*limits: tuple[float | None, str]) -> dashboard.ThresholdsConfig:
    return (
        dashboard.ThresholdsConfig()
        .mode(model.ThresholdsMode.ABSOLUTE)
        .steps([model.Threshold(value=value, color=color) for value, color in limits])
    )


def ask(expr: str, legend: str = "", ref: str = "A", *, now: bool = False) -> prometheus.Dataquery:
    found = prometheus.Dataquery().ref_id(ref).expr(expr).datasource(SOURCE)
    found = found.legend_format(legend or "__auto")
    return found.instant() if now else found.range()


def asked(expr: str, ref: str) -> prometheus.Dataquery:
    """Return a query whose answer is the rows of a table."""
    return ask(expr, ref=ref, now=True).format(query.PromQueryFormat.TABLE)


def placed(panel: Any, title: str, description: str, width: int, height: int) -> Any:
    return panel.title(title).description(description).datasource(SOURCE).span(width).height(height)


def number(
    title: str, description: str, expr: str, *, unit: str = "short", limits: Any = None,
    words: Mapping[int, tuple[str, str]] | None = None, width: int = 4, decimals: int | None = None,
) -> stat.Panel:  # fmt: skip
    panel = placed(stat.Panel(), title, description, width, 4).unit(unit).no_value("unknown")
    panel = panel.with_target(ask(expr, now=True)).reduce_options(
        common.ReduceDataOptions().calcs(["lastNotNull"])
    )
    panel = panel.thresholds(limits or steps((None, GREEN)))
    if decimals is not None:
        panel = panel.decimals(decimals)
    if words is not None:
        panel = panel.mappings(mapped(words))
    return panel.color_mode(units.BigValueColorMode.VALUE).graph_mode(units.BigValueGraphMode.NONE)


def lines(
    title: str, description: str, queries: Sequence[tuple[str, str]], *, unit: str = "short",
    width: int = 12, height: int = 8, limits: Any = None,
) -> timeseries.Panel:  # fmt: skip
    panel = placed(timeseries.Panel(), title, description, width, height).unit(unit)
    for place, (expr, legend) in enumerate(queries):
        panel = panel.with_target(ask(expr, legend, "ABCDEFGH"[place]))
    panel = panel.fill_opacity(8).line_width(1).show_points(units.VisibilityMode.AUTO)
    # A window a day is a point a day: they are joined, over gaps of scrapes too.
    panel = panel.span_nulls(3_600_000)
    if limits is not None:
        panel = panel.thresholds(limits).thresholds_style(
            common.GraphThresholdsStyleConfig().mode(units.GraphTresholdsStyleMode.DASHED)
        )
    return panel.legend(
        common.VizLegendOptions()
        .display_mode(units.LegendDisplayMode.LIST)
        .placement(units.LegendPlacement.BOTTOM)
        .show_legend(True)
    )


def states(
    title: str, description: str, expr: str, legend: str, words: Mapping[int, tuple[str, str]],
    *, width: int = 24, height: int = 8,
) -> statetimeline.Panel:  # fmt: skip
    panel = placed(statetimeline.Panel(), title, description, width, height)
    panel = panel.with_target(ask(expr, legend)).mappings(mapped(words)).merge_values(True)
    return (
        panel.show_value(units.VisibilityMode.NEVER)
        .row_height(0.85)
        .color_scheme(dashboard.FieldColor().mode(model.FieldColorModeId.THRESHOLDS))
    )


def bars(
    title: str, description: str, expr: str, legend: str, *, unit: str = "short", width: int = 12,
    height: int = 8, limits: Any = None, link: tuple[str, str] | None = None,
) -> bargauge.Panel:  # fmt: skip
    panel = placed(bargauge.Panel(), title, description, width, height).unit(unit)
    panel = panel.with_target(ask(expr, legend, now=True)).reduce_options(
        common.ReduceDataOptions().calcs(["lastNotNull"])
    )
    if link is not None:
        panel = panel.data_links(linked(*link))
    return (
        panel.orientation(units.VizOrientation.HORIZONTAL)
        .display_mode(units.BarGaugeDisplayMode.BASIC)
        .thresholds(limits or steps((None, YELLOW)))
        .no_value("none")
    )


def linked(title: str, url: str) -> list[Any]:
    link = dashboard.DashboardLink(title).url(url)
    return [link.type(model.DashboardLinkType.LINK).target_blank(True)]


def renamed(**names: str) -> list[model.DataTransformerConfig]:
    """Join the queries of a table by their labels, and name the columns."""
    return [
        model.DataTransformerConfig(id_val="merge", options={}),
        model.DataTransformerConfig(
            id_val="organize",
            options={
                "excludeByName": {"Time": True},
                "renameByName": dict(names),
                "indexByName": {name: place for place, name in enumerate(names)},
            },
        ),
    ]


def begun(uid: str, title: str, description: str, since: str) -> dashboard.Dashboard:
    others = (
        dashboard.DashboardLink("whydrift")
        .type(model.DashboardLinkType.DASHBOARDS)
        .tags(["whydrift"])
        .as_dropdown(False)
        .keep_time(True)
        .include_vars(True)
    )
    return (
        dashboard.Dashboard(title)
        .uid(uid)
        .description(description)
        .tags(["whydrift"])
        .readonly()
        .tooltip(model.DashboardCursorSync.CROSSHAIR)
        .time(since, "now")
        .refresh("1m")
        .timezone("browser")
        .link(others)
        .with_variable(
            dashboard.DatasourceVariable("datasource").label("Prometheus").type("prometheus")
        )
        .with_variable(
            dashboard.TextBoxVariable("whydrift")
            .label("whydrift")
            .description("Where whydrift's own pages are, for links to reports")
            .default_value("http://127.0.0.1:9464")
        )
    )


def chosen(
    name: str, label: str, expr: str, *, every: str | None = None
) -> dashboard.QueryVariable:
    variable = (
        dashboard.QueryVariable(name)
        .label(label)
        .query({"query": expr, "refId": name})
        .datasource(SOURCE)
        .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(model.VariableSort.ALPHABETICAL_ASC)
    )
    if every is None:
        return variable
    everything = model.VariableOption(selected=True, text="All", value="$__all")
    return variable.include_all(True).all_value(every).current(everything)


def annotated(name: str, expr: str, color: str) -> dashboard.AnnotationQuery:
    return (
        dashboard.AnnotationQuery()
        .name(name)
        .datasource(SOURCE)
        .enable(True)
        .icon_color(color)
        .expr(expr)
    )


# ---- all monitors --------------------------------------------------------------------------------
def fleet() -> dashboard.Dashboard:
    due = "max by (monitor) (whydrift_next_result_due_timestamp_seconds)"
    whole = 'segment=""'
    until = f"max by (monitor) (whydrift_window_end_timestamp_seconds{{{whole}}})"
    rows = f'min by (monitor) (whydrift_window_rows{{{whole}, window="current"}})'
    late = steps((None, GREEN), (1, ORANGE))
    one = "/d/whydrift-monitor?var-monitor=${__data.fields.monitor}"
    same = "/d/whydrift-monitor?var-monitor=${__field.labels.monitor}"
    overview = (
        placed(
            table.Panel(), "Monitors", "The newest verdict of each, the worst first.", 24, 12
        )
        .with_target(asked(verdict("monitor", whole), "A"))
        .with_target(asked(f"sum by (monitor) ({FIRING})", "B"))
        .with_target(asked(f"max by (monitor) (whydrift_loss_change{{{whole}}})", "C"))
        .with_target(
            asked(rows, "D")
        )
        .with_target(
            asked(f"{until} * 1000", "E")
        )
        .with_target(asked(f"{due} * 1000", "F"))
        .with_target(asked("max by (monitor) (whydrift_false_alarm_budget_ratio)", "G"))
        .with_target(asked("max by (monitor) (whydrift_consecutive_failures)", "H"))
        .transformations(
            renamed(
                monitor="monitor",
                **{
                    "Value #A": "verdict", "Value #B": "alerts", "Value #C": "loss change",
                    "Value #D": "rows", "Value #E": "window until", "Value #F": "next due",
                    "Value #G": "budget spent", "Value #H": "failures",
                },
            )
        )
        .override_by_name("monitor", [field("links", [{"title": "open", "url": one}])])
        .override_by_name(
            "verdict",
            [
                field("mappings", mapped(VERDICTS)),
                field("custom.cellOptions", {"type": "color-background", "mode": "basic"}),
            ],
        )
        .override_by_name("window until", [field("unit", "dateTimeFromNow")])
        .override_by_name("next due", [field("unit", "dateTimeFromNow")])
        .override_by_name("budget spent", [field("unit", "percentunit")])
        .override_by_name("loss change", [field("decimals", 4)])
        .sort_by([common.TableSortByFieldState().display_name("verdict").desc(True)])
    )  # fmt: skip
    return (
        begun(
            "whydrift-fleet", "whydrift / all monitors",
            "Which monitors drift, which are late, and what it costs.", "now-7d",
        )
        .with_panel(
            number(
                "Monitors", "How many are configured.",
                "count(max by (monitor) (whydrift_monitor_info))",
            )
        )
        .with_panel(
            number(
                "Alerts firing", "After the alarm budget; held while results are missing.",
                f"sum({FIRING})",
                limits=steps((None, GREEN), (1, RED)),
            )
        )
        .with_panel(
            number(
                "Overdue", "Monitors whose result is later than it should be.",
                f"sum((time() - {due}) > bool 900)", limits=late,
            )
        )
        .with_panel(
            number(
                "Failing", "Monitors whose last check ended in an error.",
                "sum(max by (monitor) (whydrift_consecutive_failures) > bool 0)", limits=late,
            )
        )
        .with_panel(
            number(
                "Without rows", "Monitors whose newest window is empty.",
                f"sum({rows} == bool 0)",
                limits=late,
            )
        )
        .with_panel(
            number(
                "Budget spent", "Of a month's false alarms, on average over monitors; about 100 % "
                "where every window is judged.",
                "avg(max by (monitor) (whydrift_false_alarm_budget_ratio))", unit="percentunit",
                limits=steps((None, GREEN), (1.2, ORANGE)),
            )
        )
        .with_panel(overview)
        .with_panel(
            states(
                "Verdicts", "Of the whole of each monitor, the worse of its stages.",
                verdict("monitor", whole), "{{monitor}}", VERDICTS, height=12,
            )
        )
        .with_panel(
            states(
                "Alerts", "Kinds that fire or fired, of monitors and segments.",
                f"{FIRING}\n"
                "  and on (monitor, segment, target, kind)\n"
                "  max_over_time(whydrift_alert_firing[$__range]) == 1",
                "{{monitor}} {{segment}} {{target}}: {{kind}}", ALERTS, height=10,
            )
        )
        .with_panel(
            bars(
                "Loss, against the reference", "Where the loss rose most.",
                'topk(20, max by (monitor) (whydrift_loss_change{segment=""}))', "{{monitor}}",
                height=10, link=("monitor", same),
            )
        )
        .with_panel(
            bars(
                "Until the next result", "Below zero, it is late.",
                f"bottomk(20, {due} - time())", "{{monitor}}", unit="s", height=10,
                limits=steps((None, RED), (-900, ORANGE), (0, GREEN)),
            )
        )
    )  # fmt: skip


def field(name: str, value: object) -> model.DynamicConfigValue:
    return model.DynamicConfigValue(id_val=name, value=value)


# ---- one monitor ---------------------------------------------------------------------------------
def monitor() -> dashboard.Dashboard:
    name = 'monitor="$monitor"'
    shifted = coded("whydrift_column_shift", ONE, "kind", SHIFTS)
    loss = f"whydrift_loss{{{ONE}, window="
    newest = f"max(whydrift_source_last_row_timestamp_seconds{{{name}}})"
    unlined = [field("custom.lineWidth", 0)]
    return (
        begun(
            "whydrift-monitor", "whydrift / one monitor",
            "What moved, where it began, and what it costs.", "now-30d",
        )
        .with_variable(
            chosen("monitor", "monitor", "label_values(whydrift_monitor_info, monitor)")
        )
        .with_variable(
            # No segment is the whole. (Grafana takes an empty value for none.)
            chosen(
                "segment", "segment (All: the whole)",
                f"label_values(whydrift_verdict{{{name}}}, segment)", every="^$",
            )
        )
        .with_variable(
            chosen(
                "target", "target",
                f"label_values(whydrift_verdict{{{name}}}, target)", every=".*",
            )
        )
        .annotation(
            annotated(
                "alert opened",
                f"max by (kind, segment) (whydrift_alert_firing{{{name}}}) == 1\n  unless "
                f"max by (kind, segment) (whydrift_alert_firing{{{name}}} offset $__interval) == 1",
                RED,
            )
        )
        .annotation(
            annotated(
                "configuration taken",
                "changes(max(whydrift_config_last_reload_success_timestamp_seconds)"
                "[$__interval:]) > 0",
                PURPLE,
            )
        )
        .with_panel(
            number(
                "Verdict", "On the newest window, the worse of its stages.",
                verdict("monitor", TARGET), words=VERDICTS,
            )
        )
        .with_panel(
            number(
                "Alerts firing", "Of this segment and target.",
                f"sum(max by (kind, target) (whydrift_alert_firing{{{TARGET}}}))",
                limits=steps((None, GREEN), (1, RED)),
            )
        )
        .with_panel(
            number(
                "Loss change", "Against the reference, in units of the loss; unknown until labels "
                "are in.", f"max(whydrift_loss_change{{{ONE}}})", decimals=4,
            )
        )
        .with_panel(
            number(
                "Rows", "Of the newest window.",
                f'min(whydrift_window_rows{{{ONE}, window="current"}})',
                limits=steps((None, RED), (1, GREEN)),
            )
        )
        .with_panel(
            number(
                "Next result", "When it is due.",
                f"max(whydrift_next_result_due_timestamp_seconds{{{name}}}) * 1000",
                unit="dateTimeFromNow",
            )
        )
        .with_panel(
            number(
                "Budget spent",
                "Of a month's false alarms; about 100 % where every window is judged.",
                f"max(whydrift_false_alarm_budget_ratio{{{name}}})", unit="percentunit",
                limits=steps((None, GREEN), (1.2, ORANGE)),
            )
        )
        .with_panel(
            states(
                "Verdict", "By stage: on features early, and once more when labels are in.",
                verdict("stage, target", TARGET), "{{stage}} {{target}}", VERDICTS, height=5,
            )
        )
        .with_panel(
            states(
                "Alerts", "After the alarm budget: opened once, held through what is unknown.",
                f"max by (kind, target) (whydrift_alert_firing{{{TARGET}}})", "{{kind}} {{target}}",
                ALERTS, height=7,
            )
        )
        .with_panel(
            states(
                "What moved",
                "Where a change begins, and of what kind: columns that follow are not shown.",
                f"max by (column) (\n  {shifted}\n)", "{{column}}", SHIFTS, height=12,
            )
        )
        .with_panel(
            bars(
                "Contributions", "Shares of the change of the loss; click for the report.",
                f"topk(10, max by (monitor, column) (whydrift_column_contribution{{{ONE}}}))",
                "{{column}}", link=("report of the whole", REPORT),
            )
        )
        .with_panel(
            lines(
                "Effect sizes", "How far each column's own mechanism moved: reference sd, or "
                "probability. Below the dashed line is below the default floor.",
                [(f"max by (column) (whydrift_column_effect_size{{{ONE}}})", "{{column}}")],
                limits=steps((None, "transparent"), (0.1, ORANGE)),
            )
        )
        .with_panel(
            lines(
                "Loss", "Of the newest window with labels, and of what it is judged against.",
                [
                    (f'max({loss}"current"}})', "current"),
                    (f'max({loss}"reference"}})', "reference"),
                ],
            )
        )
        .with_panel(
            lines(
                "Loss change", "With its 90 % interval: above zero, it is more than chance.",
                [
                    (f"max(whydrift_loss_change{{{ONE}}})", "change"),
                    (f"max(whydrift_loss_change_low{{{ONE}}})", "low"),
                    (f"max(whydrift_loss_change_high{{{ONE}}})", "high"),
                ],
                limits=steps((None, "transparent"), (0, GREY)),
            )
            .override_by_name("high", [field("custom.fillBelowTo", "low"), *unlined])
            .override_by_name("low", unlined)
        )
        .with_panel(
            lines(
                "Rows per window", "Of the newest window.",
                [(f'min(whydrift_window_rows{{{ONE}, window="current"}})', "rows")], width=8,
            )
        )
        .with_panel(
            lines(
                "Graph", "Edges of the reference's graph, and those that the newest window lacks, "
                "adds or turns.",
                [
                    (f"max(whydrift_graph_edges{{{name}}})", "edges"),
                    (f"max by (change) (whydrift_graph_edges_changed{{{name}}})", "{{change}}"),
                ],
                width=8,
            )
        )
        .with_panel(
            lines(
                "Age", "Of the newest row that was read, and of the newest window's end.",
                [
                    (f"time() - {newest}", "newest row"),
                    (f"time() - max(whydrift_window_end_timestamp_seconds{{{ONE}}})", "window"),
                ],
                unit="s", width=8,
            )
        )
        .with_panel(
            states(
                "P(target | inputs)", "Whether it moved, by a test that needs no graph; unknown "
                "until labels are in.",
                f"max by (target) (whydrift_conditional_shift{{{TARGET}}})", "{{target}}",
                {0: ("stable", GREEN), 1: ("moved", RED)}, height=4,
            )
        )
    )  # fmt: skip


# ---- whydrift itself -----------------------------------------------------------------------------
def service() -> dashboard.Dashboard:
    seconds = "whydrift_check_duration_seconds_bucket"
    ours = "and on (job, instance) whydrift_build_info"
    beat = "whydrift_scheduler_heartbeat_timestamp_seconds"
    return (
        begun(
            "whydrift-service", "whydrift / the service",
            "Whether whydrift itself is well.", "now-24h",
        )
        .with_panel(
            number(
                "Replicas", "Daemons that are scraped.", "count(whydrift_build_info)",
                limits=steps((None, RED), (1, GREEN)),
            )
        )
        .with_panel(
            number(
                "Store", "Whether it answered all of them.", "min(whydrift_store_up)", words=YES_NO
            )
        )
        .with_panel(
            number(
                "Configuration", "Whether the last one that was read was taken, by all.",
                "min(whydrift_config_last_reload_successful)", words=YES_NO,
            )
        )
        .with_panel(
            number(
                "Heartbeat", "Since the slowest scheduler last looked for work.",
                f"max(time() - {beat})", unit="s",
                limits=steps((None, GREEN), (60, ORANGE), (300, RED)),
            )
        )
        .with_panel(
            number(
                "Without a holder", "Monitors that no daemon judges now.",
                "sum(max by (monitor) (whydrift_lease_held) == bool 0)",
                limits=steps((None, GREEN), (1, ORANGE)),
            )
        )
        .with_panel(
            number(
                "Messages waiting", "To be sent, by all notifiers.",
                "sum(max by (notifier) (whydrift_notifications_pending))",
                limits=steps((None, GREEN), (1, ORANGE)),
            )
        )
        .with_panel(
            lines(
                "Checks an hour", "By how they ended.",
                [("sum by (outcome) (increase(whydrift_checks_total[1h]))", "{{outcome}}")],
            )
        )
        .with_panel(
            lines(
                "How long checks take", "Median and 95th percentile of the last hour.",
                [
                    (f"histogram_quantile(0.5, sum by (le) (rate({seconds}[1h])))", "p50"),
                    (f"histogram_quantile(0.95, sum by (le) (rate({seconds}[1h])))", "p95"),
                ],
                unit="s",
            )
        )
        .with_panel(
            lines(
                "Failures in a row", "Of monitors; 3 alert.",
                [("topk(10, max by (monitor) (whydrift_consecutive_failures))", "{{monitor}}")],
                limits=steps((None, "transparent"), (3, RED)),
            )
        )
        .with_panel(
            lines(
                "Share of checks that failed", "Over a day.",
                [("monitor:whydrift_checks_failed:ratio_rate1d", "{{monitor}}")],
                unit="percentunit",
            )
        )
        .with_panel(
            lines(
                "Heartbeat age", "Of each daemon's scheduler.",
                [(f"time() - max by (job, instance) ({beat})", "{{instance}}")], unit="s",
                limits=steps((None, "transparent"), (300, RED)),
            )
        )
        .with_panel(
            lines(
                "Monitors held", "By lease, by each daemon.",
                [("sum by (instance) (whydrift_lease_held)", "{{instance}}")],
            )
        )
        .with_panel(
            lines(
                "Workers busy", "With a check, in each daemon.",
                [("max by (instance) (whydrift_workers_busy)", "{{instance}}")],
            )
        )
        .with_panel(
            lines(
                "Notifications an hour", "By notifier and outcome; dead ones are lost.",
                [
                    (
                        "sum by (notifier, outcome) (increase(whydrift_notifications_total[1h]))",
                        "{{notifier}} {{outcome}}",
                    )
                ],
            )
        )
        .with_panel(
            lines(
                "Memory", "Of the daemon's own process; workers are not in it.",
                [(f"process_resident_memory_bytes {ours}", "{{instance}}")], unit="bytes",
            )
        )
        .with_panel(
            lines(
                "Processor", "Of the daemon's own process.",
                [(f"rate(process_cpu_seconds_total[$__rate_interval]) {ours}", "{{instance}}")],
                unit="percentunit",
            )
        )
        .with_panel(
            lines(
                "Store", "With the files beside it.",
                [("max(whydrift_store_size_bytes)", "size")], unit="bytes",
            )
        )
        .with_panel(
            lines(
                "Rows read an hour", "By all monitors.",
                [("sum(max by (monitor) (increase(whydrift_source_rows_total[1h])))", "rows")],
            )
        )
        .with_panel(
            lines(
                "Series left out", "By the limits under `metrics`.",
                [("sum by (what) (max by (monitor, what) (whydrift_metrics_omitted))", "{{what}}")],
            )
        )
        .with_panel(
            placed(table.Panel(), "Versions", "That are scraped.", 12, 8)
            .with_target(asked("count by (version, python) (whydrift_build_info)", "A"))
            .transformations(renamed(version="whydrift", python="Python", Value="daemons"))
        )
    )  # fmt: skip


def built() -> dict[str, str]:
    """Return the text of each dashboard, by the name of its file."""
    texts = {}
    for made in (fleet(), monitor(), service()):
        value = json.loads(json.dumps(made.build(), cls=JSONEncoder))
        for place, panel in enumerate(value["panels"], start=1):
            panel["id"] = place
        texts[f"{value['uid']}.json"] = (
            json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
        )
    return texts


if __name__ == "__main__":
    for name, text in built().items():
        (FOLDER / name).write_text(text)
        print(FOLDER / name)
