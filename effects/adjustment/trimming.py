"""Trimming: leaving out rows that have no counterpart in the other arm."""

from __future__ import annotations

import numpy as np

from whydrift.discovery.arrays import BoolArray, FloatArray
from whydrift.discovery.errors import OptionError, TooFewRows
from whydrift.discovery.snapshot.note import Note
from whydrift.effects.words import percent

__all__ = ["check_trim", "is_kept", "trimming_note"]


def check_trim(trim: float, method: str) -> None:
    """Raise where this is no distance from 0 and 1."""
    if isinstance(trim, bool) or not 0 <= trim < 0.5:
        raise OptionError(
            f"{trim!r} is not in [0, 0.5)",
            where=f"{method}, trim",
            remedy="Give a chance such as 0.05, or 0 for none",
        )


def is_kept(chance: FloatArray, treated: BoolArray, estimand: str, trim: float) -> BoolArray:
    """Return the rows whose chance of treatment is far enough from 0 and 1.

    Parameters
    ----------
    chance : ndarray of shape (n_rows,)
    treated : ndarray of bool, shape (n_rows,)
    estimand : str
        Of the treated alone rows near 1 have no counterpart, of the untreated those near 0.
    trim : float

    Raises
    ------
    TooFewRows
        If an arm is left empty.
    """
    kept = np.ones(len(chance), dtype=bool)
    if estimand in {"ate", "att"}:
        kept &= chance <= 1 - trim
    if estimand in {"ate", "atc"}:
        kept &= chance >= trim
    for arm, name in ((treated, "treated"), (~treated, "untreated")):
        if not kept[arm].any():
            raise TooFewRows(
                f"no {name} row has a chance of treatment at least {trim} from 0 and 1: the arms "
                "do not overlap",
                where="trim",
                remedy="There is nothing to compare; give a smaller trim to see how far they are "
                "apart",
            )
    return kept


def trimming_note(kept: BoolArray, trim: float) -> Note:
    """Return what is said of the rows left out."""
    gone = int((~kept).sum())
    text = (
        f"{gone:,} rows ({percent(gone / len(kept))}) left out, whose chance of treatment is "
        f"within {trim:g} of 0 or 1: the answer is about the others"
    )
    return Note("rows_trimmed", None, text)
