"""Judges all columns together: error control, verdicts, ranking, targets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

from whydrift.discovery.graph import Graph
from whydrift.discovery.snapshot.note import Note
from whydrift.monitor.diagnosis.confidence import confidence
from whydrift.monitor.diagnosis.diagnosis import (
    ColumnVerdict,
    ReasonCode,
    TargetResult,
    Verdict,
)
from whydrift.monitor.diagnosis.direct_test import (
    DirectTest,
    prediction_given_inputs,
    target_given_inputs,
)
from whydrift.monitor.diagnosis.error_control import benjamini_hochberg, holm
from whydrift.monitor.diagnosis.groups import (
    Group,
    hidden_cause_groups,
    moved_weight,
    open_groups,
    tied_groups,
)
from whydrift.monitor.diagnosis.judgement import (
    ColumnEvidence,
    Floor,
    Judged,
    judge_columns,
    judge_target,
    moved_given,
    sees_enough,
)
from whydrift.monitor.diagnosis.mechanism.base import MechanismTestResult, Untestable
from whydrift.monitor.diagnosis.selection import OneChoice, one_choice
from whydrift.monitor.diagnosis.testing import Testing
from whydrift.monitor.diagnosis.ties import Tie, tie_p_values, told_ties
from whydrift.monitor.diagnosis.turned import put_before
from whydrift.monitor.diagnosis.words import joined, p_text

__all__ = ["JudgedPrediction", "Judgement", "judge", "retold"]

# No column can have these names.
_CONDITIONAL = "\x00target given inputs"
_PREDICTION = "\x00prediction given inputs"
_OFTEN = 0.25  # weight of graphs by which a change may reach the target
_DOUBTFUL = 0.05  # p-value up to which a distribution may have moved
_MOST_ROWS = 0.9  # of those that tell of the target by itself, to gainsay it
_MOVED = frozenset({ColumnVerdict.SOURCE, ColumnVerdict.MECHANISM})


@dataclass(frozen=True, slots=True)
class JudgedPrediction:
    """P(prediction | all inputs) and what Holm's procedure makes of it."""

    test: MechanismTestResult
    is_rejected: bool
    q_value: float | None


@dataclass(frozen=True)
class Judgement:
    """What the tests say of the window.

    Parameters
    ----------
    evidence, judged : mapping of str to ColumnEvidence and to Judged
        Per column.
    tests : int
        Size of the family that Holm's procedure corrected for.
    q_values : mapping of str to float
        Per tested column.
    ranking : tuple of str
        Where a change began, most responsible first.
    targets : mapping of str to TargetResult
        Per target, or per sink.
    verdict : Verdict
        The worst of the targets'.
    conditional_shift : bool, optional
        Whether P(target | inputs) moved.
    has_overlap : bool
        Whether the current rows lie where the reference has rows too.
    graph : Graph
        The one judged by: given, or the simplest explanation.
    groups : tuple of Group
        Columns of which one moved, while the data cannot tell which.
    confidence : mapping of str to float
        Chance that the verdict is right, of every column tested and decided.
    limit : float
        P-values up to it were rejected in any case: Bonferroni's limit.
    choice : OneChoice, optional
        One column given which all others that moved are as before.
    prediction : JudgedPrediction, optional
        What the test of P(prediction | inputs) says, where there is one.
    ways : Graph, optional
        The graph with the edges turned that the tests say go the other way, by which a change
        reaches the target; None for the graph as it is.
    leads : tuple of str
        Columns that moved and are none of the target's causes by the graph, but are by ``ways``.
    doubted : tuple of str
        Columns that moved and reach the target by other graphs that the windows support, where no
        change does by this one.
    """

    evidence: Mapping[str, ColumnEvidence]
    judged: Mapping[str, Judged]
    tests: int
    q_values: Mapping[str, float]
    ranking: tuple[str, ...]
    targets: Mapping[str, TargetResult]
    verdict: Verdict
    conditional_shift: bool | None
    has_overlap: bool
    graph: Graph
    groups: tuple[Group, ...]
    confidence: Mapping[str, float]
    limit: float
    choice: OneChoice | None = None
    prediction: JudgedPrediction | None = None
    ways: Graph | None = None
    leads: tuple[str, ...] = ()
    doubted: tuple[str, ...] = ()

    @property
    def other_gaps(self) -> tuple[str, ...]:
        """Columns that other rows lack than before, or more or fewer, while the rest holds."""
        code = ReasonCode.MISSINGNESS_CHANGED
        return tuple(n for n, judged in self.judged.items() if judged.reason_code is code)

    @property
    def paths(self) -> Graph:
        """The graph by which changes reach other columns."""
        return self.graph if self.ways is None else self.ways


