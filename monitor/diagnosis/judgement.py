"""Turns tests into verdicts: which columns moved of themselves, which merely inherited it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from scipy.special import fdtri, ncfdtrinc

from whydrift.discovery.graph import Graph
from whydrift.discovery.reach import reached
from whydrift.monitor.diagnosis.diagnosis import (
    ColumnVerdict,
    Effect,
    FaultKind,
    ReasonCode,
    Verdict,
)
from whydrift.monitor.diagnosis.groups import Group
from whydrift.monitor.diagnosis.mechanism.base import (
    CLEAR,
    FROM_ROW_TO_ROW,
    POOLED_SD,
    Component,
    MechanismTestResult,
    Power,
    Untestable,
)
from whydrift.monitor.diagnosis.words import any_of, is_conceivable, joined, p_text

__all__ = [
    "ColumnEvidence",
    "Floor",
    "Judged",
    "detectable_effect",
    "judge_columns",
    "judge_target",
    "moved_given",
    "not_seen",
    "possible_ancestors",
    "sees_enough",
    "untested",
]

_POWER = 0.8
_TWO_LEVELS = 2
_NEARLY = 0.75  # of the clearest change's evidence
_INTERVAL = 1.959964  # 95 %
_OF_ITSELF = ("level", "spread", FROM_ROW_TO_ROW)


@dataclass(frozen=True, slots=True)
class Floor:
    """Changes smaller than this are not worth knowing.

    Parameters
    ----------
    sd : float
        In reference standard deviations (also used for log ratios of spreads).
    probability : float
        The largest floor in probability, for categories. A share p has its own sd, √(p(1 − p)):
        ``sd`` of those, where that is less.
    relative : float
        The largest floor of an event's rate as a part of itself: half as many frauds more are worth
        knowing however rare they are.
    worth_knowing : float
        A change of this many sd ought to have been seen, else silence is ``low_power``.
    """

    sd: float = 0.1
    probability: float = 0.02
    relative: float = 0.25
    worth_knowing: float = 0.5

    @classmethod
    def of(cls, sd: float | None) -> Floor:
        """Return the default floor, or one of ``sd`` with those of a probability scaled along."""
        return cls() if sd is None else cls(sd, 0.2 * sd, 2.5 * sd)

    def covers(self, result: MechanismTestResult) -> bool:
        """Whether no change of those that are clearest is worth knowing."""
        return self.worth_telling(result) is None

    def worth_telling(self, result: MechanismTestResult) -> Component | None:
        """Return the clearest change whose 95 % interval reaches beyond the floor, or None.

        Of changes that are about as clear as the clearest: where claims cost half as much again,
        the mean of all rows, of which nine in ten have none, moves by little, and by much along the
        number of claims.
        """
        least = _NEARLY * abs(result.components[0].z)
        is_event = len(_shares(result)) == 1
        return next(
            (c for c in result.components if abs(c.z) >= least and not self._covers(c, is_event)),
            None,
        )

    def _covers(self, component: Component, is_event: bool) -> bool:
        limit = self.sd * component.scale
        if component.unit == "probability":
            limit = min(limit, self.probability)
            # An event's rate alone: of many levels some rare one is always off by a quarter.
            if is_event:
                rarer = (1 - math.sqrt(max(0.0, 1 - 4 * component.scale**2))) / 2
                limit = min(limit, self.relative * rarer)
        half = _INTERVAL * component.error
        return -limit < component.value - half and component.value + half < limit


@dataclass(frozen=True, slots=True)
class ColumnEvidence:
    """What is known of one column before the columns are judged together.

    Parameters
    ----------
    own : MechanismTestResult, optional
        Test of P(column | parents); None for a faulty column.
    marginal : MechanismTestResult, optional
        Test of P(column); equal to ``own`` for a root.
    fault : FaultKind, optional
        Set where the recorded values broke.
    undecided : bool
        Whether an edge of open direction would change the answer.
    missingness_moved : bool
        Whether how many values are missing, or which, changed without being a fault.
    by_parents : mapping of tuple of str to float, optional
        P-value given each set of parents that counts, where the graph was learned; None where it
        could not be tested.
    """

    own: MechanismTestResult | None
    marginal: MechanismTestResult | None
    fault: FaultKind | None = None
    undecided: bool = False
    missingness_moved: bool = False
    by_parents: Mapping[tuple[str, ...], float | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Judged:
    """A verdict and why.

    Parameters
    ----------
    verdict, reason_code, reason, effect
        As in `ColumnResult`.
    unseen : str
        Of a rare event that seems to be as before: what change would not have been seen, where it
        might have doubled.
    """

    verdict: ColumnVerdict
    reason_code: ReasonCode | None
    reason: str
    effect: Effect | None = None
    unseen: str = ""


def detectable_effect(result: MechanismTestResult | None, level: float, tests: int) -> float | None:
    """Return the change in level that would have been detected with 80 % power, or None.

    By the noncentral F distribution of the short test, at the level that Holm leaves for the
    smallest of all p-values.
    """
    if result is None or result.level is None or result.power is None:
        return None
    error = result.level.error if result.power.error is None else result.power.error
    return _detectable(result.power, error, level, tests)


def _detectable(power: Power, error: float, level: float, tests: int) -> float | None:
    limit = float(fdtri(power.rank, power.freedom, 1 - level / (power.tests * max(1, tests))))
    noncentrality = ncfdtrinc(power.rank, power.freedom, 1 - _POWER, limit)
    if not np.isfinite(noncentrality):  # so few degrees of freedom that nothing would be seen
        return None
    return float(np.sqrt(noncentrality) * error)


def sees_enough(
    result: MechanismTestResult | None, floor: Floor, level: float, tests: int
) -> bool | None:
    """Whether a change worth knowing would have been seen; None where that is not known."""
    if result is None or result.level is None:
        return None
    if result.power is None:
        return False
    detectable = _detectable(result.power, result.level.error, level, tests)
    return detectable is not None and detectable <= floor.worth_knowing * result.level.scale


def judge_columns(
    evidence: Mapping[str, ColumnEvidence],
    graph: Graph,
    *,
    rejected: frozenset[str],
    marginally_rejected: frozenset[str],
    floor: Floor,
    level: float,
    tests: int,
    doubtful: Mapping[str, Group | None] | None = None,
    began: Mapping[str, str] | None = None,
) -> dict[str, Judged]:
    """Return a verdict for every column, as section "What a verdict means" of the docs defines it.

    Parameters
    ----------
    evidence : mapping of str to ColumnEvidence
        All columns of the graph.
    graph : Graph
        Whose parents the tests were given.
    rejected, marginally_rejected : frozenset of str
        Columns whose own mechanism, or whose distribution, Holm's procedure says has moved.
    floor : Floor
        What is not worth knowing.
    level : float
        Family-wise level.
    tests : int
        Size of the family.
    doubtful : mapping of str to Group, optional
        Columns of which the data cannot tell whether they moved, and the group of those of which
        one did.
    began : mapping of str to str, optional
        Where the change of a column is told, of columns that moved but are no origins after all.
    """
    judged: dict[str, Judged] = {}
    open_, told_at = doubtful or {}, began or {}
    for name, item in evidence.items():
        if name in open_ and item.fault is None and item.own is not None:
            judged[name] = _in_doubt(name, item.own, open_[name])
            continue
        found = _origin(name, item, graph, name in rejected, floor)
        if found is not None:
            judged[name] = found
    origins = {n for n, j in judged.items() if j.verdict.is_origin or n in open_}
    for name, item in evidence.items():
        if name not in judged:
            above = [
                n for n in graph.nodes if n in origins and n in possible_ancestors(graph, name)
            ]
            upstream = list(dict.fromkeys(told_at.get(n, n) for n in above))
            judged[name] = _follower(
                item,
                name in rejected,
                name in marginally_rejected,
                upstream,
                graph.parents(name),
                floor,
                level,
                tests,
            )
    return judged


def _origin(
    name: str, item: ColumnEvidence, graph: Graph, rejected: bool, floor: Floor
) -> Judged | None:
    if item.fault is not None:
        return Judged(ColumnVerdict.FAULT, None, "")
    own = item.own
    if own is None or own.p_value is None or not rejected:
        return None
    leading = floor.worth_telling(own)
    if leading is None:
        return None
    if item.undecided:
        return Judged(
            ColumnVerdict.UNDETERMINED,
            ReasonCode.UNDECIDED_EDGE,
            "It moved given its known parents, but not given a neighbour whose edge has no "
            "direction yet.",
            _effect(leading),
        )
    parents = graph.parents(name)
    if parents:
        return moved_given(parents, own, leading, floor)
    moved = _moved(leading, own, floor)
    text = f"It has no known causes here, and its {moved}; {p_text(own.p_value)}."
    return Judged(ColumnVerdict.SOURCE, None, text, _effect(leading))


def moved_given(
    given: tuple[str, ...], own: MechanismTestResult, leading: Component, floor: Floor
) -> Judged:
    """Return that a column's mechanism changed, by a test of it given others that found so.

    Parameters
    ----------
    given : tuple of str
        The others.
    own : MechanismTestResult
        With a p-value.
    leading : Component
        The change to tell.
    floor : Floor
        What is not worth knowing.
    """
    assert own.p_value is not None
    text = f"Given {joined(given)}, its {_moved(leading, own, floor)}; {p_text(own.p_value)}."
    return Judged(ColumnVerdict.MECHANISM, None, text, _effect(leading))


def _in_doubt(name: str, own: MechanismTestResult, group: Group | None) -> Judged:
    if group is not None and group.p_value is not None:
        return _in_common(name, group, group.p_value)
    effect = _effect(own.components[0]) if own.components else None
    if group is None:
        text = "It moved given some sets of parents that the data support, and not given others."
        return Judged(ColumnVerdict.UNDETERMINED, ReasonCode.UNDECIDED_EDGE, text, effect)
    others = any_of([c for c in group.columns if c != name])
    if group.is_hidden_cause:
        text = f"It moved together with {others}: so would both if a hidden cause of theirs did."
        return Judged(ColumnVerdict.UNDETERMINED, ReasonCode.SHARED_HIDDEN_CAUSE, text, effect)
    text = f"Either it moved or {others} did: that depends on which of them causes which."
    return Judged(ColumnVerdict.UNDETERMINED, ReasonCode.UNDECIDED_EDGE, text, effect)


def _in_common(name: str, group: Group, p_value: float) -> Judged:
    others = joined([c for c in group.columns if c != name])
    text = f"How it and {others} depend on each other changed ({p_text(p_value)}): "
    if group.is_hidden_cause:
        text += "their hidden cause, or what they make of it."
        return Judged(ColumnVerdict.UNDETERMINED, ReasonCode.SHARED_HIDDEN_CAUSE, text)
    text += "which of them moved depends on which causes which."
    return Judged(ColumnVerdict.UNDETERMINED, ReasonCode.UNDECIDED_EDGE, text)


def _follower(
    item: ColumnEvidence,
    rejected: bool,
    moved: bool,
    upstream: list[str],
    parents: tuple[str, ...],
    floor: Floor,
    level: float,
    tests: int,
) -> Judged:
    own = item.own
    effect = None
    if own is not None and own.components:
        effect = _effect(own.components[0] if rejected else _level(own))
    slightly = "moved by less than is worth knowing"  # so it is no origin, and not as before either
    said = "" if own is None or own.p_value is None else f" ({p_text(own.p_value)})"

    def undetermined(code: ReasonCode, text: str) -> Judged:
        return Judged(ColumnVerdict.UNDETERMINED, code, text, effect)

    without_test = untested(own)
    if own is None or without_test is not None:
        assert without_test is not None
        return undetermined(*without_test)
    if own.untestable is Untestable.NO_OVERLAP:
        if upstream:
            text = (
                f"Its parents ({joined(parents)}) moved so far that hardly any rows can be "
                f"compared (overlap {own.overlap:.2f}); the change upstream began at "
                f"{joined(upstream)}."
            )
        else:
            text = (
                f"Hardly any rows have parents alike in both windows (overlap {own.overlap:.2f})."
            )
        return undetermined(ReasonCode.NO_OVERLAP, text)
    if own.untestable is Untestable.CALENDAR:
        text = "The time of the row says what it is, in this window as in the others."
        return Judged(ColumnVerdict.STABLE, None, text)
    if moved and upstream:
        if not parents:  # a possible ancestor only: joined by edges of open direction
            return undetermined(
                ReasonCode.UNDECIDED_EDGE,
                f"It moved, and an edge of open direction may lead to it from {joined(upstream)}.",
            )
        behaves = slightly if rejected else "behaves as before"
        text = (
            f"Its distribution moved, but given {joined(parents)} it {behaves}{said}; "
            f"the change began at {joined(upstream)}."
        )
        return Judged(ColumnVerdict.INHERITED, None, text, effect)
    # Before the graph is doubted: a column whose gaps follow other rows moves with them.
    if item.missingness_moved:
        behave = slightly if rejected else "behave as before"
        return undetermined(
            ReasonCode.MISSINGNESS_CHANGED,
            "How many of its values are missing, or which, changed; those that are there "
            f"{behave}{' given ' + joined(parents) if parents else ''}.",
        )
    if own.untestable is Untestable.IDENTITY:
        text = f"It follows from {joined(parents)}, row by row, in this window as before."
        return Judged(ColumnVerdict.STABLE, None, text)
    if moved and parents and not (effect and floor.covers(own)):
        return undetermined(
            ReasonCode.NO_ORIGIN,
            "Its distribution moved, but neither its own mechanism nor anything upstream did: "
            "the graph may be wrong, or a cause is hidden.",
        )
    if own.untestable is Untestable.CONSTANT:
        return Judged(ColumnVerdict.STABLE, None, "It is constant in both windows.")
    if own.untestable is Untestable.ALIKE_IN_CLUSTERS:
        text = "Each cluster has the same values of it as often, in both windows."
        return Judged(ColumnVerdict.STABLE, None, text)
    if sees_enough(own, floor, level, tests) is False:
        seen = not_seen(own, detectable_effect(own, level, tests))
        found = f"It {slightly}{said}" if rejected else "Nothing was found"
        return undetermined(
            ReasonCode.LOW_POWER,
            f"{found}, but {seen}.",
        )
    unseen = _unseen(own, detectable_effect(own, level, tests))
    text = f"No change was seen{said}, but {unseen}" if unseen else f"No change worth knowing{said}"
    return Judged(ColumnVerdict.STABLE, None, f"{text}.", effect, unseen)


def _unseen(own: MechanismTestResult, detectable: float | None) -> str:
    """Return which changes of an event so rare that it may have doubled would have gone unseen."""
    if own.power is None or own.level is None or detectable is None:
        return ""
    if own.level.unit != "probability" or own.power.rank > _TWO_LEVELS:
        return ""
    rarer = (1 - math.sqrt(max(0.0, 1 - 4 * own.level.scale**2))) / 2
    return not_seen(own, detectable) if detectable > rarer else ""


def untested(own: MechanismTestResult | None) -> tuple[ReasonCode, str] | None:
    """Return why a column's own values are too few to be tested, or None where they are not.

    Parameters
    ----------
    own : MechanismTestResult, optional
        Test of the column; None where there was nothing to test.
    """
    if own is None or own.untestable is Untestable.TOO_FEW_ROWS:
        return ReasonCode.LOW_POWER, "Too few complete rows to test it."
    if own.untestable is Untestable.TOO_DEPENDENT:
        return (
            ReasonCode.TOO_DEPENDENT,
            f"It never varied in the reference; now it did for a while ({own.components[0].name}: "
            f"{own.components[0].value:.1%}). How rare that is the reference is too short to tell.",
        )
    if own.untestable is Untestable.TOO_RARE:
        return (
            ReasonCode.LOW_POWER,
            "Nearly all rows have the same value, and the others are too few to test.",
        )
    return None


def not_seen(own: MechanismTestResult, detectable: float | None) -> str:
    """Return which changes of a column would have gone unseen."""
    if detectable is None:
        return "hardly any change would have been seen"
    unit = "sd" if own.level is None else own.level.unit
    is_share = unit == "probability"
    if not is_conceivable(detectable, is_share=is_share):
        return "no change could have been seen"
    size = f"{detectable:.2g}" if is_share else f"{detectable:.2g} {unit}"
    return f"a change below {size} would not have been seen"


def judge_target(
    target: str, judged: Mapping[str, Judged], graph: Graph, groups: tuple[Group, ...] = ()
) -> Verdict:
    """Return the verdict for one target from its own column's and its ancestors' verdicts.

    Faulty columns count towards neither side. Of a group one column moved: where all of them lead
    to the target, the change is upstream whichever it was; where one does and its distribution
    moved, it did so by itself or carries on the other's move; where one does and the target moved,
    but not by itself, it was carried there.
    """
    moved = {ColumnVerdict.SOURCE, ColumnVerdict.MECHANISM}
    above = graph.ancestors(target)
    own = judged[target].verdict in moved
    upstream = any(judged[a].verdict in moved for a in above if a in judged)
    has_followed = judged[target].verdict is ColumnVerdict.INHERITED
    for group in groups:
        upstream |= above.issuperset(group.columns) or not above.isdisjoint(group.moved)
        upstream |= has_followed and not above.isdisjoint(group.columns)
    if own and upstream:
        return Verdict.BOTH
    if own:
        return Verdict.MECHANISM
    if upstream and not any(target in group.columns for group in groups):
        return Verdict.COVARIATE
    if judged[target].verdict is ColumnVerdict.UNDETERMINED:
        return Verdict.UNDETERMINED
    # An ancestor that moved for reasons unknown may carry the target with it; one of which nothing
    # was seen, with little power, is no such sign.
    unknown = [judged[a].reason_code for a in graph.ancestors(target) if a in judged]
    if any(code not in {None, ReasonCode.LOW_POWER} for code in unknown):
        return Verdict.UNDETERMINED
    return Verdict.NONE


def possible_ancestors(graph: Graph, node: str) -> frozenset[str]:
    """Return possible ancestors: open edges count as if they led here."""

    def above(name: str) -> tuple[str, ...]:
        return *graph.parents(name), *graph.undecided_neighbours(name)

    return frozenset(reached(above(node), above) - {node})


def _level(result: MechanismTestResult) -> Component:
    """Return the change in level (or of a share): what a column that did not move is described by.

    The strongest of many components would look like a finding by its own 95 % interval.
    """
    level = [c for c in result.components if c.name == "level"]
    return next(iter(level or _shares(result)), result.components[0])


def _shares(result: MechanismTestResult) -> list[Component]:
    """Return the changes of the shares of a category's levels: one where there are two."""
    return [c for c in result.components if c.unit == "probability" and " along " not in c.name]


