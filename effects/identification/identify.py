"""``identify``: whether a graph lets an effect be found, and how."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from whydrift.discovery.adjustment import (
    Instrument,
    adjustment_problem,
    adjustment_sets,
    front_door_sets,
    instruments,
    minimal_adjustment_set,
    open_way,
    optimal_adjustment_set,
    possible_effects,
)
from whydrift.discovery.errors import GraphError
from whydrift.discovery.graph import Graph
from whydrift.effects.words import joined

__all__ = ["Identification", "Strategy", "identify"]

_MOST_SETS = 100  # of minimal adjustment sets that are listed


class Strategy(StrEnum):
    """How an effect can be found."""

    BACK_DOOR = "back_door"  # by adjusting for columns; maybe for none
    FRONT_DOOR = "front_door"  # by the columns through which all of it passes
    INSTRUMENT = "instrument"  # by a column that moves the treatment and nothing else
    NONE = "none"


@dataclass(frozen=True)
class Identification:
    """What a graph says about finding an effect.

    Parameters
    ----------
    treatment, outcome : str
    strategy : Strategy
        The first of those in `Strategy` that works, in their order.
    adjustment : frozenset of str
        What to adjust for: of several sets the efficient one where it is known, else a smallest.
    minimal : tuple of frozenset
        All minimal adjustment sets, the smallest first; at most 100.
    optimal : frozenset, optional
        The set with the smallest asymptotic variance (Henckel, Perković & Maathuis 2022), where
        nothing is hidden and all of it is observed.
    instruments : tuple of Instrument
        Each with what must be adjusted for.
    front_doors : tuple of frozenset
        All minimal front-door sets, where adjusting does not do.
    has_effect : bool
        Whether the treatment may cause the outcome at all; if not the effect is zero.
    problem : str, optional
        Why adjusting does not do: the open way, or the edge that is not directed.
    """

    treatment: str
    outcome: str
    strategy: Strategy
    adjustment: frozenset[str] = frozenset()
    minimal: tuple[frozenset[str], ...] = ()
    optimal: frozenset[str] | None = None
    instruments: tuple[Instrument, ...] = ()
    front_doors: tuple[frozenset[str], ...] = ()
    has_effect: bool = True
    problem: str | None = None

    @property
    def is_identified(self) -> bool:
        """Whether there is a way (an instrument needs an assumption more: see `iv`)."""
        return self.strategy is not Strategy.NONE

    @property
    def sentence(self) -> str:
        """How the effect is found, or why it is not, in one sentence without a full stop."""
        if not self.has_effect:
            return (
                f"By the graph {self.treatment} does not cause {self.outcome}: if the graph is "
                "right, the effect is zero"
            )
        match self.strategy:
            case Strategy.BACK_DOOR if self.adjustment:
                kind = "the most efficient set" if self.optimal is not None else "a smallest set"
                named = joined(sorted(self.adjustment), 8)
                return f"By the graph, adjusting for {named} ({kind}) closes every back door"
            case Strategy.BACK_DOOR:
                return "By the graph nothing needs adjusting: no back door is open"
            case Strategy.INSTRUMENT:
                one = self.instruments[0]
                given = f", given {joined(sorted(one.given), 8)}" if one.given else ""
                return f"{self.problem}; but {one.name} is an instrument{given}"
            case Strategy.FRONT_DOOR:
                named = joined(sorted(self.front_doors[0]), 8)
                return f"{self.problem}; but {named} is a front door"
            case _:
                return f"{self.problem}, and there is neither an instrument nor a front door"


def identify(
    graph: Graph, treatment: str, outcome: str, *, unobserved: Collection[str] = ()
) -> Identification:
    """Return how a graph lets the total effect of one column on another be found.

    Parameters
    ----------
    graph : Graph
        A DAG, CPDAG, PAG, or a graph with double-headed arrows for hidden common causes. Front
        doors and instruments are looked for where every edge is directed or double-headed.
    treatment, outcome : str
    unobserved : collection of str
        Nodes that the data do not hold.

    Raises
    ------
    GraphError
        If a node is not in the graph.
    """
    hidden = frozenset(unobserved) & frozenset(graph.nodes)
    best = minimal_adjustment_set(graph, treatment, outcome, unobserved=hidden)
    problem = None if best is not None else _problem(graph, treatment, outcome, hidden)
    has_effect = outcome in possible_effects(graph, treatment, outcome)
    optimal: frozenset[str] | None = None
    minimal: tuple[frozenset[str], ...] = ()
    if best is not None:
        optimal = _optimal(graph, treatment, outcome, hidden) if has_effect else None
        minimal = _minimal(graph, treatment, outcome, hidden)
        best = optimal if optimal is not None else min((best, *minimal), key=len)
    is_decided = all(edge.mark in {"-->", "<->"} for edge in graph)
    found = instruments(graph, treatment, outcome, unobserved=hidden) if is_decided else ()
    needs_door = is_decided and best is None
    doors = _front_doors(graph, treatment, outcome, hidden) if needs_door else ()
    strategy = (
        Strategy.BACK_DOOR if best is not None
        else Strategy.FRONT_DOOR if doors
        else Strategy.INSTRUMENT if found
        else Strategy.NONE
    )  # fmt: skip
    return Identification(
        treatment, outcome, strategy, best or frozenset(), minimal, optimal, found, doors,
        has_effect, problem,
    )  # fmt: skip


def _problem(graph: Graph, treatment: str, outcome: str, hidden: frozenset[str]) -> str:
    """Return why no set of observed columns can be adjusted for."""
    from whydrift.discovery.separation import anterior, read_as_decided

    # An edge of unknown direction shows itself for any set; else the largest useful set is tried:
    # if any set closes all back doors, the one of all causes does.
    above = anterior(read_as_decided(graph), {treatment, outcome})
    never = hidden | possible_effects(graph, treatment, outcome) | {treatment, outcome}
    given = frozenset(above) - never
    way = open_way(graph, treatment, outcome, given)
    reason = adjustment_problem(graph, treatment, outcome, given)
    if reason is None or reason.startswith("the direction") or not way:
        return f"{reason or 'no set of columns closes every back door'}"
    unseen = [node for node in way[2:-1:2] if node in hidden]
    who = f" ({joined(unseen)} {'is' if len(unseen) == 1 else 'are'} not in the data)"
    return f"the way {' '.join(way)} cannot be closed{who if unseen else ''}"


def _optimal(
    graph: Graph, treatment: str, outcome: str, hidden: frozenset[str]
) -> frozenset[str] | None:
    try:
        found = optimal_adjustment_set(graph, treatment, outcome)
    except GraphError:  # it is not defined where causes may be hidden
        return None
    return None if found is None or found & hidden else found


def _minimal(
    graph: Graph, treatment: str, outcome: str, hidden: frozenset[str]
) -> tuple[frozenset[str], ...]:
    try:
        return adjustment_sets(graph, treatment, outcome, unobserved=hidden, limit=_MOST_SETS)
    except GraphError:  # there are more: the one found by itself is enough
        return ()


def _front_doors(
    graph: Graph, treatment: str, outcome: str, hidden: frozenset[str]
) -> tuple[frozenset[str], ...]:
    try:
        return front_door_sets(graph, treatment, outcome, unobserved=hidden)
    except GraphError:  # too many nodes to try all their sets
        return ()
