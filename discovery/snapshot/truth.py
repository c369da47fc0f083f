"""Truth values as several tools write them: 0 and 1, true and false, "True" and "False"."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["in_words", "truth_words"]

_TRUTH = (("0", "1"), ("false", "true"), ("False", "True"), ("FALSE", "TRUE"))  # no and yes


def truth_words(categories: Sequence[str]) -> tuple[str, str] | None:
    """Return the words for no and yes of which all categories are; None where there are none."""
    return next((w for w in _TRUTH if categories and {*categories} <= {*w}), None)


def in_words(names: Sequence[str], words: tuple[str, str]) -> tuple[str, ...]:
    """Return the names of true and false in these words, and others as they are.

    A table is written by one tool and read by another: the same flag is a boolean, 0 and 1, or
    "True" and "False".
    """
    meant = [next((w.index(n) for w in _TRUTH if n in w), None) for n in names]
    if None in meant or {*names} <= {*words}:
        return tuple(names)
    return tuple(words[m] for m in meant if m is not None)
