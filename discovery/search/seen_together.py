"""Which pairs of columns have rows in common, where values are missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from whydrift.discovery.arrays import FloatArray
from whydrift.discovery.knowledge import Knowledge
from whydrift.discovery.scores.incomplete import LEAST_TOGETHER, pairs_in_common
from whydrift.discovery.scores.moments import LEAST_COMPLETE
from whydrift.discovery.snapshot.note import Note
from whydrift.discovery.snapshot.snapshot import Snapshot

__all__ = ["left_apart", "untestable_pairs"]

_TOLD = 5  # pairs
_LEAST_TESTED = 5  # rows: with fewer no test has an answer


def left_apart(
    windows: Sequence[Snapshot], names: tuple[str, ...], knowledge: Knowledge
) -> tuple[Knowledge, tuple[Note, ...]]:
    """Return knowledge that joins no columns that hardly any row has both of.

    Parameters
    ----------
    windows : sequence of Snapshot
    names : tuple of str
    knowledge : Knowledge
        Of these columns alone. Edges that it requires stay.

    Returns
    -------
    knowledge : Knowledge
    notes : tuple of Note
        A ``never_together`` for each such pair (the first five, and how many there are), and
        ``few_rows_in_common`` where one pair lets scores count less than half of the rows.
    """
    seen = [np.isfinite(window.columns(names)) for window in windows]
    rows = sum(len(part) for part in seen)
    if len(names) < 2 or sum(int(part.all(axis=1).sum()) for part in seen) >= LEAST_COMPLETE * rows:
        return knowledge, ()
    counts = [pairs_in_common(part) for part in seen]
    fewest = np.min(counts, axis=0)
    required = {frozenset(pair) for pair in knowledge.required}
    pairs = [
        (names[i], names[j])
        for i, j in np.argwhere(np.triu(fewest < LEAST_TOGETHER, 1)).tolist()
        if frozenset((names[i], names[j])) not in required
    ]
    apart = replace(
        knowledge, forbidden=(*knowledge.forbidden, *pairs, *((b, a) for a, b in pairs))
    )
    return apart, (
        *_never_together(pairs, LEAST_TOGETHER),
        *_few_in_common(np.sum(counts, axis=0), names, rows),
    )


def untestable_pairs(window: Snapshot, names: tuple[str, ...]) -> tuple[Note, ...]:
    """Return a ``never_together`` for each pair that no test tells of: searches leave it apart."""
    counts = pairs_in_common(np.isfinite(window.columns(names)))
    pairs = np.argwhere(np.triu(counts < _LEAST_TESTED, 1)).tolist()
    return tuple(_never_together([(names[i], names[j]) for i, j in pairs], _LEAST_TESTED))


def _never_together(pairs: list[tuple[str, str]], least: int) -> list[Note]:
    more = f" ({len(pairs):,} pairs of columns are so)" if len(pairs) > _TOLD else ""
    return [
        Note(
            "never_together",
            a,
            f"fewer than {least} rows of a window have both {a!r} and {b!r}: nothing "
            f"tells whether they are joined, and they are left apart{more}",
        )
        for a, b in pairs[:_TOLD]
    ]


def _few_in_common(counts: FloatArray, names: tuple[str, ...], rows: int) -> list[Note]:
    upper = np.where(np.triu(counts >= LEAST_TOGETHER, 1), counts, np.inf)
    i, j = np.unravel_index(int(np.argmin(upper)), upper.shape)
    if not upper[i, j] < rows / 2:
        return []
    a, b = names[int(i)], names[int(j)]
    rarer = a if counts[i, i] < counts[j, j] else b
    text = (
        f"of {rows:,} rows scores count {int(upper[i, j]):,}, as many as have both {a!r} and "
        f"{b!r}; more would be found among the others without {rarer!r}"
    )
    return [Note("few_rows_in_common", rarer, text)]
