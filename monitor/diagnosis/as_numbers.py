"""Values as numbers: categories have their own, or are 1 and 0 where there are two."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from whydrift.discovery.arrays import FloatArray
from whydrift.discovery.snapshot.schema import Column

__all__ = [
    "Reader",
    "as_event",
    "event_reader",
    "is_numeric",
    "number_reader",
    "other_class",
    "positive_class",
    "recoded",
    "says_yes",
]

# From the sample's values, numbers or category codes.
Reader = Callable[[FloatArray], FloatArray]

# Words for "it happened"; where a binary target uses none of them its classes have no such order.
_YES: Final = frozenset({"true", "t", "yes", "y", "1", "positive", "pos", "on"})


def is_numeric(categories: tuple[str, ...]) -> bool:
    """Whether all of them are numbers."""
    try:
        [float(c) for c in categories]
    except ValueError:
        return False
    return True


def says_yes(categories: tuple[str, ...]) -> bool:
    """Whether exactly one of them is a word for "it happened"."""
    return sum(c.strip().lower() in _YES for c in categories) == 1


def positive_class(categories: tuple[str, ...]) -> int:
    """Return which of two classes counts as 1: the one that says yes, else the last by name."""
    if says_yes(categories):
        return next(i for i, c in enumerate(categories) if c.strip().lower() in _YES)
    return categories.index(max(categories))


def as_event(values: FloatArray, categories: tuple[str, ...]) -> FloatArray:
    """Return a binary target as 0 and 1 where its classes are other numbers, such as 1 and 2."""
    if not is_numeric(categories):
        return values
    low, high = sorted(float(c) for c in categories)
    out: FloatArray = (values - low) / (high - low)
    return out


def _known(codes: FloatArray, column: Column) -> FloatArray:
    """Return codes with those of categories that the column does not know as NaN."""
    return np.where(codes < len(column.categories), codes, np.nan)


def number_reader(column: Column) -> Reader | None:
    """Return what reads the sample's values as numbers, or None where classes have no number.

    A category has its own number, or is 1 or 0 where there are two.
    """
    if not column.kind.is_discrete:
        return lambda values: values
    if is_numeric(column.categories):
        table = np.array([float(c) for c in column.categories])
    elif len(column.categories) == 2:
        table = np.zeros(2)
        table[positive_class(column.categories)] = 1.0
    else:
        return None

    def read(codes: FloatArray) -> FloatArray:
        codes = _known(codes, column)
        out = np.full(codes.shape, np.nan)
        present = np.isfinite(codes)
        out[present] = table[codes[present].astype(np.int64)]
        return out

    return read


def event_reader(read: Reader, categories: tuple[str, ...]) -> Reader:
    """Return a reader of a binary target as 0 and 1."""
    return lambda codes: as_event(read(codes), categories)


def other_class(
    read: Reader,
) -> Reader:
    """Return a reader of a binary target for which the other class counts as 1."""
    return lambda codes: 1 - read(codes)


def recoded(codes: FloatArray, of: Column, to: Column) -> FloatArray:
    """Return codes of one column as codes of another with the same category names."""
    place = {name: float(i) for i, name in enumerate(to.categories)}
    table = np.array([place.get(name, -1.0) for name in of.categories])
    out = np.full(codes.shape, np.nan)
    present = np.isfinite(codes)
    out[present] = table[codes[present].astype(np.int64)]
    return out
