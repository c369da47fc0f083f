"""The columns between the changed mechanisms and the measure, ready to be run again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from whydrift.discovery.arrays import BoolArray, FloatArray, IntArray
from whydrift.discovery.graph import Graph
from whydrift.monitor.diagnosis.counterfactual.base import Rows
from whydrift.monitor.diagnosis.counterfactual.category import CategoryMechanism, fit_category
from whydrift.monitor.diagnosis.counterfactual.design import (
    CategoryBasis,
    Columns,
    Design,
    NumberBasis,
    basis_in,
)
from whydrift.monitor.diagnosis.counterfactual.grade import fit_grade, has_few_values
from whydrift.monitor.diagnosis.counterfactual.in_two_parts import (
    TwoPartMechanism,
    fit_in_two_parts,
)
from whydrift.monitor.diagnosis.counterfactual.number import NumberMechanism, fit_number
from whydrift.monitor.diagnosis.metric import RowMeasure
from whydrift.monitor.diagnosis.pair import WindowPair
from whydrift.monitor.diagnosis.row_groups import GROUPS

__all__ = ["World", "fit_world"]

_SURE = 1e-12  # a chance of 0 or 1 has no log odds


@dataclass(frozen=True)
class Node:
    """A column with its causes and its fitted mechanism.

    Parameters
    ----------
    unit : int, optional
        The unit it belongs to, whose mechanisms are exchanged together; None for a column whose
        mechanism is the same in both windows.
    luck : ndarray of shape (n_rows, 2)
        A uniform number or two for each pooled row.
    """

    name: str
    parents: tuple[str, ...]
    design: Design
    mechanism: NumberMechanism | CategoryMechanism | TwoPartMechanism
    unit: int | None
    luck: FloatArray


@dataclass(frozen=True)
class World:
    """What follows from the changed mechanisms, causes first, with the measure at the end.

    Parameters
    ----------
    pair : WindowPair
        The windows as recorded.
    measure : RowMeasure
        What is measured.
    units : tuple of tuple of str
        Columns whose mechanisms differ; those of a unit are exchanged together.
    nodes : tuple of Node
        These columns and what lies below them, as far as it can reach the measure.
    prediction : Node, optional
        What the model makes of its inputs, for a loss.
    is_chance : bool
        Whether the prediction's mechanism is on the scale of log odds.
    target : str
        The target.
    bases : mapping of str to Basis
        Of the columns that are causes here.
    """

    pair: WindowPair
    measure: RowMeasure
    units: tuple[tuple[str, ...], ...]
    nodes: tuple[Node, ...]
    prediction: Node | None
    is_chance: bool
    target: str
    bases: Mapping[str, NumberBasis | CategoryBasis]

    @cached_property
    def width(self) -> int:
        """Columns that are run again."""
        return len(self.nodes) + (self.prediction is not None)

    @cached_property
    def reaches_beyond(self) -> bool:
        """Whether a difference between mechanisms is anywhere known from one window alone."""
        return any(n.unit is not None and n.design.reaches_beyond for n in self.nodes)

    def extrapolating(self) -> World:
        """Return the world in which differences go on where only one window has rows."""
        nodes = tuple(
            n if n.unit is None else replace(n, design=replace(n.design, draws_in=False))
            for n in self.nodes
        )
        return replace(self, nodes=nodes)

    def rows(self, side: int, index: IntArray, fits: slice) -> Rerun:
        """Return some rows of a window, to be run again.

        Parameters
        ----------
        side : int
            0 for rows of the reference, 1 for rows of the current window.
        index : ndarray of int, shape (n,)
            Numbers among the pooled rows.
        fits : slice
            0:1 for the fit to all rows, 1: for those with each group left out.
        """
        return Rerun(self, side, index, fits)


class Rerun:
    """Rows of one window, run again under exchanged mechanisms."""

    def __init__(self, world: World, side: int, index: IntArray, fits: slice) -> None:
        self._world, self._side, self._index, self._fits = world, side, index, fits
        self._shape = (len(range(*fits.indices(1 + GROUPS))), len(index))
        self._recorded = Columns(world.bases, self._as_recorded)
        self._nobody = np.zeros(len(index), dtype=bool)
        self._rows_of: dict[str, Rows] = {}

    def measured(self, switched: BoolArray) -> FloatArray:
        """Return the measure of the rows had some mechanisms been the other window's.

        Parameters
        ----------
        switched : ndarray of bool, shape (n, n_units)
            Which units' mechanisms are exchanged, per row.

        Returns
        -------
        ndarray of shape (n_fits, n)
        """
        world, shape = self._world, self._shape
        moved = _Moved(world.bases, self._recorded)
        outcomes: Sequence[tuple[FloatArray, FloatArray]] = ()
        for node in world.nodes:
            flips = self._nobody if node.unit is None else switched[:, node.unit]
            if not flips.any() and not moved.has_any(node.parents):
                continue
            causes, own = node.design.causes(moved, len(self._index)), self._rows(node)
            if node.name == world.target and not isinstance(node.mechanism, NumberMechanism):
                outcomes = node.mechanism.outcomes(own, causes, flips)
            else:
                moved.put(node.name, node.mechanism.rerun(own, causes, flips))
        guess = self._guess(moved)
        if not outcomes:
            truth = moved.values.get(world.target)
            measured = world.measure.of(
                self._as_recorded(world.target) if truth is None else truth, guess
            )
            return np.broadcast_to(measured, shape)
        total, mass = np.zeros(shape), np.zeros(shape)
        for outcome, chance in outcomes:
            measured = world.measure.of(np.broadcast_to(outcome, shape), guess)
            if np.isfinite(measured).any():  # a class that is new to the measure has none
                total += chance * measured
                mass += chance
        return np.asarray(total / np.where(mass > 0, mass, 1.0))

    def _guess(self, moved: _Moved) -> FloatArray | None:
        """Return the predictions, each with what its row's own differs from the emulated one by."""
        node = self._world.prediction
        if node is None:
            return None
        if not moved.has_any(node.parents):
            return np.broadcast_to(self._as_recorded(node.name), self._shape)
        out = node.mechanism.rerun(
            self._rows(node), node.design.causes(moved, len(self._index)), self._nobody
        )
        if self._world.is_chance:
            out = 1 / (1 + np.exp(-out))
        return np.broadcast_to(out, self._shape)

    def _rows(self, node: Node) -> Rows:
        if node.name not in self._rows_of:
            luck = node.luck[self._index]
            self._rows_of[node.name] = Rows(self._side, self._index, luck, self._fits)
        return self._rows_of[node.name]

    def _as_recorded(self, name: str) -> FloatArray:
        return self._world.pair.values(name)[self._index][None]


