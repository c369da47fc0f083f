"""Which columns a search can use: those that vary, and of copies only one."""

from __future__ import annotations

import hashlib

import numpy as np

from whydrift.discovery.arrays import FloatArray, IntArray
from whydrift.discovery.snapshot.note import Note
from whydrift.discovery.snapshot.snapshot import Snapshot

__all__ = ["copied_columns", "determined_columns", "varying_columns"]

_EXACT = 1e-8  # variance, of 1, that a linear relation may leave over by rounding
_INVOLVED = 1e-4  # share in such a relation above which a column takes part in it
_ROWS_OF_A_GLANCE = 64  # enough to tell most columns apart


def varying_columns(
    snapshot: Snapshot, names: tuple[str, ...]
) -> tuple[tuple[str, ...], tuple[Note, ...]]:
    """Return the columns with two different values in the sample, and a note on each other one."""
    kept, notes = [], []
    for name in names:
        values = snapshot.column(name)
        present = values[np.isfinite(values)]
        if present.size and (present != present[0]).any():
            kept.append(name)
        else:
            text = f"column {name!r} never varies; no edge can be learned for it"
            notes.append(Note("constant_column", name, text))
    return tuple(kept), tuple(notes)


def copied_columns(
    snapshot: Snapshot, names: tuple[str, ...]
) -> tuple[dict[str, str], tuple[Note, ...]]:
    """Return the columns that repeat another one, and which one.

    A number is a copy if it has the same ranks, rising or falling, and the same rows missing (all
    affine copies, and all monotone ones); a category, if it is the same under other names.

    Parameters
    ----------
    snapshot : Snapshot
    names : tuple of str
        Columns that vary.

    Returns
    -------
    copies : dict of str to str
        Copy to original; the original is the one that comes first in the alphabet, so that the
        order of the columns does not matter.
    notes : tuple of Note
    """
    step = max(1, len(snapshot.sample) // _ROWS_OF_A_GLANCE)
    alike: dict[bytes, list[str]] = {}  # at a glance
    for name in sorted(names):
        alike.setdefault(_fingerprint(snapshot, name, step), []).append(name)
    first: dict[bytes, str] = {}
    copies: dict[str, str] = {}
    for name in sorted(name for group in alike.values() if len(group) > 1 for name in group):
        print_ = _fingerprint(snapshot, name)
        if print_ in first:
            copies[name] = first[print_]
        else:
            first[print_] = name
    notes = tuple(
        Note(
            "duplicate_column",
            copy,
            f"column {copy!r} repeats {original!r} on another scale or under other names; "
            "it is joined to that column alone",
        )
        for copy, original in copies.items()
    )
    return copies, notes


def determined_columns(correlation: FloatArray) -> IntArray:
    """Return the numbers of columns that determine each other, as a sum and its parts do.

    Parameters
    ----------
    correlation : ndarray of shape (n_columns, n_columns)
        Of more rows than columns.
    """
    try:
        np.linalg.cholesky(correlation - _EXACT * np.eye(len(correlation)))
    except np.linalg.LinAlgError:
        values, vectors = np.linalg.eigh(correlation)
        shares = np.abs(vectors[:, values <= 2 * _EXACT])
        return np.flatnonzero((shares > _INVOLVED).any(axis=1))
    return np.empty(0, dtype=np.int64)


def _fingerprint(snapshot: Snapshot, name: str, step: int = 1) -> bytes:
    """Return what copies of a column share; of every ``step``-th row, what copies must share."""
    discrete = snapshot.schema[name].kind.is_discrete
    values = snapshot.column(name)[::step]
    codes = np.full(len(values), -1, dtype=np.int32)
    present = np.isfinite(values)
    found, first, inverse = np.unique(values[present], return_index=True, return_inverse=True)
    if discrete:  # levels in order of their first row
        rank = np.empty(len(found), dtype=np.int32)
        rank[np.argsort(first)] = np.arange(len(found), dtype=np.int32)
        codes[present] = rank[inverse]
    else:  # ranks, turned so that the first value off the middle lies in the lower half
        turned = len(found) - 1 - inverse
        off = np.flatnonzero(inverse != turned)
        falls = off.size > 0 and inverse[off[0]] > turned[off[0]]
        codes[present] = turned if falls else inverse
    return hashlib.blake2b(
        codes.tobytes(), digest_size=16, person=b"d" if discrete else b"n"
    ).digest()
