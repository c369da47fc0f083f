"""The compiled order search: its starts, and which parents are worth looking at.

References
----------
Andrews, Ramsey, Sanchez Romero, Camchong & Kummerfeld (2023), Fast scalable and accurate
discovery of DAGs using the best order score search and grow-shrink trees.
"""

from __future__ import annotations

import numpy as np

from whydrift.discovery._compiled import telling
from whydrift.discovery.arrays import BoolArray
from whydrift.discovery.progress import Progress
from whydrift.discovery.scores.base import NumberArrays, Score, ScoreArrays
from whydrift.discovery.search._boss_kernel import Rules, Trees, new_trees, sweep
from whydrift.discovery.search._score_kernel import Improve, improvements, improver

__all__ = ["best_parents", "order_rules"]

_MOST_SWEEPS = 60
_MOST_IDLE_SWEEPS = 2  # without a gain, before a start is given up
_TIE = 1e-4  # of a whole order's score: its rounding
# Possible parents looked at per column, where a score is slow and there are more.
_MOST_CANDIDATES = 24


def best_parents(
    score: Score,
    allowed: BoolArray,
    required: list[frozenset[int]],
    before: BoolArray,
    starts: int,
    rng: np.random.Generator,
    progress: Progress,
) -> list[tuple[int, ...]]:
    """Return every column's parents under the best order found.

    Parameters
    ----------
    score : Score
    allowed : ndarray of bool, shape (n_columns, n_columns)
        ``allowed[i, j]``: whether i may be a parent of j.
    required : list of frozenset of int
        Parents that each column has in any case.
    before : ndarray of bool, shape (n_columns, n_columns)
        ``before[i, j]``: whether i must stand before j in an order.
    starts : int
        Random orders to start from.
    rng : numpy.random.Generator
    progress : Progress
        Told after each sweep.
    """
    from whydrift.discovery.search.order import valid_order

    count = len(score.names)
    best_total = -np.inf
    best = np.arange(count)
    found = np.zeros((count, count), dtype=bool)
    with telling(progress):
        improve, arrays, trees, rules = order_rules(score, allowed, required)
        for start in range(max(1, starts)):
            order = np.array(valid_order(rng.permutation(count).tolist(), before), dtype=np.int64)
            top, idle = -np.inf, 0
            for done in range(_MOST_SWEEPS):
                progress("learning the graph", start * _MOST_SWEEPS + done, starts * _MOST_SWEEPS)
                turns, chance = rng.permutation(count), rng.random(count)
                total = sweep(improve, arrays, trees, rules, before, order, turns, chance, found)
                idle = 0 if total > top + _TIE else idle + 1
                if total > best_total:
                    best_total, best = total, order.copy()
                top = max(top, total)
                if idle > _MOST_IDLE_SWEEPS:
                    break
        sweep(improve, arrays, trees, rules, before, best, turns[:0], chance, found)
    return [tuple(np.flatnonzero(parents).tolist()) for parents in found]


def order_rules(
    score: Score, allowed: BoolArray, required: list[frozenset[int]]
) -> tuple[Improve, ScoreArrays, Trees, Rules]:
    """Return what compiled searches over orders read: the score, empty trees, and the rules.

    Parameters are those of `best_parents`.
    """
    count = len(score.names)
    arrays = score.arrays()
    improve = improver(arrays)
    demanded = np.zeros((count, count), dtype=bool)
    for column, causes in enumerate(required):
        demanded[column, list(causes)] = True
    offered = np.ascontiguousarray(allowed.T) & ~demanded
    if not isinstance(arrays, NumberArrays):
        offered = _promising(improve, arrays, offered, demanded)
    most = max(score.most_parents, int(demanded.sum(axis=1).max(initial=0)))
    return improve, arrays, new_trees(count, most), Rules(offered, demanded, most)


def _promising(
    improve: Improve, s: ScoreArrays, offered: BoolArray, required: BoolArray
) -> BoolArray:
    """Return the parents to look at: those that join one by one, and those that gain most alone.

    Every pair that may be joined in one direction may be joined in both, where both are allowed.
    """
    count = len(offered)
    if count <= _MOST_CANDIDATES:
        return offered
    out = np.zeros_like(offered)
    gains = np.empty(count)
    for column in range(count):
        parents = np.flatnonzero(required[column]).astype(np.int64)
        open_ = offered[column].copy()
        improvements(improve, s, column, parents, len(parents), open_, gains)
        alone = np.argsort(-gains, kind="stable")[:_MOST_CANDIDATES]
        out[column, alone[gains[alone] > 0]] = True
        for _ in range(_MOST_CANDIDATES // 2):  # what the others do not tell already
            best = int(gains.argmax())
            if gains[best] <= 0:
                break
            out[column, best] = True
            open_[best] = False
            open_ &= gains > 0
            parents = np.append(parents, best)
            improvements(improve, s, column, parents, len(parents), open_, gains)
    return (out | out.T) & offered
