"""Searches that ask for no more than a covariance matrix, from that to a graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from whydrift.discovery.arrays import FloatArray
from whydrift.discovery.covariance import Covariance
from whydrift.discovery.errors import OptionError
from whydrift.discovery.graph import Graph
from whydrift.discovery.independence.base import IndependenceTest
from whydrift.discovery.independence.determined import Guarded, relations_of_correlations
from whydrift.discovery.independence.fisher_z import FisherZ
from whydrift.discovery.knowledge import Knowledge
from whydrift.discovery.progress import Progress, silent
from whydrift.discovery.scores.registry import gaussian_score
from whydrift.discovery.search.by_score import (
    determined_by_neighbours,
    joined,
    search_with_score,
)
from whydrift.discovery.search.fci import fci_from_test, rfci_from_test
from whydrift.discovery.search.pc import pc_from_test
from whydrift.discovery.snapshot.note import Note

__all__ = ["learn_by_score", "learn_by_test", "varying_columns"]

_COPY = 1e-9  # variance, of 1, that a column leaves of its copy by rounding


def varying_columns(
    covariance: Covariance, names: tuple[str, ...]
) -> tuple[tuple[str, ...], tuple[Note, ...]]:
    """Return the columns that vary, and a note on each other one."""
    varies = dict(zip(covariance.columns, covariance.varies.tolist(), strict=True))
    notes = tuple(
        Note("constant_column", n, f"column {n!r} never varies; no edge can be learned for it")
        for n in names
        if not varies[n]
    )
    return tuple(n for n in names if varies[n]), notes


def learn_by_test(
    search: Literal["pc", "fci", "rfci"],
    covariance: Covariance,
    names: tuple[str, ...],
    *,
    test: str = "auto",
    alpha: float = 0.05,
    orientation: str = "max",
    knowledge: Knowledge | None = None,
    progress: Progress = silent,
) -> tuple[Graph, tuple[Note, ...]]:
    """Learn a graph by Fisher's z; the graph is that which the rows would give.

    Parameters
    ----------
    search : {"pc", "fci", "rfci"}
    covariance : Covariance
    names : tuple of str
        Columns that vary.
    test : str
        ``fisher_z`` or ``auto``.
    alpha, orientation, knowledge, progress
        As in `pc` and `fci`.

    Returns
    -------
    graph : Graph
        Over ``names``.
    notes : tuple of Note

    Raises
    ------
    OptionError
        If the test needs rows.
    """
    _only(test, ("auto", "fisher_z"), "test")
    table = _Table.of(covariance, names)
    position = {name: i for i, name in enumerate(names)}
    copies = {position[copy]: position[original] for copy, original in table.copies.items()}
    asked, notes = _fisher_z(table, covariance.rows)
    if search == "rfci":
        graph, found = rfci_from_test(
            asked, names, alpha=alpha, knowledge=knowledge, copies=copies, progress=progress
        )
    else:
        learn = pc_from_test if search == "pc" else fci_from_test
        graph, found = learn(
            asked,
            names,
            alpha=alpha,
            orientation=orientation,
            knowledge=knowledge,
            copies=copies,
            progress=progress,
        )
    choice = _choice("independence test fisher_z", test)
    return graph, (choice, *notes, *table.notes, *found)


def learn_by_score(
    search: Literal["boss", "ges", "grasp"],
    covariance: Covariance,
    names: tuple[str, ...],
    *,
    score: str = "auto",
    penalty: float = 1.0,
    knowledge: Knowledge | None = None,
    random_state: int = 0,
    progress: Progress = silent,
) -> tuple[Graph, tuple[Note, ...]]:
    """Learn a graph by a Gaussian score; the graph is that which the rows would give.

    Parameters
    ----------
    search, penalty, knowledge, random_state, progress
        As in `search_with_score` and `score_named`.
    covariance : Covariance
    names : tuple of str
        Columns that vary.
    score : str
        ``bic``, ``ebic`` or ``auto``, which is ebic.

    Returns
    -------
    graph : Graph
        Over ``names``.
    notes : tuple of Note

    Raises
    ------
    OptionError
        If the score needs rows.
    """
    _only(score, ("auto", "bic", "ebic"), "score")
    table = _Table.of(covariance, names)
    kept = tuple(name for name in names if name not in table.copies)
    chosen = "ebic" if score == "auto" else score
    correlation = covariance.correlation(kept)
    scored = gaussian_score(chosen, correlation, covariance.rows, kept, penalty=penalty)
    known = (knowledge or Knowledge()).within(names)
    graph, more = search_with_score(
        search, scored, knowledge=known, random_state=random_state, progress=progress
    )
    notes = (_choice(f"score {chosen}", score), *table.notes, *more)
    determined = determined_by_neighbours(graph, kept, correlation)
    return joined(graph, names, table.copies, known), (*notes, *determined)


def _choice(what: str, asked: str) -> Note:
    reason = "a covariance matrix has no more to tell" if asked == "auto" else "as asked"
    return Note("method_choice", None, f"{what}: {reason}")


def _only(name: str, able: tuple[str, ...], what: str) -> None:
    if name not in able:
        raise OptionError(
            f"{what} {name!r} needs rows, and a covariance matrix was given",
            where=what,
            remedy=f"Give the rows, or one of: {', '.join(able)}",
        )


@dataclass(frozen=True, slots=True)
class _Table:
    """Correlations of columns that vary, and which of them repeat another."""

    names: tuple[str, ...]
    correlation: FloatArray
    copies: Mapping[str, str]
    notes: tuple[Note, ...]

    @classmethod
    def of(cls, covariance: Covariance, names: tuple[str, ...]) -> _Table:
        correlation = covariance.correlation(names)
        copies: dict[str, str] = {}
        alike = 1 - correlation**2 <= _COPY
        # The original is the first in the alphabet, as where there are rows.
        for i in sorted(range(len(names)), key=names.__getitem__):
            if names[i] in copies:
                continue
            for j in np.flatnonzero(alike[i]).tolist():
                if names[j] > names[i]:
                    copies.setdefault(names[j], names[i])
        notes = tuple(
            Note(
                "duplicate_column",
                copy,
                f"column {copy!r} repeats {original!r} on another scale; it is joined to that "
                "column alone",
            )
            for copy, original in sorted(copies.items())
        )
        return cls(names, correlation, copies, notes)


def _fisher_z(table: _Table, rows: float) -> tuple[IndependenceTest, tuple[Note, ...]]:
    test = FisherZ.of_correlations(table.correlation, rows)
    order = sorted(range(len(table.names)), key=table.names.__getitem__)
    inside = tuple(table.names[i] for i in order)
    relations = relations_of_correlations(table.correlation[np.ix_(order, order)], rows)
    if not relations:
        return test, ()
    placed = tuple(relation.renumbered(order) for relation in relations)
    return Guarded(test, placed), tuple(relation.told(inside) for relation in relations)
