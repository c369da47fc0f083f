"""A confidence for every edge: how often it comes back when the rows are drawn again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from whydrift.discovery.arrays import IntArray
from whydrift.discovery.graph import Graph
from whydrift.discovery.independence.dependence import lag_one
from whydrift.discovery.progress import Progress, silent
from whydrift.discovery.snapshot.snapshot import Snapshot

__all__ = ["block_length", "resampled_rows", "with_confidence"]

_LEAST_BLOCKS = 20  # fewer would hardly differ from one draw to the next


def with_confidence(
    graph: Graph,
    snapshot: Snapshot,
    learn: Callable[[Snapshot], Graph],
    *,
    bootstrap: int,
    random_state: int = 0,
    progress: Progress = silent,
) -> Graph:
    """Return the graph with the confidence of each edge.

    Parameters
    ----------
    graph : Graph
        Learned from the snapshot.
    snapshot : Snapshot
        The rows of its sample are drawn with replacement, in blocks of neighbours where
        neighbouring rows are alike.
    learn : callable
        Learns a graph from a resampled snapshot, the same way.
    bootstrap : int
        Draws; at least 1.
    random_state : int
        Seed of the draws.
    progress : Progress
        Told after each draw.

    Returns
    -------
    Graph
        Each edge's confidence is the share of the drawn graphs that have it with the same marks.

    References
    ----------
    Friedman, Goldszmidt & Wyner (1999), Data analysis with Bayesian networks: a bootstrap
    approach.
    """
    rng = np.random.default_rng(random_state)
    length = block_length(snapshot)
    seen: Counter[tuple[str, str, str]] = Counter()
    for done in range(bootstrap):
        progress("bootstrap", done, bootstrap)
        drawn = learn(snapshot.take(resampled_rows(len(snapshot.sample), length, rng)))
        seen.update((edge.a, edge.mark, edge.b) for edge in drawn)
    progress("bootstrap", bootstrap, bootstrap)
    return graph.with_edges(
        replace(edge, confidence=seen[edge.a, edge.mark, edge.b] / bootstrap) for edge in graph
    )


def resampled_rows(rows: int, length: int, rng: np.random.Generator) -> IntArray:
    """Return row numbers drawn with replacement, in runs of ``length`` (wrapping at the end).

    References
    ----------
    Politis & Romano (1992), A circular block-resampling procedure for stationary data.
    """
    starts = rng.integers(rows, size=-(-rows // length))
    drawn: IntArray = ((starts[:, None] + np.arange(length)) % rows).ravel()[:rows]
    return drawn


def block_length(snapshot: Snapshot) -> int:
    """Return how many neighbouring rows to draw together: 1 where rows look independent.

    References
    ----------
    Carlstein (1986), The use of subseries values for estimating the variance of a general
    statistic: the best length for a first-order autoregression.
    """
    rows = len(snapshot.sample)
    names = [name for name in snapshot.schema.modelled if snapshot.has(name)]
    r = max((abs(lag_one(snapshot.column(name)[:, None])) for name in names), default=0.0)
    if r == 0:
        return 1
    best = (2 * r / (1 - r**2)) ** (2 / 3) * rows ** (1 / 3)
    return int(np.clip(np.ceil(best), 1, max(1, rows // _LEAST_BLOCKS)))
