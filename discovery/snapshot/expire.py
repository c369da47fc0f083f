"""A window whose rows are no longer kept: what was counted stays."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from whydrift.discovery.arrays import read_only
from whydrift.discovery.errors import SchemaError
from whydrift.discovery.snapshot.quantiles import QuantileSketch
from whydrift.discovery.snapshot.schema import ColumnKind
from whydrift.discovery.snapshot.snapshot import Snapshot

__all__ = ["without_sample"]

_NOTHING_KEPT = 0.0  # the threshold of an empty sample: every row had the chance 0 to be in it


def without_sample(window: Snapshot) -> Snapshot:
    """Return the window without its rows; joined with another, that one's rows go too.

    Rows, counts, moments and extremes stay. Where the sample held all rows, quantiles are of a
    sketch from now on.

    Raises
    ------
    SchemaError
        If rows of its sample were replaced or chosen again.
    """
    if not window.rows:
        return window
    draw, totals = window.draw, window.totals
    if draw is None or totals is None:
        raise SchemaError(
            "rows of the sample were replaced or chosen again",
            where="without_sample",
            remedy="Give the Snapshot that from_frame, from_batches or merge gave",
        )
    sketches = dict(totals.sketches)
    if draw.is_whole:
        for name in window.sampled:
            kind = window.schema[name].kind
            if kind.is_numeric or kind is ColumnKind.TIMESTAMP:
                sketches[name] = QuantileSketch.of(window.column(name))
    return replace(
        window,
        sample=read_only(np.empty((0, len(window.sampled)), order="F")),
        repeated=None,
        draw=draw.taken(np.empty(0, dtype=np.int64), _NOTHING_KEPT),
        totals=replace(totals, sketches=sketches),
    )
