"""Which columns to adjust for: valid, minimal and efficient sets, front doors and instruments.

References
----------
Perković, Textor, Kalisch & Maathuis (2018), Complete graphical characterization and construction
of adjustment sets in Markov equivalence classes of ancestral graphs.
van der Zander, Liśkiewicz & Textor (2019), Separators and adjustment sets in causal graphs:
complete criteria and an algorithmic framework.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import combinations, islice

from whydrift.discovery.errors import GraphError
from whydrift.discovery.graph import Edge, Graph, Mark, Origin
from whydrift.discovery.separation import (
    Nodes,
    anterior,
    as_nodes,
    connected_nodes,
    is_separated,
    markov_blanket,
    minimal_separator,
    read_as_decided,
)

__all__ = [
    "Instrument",
    "adjustment_problem",
    "adjustment_sets",
    "front_door_sets",
    "instruments",
    "is_adjustment_set",
    "is_front_door_set",
    "minimal_adjustment_set",
    "open_way",
    "optimal_adjustment_set",
    "possible_effects",
]

_MOST_SETS = 1_000
_MOST_TRIED = 100_000  # sets looked at before a search for front doors gives up


# ---- adjustment -------------------------------------------------------------------------------
def adjustment_problem(graph: Graph, x: Nodes, y: Nodes, given: Nodes = ()) -> str | None:
    """Return why a set is no adjustment set for the total effect of ``x`` on ``y``, or None.

    The generalised adjustment criterion is sound and complete: a set passes exactly where the
    effect is found by adjusting for it, whatever the distribution.

    Parameters
    ----------
    graph : Graph
        A DAG, a CPDAG (where knowledge directs more, an effect may be called open that is not), a
        PAG, or a graph with double-headed arrows, each a hidden common cause. Where there is a
        circle, or a double-headed arrow that was learned, directed edges may hide others, and a
        cause counts only by visible edges (Zhang 2008, definition 8).
    x, y, given : str or iterable of str

    Raises
    ------
    GraphError
        If a node is unknown, or sets overlap.
    """
    causes, effects, fixed = (as_nodes(graph, nodes) for nodes in (x, y, given))
    problem = _Problem.of(graph, causes, effects)
    if fixed & (causes | effects):
        raise GraphError(
            f"node {min(fixed & (causes | effects))!r} is adjusted for and asked about",
            where="adjustment",
            remedy="Leave it out of the adjustment set",
        )
    if problem.open_edge is not None:
        return problem.open_edge
    if fixed & problem.forbidden:
        return f"{min(fixed & problem.forbidden)} may be caused by {', '.join(sorted(causes))}"
    reached = connected_nodes(problem.back_doors, causes, fixed) & effects
    if reached:
        return f"a way that is not causal stays open to {min(reached)}"
    return None


def open_way(graph: Graph, x: str, y: str, given: Nodes = ()) -> tuple[str, ...]:
    """Return a shortest way from ``x`` to ``y`` that is not causal and stays open, or nothing.

    Parameters
    ----------
    graph, x, y
        As in `adjustment_problem`.
    given : str or iterable of str
        What is adjusted for.

    Returns
    -------
    tuple of str
        Nodes and the marks between them in turn: ``("x", "<--", "u", "-->", "y")``. A collider on
        it is open since it, or what it causes, is adjusted for.
    """
    causes, effects, fixed = (as_nodes(graph, nodes) for nodes in (x, y, given))
    back_doors = _Problem.of(graph, causes, effects).back_doors
    leads_to_fixed = set(fixed).union(*(back_doors.ancestors(node) for node in fixed))
    ways: list[tuple[tuple[str, ...], bool]] = [((x,), False)]
    seen: set[tuple[str, bool]] = set()
    for way, by_arrow in ways:  # grows while it is walked
        node = way[-1]
        for other, here, there in back_doors.ends(node):
            collides = by_arrow and here is Mark.ARROW
            is_open = node in leads_to_fixed if collides else node not in fixed
            state = other, there is Mark.ARROW
            if state in seen or not (is_open or len(way) == 1):
                continue
            seen.add(state)
            longer = (*way, _written(here, there), other)
            if other == y:
                return longer
            ways.append((longer, there is Mark.ARROW))
    return ()


def _written(here: Mark, there: Mark) -> str:
    left = {Mark.ARROW: "<", Mark.CIRCLE: "o", Mark.TAIL: "-"}[here]
    return f"{left}-{there.value}"


def possible_effects(graph: Graph, x: str, y: str) -> frozenset[str]:
    """Return the nodes on ways from ``x`` to ``y`` that may be causal, and what these may cause.

    No adjustment set holds one of them. ``y`` is among them where ``x`` may cause it, ``x`` never.
    """
    return _Problem.of(graph, as_nodes(graph, x), as_nodes(graph, y)).forbidden - {x}


def is_adjustment_set(graph: Graph, x: Nodes, y: Nodes, given: Nodes = ()) -> bool:
    """Whether adjusting for a set gives the total effect; see `adjustment_problem`."""
    return adjustment_problem(graph, x, y, given) is None


def minimal_adjustment_set(
    graph: Graph, x: Nodes, y: Nodes, *, unobserved: Collection[str] = ()
) -> frozenset[str] | None:
    """Return an adjustment set of which no part is one, or None where there is no set.

    Parameters
    ----------
    graph, x, y
        As in `adjustment_problem`.
    unobserved : collection of str
        Nodes that cannot be adjusted for.
    """
    causes, effects = as_nodes(graph, x), as_nodes(graph, y)
    problem = _Problem.of(graph, causes, effects)
    if problem.open_edge is not None:
        return None
    offered = set(graph.nodes) - problem.forbidden - as_nodes(graph, unobserved)
    return minimal_separator(problem.back_doors, causes, effects, offered)


def adjustment_sets(
    graph: Graph,
    x: Nodes,
    y: Nodes,
    *,
    unobserved: Collection[str] = (),
    limit: int = _MOST_SETS,
) -> tuple[frozenset[str], ...]:
    """Return all minimal adjustment sets, the smallest first.

    Parameters
    ----------
    graph, x, y, unobserved
        As in `minimal_adjustment_set`.
    limit : int
        Most sets.

    Raises
    ------
    GraphError
        If there are more sets than that.
    """
    causes, effects = as_nodes(graph, x), as_nodes(graph, y)
    problem = _Problem.of(graph, causes, effects)
    if problem.open_edge is not None:
        return ()
    offered = set(graph.nodes) - problem.forbidden - as_nodes(graph, unobserved)
    found: list[frozenset[str]] = []
    for separator in _minimal_separators(problem.back_doors, causes, effects, offered):
        if len(found) == limit:
            raise GraphError(
                f"there are more than {limit} minimal adjustment sets",
                where="adjustment",
                remedy="Give a larger limit, or ask for one with minimal_adjustment_set",
            )
        found.append(separator)
    return tuple(sorted(found, key=lambda s: (len(s), sorted(map(graph.nodes.index, s)))))


def optimal_adjustment_set(graph: Graph, x: str, y: str) -> frozenset[str] | None:
    """Return the adjustment set with the smallest asymptotic variance, or None where none is valid.

    Parents of the nodes on the way from cause to effect, less what the cause may cause. It is
    best for linear and for many non-parametric estimators where nothing is hidden.

    Parameters
    ----------
    graph : Graph
        A DAG or CPDAG.
    x, y : str

    Raises
    ------
    GraphError
        If no directed path leads from ``x`` to ``y`` (the total effect is zero), a node is
        unknown, or the graph has other marks.

    References
    ----------
    Henckel, Perković & Maathuis (2022), Graphical criteria for efficient total effect estimation
    via adjustment in causal linear models.
    Rotnitzky & Smucler (2020), Efficient adjustment sets for population average causal effect
    estimation in graphical models.
    """
    problem = _Problem.of(graph, as_nodes(graph, x), as_nodes(graph, y))
    for edge in graph:
        if edge.mark not in {"-->", "---"}:
            raise GraphError(
                "the best set is not known where causes may be hidden: "
                f"{edge.a} {edge.mark} {edge.b}",
                where="adjustment",
                remedy="Ask for minimal_adjustment_set",
            )
    if not problem.between:
        raise GraphError(
            f"no directed path leads from {x!r} to {y!r}: its total effect is zero",
            where="adjustment",
            remedy="Exchange the two, or ask for minimal_adjustment_set",
        )
    if problem.open_edge is not None:
        return None
    parents = frozenset().union(*(graph.parents(node) for node in problem.between))
    return parents - problem.forbidden - {x, y}


@dataclass(frozen=True)
class _Problem:
    """What the criterion asks of an adjustment set.

    Parameters
    ----------
    open_edge : str, optional
        Why no set is valid: an edge that may be causal and is not known to be.
    between : frozenset of str
        Nodes on proper possibly causal paths, causes left out.
    forbidden : frozenset of str
        What these may cause, themselves included, and the causes.
    back_doors : Graph
        Decided, without the first edges of causal paths.
    """

    open_edge: str | None
    between: frozenset[str]
    forbidden: frozenset[str]
    back_doors: Graph

    @classmethod
    def of(cls, graph: Graph, causes: frozenset[str], effects: frozenset[str]) -> _Problem:
        if causes & effects or not causes or not effects:
            raise GraphError(
                "cause and effect must be different columns, at least one of each",
                where="adjustment",
                remedy="Name x and y",
            )
        # Proper paths: they leave the causes at once and never come back.
        first = {n for c in causes for n in _next(graph, c) if n not in causes}
        down = _possibly_along(graph, first, outward=True, never=causes)
        up = _possibly_along(graph, effects, outward=False, never=causes)
        between = down & up
        forbidden = causes | _possibly_along(graph, between, outward=True, never=frozenset())
        hides = any(
            Mark.CIRCLE in (e.mark_at_a, e.mark_at_b)
            or (e.mark == "<->" and e.origin is Origin.LEARNED)
            for e in graph
        )
        open_edge = None
        removed: set[frozenset[str]] = set()
        for edge in graph:
            for cause, other in ((edge.a, edge.b), (edge.b, edge.a)):
                if cause not in causes or other not in between or other not in _next(graph, cause):
                    continue
                removed.add(frozenset((cause, other)))
                if not edge.is_directed:
                    open_edge = f"the direction of {edge.a} {edge.mark} {edge.b} is not known"
                elif hides and not _is_visible(graph, edge):
                    open_edge = f"{edge.a} --> {edge.b} may hide a common cause"
        decided = read_as_decided(graph)
        return cls(
            open_edge,
            frozenset(between),
            frozenset(forbidden),
            decided.with_edges(e for e in decided if frozenset((e.a, e.b)) not in removed),
        )


def _next(graph: Graph, node: str, *, outward: bool = True) -> list[str]:
    """Return the nodes that a node may cause directly, or that may cause it."""
    found = []
    for other, here, there in graph.ends(node):
        start, end = (here, there) if outward else (there, here)
        # A tail at both ends is an edge whose direction is open, as a circle is.
        if start is not Mark.ARROW and (end is not Mark.TAIL or start is end):
            found.append(other)
    return found


def _possibly_along(
    graph: Graph, start: Collection[str], *, outward: bool, never: frozenset[str]
) -> set[str]:
    """Return the nodes on possibly directed walks from (or to) ``start``, these included."""
    seen = set(start)
    todo = list(start)
    while todo:
        for other in _next(graph, todo.pop(), outward=outward):
            if other not in seen and other not in never:
                seen.add(other)
                todo.append(other)
    return seen


def _is_visible(graph: Graph, edge: Edge) -> bool:
    """Whether no hidden common cause of a → b is possible, given what the graph says (Zhang 2008).

    Some node that is not joined to b has an arrow into a, or reaches a with an arrow on a path of
    colliders that are all parents of b.
    """
    parents = set(graph.parents(edge.b))
    joined = {other for other, _, _ in graph.ends(edge.b)} | {edge.b}
    seen, todo = {edge.a}, [edge.a]
    while todo:
        for other, here, there in graph.ends(todo.pop()):
            if here is not Mark.ARROW or other in seen:
                continue
            if other not in joined:
                return True
            if there is Mark.ARROW and other in parents:
                seen.add(other)
                todo.append(other)
    return False


def _minimal_separators(
    graph: Graph, x: frozenset[str], y: frozenset[str], offered: Collection[str]
) -> Iterator[frozenset[str]]:
    """Yield all minimal separators of two sets of nodes among the offered nodes.

    All of them lie among the nodes that lead to x or y, where separation is that of the moral
    graph. A separator that is not offered whole is avoided by joining the neighbours of what is not
    offered.

    References
    ----------
    Shen & Liang (1997), Efficient enumeration of all minimal separators in a graph.
    """
    inside = graph.with_nodes(n for n in graph.nodes if n in anterior(graph, x | y))
    near = {node: set(markov_blanket(inside, node)) for node in inside.nodes}
    for node in set(inside.nodes) - set(offered) - x - y:
        around = near.pop(node)
        for one in around:
            near[one] = (near[one] | around) - {node, one}
    if any(near[node] & y for node in x):
        return

    def reached(start: frozenset[str], without: frozenset[str]) -> frozenset[str]:
        seen, todo = set(start), list(start)
        while todo:
            fresh = near[todo.pop()] - seen - without
            seen |= fresh
            todo += fresh
        return frozenset(seen)

    def border(side: frozenset[str]) -> frozenset[str]:
        return frozenset().union(*(near[node] for node in side)) - side

    def nearest_beyond(side: frozenset[str]) -> frozenset[str] | None:
        """Return the separator nearest to x's side, or None where y is next to that side."""
        around = border(side)
        return None if around & y else border(reached(y, side | around))

    first = nearest_beyond(x)
    todo = [] if first is None else [first]
    known = set(todo)
    for separator in todo:  # grows while it is walked
        yield separator
        side = reached(x, separator)
        for node in sorted(separator):
            following = nearest_beyond(side | {node})
            if following is not None and following not in known:
                known.add(following)
                todo.append(following)


