"""How sure an edge is: how often it comes back when the rows are drawn again."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from whydrift.discovery.arrays import IntArray
from whydrift.discovery.errors import GraphError, OptionError
from whydrift.discovery.graph import Graph
from whydrift.discovery.independence.dependence import lag_one
from whydrift.discovery.progress import Progress, silent
from whydrift.discovery.snapshot.schema import Role
from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.discovery.spread import Spread

__all__ = [
    "PairShares",
    "Stability",
    "block_length",
    "resampled_rows",
    "row_groups",
    "with_confidence",
]

_LEAST_BLOCKS = 20  # fewer would hardly differ from one draw to the next
# Starting processes takes a second or two; below this many seconds of work one process is as fast.
_WORTH_PROCESSES = 6.0
_TASKS_A_JOB = 4  # so that progress moves, and that a slow draw holds nobody up
_TURNED = {"-->": "<--", "<--": "-->", "o->": "<-o", "<-o": "o->", "--o": "o--", "o--": "--o"}


@dataclass(frozen=True, slots=True)
class PairShares:
    """How often two columns were joined, and how.

    Parameters
    ----------
    a, b : str
    counts : tuple of (str, int)
        Draws with each mark, read from ``a`` to ``b`` (``-->``, ``<--``, ``---`` …), commonest
        first.
    """

    a: str
    b: str
    counts: tuple[tuple[str, int], ...]

    @property
    def count(self) -> int:
        """Draws that joined the two at all."""
        return sum(count for _, count in self.counts)


@dataclass(frozen=True)
class Stability:
    """The shares of bootstrap graphs with each edge and each orientation.

    They say how much the search wavers on rows like these, not how probable an edge is. How often
    edges of a share are right depends on the search, and no one map mends it for all: shares of
    ``boss`` are too modest, those of ``pc`` hold up to .85 and overstate beyond
    (``benchmarks/edge_confidence.py``).

    Parameters
    ----------
    draws : int
        Graphs learned.
    unit : str
        What was drawn: ``rows``, ``blocks`` (of neighbouring rows) or ``clusters``.
    pairs : tuple of PairShares
        Every pair that was joined in some graph, the most often joined first.
    """

    draws: int
    unit: str
    pairs: tuple[PairShares, ...]

    @classmethod
    def of(cls, graphs: Sequence[Graph], nodes: Sequence[str], unit: str = "rows") -> Stability:
        """Count the edges of several graphs over the same nodes."""
        return cls._of_edges([[(e.a, e.mark, e.b) for e in g] for g in graphs], nodes, unit)

    @classmethod
    def _of_edges(
        cls, graphs: Sequence[Sequence[tuple[str, str, str]]], nodes: Sequence[str], unit: str
    ) -> Stability:
        place = {name: i for i, name in enumerate(nodes)}
        seen: dict[tuple[str, str], Counter[str]] = {}
        for graph in graphs:
            for a, mark, b in graph:
                if place[a] > place[b]:
                    a, mark, b = b, _TURNED.get(mark, mark), a
                seen.setdefault((a, b), Counter())[mark] += 1
        pairs = [
            PairShares(a, b, tuple(sorted(found.items(), key=lambda item: (-item[1], item[0]))))
            for (a, b), found in seen.items()
        ]
        pairs.sort(key=lambda pair: (-pair.count, place[pair.a], place[pair.b]))
        return cls(len(graphs), unit, tuple(pairs))

    @cached_property
    def _counts(self) -> dict[tuple[str, str], dict[str, int]]:
        out = {}
        for pair in self.pairs:
            out[pair.a, pair.b] = dict(pair.counts)
            out[pair.b, pair.a] = {_TURNED.get(m, m): count for m, count in pair.counts}
        return out

    def share(self, a: str, b: str, mark: str | None = None) -> float:
        """Return the share of graphs that join two nodes, or that do so with a mark.

        Parameters
        ----------
        a, b : str
        mark : str, optional
            Read from ``a`` to ``b``, such as ``-->``.
        """
        found = self._counts.get((a, b), {})
        return (sum(found.values()) if mark is None else found.get(mark, 0)) / self.draws

    def shares(self, a: str, b: str) -> dict[str, float]:
        """Return the share of graphs with each mark between two nodes, commonest first."""
        return {m: count / self.draws for m, count in self._counts.get((a, b), {}).items()}

    def within(self, nodes: Sequence[str]) -> Stability:
        """Return the shares of pairs of these nodes alone."""
        kept = set(nodes)
        return replace(self, pairs=tuple(p for p in self.pairs if p.a in kept and p.b in kept))

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, as graph files hold them."""
        return {
            "draws": self.draws,
            "unit": self.unit,
            "pairs": [
                {
                    "from": pair.a,
                    "to": pair.b,
                    "share": pair.count / self.draws,
                    "marks": {mark: count / self.draws for mark, count in pair.counts},
                }
                for pair in self.pairs
            ],
        }

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Stability:
        """Read what :meth:`to_dict` writes.

        Raises
        ------
        GraphError
            If the value is not such an object.
        """
        try:
            draws = int(value["draws"])
            pairs = tuple(
                PairShares(
                    str(row["from"]),
                    str(row["to"]),
                    tuple((str(m), round(s * draws)) for m, s in row["marks"].items()),
                )
                for row in value["pairs"]
            )
            return cls(draws, str(value["unit"]), pairs)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise GraphError(
                f"the shares of bootstrap graphs cannot be read ({error!r})",
                where="graph: stability",
                remedy="Remove the key 'stability', or write the graph again",
            ) from error

    def _repr_html_(self) -> str:
        import html

        rows = "".join(
            f"<tr><td>{html.escape(p.a)}</td><td>{html.escape(p.b)}</td>"
            f"<td>{p.count / self.draws:.2f}</td><td>"
            + html.escape(", ".join(f"{m} {count / self.draws:.2f}" for m, count in p.counts))
            + "</td></tr>"
            for p in self.pairs
        )
        return (
            f"<table><caption>{self.draws} draws of {html.escape(self.unit)}</caption>"
            f"<tr><th>from</th><th>to</th><th>joined</th><th>marks</th></tr>{rows}</table>"
        )


