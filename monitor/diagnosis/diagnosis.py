"""The Diagnosis: what ``compare`` answers, and the JSON contract."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from whydrift.discovery.errors import WhydriftError
from whydrift.discovery.graph import Graph
from whydrift.discovery.snapshot.note import Note

if TYPE_CHECKING:
    from pathlib import Path

    from whydrift.monitor.diagnosis.evidence import Evidence
from whydrift.monitor.diagnosis.short_window import how_unusual

__all__ = [
    "DIAGNOSIS_SCHEMA",
    "ESTIMATED",
    "Action",
    "ColumnResult",
    "ColumnVerdict",
    "Diagnosis",
    "Effect",
    "ErrorControl",
    "Estimate",
    "Fault",
    "FaultKind",
    "GraphChange",
    "Metric",
    "ReasonCode",
    "Remedy",
    "ShiftType",
    "Stage",
    "TargetResult",
    "Verdict",
    "Window",
    "slow_p_values",
    "told_slow",
]

DIAGNOSIS_SCHEMA = "whydrift/diagnosis/1"
ESTIMATED = " (estimated)"  # ends the name of a measure of rows that have no labels yet


class ColumnVerdict(StrEnum):
    """What happened to one column."""

    STABLE = "stable"
    INHERITED = "inherited"
    SOURCE = "source"
    MECHANISM = "mechanism"
    FAULT = "fault"
    UNDETERMINED = "undetermined"

    @property
    def is_origin(self) -> bool:
        """Whether a change begins at a column with this verdict."""
        return self in {ColumnVerdict.SOURCE, ColumnVerdict.MECHANISM, ColumnVerdict.FAULT}


class Verdict(StrEnum):
    """What happened to a target, and to a window."""

    NONE = "none"
    COVARIATE = "covariate"
    MECHANISM = "mechanism"
    BOTH = "both"
    UNDETERMINED = "undetermined"


class ShiftType(StrEnum):
    """The kind of shift in the words of the domain-adaptation literature."""

    COVARIATE = "covariate"
    LABEL = "label"
    CONCEPT = "concept"
    MIXED = "mixed"


class Stage(StrEnum):
    """Whether labels were there when the window was judged."""

    FEATURES = "features"
    LABELS = "labels"


class ReasonCode(StrEnum):
    """Why a column is undetermined."""

    LOW_POWER = "low_power"
    NO_OVERLAP = "no_overlap"
    UNDECIDED_EDGE = "undecided_edge"
    NO_ORIGIN = "no_origin"
    SHARED_HIDDEN_CAUSE = "shared_hidden_cause"
    MISSINGNESS_CHANGED = "missingness_changed"
    TOO_DEPENDENT = "too_dependent"
    SELECTION_SUSPECTED = "selection_suspected"
    SAMPLE_EXPIRED = "sample_expired"


class FaultKind(StrEnum):
    """How recorded values broke."""

    NULL_SPIKE = "null_spike"
    STUCK_VALUE = "stuck_value"
    UNIT_CHANGE = "unit_change"
    OFFSET = "offset"
    RECODE = "recode"
    CATEGORY_SET = "category_set"
    SWAP = "swap"
    TYPE_CHANGE = "type_change"
    TRUNCATED = "truncated"
    ROWS_MISSING = "rows_missing"
    ROWS_DUPLICATED = "rows_duplicated"
    DEFAULT_VALUE = "default_value"
    IDENTITY_BROKEN = "identity_broken"
    FILTER_CHANGED = "filter_changed"
    COLUMN_MISSING = "column_missing"


class Action(StrEnum):
    """What to do about it."""

    FIX_PIPELINE = "fix_pipeline"
    REWEIGHT = "reweight"
    PRIOR_CORRECTION = "prior_correction"
    COLLECT_AND_RETRAIN = "collect_and_retrain"
    RETRAIN = "retrain"
    NONE = "none"
    INVESTIGATE = "investigate"


@dataclass(frozen=True, slots=True)
class Window:
    """One side of the comparison."""

    rows: int
    start: str | None = None
    end: str | None = None


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number with its interval (null where none was computed)."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Effect:
    """The size of a change of a column's own mechanism, with a 95 % interval and its unit."""

    value: float
    low: float
    high: float
    unit: str


