"""What one window says of each kind of drift that has an alert of its own."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from whydrift.discovery.snapshot.schema import ColumnKind
from whydrift.monitor.diagnosis.alarm_budget import WHOLE
from whydrift.monitor.diagnosis.diagnosis import (
    ColumnResult,
    ColumnVerdict,
    Diagnosis,
    ReasonCode,
    Stage,
    Verdict,
)
from whydrift.monitor.diagnosis.judgement import Floor

__all__ = ["AlertFinding", "AlertKey", "AlertKind", "Outcome", "alert_findings"]

_SD_OF_A_SHARE = 0.5  # at most: √(p(1 − p))


class AlertKind(StrEnum):
    """What kind of drift an alert is about."""

    MECHANISM = "mechanism"
    COVARIATE = "covariate"
    FAULT = "fault"
    CONDITIONAL = "conditional"
    GRAPH = "graph"


class Outcome(StrEnum):
    """What a decision about one window says of one kind of drift."""

    REJECTED = "rejected"
    QUIET = "quiet"
    UNKNOWN = "unknown"  # undetermined, or the check failed


_EITHER: Final = frozenset({ReasonCode.UNDECIDED_EDGE, ReasonCode.SHARED_HIDDEN_CAUSE})
_OUTCOMES: Final = {True: Outcome.REJECTED, False: Outcome.QUIET, None: Outcome.UNKNOWN}


@dataclass(frozen=True, slots=True)
class AlertKey:
    """What has an episode of its own within a monitor.

    Parameters
    ----------
    target : str
        The target; empty where none is named.
    kind : AlertKind
        Of drift.
    segment : str
        Empty for the whole.
    """

    target: str
    kind: AlertKind
    segment: str = WHOLE


@dataclass(frozen=True, slots=True)
class AlertFinding:
    """What one window says of one alert key.

    Parameters
    ----------
    outcome : Outcome
        Whether it rejected.
    columns : frozenset of str
        What it named.
    sound : frozenset of str
        What is known to be as before, where the outcome is unknown.
    """

    outcome: Outcome
    columns: frozenset[str] = frozenset()
    sound: frozenset[str] = frozenset()

    def outcome_of(self, columns: frozenset[str]) -> Outcome:
        """Return the outcome for an alert about some columns.

        An alert of the model's predictions does not wait for labels to be over.
        """
        if self.outcome is Outcome.UNKNOWN and columns and columns <= self.sound:
            return Outcome.QUIET
        return self.outcome


def alert_findings(diagnosis: Diagnosis, segment: str = WHOLE) -> dict[AlertKey, AlertFinding]:
    """Return what a diagnosis says of each kind of drift: every kind has an outcome.

    Parameters
    ----------
    diagnosis : Diagnosis
        Of one window of the segment.
    segment : str
        Empty for the whole.
    """
    target = diagnosis.target or ""
    verdict = diagnosis.verdict
    moved = {ColumnVerdict.SOURCE, ColumnVerdict.MECHANISM}
    origins = [c for c in diagnosis.ranking if diagnosis.columns[c].verdict in moved]
    if target:
        own, upstream = {target}, {c for c in origins if c != target}
    else:
        own = {c for c in origins if diagnosis.columns[c].verdict is ColumnVerdict.MECHANISM}
        upstream = set(origins) - own
    upstream |= {
        name
        for name, column in diagnosis.columns.items()
        if column.group is not None and column.reason_code in _EITHER
    }
    faulty = {c for fault in diagnosis.faults for c in (fault.columns or (fault.kind.value,))}
    edges = {f"{edge.a} → {edge.b}" for edge in diagnosis.graph_change}
    is_open = verdict is Verdict.UNDETERMINED
    # Without labels nothing is known of the target's own mechanism: an alert of it stays.
    is_unlabelled = bool(target) and diagnosis.stage is Stage.FEATURES
    broken = None if is_open or is_unlabelled else verdict in {Verdict.MECHANISM, Verdict.BOTH}
    # Inputs that the predictions followed, and the target did not: a shift for the model.
    misled = verdict is Verdict.NONE and bool(upstream) and diagnosis.predictions_followed
    by_model = {diagnosis.prediction} if diagnosis.model_changed and diagnosis.prediction else set()
    answers: dict[AlertKind, tuple[bool | None, set[str]]] = {
        AlertKind.MECHANISM: (
            True if by_model else broken,
            (own if broken else set()) | by_model,
        ),
        AlertKind.COVARIATE: (
            None if is_open else misled or verdict in {Verdict.COVARIATE, Verdict.BOTH},
            upstream,
        ),
        AlertKind.FAULT: (diagnosis.fault, faulty),
        AlertKind.CONDITIONAL: (diagnosis.conditional_shift, own),
        AlertKind.GRAPH: (bool(edges), edges),
    }
    sound = {AlertKind.MECHANISM: _sound_prediction(diagnosis)}
    return {
        AlertKey(target, kind, segment): AlertFinding(_OUTCOMES[is_found], frozenset(columns))
        if is_found
        else AlertFinding(_OUTCOMES[is_found], sound=sound.get(kind, frozenset()))
        for kind, (is_found, columns) in answers.items()
    }


def _sound_prediction(diagnosis: Diagnosis) -> frozenset[str]:
    """Return the prediction's column where it was tested given the inputs, and found as before.

    A window in which a change as large as those that are told would have gone unseen ends nothing.
    """
    name = diagnosis.prediction
    row = None if name is None else diagnosis.columns.get(name)
    if name is None or row is None or row.p_value is None:
        return frozenset()
    as_before = {ColumnVerdict.STABLE, ColumnVerdict.INHERITED}
    worth_knowing = Floor().worth_knowing * (_SD_OF_A_SHARE if _is_of_classes(row) else 1.0)
    seen = row.detectable_effect is not None and row.detectable_effect <= worth_knowing
    return frozenset({name}) if seen and row.verdict in as_before else frozenset()


def _is_of_classes(row: ColumnResult) -> bool:
    return ColumnKind(row.kind).is_discrete