# ---- front doors and instruments --------------------------------------------------------------
def is_front_door_set(graph: Graph, x: str, y: str, given: Nodes) -> bool:
    """Whether a set identifies the effect of ``x`` on ``y`` by the front door.

    It meets all directed paths from ``x`` to ``y``; no back-door path leads from ``x`` to it; and
    ``x`` blocks all back-door paths from it to ``y``.

    Parameters
    ----------
    graph : Graph
        A DAG, or a graph with a double-headed arrow for every hidden common cause (a learned MAG
        may leave some undrawn).
    x, y : str
    given : str or iterable of str

    References
    ----------
    Pearl (1995), Causal diagrams for empirical research, section 3.2.
    """
    _decided(graph, "the front door")
    fixed = as_nodes(graph, given)
    if not fixed or as_nodes(graph, (x, y)) & fixed or x == y:
        return False
    cut = graph.with_nodes(n for n in graph.nodes if n not in fixed)
    return (
        y not in cut.descendants(x)
        and is_separated(_without_effects(graph, {x}), x, fixed)
        and is_separated(_without_effects(graph, fixed), fixed, y, x)
    )


def front_door_sets(
    graph: Graph, x: str, y: str, *, unobserved: Collection[str] = (), limit: int = _MOST_SETS
) -> tuple[frozenset[str], ...]:
    """Return all minimal front-door sets, the smallest first.

    Parameters
    ----------
    graph, x, y
        As in `is_front_door_set`.
    unobserved : collection of str
        Nodes that cannot be in a set.
    limit : int
        Most sets.

    Raises
    ------
    GraphError
        If there are more sets, or too many nodes to try all their sets.
    """
    _decided(graph, "the front door")
    as_nodes(graph, (x, y))
    hidden = as_nodes(graph, unobserved)
    if y not in graph.descendants(x):
        return ()
    no_back_door = _without_effects(graph, {x})
    offered = [
        n for n in graph.nodes if n not in hidden | {x, y} and is_separated(no_back_door, x, n)
    ]
    found: list[frozenset[str]] = []
    tried = 0
    for size in range(1, len(offered) + 1):
        for nodes in combinations(offered, size):
            tried += 1
            if tried > _MOST_TRIED or len(found) > limit:
                raise GraphError(
                    f"there are too many sets of the {len(offered)} possible nodes to try",
                    where="front door",
                    remedy="Name more nodes as unobserved, or ask of one set: is_front_door_set",
                )
            one = frozenset(nodes)
            if not any(smaller <= one for smaller in found) and is_front_door_set(graph, x, y, one):
                found.append(one)
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Instrument:
    """A column that moves the cause and reaches the effect through it alone.

    Parameters
    ----------
    name : str
    given : frozenset of str
        What must be adjusted for; no part of it is enough.
    """

    name: str
    given: frozenset[str]


