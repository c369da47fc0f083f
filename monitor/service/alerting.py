"""From what a window says to episodes: which alerts open, last and close, and what was spent."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from whydrift.monitor.diagnosis.alarm_budget import WHOLE, Purpose, opens_gate
from whydrift.monitor.diagnosis.alert import (
    AlertFinding,
    AlertKey,
    AlertKind,
    Outcome,
    alert_findings,
)
from whydrift.monitor.diagnosis.diagnosis import Diagnosis, Stage
from whydrift.monitor.diagnosis.episode import Episode, Step, advance
from whydrift.monitor.diagnosis.slow_drift import slow_kind, slow_remedy, slow_sentence
from whydrift.monitor.diagnosis.words import joined
from whydrift.monitor.service.judging import Judged, SlowDrift
from whydrift.monitor.service.work import AlertNews
from whydrift.monitor.store.state import AlertChange, Decision, Spending
from whydrift.monitor.window.interval import Interval

if TYPE_CHECKING:
    from whydrift.monitor.config.monitor import Monitor

__all__ = ["Alerting", "decide", "details_of", "rejected"]

# What an alert of a segment needs the monitor's combined p-value for; a fault shows itself.
_GATED: Final = frozenset((AlertKind.MECHANISM, AlertKind.COVARIATE, AlertKind.CONDITIONAL))
_TOLD: Final = frozenset((Step.OPENED, Step.UPDATED, Step.WIDENED, Step.CLOSED))
_NEWS: Final = (Step.OPENED, Step.WIDENED, Step.CLOSED)
# What an alert is about, where a diagnosis speaks of something else first.
_SAYS: Final = {
    AlertKind.COVARIATE: "its own distribution moved",
    AlertKind.MECHANISM: "what leads to it has changed",
    AlertKind.CONDITIONAL: "given the model's inputs, it moved",
    AlertKind.GRAPH: "columns depend on each other otherwise than in the reference",
}
_SAYS_OF_SEVERAL: Final = _SAYS | {
    AlertKind.COVARIATE: "their own distributions moved",
    AlertKind.MECHANISM: "what leads to them has changed",
    AlertKind.CONDITIONAL: "given the model's inputs, they moved",
}
# Once a window; drift is decided on at each stage.
_ONCE: Final = (Purpose.FAULT, Purpose.GRAPH)
_UNSAID: Final[Mapping[AlertKey, frozenset[str]]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Alerting:
    """What a stage of a window does to alerts.

    Parameters
    ----------
    changes : tuple of AlertChange
    before : mapping of AlertKey to Episode
        The episodes that lasted until then.
    spent : tuple of Spending
    """

    changes: tuple[AlertChange, ...]
    before: Mapping[AlertKey, Episode]
    spent: tuple[Spending, ...]

    @property
    def opened(self) -> tuple[AlertKey, ...]:
        """The alerts that began to fire."""
        return tuple(change.key for change in self.changes if change.step is Step.OPENED)

    @property
    def news(self) -> tuple[AlertNews, ...]:
        """The alerts that began to fire, reached more columns, or ended."""
        found = []
        for change in self.changes:
            before = self.before.get(change.key)
            known = frozenset() if before is None else before.columns
            named = known if change.episode is None else change.episode.columns
            if change.step is Step.WIDENED:
                named -= known
            if change.step in _NEWS:
                found.append(AlertNews(change.step, change.key, tuple(sorted(named))))
        return tuple(found)


def decide(
    monitor: Monitor,
    judged: Judged,
    interval: Interval,
    episodes: Mapping[AlertKey, Episode],
    decided: Collection[Decision],
    *,
    is_silent: bool = False,
    said: Mapping[AlertKey, frozenset[str]] = _UNSAID,
) -> Alerting:
    """Return what becomes of a monitor's episodes after one more window.

    Parameters
    ----------
    monitor : Monitor
    judged : Judged
    interval : Interval
        The window.
    episodes : mapping of AlertKey to Episode
        Those that last.
    decided : collection of Decision
        Which decisions about the window were taken before: it cannot page by these again.
    is_silent : bool
        Whether it cannot page at all: it is judged again.
    said : mapping of AlertKey to frozenset of str
        What an earlier stage of the same window rejected, and the columns that it named: of these
        nobody is told once more, should the alert have ended in the meantime. Of others they are:
        the target's own mechanism, that labels alone show, beside a model that changed.
    """
    end = interval.end.timestamp()
    gate = opens_gate((_least_p(d) for d in judged.diagnoses.values()), judged.budget)
    lasting = dict(episodes)
    changes: list[AlertChange] = []
    for segment, diagnosis in judged.diagnoses.items():  # the whole comes first
        taken = Decision(segment, Purpose.DRIFT, diagnosis.stage.value) in decided
        is_first = not (taken or is_silent)
        for key, finding in _findings(monitor, diagnosis, segment, judged.slow).items():
            before = lasting.get(key)
            found = finding
            may_begin = segment != WHOLE and not _is_firing(before)  # also one that is pending
            if may_begin and finding.outcome is Outcome.REJECTED:
                is_whole = _is_firing(lasting.get(replace(key, segment=WHOLE)))
                if is_whole or (key.kind in _GATED and not gate):
                    found = AlertFinding(Outcome.UNKNOWN)
            fresh = found.columns - said.get(key, frozenset())
            after, step = advance(
                before,
                found.outcome_of(frozenset() if before is None else before.columns),
                end,
                columns=fresh,
                may_open=is_first and (key not in said or bool(fresh)),
                after=monitor.alert.after,
                resolve_after=monitor.alert.resolve_after,
            )
            if after == before and step is Step.NONE:
                continue
            lasting.pop(key, None)
            if after is not None:
                lasting[key] = after
            is_told = step in _TOLD and not _knows_less(monitor, diagnosis, found, step, after)
            details = details_of(diagnosis, key, found, judged.slow) if is_told else {}
            result = diagnosis.id if is_told else None
            changes.append(AlertChange(key, step, after, interval.end, result, details))
    return Alerting(tuple(changes), dict(episodes), _spent(monitor, judged, decided))


def _knows_less(
    monitor: Monitor,
    diagnosis: Diagnosis,
    finding: AlertFinding,
    step: Step,
    episode: Episode | None,
) -> bool:
    """Whether features alone show again an alert that labels had reach the target.

    What was said of it then stays: of the target a window without labels says nothing.
    """
    if step is not Step.UPDATED or diagnosis.stage is not Stage.FEATURES or episode is None:
        return False
    return monitor.columns.target in episode.columns - finding.columns


def rejected(
    monitor: Monitor, diagnosis: Diagnosis, segment: str
) -> dict[AlertKey, frozenset[str]]:
    """Return the alerts that a diagnosis alone, without the windows before it, speaks for.

    With each stand the columns that it names.
    """
    found = _findings(monitor, diagnosis, segment, SlowDrift())
    return {k: f.columns for k, f in found.items() if f.outcome is Outcome.REJECTED}


def details_of(
    diagnosis: Diagnosis, key: AlertKey, finding: AlertFinding, slow: SlowDrift
) -> dict[str, Any]:
    """Return what annotations show of an alert; none of it is part of its identity."""
    ranked = [c for c in diagnosis.ranking if c in finding.columns]
    columns = [*ranked, *sorted(finding.columns - set(ranked))]
    is_slow = key.segment == WHOLE and key.kind in {AlertKind.COVARIATE, AlertKind.MECHANISM}
    slowly = {c: n for c, n in slow.scales.items() if c in finding.columns} if is_slow else {}
    current = diagnosis.current
    remedy = diagnosis.remedy.text
    if slowly and not set(columns) - set(slowly):  # of the last window alone it would be none
        remedy = slow_remedy(slowly).text
    return {
        "summary": _summary(diagnosis, key, columns, slowly),
        "verdict": diagnosis.verdict.value,
        "stage": diagnosis.stage.value,
        "columns": columns,
        "slow": slowly,
        "faults": [{"kind": f.kind.value, "columns": list(f.columns)} for f in diagnosis.faults],
        "remedy": remedy,
        "window": {"start": current.start, "end": current.end},
    }


def _summary(
    diagnosis: Diagnosis, key: AlertKey, columns: list[str], slowly: Mapping[str, int]
) -> str:
    if not slowly or set(columns) - set(slowly):
        # A diagnosis of broken data speaks of these alone.
        words = _SAYS if len(columns) == 1 else _SAYS_OF_SEVERAL
        own = words.get(key.kind) if diagnosis.fault and columns else None
        if own is None:
            return diagnosis.summary
        return f"{joined(columns)}: {own}. In the same window: {diagnosis.summary}"
    said = slow_sentence(diagnosis, slowly)
    return f"{said} Of the last one alone: {diagnosis.summary}"


def _findings(
    monitor: Monitor, diagnosis: Diagnosis, segment: str, slow: SlowDrift
) -> dict[AlertKey, AlertFinding]:
    """Return what a diagnosis says of each kind of drift, by the monitor's own target.

    A diagnosis has none while no labels are known; its alerts are those of the target all the same.
    """
    target = monitor.columns.target or ""
    found = {
        replace(key, target=target): finding
        for key, finding in alert_findings(diagnosis, segment).items()
        if segment == WHOLE or key.kind is not AlertKind.GRAPH  # segments are judged by one graph
    }
    if target and diagnosis.target is None:
        for kind in (AlertKind.MECHANISM, AlertKind.CONDITIONAL):
            key = AlertKey(target, kind, segment)
            found[key] = AlertFinding(Outcome.UNKNOWN, sound=found[key].sound)
        if diagnosis.model_changed and diagnosis.prediction is not None:  # that needs no labels
            key = AlertKey(target, AlertKind.MECHANISM, segment)
            found[key] = AlertFinding(Outcome.REJECTED, frozenset({diagnosis.prediction}))
    if segment == WHOLE:
        for column in slow.scales:
            moved = slow_kind(column, diagnosis, target)
            if moved is not None:
                key = AlertKey(target, moved, segment)
                finding = found[key]
                named = finding.columns if finding.outcome is Outcome.REJECTED else frozenset()
                found[key] = AlertFinding(Outcome.REJECTED, named | {column})
    return found


def _least_p(diagnosis: Diagnosis) -> float:
    """Return the smallest Holm-adjusted p-value of a diagnosis."""
    found = [c.p_value for c in diagnosis.columns.values() if c.p_value is not None]
    return min(1.0, min(found, default=1.0) * max(1, diagnosis.error_control.tests))


def _is_firing(episode: Episode | None) -> bool:
    return episode is not None and episode.is_firing


def _spent(monitor: Monitor, judged: Judged, decided: Collection[Decision]) -> tuple[Spending, ...]:
    """Return the decisions that were taken, and at which levels."""
    budget = judged.budget
    spent = []
    for segment, diagnosis in judged.diagnoses.items():
        stage = diagnosis.stage.value
        spent.append(Spending(segment, Purpose.DRIFT, stage, budget.level(segment=segment)))
        taken = {d.purpose for d in decided if d.segment == segment}
        spent += [
            Spending(segment, purpose, stage, budget.level(purpose, segment))
            for purpose in _ONCE
            if purpose not in taken and (segment == WHOLE or purpose is not Purpose.GRAPH)
        ]
    whole = judged.diagnoses.get(WHOLE)
    if whole is not None and judged.slow.anchor:
        level = budget.level(Purpose.SLOW)
        # Of the columns, each is decided on at one stage: both together spend a window's share.
        share = budget.slow_scales / budget.stages
        spent.append(Spending(WHOLE, Purpose.SLOW, whole.stage.value, level * share))
    return tuple(spent)
