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
from whydrift.discovery.errors import SchemaError
from whydrift.discovery.graph import Edge, Graph
from whydrift.discovery.knowledge import Knowledge
from whydrift.discovery.orientation import dag_to_cpdag
from whydrift.discovery.scores.base import Score
from whydrift.discovery.snapshot.note import Note
from whydrift.discovery.snapshot.snapshot import Snapshot

__all__ = ["oriented_by_invariance", "pooled", "read_windows"]


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
        If there is no window, one lacks a column of the first, or Snapshots have other categories.
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
                own = window.schema[column.name].categories
                if own[: len(column.categories)] != column.categories:
                    raise SchemaError(
                        f"column {column.name!r} has other categories than in the first window",
                        where=where,
                        remedy="Build it with Snapshot.from_frame(…, schema=first.schema)",
                    )
        windows.append(window)
    return tuple(windows)


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


def oriented_by_invariance(
    dag: Graph, score: Score, knowledge: Knowledge | None = None
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
    notes = tuple(
        Note("mechanism_moved", name, _where(name, apart)) for name, apart in moved.items() if apart
    )
    return graph, notes


def _where(name: str, apart: tuple[int, ...]) -> str:
    where = f"in window {apart[0] + 1}" if len(apart) == 1 else "between the windows"
    return f"the mechanism of {name!r} differs {where}"
