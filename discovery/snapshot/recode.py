"""A window with the category codes of another schema, so that the two can be compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from whydrift.discovery.arrays import FloatArray, IntArray, read_only
from whydrift.discovery.snapshot.schema import Column, Role, Schema
from whydrift.discovery.snapshot.snapshot import OTHER, Snapshot
from whydrift.discovery.snapshot.truth import in_words, truth_words

__all__ = ["in_common_codes", "recoded"]


def in_common_codes(windows: Sequence[Snapshot]) -> tuple[Snapshot, ...]:
    """Return the windows so that a code means one category in all that know it.

    As if each had been read with the schema of the one before it: the categories of the earlier
    ones come first, in their order, then those that are new to it. Which windows brought a rare
    category, and in what order each lists its own, then makes no difference.

    Parameters
    ----------
    windows : sequence of Snapshot
        Columns that are not categories in a window are left as they are.
    """
    known: dict[str, tuple[str, ...]] = {}
    out: list[Snapshot] = []
    for window in windows:
        named = tuple(_named_as_known(c, known.get(c.name, ())) for c in window.schema)
        columns = tuple(_extended(c, known.get(c.name, ())) for c in named)
        if columns != window.schema.columns:
            own = replace(window, schema=replace(window.schema, columns=named))
            window = recoded(own, replace(window.schema, columns=columns))
        known |= {c.name: c.categories for c in columns if c.categories}
        out.append(window)
    return tuple(out)


def recoded(window: Snapshot, schema: Schema) -> Snapshot:
    """Return the window with the categories of a schema that has all of its own.

    Parameters
    ----------
    window : Snapshot
    schema : Schema
        Of the same columns and kinds, such as that of a window which this one was merged into.
    """
    sample: FloatArray = window.sample
    summaries = dict(window.summaries)
    for own in window.schema:
        column = schema[own.name]
        if own.categories == column.categories:
            continue
        codes = _codes(own, column)
        if window.has(own.name) and own.role is not Role.CLUSTER:
            if sample is window.sample:
                sample = window.sample.copy(order="F")
            values = window.column(own.name)
            present = np.isfinite(values)
            place = window.sampled.index(own.name)
            sample[present, place] = codes[values[present].astype(np.int64)]
        found = summaries.get(own.name)
        if found is not None and found.category_counts:
            counts = np.zeros(len(column.categories), dtype=np.int64)
            np.add.at(counts, codes[: len(found.category_counts)], found.category_counts)
            summaries[own.name] = replace(found, category_counts=tuple(counts.tolist()))
    return replace(window, schema=schema, sample=read_only(sample), summaries=summaries)


def _codes(own: Column, column: Column) -> IntArray:
    """Return the new code by the old one; what is not told apart any more is in the overflow."""
    place = {name: code for code, name in enumerate(column.categories)}
    return np.array([place.get(c, place.get(OTHER, -1)) for c in own.categories], dtype=np.int64)


def _named_as_known(column: Column, known: tuple[str, ...]) -> Column:
    words = truth_words(known)
    return (
        column if words is None else replace(column, categories=in_words(column.categories, words))
    )


def _extended(column: Column, known: tuple[str, ...]) -> Column:
    """Return a column of categories with the known ones first."""
    if not column.kind.is_discrete or not known:
        return column
    # Two spellings of one name, once they are written alike.
    names = tuple(dict.fromkeys((*known, *column.categories)))
    return replace(column, categories=names, known=len(known))
