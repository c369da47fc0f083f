"""Who benefits: a small tree that a person can read, grown on one half and judged on the other."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from whydrift.discovery.arrays import BoolArray, FloatArray, IntArray
from whydrift.effects.chart import Chart, Rule, Series
from whydrift.effects.extra import library
from whydrift.effects.influence import influence_error
from whydrift.effects.table import Table
from whydrift.effects.words import interval_text, number_text, percent

__all__ = ["BenefitTree", "Leaf", "benefit_tree"]

_LEAST_ROWS, _LEAST_SHARE = 20, 0.1


@dataclass(frozen=True, slots=True)
class Leaf:
    """Rows of a kind.

    Parameters
    ----------
    rule : str
        In words: ``age > 30 and region is north``.
    share : float
        Of all rows.
    rows : int
        Of the half that judges.
    predicted : float
        Mean prediction for the rows it grew on: what the leaves are ordered by, so that the first
        is no winner of a lottery.
    value, low, high : float
        The effect on them.
    """

    rule: str
    share: float
    rows: int
    predicted: float
    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return (
            f"{self.rule} ({percent(self.share)} of rows): "
            f"{number_text(self.value, signed=True)} {interval_text(self.low, self.high)}"
        )


@dataclass(frozen=True)
class BenefitTree:
    """The leaves, those predicted to gain most first, and which rows stand in each."""

    leaves: tuple[Leaf, ...]
    leaf_of_row: IntArray

    def gains(self, gain: FloatArray, grown: BoolArray) -> BoolArray:
        """Return the rows in leaves whose mean gain is above 0 on the rows it grew on."""
        found = np.zeros(len(gain), dtype=bool)
        for leaf in np.unique(self.leaf_of_row):
            mine = self.leaf_of_row == leaf
            found[mine] = float(gain[mine & grown].mean()) > 0
        return found

    def table(self) -> Table:
        """Return the leaves."""
        return Table.of(
            "Who benefits: a tree grown on one half of the rows, its effects from the other",
            {
                "who": [leaf.rule for leaf in self.leaves],
                "share": [leaf.share for leaf in self.leaves],
                "rows judged": [leaf.rows for leaf in self.leaves],
                "predicted": [leaf.predicted for leaf in self.leaves],
                "effect": [leaf.value for leaf in self.leaves],
                "low": [leaf.low for leaf in self.leaves],
                "high": [leaf.high for leaf in self.leaves],
            },
        )

    def chart(self, outcome: str) -> Chart:
        """Return the leaves as a forest."""
        series = Series.of(
            "",
            [leaf.value for leaf in self.leaves],
            range(len(self.leaves)),
            low=[leaf.low for leaf in self.leaves],
            high=[leaf.high for leaf in self.leaves],
        )
        return Chart(
            "tree",
            "Who benefits",
            f"effect on {outcome}",
            "",
            (series,),
            (Rule("x", 0.0, "no effect"),),
            tuple(leaf.rule for leaf in self.leaves),
        )


def benefit_tree(
    design: FloatArray,
    names: tuple[str, ...],
    predicted: FloatArray,
    gain: FloatArray,
    grown: BoolArray,
    *,
    depth: int,
    reach: float,
    cluster: IntArray | None,
    seed: int,
) -> BenefitTree:
    """Grow a tree of the predicted effect on some rows; judge it by the gains of the others.

    Parameters
    ----------
    design : ndarray of shape (n_rows, n_features)
    names : tuple of str
    predicted : ndarray of shape (n_rows,)
        By a learner that saw the rows the tree grows on, and no others.
    gain : ndarray of shape (n_rows,)
        Doubly robust scores.
    grown : ndarray of bool, shape (n_rows,)
        The rows it grows on.
    depth : int
    reach : float
        Of the intervals, in standard errors.
    cluster : ndarray of int, optional
    seed : int

    References
    ----------
    Athey & Imbens (2016), Recursive partitioning for heterogeneous causal effects.
    """
    trees = library("sklearn.tree", "benefit tree")
    least = max(_LEAST_ROWS, math.ceil(_LEAST_SHARE * int(grown.sum())))
    tree = trees.DecisionTreeRegressor(max_depth=depth, min_samples_leaf=least, random_state=seed)
    tree.fit(design[grown], predicted[grown])
    place = np.asarray(tree.apply(design), dtype=np.int64)
    rules = _rules(tree.tree_, names, design)
    judged = ~grown
    among = None if cluster is None else np.unique(cluster[judged], return_inverse=True)[1]
    leaves = []
    for node, rule in rules.items():
        mine = (place == node) & judged
        if mine.sum() < 2:
            continue
        value = float(gain[mine].mean())
        influence = np.where(mine[judged], (gain[judged] - value) / mine[judged].mean(), 0.0)
        error, _ = influence_error(influence, among)
        leaf = Leaf(
            rule, float((place == node).mean()), int(mine.sum()),
            float(predicted[(place == node) & grown].mean()),
            value, value - reach * error, value + reach * error,
        )  # fmt: skip
        leaves.append((node, leaf))
    leaves.sort(key=lambda found: -found[1].predicted)
    rank = {node: number for number, (node, _) in enumerate(leaves)}
    where = np.array([rank.get(int(node), -1) for node in place])
    return BenefitTree(tuple(leaf for _, leaf in leaves), where)


_Bounds = dict[int, tuple[float, float]]


def _rules(tree: object, names: tuple[str, ...], design: FloatArray) -> dict[int, str]:
    """Return the rule of each leaf in words."""
    left, right = tree.children_left, tree.children_right  # type: ignore[attr-defined]
    feature, threshold = tree.feature, tree.threshold  # type: ignore[attr-defined]
    is_flag: BoolArray = np.asarray(np.isin(design, (0.0, 1.0)).all(axis=0))
    found: dict[int, str] = {}

    def walk(node: int, bounds: _Bounds) -> None:
        if left[node] == right[node]:
            said = [_condition(names[f], *b, bool(is_flag[f])) for f, b in bounds.items()]
            found[node] = " and ".join(said) or "all rows"
            return
        column, cut = int(feature[node]), float(threshold[node])
        low, high = bounds.get(column, (-math.inf, math.inf))
        walk(left[node], {**bounds, column: (low, min(high, cut))})
        walk(right[node], {**bounds, column: (max(low, cut), high)})

    walk(0, {})
    return found


def _condition(name: str, low: float, high: float, is_flag: bool) -> str:
    if is_flag:
        column, equals, level = name.partition("=")
        if equals:
            return f"{column} is {level}" if low >= 0 else f"{column} is not {level}"
        return f"{name} = {1 if low >= 0 else 0}"
    if math.isinf(low):
        return f"{name} ≤ {number_text(high)}"
    if math.isinf(high):
        return f"{name} > {number_text(low)}"
    return f"{number_text(low)} < {name} ≤ {number_text(high)}"