@dataclass(frozen=True, slots=True)
class Fault:
    """Recorded values that broke."""

    kind: FaultKind
    columns: tuple[str, ...]
    share: float
    evidence: str
    first_seen: str | None = None
    repaired: bool = False
    where: str | None = None  # in which rows, such as ``city is 'Rome'``; None: all of them
    scale: str | None = None  # what became of values that read otherwise, such as ``25 less``


@dataclass(frozen=True, slots=True)
class ColumnResult:
    """The verdict on one column and its evidence."""

    verdict: ColumnVerdict
    kind: str
    parents: tuple[str, ...] = ()
    p_value: float | None = None
    q_value: float | None = None
    marginal_p_value: float | None = None
    effect: Effect | None = None
    detectable_effect: float | None = None
    overlap: float | None = None
    basis: str = "sample"
    contribution: Estimate | None = None
    confidence: float | None = None
    group: str | None = None
    fault: FaultKind | None = None
    reason_code: ReasonCode | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class TargetResult:
    """The verdict for one target, or for one sink where no target is named."""

    verdict: Verdict
    conditional_shift: bool | None = None


@dataclass(frozen=True, slots=True)
class Metric:
    """The measure whose change is explained."""

    name: str
    reference: float
    current: float
    change: Estimate
    unattributed: float = 0.0
    unexplained: float | None = None

    @property
    def is_beyond_chance(self) -> bool:
        """Whether the measure moved by twice half its interval: by chance one in hundreds does.

        Asked where nothing else was found to move. Of a loss that doubled "nothing changed" must
        not be said; one window in twenty rises by more than half its interval for no reason.
        """
        change = self.change
        if change.low is None or change.high is None:
            return False
        return 2 * change.low > change.value > 0 or 2 * change.high < change.value < 0


@dataclass(frozen=True, slots=True)
class Remedy:
    """What to do, to which columns, and what it would win."""

    action: Action
    columns: tuple[str, ...] = ()
    gain: Estimate | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class GraphChange:
    """An edge that differs between the windows."""

    a: str
    b: str
    change: str
    p_value: float | None
    turned: bool = False  # its sign is the other one now


@dataclass(frozen=True, slots=True)
class ErrorControl:
    """How false alarms were kept in check."""

    method: str = "holm"
    level: float = 0.05
    tests: int = 0
    basis: str = "sampling_only"
    past_windows: int = 0