def _effect(component: Component) -> Effect | None:
    if component.unit == POOLED_SD:  # constant in the reference: no size in its sd
        return None
    half = _INTERVAL * component.error
    return Effect(component.value, component.value - half, component.value + half, component.unit)


def _moved(leading: Component, own: MechanismTestResult, floor: Floor) -> str:
    """Return what moved in words: the leading change, and the level or spread if that is clear too.

    A column that went over to another unit moved in both, and either alone misleads.
    """
    others = [c for c in own.components if c is not leading]
    told = [_words(leading)]
    if leading.name in _OF_ITSELF:
        told += [_words(c) for c in others if c.name in _OF_ITSELF and _is_clear(c, floor)]
    return " and its ".join(told)


def _is_clear(component: Component, floor: Floor) -> bool:
    """Whether a change beside the leading one is told: by its size, as ranks hide one another's."""
    size = abs(component.value)
    return size > CLEAR * component.error and size >= floor.sd * component.scale


def _words(component: Component) -> str:
    """Return a component's change in words, such as ``level moved by +0.31 sd``."""
    if component.unit == "log sd" and component.name in _OF_ITSELF:
        return f"{component.name} changed by a factor of {math.exp(component.value):.2f}"
    if component.unit == "probability":
        return f"{component.name} moved by {100 * component.value:+.1f} points"
    name = component.name.replace("slope of ", "slope along ", 1)
    if " × " in name and not name.startswith(("slope", "spread", "curvature")):
        name = f"interaction of {name}"
    return f"{name} moved by {component.value:+.2f} {component.unit}"
