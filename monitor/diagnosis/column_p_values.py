"""How surprising each column's mechanism is beside past windows: p-values, and nothing more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from whydrift.discovery.graph import Graph
from whydrift.discovery.progress import silent
from whydrift.discovery.snapshot.pool import Pooled, pool
from whydrift.discovery.snapshot.recode import in_common_codes
from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.monitor.diagnosis.copied_rows import each_row_once
from whydrift.monitor.diagnosis.expired import with_rows
from whydrift.monitor.diagnosis.faults.registry import find_faults
from whydrift.monitor.diagnosis.late_labels import late_labels
from whydrift.monitor.diagnosis.local_time import UTC, LocalTime
from whydrift.monitor.diagnosis.mechanism.between_windows import LEAST_WINDOWS
from whydrift.monitor.diagnosis.mechanism.registry import mechanism_test
from whydrift.monitor.diagnosis.sides import prepare, unusable
from whydrift.monitor.diagnosis.testing import Testing
from whydrift.monitor.diagnosis.window_graph import said_to_cause, window_graph

__all__ = ["column_p_values"]

_MOST_TIMES = 2.0  # as in `compare`
_MOST_PAST_ROWS = 16_384


def column_p_values(
    reference: Sequence[Snapshot],
    current: Snapshot,
    *,
    graph: Graph,
    target: str | None = None,
    prediction: str | None = None,
    cluster: str | None = None,
    local: LocalTime = UTC,
) -> dict[str, float]:
    """Return the p-value of "its mechanism is as before" of each column that can be tested.

    The tests are those of :func:`compare`, which says what the parameters are; columns whose
    values broke are left out.

    Raises
    ------
    SchemaError
        If the windows have no usable column in common, or a named column is absent.
    """
    *reference, current = in_common_codes((*reference, current))
    given, _, _ = with_rows(reference, None)
    if not given or not current.has_sample or not current.rows:
        return {}
    counted = each_row_once(given, current)
    windows = counted.references
    past = (
        pool(windows, most_rows=_MOST_PAST_ROWS, most_times=_MOST_TIMES)
        if len(windows) > 1
        else Pooled(windows[0], np.zeros(len(windows[0].sample), dtype=np.int64), 1)
    )
    side = prepare(
        past.snapshot,
        counted.current,
        target,
        prediction,
        cluster,
        past.count > 1,
        said_to_cause(graph, None),
        local,
    )
    timeless = tuple(n for n in side.names if n not in side.calendar)
    broken = find_faults(side.reference, side.current, timeless)
    side = replace(side, reference=broken.reference, current=broken.current)
    late = late_labels(side, counted.current, broken.findings, target)
    side, repaired = late.left_of(side), late.without(broken.repaired)
    lost = unusable(late.findings, side)
    usable = tuple(n for n in side.names if n not in lost)
    parts = past.parts[broken.kept]
    learned = window_graph(
        side.reference, repaired, side.names, usable, graph=graph, knowledge=None,
        method="auto", test="auto", score="auto", random_state=0, progress=silent, parts=parts,
        clocks=side.clocks,
    )  # fmt: skip
    # It is given, but new dependence, which is looked for beside such a graph, is in no p-value.
    testing = Testing(
        side.reference, side.current, repaired, late.findings, learned.graph, usable, side.cluster,
        mechanism_test("residual_scores"), silent, parts if past.count >= LEAST_WINDOWS else None,
        calendar=side.calendar, local=local, turns=side.turns,
    )  # fmt: skip
    found = {}
    for name in learned.graph.nodes:
        if name in testing.usable and name not in testing.faulty:
            p_value = testing.p_value(name, learned.graph.parents(name))
            if p_value is not None:
                found[name] = p_value
    return found
