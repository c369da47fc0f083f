"""Columns that are computed from others: their parents are known before a graph is learned."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from whydrift.discovery.errors import GraphError
from whydrift.discovery.knowledge import Knowledge
from whydrift.discovery.snapshot.schema import Role
from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.monitor.diagnosis.faults.identity import Linear, Pair, find_identities

__all__ = ["with_derived"]

_MOST_COLUMNS = 120
_CLEARLY = 0.5  # of the next correlation: which column is the computed one is a matter of this


def with_derived(reference: Snapshot, names: tuple[str, ...], known: Knowledge) -> Knowledge:
    """Return what is known, and the parents of columns that identities compute from others.

    A search cannot find them: given the other columns of an identity nothing is left of any of
    them, so that each seems to follow from any others.

    Parameters
    ----------
    reference : Snapshot
        Where identities are looked for.
    names : tuple of str
        Columns of the graph.
    known : Knowledge
        About these columns; an identity that contradicts it is left out.
    """
    numbers = tuple(n for n in names if reference.schema[n].kind.is_numeric)[:_MOST_COLUMNS]
    if len(numbers) < 2:
        return known
    derived: set[str] = set()
    for identity in find_identities(reference, numbers):
        for result in _results(reference, identity):
            if result in derived:
                continue
            parents = tuple(n for n in identity.names if n != result)
            extended = _extended(known, names, result, parents)
            if extended is not None:
                known = extended
                derived.add(result)
                break
    return known


def _results(reference: Snapshot, identity: Linear | Pair) -> Iterator[str]:
    """Yield the columns that may be the computed one, the likeliest first.

    Solved for any column an identity holds as well. What others make up goes with each of them, and
    they less with each other: by chance so do a cost and a profit, of which no revenue is made, so
    that a product, or else the last column of a sum, has to be it by that, too. Of two columns
    either may be the copy, but for a target.
    """
    names = identity.names
    if len(names) == 2:
        target = reference.schema.with_role(Role.TARGET)
        yield from sorted(names, key=lambda name: name == target)
        return
    can_be_solved = isinstance(identity, Linear) or identity.formula.first is not None
    if not can_be_solved:
        yield names[0]
        return
    scores = np.column_stack([reference.rank_scores(name) for name in names])
    complete = scores[np.isfinite(scores).all(axis=1)]
    goes_with = np.abs(np.corrcoef(complete, rowvar=False)) - np.eye(len(names))
    largest = [float(np.delete(np.delete(goes_with, k, 0), k, 1).max()) for k in range(len(names))]
    order = np.argsort(largest, kind="stable")
    made = names[order[0]]
    computed = names[0] if isinstance(identity, Pair) else _last(reference, names)
    if made == computed and largest[order[0]] <= _CLEARLY * largest[order[1]]:
        yield made


def _last(window: Snapshot, names: tuple[str, ...]) -> str:
    place = {name: k for k, name in enumerate(window.schema.names)}
    return max(names, key=lambda name: place[name])


def _extended(
    known: Knowledge, names: tuple[str, ...], result: str, parents: tuple[str, ...]
) -> Knowledge | None:
    """Return knowledge with exactly these parents of a column, or None where it clashes."""
    if any(effect == result and cause not in parents for cause, effect in known.required):
        return None
    others = (n for n in names if n != result and n not in parents)
    try:
        return Knowledge(
            known.tiers,
            tuple(dict.fromkeys((*known.required, *((p, result) for p in parents)))),
            tuple(dict.fromkeys((*known.forbidden, *((n, result) for n in others)))),
            known.never_a_cause,
            known.exogenous,
        )
    except GraphError:
        return None
