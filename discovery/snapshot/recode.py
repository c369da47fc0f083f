"""A window with the category codes of another schema, so that the two can be compared."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from whydrift.discovery.arrays import FloatArray, IntArray, read_only
from whydrift.discovery.snapshot.schema import Column, Role, Schema
from whydrift.discovery.snapshot.snapshot import OTHER, Snapshot

__all__ = ["recoded"]


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
