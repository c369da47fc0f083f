"""CD-NOD: PC over several windows with the window as a cause, and edges oriented by what changes.

References
----------
Huang, Zhang, Zhang, Ramsey, Sanchez-Romero, Glymour & Schölkopf (2020), Causal discovery from
heterogeneous/nonstationary data.
Székely, Rizzo & Bakirov (2007), Measuring and testing dependence by correlation of distances.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from whydrift.discovery.arrays import BoolArray, FloatArray, IntArray
from whydrift.discovery.errors import OptionError
from whydrift.discovery.graph import Graph
from whydrift.discovery.independence.base import Built, IndependenceTest
from whydrift.discovery.independence.evidence import row_evidence
from whydrift.discovery.independence.gcm import Gcm, category_sight, number_sight
from whydrift.discovery.independence.registry import choose_test, independence_test, rows
from whydrift.discovery.knowledge import Knowledge
from whydrift.discovery.orientation import from_matrices, meek, on_cycles, to_matrices
from whydrift.discovery.progress import Progress, silent
from whydrift.discovery.scores.base import Score
from whydrift.discovery.scores.features import rank_normal
from whydrift.discovery.scores.registry import score_named
from whydrift.discovery.search.columns import copied_columns
from whydrift.discovery.search.pc import pc_from_test
from whydrift.discovery.search.windows import moved_note, pooled, with_window_column
from whydrift.discovery.snapshot.note import Note
from whydrift.discovery.snapshot.schema import ColumnKind
from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.discovery.stability import row_groups

__all__ = ["cd_nod", "choose_window_test"]

# Windows from which the changes of two mechanisms can be tested for dependence.
_LEAST_SERIES = 10
_SHUFFLES = 999
_LEVEL = 0.05  # of that test
# Log odds, by the score, beyond which one explanation is simpler than its reverse.
_CLEAR = 3.0
_WAVES = 30  # random features of the regressions in the test of a window


def choose_window_test(window: Snapshot, names: tuple[str, ...]) -> str:
    """Return the test, by name, that serves the columns and the window, a category, with them."""
    return "g_square" if choose_test(window, names)[0] == "g_square" else "mixed"


def cd_nod(
    snapshot: Snapshot,
    names: tuple[str, ...],
    *,
    other_windows: tuple[Snapshot, ...],
    test: str = "auto",
    alpha: float = 0.05,
    orientation: str = "max",
    knowledge: Knowledge | None = None,
    progress: Progress = silent,
) -> tuple[Graph, tuple[Note, ...]]:
    """Learn a class of DAGs from several windows by tests of independence.

    PC runs over the columns and the window, which may be a cause and no effect. Whether a column's
    mechanism moves between the windows given some others is tested by products of residuals of its
    level and its spread; all other pairs are tested by ``test``, the windows together. An edge that
    PC leaves undirected, between two columns whose mechanisms both move, is directed by the
    changes: those of a cause and of its effect given it are independent, while the reverse
    factors mix the two. With ten windows or more this is tested, over windows; with fewer the
    direction in which fewer mechanisms change is taken where the score is clear about it.

    Parameters
    ----------
    snapshot : Snapshot
        The first window.
    names : tuple of str
        Columns that vary.
    other_windows : tuple of Snapshot
        The further windows, at least one.
    test, alpha, orientation
        As in `pc`. With more than two windows the test has to serve categories.
    knowledge : Knowledge, optional
        Tiers, required and forbidden edges are honoured.
    progress : Progress
        Told after each chunk of tests.

    Returns
    -------
    graph : Graph
        Directed and undirected edges, never with a directed cycle.
    notes : tuple of Note
        A ``mechanism_moved`` for each column whose mechanism differs between windows.

    Raises
    ------
    OptionError
        If a test or orientation is unknown, or the test does not serve the columns or windows.
    """
    windows = (snapshot, *other_windows)
    together = pooled(windows)
    test = choose_window_test(together, names) if test == "auto" else test
    (asked, choice), window = _window_test(test, windows, names)
    known = (knowledge or Knowledge()).within(names)
    copies, copied = copied_columns(together, names)
    position = {name: i for i, name in enumerate(names)}
    exogenous = replace(known, forbidden=(*known.forbidden, *((name, window) for name in names)))
    found, notes = pc_from_test(
        asked,
        (*names, window),
        alpha=alpha,
        orientation=orientation,
        knowledge=exogenous,
        copies={position[copy]: position[original] for copy, original in copies.items()},
        progress=progress,
    )
    score, _ = score_named("spline_bic" if test != "g_square" else "bdeu", windows, names)
    moved = frozenset(found.children(window))
    graph, by_changes = _directed_by_changes(
        found.with_nodes(names), moved - copies.keys(), windows, score, known
    )
    told = [
        moved_note(
            name,
            score.moved(position[name], tuple(position[p] for p in graph.parents(name))),
            len(windows),
        )
        for name in names
        if name in moved
    ]
    return graph, (*choice, *copied, *notes, *by_changes, *told)


# ---- tests ------------------------------------------------------------------------------------
def _window_test(
    name: str, windows: tuple[Snapshot, ...], names: tuple[str, ...]
) -> tuple[Built, str]:
    """Return the test of columns and window, the notes on it, and the name of the window."""
    serves_names = any(r.name == name and ColumnKind.CATEGORICAL in r.kinds for r in rows())
    if len(windows) > 2 and not serves_names and any(r.name == name for r in rows()):
        raise OptionError(
            f"test {name!r} serves numbers alone, and {len(windows)} windows are categories",
            where="test",
            remedy="Use 'mixed', 'gcm' or 'auto'",
        )
    kind = ColumnKind.CATEGORICAL if serves_names else ColumnKind.COUNT
    widened, window = with_window_column(windows, names, kind)
    pairs, notes = independence_test(name, widened, (*names, window))
    if name in {"g_square", "chi_square", "gcm", "kci"}:  # any change at all is seen by these
        return (pairs, notes), window
    # Which rows belong together is seen within windows: the window itself never changes there.
    groups: list[IntArray] = []
    for one in windows:
        start = groups[-1].max() + 1 if groups else 0
        groups.append(row_groups(one) + start)
    evidence = replace(row_evidence(widened)[0], clusters=np.concatenate(groups))
    sights = [
        category_sight(n, widened.column(n))
        if n == window or widened.schema[n].kind.is_discrete
        else number_sight(n, widened.column(n))
        for n in (*names, window)
    ]
    return (_ByPair(pairs, Gcm(sights, evidence, waves=_WAVES), len(names)), notes), window


class _ByPair:
    """Asks one test about the window, and another about all other pairs."""

    def __init__(self, pairs: IndependenceTest, moves: IndependenceTest, window: int) -> None:
        self._pairs, self._moves, self._window = pairs, moves, window

    def __call__(self, x: IntArray, y: IntArray, given: IntArray) -> FloatArray:
        """Return p-values; see `IndependenceTest`."""
        about = (x == self._window) | (y == self._window)
        out = np.full(len(x), np.nan)
        for test, mask in ((self._pairs, ~about), (self._moves, about)):
            if mask.any():
                out[mask] = test(x[mask], y[mask], given[mask])
        return out


# ---- directions -------------------------------------------------------------------------------
def _directed_by_changes(
    graph: Graph,
    moved: frozenset[str],
    windows: tuple[Snapshot, ...],
    score: Score,
    knowledge: Knowledge,
) -> tuple[Graph, tuple[Note, ...]]:
    """Direct edges between columns that both move, the clearest first, and what follows."""
    names = graph.nodes
    place = {name: i for i, name in enumerate(names)}
    allowed = knowledge.allowed_matrix(names)
    directed, undirected = to_matrices(graph)
    by_series = len(windows) >= _LEAST_SERIES
    count = 0
    refused: set[tuple[int, int]] = set()
    while True:
        both = np.zeros(len(names), dtype=bool)
        both[[place[name] for name in moved]] = True
        edges = np.argwhere(np.triu(undirected) & both[:, None] & both[None, :]).tolist()
        best, chosen = 0.0, (-1, -1)
        for a, b in edges:
            margin = (
                _by_independent_changes(windows, names, directed, a, b)
                if by_series
                else _by_fewest_changes(score, directed, a, b)
            )
            cause, effect = (a, b) if margin > 0 else (b, a)
            if (a, b) not in refused and allowed[cause, effect] and abs(margin) > best:
                best, chosen = abs(margin), (cause, effect)
        if best == 0.0:
            break
        cause, effect = chosen
        trial, left = directed.copy(), undirected.copy()
        trial[cause, effect] = True
        left[cause, effect] = left[effect, cause] = False
        if on_cycles(trial).any():
            refused.add((min(chosen), max(chosen)))
            continue
        directed, undirected = meek(trial, left, allowed)
        count += 1
    found = from_matrices(names, directed, undirected, frozenset(knowledge.required))
    if not count:
        return found, ()
    how = (
        "whether mechanisms change independently of each other over the windows"
        if by_series
        else "which direction explains the windows by the fewest changed mechanisms; "
        f"{_LEAST_SERIES} windows or more would let it be tested"
    )
    edges_are = "1 edge was" if count == 1 else f"{count} edges were"
    return found, (Note("directed_by_changes", None, f"{edges_are} directed by {how}"),)


def _by_fewest_changes(score: Score, directed: BoolArray, a: int, b: int) -> float:
    """Return by how much a → b is the simpler explanation; 0 where it is not clear."""

    def value(cause: int, effect: int) -> float:
        above, below = (tuple(np.flatnonzero(directed[:, i]).tolist()) for i in (cause, effect))
        own = score.local(cause, [above])[0] + score.local(effect, [(*below, cause)])[0]
        return float(own)

    margin = value(a, b) - value(b, a)
    return margin if abs(margin) > _CLEAR else 0.0


def _by_independent_changes(
    windows: Sequence[Snapshot], names: tuple[str, ...], directed: BoolArray, a: int, b: int
) -> float:
    """Return log p of independent changes under a → b less that under b → a; 0 if not clear."""

    def p_value(cause: int, effect: int) -> float:
        above, below = (np.flatnonzero(directed[:, i]).tolist() for i in (cause, effect))
        return _independence_of(
            _mechanism(windows, names, cause, above, None),
            _mechanism(windows, names, effect, below, cause),
        )

    forward, backward = p_value(a, b), p_value(b, a)
    if (forward > _LEVEL) == (backward > _LEVEL):
        return 0.0
    return float(np.log(forward) - np.log(backward))


def _mechanism(
    windows: Sequence[Snapshot],
    names: tuple[str, ...],
    column: int,
    parents: Sequence[int],
    cause: int | None,
) -> FloatArray:
    """Return a mechanism's level, spread and slope on a cause in each window, from ranks.

    Shape (n_windows, 2), or (n_windows, 3) with a cause.
    """
    order = [column, *([] if cause is None else [cause]), *parents]
    values = np.concatenate([w.columns(tuple(names[i] for i in order)) for w in windows])
    scores = np.column_stack([rank_normal(v) for v in values.T])
    bounds = np.cumsum([0, *(len(w.sample) for w in windows)])
    out = []
    for start, stop in pairwise(bounds.tolist()):
        part = scores[start:stop]
        part = part[np.isfinite(part).all(axis=1)]
        design = np.column_stack([np.ones(len(part)), part[:, 1:]])
        # A ridge of one row, so that a column that is constant here does no harm.
        gram = design.T @ design + np.eye(design.shape[1])
        slopes = np.linalg.solve(gram, design.T @ part[:, 0])
        residual = part[:, 0] - design @ slopes
        spread = np.log((1.0 + residual @ residual) / (1.0 + len(part)))
        out.append([slopes[0], spread, *([] if cause is None else [slopes[1]])])
    return np.array(out)


def _independence_of(a: FloatArray, b: FloatArray) -> float:
    """Return the p-value of independent rows of a and b, by distance covariance and shuffles."""
    first, second = _distances(a), _distances(b)
    rng = np.random.default_rng(0)
    seen = float((first * second).sum())
    above = 0
    for _ in range(_SHUFFLES):
        order = rng.permutation(len(a))
        above += float((first * second[np.ix_(order, order)]).sum()) >= seen
    return (1 + above) / (1 + _SHUFFLES)


def _distances(values: FloatArray) -> FloatArray:
    """Return doubly centred distances between standardised rows."""
    scale = values.std(axis=0)
    scaled = values / np.where(scale > 0, scale, 1.0)
    apart = np.sqrt(((scaled[:, None, :] - scaled[None, :, :]) ** 2).sum(axis=2))
    middle = apart.mean(axis=0)
    out: FloatArray = apart - middle[:, None] - middle[None, :] + middle.mean()
    return out