def judge(
    testing: Testing,
    *,
    target: str | None,
    prediction: str | None,
    has_labels: bool,
    floor: Floor,
    level: float,
) -> Judgement:
    """Test every column, correct for their number, and judge them together.

    Parameters
    ----------
    testing : Testing
        Of the windows.
    target : str, optional
        The target.
    prediction : str, optional
        The prediction, where it has to be tested: the model itself was not asked.
    has_labels : bool
        Whether the current window knows the target.
    floor : Floor
        What is not worth knowing.
    level : float
        Chance of any false alarm in the window.
    """
    evidence = testing.evidence(target)
    graph = testing.graph
    direct = target_given_inputs(testing, target, evidence) if has_labels else None
    conditional = None if direct is None else direct.result
    predicted = None if prediction is None else prediction_given_inputs(testing, prediction, target)
    family = {
        n: e.own.p_value
        for n, e in evidence.items()
        if e.own is not None and e.own.p_value is not None
    }
    if conditional is not None and conditional.p_value is not None:
        family[_CONDITIONAL] = conditional.p_value
    if predicted is not None and predicted.p_value is not None:
        family[_PREDICTION] = predicted.p_value
    ties = testing.ties()
    family |= tie_p_values(ties)
    marginal = {
        n: e.marginal.p_value
        for n, e in evidence.items()
        if e.marginal is not None and e.marginal.p_value is not None
    }
    rejected = holm(family, level)
    limit = level / max(1, len(family))
    doubtful, groups = _doubts(testing, evidence, ties, rejected, limit, floor)
    judged_where = partial(
        judge_columns,
        evidence,
        graph,
        rejected=rejected,
        marginally_rejected=holm(marginal, level),
        floor=floor,
        level=level,
        tests=len(family),
        doubtful=doubtful,
    )
    judged = judged_where()
    choice = one_choice(
        testing, evidence, judged, limit=limit, floor=floor, level=level, tests=len(family)
    )
    if choice is not None:
        judged = choice.judged(judged_where(began=dict.fromkeys(choice.p_values, choice.column)))
    shifted = _conditional_shift(conditional, rejected, floor, level, len(family))
    if target is not None and direct is not None and shifted is False:
        doubt = _why_in_doubt(testing, evidence, judged, target, direct)
        if doubt:
            testing.notes.append(Note("conditional_in_doubt", target, doubt))
            shifted = None
    stands = shifted is False and conditional is not None and (conditional.p_value or 0) > level
    if (
        target is not None
        and conditional is not None
        and stands
        and _lacks_parent(testing, target, judged)
    ):
        judged = {**judged, target: _as_inputs_say(target, judged, graph, groups, conditional)}
    if target is not None and direct is not None and shifted:
        told = _only_account(testing, judged, target, direct, floor, groups)
        if told is not None:
            evidence = {**evidence, target: replace(evidence[target], own=direct.result)}
            judged = {**judged, target: told}
    leads: tuple[str, ...] = ()
    if target is not None and target in judged:
        leads = _leads(testing, evidence, judged, target, choice, shifted)
    ways = _ways(graph, target, leads, choice)
    targets = _targets(target, judged, ways, shifted, groups)
    doubted: tuple[str, ...] = ()
    if target is not None and targets[target].verdict is Verdict.NONE and shifted is False:
        doubted = _may_reach(testing, judged, target)
    targets = _in_doubt(targets, target, doubted)
    q_values = benjamini_hochberg(family)
    return Judgement(
        evidence,
        judged,
        len(family),
        q_values,
        _ranking(judged, evidence),
        targets,
        _worst([t.verdict for t in targets.values()], is_open=_is_open(judged)),
        shifted,
        _has_overlap(conditional, evidence),
        graph,
        groups,
        _confidence(testing, evidence, judged, limit),
        limit,
        choice,
        None
        if predicted is None
        else JudgedPrediction(predicted, _PREDICTION in rejected, q_values.get(_PREDICTION)),
        ways,
        leads,
        doubted,
    )


def retold(judgement: Judgement, instead: Mapping[str, Judged], target: str | None) -> Judgement:
    """Return what follows for ranking, targets and verdict if some columns are judged otherwise.

    Parameters
    ----------
    judgement : Judgement
    instead : mapping of str to Judged
        Those columns.
    target : str, optional
        The target.
    """
    judged = {**judgement.judged, **instead}
    targets = _targets(
        target, judged, judgement.paths, judgement.conditional_shift, judgement.groups
    )
    doubted = tuple(n for n in judgement.doubted if judged[n].verdict.is_origin)
    targets = _in_doubt(targets, target, doubted)
    return replace(
        judgement,
        judged=judged,
        ranking=_ranking(judged, judgement.evidence),
        doubted=doubted,
        targets=targets,
        verdict=_worst([t.verdict for t in targets.values()], is_open=_is_open(judged)),
        confidence={n: c for n, c in judgement.confidence.items() if n not in instead},
    )


