"""Tucks in an order of columns, compiled.

References
----------
Lam, Andrews & Ramsey (2022), Greedy relaxations of the sparsest permutation algorithm.
"""

from __future__ import annotations

import numpy as np

from whydrift.discovery._compiled import compiled
from whydrift.discovery.arrays import BoolArray, FloatArray, IntArray
from whydrift.discovery.scores.base import ScoreArrays
from whydrift.discovery.search._boss_kernel import Rules, Trees, shrink, walk
from whydrift.discovery.search._score_kernel import Improve

__all__ = ["settle", "tuck"]


@compiled
def tuck(
    improve: Improve,
    s: ScoreArrays,
    t: Trees,
    rules: Rules,
    before: BoolArray,
    order: IntArray,
    parents: BoolArray,
    scores: FloatArray,
    x: int,
    y: int,
    new_order: IntArray,
    new_scores: FloatArray,
) -> float:
    """Move y, and its ancestors that stand between, before its parent x; return what that gains.

    Parameters
    ----------
    improve, s, t, rules
        The score, its trees, and which parents are allowed.
    before : ndarray of bool, shape (n_columns, n_columns)
        ``before[i, j]``: whether i must stand before j.
    order : ndarray of int, shape (n_columns,)
    parents : ndarray of bool, shape (n_columns, n_columns)
        ``parents[y, x]``: whether x is a parent of y under the order.
    scores : ndarray of shape (n_columns,)
        Of each column under the order.
    x, y : int
        An edge x → y.
    new_order, new_scores : ndarrays of shape (n_columns,)
        Hold the order and the scores afterwards on return, if the tuck is permitted.

    Returns
    -------
    float
        −inf where what must stand before something else would not.
    """
    columns = len(order)
    first, last = 0, 0
    for i in range(columns):
        if order[i] == x:
            first = i
        if order[i] == y:
            last = i
    family = np.zeros(columns, dtype=np.bool_)
    family[y] = True
    for i in range(last, first, -1):
        if family[order[i]]:
            for j in range(columns):
                if parents[order[i], j]:
                    family[j] = True
    family[x] = False
    place = first
    for moves in (True, False):
        for i in range(first, last + 1):
            if family[order[i]] == moves:
                new_order[place] = order[i]
                place += 1
    # Who stands behind the moved ones now, and stood before them?
    for i in range(first, last + 1):
        if not family[order[i]]:
            for j in range(i + 1, last + 1):
                if family[order[j]] and before[order[i], order[j]]:
                    return -np.inf
    prefix = np.zeros(columns, dtype=np.bool_)
    for i in range(columns):
        if i < first or i > last:
            new_order[i] = order[i]
        if i < first:
            prefix[order[i]] = True
        new_scores[i] = scores[i]
    gain = 0.0
    unused = np.empty(columns, dtype=np.int64)
    for i in range(first, last + 1):
        column = new_order[i]
        node, _ = walk(improve, s, t, rules, column, prefix, column)
        if np.isnan(t.final[node]):
            t.final[node], _ = shrink(improve, s, t, rules, node, column, unused)
        value = t.final[node]
        gain += value - scores[column]
        new_scores[column] = value
        prefix[column] = True
    return gain


@compiled
def settle(
    improve: Improve,
    s: ScoreArrays,
    t: Trees,
    rules: Rules,
    order: IntArray,
    parents: BoolArray,
    scores: FloatArray,
) -> float:
    """Put every column's best parents under an order, and its score, into arrays.

    Parameters
    ----------
    improve, s, t, rules, order
        As in `tuck`.
    parents : ndarray of bool, shape (n_columns, n_columns)
    scores : ndarray of shape (n_columns,)

    Returns
    -------
    float
        The score of all columns together.
    """
    columns = len(order)
    prefix = np.zeros(columns, dtype=np.bool_)
    found = np.empty(columns, dtype=np.int64)
    total = 0.0
    for i in range(columns):
        column = order[i]
        node, _ = walk(improve, s, t, rules, column, prefix, column)
        value, count = shrink(improve, s, t, rules, node, column, found)
        for j in range(columns):
            parents[column, j] = False
        for j in range(count):
            parents[column, found[j]] = True
        scores[column] = value
        total += value
        prefix[column] = True
    return total
