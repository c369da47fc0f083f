"""Rows in which something broke, as those of one category."""

from __future__ import annotations

import numpy as np

from whydrift.discovery.arrays import BoolArray
from whydrift.monitor.diagnosis.faults.base import MOST_COLUMNS, Suspects

__all__ = ["category_of"]

_ALL = 0.9  # of the rows


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