def _leads(
    testing: Testing,
    evidence: Mapping[str, ColumnEvidence],
    judged: Mapping[str, Judged],
    target: str,
    choice: OneChoice | None,
    conditional_shift: bool | None,
) -> tuple[str, ...]:
    """Return the columns that moved and are no causes of the target by the graph alone.

    Where the target stands given all inputs, and not by itself, those that the graph has follow
    from it; and the one by which rows that moved it were chosen.
    """
    own = evidence[target].own
    may_have_moved = own is not None and own.p_value is not None and own.p_value <= _DOUBTFUL
    is_led = conditional_shift is False and may_have_moved
    leads = _followed_by(testing, judged, target) if is_led else ()
    if choice is None or target not in choice.p_values:
        return leads
    is_new = choice.column not in {*leads, *testing.graph.ancestors(target)}
    return (*leads, choice.column) if is_new else leads


def _followed_by(testing: Testing, judged: Mapping[str, Judged], target: str) -> tuple[str, ...]:
    """Return the columns that moved which a learned graph has follow from the target.

    Where the target moved, and given all inputs it stands, they rather lead to it: had one of them
    changed what it makes of the target, the target would not have.
    """
    if not testing.graph.is_dag:
        return ()
    return tuple(
        name
        for name in testing.graph.children(target)
        if judged[name].verdict in _MOVED and testing.may_cause(name, target)
    )


def _may_reach(testing: Testing, judged: Mapping[str, Judged], target: str) -> tuple[str, ...]:
    """Return the columns that moved and lead to the target by a good part of the graphs."""
    known = testing.alternatives
    if known is None:
        return ()
    return tuple(
        n
        for n, found in judged.items()
        if found.verdict.is_origin
        and found.verdict is not ColumnVerdict.FAULT
        and known.weight_of_ways(n, target) >= _OFTEN
    )


def _in_doubt(
    targets: dict[str, TargetResult], target: str | None, doubted: tuple[str, ...]
) -> dict[str, TargetResult]:
    """Return the targets, of which it is not known whether columns that moved reach them."""
    if target is None or not doubted or targets[target].verdict is not Verdict.NONE:
        return targets
    return {target: replace(targets[target], verdict=Verdict.UNDETERMINED)}


def _ways(
    graph: Graph,
    target: str | None,
    leads: tuple[str, ...],
    choice: OneChoice | None,
) -> Graph:
    """Return the graph by which changes reach other columns, as far as the tests tell."""
    ways = graph
    if target is not None:
        for name in leads:
            ways = put_before(ways, name, (target,))
    return ways if choice is None else choice.turned(ways)


def _doubts(
    testing: Testing,
    evidence: Mapping[str, ColumnEvidence],
    ties: tuple[Tie, ...],
    rejected: frozenset[str],
    limit: float,
    floor: Floor,
) -> tuple[dict[str, Group | None], tuple[Group, ...]]:
    """Return the columns of which the data cannot tell whether they moved, and their groups."""
    if testing.alternatives is None:
        graph = testing.graph
        known = {n: e.own for n, e in evidence.items() if e.own is not None and n in rejected}
        origins = [n for n, own in known.items() if not floor.covers(own)]
        changed = [
            t
            for t in told_ties(ties, graph, rejected, origins, limit)
            if not floor.covers(t.result)
        ]
        groups = hidden_cause_groups(graph, rejected) + tied_groups(graph, changed)
        alone: frozenset[str] = frozenset()
    else:
        by_parents = {n: e.by_parents for n, e in evidence.items() if e.by_parents}
        marginally = [
            n
            for n, e in evidence.items()
            if e.marginal is None or e.marginal.p_value is None or e.marginal.p_value <= _DOUBTFUL
        ]
        alone, found = open_groups(testing.alternatives, by_parents, rejected, marginally, limit)
        marginal = {n: e.marginal.p_value for n, e in evidence.items() if e.marginal is not None}
        surely = {n for n, p_value in marginal.items() if p_value is not None and p_value <= limit}
        groups = tuple(replace(g, moved=tuple(c for c in g.columns if c in surely)) for g in found)
    doubtful: dict[str, Group | None] = dict.fromkeys(alone)
    return doubtful | {c: g for g in groups for c in g.columns}, groups