def instruments(
    graph: Graph, x: str, y: str, *, unobserved: Collection[str] = (), limit: int = _MOST_SETS
) -> tuple[Instrument, ...]:
    """Return the instruments for the effect of ``x`` on ``y``, each with a smallest condition.

    Z is one given W if W holds nothing that ``y`` or ``x`` causes, separates Z from ``y`` once the
    edges out of ``x`` are gone, and does not separate Z from ``x``.

    Parameters
    ----------
    graph : Graph
        A DAG, or a graph with a double-headed arrow for every hidden common cause (a learned MAG
        may leave some undrawn).
    x, y : str
    unobserved : collection of str
        Nodes that cannot be used.
    limit : int
        Most conditions looked at for a column; only minimal ones are, so that an instrument whose
        every condition is larger than minimal is missed.

    References
    ----------
    Brito & Pearl (2002), Generalized instrumental variables.
    van der Zander, Textor & Liśkiewicz (2015), Efficiently finding conditional instruments for
    causal inference.
    """
    _decided(graph, "an instrument")
    as_nodes(graph, (x, y))
    hidden = as_nodes(graph, unobserved)
    if y not in graph.descendants(x):
        return ()
    through_x = _without_effects(graph, {x})
    later = graph.descendants(x) | {x, y}
    usable = [n for n in graph.nodes if n not in later and n not in hidden]
    found: list[Instrument] = []
    for name in usable:
        conditions = sorted(
            islice(
                _minimal_separators(
                    through_x, frozenset({name}), frozenset({y}), set(usable) - {name}
                ),
                limit,
            ),
            key=lambda s: (len(s), sorted(s)),
        )
        given = next((s for s in conditions if not is_separated(graph, name, x, s)), None)
        if given is not None:
            found.append(Instrument(name, given))
    return tuple(found)


def _decided(graph: Graph, what: str) -> None:
    for edge in graph:
        if edge.mark not in {"-->", "<->"}:
            raise GraphError(
                f"{what} is not defined where {edge.a} {edge.mark} {edge.b} is open",
                where="graph",
                remedy="Direct its edges, or ask of each DAG of the class (class_members)",
            )


def _without_effects(graph: Graph, nodes: Collection[str]) -> Graph:
    """Return the graph without the directed edges out of some nodes."""
    return graph.with_edges(e for e in graph if not (e.is_directed and e.a in nodes))
