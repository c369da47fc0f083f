"""What plain univariate drift tests say: Kolmogorov–Smirnov or χ² per column, Bonferroni."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import chdtrc, kolmogorov

from whydrift.discovery.arrays import FloatArray
from whydrift.discovery.snapshot.snapshot import Snapshot

__all__ = ["drifted_columns", "univariate_p_value"]


def drifted_columns(
    reference: Snapshot, current: Snapshot, names: Sequence[str], level: float = 0.05
) -> tuple[str, ...]:
    """Return the columns whose own distribution differs, Bonferroni-corrected.

    This is what whydrift is compared with, not what it does.
    """
    return tuple(
        n for n in names if univariate_p_value(reference, current, n) <= level / max(1, len(names))
    )


def univariate_p_value(reference: Snapshot, current: Snapshot, name: str) -> float:
    """Return the p-value of the two-sample Kolmogorov–Smirnov test, or of χ² for categories."""
    a, b = reference.column(name), current.column(name)
    a, b = a[np.isfinite(a)], b[np.isfinite(b)]
    if not a.size or not b.size:
        return 0.0 if a.size != b.size else 1.0
    if reference.schema[name].kind.is_discrete:
        return _chi_square(a, b)
    grid = np.concatenate([a, b])
    a, b = np.sort(a), np.sort(b)
    gap = np.searchsorted(a, grid, "right") / a.size - np.searchsorted(b, grid, "right") / b.size
    rows = a.size * b.size / (a.size + b.size)
    return float(kolmogorov(np.sqrt(rows) * np.abs(gap).max()))


def _chi_square(a: FloatArray, b: FloatArray) -> float:
    levels = np.union1d(a, b)
    table = np.array([[np.sum(side == level) for level in levels] for side in (a, b)], dtype=float)
    if len(levels) < 2:
        return 1.0
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0) / table.sum()
    return float(chdtrc(len(levels) - 1, ((table - expected) ** 2 / expected).sum()))
