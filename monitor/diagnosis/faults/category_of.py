"""Rows in which something broke, as those of one category."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from whydrift.discovery.arrays import BoolArray
from whydrift.monitor.diagnosis.faults.base import MOST_COLUMNS, Suspects, share_rises

__all__ = ["Place", "category_of", "only_in"]

_ALL = 0.9  # of the rows
_LEAST_TIMES = 10  # as often in the category as in other rows
_LEAST_CHANCE = 1e-4


@dataclass(frozen=True, slots=True)
class Place:
    """The category that the rows of a fault lie in.

    Parameters
    ----------
    where : str
        Such as ``city is 'Rome'``.
    is_all : bool
        Whether none of them lies elsewhere.
    share : float
        Of that category's rows, how many broke.
    """

    where: str
    is_all: bool
    share: float

    def __str__(self) -> str:
        """Return ``only where city is 'Rome'``."""
        return f"{'only' if self.is_all else 'nearly only'} where {self.where}"


def category_of(suspects: Suspects, rows: BoolArray, counted: BoolArray) -> str | None:
    """Return the one category to which the rows belong, and all that are counted in it.

    Parameters
    ----------
    suspects : Suspects
        The windows.
    rows : ndarray of bool, shape (n_current_sampled,)
        Where the fault shows.
    counted : ndarray of bool, shape (n_current_sampled,)
        Rows in which it could show.

    Returns
    -------
    str or None
        Such as ``city is 'Rome'``.
    """
    for name in suspects.names[:MOST_COLUMNS]:
        column = suspects.reference.schema[name]
        if not column.kind.is_discrete:
            continue
        codes = suspects.current.column(name)
        known = rows & (codes >= 0)
        if not known.any():
            continue
        code = int(np.bincount(codes[known].astype(np.int64)).argmax())
        here = codes == code
        if code < len(column.categories) and (
            min(here[rows].mean(), rows[here & counted].mean()) >= _ALL
        ):
            return f"{name} is {column.categories[code]!r}"
    return None


def only_in(suspects: Suspects, name: str, rows: BoolArray) -> Place | None:
    """Return the one category that (nearly) all the rows lie in, be they all of it or a part.

    A machine's sensor may break at noon. Of several such categories it is the one of which the
    rows are the most: a site rather than its country.

    Parameters
    ----------
    suspects : Suspects
        The windows.
    name : str
        The column that broke: its own categories say nothing.
    rows : ndarray of bool, shape (n_current_sampled,)
        Where the fault shows.
    """
    best: Place | None = None
    others = [other for other in suspects.names[:MOST_COLUMNS] if other != name]
    for other in others:
        column = suspects.reference.schema[other]
        codes = suspects.current.column(other)
        if not column.kind.is_discrete or not (rows & (codes >= 0)).any():
            continue
        code = int(np.bincount(codes[rows & (codes >= 0)].astype(np.int64)).argmax())
        here = codes == code
        inside, outside = int((rows & here).sum()), int((rows & ~here).sum())
        if code >= len(column.categories) or inside < _ALL * rows.sum() or here.all():
            continue
        share, share_outside = inside / here.sum(), outside / (~here).sum()
        by_chance = share_rises(outside, int((~here).sum()), inside, int(here.sum()))
        is_apart = share >= _LEAST_TIMES * share_outside and by_chance * len(others) < _LEAST_CHANCE
        if is_apart and (best is None or share > best.share):
            best = Place(f"{other} is {column.categories[code]!r}", not outside, float(share))
    return best
