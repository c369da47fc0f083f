"""Values that are missing because there can be none: streaming where there is no internet.

Another column says in which rows: by one of its levels, or, as a coupon does of its discount, by
having none itself. How the two depend on each other no row that has both shows, so that a graph
learned as if values were missing by chance joins them to whatever else moved.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from whydrift.discovery.arrays import BoolArray, FloatArray
from whydrift.discovery.knowledge import Knowledge
from whydrift.discovery.snapshot.snapshot import Snapshot

__all__ = ["structural_gaps", "with_gaps_filled", "with_gaps_known"]

_LEAST_MISSING = 0.02
_BY_CHANCE = 3.0  # standard errors
_MOST_AGAINST = 0.005  # of the rows, in which the other column says otherwise
_MOST_LEVELS = 50


def structural_gaps(
    windows: Sequence[Snapshot], names: Sequence[str]
) -> dict[str, tuple[str, ...]]:
    """Return the columns whose values are missing where there can be none, and what says where.

    Parameters
    ----------
    windows : sequence of Snapshot
        With the same meaning of category codes.
    names : sequence of str
        Columns looked at.
    """
    gappy = [n for n in names if _has_gaps(windows, n)]
    if not gappy:
        return {}
    tellers = {n: v for n in names if (v := _levels(windows, n)) is not None}
    found = {}
    for name in gappy:
        missing = ~np.isfinite(_pooled(windows, name))
        telling = tuple(
            n
            for n, codes in tellers.items()
            if n != name and not (n in gappy and _rose(windows, n)) and _says_where(codes, missing)
        )
        if telling:
            found[name] = telling
    return found


def with_gaps_filled(
    windows: Sequence[Snapshot], gaps: Mapping[str, Collection[str]]
) -> tuple[Snapshot, ...]:
    """Return windows whose structurally missing values have a value of their own.

    A category gets a level, also one whose own gaps say where others have some, and a number the
    middle of all: beside the column that says where they are missing any one value does.

    Parameters
    ----------
    windows : sequence of Snapshot
    gaps : mapping of str to collection of str
        See `structural_gaps`.
    """
    if not gaps:
        return tuple(windows)
    columns = dict.fromkeys(n for name, telling in gaps.items() for n in (name, *telling))
    return tuple(_filled(windows, [n for n in columns if _has_gaps(windows, n)]))


def with_gaps_known(known: Knowledge, gaps: Mapping[str, Collection[str]]) -> Knowledge:
    """Return what is known, and that no column causes what says whether it has a value.

    There is a time of stay where somebody clicked: however much it tells of the click, it came
    after, and after all that the click is known not to cause. Of columns that both have gaps
    nothing is said, nor against what is required.
    """
    edges: list[tuple[str, str]] = []
    for name, telling in gaps.items():
        for teller in (t for t in telling if t not in gaps):
            edges.append((name, teller))
            edges += ((name, n) for t, n in known.forbidden if t == teller and n != name)
    said = {*known.required}
    kept = (edge for edge in edges if edge not in said)
    return replace(known, forbidden=tuple(dict.fromkeys((*known.forbidden, *kept))))


def _has_gaps(windows: Sequence[Snapshot], name: str) -> bool:
    return any(w.missing_share(name) >= _LEAST_MISSING for w in windows)


def _rose(windows: Sequence[Snapshot], name: str) -> bool:
    """Whether more is missing in the last window: a join that fails leaves such gaps."""
    if len(windows) < 2:
        return False
    *references, current = windows
    rows = np.array([w.rows for w in references])
    before = float(rows @ [w.missing_share(name) for w in references]) / max(1, rows.sum())
    rise = current.missing_share(name) - before
    chance = np.sqrt(before * (1 - before) * (1 / max(1, rows.sum()) + 1 / max(1, current.rows)))
    return bool(rise > max(_LEAST_MISSING, _BY_CHANCE * chance))


def _filled(windows: Sequence[Snapshot], names: Sequence[str]) -> Iterator[Snapshot]:
    """Yield the windows with a value in each gap of some columns."""
    fillers = {}
    for name in names:
        present = _pooled(windows, name)
        present = present[np.isfinite(present)]
        is_discrete = windows[0].schema[name].kind.is_discrete
        fillers[name] = float(present.max() + 1 if is_discrete else np.median(present))
    for window in windows:
        columns = {name: window.column(name) for name in names}
        yield window.with_sample(
            {n: np.where(np.isfinite(v), v, fillers[n]) for n, v in columns.items()}
        )


def _levels(windows: Sequence[Snapshot], name: str) -> FloatArray | None:
    """Return the pooled codes of a category of few levels, −1 where it has none."""
    if not windows[0].schema[name].kind.is_discrete:
        return None
    codes = _pooled(windows, name)
    present = np.isfinite(codes)
    is_short = np.unique(codes[present]).size <= _MOST_LEVELS
    return np.where(present, codes, -1.0) if is_short else None


def _says_where(codes: FloatArray, missing: BoolArray) -> bool:
    """Whether a category's levels tell the rows in which a value is missing from the others."""
    _, level = np.unique(codes, return_inverse=True)
    rows = np.bincount(level)
    without = np.bincount(level, missing)
    against = np.minimum(without, rows - without).sum()
    return bool(
        against <= _MOST_AGAINST * len(codes) and (without > rows / 2).any() and not missing.all()
    )


def _pooled(windows: Sequence[Snapshot], name: str) -> FloatArray:
    return np.concatenate([w.column(name) for w in windows])
