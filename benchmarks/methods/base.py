"""What a method is given and what it answers."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

__all__ = ["Answer", "Method", "minus_log10"]

Answer = dict[str, Any]  # as the yardstick writes it


@dataclass(frozen=True)
class Method:
    """One row of the table.

    Parameters
    ----------
    name : str
        As in the output.
    answer : callable
        Takes reference, current, the case's public description and the floor; returns an answer in
        the yardstick's words. It never sees the truth.
    most_cases : int, optional
        Slow methods run on the first so many cases, and say so.
    """

    name: str
    answer: Callable[[pd.DataFrame, pd.DataFrame, Mapping[str, Any], float], Answer]
    most_cases: int | None = None


def minus_log10(p: float | None) -> float | None:
    """Return the yardstick's score of a p-value, finite also where p is exactly 0."""
    return None if p is None else -math.log10(max(p, 1e-300))
