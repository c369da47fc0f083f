"""Columns that others determine: sums, products, ratios, near copies, categories of categories.

Given a + b and b nothing of a is left: a test of a given the two has no answer, and a search that
took it for independence would drop true edges of a. So it is with a column and its rounded copy.
Tests of numbers are told of relations that their own arithmetic cannot see (a sum is no exact sum
of ranks).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve_triangular

from whydrift.discovery.arrays import FloatArray, IntArray
from whydrift.discovery.independence.base import IndependenceTest
from whydrift.discovery.snapshot.note import Note
from whydrift.discovery.snapshot.snapshot import Snapshot

__all__ = ["Guarded", "Relation", "find_relations", "relations_of_correlations"]

# Share of a column's variance that is rounding: less is left of it than any sample of ours shows.
_ROUNDING = 1e-5
_DIGITS = 1e-10  # of such a variance that floating point keeps
_CLEAR = 10.0  # times that what a column adds to a relation, else it has no part in it
_MOST_ZEROS = 0.1  # rows: a column with more is no factor of a product
_ROWS_PER_COLUMN = 3  # with fewer, chance determines columns
_LEAST_ROWS = 20
_GLANCE_PER_COLUMN = 5  # rows of a first look
_GLANCE = 100.0  # outliers may be missing there, and what rounding leaves be a larger share
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

    def told(self, names: Sequence[str], *, by_tests: bool = True) -> Note:
        """Return what a reader should know of a search by tests, or by something else."""
        last = names[self.determined[-1]]
        others = [repr(names[c]) for c in self.columns if names[c] != last]
        text = f"{', '.join(others)} {'determine' if len(others) > 1 else 'determines'} {last!r} "
        text += f"({self.how}); "
        if by_tests:
            text += (
                "tests in which they are given have no answer, so that edges among these columns "
                "and to them may be too many, and one column's edge may be given to another of them"
            )
        else:
            text += (
                "which of them depends on which the data cannot tell, and edges among them may be "
                "wrong"
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

    Looked for are linear ones among numbers, linear ones among the logarithms of their sizes, and
    pairs of categories of which one determines the other; in the rows that have all numbers. What
    is left over by rounding does not count. Copies of one column are left to the search.
    """
    is_number = [snapshot.schema[name].kind.is_numeric for name in names]
    # In the order of names, so that the order of columns does not matter.
    order = sorted(range(len(names)), key=lambda place: names[place])
    numbers = [place for place in order if is_number[place]]
    categories = [place for place in order if not is_number[place]]
    values = [snapshot.column(names[place]) for place in numbers]
    found = _linear(
        values, values, numbers, "a sum or difference", "the same but for small differences"
    )
    factors = [i for i, column in enumerate(values) if (column == 0).mean() <= _MOST_ZEROS]
    with np.errstate(all="ignore"):
        logs = [np.log(np.abs(values[i])) for i in factors]
    known = {relation.columns for relation in found}
    products = _linear(
        logs,
        [values[i] for i in factors],
        [numbers[i] for i in factors],
        "a product or ratio",
        "a power, but for signs and zeros",
    )
    found += [relation for relation in products if relation.columns not in known]
    if len(categories) <= _MOST_CATEGORIES:
        found += _nested([snapshot.column(names[place]) for place in categories], categories)
    return tuple(found)


def _linear(
    values: Sequence[FloatArray],
    columns: Sequence[FloatArray],
    places: Sequence[int],
    how: str,
    how_of_two: str,
) -> list[Relation]:
    """Return the sets of columns whose values are linearly dependent, but for copies."""
    if not 2 <= len(values) <= _MOST_COLUMNS:
        return []
    # What holds in all rows holds in some of them, which cost next to nothing.
    some = _GLANCE_PER_COLUMN * len(values)
    if len(values[0]) > 2 * some:
        part = np.linspace(0, len(values[0]) - 1, some).astype(np.int64)
        glance, _ = _products([column[part] for column in values])
        if glance is not None and not _is_dependent(glance, _GLANCE * _ROUNDING):
            return []
    gram, varying = _products(values)
    if gram is None:
        return []
    out = []
    for found in _dependent_sets(gram):
        members = tuple(sorted(int(places[varying[c]]) for c in found))
        if len(found) > 2:
            out.append(Relation(members, members, how))
        elif not _is_copy(*(columns[varying[c]] for c in found)):
            out.append(Relation(members, members, how_of_two))
    return out


def _products(values: Sequence[FloatArray]) -> tuple[FloatArray | None, IntArray]:
    """Return correlations in the rows that have all columns, and the columns that vary there.

    None where these rows are too few.
    """
    stacked = np.column_stack(values)
    stacked = stacked[np.isfinite(stacked).all(axis=1)]
    if len(stacked) < max(_LEAST_ROWS, _ROWS_PER_COLUMN * stacked.shape[1]):
        return None, np.empty(0, dtype=np.int64)
    stacked = stacked - stacked[0]  # an offset of 1e9 costs no digits
    largest = np.abs(stacked).max(axis=0)
    stacked /= np.where(largest > 0, largest, 1.0)
    stacked -= stacked.mean(axis=0)
    spread = np.sqrt((stacked**2).sum(axis=0))
    varying = np.flatnonzero(spread > 0)
    scaled = stacked[:, varying] / spread[varying]
    return scaled.T @ scaled, varying


def _is_dependent(gram: FloatArray, share: float) -> bool:
    return bool(len(gram)) and float(np.linalg.eigvalsh(gram)[0]) <= share


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
    return tuple(
        Relation(members, members, "a sum or difference")
        for members in (tuple(sorted(found)) for found in _dependent_sets(matrix))
        if len(members) > 2
    )


def _dependent_sets(gram: FloatArray) -> list[tuple[int, ...]]:
    """Return the sets of columns of which each is a sum of the others.

    Parameters
    ----------
    gram : ndarray of shape (n_columns, n_columns)
        Products of columns of length 1.
    """
    if not _is_dependent(gram, _ROUNDING):
        return []
    out, basis = list[tuple[int, ...]](), list[int]()
    root = np.zeros_like(gram)  # lower Cholesky factor of the basis
    for column in range(len(gram)):
        size = len(basis)
        along = solve_triangular(root[:size, :size], gram[basis, column], lower=True)
        rest = float(gram[column, column] - along @ along)
        if rest > _ROUNDING:
            root[size, :size], root[size, size] = along, np.sqrt(rest)
            basis.append(column)
            continue
        slopes = solve_triangular(root[:size, :size], along, lower=True, trans="T")
        used = slopes**2 > _CLEAR * max(rest, _DIGITS)
        out.append((*(b for b, takes_part in zip(basis, used, strict=True) if takes_part), column))
    return [found for found in out if len(found) > 1]


def _is_copy(one: FloatArray, other: FloatArray) -> bool:
    """Whether two columns have the same ranks, rising or falling, in the rows that have both."""
    both = np.isfinite(one) & np.isfinite(other)
    ranks, others = (np.unique(c[both], return_inverse=True)[1] for c in (one, other))
    return bool((ranks == others).all() or (ranks == others.max(initial=0) - others).all())


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
