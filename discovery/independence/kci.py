"""The kernel test of conditional independence, computed by causal-learn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from whydrift.discovery.arrays import FloatArray, IntArray
from whydrift.discovery.errors import OptionError
from whydrift.discovery.independence.base import Built
from whydrift.discovery.independence.evidence import row_evidence
from whydrift.discovery.scores.features import category_features, rank_normal
from whydrift.discovery.snapshot.note import Note
from whydrift.discovery.snapshot.snapshot import Snapshot

__all__ = ["Kci", "kci"]

_MOST_ROWS = 500  # time grows with their cube: half a second a test here
_LEAST_ROWS = 20


class Kci:
    """KCI with Gaussian kernels of causal-learn's default widths and a gamma null.

    A column that never varies in the rows of a test has no answer (NaN), unless it never varies
    at all (1).

    Parameters
    ----------
    blocks : sequence of ndarray of shape (n_rows, n_features of the column)
        NaN where missing; each test uses the rows that have all its columns.
    names : tuple of str
        Of the columns: a test takes them in the order of the alphabet, since it sees X and Y a
        little differently.

    References
    ----------
    Zhang, Peters, Janzing & Schölkopf (2011), Kernel-based conditional independence test and
    application in causal discovery.
    """

    def __init__(self, blocks: Sequence[FloatArray], names: tuple[str, ...]) -> None:
        self._names = names
        self._alone, self._given = _kernels()
        self._blocks = blocks
        self._seen = [np.isfinite(block).all(axis=1) for block in blocks]
        self._is_constant = np.array(
            [
                bool(seen.any()) and not _varies(block[seen])
                for block, seen in zip(blocks, self._seen, strict=True)
            ]
        )

    def __call__(self, x: IntArray, y: IntArray, given: IntArray) -> FloatArray:
        """Return upper-tail p-values; see `IndependenceTest`."""
        out = np.array(
            [
                self._p_value(int(a), int(b), others)
                for a, b, others in zip(x, y, given.tolist(), strict=True)
            ],
            dtype=np.float64,
        )
        return np.where(self._is_constant[x] | self._is_constant[y], 1.0, out)

    def _p_value(self, x: int, y: int, given: list[int]) -> float:
        x, y = sorted((x, y), key=self._names.__getitem__)
        given = sorted(given, key=self._names.__getitem__)
        rows = np.flatnonzero(np.all([self._seen[c] for c in (x, y, *given)], axis=0))
        if len(rows) > _MOST_ROWS:
            rows = np.sort(np.random.default_rng(0).choice(rows, size=_MOST_ROWS, replace=False))
        of_x, of_y = self._blocks[x][rows], self._blocks[y][rows]
        if len(rows) < _LEAST_ROWS or not (_varies(of_x) and _varies(of_y)):
            return float("nan")
        if not given:
            return float(self._alone.compute_pvalue(of_x, of_y)[0])
        of_given = np.column_stack([self._blocks[c][rows] for c in given])
        of_given = of_given[:, (of_given != of_given[0]).any(axis=0)]
        if not of_given.shape[1]:
            return float(self._alone.compute_pvalue(of_x, of_y)[0])
        return float(self._given.compute_pvalue(of_x, of_y, of_given)[0])


def _varies(block: FloatArray) -> bool:
    return bool(len(block)) and bool((block != block[0]).any())


def _kernels() -> tuple[Any, Any]:
    try:
        from causallearn.utils.KCI.KCI import KCI_CInd, KCI_UInd
    except ImportError as error:
        raise OptionError(
            "test 'kci' needs the package causal-learn, which is not installed",
            where="test",
            remedy="pip install causal-learn, or use 'gcm', which sees the same kinds of "
            "dependence and is faster",
        ) from error
    return KCI_UInd(), KCI_CInd()


def kci(snapshot: Snapshot, names: tuple[str, ...]) -> Built:
    """Build the test: numbers as rank-normal scores, categories as indicators.

    Raises
    ------
    OptionError
        If causal-learn is not installed, or rows have weights or clusters, which it cannot use.
    """
    evidence, _ = row_evidence(snapshot)
    if evidence.weights is not None or evidence.clusters is not None:
        raise OptionError(
            "test 'kci' can use neither weights nor clusters",
            where="test",
            remedy="Use 'gcm', or take away the role of that column",
        )
    blocks = [
        category_features(snapshot.column(name)).linear
        if snapshot.schema[name].kind.is_discrete
        else rank_normal(snapshot.column(name))[:, None]
        for name in names
    ]
    notes: tuple[Note, ...] = ()
    if len(snapshot.sample) > _MOST_ROWS:
        text = (
            f"test kci uses {_MOST_ROWS} rows, drawn from the {len(snapshot.sample)} of each test"
        )
        notes = (Note("rows_drawn", None, text),)
    return Kci(blocks, names), notes
