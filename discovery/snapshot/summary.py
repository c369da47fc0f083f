"""What is counted over all rows of one column."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

__all__ = ["ColumnSummary", "merged_summary"]


@dataclass(frozen=True, slots=True)
class ColumnSummary:
    """What is counted over all rows of one column.

    Parameters
    ----------
    storage : str
        How the values were stored: number, boolean, text, time, other, empty.
    missing : int
        Rows without a usable value (nulls, blanks, ±inf, and values of the wrong type).
    misfit : int
        Present values that do not fit the kind (text among numbers, nested or binary values).
    infinite : int
        Values that were ±inf.
    count : int
        Usable values.
    mean, sd, low, high : float, optional
        Of the numbers; None for categories and where there are none.
    category_counts : tuple of int
        Rows per category, in the order of the schema's ``categories``.
    mean_rest : float
        What the mean is larger than the number written down: of values near 1e9 their sum with
        other windows would lose digits.
    example : str
        Of the texts among numbers the first by the alphabet, or how it begins.
    """

    storage: str
    missing: int
    misfit: int = 0
    infinite: int = 0
    count: int = 0
    mean: float | None = None
    sd: float | None = None
    low: float | None = None
    high: float | None = None
    category_counts: tuple[int, ...] = ()
    mean_rest: float = 0.0
    example: str = ""

    def scaled(self, share: float) -> ColumnSummary:
        """Return the counts as a share of the rows has them; a category that came still does."""
        missing = round(self.missing * share)
        return replace(
            self,
            missing=missing,
            misfit=round(self.misfit * share),
            infinite=round(self.infinite * share),
            count=round((self.missing + self.count) * share) - missing,
            category_counts=tuple(
                max(1, round(c * share)) if c else 0 for c in self.category_counts
            ),
        )


def merged_summary(parts: Sequence[ColumnSummary]) -> ColumnSummary:
    """Return what is counted over the rows of several windows with the same categories."""
    counted = [p for p in parts if p.mean is not None and p.sd is not None]
    count = sum(p.count for p in counted)
    mean = sd = None
    rest = 0.0
    if count:
        # Around the first mean, so that an offset of 1e9 costs no digits.
        shift = counted[0].mean or 0.0
        gaps = [((p.mean or 0.0) - shift) + p.mean_rest for p in counted]
        gap = math.fsum(p.count * g for p, g in zip(counted, gaps, strict=True)) / count
        mean = shift + gap
        rest = gap - (mean - shift)
        squares = (p.count * ((p.sd or 0.0) ** 2 + (g - gap) ** 2)
                   for p, g in zip(counted, gaps, strict=True))  # fmt: skip
        sd = math.sqrt(math.fsum(squares) / count)
    length = max(len(p.category_counts) for p in parts)
    totals = [0] * length
    for part in parts:
        for code, rows in enumerate(part.category_counts):
            totals[code] += rows
    storages = {p.storage for p in parts if p.storage != "empty"}
    return ColumnSummary(
        storage=next((p.storage for p in parts if p.storage in storages), "empty"),
        missing=sum(p.missing for p in parts),
        misfit=sum(p.misfit for p in parts),
        infinite=sum(p.infinite for p in parts),
        count=sum(p.count for p in parts),
        mean=mean,
        sd=sd,
        low=min((p.low for p in parts if p.low is not None), default=None),
        high=max((p.high for p in parts if p.high is not None), default=None),
        category_counts=tuple(totals),
        mean_rest=rest,
        example=min((p.example for p in parts if p.example), default=""),
    )
