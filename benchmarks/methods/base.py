"""What a method is given and what it answers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

__all__ = ["Answer", "Method", "ancestors", "minus_log10", "named", "parents_of"]

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


def named(
    score: Mapping[str, float | None], found: list[str], target: str, upstream: Iterable[str]
) -> Answer:
    """Return the answer of a method that only says which columns changed, most certain first.

    The others follow in the ranking by their evidence: of a change that is known to be there
    every method may say where to look first.

    Parameters
    ----------
    score : mapping of str to float
        Evidence for each column, larger for more; columns in the order of the data.
    found : list of str
        Columns said to have changed.
    target : str
    upstream : iterable of str
        Columns whose change is one of the target's covariates.
    """
    own, above = target in found, bool(set(upstream) & set(found))
    verdict = "both" if own and above else "mechanism" if own else "covariate" if above else "none"
    return {
        "nodes": {
            c: {
                "verdict": "mechanism" if c in found else "none",
                "score": value,
                "contribution": None,
            }
            for c, value in score.items()
        },
        "target_verdict": verdict,
        "ranking": [
            *found,
            *sorted((c for c in score if c not in found), key=lambda c: -(score[c] or 0.0)),
        ],
    }


def parents_of(meta: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the parents of each column in the true graph."""
    return {c: [a for a, b in meta["edges"] if b == c] for c in meta["columns"]}


def ancestors(parents: Mapping[str, list[str]], column: str) -> set[str]:
    """Return everything upstream of a column."""
    found: set[str] = set()
    waiting = list(parents[column])
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += parents[name]
    return found