class _Moved(Columns):
    """Columns of one run; those that no one touched are as recorded."""

    def __init__(self, bases: Mapping[str, NumberBasis | CategoryBasis], recorded: Columns) -> None:
        self.values: dict[str, FloatArray] = {}
        super().__init__(bases, self.values.__getitem__)
        self._recorded = recorded

    def put(self, name: str, values: FloatArray) -> None:
        """Give a column new values, shape (n_fits, n)."""
        self.values[name] = values

    def has_any(self, names: tuple[str, ...]) -> bool:
        """Whether any of these columns has new values."""
        return any(n in self.values for n in names)

    def ingredients(self, name: str, drawn_in: bool) -> FloatArray:
        """See `Columns`."""
        if name in self.values:
            return super().ingredients(name, drawn_in)
        return self._recorded.ingredients(name, drawn_in)

    def bounded(self, name: str, drawn_in: bool) -> FloatArray:
        """See `Columns`."""
        if name in self.values:
            return super().bounded(name, drawn_in)
        return self._recorded.bounded(name, drawn_in)


def fit_world(
    pair: WindowPair,
    measure: RowMeasure,
    graph: Graph,
    units: tuple[tuple[str, ...], ...],
    target: str,
    prediction: str | None,
    groups: IntArray,
    rng: np.random.Generator,
) -> World:
    """Fit the mechanism of every column at or below a unit that can reach the measure.

    Parameters are those of `World`, and

    graph : Graph
        Its directed edges give each column's causes.
    groups : ndarray of int, shape (n_rows,)
        Groups of pooled rows that are left out in turn.
    rng : numpy.random.Generator
        For the luck of each row.
    """
    usable = [n for n in graph.topological_order() if n in pair.names]
    unit_of = {name: place for place, unit in enumerate(units) for name in unit}
    wanted = set(unit_of).union(*(graph.descendants(name) for name in unit_of))
    if prediction is None:
        wanted &= {target, *graph.ancestors(target)}
    inputs = () if prediction is None else tuple(n for n in usable if n != target)
    causes = {p for n in usable if n in wanted for p in graph.parents(n)}.union(inputs)
    bases = {n: basis_in(pair, n) for n in usable if n in causes}
    known = Columns(bases, pair.values)

    def fitted(name: str, parents: tuple[str, ...], values: FloatArray) -> Node:
        unit = unit_of.get(name)
        design = Design({p: bases[p] for p in parents}, differs=unit is not None)
        features = design(known, values.shape)
        layout, luck = design.layout, rng.random((len(values), 2))
        if name == prediction:  # a formula: what it misses is no noise whose spread could change
            layout = replace(layout, for_spread=layout.for_spread[:1])
        mechanism: NumberMechanism | CategoryMechanism | TwoPartMechanism | None = None
        given = values, features, layout, pair.is_current, groups, GROUPS
        if pair.is_discrete(name):
            mechanism = fit_category(*given)
        elif name != prediction and has_few_values(values):
            mechanism = fit_grade(*given)
        elif name != prediction:
            mechanism = fit_in_two_parts(*given, luck[:, 1])
        return Node(name, parents, design, mechanism or fit_number(*given), unit, luck)

    nodes = tuple(
        fitted(n, tuple(p for p in graph.parents(n) if p in bases), pair.values(n))
        for n in usable
        if n in wanted
    )
    if prediction is None:
        return World(pair, measure, units, nodes, None, False, target, bases)
    guesses, is_chance = pair.values(prediction), measure.is_chance
    if is_chance:
        chance = np.clip(guesses, _SURE, 1 - _SURE)
        guesses = np.log(chance / (1 - chance))
    model = fitted(prediction, inputs, guesses)
    return World(pair, measure, units, nodes, model, is_chance, target, bases)
