"""Categories that not both windows could tell apart, pooled: of many names only the commonest are.

A Snapshot tells so many names apart and counts the others together. Which ones those are was
decided by the reference's own rows, where by chance they came oftener than they do elsewhere:
compared by name they all seem to have become rarer, and what is left over commoner.
"""

from __future__ import annotations

import math

import numpy as np

from whydrift.discovery.arrays import FloatArray
from whydrift.discovery.snapshot.snapshot import OTHER, Snapshot

__all__ = ["least_kept", "with_tail_pooled"]

_ERRORS = 3.0  # above the rarest name kept apart: by chance a name is not that much rarer


def with_tail_pooled(
    reference: Snapshot, current: Snapshot, names: tuple[str, ...]
) -> tuple[Snapshot, Snapshot]:
    """Return the windows with names that chance may have left out counted as the others.

    Rare names new to the reference are among these: it may have had them and not kept them apart.
    Summaries stay as they are.
    """
    for name in names:
        categories = current.schema[name].categories  # the reference's, and new ones
        if not reference.schema[name].kind.is_discrete or OTHER not in categories:
            continue
        after = current.summaries[name].category_counts
        known = reference.summaries[name].category_counts
        before = (*known, *(0 for _ in after[len(known) :]))
        least = least_kept(reference, name) or 1
        enough = least + _ERRORS * (1 + math.sqrt(least))
        share = sum(before) / max(1, sum(before) + sum(after))
        other = float(categories.index(OTHER))
        kept = np.array(
            [
                float(code) if share * (b + a) >= enough else other
                for code, (b, a) in enumerate(zip(before, after, strict=True))
            ]
        )
        reference, current = (_pooled(w, name, kept, other) for w in (reference, current))
    return reference, current


def least_kept(reference: Snapshot, name: str) -> int | None:
    """Return the rows of the rarest category that was kept apart; None where all were."""
    if not reference.schema[name].kind.is_discrete:
        return None
    categories = reference.schema[name].categories
    if OTHER not in categories:
        return None
    counts = zip(categories, reference.summaries[name].category_counts, strict=False)
    return min((n for category, n in counts if category != OTHER and n), default=0)


def _pooled(window: Snapshot, name: str, kept: FloatArray, other: float) -> Snapshot:
    codes = window.column(name)
    known = np.nan_to_num(codes, nan=0.0).astype(np.int64)
    pooled = np.where(known < len(kept), kept[np.minimum(known, len(kept) - 1)], other)
    return window.with_sample({name: np.where(np.isfinite(codes), pooled, np.nan)})