def _confidence(
    testing: Testing,
    evidence: Mapping[str, ColumnEvidence],
    judged: Mapping[str, Judged],
    limit: float,
) -> dict[str, float]:
    """Return the chance that a verdict is right; faults and what is undetermined have none."""
    moved: dict[str, float] = {}
    if testing.alternatives is not None:
        by_parents = {n: e.by_parents for n, e in evidence.items() if e.by_parents}
        moved = moved_weight(testing.alternatives, by_parents, limit)
    silent = {ColumnVerdict.FAULT, ColumnVerdict.UNDETERMINED}
    out = {}
    for name, verdict in ((n, j.verdict) for n, j in judged.items() if j.verdict not in silent):
        own = evidence[name].own
        if own is None or own.p_value is None:
            continue
        by_moved = moved.get(name, float(verdict.is_origin))
        doubt = 1 - by_moved if verdict.is_origin else by_moved
        out[name] = confidence(own.p_value, limit, doubt)
    return out


def _ranking(
    judged: Mapping[str, Judged], evidence: Mapping[str, ColumnEvidence]
) -> tuple[str, ...]:
    """Return the columns where a change began: faults first, then by strength of evidence."""

    def key(name: str) -> tuple[bool, float, float]:
        own = evidence[name].own
        p_value = 0.0 if own is None or own.p_value is None else own.p_value
        return (
            judged[name].verdict is not ColumnVerdict.FAULT,
            p_value,
            -(own.strength if own else 0),
        )

    return tuple(sorted((n for n, j in judged.items() if j.verdict.is_origin), key=key))


def _conditional_shift(
    conditional: MechanismTestResult | None,
    rejected: frozenset[str],
    floor: Floor,
    level: float,
    tests: int,
) -> bool | None:
    if conditional is None or conditional.p_value is None:
        return None
    if _CONDITIONAL in rejected and not floor.covers(conditional):
        return True
    return False if sees_enough(conditional, floor, level, tests) else None


def _only_account(
    testing: Testing,
    judged: Mapping[str, Judged],
    target: str,
    direct: DirectTest,
    floor: Floor,
    groups: tuple[Group, ...],
) -> Judged | None:
    """Return that the target's mechanism changed, where nothing else can have moved.

    It is known to cause none of them, and none of them moved: given all it moved by itself, be it
    along one that the learned graph does not have for a cause.
    """
    settled = {ColumnVerdict.STABLE, ColumnVerdict.UNDETERMINED}
    if judged[target].verdict not in settled or groups or direct.left_out:
        return None
    if not all(testing.is_known_to_precede(n, target) for n in direct.inputs):
        return None
    if any(_may_have_moved(judged[n]) for n in judged if n != target):
        return None
    leading = floor.worth_telling(direct.result)
    return None if leading is None else moved_given(direct.inputs, direct.result, leading, floor)


def _why_in_doubt(
    testing: Testing,
    evidence: Mapping[str, ColumnEvidence],
    judged: Mapping[str, Judged],
    target: str,
    direct: DirectTest,
) -> str:
    """Return why a target that was found to have moved may have, where the inputs seem to say no.

    That it moved given its parents and not given all inputs tells of a parent that the graph lacks
    where there are as many rows and an input that moved, on which the target is seen to depend;
    else of a test that saw less.
    """
    own = evidence[target].own
    if judged[target].verdict is not ColumnVerdict.MECHANISM or own is None:
        return ""
    said = f"given {joined(testing.graph.parents(target))} {target!r} moved, and given all inputs "
    if direct.result.rows < _MOST_ROWS * own.rows:
        return (
            f"{said}it was not found to in the {direct.result.rows:,} of {own.rows:,} rows that "
            "have them all: too few to gainsay it"
        )
    others = set(direct.inputs).difference(testing.graph.parents(target))
    moved = any(_may_have_moved(judged[n]) for n in others)
    if not testing.is_given and (moved or not direct.left_out):
        return ""
    if testing.is_given and moved and testing.lacks_edge_at(target):
        return ""
    return (
        f"{said}it was not found to, though no other of them that moved is seen to lead to it: the "
        "change is too small to be seen so"
    )


def _may_have_moved(judged: Judged) -> bool:
    """Whether anything but a lack of rows keeps a column from being called as before."""
    if judged.verdict is ColumnVerdict.UNDETERMINED:
        return judged.reason_code is not ReasonCode.LOW_POWER
    return judged.verdict is not ColumnVerdict.STABLE