@dataclass(frozen=True)
class Diagnosis:
    """Why a current window differs from its reference.

    The attributes are those of the JSON contract (``to_dict``); ``slow`` is what the windows
    before it show together with this one: by column, over how many windows it moved (None where
    that is not known), and ``slow_p_values`` how likely that is by chance. ``evidence`` holds what
    pictures are drawn from and is not part of it (None after ``from_dict``).
    """

    id: str
    stage: Stage
    reference: Window
    current: Window
    target: str | None
    prediction: str | None
    targets: Mapping[str, TargetResult]
    verdict: Verdict
    faults: tuple[Fault, ...]
    conditional_shift: bool | None
    shift_type: ShiftType | None
    summary: str
    columns: Mapping[str, ColumnResult]
    ranking: tuple[str, ...]
    metric: Metric | None
    remedy: Remedy
    graph: Graph
    error_control: ErrorControl
    warnings: tuple[Note, ...]
    seconds: Mapping[str, float]
    version: str
    graph_change: tuple[GraphChange, ...] = ()
    monitor: str | None = None
    segment: str | None = None
    slow: Mapping[str, int] | None = None
    slow_p_values: Mapping[str, float] = field(default_factory=dict)
    evidence: Evidence | None = field(default=None, repr=False, compare=False)

    @property
    def fault(self) -> bool:
        """Whether any recorded values broke."""
        return bool(self.faults)

    @property
    def model_changed(self) -> bool:
        """Whether the same inputs get other predictions: the model or its serving changed."""
        row = self.columns.get(self.prediction or "")
        return row is not None and row.verdict is ColumnVerdict.MECHANISM

    @property
    def predictions_followed(self) -> bool:
        """Whether predictions moved with the inputs, be it that the target did or not."""
        row = self.columns.get(self.prediction or "")
        return row is not None and row.verdict is ColumnVerdict.INHERITED

    @property
    def found(self) -> bool:
        """Whether there is something to report: a fault, a shift that reaches a target, a model."""
        moved = self.verdict in {Verdict.COVARIATE, Verdict.MECHANISM, Verdict.BOTH}
        return self.fault or self.model_changed or moved

    @property
    def suspects(self) -> tuple[str, ...]:
        """Every column, the one to look at first first: the ranking, then the others by p-value.

        What stands behind the ranking was not found to have moved. It is for who knows from
        elsewhere that something did, and has to begin somewhere. Columns that could not be tested
        are ordered by how unusual their rows are, where the windows are at hand.
        """

        def key(name: str) -> tuple[float, float, float]:
            p_value = self.columns[name].p_value
            if p_value is not None:
                return p_value, 0.0, 0.0
            if self.evidence is None or not self.evidence.has(name):
                return 1.0, 1.0, 0.0
            share, distance = how_unusual(self.evidence.reference, self.evidence.current, name)
            return 1.0, share, -distance

        rest = set(self.columns) - {*self.ranking, self.prediction}
        return (*self.ranking, *sorted((n for n in self.columns if n in rest), key=key))

    def to_dict(self) -> dict[str, Any]:
        """Return the diagnosis as the JSON contract writes it: numbers are finite or None."""
        value = {
            "schema": DIAGNOSIS_SCHEMA,
            "id": self.id,
            "monitor": self.monitor,
            "segment": self.segment,
            "stage": self.stage.value,
            "windows": {
                side: {"rows": w.rows, "start": w.start, "end": w.end}
                for side, w in (("reference", self.reference), ("current", self.current))
            },
            "target": self.target,
            "prediction": self.prediction,
            "targets": {
                name: {"verdict": t.verdict.value, "conditional_shift": t.conditional_shift}
                for name, t in self.targets.items()
            },
            "verdict": self.verdict.value,
            "fault": self.fault,
            "faults": [
                {
                    "kind": f.kind.value,
                    "columns": list(f.columns),
                    "share": f.share,
                    "first_seen": f.first_seen,
                    **({} if f.where is None else {"where": f.where}),
                    **({} if f.scale is None else {"scale": f.scale}),
                    "evidence": f.evidence,
                    "repaired": f.repaired,
                }
                for f in self.faults
            ],
            "conditional_shift": self.conditional_shift,
            "shift_type": _word(self.shift_type),
            "summary": self.summary,
            "columns": {name: _column_to_dict(c) for name, c in self.columns.items()},
            "ranking": list(self.ranking),
            "metric": None
            if self.metric is None
            else {
                "name": self.metric.name,
                "reference": self.metric.reference,
                "current": self.metric.current,
                "change": _numbers(self.metric.change),
                "unattributed": self.metric.unattributed,
                "unexplained": self.metric.unexplained,
            },
            "remedy": {
                "action": self.remedy.action.value,
                "columns": list(self.remedy.columns),
                "gain": _numbers(self.remedy.gain),
                "text": self.remedy.text,
            },
            "graph": self.graph.to_dict(),
            "graph_change": [
                {
                    "from": c.a,
                    "to": c.b,
                    "change": c.change,
                    "turned": c.turned,
                    "p_value": c.p_value,
                }
                for c in self.graph_change
            ],
            "error_control": {
                "method": self.error_control.method,
                "level": self.error_control.level,
                "tests": self.error_control.tests,
                "basis": self.error_control.basis,
                "past_windows": self.error_control.past_windows,
            },
            "warnings": [w.to_dict() for w in self.warnings],
            "slow": None
            if self.slow is None
            else {"scales": dict(self.slow), "combined": dict(self.slow_p_values)},
            "seconds": dict(self.seconds),
            "whydrift": {"version": self.version},
        }
        finite = _finite(value)
        assert isinstance(finite, dict)
        return finite

    def to_json(self, indent: int | None = 2) -> str:
        """Return :meth:`to_dict` as text."""
        return json.dumps(self.to_dict(), indent=indent, ensure_ascii=False, allow_nan=False)

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Diagnosis:
        """Read what :meth:`to_dict` writes; unknown keys are left aside.

        Raises
        ------
        WhydriftError
            If this is no diagnosis of this schema; the message names the key.
        """
        if value.get("schema") != DIAGNOSIS_SCHEMA:
            raise WhydriftError(
                f"schema {value.get('schema')!r} is not {DIAGNOSIS_SCHEMA!r}",
                where="diagnosis",
                remedy="Write the diagnosis again with `whydrift compare --json`",
            )
        try:
            return _from_dict(value)
        except (KeyError, TypeError, ValueError) as error:
            raise WhydriftError(
                f"not a complete diagnosis ({type(error).__name__}: {error})",
                where="diagnosis",
                remedy="Write the diagnosis again with `whydrift compare --json`",
            ) from error

    def save_html(self, path: str | Path) -> None:
        """Write the report page: one self-contained HTML file."""
        # The one named exception in the import contract: reports are reached lazily.
        from whydrift.monitor.report import save_html

        save_html(self, path)

    def __str__(self) -> str:
        return self.summary

    def _repr_html_(self) -> str:
        from whydrift.monitor.report import notebook_view

        return notebook_view(self)