# ---- drawing rows -----------------------------------------------------------------------------
def with_confidence(
    graph: Graph,
    windows: Sequence[Snapshot],
    learn: Callable[[tuple[Snapshot, ...]], Graph],
    *,
    bootstrap: int,
    random_state: int = 0,
    n_jobs: int | None = None,
    spread: Spread | None = None,
    progress: Progress = silent,
) -> Graph:
    """Return the graph with the confidence of each edge, and the table of all shares.

    Parameters
    ----------
    graph : Graph
        Learned from the windows.
    windows : sequence of Snapshot
        The rows of each one's sample are drawn with replacement, within that window: whole
        clusters where a column has that role, else in blocks of neighbours where neighbouring rows
        are alike, else one by one.
    learn : callable
        Learns a graph from resampled windows, the same way.
    bootstrap : int
        Draws; at least 1.
    random_state : int
        Seed of the draws; each has its own, so that the result does not depend on ``n_jobs``.
    n_jobs : int, optional
        Processes; -1 for as many as there are processors. By default one, and all processors where
        the first draw shows that the rest would take long.
    spread : Spread, optional
        Runs the draws elsewhere, one by one; ``n_jobs`` means nothing then.
    progress : Progress
        Told after each draw, or each few where there are several processes.

    Returns
    -------
    Graph
        Each edge's confidence is the share of the drawn graphs that have it with the same marks;
        ``stability`` has the shares of all marks of all pairs.

    Raises
    ------
    OptionError
        If ``n_jobs`` is 0.

    References
    ----------
    Friedman, Goldszmidt & Wyner (1999), Data analysis with Bayesian networks: a bootstrap
    approach.
    """
    if n_jobs == 0:
        raise OptionError("0 is no number of processes", where="n_jobs", remedy="Give 1, or -1")
    plans = [_Plan.of(window) for window in windows]
    draw = _Draw(learn, tuple(windows), tuple(plans))
    seeds = np.random.SeedSequence(random_state).spawn(bootstrap)
    progress("bootstrap", 0, bootstrap)
    found = []
    done = 0
    for part in _parts(draw, seeds, n_jobs, spread):
        found.append(part)
        done += len(part)
        progress("bootstrap", done, bootstrap)
    drawn = [edges for part in found for edges in part]
    stability = Stability._of_edges(drawn, graph.nodes, _unit(plans))
    edges = (replace(e, confidence=stability.share(e.a, e.b, e.mark)) for e in graph)
    return replace(graph.with_edges(edges), stability=stability)


