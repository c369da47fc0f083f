"""Settings of one monitor: what is watched, in which windows, against what."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from typing import Literal
from zoneinfo import ZoneInfo

from pydantic import Field, model_validator

from whydrift.discovery.errors import WhydriftError
from whydrift.monitor.config.base import Settings, problem
from whydrift.monitor.config.source import Labels, SourceOrName
from whydrift.monitor.config.values import (
    Count,
    DurationText,
    KnowledgeValue,
    LossName,
    MethodName,
    Moment,
    Names,
    Number,
    Slug,
    Stretch,
    Text,
    Zone,
)
from whydrift.monitor.window.by_rows import RowWindows
from whydrift.monitor.window.calendar import TimeWindows
from whydrift.monitor.window.duration import Duration, to_utc
from whydrift.monitor.window.interval import Interval
from whydrift.monitor.window.reference import (
    Exclusion,
    FixedReference,
    LastWindows,
    PreviousVersion,
    ReferenceRule,
    Same,
)

__all__ = [
    "Alert",
    "Columns",
    "GraphSettings",
    "Late",
    "Monitor",
    "Reference",
    "Segments",
    "Window",
]


class Columns(Settings):
    """The roles of columns; all others are features."""

    target: Text | None = Field(default=None, description="what the model predicts")
    prediction: Text | None = Field(default=None, description="what the model said")
    cluster: Text | None = Field(
        default=None,
        description="names what belongs together, such as a user: rows of one are alike",
    )
    version: Text | None = Field(
        default=None,
        description="names the model's version; a window is kept as one part a version",
    )
    ignore: Names = Field(default=(), description="left out: identifiers, free text")

    @model_validator(mode="after")
    def _are_different(self) -> Columns:
        taken: dict[str, str] = {}
        for role in ("target", "prediction", "cluster", "version"):
            name = getattr(self, role)
            if name is None:
                continue
            if name in taken or name in self.ignore:
                other = taken.get(name, "ignore")
                raise problem(
                    f"{name!r} is named as {other} and as {role}",
                    "Name two different columns",
                    role,
                )
            taken[name] = role
        return self


class Window(Settings):
    """How rows are cut into windows: by time, or by their number."""

    every: DurationText | None = Field(
        default=None, description="from one window's end to the next: 1h, 1d, 1w"
    )
    length: DurationText | None = Field(
        default=None, description="longer than `every`: windows slide"
    )
    rows: Count | None = Field(default=None, ge=1, description="windows of so many rows instead")
    step: Count | None = Field(default=None, ge=1, description="of `rows`; fewer: windows slide")
    delay: DurationText = Field(
        default=Duration(0, "s"), description="waited for late rows after a window's end"
    )
    label_delay: DurationText = Field(
        default=Duration(0, "s"), description="waited for labels after a window's end"
    )
    timezone: Zone = Field(default=ZoneInfo("UTC"), description="of days and weeks")

    @model_validator(mode="after")
    def _is_one_kind(self) -> Window:
        if self.rows is not None and (self.every is not None or self.length is not None):
            raise problem("windows are cut by time or by rows, not both", "Write one of the two")
        if self.step is not None and self.rows is None:
            raise problem("a step is counted in rows", "Write rows: too, or length:", "step")
        try:
            self.cut()
        except WhydriftError as error:
            key = error.where.rpartition(".")[2]
            raise problem(error.what, error.remedy, key) from error
        return self

    def cut(self) -> TimeWindows | RowWindows:
        """Return the windows."""
        if self.rows is not None:
            return RowWindows(self.rows, self.step)
        return TimeWindows(
            self.every or Duration(1, "d"),
            self.timezone,
            self.length,
            self.delay,
            self.label_delay,
        )


class Late(Settings):
    """What becomes of rows that come after their window was judged."""

    allow: DurationText = Field(
        default=Duration(0, "s"), description="how long after a window was due its rows may come"
    )
    then: Literal["recompute", "ignore"] = Field(
        default="recompute", description="recompute silently, or ignore them"
    )


class Reference(Settings):
    """What a window is judged against."""

    last: Stretch | None = Field(
        default=None, description="so far back, such as 28d, or so many windows, such as 28"
    )
    same: Literal["weekday", "hour", "weekday_and_hour"] | None = Field(
        default=None, description="only windows of the same weekday or hour"
    )
    start: Moment | None = Field(
        default=None, alias="from", description="a fixed reference: its first moment"
    )
    end: Moment | None = Field(default=None, alias="to", description="a fixed reference: its end")
    version: Literal["previous"] | None = Field(
        default=None, description="the windows of the model's version before"
    )
    exclude: tuple[Literal["fault", "drift"], ...] = Field(
        default=("fault", "drift"),
        description="windows that are left out: those with a fault, those in a drift",
    )

    @model_validator(mode="after")
    def _is_one_kind(self) -> Reference:
        kinds = {
            "last": self.last is not None,
            "from and to": self.start is not None or self.end is not None,
            "version": self.version is not None,
        }
        named = [kind for kind, is_named in kinds.items() if is_named]
        if len(named) != 1:
            what = f"it names {' and '.join(named)}" if named else "it names no past windows"
            raise problem(what, "Write one of last: 28d, {from: …, to: …} and version: previous")
        if (self.start is None) != (self.end is None):
            raise problem("a fixed reference has two ends", "Write {from: 2026-05-01, to: …}")
        if self.same is not None and self.last is None:
            raise problem("`same` needs `last`", "Write {same: weekday, last: 8w}", "same")
        if isinstance(self.last, int) and self.last < 1:
            raise problem("the last 0 windows are none", "Write at least 1", "last")
        return self

    def rule(self, zone: tzinfo) -> ReferenceRule:
        """Return which past windows count; dates begin at midnight of the zone."""
        exclude = frozenset(Exclusion(word) for word in self.exclude)
        if self.version is not None:
            return PreviousVersion(exclude)
        if self.start is not None and self.end is not None:
            return FixedReference(Interval(_instant(self.start, zone), _instant(self.end, zone)))
        assert self.last is not None
        same = None if self.same is None else Same(self.same)
        return LastWindows(self.last, same, exclude)


def _instant(moment: datetime, zone: tzinfo) -> datetime:
    return to_utc(moment, zone) if moment.tzinfo is None else moment.astimezone(UTC)


class Segments(Settings):
    """Parts of the rows that are judged on their own too."""

    by: Names = Field(
        min_length=1, description="columns; each value, of several each combination, is a segment"
    )
    top: Count = Field(
        default=20, ge=1, description="the largest so many of them; the rest is one more"
    )
    min_rows: Count = Field(
        default=500, ge=1, description="of the reference; values of fewer are part of the rest"
    )


class GraphSettings(Settings):
    """How the graph is learned."""

    method: MethodName = Field(
        default="auto", description="how causes are found; auto chooses by the columns"
    )
    relearn: DurationText | None = Field(
        default=None,
        description="how often the graph is learned anew; if left out, when it no longer fits",
    )
    knowledge: KnowledgeValue | None = Field(
        default=None,
        description="what you know of causes: {tiers: [[a], [b, c]], required, forbidden}",
    )


class Alert(Settings):
    """When people are told, and who."""

    after: Count = Field(default=1, ge=1, description="windows in a row that reject")
    resolve_after: Count = Field(
        default=2, ge=1, description="quiet windows in a row before it is resolved"
    )
    severity: Literal["critical", "error", "warning", "info"] = Field(
        default="warning",
        description="of its alerts; a data fault is always critical, a changed graph info",
    )
    team: Text | None = Field(
        default=None, description="whose alerts they are: a label, for routes of Alertmanager"
    )


class Monitor(Settings):
    """One stream of windows, and how it is judged."""

    name: Slug = Field(description="a-z, 0-9, _ and -: it becomes a URL and a label")
    source: SourceOrName = Field(description="name of a source, or one written out")
    labels: Labels | None = Field(
        default=None, description="where the true values come from, when they come later"
    )
    columns: Columns = Field(
        default=Columns(), description="the roles of columns; all others are features"
    )
    window: Window = Field(default=Window(), description="how rows are cut into windows")
    since: Moment | None = Field(
        default=None,
        description="windows before it are recorded as the first reference, later ones judged; "
        "without it, the newest complete window is the first that is judged",
    )
    late: Late = Field(default=Late(), description="what becomes of rows that come late")
    reference: Reference = Field(
        default=Reference(last=Duration(28, "d")), description="what a window is judged against"
    )
    segments: Segments | None = Field(
        default=None, description="parts of the rows that are judged on their own too"
    )
    graph: GraphSettings = Field(default=GraphSettings(), description="how the graph is learned")
    loss: LossName = Field(default="auto", description="how wrong a prediction is; or quantile:0.9")
    floor: Number | None = Field(
        default=None,
        ge=0,
        description="a smaller change is not worth knowing, in sd of the reference (0.1)",
    )
    false_alarms_per_month: Number = Field(
        default=0.2, gt=0, description="acceptable on average, of all segments and stages together"
    )
    alert: Alert = Field(default=Alert(), description="when people are told, and who")

    @property
    def since_instant(self) -> datetime | None:
        """Where judging begins, in UTC: windows that start before it are the first reference."""
        return None if self.since is None else _instant(self.since, self.window.timezone)

    @model_validator(mode="after")
    def _fits_together(self) -> Monitor:
        try:
            self.reference.rule(self.window.timezone)
        except WhydriftError as error:
            raise problem(error.what, error.remedy, "reference") from error
        if self.reference.version is not None and self.columns.version is None:
            raise problem(
                "the previous version is known by a column that names it",
                "Write columns: {version: COLUMN}",
                "reference",
                "version",
            )
        if self.labels is not None and self.columns.target is None:
            raise problem(
                "labels are values of the target", "Write columns: {target: COLUMN}", "labels"
            )
        return self
