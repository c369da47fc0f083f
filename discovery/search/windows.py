"""Several windows at once: reading them, and orienting edges by what stayed the same.

References
----------
Mooij, Magliacane & Claassen (2020), Joint causal inference from multiple contexts.
Huang, Zhang, Zhang, Ramsey, Sanchez-Romero, Glymour & Schölkopf (2020), Causal discovery from
heterogeneous/nonstationary data.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from whydrift.discovery.arrays import read_only
from whydrift.discovery.covariance import Covariance
from whydrift.discovery.errors import SchemaError, TooFewRows
from whydrift.discovery.graph import Edge, Graph
from whydrift.discovery.knowledge import Knowledge
from whydrift.discovery.orientation import dag_to_cpdag
from whydrift.discovery.scores.base import Score
from whydrift.discovery.snapshot.note import Note
from whydrift.discovery.snapshot.recode import in_common_codes
from whydrift.discovery.snapshot.schema import Column, ColumnKind, Role, Schema
from whydrift.discovery.snapshot.snapshot import Snapshot

__all__ = [
    "in_turn",
    "moved_note",
    "oriented_by_invariance",
    "pooled",
    "read_windows",
    "with_window_column",
]

# A window in the order of time, read as several: so many rows each, and so many at most.
_ROWS_IN_TURN, _MOST_IN_TURN = 500, 20
_LEAST_IN_TURN = 100  # rows in all


def read_windows(frames: Sequence[Any], *, random_state: int = 0) -> tuple[Snapshot, ...]:
    """Return windows of rows as Snapshots that share the schema of the first.

    Parameters
    ----------
    frames : sequence of Snapshot, pandas.DataFrame, polars.DataFrame or pyarrow.Table
        At least one.
    random_state : int
        Seed of the choice of rows where a window has more than a Snapshot keeps.

    Raises
    ------
    SchemaError
        If there is no window, or one lacks a column of the first.
    """
    if not frames:
        raise SchemaError("there are no windows", where="data", remedy="Give at least one")
    windows: list[Snapshot] = []
    for number, frame in enumerate(frames):
        where = f"window {number + 1}"
        if isinstance(frame, Covariance):
            raise SchemaError(
                "a covariance matrix is no window of rows",
                where=where,
                remedy="Give it alone, not in a list",
            )
        schema = windows[0].schema if windows else None
        window = (
            frame
            if isinstance(frame, Snapshot)
            else Snapshot.from_frame(frame, schema=schema, random_state=random_state, where=where)
        )
        if schema is not None:
            for column in schema:
                if not windows[0].has(column.name):
                    continue
                if column.name not in window.schema or not window.has(column.name):
                    raise SchemaError(
                        f"column {column.name!r} of the first window is absent",
                        where=where,
                        remedy="Give windows with the same columns",
                    )
        windows.append(window)
    return in_common_codes(windows)


def pooled(windows: Sequence[Snapshot]) -> Snapshot:
    """Return one window whose sample holds the rows of all; its counts are those of the first."""
    first = windows[0]
    if len(windows) == 1:
        return first
    sample = np.concatenate([w.columns(first.sampled) for w in windows])
    return Snapshot(
        first.schema,
        sum(w.rows for w in windows),
        first.summaries,
        read_only(np.asfortranarray(sample)),
        first.sampled,
        first.absent,
        notes=tuple(dict.fromkeys(note for w in windows for note in w.notes)),
    )


def in_turn(window: Snapshot) -> tuple[tuple[Snapshot, ...], Note]:
    """Return one window as several that follow each other, and a note that says so.

    There is one for every 500 rows of its sample, from 2 to 20 of them, of equal size.

    Raises
    ------
    TooFewRows
        With fewer than 100 rows.
    """
    rows = len(window.sample)
    if rows < _LEAST_IN_TURN:
        raise TooFewRows(
            f"{rows} rows are too few to be read as windows that follow each other",
            where="data",
            remedy=f"Give at least {_LEAST_IN_TURN}, or a list of windows",
        )
    count = int(np.clip(rows // _ROWS_IN_TURN, 2, _MOST_IN_TURN))
    parts = np.array_split(np.arange(rows), count)
    text = (
        f"the rows, taken to be in the order of time, were read as {count} windows of about "
        f"{window.rows // count:,} rows"
    )
    return tuple(window.take(part) for part in parts), Note("read_in_turn", None, text)


def with_window_column(
    windows: Sequence[Snapshot], names: tuple[str, ...], kind: ColumnKind
) -> tuple[Snapshot, str]:
    """Return the rows of all windows with the window's number as a column, and its name.

    Columns that weigh or group the rows are kept beside those named.
    """
    window = "window"
    while window in windows[0].schema:
        window += "_"
    roles = (windows[0].schema.with_role(role) for role in (Role.CLUSTER, Role.WEIGHT))
    kept = (*names, *(n for n in roles if n is not None and n not in names and windows[0].has(n)))
    sample = np.column_stack(
        [
            np.concatenate([w.columns(kept) for w in windows]),
            np.repeat(np.arange(len(windows), dtype=np.float64), [len(w.sample) for w in windows]),
        ]
    )
    widened = Snapshot(
        Schema((*windows[0].schema.select(kept), Column(window, kind))),
        sum(w.rows for w in windows),
        {},
        read_only(np.asfortranarray(sample)),
        (*kept, window),
    )
    return widened, window


def oriented_by_invariance(
    dag: Graph, score: Score, windows: int, knowledge: Knowledge | None = None
) -> tuple[Graph, tuple[Note, ...]]:
    """Return the class of DAGs that explain several windows alike.

    Each window is a cause of every column whose mechanism is its own there. With the windows as
    nodes that nothing causes, the class of the DAG is smaller than that of one window alone: what
    stays the same given its parents, and would not given its effects, shows its direction.

    Parameters
    ----------
    dag : Graph
        The best DAG under the score.
    score : Score
        Built from the windows.
    windows : int
        How many there are.
    knowledge : Knowledge, optional
        As in `dag_to_cpdag`.

    Returns
    -------
    graph : Graph
        Directed and undirected edges over the nodes of ``dag``.
    notes : tuple of Note
        A ``mechanism_moved`` for each column whose mechanism differs.
    """
    known = (knowledge or Knowledge()).within(dag.nodes)
    position = {name: i for i, name in enumerate(score.names)}
    moved = {
        name: score.moved(position[name], tuple(position[p] for p in dag.parents(name)))
        for name in score.names
    }
    contexts = {
        k: f"window {k + 1}" for k in sorted({k for apart in moved.values() for k in apart})
    }
    while set(contexts.values()) & set(dag.nodes):
        contexts = {k: name + "'" for k, name in contexts.items()}
    widened = Graph(
        (*dag.nodes, *contexts.values()),
        (
            *dag.edges,
            *(Edge.of(contexts[k], "-->", n) for n, apart in moved.items() for k in apart),
        ),
    )
    rules = Knowledge(
        known.tiers,
        known.required,
        (*known.forbidden, *((n, context) for n in dag.nodes for context in contexts.values())),
    )
    graph = dag_to_cpdag(widened, rules).with_nodes(dag.nodes)
    notes = tuple(moved_note(name, apart, windows) for name, apart in moved.items() if apart)
    return graph, notes


def moved_note(name: str, apart: tuple[int, ...], windows: int) -> Note:
    """Return the note on a mechanism that differs in some of the windows, or between all."""
    if len(apart) in {0, windows}:
        where = "between the windows"
    elif len(apart) == 1:
        where = f"in window {apart[0] + 1}"
    else:
        where = f"in windows {', '.join(str(k + 1) for k in apart)}"
    return Note("mechanism_moved", name, f"the mechanism of {name!r} differs {where}")
