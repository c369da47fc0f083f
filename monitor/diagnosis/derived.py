"""Columns that are computed from others: their parents are known before a graph is learned."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from whydrift.discovery.errors import GraphError
from whydrift.discovery.knowledge import Knowledge
from whydrift.discovery.search.exact import Exact
from whydrift.discovery.snapshot.schema import Role
from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.monitor.diagnosis.faults.identity import (
    Linear,
    Pair,
    decimals,
    find_identities,
    off_by_rounding,
)
from whydrift.monitor.diagnosis.tariffs import find_tariffs

__all__ = ["with_derived"]

_MOST_COLUMNS = 120
_CLEARLY = 0.5  # of the next correlation: which column is the computed one is a matter of this
_COARSE = 0.25  # sd: what a column is made of shows beside more rounding than what breaks it
_EXACT = 0.01  # of what rounding makes: nothing was rounded
_ROUNDED = 0.1  # the same: as far off as a rounded column is
_LEAST_PARTS = 3  # of a total
_UNIT = 1e-6  # of a factor of 1
_WRITTEN = 4  # decimals at most, of what is recorded and not computed


def with_derived(
    reference: Snapshot, names: tuple[str, ...], known: Knowledge
) -> tuple[Knowledge, tuple[Exact, ...]]:
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

    Returns
    -------
    known : Knowledge
    open : tuple of Exact
        Identities of which it cannot be told beforehand which column is the computed one.
    """
    numbers = tuple(n for n in names if reference.schema[n].kind.is_numeric)[:_MOST_COLUMNS]
    if len(numbers) < 2:
        return known, ()
    derived: set[str] = set()
    unsolved: list[Linear | Pair] = []
    for identity in find_identities(reference, numbers, _COARSE):
        for result in _results(reference, identity):
            if result in derived:
                continue
            parents = tuple(n for n in identity.names if n != result)
            extended = _extended(known, names, result, parents)
            if extended is not None:
                known = extended
                derived.add(result)
                break
        else:
            if isinstance(identity, Linear) or identity.formula.can_be_solved:
                unsolved.append(identity)
    discrete = tuple(n for n in names if reference.schema[n].kind.is_discrete)
    for tariff in find_tariffs(reference, numbers, discrete):
        extended = _extended(known, names, tariff.result, (tariff.base, tariff.category))
        if tariff.result not in derived and extended is not None:
            known = extended
            derived.add(tariff.result)
    return known, tuple(_exact(identity) for identity in unsolved)


def _exact(identity: Linear | Pair) -> Exact:
    """Return an identity that can be solved for each column as a sum, of logs if a product."""
    if isinstance(identity, Linear):
        return Exact(identity.names, (1.0, *(factor for _, factor in identity.terms)))
    return Exact(identity.names)


def _results(reference: Snapshot, identity: Linear | Pair) -> Iterator[str]:
    """Yield the columns that may be the computed one, the likeliest first.

    Solved for any column an identity holds as well. What others make up goes with each of them, and
    they less with each other: by chance so do a cost and a profit, of which no revenue is made, so
    that a product, or else the last column of a sum, has to be it by that, too. Decimals tell more,
    where there are any. Of two columns either may be the copy, but for a target.
    """
    names = identity.names
    if len(names) == 2:
        target = reference.schema.with_role(Role.TARGET)
        yield from sorted(names, key=lambda name: name == target)
        return
    if isinstance(identity, Pair):
        by_decimals = _by_decimals(reference, identity)
        if by_decimals is not None:
            yield by_decimals
            return
    elif (total := _total(reference, identity)) is not None:
        yield total
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


def _total(reference: Snapshot, identity: Linear) -> str | None:
    """Return the column that three or more parts of no less than 0 add up to, or None.

    Who divides a total into that many parts records all but one and the rest; who has the parts
    adds them up, which is by far the commoner. Of two parts one may as well be the rest.
    """
    signs = {identity.result: -1.0, **dict(identity.terms)}
    if identity.constant or any(abs(abs(sign) - 1) > _UNIT for sign in signs.values()):
        return None
    positive = [name for name, sign in signs.items() if sign > 0]
    negative = [name for name, sign in signs.items() if sign < 0]
    alone, parts = (negative, positive) if len(negative) == 1 else (positive, negative)
    if len(alone) != 1 or len(parts) < _LEAST_PARTS:
        return None
    values = reference.columns(tuple(parts))
    return alone[0] if not np.any(values < 0) else None


def _by_decimals(reference: Snapshot, identity: Pair) -> str | None:
    """Return the column that the decimals of the three say is computed, or None.

    Of two that are written in few decimals, such as counts, a third that is not is the product or
    the quotient. Where all are, the computed one was rounded: it is off what the others say by all
    that a last decimal may be off, and they are off by less. A price in cents times a count has
    nothing to round, while few sums can be divided without a rest.
    """
    names = identity.names
    if not identity.formula.can_be_solved:
        return names[0]
    block = reference.columns(names)
    block = block[np.isfinite(block).all(axis=1)]
    places = [decimals(block[:, k]) for k in range(3)]
    written = [None if p is None or p > _WRITTEN else p for p in places]
    unwritten = [name for name, p in zip(names, written, strict=True) if p is None]
    if unwritten:
        return unwritten[0] if len(unwritten) == 1 else None
    digits = [p for p in written if p is not None]
    off = [_off(reference, identity, n, d) for n, d in zip(names, digits, strict=True)]
    if max(off) < _EXACT:
        is_product = identity.formula.commutes and digits[0] >= max(digits[1:])
        return names[0] if is_product else None
    rounded = [name for name, size in zip(names, off, strict=True) if abs(size - 1) <= _ROUNDED]
    return rounded[0] if len(rounded) == 1 else None


def _off(reference: Snapshot, identity: Pair, name: str, digits: int) -> float:
    """Return how far a column is off what the others say, as a share of what rounding makes."""
    values = identity.solved(reference, name)
    assert values is not None
    gap = (reference.column(name) - values) * 10.0**digits
    gap = gap[np.isfinite(gap)]
    return off_by_rounding(gap) if gap.size else np.inf


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
