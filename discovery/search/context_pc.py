"""PC over several windows together, with the window itself as a column that nothing causes.

References
----------
Mooij, Magliacane & Claassen (2020), Joint causal inference from multiple contexts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from whydrift.discovery.graph import Graph
from whydrift.discovery.independence.registry import choose_test
from whydrift.discovery.knowledge import Knowledge
from whydrift.discovery.progress import Progress, silent
from whydrift.discovery.search.pc import pc
from whydrift.discovery.search.windows import with_window_column
from whydrift.discovery.snapshot.note import Note
from whydrift.discovery.snapshot.schema import ColumnKind
from whydrift.discovery.snapshot.snapshot import Snapshot

__all__ = ["context_pc"]

_FALSE_EDGES_PER_COLUMN = 0.1
_LARGEST_ALPHA = 0.01


def context_pc(
    windows: Sequence[Snapshot],
    names: tuple[str, ...],
    *,
    test: str = "auto",
    knowledge: Knowledge | None = None,
    progress: Progress = silent,
) -> tuple[Graph, tuple[Note, ...]]:
    """Learn a CPDAG from all windows at once: for more columns than orders can be searched over.

    Edges learned from one window alone are those that this window overstates; judged by them, the
    other window would seem to differ. The level falls with the number of columns, so that about
    one in ten columns has an edge by chance.

    Parameters
    ----------
    windows : sequence of Snapshot
        With the same meaning of category codes.
    names : tuple of str
        Columns that vary.
    test : str
        As in `discover`.
    knowledge : Knowledge, optional
        Tiers, required and forbidden edges are honoured.
    progress : Progress
        Told after each level.

    Returns
    -------
    graph : Graph
        Over ``names``.
    notes : tuple of Note
    """
    # A category among categories, a number among numbers: every test has to serve it.
    all_discrete = all(windows[0].schema[name].kind.is_discrete for name in names)
    kind = ColumnKind.CATEGORICAL if all_discrete else ColumnKind.COUNT
    pooled, window = with_window_column(windows, names, kind)
    known = (knowledge or Knowledge()).within(names)
    exogenous = replace(known, forbidden=(*known.forbidden, *((name, window) for name in names)))
    alpha = min(_LARGEST_ALPHA, _FALSE_EDGES_PER_COLUMN / len(names))
    if test == "auto":  # the window itself, a number of two values, is not to decide
        test, _ = choose_test(pooled, names)
    graph, notes = pc(
        pooled, (*names, window), test=test, alpha=alpha, knowledge=exogenous, progress=progress
    )
    return graph.with_nodes(names), notes
