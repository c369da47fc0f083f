"""Partial correlations over all small sets of candidates: the loop that skeletons are made of.

Sets are walked as a tree: what is eliminated for a set's first members is shared by all sets that
begin with them, so that a test costs some ten operations whatever its size.
"""

from __future__ import annotations

import numpy as np

from whydrift.discovery._compiled import compiled
from whydrift.discovery.arrays import BoolArray, FloatArray, IntArray

__all__ = ["FIRST", "SMALLEST", "TALLY", "scan_columns"]

FIRST, SMALLEST, TALLY = 0, 1, 2
_DETERMINED = 1e-9  # remaining variance, of 1, that is rounding and no signal


@compiled
def scan_columns(
    correlation: FloatArray,
    candidates: BoolArray,
    asked: BoolArray,
    old: BoolArray,
    limits: FloatArray,
    level: int,
    mode: int,
    first: int,
    last: int,
    smallest: FloatArray,
    sets: IntArray,
    number: IntArray,
    votes: IntArray,
) -> None:
    """Ask, for the columns from ``first`` to ``last``, all their pairs about all sets of a size.

    Parameters
    ----------
    correlation : ndarray of shape (n_columns, n_columns)
    candidates : ndarray of bool, shape (n_columns, n_columns)
        ``candidates[x, z]``: z may stand in the sets of x.
    asked : ndarray of bool, shape (n_columns, n_columns)
        ``asked[x, y]``: look for sets of x that separate it from y.
    old : ndarray of bool, shape (n_columns, n_columns)
        Sets of x that lie wholly within ``old[x]`` are passed over.
    limits : ndarray of shape (n_columns, n_columns)
        Squared partial correlation below which a pair counts as independent.
    level : int
        Size of the sets, at least 1.
    mode : int
        ``FIRST``: stop at a pair's first set below the limit. ``SMALLEST``: find its set with the
        smallest partial correlation. ``TALLY``: count its sets below the limit.
    first, last : int
        Range of x.
    smallest : ndarray of shape (n_columns, n_columns)
        Changed in place, symmetric: the squared partial correlation found; 2 where there is none.
    sets : ndarray of int, shape (n_columns, n_columns, level)
        Changed in place in the mode SMALLEST: the set it belongs to.
    number : ndarray of int, shape (n_columns, n_columns)
        For TALLY: the pair's row in ``votes``, symmetric.
    votes : ndarray of int, shape (n_pairs, n_columns + 1)
        Changed in place by TALLY: in how many separating sets each column stands; last, the sets.
    """
    count = len(correlation)
    largest = 0
    for x in range(first, last):
        largest = max(largest, candidates[x].sum())
    members = np.empty(largest, np.int64)
    blocks = np.empty((max(1, level - 1), largest, largest))
    spare, to_x, to_y = (
        np.empty((level, largest)),
        np.empty((level, largest)),
        np.empty((level, largest)),
    )
    own = np.empty((level, 3))
    place, outside, beyond = (
        np.empty(level, np.int64),
        np.empty(level, np.int64),
        np.empty(level, np.int64),
    )
    for x in range(first, last):
        size = 0
        for z in range(count):
            if candidates[x, z]:
                members[size] = z
                size += 1
        filled = level == 1  # the block is needed to eliminate, and not before a pair is asked
        for y in range(count):
            if not asked[x, y] or limits[x, y] < 0 or size - candidates[x, y] < level:
                continue
            if mode == FIRST and smallest[x, y] < limits[x, y]:
                continue  # separated from the other side
            if not filled:
                for i in range(size):
                    for j in range(i, size):
                        blocks[0, i, j] = correlation[members[i], members[j]]
                filled = True
            skip = -1
            for i in range(size):
                if members[i] == y:
                    skip = i
                spare[0, i] = 1.0
                to_x[0, i] = correlation[x, members[i]]
                to_y[0, i] = correlation[y, members[i]]
            own[0, 0] = own[0, 1] = 1.0
            own[0, 2] = correlation[x, y]
            # Sets that the other side offers as well are asked there, if it comes first.
            other_first = y < x and asked[y, x]
            place[0] = -1
            outside[0] = 0
            beyond[0] = 0 if other_first else 1
            depth = 0
            done = False
            while depth >= 0 and not done:
                if depth < level - 1:
                    c = place[depth] + 1
                    if c == skip:
                        c += 1
                    if c >= size:
                        depth -= 1
                        continue
                    place[depth] = c
                    z = members[c]
                    deeper = depth + 1
                    outside[deeper] = outside[depth] + (not old[x, z])
                    beyond[deeper] = beyond[depth] + (not candidates[y, z])
                    v = spare[depth, c]
                    if v > _DETERMINED:
                        a, b = to_x[depth, c] / v, to_y[depth, c] / v
                        own[deeper, 0] = own[depth, 0] - a * to_x[depth, c]
                        own[deeper, 1] = own[depth, 1] - b * to_y[depth, c]
                        own[deeper, 2] = own[depth, 2] - a * to_y[depth, c]
                        if own[deeper, 0] <= _DETERMINED or own[deeper, 1] <= _DETERMINED:
                            continue  # these members leave nothing of x or of y to test
                        for i in range(c + 1, size):
                            g = blocks[depth, c, i]
                            to_x[deeper, i] = to_x[depth, i] - a * g
                            to_y[deeper, i] = to_y[depth, i] - b * g
                            spare[deeper, i] = spare[depth, i] - g * g / v
                        if deeper < level - 1:
                            for i in range(c + 1, size):
                                g = blocks[depth, c, i] / v
                                for j in range(i, size):
                                    blocks[deeper, i, j] = (
                                        blocks[depth, i, j] - g * blocks[depth, c, j]
                                    )
                    else:  # determined by the members before it: nothing changes
                        for k in range(3):
                            own[deeper, k] = own[depth, k]
                        for i in range(c + 1, size):
                            to_x[deeper, i], to_y[deeper, i] = to_x[depth, i], to_y[depth, i]
                            spare[deeper, i] = spare[depth, i]
                        if deeper < level - 1:
                            for i in range(c + 1, size):
                                for j in range(i, size):
                                    blocks[deeper, i, j] = blocks[depth, i, j]
                    place[deeper] = c
                    depth = deeper
                    continue
                xx, yy, xy = own[depth, 0], own[depth, 1], own[depth, 2]
                for c in range(place[depth] + 1, size):
                    if c == skip:
                        continue
                    z = members[c]
                    if outside[depth] == 0 and old[x, z]:
                        continue
                    if beyond[depth] == 0 and candidates[y, z]:
                        continue
                    v, a, b = spare[depth, c], to_x[depth, c], to_y[depth, c]
                    x_left, y_left, cross = xx, yy, xy
                    if v > _DETERMINED:
                        x_left, y_left, cross = xx - a * a / v, yy - b * b / v, xy - a * b / v
                    if x_left <= _DETERMINED or y_left <= _DETERMINED:
                        continue
                    r2 = cross * cross / (x_left * y_left)
                    if mode == TALLY:
                        if r2 < limits[x, y]:
                            row = number[x, y]
                            votes[row, count] += 1
                            votes[row, z] += 1
                            for k in range(level - 1):
                                votes[row, members[place[k]]] += 1
                    elif r2 < smallest[x, y]:
                        smallest[x, y] = smallest[y, x] = r2
                        if mode == SMALLEST:
                            for k in range(level - 1):
                                sets[x, y, k] = sets[y, x, k] = members[place[k]]
                            sets[x, y, level - 1] = sets[y, x, level - 1] = z
                        elif r2 < limits[x, y]:
                            done = True
                            break
                depth -= 1
