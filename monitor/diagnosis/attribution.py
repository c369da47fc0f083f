"""How much of the change of a measure each changed mechanism explains: Shapley values.

Rows are run again under the other window's mechanisms (`counterfactual.world`), one changed
mechanism after the other, in a random order and its reverse per row. What the measure of a row
moves by when a mechanism's turn comes, averaged over rows and orders, is its Shapley value. Rows of
the reference are run forward and rows of the current window backward, and both averaged.

Nothing is forced on the columns: the part of the change that the changed mechanisms do not bring
about (a change that went unseen, or chance) is ``unattributed``.

References
----------
Budhathoki, Janzing, Blöbaum & Ng (2021), Why did the distribution change?
Castro, Gómez & Tejada (2009), Polynomial calculation of the Shapley value based on sampling.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
from scipy.special import stdtrit

from whydrift.discovery.arrays import BoolArray, FloatArray, IntArray
from whydrift.discovery.graph import Edge, Graph
from whydrift.discovery.orientation import cpdag_to_dag
from whydrift.monitor.diagnosis.counterfactual.base import ALL_ROWS
from whydrift.monitor.diagnosis.counterfactual.world import World, fit_world
from whydrift.monitor.diagnosis.diagnosis import Estimate, Metric
from whydrift.monitor.diagnosis.metric import RowMeasure
from whydrift.monitor.diagnosis.pair import WindowPair
from whydrift.monitor.diagnosis.row_groups import GROUPS, row_groups
from whydrift.monitor.diagnosis.usual_difference import usual_difference

__all__ = ["Attribution", "attribute"]

_MOST_ROWS = 4096  # of each window that are run again
_MOST_RUNS = 80_000  # rows × columns × players, so that many players take no minutes
_LEAST_ROWS = 256
_RUNS_TOGETHER = 20_000  # rows: few calls for short windows, and little memory for long ones
_REFIT_ROWS = 128  # of them for the fits with rows left out: only the differences count there
# Standard errors added for what no resampling shows, as multiples of two signs of it: what hangs on
# values that one window lacks, and how far rows of the two windows disagree. Fitted to driftbench's
# suite multi, seeds 0-8.
_BEYOND = 2.5
_DISAGREE = 0.75


@dataclass(frozen=True)
class Attribution:
    """Contributions that add up, with what is left over, to the change of the measure.

    Parameters
    ----------
    metric : Metric
        The measure and its change. ``unexplained`` is the part of ``unattributed`` that chance
        does not account for.
    contributions : mapping of str to Estimate
        Of the players; all others contribute nothing.
    groups : mapping of str to str
        For players that cannot be told apart, the name of their group. Each is given an equal
        part, with an interval from nothing to all.
    unknown : frozenset of str
        Columns of which nobody can tell what they contribute.
    """

    metric: Metric
    contributions: Mapping[str, Estimate]
    groups: Mapping[str, str] = field(default_factory=dict)
    unknown: frozenset[str] = frozenset()


def attribute(
    pair: WindowPair,
    measure: RowMeasure,
    graph: Graph,
    players: tuple[str, ...],
    *,
    target: str,
    prediction: str | None,
    rng: np.random.Generator,
    together: Sequence[tuple[str, ...]] = (),
) -> Attribution:
    """Attribute the change of a measure's mean to changed mechanisms.

    Parameters
    ----------
    pair : WindowPair
        The windows as recorded.
    measure : RowMeasure
        One value per sampled row.
    graph : Graph
        Gives each column's causes. Edges without a direction are given one that the rest of the
        graph allows; players that such an edge joins count as one.
    players : tuple of str
        Columns at which a change begins and that can reach the measure.
    target : str
        The target.
    prediction : str, optional
        The prediction, where the measure is a loss.
    rng : numpy.random.Generator
        For orders and rows.
    together : sequence of tuple of str
        Players of which one moved, nobody knows which: they count as one, and what they have in
        common is exchanged with them.

    Returns
    -------
    Attribution
        Intervals are at 90 %, from a delete-a-group jackknife over groups of clusters, or of
        neighbouring rows. Those of the measure's change, and of what is left over, allow for what
        past windows differ by, where there are enough of them.
    """
    values = np.concatenate([measure.reference, measure.current])
    usable = np.isfinite(values)
    groups = row_groups(pair, usable)
    sides = [np.flatnonzero(usable & (pair.is_current == side)) for side in (0, 1)]
    means = [_without_each(values[rows], groups[rows]) for rows in sides]
    totals = means[1] - means[0]
    usual = usual_difference(pair, values, usable)
    few = _doubt_of_few(values, sides)
    units = _units(graph, players, together)
    shares, doubt = np.zeros((1 + GROUPS, 0)), np.zeros(0)
    if units and all(len(rows) for rows in sides):
        wider = _one_after_the_other(graph, together)
        directed = wider if wider.is_dag else cpdag_to_dag(wider) or wider
        world = fit_world(pair, measure, directed, units, target, prediction, groups, rng)
        steps = [_Steps.of(world, side, sides[side], groups, rng) for side in (0, 1)]
        shares = (steps[0].means + steps[1].means) / 2
        doubt = np.hypot(
            _BEYOND * np.abs(steps[0].beyond + steps[1].beyond) / 2,
            _DISAGREE * np.abs(steps[0].means[0] - steps[1].means[0]),
        )
    rest = totals - shares.sum(axis=1)
    left = _interval(rest, few, usual)
    assert left.low is not None and left.high is not None
    unexplained = max(left.low, 0.0) + min(left.high, 0.0)
    contributions: dict[str, Estimate] = {}
    names: dict[str, str] = {}
    for position, unit in enumerate(units if shares.shape[1] else ()):
        whole = _interval(shares[:, position], float(doubt[position]))
        if len(unit) == 1:
            contributions[unit[0]] = whole
            continue
        part = _part(whole, len(unit))
        contributions |= dict.fromkeys(unit, part)
        names |= dict.fromkeys(unit, " + ".join(unit))
    metric = Metric(
        measure.name,
        float(means[0][0]),
        float(means[1][0]),
        _interval(totals, few, usual),
        left.value,
        unexplained if units else None,
    )
    return Attribution(metric, contributions, names)


def _units(
    graph: Graph, players: tuple[str, ...], together: Sequence[tuple[str, ...]]
) -> tuple[tuple[str, ...], ...]:
    """Return the players, as one those joined by an edge of open direction or moved together."""
    units: list[list[str]] = []
    for name in players:
        near = {*graph.undecided_neighbours(name), *(c for g in together if name in g for c in g)}
        joined = [
            u
            for u in units
            if near.intersection(u) or any(name in graph.undecided_neighbours(o) for o in u)
        ]
        units = [u for u in units if u not in joined]
        units.append([n for u in joined for n in u] + [name])
    return tuple(tuple(u) for u in units)


def _one_after_the_other(graph: Graph, together: Sequence[tuple[str, ...]]) -> Graph:
    """Return the graph in which each column of a group follows from those before it.

    What they have in common, by a hidden cause or an edge that the graph lacks, is then in their
    mechanisms: of the later one given the earlier ones and the parents of all (Tian & Pearl 2002).
    """
    edges = {frozenset((e.a, e.b)): e for e in graph}
    for group in together:
        order = [n for n in graph.topological_order() if n in group]
        for one, other in combinations(order, 2):
            edge = edges.get(frozenset((one, other)))
            if edge is not None and edge.mark in {"-->", "---"}:
                continue
            edges[frozenset((one, other))] = Edge.of(one, "-->", other)
            for parent in graph.parents(one):
                edges.setdefault(frozenset((parent, other)), Edge.of(parent, "-->", other))
    return graph.with_edges(edges.values())


def _part(whole: Estimate, count: int) -> Estimate:
    """Return an equal part of a group's contribution; nobody knows more than "none to all"."""
    assert whole.low is not None and whole.high is not None
    return Estimate(whole.value / count, min(whole.low, 0.0), max(whole.high, 0.0))


