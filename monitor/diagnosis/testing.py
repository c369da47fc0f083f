"""Runs the mechanism tests of one comparison, with faults undone where they can be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property, partial

import numpy as np

from whydrift.discovery.arrays import FloatArray, IntArray
from whydrift.discovery.graph import Graph
from whydrift.discovery.knowledge import Knowledge
from whydrift.discovery.progress import Progress
from whydrift.discovery.snapshot.note import Note
from whydrift.discovery.snapshot.schema import Role
from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.monitor.diagnosis.after_target import after_target
from whydrift.monitor.diagnosis.alternatives import Alternatives, Parents
from whydrift.monitor.diagnosis.chosen_by_gaps import ChosenByGaps
from whydrift.monitor.diagnosis.diagnosis import FaultKind
from whydrift.monitor.diagnosis.faults.base import Finding
from whydrift.monitor.diagnosis.faults.identity import Linear, Pair, find_identities
from whydrift.monitor.diagnosis.first_variation import FirstVariation
from whydrift.monitor.diagnosis.gaps import FilledPair
from whydrift.monitor.diagnosis.graph_check import lacks_edge_at
from whydrift.monitor.diagnosis.interleaving import rows_alike_nearby
from whydrift.monitor.diagnosis.judgement import ColumnEvidence
from whydrift.monitor.diagnosis.local_time import UTC, LocalTime
from whydrift.monitor.diagnosis.mechanism.base import (
    MechanismTest,
    MechanismTestResult,
    Untestable,
)
from whydrift.monitor.diagnosis.mechanism.neighbours import Neighbours
from whydrift.monitor.diagnosis.missingness import missingness_moved
from whydrift.monitor.diagnosis.pair import WindowPair
from whydrift.monitor.diagnosis.read_by_model import MOST_COLUMNS, read_by_model
from whydrift.monitor.diagnosis.ties import Tie, changed_correlations, given_for, loose_edges
from whydrift.monitor.diagnosis.turned import edges_to_turn, put_before

__all__ = ["Testing"]

_FOLLOWS_SOUND = 1e-5  # level of "it follows sound inputs": broken ones move it far
_FOLLOWS_CLOCK = 0.01
_LEAST_HALF = 50  # rows
_WEEK = 7.5 * 86_400.0  # seconds
_LOW = 0.05  # p-values above it cost no look for identities
_MOST_COLUMNS = 120  # among which identities are looked for
_MOST_BROKEN = 0.005  # of the rows
_PER_STEP_DOWN = 0.3  # how much likelier a column further down the graph is to gain a cause
_LEAST_WEIGHT = 0.03  # of a set of parents, to be tested with
_LEAST_JOINED = 0.1  # weight of the graphs that join a column to another, which counts for it then
_NEARLY_ALL = 0.9  # of the weight: a column that moved by fewer graphs is in doubt


class Testing:
    """Tests of one pair of windows.

    A column below a fault is tested twice, with the fault's column as recorded and as repaired:
    whether its mechanism read the broken values or the sound ones is not known, so both versions
    have to reject before it is said to have moved.

    Parameters
    ----------
    reference, current, repaired : Snapshot
        ``repaired`` is the current window with its faults undone.
    findings : tuple of Finding
        Those faults.
    graph : Graph
        Over all columns compared.
    alternatives : Alternatives, optional
        The graphs that the windows support, of which ``graph`` is one. Every column is tested with
        each set of parents that counts, and the graph becomes that in which least changed.
    usable : tuple of str
        Columns of which something can be tested.
    cluster : str, optional
        Column whose equal values mark rows that belong together.
    mechanism_test : callable
        Makes the test of one pair of windows.
    progress : Progress
        Told after each column.
    parts : ndarray of shape (n_reference_rows,), optional
        Which past window each reference row came from, where there are several.
    is_given : bool
        Whether somebody gave the graph, so that what it lacks is not there.
    late : frozenset of str
        Columns of which values are still coming in: that more are missing means nothing.
    calendar : frozenset of str
        Columns of which the row's time says what they are, in both windows.
    knowledge : Knowledge, optional
        What a learned graph was bound to.
    local : LocalTime
        By which rows have their hour and day.
    prediction : str, optional
        What follows columns that are no part of the graph's surroundings of the target, maybe.
    turns : (int, int)
        How many series that took turns stand one after the other in each window.
    """

    def __init__(
        self,
        reference: Snapshot,
        current: Snapshot,
        repaired: Snapshot,
        findings: tuple[Finding, ...],
        graph: Graph,
        usable: tuple[str, ...],
        cluster: str | None,
        mechanism_test: Callable[[], MechanismTest],
        progress: Progress,
        parts: IntArray | None = None,
        alternatives: Alternatives | None = None,
        *,
        is_given: bool = False,
        late: frozenset[str] = frozenset(),
        calendar: frozenset[str] = frozenset(),
        knowledge: Knowledge | None = None,
        local: LocalTime = UTC,
        prediction: str | None = None,
        turns: tuple[int, int] = (1, 1),
    ) -> None:
        self.graph = graph
        self._knowledge = knowledge
        self._prediction = prediction
        self.alternatives = alternatives
        self.is_given = is_given
        self.findings, repaired = _standing(findings, graph, current, repaired)
        self.faulty = {c: f.fault.kind for f in self.findings for c in f.fault.columns}
        self._repairable = {c for f in self.findings if f.repairs for c in f.fault.columns}
        self.usable = frozenset(usable)
        self.progress = progress
        self._late = late
        self._calendar = calendar
        self.notes: list[Note] = []
        self.recorded = WindowPair(reference, current, usable, cluster, parts, local, turns)
        has_repairs = any(f.repairs for f in self.findings)
        self.repaired = (
            WindowPair(reference, repaired, usable, cluster, parts, local, turns)
            if has_repairs
            else self.recorded
        )
        self._done: dict[tuple[str, frozenset[str], frozenset[str]], MechanismTestResult] = {}
        self._read: dict[str | None, frozenset[str]] = {}
        self._mechanism_test = mechanism_test
        self._tests = {
            id(pair): FirstVariation(ChosenByGaps(mechanism_test))
            for pair in (self.recorded, self.repaired)
        }

    def evidence(self, target: str | None = None) -> dict[str, ColumnEvidence]:
        """Test every column of the graph."""
        if self.alternatives is not None:
            self._weigh(self.alternatives)
        if not self.is_given:
            self._turn(target)
        out: dict[str, ColumnEvidence] = {}
        for done, name in enumerate(self.graph.nodes):
            self.progress("testing mechanisms", done, len(self.graph.nodes))
            if name in self.faulty:
                out[name] = ColumnEvidence(None, None, self.faulty[name])
            elif name not in self.usable:
                nothing = MechanismTestResult(None, Untestable.TOO_FEW_ROWS, 1.0, 0)
                out[name] = ColumnEvidence(nothing, nothing)
            else:
                out[name] = self._column(name)
        out = self._counting_new_dependence(out)
        self._tell_dependence(evidence=out)
        for finding in self.findings:
            if not finding.repairs and finding.fault.kind is not FaultKind.NULL_SPIKE:
                for column in set(finding.fault.columns) & set(self.graph.nodes):
                    self.notes.append(
                        Note(
                            "left_out",
                            column,
                            f"{column!r} cannot be repaired and is left out as a parent",
                        )
                    )
        return out

    def _counting_new_dependence(
        self, evidence: dict[str, ColumnEvidence]
    ) -> dict[str, ColumnEvidence]:
        """Count each new dependence between two columns for one of them.

        An ancestor can only be a cause. Of two columns neither of which follows from the other,
        the one whose own distribution given its parents changed (a new cause adds its variance),
        or else the one further down the graph, is the likelier to have come to read the other.
        """
        depth: dict[str, int] = {}
        for name in self.graph.topological_order():
            depth[name] = 1 + max((depth[p] for p in self.graph.parents(name)), default=-1)

        def suspicion(name: str) -> tuple[float, str]:
            own = evidence[name].own if name in evidence else None
            p_value = 1.0 if own is None or own.p_value is None else own.p_value
            return max(p_value, 1e-300) * _PER_STEP_DOWN ** depth[name], name

        out = {}
        for name, item in evidence.items():
            above = self.graph.ancestors(name)
            mine = suspicion(name)
            others = {n for n in evidence if n in above or mine < suspicion(n)}
            own = None if item.own is None else item.own.counting(others)
            out[name] = replace(
                item, own=own, marginal=own if item.marginal is item.own else item.marginal
            )
        return out

    def _tell_dependence(self, evidence: dict[str, ColumnEvidence]) -> None:
        pair = self.recorded
        if pair.clusters is not None:
            return
        if pair.is_autocorrelated:
            text = "neighbouring rows resemble each other; errors allow for that"
            if not Neighbours.of(pair, pair.complete(())).tell_spread:
                text += (
                    "; so few rows are kept beside the one before them that changes of spread are "
                    "not looked for: name the time column, and give rows in its order"
                )
            self.notes.append(Note("rows_dependent", None, text))
            return
        series = [n for n, item in evidence.items() if item.own is not None and item.own.in_order]
        for name in series:
            text = (
                "neighbouring rows resemble each other in what the parents do not tell of "
                f"{name!r}; errors allow for that"
            )
            self.notes.append(Note("rows_dependent", name, text))
        if not series and any(
            rows_alike_nearby(w, pair.names) for w in (pair.reference, pair.current)
        ):
            text = (
                "rows resemble others nearby, in no fixed order; errors do not allow for that: "
                "name the column that tells them apart with --cluster"
            )
            self.notes.append(Note("rows_alike_nearby", None, text))

    def _weigh(self, alternatives: Alternatives) -> None:
        """Test every column with all parents that count, and take the simplest explanation."""
        self.alternatives = self._simplest(alternatives)
        self.graph = self.alternatives.graph(self.graph.nodes)

    def _turn(self, target: str | None) -> None:
        """Turn the edges without which less has changed; the target is not taken for a cause."""

        def may_turn(cause: str, effect: str) -> bool:
            return effect != target and self.may_cause(effect, cause)

        turned = edges_to_turn(self.graph, self.p_value, may_turn)
        for cause, effect in sorted(turned):
            text = (
                f"the windows suggested {cause} --> {effect}, by which {effect} would have changed "
                f"by just as much as takes back what {cause} does to it; the edge is turned around "
                f"here, and {effect} is as before: require the edge if you know that it is right"
            )
            self.notes.append(Note("edge_turned", effect, text))
        if turned and self.alternatives is not None:
            # What changed by the edges as they were no longer counts.
            self._weigh((self.alternatives.untested or self.alternatives).turned(turned))
        for cause, effect in sorted(turned if self.alternatives is None else ()):
            self.graph = put_before(self.graph, effect, (cause,))

    def _simplest(self, alternatives: Alternatives) -> Alternatives:
        """Return the graphs with weights by how much changed in each."""
        columns = [n for n in self.graph.nodes if n in self.usable and n not in self.faulty]
        p_values: dict[tuple[str, Parents], float | None] = {}
        for done, name in enumerate(columns):
            self.progress("testing mechanisms", done, len(columns))
            for parents in alternatives.parent_sets(name, _LEAST_WEIGHT):
                p_values[name, parents] = self.cautious_test(name, parents).p_value
        return alternatives.simplest(p_values)

    def _usable_parents(self, name: str) -> Parents:
        return tuple(p for p in self.graph.parents(name) if p in self.usable)

    def _column(self, name: str) -> ColumnEvidence:
        parents = self._usable_parents(name)
        own = self.cautious_test(name, parents)
        own, chances = self._averaged(name, own)
        undecided = tuple(p for p in self.graph.undecided_neighbours(name) if p in self.usable)
        is_open = False
        if undecided and own.p_value is not None:
            wider = self.cautious_test(name, (*parents, *undecided))
            if wider.p_value is not None and wider.p_value > own.p_value:
                is_open = wider.p_value > 0.05
        if not parents:
            marginal = own
        elif self.is_given or name in self._repairable:
            marginal = self.given(name, ())
        else:  # the test without parents, if it was done
            marginal = self.cautious_test(name, ())
        return ColumnEvidence(
            own,
            marginal,
            undecided=is_open,
            missingness_moved=self._missingness_moved(name),
            by_parents=chances,
        )

    def _averaged(
        self, name: str, own: MechanismTestResult
    ) -> tuple[MechanismTestResult, dict[Parents, float | None]]:
        """Return the result with its p-value averaged over the parents that count, and each.

        Of the true parents' p-value at most one over their weight is lost, so that the average is
        below the level only where theirs nearly is. Or else the p-value counts that nine tenths of
        the weight do not exceed: the rest may be deaf to the change.
        """
        if self.alternatives is None:
            return own, {}
        sets = self.alternatives.parent_sets(name, _LEAST_WEIGHT)
        by_parents = {s: self.cautious_test(name, s).p_value for s in sets}
        known = [(sets[s], p) for s, p in by_parents.items() if p is not None]
        if own.p_value is None or not known:
            return own, by_parents
        return replace(own, p_value=_over_graphs(known)), by_parents

    def cautious_test(
        self, name: str, parents: Parents, filled: frozenset[str] = frozenset()
    ) -> MechanismTestResult:
        """Test as recorded and as repaired where these differ; the more cautious answer counts.

        Parameters
        ----------
        name : str
            The column.
        parents : tuple of str
            What is given.
        filled : frozenset of str
            Those of them whose gaps cost no rows; see `FilledPair`.
        """
        parents = tuple(p for p in parents if p in self.usable)
        key = name, frozenset(parents), filled
        if key not in self._done:
            self._done[key] = self._tested(name, parents, filled)
        return self._done[key]

    def _strangers(self, name: str, parents: Parents) -> Parents:
        """Return what a column should not depend on given its parents, if the graph is right.

        Nothing where the graph was learned: what it lacks would be taken for something new.
        """
        if not self.is_given or name not in self.graph.nodes:
            return ()
        joined = {name, *parents, *self.graph.descendants(name)}
        joined.update(n for e in self.graph if name in {e.a, e.b} for n in (e.a, e.b))
        joined |= self._calendar  # of a day a weekday is constant: slopes along it are nonsense
        return tuple(n for n in self.graph.nodes if n in self.usable and n not in joined)

    @cached_property
    def _identities(self) -> tuple[Linear | Pair, ...]:
        """Identities of the reference that hold in the current window too."""
        reference, current = self.repaired.reference, self.repaired.current
        names = tuple(
            n
            for n in self.graph.nodes
            if (self._is_sound(n) or n in self._repairable) and reference.schema[n].kind.is_numeric
        )[:_MOST_COLUMNS]
        return tuple(
            i for i in find_identities(reference, names) if i.broken(current).mean() <= _MOST_BROKEN
        )

    def _follows(self, name: str, parents: Parents) -> bool:
        """Whether a column follows from its parents row by row, as it did."""
        return any(
            name in i.names
            and {*parents}.issuperset({*i.names} - {name})
            and i.solved(self.repaired.current, name) is not None
            for i in self._identities
        )

    def _asking(
        self, pair: WindowPair, filled: frozenset[str]
    ) -> tuple[WindowPair, FirstVariation]:
        """Return windows with the gaps of some columns filled, and what tests them."""
        if not filled:
            return pair, self._tests[id(pair)]
        return FilledPair.of(pair, filled), FirstVariation(ChosenByGaps(self._mechanism_test))

    def _tested(self, name: str, parents: Parents, filled: frozenset[str]) -> MechanismTestResult:
        pair, test = self._asking(self.repaired, filled)
        if name in self._calendar:
            rows = int(pair.complete((name,)).sum())
            return MechanismTestResult(None, Untestable.CALENDAR, 1.0, rows)
        others = self._strangers(name, parents)
        repaired = test(pair, name, parents, others)
        # Nothing is left of such a column but what a smooth fit gets wrong where parents moved.
        is_low = repaired.p_value is not None and repaired.p_value <= _LOW
        if parents and is_low and self._follows(name, parents):
            return MechanismTestResult(1.0, Untestable.IDENTITY, repaired.overlap, repaired.rows)
        if not self._repairable & {name, *parents}:
            return repaired
        pair, test = self._asking(self.recorded, filled)
        recorded = test(pair, name, parents, others)
        if recorded.p_value is not None and repaired.p_value is not None:
            return max(recorded, repaired, key=lambda r: (r.p_value or 0.0, -r.strength))
        one, other = (repaired, recorded) if repaired.p_value is not None else (recorded, repaired)
        # Where it moved given one version of its parent, the other, untestable one is the answer.
        return other if one.p_value is not None and one.p_value < 0.05 else one

    def ties(self) -> tuple[Tie, ...]:
        """Test what columns have in common of which neither is known to be the other's cause.

        Averaged over graphs with all directions, a column's own test has seen it. By a graph
        learned otherwise, columns may lack an edge that had one in each window: slopes of opposite
        sign add up to none, and one that is new is not in the reference.
        """
        if self.alternatives is not None:
            return ()
        graph, names = self.graph, tuple(n for n in self.graph.nodes if self._is_sound(n))
        known = frozenset(names)
        edges = [e for e in loose_edges(graph) if known.issuperset((e.a, e.b))]
        ends = Counter(e.b for e in edges)
        out = [
            Tie(
                (e.a, e.b),
                self.cautious_test(e.b, given_for(graph, e.b, e.a)),
                e.mark == "<->",
                pairs=ends[e.b],
            )
            for e in edges
        ]
        if self.is_given or len(names) < 2:
            return tuple(out)
        joined = (frozenset((e.a, e.b)) for e in graph)
        picked, pairs = changed_correlations(self.repaired, names, joined)
        for a, b in picked:
            # By a change of its cause alone a column given its effect moves, and not the effect.
            one, other = (
                self.cautious_test(n, given_for(graph, n, m, neighbours=True))
                for n, m in ((a, b), (b, a))
            )
            weaker = one if other.p_value is not None else other
            if one.p_value is not None and other.p_value is not None:
                weaker = max(one, other, key=lambda r: r.p_value or 0.0)
            out.append(Tie((a, b), weaker, has_edge=False, pairs=pairs))
        return tuple(out)

    def _is_sound(self, name: str) -> bool:
        return name in self.usable and name not in self.faulty

    def p_value(self, name: str, parents: Parents) -> float | None:
        """Return the p-value of "the column's mechanism is as before" given any parents."""
        return self.cautious_test(name, parents).p_value if self._is_sound(name) else None

    def may_cause(self, cause: str, effect: str) -> bool:
        """Whether an edge might have been learned with another direction: nobody said it is not."""
        return self._knowledge is not None and self._knowledge.allows(cause, effect)

    def lacks_edge_at(self, column: str) -> bool:
        """Whether the reference shows that the graph lacks an edge at a column."""
        usable = tuple(n for n in self.graph.nodes if n in self.usable)
        pair = self.recorded
        return lacks_edge_at(self.graph, pair.reference, usable, column, pair.parts)

    def is_known_to_precede(self, name: str, other: str) -> bool:
        """Whether somebody said that no edge leads to a column from another, of a learned graph."""
        return self._knowledge is not None and not self._knowledge.allows(other, name)

    def marginal_of(self, name: str) -> MechanismTestResult:
        """Test a column's own distribution, as recorded."""
        return self._tests[id(self.recorded)](self.recorded, name, ())

    def given(self, name: str, others: tuple[str, ...]) -> MechanismTestResult:
        """Test a column given any others, with faults undone."""
        return self._tests[id(self.repaired)](self.repaired, name, others)

    def undone(
        self, repairs: Mapping[str, FloatArray]
    ) -> Callable[[str, Parents], MechanismTestResult]:
        """Return what tests a column given its parents, as if current values were others.

        Parameters
        ----------
        repairs : mapping of str to ndarray of shape (n_current_sampled,)
            Those values, by column.
        """
        pair = self.repaired.with_current(repairs)
        test = FirstVariation(ChosenByGaps(self._mechanism_test))
        return partial(test, pair)

    def may_cause_directly(self, target: str) -> frozenset[str]:
        """Return the columns from which an edge may lead to another, by any graph that counts."""
        if target not in self.graph.nodes:  # the same in every row
            return frozenset()
        found = {*self.graph.parents(target), *self.graph.undecided_neighbours(target)}
        return frozenset(found.union(a for a, b in self.edges_that_count() if b == target))

    def edges_that_count(self) -> frozenset[tuple[str, str]]:
        """Return the edges (cause, effect) of so much weight that they count; none of one graph."""
        if self.alternatives is None:
            return frozenset()
        weights = self.alternatives.edge_weights().items()
        return frozenset(edge for edge, weight in weights if weight >= _LEAST_JOINED)

    def read(self, target: str | None) -> frozenset[str]:
        """Return the columns that the prediction is seen to follow."""
        prediction, reference = self._prediction, self.recorded.reference
        if prediction is None or not reference.has(prediction):
            return frozenset()
        if target not in self._read:
            self._read[target] = read_by_model(reference, prediction, self._asked_about(target))
        return self._read[target]

    def may_be_read(self, target: str) -> frozenset[str]:
        """Return the columns that the prediction is seen to follow, and those not asked about.

        None where it follows nothing that can be recognised.
        """
        found = self.read(target)
        return found.union(self._asked_about(target)[MOST_COLUMNS:] if found else ())

    def came_after(self, target: str) -> frozenset[str]:
        """Return the columns that tell the target outright, and by the graph do not lead to it."""
        reference = self.recorded.reference
        names = [n for n in self.graph.nodes if n in self.usable]
        has_prediction = self._prediction is not None and reference.has(self._prediction)
        told = after_target(
            reference,
            names,
            target,
            self.read(target),
            # Who gave a graph said what leads to it.
            has_prediction=has_prediction or self.is_given,
        )
        return frozenset(told) - self.graph.ancestors(target)

    def _asked_about(self, target: str | None) -> list[str]:
        return [n for n in self.graph.nodes if n != target]

    def follows(self, name: str, clock: str, target: str | None) -> bool:
        """Whether a column may depend, given the inputs, on one that goes on by itself.

        In the reference rows of the clock's lower half are compared with the others. Of one value
        there no model can have learned what the next ones mean; of the days of half a week it may
        have, from other weeks than this one.
        """
        reference = self.recorded.reference
        place = reference.column(clock)
        if np.unique(place[np.isfinite(place)]).size < 2:
            return False
        if self._within_a_week():
            return True
        later = place > np.nanmedian(place)
        later = later if later.any() else place >= np.nanmedian(place)
        halves = [reference.take(np.flatnonzero(rows)) for rows in (~later, later)]
        if min(len(half.sample) for half in halves) < _LEAST_HALF:
            return False
        names = (*self.recorded.names, name)
        inputs = tuple(n for n in self.graph.nodes if n in self.usable and n not in {name, target})
        pair = WindowPair(halves[0], halves[1], names, self.recorded.cluster)
        result = FirstVariation(ChosenByGaps(self._mechanism_test))(pair, name, inputs)
        return result.p_value is not None and result.p_value <= _FOLLOWS_CLOCK

    def _within_a_week(self) -> bool:
        """Whether both windows lie within one week, by their time column."""
        windows = self.recorded.reference, self.recorded.current
        time = windows[0].schema.with_role(Role.TIME)
        if time is None or not all(w.has(time) for w in windows):
            return False
        moments = np.concatenate([w.column(time) for w in windows])
        moments = moments[np.isfinite(moments)]
        return bool(moments.size) and float(np.ptp(moments)) <= _WEEK

    def reads_faults(self, name: str, target: str) -> bool:
        """Whether a column may follow its inputs as they were recorded, faults and all.

        It does not where it stands given what is sound of them: then the values broke on their way
        to the record alone, and nothing hangs on that.
        """
        if name in self.faulty or target in self.faulty:
            return True
        broken = {c for f in self.findings if not f.repairs for c in f.fault.columns}
        # Values that a repair could only take away: the rows at stake would not be tested.
        broken |= {c for c in self.faulty.keys() & self.usable if self._lacks_values(c)}
        sound = self.usable - broken - {name, target}
        result = self.given(name, tuple(n for n in self.graph.nodes if n in sound))
        return result.p_value is None or result.p_value <= _FOLLOWS_SOUND

    def passed_over(self) -> frozenset[tuple[str, str]]:
        """Return the edges from faulty columns to those that follow their sound values.

        What broke did so on its way to the record, and to the model perhaps. Of values that a
        repair could only take away nobody knows: the rows at stake are not tested.
        """
        return frozenset(
            (parent, name)
            for name in self.graph.nodes
            for parent in self.graph.parents(name)
            if parent in self._repairable and not self._lacks_values(parent)
            if self._is_sound(name)
            and (self.given(name, self._usable_parents(name)).p_value or 0.0) > _FOLLOWS_SOUND
        )

    def _lacks_values(self, name: str) -> bool:
        there = self.repaired.observed(name)
        split = self.repaired.split
        return bool(there[split:].mean() < there[:split].mean())

    def _missingness_moved(self, name: str) -> bool:
        if name in self._late:
            return False
        pair, parents = self.recorded, self._usable_parents(name)
        known = () if self._repairable.intersection(parents) else parents
        return missingness_moved(pair, name, known, self._tests[id(pair)], columns=len(self.usable))


def _over_graphs(weighted: list[tuple[float, float]]) -> float:
    """Return one p-value of several (weight, p-value)."""
    total = sum(w for w, _ in weighted)
    average = sum(w * p for w, p in weighted) / total
    reached = 0.0
    for weight, p_value in sorted(weighted, key=lambda pair: pair[1]):
        reached += weight
        if reached >= _NEARLY_ALL * total:
            return min(average, p_value)
    return average


def _standing(
    findings: tuple[Finding, ...], graph: Graph, current: Snapshot, repaired: Snapshot
) -> tuple[tuple[Finding, ...], Snapshot]:
    """Return the faults that stand, and the window with only those undone.

    A column whose unit seems to have changed while that of one of its causes did has merely
    inherited large numbers.
    """
    units = {c for f in findings if f.fault.kind is FaultKind.UNIT_CHANGE for c in f.fault.columns}
    inherited = {c for c in units if units & graph.ancestors(c)}
    if not inherited:
        return findings, repaired
    standing = tuple(f for f in findings if not inherited.issuperset(f.fault.columns))
    return standing, repaired.with_sample({c: current.column(c) for c in inherited})
