"""The metrics that Prometheus gets: their names, labels and meaning, in one table."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

__all__ = ["FAMILIES", "Family"]


@dataclass(frozen=True, slots=True)
class Family:
    """One metric.

    Parameters
    ----------
    name : str
        As Prometheus stores it: a counter's ends in ``_total``.
    kind : str
    documentation : str
    labels : tuple of str
        In alphabetical order, as they are written.
    """

    name: str
    kind: Literal["gauge", "counter", "histogram"]
    documentation: str
    labels: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        assert list(self.labels) == sorted(self.labels), self.name


_WHOLE: Final = ("monitor", "segment")
_MONITOR: Final = ("monitor",)
_COLUMN: Final = ("column", "monitor", "segment")

_ROWS: Final = (
    Family("whydrift_build_info", "gauge", "Version of whydrift and of Python; always 1.",
           ("python", "version")),
    Family("whydrift_monitor_info", "gauge",
           "What the configuration says of a monitor; always 1.",
           ("monitor", "severity", "target", "team")),
    Family("whydrift_verdict", "gauge",
           "Verdict on the newest window that finished the stage: 1 for the one that holds.",
           ("monitor", "segment", "stage", "target", "verdict")),
    Family("whydrift_conditional_shift", "gauge",
           "Whether P(target given the inputs) moved in the newest window with labels.",
           ("monitor", "segment", "target")),
    Family("whydrift_column_shift", "gauge",
           "Whether a change begins at the column in the newest window (at the target: the newest "
           "with labels), and of what kind.",
           ("column", "kind", "monitor", "segment")),
    Family("whydrift_column_effect_size", "gauge",
           "How far the column's own mechanism moved: reference sd, or probability.", _COLUMN),
    Family("whydrift_column_q_value", "gauge",
           "Benjamini-Hochberg q-value of the column's own mechanism.", _COLUMN),
    Family("whydrift_column_contribution", "gauge",
           "The column's share of the change of the loss, in units of the loss.", _COLUMN),
    Family("whydrift_loss", "gauge", "Mean loss on either side of the newest window with labels.",
           ("monitor", "segment", "window")),
    Family("whydrift_loss_change", "gauge", "Change of the mean loss against the reference.",
           _WHOLE),
    Family("whydrift_loss_change_low", "gauge",
           "Lower end of the 90 % interval of the change of the loss.", _WHOLE),
    Family("whydrift_loss_change_high", "gauge",
           "Upper end of the 90 % interval of the change of the loss.", _WHOLE),
    Family("whydrift_window_rows", "gauge",
           "Rows of the newest window, and of what it was judged against.",
           ("monitor", "segment", "window")),
    Family("whydrift_window_end_timestamp_seconds", "gauge", "End of the newest window.", _WHOLE),
    Family("whydrift_next_result_due_timestamp_seconds", "gauge",
           "When the next result is due; in the past where it is late.", _MONITOR),
    Family("whydrift_last_success_timestamp_seconds", "gauge",
           "When the last check without an error ended.", _MONITOR),
    Family("whydrift_last_check_timestamp_seconds", "gauge", "When the last check ended.",
           _MONITOR),
    Family("whydrift_consecutive_failures", "gauge", "Checks in a row that ended in an error.",
           _MONITOR),
    Family("whydrift_lease_held", "gauge", "Whether this daemon is who judges the monitor.",
           _MONITOR),
    Family("whydrift_source_last_row_timestamp_seconds", "gauge", "Time of the newest row read.",
           _MONITOR),
    Family("whydrift_source_rows_total", "counter", "Rows read from the source.", _MONITOR),
    Family("whydrift_graph_edges", "gauge",
           "Edges of the graph that the newest window was judged by.", _MONITOR),
    Family("whydrift_graph_edges_changed", "gauge",
           "Edges by which the newest window differs from the graph.", ("change", "monitor")),
    Family("whydrift_alert_firing", "gauge",
           "Whether the alert fires: after the alarm budget, and held through what is unknown.",
           ("kind", "monitor", "segment", "target")),
    Family("whydrift_false_alarm_budget_ratio", "gauge",
           "Share of a month's false alarms that the last month's decisions spent.", _MONITOR),
    Family("whydrift_checks_total", "counter", "Checks that ended, since the daemon started.",
           ("monitor", "outcome")),
    Family("whydrift_check_duration_seconds", "histogram", "How long checks took.", _MONITOR),
    Family("whydrift_notifications_total", "counter",
           "Attempts to tell somebody, since the daemon started; dead ones are not tried again.",
           ("notifier", "outcome")),
    Family("whydrift_notifications_pending", "gauge", "Messages that wait to be sent.",
           ("notifier",)),
    Family("whydrift_scheduler_heartbeat_timestamp_seconds", "gauge",
           "When the scheduler last looked for work."),
    Family("whydrift_store_up", "gauge", "Whether the store answered when it was last asked."),
    Family("whydrift_store_size_bytes", "gauge", "Size of the store, files beside it too."),
    Family("whydrift_workers_busy", "gauge", "Workers that judge a window now."),
    Family("whydrift_metrics_omitted", "gauge",
           "Columns, segments or series left out by the limits of the configuration.",
           ("monitor", "what")),
    Family("whydrift_config_last_reload_successful", "gauge",
           "Whether the last configuration that was read was taken."),
    Family("whydrift_config_last_reload_success_timestamp_seconds", "gauge",
           "When a configuration was last taken."),
)  # fmt: skip

FAMILIES: Final = MappingProxyType({row.name: row for row in _ROWS})
