"""Methods of causal-learn behind our checks: it never sees what it cannot stand.

Constant and repeated columns, missing values and exact relations between columns are met before
its code is called; what is known is honoured; its seeds are ours.

Not reached: methods for series in time (VAR-LiNGAM, Granger), whose graph is not over the columns
of a table; those that draw hidden causes as nodes (GIN, RLCD); those that take no knowledge (RCD,
CAM-UV, ICA-LiNGAM, which `lingam` serves better); GES with kernel scores, whose cost grows with
the cube of the rows; the spline scores serve the same data.

References
----------
Zheng et al. (2024), Causal-learn: causal discovery in Python.
Shimizu et al. (2011), DirectLiNGAM: a direct method for learning a linear non-Gaussian structural
equation model.
Hoyer et al. (2008), Nonlinear causal discovery with additive noise models.
Yuan & Malone (2013), Learning optimal Bayesian networks: a shortest path perspective.
"""

from __future__ import annotations

import importlib
import random
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from scipy.special import chdtrc

from whydrift.discovery.arrays import BoolArray, FloatArray
from whydrift.discovery.errors import OptionError, SchemaError, TooFewRows
from whydrift.discovery.graph import Edge, Graph, Origin
from whydrift.discovery.knowledge import Knowledge
from whydrift.discovery.orientation import (
    dag_to_cpdag,
    from_matrices,
    meek,
    on_cycles,
    to_matrices,
)
from whydrift.discovery.progress import Progress, silent
from whydrift.discovery.search.columns import (
    copied_columns,
    determined_columns,
    varying_columns,
)
from whydrift.discovery.search.pc import pc
from whydrift.discovery.snapshot.note import Note
from whydrift.discovery.snapshot.snapshot import Snapshot

__all__ = ["anm", "exact", "lingam", "pnl"]

_LEAST_ROWS = 20
# Beyond these the methods take minutes at 10,000 rows.
_MOST_COLUMNS: Final = {"lingam": 50, "exact": 12, "pnl": 15}
_MOST_ROWS_OF_A_PAIR = 300  # a Gaussian process costs their cube
_MOST_ROWS_FOR_NORMALITY = 5_000
_LEVEL = 0.05  # of the tests of a normal distribution


def lingam(
    snapshot: Snapshot,
    names: tuple[str, ...],
    *,
    knowledge: Knowledge | None = None,
    progress: Progress = silent,
) -> tuple[Graph, tuple[Note, ...]]:
    """Learn a DAG with DirectLiNGAM: linear effects and noise that is not normal.

    Parameters
    ----------
    snapshot : Snapshot
    names : tuple of str
        Columns of numbers.
    knowledge : Knowledge, optional
        Tiers and required edges shape the order; forbidden edges are left out of each fit.
    progress : Progress

    Returns
    -------
    graph : Graph
        A DAG; a copy is joined to its original by an undirected edge.
    notes : tuple of Note
        Which columns have noise that looks normal: directions among them are chance.

    Raises
    ------
    OptionError
        If causal-learn is not installed, a column is a category, or there are too many columns.
    TooFewRows
        If fewer than 20 rows are complete, or no more than there are columns.
    """
    table = _Table.of("lingam", snapshot, names, knowledge)
    if table.values is None:
        return table.finished(Graph(table.names))
    table.refuse_more_columns_than_rows("lingam")
    direct = _imported("causallearn.search.FCMBased.lingam", "lingam").DirectLiNGAM
    progress("lingam (causal-learn)", 0, 1)
    known = table.knowledge
    # [effect, cause]: 0 where no path leads from cause to effect, 1 where one does.
    paths = np.where(_later(known, table.names), 0, -1)
    edges = np.where(known.allowed_matrix(table.names).T, -1, 0)
    for cause, effect in known.required:
        paths[table.names.index(effect), table.names.index(cause)] = 1
    with _quiet():
        model = direct(prior_knowledge=None if known.is_empty else paths)
        model.fit(table.values)
        if not known.is_empty:  # the order stands; forbidden edges are kept out of the fits
            model._estimate_adjacency_matrix(table.values, prior_knowledge=edges)
    slopes = np.asarray(model.adjacency_matrix_).T
    directed = (np.abs(slopes) > 0) & known.allowed_matrix(table.names)
    for cause, effect in known.required:
        directed[table.names.index(cause), table.names.index(effect)] = True
    progress("lingam (causal-learn)", 1, 1)
    graph = _dag(table, directed)
    return table.finished(graph, _normal_noise(table.values, directed, table.names))


