"""The compiled skeleton: the same numbers as plain Python and as matrix inversion."""

from __future__ import annotations

from itertools import combinations

import numba
import numpy as np
import pytest

from whydrift.discovery import _compiled
from whydrift.discovery.search._skeleton_kernel import FIRST, SMALLEST, TALLY, scan_columns


def squared(correlation: np.ndarray, x: int, y: int, given: tuple[int, ...]) -> float:
    """Squared partial correlation, by inverting a matrix."""
    index = np.array([x, y, *given])
    precision = np.linalg.inv(correlation[np.ix_(index, index)])
    return float(precision[0, 1] ** 2 / (precision[0, 0] * precision[1, 1]))


def world(seed: int, count: int = 8) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(60, count)) @ rng.normal(size=(count, count))
    candidates = rng.random((count, count)) < 0.7  # one side may offer what the other does not
    asked = rng.random((count, count)) < 0.8
    for matrix in (candidates, asked):
        np.fill_diagonal(matrix, False)
    return np.corrcoef(values.T), candidates, asked


def scanned(kernel, correlation, candidates, asked, level, mode, limit):
    count = len(correlation)
    smallest = np.full((count, count), 2.0)
    sets = np.zeros((count, count, level), dtype=np.int64)
    number = np.arange(count * count).reshape(count, count)
    number = np.minimum(number, number.T)
    votes = np.zeros((count * count, count + 1), dtype=np.int64)
    kernel(correlation, candidates, asked, np.zeros_like(asked),
           np.full((count, count), limit), level, mode, 0, count, smallest, sets, number,
           votes)  # fmt: skip
    return smallest, sets, number, votes


def possible(candidates, asked, x, y, level):
    """All sets that x offers against y, and y against x."""
    found = set()
    for one, other in ((x, y), (y, x)):
        if asked[one, other]:
            members = [z for z in np.flatnonzero(candidates[one]).tolist() if z != other]
            found |= set(combinations(members, level))
    return found


@pytest.mark.parametrize("kernel", [scan_columns, scan_columns.py_func], ids=["compiled", "plain"])
@pytest.mark.parametrize("level", [1, 2, 3])
def test_every_set_is_asked_once_and_the_smallest_is_found(kernel, level):
    for seed in range(2):
        correlation, candidates, asked = world(seed)
        limit = 0.05
        smallest, sets, number, votes = scanned(
            kernel, correlation, candidates, asked, level, SMALLEST, limit
        )
        first, *_ = scanned(kernel, correlation, candidates, asked, level, FIRST, limit)
        *_, votes = scanned(kernel, correlation, candidates, asked, level, TALLY, limit)
        for x, y in combinations(range(len(correlation)), 2):
            values = {
                given: squared(correlation, x, y, given)
                for given in possible(candidates, asked, x, y, level)
            }
            best = min(values.values(), default=2.0)
            assert smallest[x, y] == pytest.approx(best, rel=1e-6)
            assert smallest[x, y] == smallest[y, x]
            if values:
                assert values[tuple(sorted(sets[x, y].tolist()))] == pytest.approx(best, rel=1e-6)
            assert (first[x, y] < limit) == (best < limit)
            apart = [given for given, value in values.items() if value < limit]
            assert votes[number[x, y], -1] == len(apart)
            for z in range(len(correlation)):
                assert votes[number[x, y], z] == sum(z in given for given in apart)


def test_columns_that_the_given_ones_determine_are_not_answered():
    rng = np.random.default_rng(0)
    a, b, c = rng.normal(size=(3, 100))
    correlation = np.corrcoef([a, b, a + b, c])
    everyone = ~np.eye(4, dtype=bool)
    smallest, *_ = scanned(scan_columns, correlation, everyone, everyone, 2, SMALLEST, 0.1)
    # Given b and c, a and a + b are one; b and a + b determine a, and nothing is left to ask of c.
    assert smallest[0, 2] == pytest.approx(1.0)
    assert smallest[0, 3] == 2.0


def test_where_no_folder_can_be_written_to_it_compiles_without_one(monkeypatch):
    real = numba.njit

    def refusing(*arguments, **options):
        if options.get("cache"):
            raise RuntimeError("cannot cache function: no locator available for file")
        return real(*arguments, **options)

    monkeypatch.setattr(numba, "njit", refusing)
    monkeypatch.setattr(_compiled, "_warned", [])
    with pytest.warns(RuntimeWarning, match="NUMBA_CACHE_DIR") as told:
        functions = [_compiled.compiled(lambda x: x + 1) for _ in range(2)]
    assert len(told) == 1
    assert functions[0](1) == 2