@dataclass(frozen=True)
class _Steps:
    """What each unit's turn moves the measure by, in rows of one window.

    Parameters
    ----------
    means : ndarray of shape (1 + GROUPS, n_units)
        All rows, and with each group left out of rows and fits.
    beyond : ndarray of shape (n_units,)
        What they would be more if the difference between the windows' mechanisms went on where
        only one of them has rows.
    """

    means: FloatArray
    beyond: FloatArray

    @classmethod
    def of(
        cls, world: World, side: int, rows: IntArray, groups: IntArray, rng: np.random.Generator
    ) -> _Steps:
        count = len(world.units)
        most = max(_LEAST_ROWS, min(_MOST_ROWS, _MOST_RUNS // (count * world.width)))
        chosen = np.sort(rng.permutation(rows)[:most])
        orders = np.argsort(rng.random((len(chosen), count)), axis=1)
        both_ways = (orders, orders[:, ::-1]) if count > 1 else (orders,)
        moves = _along(world, side, chosen, both_ways)[:, 0]
        first, both = moves[0], moves.mean(axis=0)
        some = np.sort(rng.permutation(len(chosen))[: min(_REFIT_ROWS, most // 4)])
        few = (orders[some],)
        refitted = _along(world, side, chosen[some], few, slice(1, None))[0]
        before = first[some].mean(axis=0)
        further = before
        if world.reaches_beyond:
            moved = _along(world.extrapolating(), side, chosen[some], few)
            further = moved[0, 0].mean(axis=0)
        own, sums, all_rows = groups[chosen], both.sum(axis=0), len(both)
        left = np.maximum(all_rows - np.bincount(own, minlength=GROUPS), 1)
        inside = np.stack([np.bincount(own, unit, GROUPS) for unit in both.T], axis=1)
        means = np.concatenate([sums[None] / all_rows, (sums - inside) / left[:, None]])
        means[1:] += refitted.mean(axis=1) - before
        # Backward, each turn takes a change back.
        sign = 1.0 if side == 0 else -1.0
        return cls(sign * means, sign * (further - before))


def _along(
    world: World,
    side: int,
    index: IntArray,
    orders: Sequence[IntArray],
    fits: slice = ALL_ROWS,
) -> FloatArray:
    """Return what each unit's turn moves the measure by, shape (n_orders, n_fits, n_rows, n_units).

    Each of ``orders`` has every row's order of the units, shape (n_rows, n_units).
    """
    rows = np.arange(len(index))
    nobody: BoolArray = np.zeros(orders[0].shape, dtype=bool)
    before = world.rows(side, index, fits).measured(nobody)
    # Once all are exchanged it no longer matters in which order they were.
    steps = [~nobody]
    for order in orders:
        switched = nobody
        for turn in order.T[:-1]:
            switched = switched.copy()
            switched[rows, turn] = True
            steps.append(switched)
    measured = _measured(world, side, index, fits, steps)
    everyone = next(measured)
    out = np.empty((len(orders), len(before), *nobody.shape))
    for moves, order in zip(out, orders, strict=True):
        last = before
        for place, turn in enumerate(order.T, start=1):
            now = next(measured) if place < order.shape[1] else everyone
            moves[:, rows, turn] = now - last
            last = now
    return out


def _measured(
    world: World, side: int, index: IntArray, fits: slice, steps: Sequence[BoolArray]
) -> Iterator[FloatArray]:
    """Yield the measure of rows in each of some steps, shape (n_fits, n_rows); many in one run."""
    runs = max(1, len(index) * len(range(*fits.indices(1 + GROUPS))))
    together = max(1, _RUNS_TOGETHER // runs)
    for start in range(0, len(steps), together):
        part = steps[start : start + together]
        again = world.rows(side, np.tile(index, len(part)), fits)
        yield from np.split(again.measured(np.concatenate(part)), len(part), axis=1)


def _without_each(values: FloatArray, groups: IntArray) -> FloatArray:
    """Return the mean of all rows and with each group left out, shape (1 + GROUPS,)."""
    sums, counts = np.bincount(groups, values, GROUPS), np.bincount(groups, minlength=GROUPS)
    left = np.maximum(len(values) - counts, 1)
    whole = values.mean() if len(values) else 0.0
    return np.concatenate([[whole], (values.sum() - sums) / left])


def _doubt_of_few(values: FloatArray, sides: Sequence[IntArray]) -> float:
    """Return the standard error of the means of windows of fewer rows than there are groups.

    Their own spread, from a row or a few, may be next to nothing: that of all rows stands for it.
    """
    both = values[np.concatenate(sides)]
    variance = float(both.var()) if len(both) else 0.0
    return math.sqrt(sum(variance / len(rows) for rows in sides if 0 < len(rows) < GROUPS))


def _interval(means: FloatArray, doubt: float = 0.0, usual: float = 0.0) -> Estimate:
    """Return value and interval.

    ``doubt`` is a further standard error, and ``usual`` half an interval for what windows differ
    by; both are added in quadrature.
    """
    value, left_out = float(means[0]), means[1:]
    error = float(np.sqrt((GROUPS - 1) / GROUPS * ((left_out - left_out.mean()) ** 2).sum()))
    half = float(np.hypot(stdtrit(GROUPS - 1, 0.95) * np.hypot(error, doubt), usual))
    return Estimate(value, value - half, value + half)
