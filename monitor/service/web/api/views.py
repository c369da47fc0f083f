"""What is kept, as JSON shows it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from whydrift.discovery.snapshot.schema import Schema
from whydrift.monitor.service.alert_names import ALERT_NAMES, alert_severity
from whydrift.monitor.service.event_beside import BesideOthers
from whydrift.monitor.service.event_effects import EventEffect
from whydrift.monitor.service.web.links import Links
from whydrift.monitor.service.web.moments import written
from whydrift.monitor.store.records import GraphRecord, ResultRecord
from whydrift.monitor.store.state import AlertRecord, EventRecord
from whydrift.monitor.window.interval import Interval

if TYPE_CHECKING:
    from whydrift.effects.effect import Effect
    from whydrift.monitor.service.board import MonitorView, ResultNumbers

__all__ = [
    "alert_view", "column_view", "event_effect_view", "event_view", "graph_record_view",
    "interval_view", "monitor_view", "result_view", "schema_view",
]  # fmt: skip


def interval_view(interval: Interval | None) -> dict[str, str] | None:
    """Return a window's ends."""
    if interval is None:
        return None
    return {"start": written(interval.start), "end": written(interval.end)}


def monitor_view(view: MonitorView, links: Links) -> dict[str, Any]:
    """Return what is known of a monitor now."""
    state, newest, labelled = view.state, view.newest(), view.labelled()
    return {
        "name": view.name,
        "target": view.target or None,
        "team": view.team or None,
        "severity": view.severity,
        "verdict": None if newest is None else newest.verdict,
        "fault": None if newest is None else newest.fault,
        "conditional_shift": None if newest is None else newest.conditional_shift,
        "model_changed": None if newest is None else newest.model_changed,
        "slow": {} if newest is None else dict(newest.slow),
        "summary": None if newest is None else newest.summary,
        "newest": None if newest is None else _newest(newest, links),
        "labelled": None if labelled is None else _labelled(labelled, links),
        "segments": {
            name: _newest(results[-1], links) for name, results in view.results.items() if name
        },
        "segments_omitted": view.segments_omitted,
        "firing": [
            {"segment": key.segment, "target": key.target, "kind": key.kind.value}
            for key in sorted(view.firing, key=lambda k: (k.segment, k.target, k.kind.value))
        ],
        "empty_window": written(view.empty),
        "next_due": written(view.next_due),
        "budget_spent": view.budget_ratio,
        "began": written(state.began),
        "paused": state.is_paused,
        "last_check": written(state.last_check),
        "last_success": written(state.last_success),
        "consecutive_failures": state.consecutive_failures,
        "last_error": state.last_error,
        "source": {"last_row": written(state.source_last_row), "rows": state.source_rows},
        "holder": view.holder,
        "url": links.api("monitors", view.name),
        "page": links.whole_page("monitors", view.name),
    }


def _labelled(found: ResultNumbers, links: Links) -> dict[str, Any]:
    return {
        **_newest(found, links),
        "conditional_shift": found.conditional_shift,
        "model_changed": found.model_changed,
        "summary": found.summary,
    }


def _newest(found: ResultNumbers, links: Links) -> dict[str, Any]:
    return {
        "id": found.id,
        "stage": found.stage.value,
        "window": {"start": written(found.start), "end": written(found.end)},
        "rows": {"reference": found.reference_rows, "current": found.current_rows},
        "verdict": found.verdict,
        "fault": found.fault,
        "url": links.api("diagnoses", found.id),
    }


def result_view(record: ResultRecord, links: Links) -> dict[str, Any]:
    """Return what is known of a diagnosis without reading it."""
    return {
        "id": record.id,
        "monitor": record.key.monitor,
        "segment": record.key.segment,
        "stage": record.stage,
        "window": interval_view(record.key.interval),
        "verdict": record.verdict,
        "fault": record.fault,
        "revision": record.revision,
        "current": record.current,
        "config": record.config_hash,
        "whydrift": {"version": record.whydrift_version},
        "at": written(record.at),
        "url": links.api("diagnoses", record.id),
    }


def alert_view(record: AlertRecord, severity: str | None, links: Links) -> dict[str, Any]:
    """Return an episode.

    Parameters
    ----------
    record : AlertRecord
    severity : str, optional
        Of its monitor's alerts; None where that is no longer configured.
    links : Links
    """
    episode = record.episode
    return {
        "id": record.id,
        "alert": ALERT_NAMES[record.key.kind],
        "monitor": record.monitor,
        "segment": record.key.segment,
        "target": record.key.target,
        "kind": record.key.kind.value,
        "severity": None if severity is None else alert_severity(record.key.kind, severity),
        "state": record.state.value,
        "since": written(_moment(episode.opened)),
        "last": written(_moment(episode.last)),
        "fired": written(record.fired),
        "resolved": written(record.resolved),
        "windows": episode.rejections,
        "quiet_windows": episode.quiet,
        "columns": sorted(episode.columns),
        "details": dict(record.details),
        "at": written(record.at),
        "diagnosis": None if record.result is None else links.api("diagnoses", record.result),
    }


def event_view(record: EventRecord) -> dict[str, Any]:
    """Return something that happened."""
    return {
        "id": record.id,
        "at": written(record.at),
        "monitor": record.monitor,
        "kind": record.kind,
        "actor": record.actor,
        "text": record.text,
        "window": interval_view(record.window),
    }


def event_effect_view(found: EventEffect) -> dict[str, Any]:
    """Return what an event did to the loss, or why that is not said."""
    windows = {
        side: {"windows": len(given), "from": written(given[0].start) if given else None,
               "to": written(given[-1].end) if given else None, "mean_loss": mean}
        for side, given, mean in (
            ("before", found.before, found.loss_before), ("after", found.after, found.loss_after)
        )
    }  # fmt: skip
    return {
        "loss": found.loss, **windows, "effect": _effect_view(found.effect),
        "refused": found.refused, "beside_others": _beside_view(found.beside),
    }  # fmt: skip


def _beside_view(found: BesideOthers | None) -> dict[str, Any] | None:
    """Return the change beside other monitors, or why that is not said."""
    if found is None:
        return None
    return {
        "others": list(found.others),
        "left_out": [{"monitor": o.monitor, "reason": o.reason} for o in found.left_out],
        "relative": found.is_relative,
        "effect": _effect_view(found.effect),
        "refused": found.refused,
    }


def _effect_view(effect: Effect | None) -> dict[str, Any] | None:
    if effect is None:
        return None
    whole = effect.to_dict()
    words = ("value", "standard_error", "low", "high", "level", "p_value", "method", "n",
             "adjustment", "assumptions", "checks", "warnings")  # fmt: skip
    return {word: whole[word] for word in words}


def graph_record_view(record: GraphRecord) -> dict[str, Any]:
    """Return what is known of a version of a graph."""
    return {
        "version": record.version,
        "learned_from": record.learned_from,
        "sha256": record.sha256,
        "at": written(record.at),
    }


def schema_view(schema: Schema) -> list[dict[str, Any]]:
    """Return the columns of a window."""
    return [
        {
            "name": column.name,
            "kind": column.kind.value,
            "role": column.role.value,
            "unit": column.unit,
            "categories": len(column.categories),
            "why": column.why,
        }
        for column in schema.columns
    ]


def column_view(record: ResultRecord, column: dict[str, Any], links: Links) -> dict[str, Any]:
    """Return what a diagnosis says of one column."""
    return {
        "window": interval_view(record.key.interval),
        "stage": record.stage,
        "diagnosis": links.api("diagnoses", record.id),
        **column,
    }


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
