"""The one sentence for the person on call."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from whydrift.discovery.graph import Edge
from whydrift.monitor.diagnosis.diagnosis import (
    ColumnVerdict,
    Fault,
    FaultKind,
    Metric,
    ReasonCode,
    Verdict,
)
from whydrift.monitor.diagnosis.groups import Group
from whydrift.monitor.diagnosis.judgement import Judged
from whydrift.monitor.diagnosis.prediction_row import words_of_model
from whydrift.monitor.diagnosis.words import (
    FaultyColumns,
    any_of,
    columns_by_kind,
    cut,
    joined,
    measure_words,
)

__all__ = ["summarise"]

_FAULT_WORDS = {
    FaultKind.NULL_SPIKE: "values went missing in {}",
    FaultKind.STUCK_VALUE: "{} stands still",
    FaultKind.UNIT_CHANGE: "the unit of {} changed",
    FaultKind.RECODE: "categories of {} were renamed",
    FaultKind.CATEGORY_SET: "the set of categories of {} changed",
    FaultKind.SWAP: "{} changed places",
    FaultKind.TYPE_CHANGE: "the type of {} changed",
    FaultKind.OFFSET: "a constant was added to {}",
    FaultKind.TRUNCATED: "categories of {} were cut off",
    FaultKind.DEFAULT_VALUE: "a placeholder stands for values of {}",
    FaultKind.IDENTITY_BROKEN: "{} no longer follows from other columns",
    FaultKind.ROWS_MISSING: "rows are missing",
    FaultKind.ROWS_DUPLICATED: "rows came twice",
    FaultKind.FILTER_CHANGED: "rows of one kind are no longer let through",
    FaultKind.COLUMN_MISSING: "the current window lacks {}",
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
    open_edges: Sequence[Edge] = (),
    groups: Sequence[Group] = (),
    model_changed: bool = False,
    reads_more: bool = False,
    prediction: str | None = None,
    followed: Sequence[str] = (),
    rescaled: str | None = None,
    leads: Sequence[str] = (),
    unproven: Sequence[str] = (),
    doubted: Sequence[str] = (),
    constant: bool = False,
    beside: Collection[str] = (),
    gaps: Sequence[str] = (),
) -> str:
    """Return one sentence: what happened, where it began, what it did to the measure.

    Parameters
    ----------
    verdict : Verdict
        Of the window.
    target : str, optional
        The target.
    faults : sequence of Fault
        What broke.
    judged : mapping of str to Judged
        The columns' verdicts.
    ranking : sequence of str
        Columns at which a change began.
    metric : Metric, optional
        The measure and its change.
    conditional_shift : bool, optional
        Whether P(target | inputs) moved.
    open_edges : sequence of Edge
        Edges without a direction that keep a change from having a beginning.
    groups : sequence of Group
        Columns of which one moved, while the data cannot tell which.
    reads_more : bool
        Whether the model may read a column that is not here.
    model_changed : bool
        Whether the same inputs get other predictions.
    prediction : str, optional
        Its column.
    followed : sequence of str
        Columns at which a change began that the prediction follows.
    rescaled : str, optional
        What is told of a number that reads otherwise while what follows from it does not.
    leads : sequence of str
        Columns that moved, and the target with them, which are no causes of it by the graph.
    unproven : sequence of str
        Those of them that may well be, since nobody said that they are not.
    doubted : sequence of str
        Columns that moved and may reach the target, by other graphs that the data support.
    constant : bool
        Whether the target has one value in all rows, and nobody said what leads to it.
    beside : collection of str
        Columns that follow from the target by a graph in which that is not known.
    gaps : sequence of str
        What changed of which values are missing, where those that are there are as before.
    """
    parts = []
    if faults:
        parts.append(f"Broken data: {cut([*map(_broken, columns_by_kind(faults))])}")
    faulty = {c for fault in faults for c in fault.columns}
    sources = [c for c in ranking if judged[c].verdict is ColumnVerdict.SOURCE]
    broken = [c for c in ranking if judged[c].verdict is ColumnVerdict.MECHANISM]
    is_root = target in sources
    sources = [c for c in sources if c != target]
    rest_moved = bool(conditional_shift) and target in faulty
    own = [c for c in broken if c == target]
    upstream = [c for c in broken if c != target]
    if verdict in {Verdict.MECHANISM, Verdict.BOTH} and own:
        parts.append(f"Mechanism shift: what leads to {target} has changed")
    elif verdict in {Verdict.MECHANISM, Verdict.BOTH} and rest_moved:
        parts.append(
            f"Mechanism shift: what leads to {target} has changed, in the rows that are sound too"
        )
    if verdict is Verdict.MECHANISM and is_root:
        parts.append(
            f"Mechanism shift: the distribution of {target} itself moved, and no causes of it are "
            "known here"
        )
    elif verdict in {Verdict.COVARIATE, Verdict.BOTH}:
        either = [any_of(g.columns) for g in groups if target not in g.columns]
        where = [*sources, *upstream, *either]
        is_upstream = target is not None and not constant and not set(where) <= set(leads)
        reach = f" upstream of {target}" if is_upstream else ""
        if target is None and verdict is Verdict.BOTH:  # of one sink or another
            parts.append(f"Mechanism shift at {joined(broken)}")
            where = [c for c in where if c not in broken]
        if where:
            parts.append(f"Covariate shift{reach}, beginning at {joined(where)}")
        groups = [g for g in groups if target in g.columns]
    elif verdict is Verdict.MECHANISM and not own and not rest_moved:
        parts.append(f"Mechanism shift at {joined(broken)}")
    elif verdict is Verdict.NONE and (sources or upstream):
        aside = joined([*sources, *upstream])
        if conditional_shift:
            parts.append(f"{aside} moved, and what the inputs say of {target} with it")
        elif followed:
            read = "" if len(followed) == len(sources) + len(upstream) else f" {joined(followed)}"
            parts.append(f"{aside} moved; {prediction} follows{read or ' that'}, {target} "
                         "was not found to")  # fmt: skip
        elif {*sources, *upstream} <= set(beside):
            parts.append(f"{aside} moved; {target} was not found to move with that")
        else:
            parts.append(f"{aside} moved, without a way to reach {target or 'any sink'}")
    elif verdict is Verdict.UNDETERMINED and doubted:
        moved_ = joined([*sources, *upstream])
        parts.append(f"{moved_} moved; whether that reaches {target} the data cannot tell")
    tied = [joined(g.columns) for g in groups if g.p_value is not None]
    parts += [
        f"How {names} depend on each other changed; the data cannot tell which of them moved"
        for names in tied
    ]
    if tied and conditional_shift and verdict in {Verdict.NONE, Verdict.UNDETERMINED}:
        parts.append(f"What the inputs say of {target} has changed")
    sentence_of_gaps = f"{gaps[0][0].upper()}{cut(gaps, most=3)[1:]}" if gaps else ""
    inherited = [c for c, j in judged.items() if j.verdict is ColumnVerdict.INHERITED]
    unsure = [c for c, j in judged.items() if j.verdict is ColumnVerdict.UNDETERMINED]
    if parts and inherited:
        parts[-1] += (
            f" ({len(inherited)} more column{'s' if len(inherited) > 1 else ''} inherited it)"
        )
    elif parts:
        pass
    elif conditional_shift:
        parts.append(f"What the inputs say of {target} has changed")
        parts += [sentence_of_gaps] if sentence_of_gaps else []
    elif sentence_of_gaps:
        holds = conditional_shift is False and target is not None and target in judged
        said = f"; what the inputs say of {target} was not found to change" if holds else ""
        parts.append(f"{sentence_of_gaps}{said}")
    elif verdict is Verdict.UNDETERMINED and open_edges:
        parts.append(_without_direction(target, judged, ranking, open_edges, groups))
    elif verdict is Verdict.UNDETERMINED:
        what = "anything" if target is None else target
        # Without labels nothing is said of the target itself.
        what = what if target is None or target in judged else f"what leads to {target}"
        parts.append(f"The data cannot tell whether {what} moved")
    elif moved := _in_doubt(judged):
        told, which = _in_doubt_words(moved, groups)
        parts.append(f"{told}; the data cannot tell {which or 'where it began'}")
    if constant and verdict is Verdict.COVARIATE:
        parts.append(f"{target} is the same in every row, and tells nothing of what leads to it")
    if unproven and verdict in {Verdict.COVARIATE, Verdict.BOTH}:
        parts.append(_direction(unproven, target))
    if rescaled is not None:
        parts.append(f"{rescaled[0].upper()}{rescaled[1:]}")
    if model_changed:
        parts.append(words_of_model(reads_more=reads_more))
    if parts:
        return f"{'. '.join(parts)}{_measure(metric)}."
    tail = f"; {len(unsure)} of {len(judged)} columns could not be decided" if unsure else ""
    if metric is not None and metric.is_beyond_chance:
        what = _measure(metric).removeprefix("; ")
        return f"{what[0].upper()}{what[1:]}, and no column is found that accounts for it{tail}."
    unseen = "" if target is None or target not in judged else judged[target].unseen
    if unseen:
        return f"Nothing was seen to change, but {target} is rare: {unseen}{tail}."
    return f"Nothing changed that is worth knowing{tail}."


def _without_direction(
    target: str | None,
    judged: Mapping[str, Judged],
    ranking: Sequence[str],
    open_edges: Sequence[Edge],
    groups: Sequence[Group],
) -> str:
    moved = _in_doubt(judged)
    moved.sort(key=lambda name: name != target)
    reach = "" if target is None or target in moved else f", nor whether it reached {target}"
    named = joined([f"{e.a} {e.mark} {e.b}" for e in open_edges], most=3)
    why = f"{named} {'has' if len(open_edges) == 1 else 'have'} no direction"
    told, which = _in_doubt_words(moved, groups)
    if ranking:
        which = f"{which}, nor whether" if which else "whether"
        return (
            f"{told}; the data cannot tell {which} that follows from "
            f"{joined(ranking)}, which moved of {'itself' if len(ranking) == 1 else 'themselves'}"
            f"{reach}, because {why}"
        )
    return f"{told}; the data cannot tell {which or 'where it began'}{reach}, because {why}"


def _in_doubt_words(moved: Sequence[str], groups: Sequence[Group]) -> tuple[str, str]:
    """Return what moved, and what is not known of columns of which one did; empty without such.

    Of these no single one is said to have moved: each may be as before.
    """
    among = [[n for n in moved if n in g.columns] for g in groups]
    named = [joined(names) for names in among if len(names) > 1]
    in_groups = {n for names in among if len(names) > 1 for n in names}
    alone = [n for n in moved if n not in in_groups]
    told = [f"how {names} depend on each other changed" for names in named]
    if alone:
        told.insert(0, f"{joined(alone)} moved")
    else:  # a column keeps its name, a sentence begins with a large letter
        told[0] = f"{told[0][0].upper()}{told[0][1:]}"
    return ", and ".join(told), "which of them moved" if named else ""


def _direction(unproven: Sequence[str], target: str | None) -> str:
    """Return that nobody knows whether columns that moved cause the target."""
    if len(unproven) == 1:
        return f"Which of {unproven[0]} and {target} causes the other is not known"
    return f"Which of {joined(unproven)} cause {target} and which follow from it is not known"


def _in_doubt(judged: Mapping[str, Judged]) -> list[str]:
    """Return columns that moved by themselves or after another one: which is not known."""
    return [c for c, j in judged.items() if j.reason_code is ReasonCode.UNDECIDED_EDGE]


def _broken(fault: FaultyColumns) -> str:
    named = joined(fault.columns)
    if fault.scale is not None:
        return f"{named} reads {fault.scale}{fault.where}"
    return _FAULT_WORDS[fault.kind].format(named) + fault.where


def _measure(metric: Metric | None) -> str:
    if metric is None or metric.change.low is None or metric.change.high is None:
        return ""
    name = measure_words(metric.name)
    if metric.change.low <= 0 <= metric.change.high:
        return f"; the {name} did not move measurably"
    way = "rose" if metric.change.value > 0 else "fell"
    return f"; the {name} {way} from {metric.reference:.3g} to {metric.current:.3g}"
