"""Which columns a search can use, and what to know of them before it learns anything."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from whydrift.discovery.arrays import FloatArray, IntArray
from whydrift.discovery.scores.features import rank_normal
from whydrift.discovery.snapshot.note import Note
from whydrift.discovery.snapshot.schema import ColumnKind
from whydrift.discovery.snapshot.snapshot import Snapshot

__all__ = ["column_notes", "copied_columns", "determined_columns", "varying_columns"]

_EXACT = 1e-8  # variance, of 1, that a linear relation may leave over by rounding
_INVOLVED = 1e-4  # share in such a relation above which a column takes part in it
_ROWS_OF_A_GLANCE = 64  # enough to tell most columns apart
# Standard errors by which the mean of one level lies beyond those of both its neighbours: by
# chance in one table of a hundred columns and ten levels in a thousand.
_CLEAR_TURN = 6.0
_LEAST_OF_A_LEVEL = 10  # rows
_MOST_LOOKED_AT = 200  # columns
_MOST_PAIRS = 20_000  # looked at for copies that miss values: half a second
_LEAST_SHARED = 20  # rows in which a column that misses values must repeat another


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


def column_notes(snapshot: Snapshot, names: tuple[str, ...]) -> tuple[Note, ...]:
    """Return what may harm any search: few rows, and numbers that look like names.

    Parameters
    ----------
    snapshot : Snapshot
    names : tuple of str
        Columns that vary.
    """
    notes = []
    rows = len(snapshot.sample)
    if rows <= len(names):
        text = (
            f"{rows} rows are few for {len(names)} columns: only the strongest edges can be found, "
            "and which way they point is guessed"
        )
        notes.append(Note("few_rows", None, text))
    grades = [name for name in names if snapshot.schema[name].kind is ColumnKind.ORDINAL]
    others = [name for name in names if snapshot.schema[name].kind.is_numeric][:_MOST_LOOKED_AT]
    for name in grades[:_MOST_LOOKED_AT]:
        turning = _turns_with(snapshot, name, [other for other in others if other != name])
        if turning is not None:
            text = (
                f"the whole numbers of {name!r} are read as grades, but {turning!r} rises and "
                "falls with them; if they are names, say so with "
                f"Snapshot.from_frame(…, kinds={{{name!r}: 'categorical'}})"
            )
            notes.append(Note("numbers_as_names", name, text))
    return tuple(notes)


def _turns_with(snapshot: Snapshot, name: str, others: Sequence[str]) -> str | None:
    """Return a column whose mean clearly turns from one grade to the next, or None."""
    grades = snapshot.column(name)
    levels = np.unique(grades[np.isfinite(grades)])
    for other in others:
        scores = rank_normal(snapshot.column(other))
        means, errors = [], []
        for level in levels:
            own = scores[(grades == level) & np.isfinite(scores)]
            if len(own) >= _LEAST_OF_A_LEVEL:
                means.append(own.mean())
                errors.append(own.var() / len(own))
        gaps = np.diff(means) / np.sqrt(np.maximum(np.add(errors[1:], errors[:-1]), 1e-12))
        clear = gaps[np.abs(gaps) > _CLEAR_TURN]
        if (clear[1:] * clear[:-1] < 0).any():
            return other
    return None


def copied_columns(
    snapshot: Snapshot, names: tuple[str, ...]
) -> tuple[dict[str, str], tuple[Note, ...]]:
    """Return the columns that repeat another one, and which one.

    A number is a copy if it has the same ranks, rising or falling (all affine copies, and all
    monotone ones); a category, if it is the same under other names. One of the two may miss more
    values: they are compared where both are seen, in at least half of its rows.

    Parameters
    ----------
    snapshot : Snapshot
    names : tuple of str
        Columns that vary.

    Returns
    -------
    copies : dict of str to str
        Copy to original; the original misses fewer values, or comes first in the alphabet, so that
        the order of the columns does not matter.
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
    copies |= _copies_with_gaps(snapshot, [name for name in names if name not in copies], step)
    copies = {copy: copies.get(original, original) for copy, original in sorted(copies.items())}
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


def _copies_with_gaps(snapshot: Snapshot, names: Sequence[str], step: int) -> dict[str, str]:
    """Return the columns that repeat another where both are seen, and miss more values."""
    missing = {name: int((~np.isfinite(snapshot.column(name))).sum()) for name in names}
    order = sorted(names, key=lambda name: (missing[name], name))
    copies: dict[str, str] = {}
    place = {name: number for number, name in enumerate(order)}
    for name in [n for n in order if missing[n]][: _MOST_PAIRS // max(1, len(order))]:
        for original in order[: place[name]]:
            if original not in copies and _repeats(snapshot, name, original, step):
                copies[name] = original
                break
    return copies


def _repeats(snapshot: Snapshot, copy: str, original: str, step: int) -> bool:
    discrete = snapshot.schema[copy].kind.is_discrete
    if discrete != snapshot.schema[original].kind.is_discrete:
        return False
    for every in dict.fromkeys((step, 1)):  # most pairs differ at a glance
        one, other = (snapshot.column(name)[::every] for name in (copy, original))
        both = np.isfinite(one) & np.isfinite(other)
        ranks, others = (np.unique(c[both], return_inverse=True)[1] for c in (one, other))
        if discrete:
            levels = ranks.max(initial=0), others.max(initial=0)
            pairs = np.unique(ranks * (levels[1] + 1) + others)
            alike = levels[0] == levels[1] and len(pairs) <= levels[0] + 1
        else:
            alike = bool((ranks == others).all() or (ranks == others.max(initial=0) - others).all())
        if not alike:
            return False
    shared, seen = int(both.sum()), int(np.isfinite(one).sum())
    return shared >= max(_LEAST_SHARED, seen / 2) and bool(ranks.any())


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
