"""Columns that others determine: sums, differences, products, ratios, categories of categories.

Given a + b and b nothing of a is left: a test of a given the two has no answer, and a search that
took it for independence would drop true edges of a. Tests of numbers are told of relations that
their own arithmetic cannot see (a sum is no exact sum of ranks).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from whydrift.discovery.arrays import FloatArray, IntArray
from whydrift.discovery.independence.base import IndependenceTest
from whydrift.discovery.snapshot.note import Note
from whydrift.discovery.snapshot.snapshot import Snapshot

__all__ = ["Guarded", "Relation", "find_relations", "relations_of_correlations"]

_EXACT = 1e-9  # share of a column's variance that is rounding
_ROWS_PER_COLUMN = 3  # with fewer, chance determines columns
_LEAST_ROWS = 20
_MOST_COLUMNS = 1_000
_MOST_CATEGORIES = 100  # columns; pairs of more are not looked at
_FIRST_LOOK = 200  # rows that show most pairs not to be nested
_LEAST_PER_LEVEL = 5  # rows: levels of fewer determine everything by chance


@dataclass(frozen=True)
class Relation:
    """Some columns determine one another.

    Parameters
    ----------
    columns : tuple of int
        Their numbers; the others determine each one of ``determined``.
    determined : tuple of int
        All of them for a sum or a product; the coarser one of two categories.
    how : str
        In words: "a sum", "a product or ratio", "a category".
    """

    columns: tuple[int, ...]
    determined: tuple[int, ...]
    how: str

    def told(self, names: Sequence[str]) -> Note:
        """Return what a reader should know."""
        last = names[self.determined[-1]]
        others = ", ".join(repr(names[c]) for c in self.columns if names[c] != last)
        text = (
            f"{others} determine {last!r} ({self.how}); tests in which they are given have no "
            "answer, so that edges among these columns and to them may be too many, not too few"
        )
        return Note("determined_column", last, text)

    def renumbered(self, numbers: Sequence[int]) -> Relation:
        """Return the relation with ``numbers[c]`` for each column c."""
        columns, determined = (
            tuple(sorted(numbers[c] for c in old)) for old in (self.columns, self.determined)
        )
        return Relation(columns, determined, self.how)


class Guarded:
    """A test without an answer (NaN) where the given columns determine X or Y by a relation."""

    def __init__(self, test: IndependenceTest, relations: Sequence[Relation]) -> None:
        self.test = test
        self._relations = relations

    def __call__(self, x: IntArray, y: IntArray, given: IntArray) -> FloatArray:
        """Return p-values; see `IndependenceTest`."""
        lost = np.zeros(len(x), dtype=bool)
        for relation in self._relations:
            for one in relation.determined:
                others = np.array([c for c in relation.columns if c != one])
                if len(others) > given.shape[1]:
                    continue
                known = (given[:, :, None] == others).any(axis=1).all(axis=1)
                lost |= known & ((x == one) | (y == one))
        out = np.full(len(x), np.nan)
        out[~lost] = self.test(x[~lost], y[~lost], given[~lost])
        return out


def find_relations(snapshot: Snapshot, names: tuple[str, ...]) -> tuple[Relation, ...]:
    """Return the exact relations among some columns.

    Looked for are linear ones among numbers, linear ones among the logarithms of positive
    numbers, and pairs of categories of which one determines the other. Copies of one column are
    left to the search.
    """
    is_number = [snapshot.schema[name].kind.is_numeric for name in names]
    # In the order of names, so that the order of columns does not matter.
    order = sorted(range(len(names)), key=lambda place: names[place])
    numbers = [place for place in order if is_number[place]]
    categories = [place for place in order if not is_number[place]]
    values = [snapshot.column(names[place]) for place in numbers]
    found = _linear(values, numbers, "a sum or difference")
    positive = [i for i, column in enumerate(values) if np.nanmin(column, initial=np.inf) > 0]
    with np.errstate(all="ignore"):
        logs = [np.log(values[i]) for i in positive]
    known = {relation.columns for relation in found}
    found += [
        relation
        for relation in _linear(logs, [numbers[i] for i in positive], "a product or ratio")
        if relation.columns not in known
    ]
    if len(categories) <= _MOST_CATEGORIES:
        found += _nested([snapshot.column(names[place]) for place in categories], categories)
    return tuple(found)


def _linear(values: Sequence[FloatArray], places: Sequence[int], how: str) -> list[Relation]:
    """Return the sets of three and more columns that are linearly dependent."""
    if not 3 <= len(values) <= _MOST_COLUMNS:
        return []
    stacked = np.column_stack(values)
    stacked = stacked[np.isfinite(stacked).all(axis=1)]
    if len(stacked) < max(_LEAST_ROWS, _ROWS_PER_COLUMN * stacked.shape[1]):
        return []
    stacked = stacked - stacked[0]  # an offset of 1e9 costs no digits
    largest = np.abs(stacked).max(axis=0)
    stacked /= np.where(largest > 0, largest, 1.0)
    stacked -= stacked.mean(axis=0)
    spread = np.sqrt((stacked**2).sum(axis=0))
    varying = np.flatnonzero(spread > 0)
    scaled = stacked[:, varying] / spread[varying]
    sets = _dependent_sets(scaled.T @ scaled, scaled)
    return [
        Relation(members, members, how)
        for members in (tuple(sorted(int(places[varying[c]]) for c in found)) for found in sets)
    ]


def relations_of_correlations(matrix: FloatArray, rows: float) -> tuple[Relation, ...]:
    """Return the exact linear relations that correlations tell of.

    Parameters
    ----------
    matrix : ndarray of shape (n_columns, n_columns)
        Of columns that vary, in the order of their names.
    rows : float
        With fewer than three for each column none is looked for.
    """
    count = len(matrix)
    if not 3 <= count <= _MOST_COLUMNS or rows < max(_LEAST_ROWS, _ROWS_PER_COLUMN * count):
        return ()
    # Columns with these very products stand in for rows that were never seen.
    values, vectors = np.linalg.eigh(matrix)
    stand_ins = np.sqrt(np.maximum(values, 0.0))[:, None] * vectors.T
    return tuple(
        Relation(members, members, "a sum or difference")
        for members in _dependent_sets(matrix, stand_ins)
    )


def _dependent_sets(gram: FloatArray, scaled: FloatArray) -> list[tuple[int, ...]]:
    """Return the sets of three and more columns of which each is a sum of the others.

    Parameters
    ----------
    gram : ndarray of shape (n_columns, n_columns)
        Products of the columns.
    scaled : ndarray of shape (n_rows, n_columns)
        Columns of length 1.
    """
    if float(np.linalg.eigvalsh(gram)[0]) > _EXACT:
        return []
    out, basis = list[tuple[int, ...]](), list[int]()
    for column in range(scaled.shape[1]):
        target = scaled[:, column]
        slopes = np.linalg.lstsq(scaled[:, basis], target, rcond=None)[0]
        rest = target - scaled[:, basis] @ slopes
        if float(rest @ rest) > _EXACT:
            basis.append(column)
            continue
        used = [b for b, slope in zip(basis, slopes, strict=True) if abs(slope) > 1e-6]
        if len(used) > 1:
            out.append(tuple(sorted((*used, column))))
    return out


def _nested(values: Sequence[FloatArray], places: Sequence[int]) -> list[Relation]:
    """Return the pairs of categories of which the finer determines the coarser."""
    codes, levels = [], []
    for column in values:
        own = np.full(len(column), -1, dtype=np.int64)
        present = np.isfinite(column)
        distinct, own[present] = np.unique(column[present], return_inverse=True)
        codes.append(own)
        levels.append(len(distinct))
    out = []
    for fine in range(len(codes)):
        rows_seen = int((codes[fine] >= 0).sum())
        if levels[fine] < 3 or levels[fine] * _LEAST_PER_LEVEL > rows_seen:
            continue
        for coarse in range(len(codes)):
            if not 2 <= levels[coarse] < levels[fine]:
                continue
            if all(
                _is_nested(codes[fine][rows], codes[coarse][rows], levels[coarse])
                for rows in (slice(_FIRST_LOOK), slice(None))
            ):
                members = (places[fine], places[coarse])
                out.append(Relation(members, (places[coarse],), "a coarser category"))
    return out


def _is_nested(fine: IntArray, coarse: IntArray, levels: int) -> bool:
    """Whether each level of the one occurs with one level of the other only."""
    both = (fine >= 0) & (coarse >= 0)
    pairs = np.unique(fine[both] * levels + coarse[both])
    return len(pairs) == len(np.unique(fine[both]))