def _word(value: StrEnum | None) -> str | None:
    return None if value is None else value.value


def _numbers(value: Estimate | None) -> dict[str, float | None] | None:
    return None if value is None else {"value": value.value, "low": value.low, "high": value.high}


def _column_to_dict(c: ColumnResult) -> dict[str, Any]:
    return {
        "verdict": c.verdict.value,
        "kind": c.kind,
        "parents": list(c.parents),
        "p_value": c.p_value,
        "q_value": c.q_value,
        "marginal_p_value": c.marginal_p_value,
        "effect": None
        if c.effect is None
        else {
            "value": c.effect.value,
            "low": c.effect.low,
            "high": c.effect.high,
            "unit": c.effect.unit,
        },
        "detectable_effect": c.detectable_effect,
        "overlap": c.overlap,
        "basis": c.basis,
        "contribution": _numbers(c.contribution),
        "confidence": c.confidence,
        "group": c.group,
        "fault": _word(c.fault),
        "reason_code": _word(c.reason_code),
        "reason": c.reason,
    }


def _finite(value: object) -> object:
    """Return the value with every number that JSON cannot hold as None."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    if isinstance(value, float):
        # float() turns numpy scalars into plain ones.
        return float(value) if math.isfinite(value) else None
    return value


def _estimate(value: Mapping[str, Any] | None) -> Estimate | None:
    return None if value is None else Estimate(value["value"], value["low"], value["high"])


def _column_from_dict(row: Mapping[str, Any]) -> ColumnResult:
    effect = row["effect"]
    return ColumnResult(
        verdict=ColumnVerdict(row["verdict"]),
        kind=row["kind"],
        parents=tuple(row["parents"]),
        p_value=row["p_value"],
        q_value=row["q_value"],
        marginal_p_value=row["marginal_p_value"],
        effect=None
        if effect is None
        else Effect(effect["value"], effect["low"], effect["high"], effect["unit"]),
        detectable_effect=row["detectable_effect"],
        overlap=row["overlap"],
        basis=row["basis"],
        contribution=_estimate(row["contribution"]),
        confidence=row["confidence"],
        group=row["group"],
        fault=None if row["fault"] is None else FaultKind(row["fault"]),
        reason_code=None if row["reason_code"] is None else ReasonCode(row["reason_code"]),
        reason=row["reason"],
    )


def told_slow(value: Mapping[str, Any]) -> dict[str, int] | None:
    """Return which columns the JSON says to have moved slowly, and over how many windows.

    What a monitor keeps names those apart of which it told, as they reach the target.
    """
    slow = value.get("slow")
    return None if slow is None else dict(slow.get("told", slow.get("scales", {})))


def slow_p_values(value: Mapping[str, Any]) -> dict[str, float]:
    """Return the p-values of what moved slowly, over all its windows; older results keep none."""
    slow = value.get("slow") or {}
    told = told_slow(value) or {}
    return {name: float(p) for name, p in slow.get("combined", {}).items() if name in told}


def _graph_part(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return what this version knows of a graph, which of itself refuses unknown keys."""
    known = {key: value[key] for key in ("schema", "nodes", "stability") if key in value}
    edges = [
        {key: edge[key] for key in ("from", "to", "mark", "confidence", "origin") if key in edge}
        for edge in value["edges"]
    ]
    return {**known, "edges": edges}