def anm(
    snapshot: Snapshot,
    names: tuple[str, ...],
    *,
    test: str = "auto",
    alpha: float = 0.05,
    knowledge: Knowledge | None = None,
    random_state: int = 0,
    progress: Progress = silent,
) -> tuple[Graph, tuple[Note, ...]]:
    """Learn a CPDAG with PC, then direct its open edges by additive noise models, pair by pair.

    An edge is directed where the noise is independent of the cause one way and not the other, the
    clearest pairs first, and what follows from it by Meek's rules is directed too. A common cause
    of a pair in the table is not taken into account.

    Parameters
    ----------
    snapshot, names, test, alpha, knowledge
        As in `pc`; edges between numbers alone are looked at.
    random_state : int
        Seed of the choice of 300 rows for each pair.
    progress : Progress
        Told after each pair.

    Returns
    -------
    graph : Graph
    notes : tuple of Note

    Raises
    ------
    OptionError
        If causal-learn is not installed.
    """
    model = _imported("causallearn.search.FCMBased.ANM.ANM", "anm").ANM()

    def judge(pair: FloatArray) -> tuple[float, float]:
        with _quiet():
            forward, backward = model.cause_or_effect(pair[:, [0]], pair[:, [1]])
        return float(np.squeeze(forward)), float(np.squeeze(backward))

    return _pair_by_pair(
        "additive noise models",
        judge,
        snapshot,
        names,
        test=test,
        alpha=alpha,
        knowledge=knowledge,
        random_state=random_state,
        progress=progress,
    )


