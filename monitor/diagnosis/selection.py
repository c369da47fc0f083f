"""Several columns that moved, and one choice of rows that would explain them all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from whydrift.discovery.graph import Graph
from whydrift.discovery.snapshot.note import Note
from whydrift.monitor.diagnosis.diagnosis import ColumnVerdict
from whydrift.monitor.diagnosis.judgement import ColumnEvidence, Floor, Judged, sees_enough
from whydrift.monitor.diagnosis.testing import Testing
from whydrift.monitor.diagnosis.turned import put_before
from whydrift.monitor.diagnosis.words import joined, p_text

__all__ = ["OneChoice", "one_choice"]

_MOST_COLUMNS = 6  # each is tested given each other
_LEAST_P = 0.02  # of "given the chosen column, this one is as before"
_MOVED = frozenset({ColumnVerdict.SOURCE, ColumnVerdict.MECHANISM})


@dataclass(frozen=True)
class OneChoice:
    """A column by which rows may have been chosen, and those that moved only with it.

    Parameters
    ----------
    column : str
    p_values : mapping of str to float
        Of the others, given that column and their parents.
    """

    column: str
    p_values: Mapping[str, float]

    def judged(self, judged: Mapping[str, Judged]) -> dict[str, Judged]:
        """Return the verdicts with the change told once, where it began."""
        out = dict(judged)
        for name, p_value in self.p_values.items():
            text = (
                f"Its distribution moved, but given {self.column} it behaves as before "
                f"({p_text(p_value)}): rows seem to be chosen by {self.column}, or it is the cause."
            )
            out[name] = replace(judged[name], verdict=ColumnVerdict.INHERITED, reason=text)
        return out

    def turned(self, graph: Graph) -> Graph:
        """Return the graph in which the others follow from that column."""
        return put_before(graph, self.column, tuple(self.p_values))

    @property
    def note(self) -> Note:
        """What to say of it."""
        return Note(
            "selection_suspected",
            self.column,
            f"{joined([self.column, *self.p_values])} moved, and given {self.column} the others "
            f"are as before: rather one change at {self.column} (which rows come, or its own "
            "values) than several",
        )


def one_choice(
    testing: Testing,
    evidence: Mapping[str, ColumnEvidence],
    judged: Mapping[str, Judged],
    *,
    limit: float,
    floor: Floor,
    level: float,
    tests: int,
) -> OneChoice | None:
    """Return the one column given which all other changes vanish, or None.

    Rows chosen by a column move what it follows from as well as what follows from it: by a graph,
    each cause of it changed, and it did too, in just such a way that all of them given it are what
    they were. One choice of rows is the simpler explanation; so is an edge that is the wrong way
    round. Two changes of which neither vanishes given the other stay two.

    Parameters
    ----------
    testing : Testing
    evidence, judged : mapping of str to ColumnEvidence and to Judged
        Of all columns.
    limit : float
        Largest p-value at which the chosen column's own distribution counts as moved.
    floor, level, tests
        As the columns were judged: where a change worth knowing would not have been seen, that a
        column is as before is not believed.

    References
    ----------
    Bareinboim, Tian & Pearl (2014), Recovering from selection bias in causal and statistical
    inference.
    """
    moved = [name for name, found in judged.items() if found.verdict in _MOVED]
    if not 2 <= len(moved) <= _MOST_COLUMNS:
        return None
    found = []
    for column in moved:
        marginal = evidence[column].marginal
        if marginal is None or marginal.p_value is None or marginal.p_value > limit:
            continue
        p_values: dict[str, float] = {}
        for other in moved:
            if other == column:
                continue
            if testing.alternatives is None and other in testing.graph.descendants(column):
                break  # a given graph that lacks an edge is told as a contradiction
            parents = [p for p in testing.graph.parents(other) if p in testing.usable]
            given = tuple(dict.fromkeys((column, *parents)))
            result = testing.given(other, given)
            if result.p_value is None or result.p_value <= _LEAST_P:
                break
            if not sees_enough(result, floor, level, tests):
                break
            p_values[other] = result.p_value
        else:
            found.append(OneChoice(column, p_values))
    return found[0] if len(found) == 1 else None
