"""The one sentence for the person on call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from whydrift.monitor.diagnosis.diagnosis import ColumnVerdict, Fault, FaultKind, Metric, Verdict
from whydrift.monitor.diagnosis.judgement import Judged
from whydrift.monitor.diagnosis.words import joined

__all__ = ["summarise"]

_FAULT_WORDS = {
    FaultKind.NULL_SPIKE: "values went missing in {}",
    FaultKind.STUCK_VALUE: "{} stands still",
    FaultKind.UNIT_CHANGE: "the unit of {} changed",
    FaultKind.RECODE: "categories of {} were renamed",
    FaultKind.CATEGORY_SET: "{} has unknown categories",
    FaultKind.SWAP: "{} changed places",
    FaultKind.TYPE_CHANGE: "the type of {} changed",
}


def summarise(
    *,
    verdict: Verdict,
    target: str | None,
    faults: Sequence[Fault],
    judged: Mapping[str, Judged],
    ranking: Sequence[str],
    metric: Metric | None,
    conditional_shift: bool | None = None,
) -> str:
    """Return one sentence: what happened, where it began, what it did to the measure."""
    parts = []
    if faults:
        said = [_FAULT_WORDS.get(f.kind, "{} is faulty").format(joined(f.columns)) for f in faults]
        parts.append(f"Broken data: {'; '.join(said)}")
    sources = [c for c in ranking if judged[c].verdict is ColumnVerdict.SOURCE]
    broken = [c for c in ranking if judged[c].verdict is ColumnVerdict.MECHANISM]
    own = [c for c in broken if c == target]
    upstream = [c for c in broken if c != target]
    if verdict in {Verdict.MECHANISM, Verdict.BOTH} and own:
        parts.append(f"Mechanism shift: what leads to {target} has changed")
    if verdict in {Verdict.COVARIATE, Verdict.BOTH}:
        where = [*sources, *upstream]
        reach = f" upstream of {target}" if target else ""
        parts.append(f"Covariate shift{reach}, beginning at {joined(where)}")
    elif verdict is Verdict.MECHANISM and not own:
        parts.append(f"Mechanism shift at {joined(broken)}")
    elif verdict is Verdict.NONE and (sources or upstream):
        aside = joined([*sources, *upstream])
        parts.append(
            f"{aside} moved, and what the inputs say of {target} with it"
            if conditional_shift
            else f"{aside} moved, without a way to reach {target or 'any sink'}"
        )
    inherited = [c for c, j in judged.items() if j.verdict is ColumnVerdict.INHERITED]
    if parts:
        text = ". ".join(parts)
        if inherited:
            text += (
                f" ({len(inherited)} more column{'s' if len(inherited) > 1 else ''} inherited it)"
            )
        return text + _measure(metric) + "."
    if conditional_shift:
        return f"What the inputs say of {target} has changed{_measure(metric)}."
    unsure = [c for c, j in judged.items() if j.verdict is ColumnVerdict.UNDETERMINED]
    if verdict is Verdict.UNDETERMINED:
        return f"The data cannot tell whether {target or 'anything'} moved{_measure(metric)}."
    tail = f"; {len(unsure)} of {len(judged)} columns could not be decided" if unsure else ""
    return f"Nothing changed that is worth knowing{tail}."


def _measure(metric: Metric | None) -> str:
    if metric is None or metric.change.low is None or metric.change.high is None:
        return ""
    if metric.change.low <= 0 <= metric.change.high:
        return f"; the {_name(metric)} did not move measurably"
    way = "rose" if metric.change.value > 0 else "fell"
    return f"; the {_name(metric)} {way} from {metric.reference:.3g} to {metric.current:.3g}"


def _name(metric: Metric) -> str:
    return metric.name.replace("_", " ")