def pnl(
    snapshot: Snapshot,
    names: tuple[str, ...],
    *,
    test: str = "auto",
    alpha: float = 0.05,
    knowledge: Knowledge | None = None,
    random_state: int = 0,
    progress: Progress = silent,
) -> tuple[Graph, tuple[Note, ...]]:
    """Learn a CPDAG with PC, then direct its open edges by post-nonlinear models, pair by pair.

    As `anm`, for effects that were bent once more after the noise came in. The two networks of a
    model are fitted by causal-learn. Whether the noise is then independent of the cause is asked of
    the kernel test that `anm` uses: causal-learn (0.1.4) compares their means by a t-test, which
    says nothing about that. A network that did not fit leaves dependent noise both ways, and the
    edge open.

    Parameters
    ----------
    snapshot, names, test, alpha, knowledge
        As in `pc`; edges between numbers alone are looked at. Up to 15 columns: a pair takes about
        half a minute.
    random_state : int
        Seed of the choice of 300 rows for each pair, and of the networks.
    progress : Progress
        Told after each pair.

    Returns
    -------
    graph : Graph
    notes : tuple of Note

    Raises
    ------
    OptionError
        If causal-learn or torch is not installed, or there are too many columns.

    References
    ----------
    Zhang & Hyvärinen (2009), On the identifiability of the post-nonlinear causal model.
    """
    _refuse_many("pnl", names)
    torch = _imported("torch", "pnl", needs="torch", remedy="pip install torch")
    model = _imported("causallearn.search.FCMBased.PNL.PNL", "pnl").PNL()
    kernel_test = _imported("causallearn.utils.KCI.KCI", "pnl").KCI_UInd("Gaussian", "Gaussian")

    def p_value(pair: FloatArray) -> float:
        with _quiet(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(random_state)
            _, fitted = model.nica_mnd(pair, model.epochs)
            noise = fitted.detach().numpy().astype(np.float64)
            spread = noise.std()
            if not spread > 0:  # the fit failed: it cannot speak for this direction
                return 0.0
            return float(
                kernel_test.compute_pvalue(pair[:, [0]], (noise - noise.mean()) / spread)[0]
            )

    return _pair_by_pair(
        "post-nonlinear models",
        lambda pair: (p_value(pair), p_value(pair[:, [1, 0]])),
        snapshot,
        names,
        test=test,
        alpha=alpha,
        knowledge=knowledge,
        random_state=random_state,
        progress=progress,
    )


def _pair_by_pair(
    models: str,
    judge: Callable[[FloatArray], tuple[float, float]],
    snapshot: Snapshot,
    names: tuple[str, ...],
    *,
    test: str,
    alpha: float,
    knowledge: Knowledge | None,
    random_state: int,
    progress: Progress,
) -> tuple[Graph, tuple[Note, ...]]:
    """Learn with PC, and direct open edges by the p-values that a pair's noise gets either way."""
    known = (knowledge or Knowledge()).within(names)
    graph, notes = pc(snapshot, names, test=test, alpha=alpha, knowledge=known, progress=progress)
    copies, _ = copied_columns(snapshot, varying_columns(snapshot, names)[0])
    pairs = [
        (edge.a, edge.b)
        for edge in graph
        if edge.mark == "---"
        and not {edge.a, edge.b} & copies.keys()
        and not any(snapshot.schema[end].kind.is_discrete for end in (edge.a, edge.b))
    ]
    rng = np.random.default_rng(random_state)
    clear: list[tuple[float, str, str]] = []
    for done, (a, b) in enumerate(pairs):
        progress(f"{models} (causal-learn)", done, len(pairs))
        values = _pair(snapshot, a, b, rng)
        if values is None:
            continue
        forward, backward = judge(values)
        if forward > alpha >= backward:
            clear.append((forward - backward, a, b))
        elif backward > alpha >= forward:
            clear.append((backward - forward, b, a))
    progress(f"{models} (causal-learn)", len(pairs), len(pairs))
    directed, undirected = to_matrices(graph)
    allowed = known.allowed_matrix(graph.nodes)
    position = {name: i for i, name in enumerate(graph.nodes)}
    count = 0
    for _, cause, effect in sorted(clear, key=lambda row: (-row[0], row[1])):
        i, j = position[cause], position[effect]
        if not undirected[i, j] or not allowed[i, j]:
            continue
        tried = directed.copy()
        tried[i, j] = True
        if on_cycles(tried).any():
            continue
        undirected[i, j] = undirected[j, i] = False
        directed, undirected = meek(tried, undirected, allowed)
        count += 1
    text = (
        f"{count} of {len(pairs)} open edges between numbers were directed by {models} at level "
        f"{alpha:g}; each pair was judged alone"
    )
    oriented = from_matrices(graph.nodes, directed, undirected, frozenset(known.required))
    return oriented, (*notes, Note("pairwise_directions", None, text))


def exact(
    snapshot: Snapshot,
    names: tuple[str, ...],
    *,
    knowledge: Knowledge | None = None,
    progress: Progress = silent,
) -> tuple[Graph, tuple[Note, ...]]:
    """Learn the CPDAG with the best Gaussian BIC score of all, by A*; for up to 12 columns.

    Parameters
    ----------
    snapshot : Snapshot
    names : tuple of str
        Columns of numbers.
    knowledge : Knowledge, optional
        Honoured inside the search.
    progress : Progress

    Returns
    -------
    graph : Graph
    notes : tuple of Note

    Raises
    ------
    OptionError
        If causal-learn is not installed, a column is a category, or there are too many columns.
    SchemaError
        If columns determine each other exactly.
    TooFewRows
        If fewer than 20 rows are complete.
    """
    table = _Table.of("exact", snapshot, names, knowledge)
    if table.values is None:
        return table.finished(Graph(table.names))
    table.refuse_relations("exact")
    search = _imported("causallearn.search.ScoreBased.ExactSearch", "exact").bic_exact_search
    progress("exact search (causal-learn)", 0, 1)
    known = table.knowledge
    required = np.zeros((len(table.names), len(table.names)))
    for cause, effect in known.required:
        required[table.names.index(cause), table.names.index(effect)] = 1
    centred = table.values - table.values.mean(axis=0)
    with _quiet():
        found, _ = search(
            centred / centred.std(axis=0),
            super_graph=known.allowed_matrix(table.names).astype(float),
            include_graph=required,
        )
    progress("exact search (causal-learn)", 1, 1)
    return table.finished(dag_to_cpdag(_dag(table, np.asarray(found) > 0), known))


# ---- tables -----------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class _Table:
    """Complete rows of numbers that vary and are no copies, and what was left out."""

    names: tuple[str, ...]
    values: FloatArray | None  # None where fewer than two columns are left
    knowledge: Knowledge
    asked: tuple[str, ...]
    known: Knowledge  # of all columns asked for
    copies: dict[str, str]
    notes: tuple[Note, ...]

    @classmethod
    def of(
        cls, method: str, snapshot: Snapshot, names: tuple[str, ...], knowledge: Knowledge | None
    ) -> _Table:
        varying, notes = varying_columns(snapshot, names)
        for name in varying:
            kind = snapshot.schema[name].kind
            if kind.is_discrete:
                raise OptionError(
                    f"method {method!r} does not serve column {name!r}, which is {kind}",
                    where="method",
                    remedy="Use 'boss', 'pc' or 'fci', or leave the column out with columns=…",
                )
        copies, more = copied_columns(snapshot, varying)
        kept = tuple(name for name in varying if name not in copies)
        _refuse_many(method, kept)
        known = (knowledge or Knowledge()).within(names)
        values = None
        notes = (*notes, *more)
        if len(kept) > 1:
            values = snapshot.columns(kept)
            complete = np.isfinite(values).all(axis=1)
            if not complete.all():
                text = (
                    f"method {method!r} needs complete rows: {int(complete.sum()):,} of "
                    f"{len(values):,} were used"
                )
                notes = (*notes, Note("incomplete_rows", None, text))
                values = values[complete]
            _check_complete(method, values, kept)
        return cls(kept, values, known.within(kept), names, known, copies, notes)

    def refuse_more_columns_than_rows(self, method: str) -> None:
        """Raise where a regression on all other columns has nothing left over."""
        assert self.values is not None
        if len(self.values) <= len(self.names):
            raise TooFewRows(
                f"method {method!r} needs more complete rows than columns, and there are "
                f"{len(self.values)} rows of {len(self.names)} columns",
                where="data",
                remedy="Give more rows, or name fewer columns",
            )

    def refuse_relations(self, method: str) -> None:
        """Raise where columns determine each other exactly: their scores would be infinite."""
        assert self.values is not None
        self.refuse_more_columns_than_rows(method)
        among = determined_columns(np.atleast_2d(np.corrcoef(self.values.T)))
        if among.size:
            listed = ", ".join(repr(self.names[i]) for i in among[:10].tolist())
            raise SchemaError(
                f"columns {listed} determine each other exactly, which method {method!r} cannot "
                "stand",
                where="data",
                remedy="Leave one of them out with columns=…, or use 'boss' or 'pc'",
            )

    def finished(self, graph: Graph, more: tuple[Note, ...] = ()) -> tuple[Graph, tuple[Note, ...]]:
        """Return the graph over all columns asked for, each copy joined to its original."""
        edges = list(graph)
        for twin, original in self.copies.items():
            there, back = self.known.allows(original, twin), self.known.allows(twin, original)
            if there or back:
                mark = "---" if there and back else "-->" if there else "<--"
                edges.append(Edge.of(original, mark, twin))
        return Graph(self.asked, tuple(edges)), (*self.notes, *more)


def _refuse_many(method: str, names: tuple[str, ...]) -> None:
    most = _MOST_COLUMNS[method]
    if len(names) > most:
        raise OptionError(
            f"method {method!r} would take too long for {len(names)} columns",
            where="method",
            remedy=f"It is offered for up to {most}; use 'boss' or 'pc', or name fewer columns",
        )


def _check_complete(method: str, values: FloatArray, names: tuple[str, ...]) -> None:
    if len(values) < _LEAST_ROWS:
        raise TooFewRows(
            f"{len(values)} rows have all {len(names)} columns",
            where="data",
            remedy=f"Method {method!r} needs {_LEAST_ROWS} complete rows; leave out the columns "
            "that are often missing, or use 'pc'",
        )
    flat = np.flatnonzero(values.min(axis=0) == values.max(axis=0))
    if flat.size:
        raise SchemaError(
            f"column {names[int(flat[0])]!r} never varies in the rows that are complete",
            where="data",
            remedy="Leave it out with columns=…",
        )


def _dag(table: _Table, directed: BoolArray) -> Graph:
    required = set(table.knowledge.required)
    edges = []
    for i, j in np.argwhere(directed).tolist():
        cause, effect = table.names[i], table.names[j]
        origin = Origin.REQUIRED if (cause, effect) in required else Origin.LEARNED
        edges.append(Edge.of(cause, "-->", effect, origin=origin))
    return Graph(table.names, tuple(edges))


def _later(knowledge: Knowledge, names: tuple[str, ...]) -> BoolArray:
    """Return ``later[effect, cause]``: whether the tiers put the cause after the effect."""
    tiers = Knowledge(tiers=knowledge.tiers).within(names)
    later: BoolArray = ~tiers.allowed_matrix(names).T & ~np.eye(len(names), dtype=bool)
    return later


# ---- pairs and noise --------------------------------------------------------------------------
def _pair(snapshot: Snapshot, a: str, b: str, rng: np.random.Generator) -> FloatArray | None:
    """Return standardised rows that have both columns, or None where they are too few."""
    values = snapshot.columns((a, b))
    values = values[np.isfinite(values).all(axis=1)]
    values = values[np.lexsort(values.T)]  # else the rows drawn would depend on their order
    if len(values) > _MOST_ROWS_OF_A_PAIR:
        values = values[np.sort(rng.choice(len(values), _MOST_ROWS_OF_A_PAIR, replace=False))]
    spread = values.std(axis=0) if len(values) else np.zeros(2)
    if len(values) < _LEAST_ROWS or not (spread > 0).all():
        return None
    standard: FloatArray = (values - values.mean(axis=0)) / spread
    return standard


def _normal_noise(
    values: FloatArray, directed: BoolArray, names: tuple[str, ...]
) -> tuple[Note, ...]:
    """Return a note on columns whose noise looks normal: LiNGAM has nothing to go by there.

    References
    ----------
    Jarque & Bera (1987), A test for normality of observations and regression residuals.
    """
    centred = values - values.mean(axis=0)
    normal = []
    for j, name in enumerate(names):
        causes = np.flatnonzero(directed[:, j])
        slopes = np.linalg.lstsq(centred[:, causes], centred[:, j], rcond=None)[0]
        noise = (centred[:, j] - centred[:, causes] @ slopes)[:_MOST_ROWS_FOR_NORMALITY]
        spread = noise.std()
        if spread == 0:
            continue
        scaled = (noise - noise.mean()) / spread
        skewness, kurtosis = (scaled**3).mean(), (scaled**4).mean() - 3
        statistic = len(scaled) * (skewness**2 / 6 + kurtosis**2 / 24)
        if chdtrc(2, statistic) > _LEVEL:
            normal.append(name)
    if len(normal) < 2:
        return ()
    listed = ", ".join(repr(name) for name in normal[:10])
    more = f" and {len(normal) - 10} more" if len(normal) > 10 else ""
    text = (
        f"the noise of columns {listed}{more} looks normal; the directions of edges between "
        "two of them are chance"
    )
    return (Note("normal_noise", None, text),)


# ---- the library ------------------------------------------------------------------------------
def _imported(
    module: str,
    method: str,
    needs: str = "causal-learn",
    remedy: str = "pip install 'whydrift[causal-learn]'",
) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise OptionError(
            f"method {method!r} needs {needs}, which is not installed ({error})",
            where="method",
            remedy=f"Install it: {remedy}",
        ) from error


@contextmanager
def _quiet(random_state: int = 0) -> Iterator[None]:
    """Silence warnings, and seed the generators that causal-learn shares with everyone.

    Its matrices are small: threads would only wait for each other (ten times slower on a busy
    machine).
    """
    limited = importlib.import_module("threadpoolctl").threadpool_limits  # of scikit-learn
    before, before_numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    random.seed(random_state)
    np.random.seed(random_state)  # noqa: NPY002
    try:
        with warnings.catch_warnings(), limited(1):
            warnings.simplefilter("ignore")
            yield
    finally:
        random.setstate(before)
        np.random.set_state(before_numpy)  # noqa: NPY002
