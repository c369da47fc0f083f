"""From the board to series: what is told of a monitor, and what gives way to the limits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import Final

from whydrift.monitor.diagnosis.alarm_budget import WHOLE
from whydrift.monitor.diagnosis.alert import AlertKind
from whydrift.monitor.diagnosis.diagnosis import ColumnVerdict, Verdict
from whydrift.monitor.service.board import BoardView, ColumnNumbers, MonitorView, ResultNumbers
from whydrift.monitor.service.counters import (
    BOUNDS,
    CHECK_OUTCOMES,
    NOTIFICATION_OUTCOMES,
    CheckCounts,
    Counted,
)

__all__ = ["Block", "Rank", "Series", "blocks_of", "counted_series", "fitting", "service_series"]

# Kinds of change that a diagnosis tells of an edge: each has a series from the start.
_EDGE_CHANGES: Final = ("added", "removed", "reversed", "weakened", "strengthened")
_SHIFTS: Final = (ColumnVerdict.SOURCE, ColumnVerdict.MECHANISM, ColumnVerdict.FAULT)


@dataclass(frozen=True, slots=True)
class Series:
    """One number.

    Parameters
    ----------
    family : str
        Name of its family.
    labels : tuple of str
        Values, in the order of the family's labels.
    value : float
    suffix : str
        Of a histogram: ``_bucket``, ``_count`` or ``_sum``.
    bound : str
        Of a bucket.
    """

    family: str
    labels: tuple[str, ...]
    value: float
    suffix: str = ""
    bound: str = ""


class Rank(IntEnum):
    """What stays the longest where there are too many series."""

    ALWAYS = 0  # what rules read: never left out
    ORIGIN = 1  # a column with a verdict other than stable
    SEGMENT = 2
    STABLE = 3


@dataclass(frozen=True, slots=True)
class Block:
    """Series that are told together, or not at all."""

    rank: Rank
    series: tuple[Series, ...]


def blocks_of(monitor: MonitorView) -> tuple[Block, ...]:
    """Return all series of a monitor that come from the store."""
    blocks = [Block(Rank.ALWAYS, tuple(_always(monitor)))]
    for segment in monitor.results:
        if segment != WHOLE:
            blocks.append(Block(Rank.SEGMENT, tuple(_of_segment(monitor, segment))))
        newest = monitor.newest(segment)
        assert newest is not None  # a segment without results is not in the view
        blocks.extend(_columns(monitor, newest))
    return tuple(blocks)


def fitting(
    monitors: Mapping[str, tuple[Block, ...]], most: int
) -> tuple[dict[str, tuple[Block, ...]], dict[str, int]]:
    """Return the blocks that stay, and for each monitor how many series do not.

    Parameters
    ----------
    monitors : mapping of str to tuple of Block
    most : int
        Series in all. What rules read stays even where it alone is more.
    """
    every = sum(len(b.series) for blocks in monitors.values() for b in blocks)
    if every <= most:
        return dict(monitors), dict.fromkeys(monitors, 0)
    left = most - sum(
        len(b.series) for blocks in monitors.values() for b in blocks if b.rank is Rank.ALWAYS
    )
    omitted = dict.fromkeys(monitors, 0)
    gone: set[int] = set()
    for rank in (Rank.ORIGIN, Rank.SEGMENT, Rank.STABLE):
        for name, blocks in monitors.items():
            for block in blocks:
                if block.rank is not rank:
                    continue
                if len(block.series) <= left:
                    left -= len(block.series)
                else:
                    gone.add(id(block))
                    omitted[name] += len(block.series)
    kept = {
        name: tuple(block for block in blocks if id(block) not in gone)
        for name, blocks in monitors.items()
    }
    return kept, omitted


def _always(monitor: MonitorView) -> Iterator[Series]:
    name, state = monitor.name, monitor.state
    yield Series(
        "whydrift_monitor_info", (name, monitor.severity, monitor.target, monitor.team), 1.0
    )
    yield from _alerts(monitor)
    if monitor.results.get(WHOLE):
        yield from _of_segment(monitor, WHOLE)
    if monitor.empty is not None:
        end = "whydrift_window_end_timestamp_seconds"
        yield Series("whydrift_window_rows", (name, WHOLE, "current"), 0.0)
        yield Series(end, (name, WHOLE), monitor.empty.timestamp())
    newest = monitor.newest()
    if newest is not None:
        yield Series("whydrift_graph_edges", (name,), newest.edges)
        for change in _EDGE_CHANGES:
            found = newest.edges_changed.get(change, 0)
            yield Series("whydrift_graph_edges_changed", (change, name), found)
    moments = {
        "whydrift_next_result_due_timestamp_seconds": monitor.next_due,
        "whydrift_last_success_timestamp_seconds": state.last_success,
        "whydrift_last_check_timestamp_seconds": state.last_check,
        "whydrift_source_last_row_timestamp_seconds": state.source_last_row,
    }
    yield from _present((name,), {k: _seconds(moment) for k, moment in moments.items()})
    yield Series("whydrift_consecutive_failures", (name,), state.consecutive_failures)
    yield Series("whydrift_lease_held", (name,), monitor.is_held)
    yield Series("whydrift_source_rows_total", (name,), state.source_rows)
    yield Series("whydrift_false_alarm_budget_ratio", (name,), monitor.budget_ratio)
    omitted = sum(r[-1].columns_omitted for r in monitor.results.values())
    yield Series("whydrift_metrics_omitted", (name, "columns"), omitted)
    yield Series("whydrift_metrics_omitted", (name, "segments"), monitor.segments_omitted)


def _alerts(monitor: MonitorView) -> Iterator[Series]:
    """Yield every alert that may fire, at 0 or 1; they are few, and never left out."""
    may_fire = {
        (segment, results[-1].target, kind)
        for segment, results in monitor.results.items()
        for kind in AlertKind
    }
    if not monitor.results:
        may_fire = {(WHOLE, monitor.target, kind) for kind in AlertKind}
    firing = {(key.segment, key.target, key.kind) for key in monitor.firing}
    for segment, target, kind in sorted(may_fire | firing):
        fires = (segment, target, kind) in firing
        yield Series("whydrift_alert_firing", (kind.value, monitor.name, segment, target), fires)


def _of_segment(monitor: MonitorView, segment: str) -> Iterator[Series]:
    name = monitor.name
    for found in monitor.results[segment]:
        for verdict in Verdict:
            labels = (name, segment, found.stage.value, found.target, verdict.value)
            yield Series("whydrift_verdict", labels, found.verdict == verdict.value)
    newest = monitor.results[segment][-1]
    told = monitor.newest_with_conditional(segment)
    if told is not None and told.conditional_shift is not None:
        whose = (name, segment, told.target)
        yield Series("whydrift_conditional_shift", whose, told.conditional_shift)
    if segment != WHOLE or monitor.empty is None:
        rows, end = "whydrift_window_rows", "whydrift_window_end_timestamp_seconds"
        yield Series(rows, (name, segment, "reference"), newest.reference_rows)
        yield Series(rows, (name, segment, "current"), newest.current_rows)
        yield Series(end, (name, segment), newest.end.timestamp())
    with_loss = monitor.newest_with_loss(segment)
    if with_loss is None or with_loss.loss is None:
        return
    loss = with_loss.loss
    yield Series("whydrift_loss", (name, segment, "reference"), loss.reference)
    yield Series("whydrift_loss", (name, segment, "current"), loss.current)
    changes = {
        "whydrift_loss_change": loss.change,
        "whydrift_loss_change_low": loss.low,
        "whydrift_loss_change_high": loss.high,
    }
    yield from _present((name, segment), changes)


def _columns(monitor: MonitorView, newest: ResultNumbers) -> Iterator[Block]:
    """Yield a block for each column; what it contributes comes from where the loss does.

    Of the target only labels speak: where they come late it is as in the newest window with them.
    """
    segment = newest.segment
    with_loss = monitor.newest_with_loss(segment)
    shares = {} if with_loss is None else {c.name: c.contribution for c in with_loss.columns}
    known = {column.name for column in newest.columns}
    labelled = monitor.labelled(segment)
    later = () if labelled is None else labelled.columns
    target = (c for c in later if c.name == monitor.target and c.name not in known)
    for column in (*newest.columns, *target):
        rank = Rank.STABLE if column.verdict is ColumnVerdict.STABLE else Rank.ORIGIN
        series = _of_column(monitor.name, segment, column, shares.get(column.name))
        yield Block(rank, tuple(series))


def _of_column(
    monitor: str, segment: str, column: ColumnNumbers, contribution: float | None
) -> Iterator[Series]:
    for kind in _SHIFTS:
        labels = (column.name, kind.value, monitor, segment)
        yield Series("whydrift_column_shift", labels, column.verdict is kind)
    values = {
        "whydrift_column_effect_size": column.effect,
        "whydrift_column_q_value": column.q_value,
        "whydrift_column_contribution": contribution,
    }
    yield from _present((column.name, monitor, segment), values)


def counted_series(monitor: str, counts: CheckCounts) -> Iterator[Series]:
    """Yield what was counted of a monitor; every outcome is there from the start."""
    for outcome, count in zip(CHECK_OUTCOMES, counts.outcomes, strict=True):
        yield Series("whydrift_checks_total", (monitor, outcome), count)
    family, labels, below = "whydrift_check_duration_seconds", (monitor,), 0
    for count, bound in zip(counts.buckets, (*map(str, BOUNDS), "+Inf"), strict=True):
        below += count
        yield Series(family, labels, below, "_bucket", bound)
    yield Series(family, labels, below, "_count")
    yield Series(family, labels, counts.seconds, "_sum")


def service_series(
    view: BoardView, counted: Counted, omitted: Mapping[str, int], versions: tuple[str, str]
) -> Iterator[Series]:
    """Yield what is told of the daemon itself.

    Parameters
    ----------
    view : BoardView
    counted : Counted
    omitted : mapping of str to int
        Series of each monitor that the limit leaves out.
    versions : tuple of str
        Of Python and of whydrift.
    """
    yield Series("whydrift_build_info", versions, 1.0)
    notifiers = sorted({*view.pending, *(name for name, _ in counted.notifications)})
    for name in notifiers:
        for outcome in NOTIFICATION_OUTCOMES:
            found = counted.notifications.get((name, outcome), 0)
            yield Series("whydrift_notifications_total", (name, outcome), found)
        yield Series("whydrift_notifications_pending", (name,), view.pending.get(name, 0))
    yield Series("whydrift_store_up", (), view.is_store_up)
    yield Series("whydrift_workers_busy", (), counted.busy)
    for name, count in omitted.items():
        yield Series("whydrift_metrics_omitted", (name, "series"), count)
    yield Series("whydrift_config_last_reload_successful", (), counted.is_reloaded)
    values = {
        "whydrift_scheduler_heartbeat_timestamp_seconds": counted.heartbeat,
        "whydrift_store_size_bytes": view.store_bytes,
        "whydrift_config_last_reload_success_timestamp_seconds": counted.reloaded_at,
    }
    yield from _present((), values)


def _present(labels: tuple[str, ...], values: Mapping[str, float | None]) -> Iterator[Series]:
    """Yield the series whose value is known."""
    for family, value in values.items():
        if value is not None:
            yield Series(family, labels, value)


def _seconds(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()