def _from_dict(value: Mapping[str, Any]) -> Diagnosis:
    metric, remedy = value["metric"], value["remedy"]
    change = None if metric is None else _estimate(metric["change"])
    control = value["error_control"]
    return Diagnosis(
        id=value["id"],
        monitor=value["monitor"],
        segment=value["segment"],
        stage=Stage(value["stage"]),
        reference=Window(**value["windows"]["reference"]),
        current=Window(**value["windows"]["current"]),
        target=value["target"],
        prediction=value["prediction"],
        targets={
            name: TargetResult(Verdict(row["verdict"]), row["conditional_shift"])
            for name, row in value["targets"].items()
        },
        verdict=Verdict(value["verdict"]),
        faults=tuple(
            Fault(
                FaultKind(row["kind"]),
                tuple(row["columns"]),
                row["share"],
                row["evidence"],
                row["first_seen"],
                row["repaired"],
                row.get("where"),
                row.get("scale"),
            )
            for row in value["faults"]
        ),
        conditional_shift=value["conditional_shift"],
        shift_type=None if value["shift_type"] is None else ShiftType(value["shift_type"]),
        summary=value["summary"],
        columns={name: _column_from_dict(row) for name, row in value["columns"].items()},
        ranking=tuple(value["ranking"]),
        metric=None
        if metric is None or change is None
        else Metric(
            metric["name"],
            metric["reference"],
            metric["current"],
            change,
            metric["unattributed"],
            metric["unexplained"],
        ),
        remedy=Remedy(
            Action(remedy["action"]),
            tuple(remedy["columns"]),
            _estimate(remedy["gain"]),
            remedy["text"],
        ),
        graph=Graph.from_dict(_graph_part(value["graph"])),
        graph_change=tuple(
            GraphChange(
                row["from"], row["to"], row["change"], row["p_value"], row.get("turned", False)
            )
            for row in value["graph_change"]
        ),
        error_control=ErrorControl(
            control["method"],
            control["level"],
            control["tests"],
            control["basis"],
            control["past_windows"],
        ),
        warnings=tuple(Note(r["code"], r["column"], r["text"]) for r in value["warnings"]),
        seconds=dict(value["seconds"]),
        version=value["whydrift"]["version"],
        slow=told_slow(value),
        slow_p_values=slow_p_values(value),
    )
