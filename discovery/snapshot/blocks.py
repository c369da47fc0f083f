"""Blocks of rows that belong together, and which rows a sample of them holds.

Every row has a *priority*, a number in [0, 1) that is evenly spread whatever the row's values, and
a sample holds the rows with the smallest ones: all rows below a threshold τ. So each row of the
window had the same chance τ to be in it, a sample of samples is the sample of the whole, and
however the rows came in parts the same ones are kept.

The priority is made of two hashes, one of the row and one of its block, so that thinning goes on
inside the blocks first, down to some rows of each (``share``), and then drops whole blocks.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Final

import numpy as np

from whydrift.discovery.arrays import FloatArray
from whydrift.discovery.snapshot.note import Note
from whydrift.discovery.snapshot.row_hash import HashArray, as_shares, mixed

__all__ = ["BlockKind", "Blocks", "block_seconds", "dependence_unknown", "thinned_share"]

# Rows of a typical block that are kept while there are blocks to drop instead. Sixteen neighbours
# show how alike rows close in time are. Of a cluster two do: it grows with the length of a window
# (a user comes every day), and a sample of a few large ones tells little.
_ROWS_OF_A_BLOCK: Final = {"time": 16, "cluster": 2, "row": 1}
# Candidates for the length of a block of time, in seconds.
_LENGTHS: Final = (
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200,
    86_400, 604_800,
)  # fmt: skip
_LEAST_BLOCKS = 30
_LEAST_PAIRS = 20
_NEARLY_NONE = 0.1  # correlation of neighbouring blocks' means


class BlockKind(StrEnum):
    """What makes rows belong together."""

    CLUSTER = "cluster"
    TIME = "time"
    ROW = "row"  # nothing is known: each row stands alone


@dataclass(frozen=True, slots=True)
class Blocks:
    """The rule by which rows fall into blocks: chosen from the reference, kept in the schema.

    Parameters
    ----------
    kind : BlockKind
        What makes rows belong together.
    seconds : int, optional
        Length of a block of time.
    share : float
        How far a block is thinned before whole blocks are dropped, in (0, 1].
    rows_differ : bool
        Whether a row is known by its values. Where rows repeat each other (a table of a few
        categories) equal ones would all be kept or all be dropped; there the place of a row in
        its file counts too, and the choice of rows depends on how they were split into files.
    """

    kind: BlockKind = BlockKind.ROW
    seconds: int | None = None
    share: float = 1.0
    rows_differ: bool = True

    def priorities(self, rows: HashArray, blocks: HashArray | None, salt: int) -> FloatArray:
        """Return each row's priority: those with the smallest ones make the sample.

        Parameters
        ----------
        rows, blocks : ndarray of uint64, shape (n_rows,)
            Hashes of the rows, and of the blocks that they are in (None: each in its own).
        salt : int
            Another one chooses other rows.

        Returns
        -------
        ndarray of shape (n_rows,)
            In [0, 1).
        """
        seed = mixed(np.array([salt], dtype=np.uint64))
        of_row = as_shares(mixed(rows ^ seed))
        if blocks is None:
            return of_row
        of_block = as_shares(mixed(blocks ^ mixed(seed)))
        return np.where(of_row < self.share, of_block * self.share, of_row)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {**asdict(self), "kind": self.kind.value}

    @classmethod
    def from_dict(cls, value: dict[str, Any]) -> Blocks:
        """Read what :meth:`to_dict` writes."""
        return cls(**{**value, "kind": BlockKind(value["kind"])})


def dependence_unknown(rows: int, kept: int) -> Note:
    """Return the note on a sample of rows of which nothing says what belongs together."""
    return Note(
        "dependence_unknown",
        None,
        f"of {rows:,} rows {kept:,} were sampled one by one: whether rows depend on each other "
        "shows better where the column of the time, or of what they belong to (a user), is named",
    )


def thinned_share(kind: BlockKind, blocks: HashArray) -> float:
    """Return to what share a block is thinned before whole ones go, by the sizes of blocks.

    So that the block of a typical row keeps sixteen rows (time) or two (clusters): blocks of most
    rows count most, since a single one of half the rows must not fill the sample.

    Parameters
    ----------
    kind : BlockKind
    blocks : ndarray of uint64, shape (n_rows,)
        Hash of each row's block.
    """
    counts = np.unique(blocks, return_counts=True)[1].astype(np.float64)
    size = float((counts**2).sum() / counts.sum())
    return min(1.0, _ROWS_OF_A_BLOCK[kind.value] / size)


def block_seconds(times: FloatArray, columns: Iterable[FloatArray]) -> int:
    """Return the shortest span whose neighbouring blocks' means are nearly uncorrelated.

    Parameters
    ----------
    times : ndarray of shape (n_rows,)
        Seconds since 1970, NaN where missing.
    columns : iterable of ndarray of shape (n_rows,)
        Numbers, NaN where missing.

    Returns
    -------
    int
        Seconds. Where no span will do, the longest that leaves thirty blocks.
    """
    known = np.isfinite(times)
    values = [column[known] for column in columns]
    chosen = _LENGTHS[0]
    for seconds in _LENGTHS:
        bins, place = np.unique(np.floor_divide(times[known], seconds), return_inverse=True)
        if len(bins) < _LEAST_BLOCKS:
            break
        chosen = seconds
        if not any(_alike(bins, place, column) for column in values):
            break
    return chosen


def _alike(bins: FloatArray, place: Any, values: FloatArray) -> bool:
    """Whether the means of blocks resemble those of the blocks just before them."""
    present = np.isfinite(values)
    counts = np.bincount(place[present], minlength=len(bins))
    centred = values[present] - values[present].mean() if present.any() else values[present]
    means = np.bincount(place[present], centred, len(bins)) / np.maximum(counts, 1)
    pairs = (np.diff(bins) == 1) & (counts[1:] > 0) & (counts[:-1] > 0)
    before, after = means[:-1][pairs], means[1:][pairs]
    spread = float(before.std() * after.std()) if pairs.any() else 0.0
    if pairs.sum() < _LEAST_PAIRS or spread <= 0:
        return False
    r = float(((before - before.mean()) * (after - after.mean())).mean()) / spread
    return bool(r > max(_NEARLY_NONE, 3.0 / np.sqrt(pairs.sum())))