@dataclass(frozen=True)
class _Plan:
    """What is drawn: rows one by one, runs of neighbours, or clusters."""

    rows: int
    length: int
    clusters: tuple[IntArray, ...] = ()

    @classmethod
    def of(cls, snapshot: Snapshot) -> _Plan:
        rows = len(snapshot.sample)
        name = snapshot.schema.with_role(Role.CLUSTER)
        if name is not None and snapshot.has(name):
            values = snapshot.column(name)
            # A row without a cluster is one by itself.
            alone = np.flatnonzero(np.isnan(values))
            order = np.argsort(values, kind="stable")[: rows - len(alone)]
            starts = np.flatnonzero(np.diff(values[order])) + 1
            clusters = [c for c in np.split(order, starts) if len(c)]
            clusters += [alone[i : i + 1] for i in range(len(alone))]
            if len(clusters) > 1:  # of one alone every draw is the same
                return cls(rows, 1, tuple(clusters))
        return cls(rows, block_length(snapshot))

    @property
    def unit(self) -> str:
        if self.clusters:
            return "clusters"
        return "blocks" if self.length > 1 else "rows"

    def draw(self, rng: np.random.Generator) -> IntArray:
        if self.clusters:
            chosen = rng.integers(len(self.clusters), size=len(self.clusters))
            return np.concatenate([self.clusters[i] for i in chosen])
        return resampled_rows(self.rows, self.length, rng)


def _unit(plans: Sequence[_Plan]) -> str:
    """Return what was drawn, in a word; the coarsest unit where windows differ."""
    units = {plan.unit for plan in plans}
    return next(unit for unit in ("clusters", "blocks", "rows") if unit in units)


@dataclass(frozen=True)
class _Draw:
    """How a graph is learned from rows drawn anew."""

    learn: Callable[[tuple[Snapshot, ...]], Graph]
    windows: tuple[Snapshot, ...]
    plans: tuple[_Plan, ...]

    def edges(self, seeds: Sequence[np.random.SeedSequence]) -> list[list[tuple[str, str, str]]]:
        """Return the edges of a graph for each seed."""
        out = []
        for seed in seeds:
            rng = np.random.default_rng(seed)
            drawn = tuple(
                window.take(plan.draw(rng))
                for window, plan in zip(self.windows, self.plans, strict=True)
            )
            out.append([(e.a, e.mark, e.b) for e in self.learn(drawn)])
        return out


def _parts(
    draw: _Draw,
    seeds: Sequence[np.random.SeedSequence],
    n_jobs: int | None,
    spread: Spread | None,
) -> Iterator[list[list[tuple[str, str, str]]]]:
    """Yield the edges of all draws, some at a time, in any order."""
    if spread is not None:
        yield from spread(draw.edges, [[seed] for seed in seeds])
        return
    began = time.perf_counter()
    yield draw.edges(seeds[:1])
    rest = seeds[1:]
    jobs = _jobs(n_jobs, (time.perf_counter() - began) * len(rest))
    size = 1 if jobs == 1 else max(1, len(rest) // (_TASKS_A_JOB * jobs))
    yield from _run(draw, [rest[k : k + size] for k in range(0, len(rest), size)], jobs)


def _run(
    draw: _Draw, tasks: Sequence[Sequence[np.random.SeedSequence]], jobs: int
) -> Iterator[list[list[tuple[str, str, str]]]]:
    if jobs == 1:
        for task in tasks:
            yield draw.edges(task)
        return
    # Processes, not threads: the searches take many small steps of Python, which threads take one
    # after the other (two of them gained 3 % where this was measured).
    from joblib import Parallel, delayed

    parallel = Parallel(n_jobs=jobs, backend="loky", return_as="generator_unordered")
    yield from parallel(delayed(draw.edges)(task) for task in tasks)


def _jobs(asked: int | None, seconds: float) -> int:
    """Return the number of processes for work that would take one so many seconds."""
    if asked == 1 or (asked is None and seconds < _WORTH_PROCESSES):
        return 1
    from joblib import effective_n_jobs

    return int(effective_n_jobs(-1 if asked is None else asked))


def row_groups(snapshot: Snapshot) -> IntArray:
    """Return a number for each sampled row; rows of different numbers count as independent.

    Clusters where a column has that role, runs of neighbours where neighbouring rows are alike,
    else each row by itself.
    """
    plan = _Plan.of(snapshot)
    if not plan.clusters:
        return np.arange(plan.rows) // plan.length
    groups = np.empty(plan.rows, dtype=np.int64)
    for number, members in enumerate(plan.clusters):
        groups[members] = number
    return groups


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