def _targets(
    target: str | None,
    judged: Mapping[str, Judged],
    graph: Graph,
    conditional_shift: bool | None,
    groups: tuple[Group, ...],
) -> dict[str, TargetResult]:
    if target is not None:
        if target in judged:
            verdict = judge_target(target, judged, graph, groups)
            if conditional_shift and _only_rest_tells(target, judged, graph):
                verdict = Verdict.BOTH if verdict is Verdict.COVARIATE else Verdict.MECHANISM
            return {target: TargetResult(verdict, conditional_shift)}
        # Without labels the inputs are judged: any of them may matter to the target.
        shifted = {ColumnVerdict.SOURCE, ColumnVerdict.MECHANISM}
        if groups or any(j.verdict in shifted for j in judged.values()):
            return {target: TargetResult(Verdict.COVARIATE)}
        return {target: TargetResult(Verdict.UNDETERMINED if _is_open(judged) else Verdict.NONE)}
    out = {}
    for name in graph.nodes:
        if name not in judged or graph.children(name):
            continue
        verdict = judge_target(name, judged, graph, groups)
        # A column joined to nothing is an input as much as a sink: what moved is a covariate.
        if verdict is Verdict.MECHANISM and judged[name].verdict is ColumnVerdict.SOURCE:
            verdict = Verdict.COVARIATE
        out[name] = TargetResult(verdict)
    return out


def _lacks_parent(testing: Testing, target: str, judged: Mapping[str, Judged]) -> bool:
    """Whether a target is blamed by a learned graph that makes it no cause of any input.

    All inputs are then among what may come before it, its causes too: given them it stands, so that
    it is the graph that lacks one.
    """
    return (
        not testing.is_given
        and judged[target].verdict is ColumnVerdict.MECHANISM
        and not testing.graph.children(target)
        and not testing.graph.undecided_neighbours(target)
    )


def _as_inputs_say(
    target: str,
    judged: Mapping[str, Judged],
    graph: Graph,
    groups: tuple[Group, ...],
    conditional: MechanismTestResult,
) -> Judged:
    said = "" if conditional.p_value is None else f" ({p_text(conditional.p_value)})"
    text = (
        f"It moved given {joined(graph.parents(target))}, but not given all inputs{said}: "
        "the graph that was learned lacks a cause of it"
    )
    others = [n for n, j in judged.items() if j.verdict.is_origin and n != target]
    effect = judged[target].effect
    if others or any(target not in g.columns for g in groups):
        return Judged(ColumnVerdict.INHERITED, None, f"{text}.", effect)
    return Judged(ColumnVerdict.UNDETERMINED, ReasonCode.NO_ORIGIN, f"{text}.", effect)


def _only_rest_tells(target: str, judged: Mapping[str, Judged], graph: Graph) -> bool:
    """Whether the rows that a fault left of a target are all that speaks of its mechanism.

    What the inputs say of it moves with the mechanism of an effect of its, too.
    """
    above = graph.ancestors(target)
    return judged[target].verdict is ColumnVerdict.FAULT and all(
        name in above for name, j in judged.items() if j.verdict.is_origin and name != target
    )


def _is_open(judged: Mapping[str, Judged]) -> bool:
    """Whether something may have moved for all that is known, where nothing was found to.

    Either no column could be decided on, or one moved, or could not be compared, for reasons of its
    own. A few in which nothing was seen, with little power, are no such sign beside others.
    """
    unread = {ColumnVerdict.FAULT, ColumnVerdict.UNDETERMINED}
    if all(j.verdict in unread for j in judged.values()):
        return True
    return any(j.reason_code not in {None, ReasonCode.LOW_POWER} for j in judged.values())


def _worst(verdicts: list[Verdict], *, is_open: bool) -> Verdict:
    found = set(verdicts)
    if Verdict.BOTH in found or {Verdict.COVARIATE, Verdict.MECHANISM} <= found:
        return Verdict.BOTH
    for verdict in (Verdict.MECHANISM, Verdict.COVARIATE):
        if verdict in found:
            return verdict
    if Verdict.NONE not in found or (Verdict.UNDETERMINED in found and is_open):
        return Verdict.UNDETERMINED
    return Verdict.NONE


def _has_overlap(
    conditional: MechanismTestResult | None, evidence: Mapping[str, ColumnEvidence]
) -> bool:
    """Whether the current rows lie where the reference has rows too."""
    if conditional is not None:
        return conditional.untestable is not Untestable.NO_OVERLAP
    tested = [e.own for e in evidence.values() if e.own is not None]
    return all(t.untestable is not Untestable.NO_OVERLAP for t in tested)
