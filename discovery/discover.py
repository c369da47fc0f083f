"""The one way in: learn a causal graph from data."""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from whydrift.discovery.errors import (
    DataWarning,
    OptionError,
    SchemaError,
    TooFewRows,
    nearest,
    unknown_name,
)
from whydrift.discovery.progress import Progress, silent
from whydrift.discovery.search.registry import METHODS, Method, Options

# Nothing heavy is imported here: the package imports this module when it is itself imported.
if TYPE_CHECKING:
    from whydrift.discovery.covariance import Covariance
    from whydrift.discovery.graph import Graph
    from whydrift.discovery.knowledge import Knowledge
    from whydrift.discovery.snapshot.note import Note
    from whydrift.discovery.snapshot.snapshot import Snapshot
    from whydrift.discovery.spread import Spread
    from whydrift.discovery.stability import Stability

__all__ = ["Discovery", "discover", "learn_graph", "method_names"]

_MOST_FOR_ORDERS = 150  # columns; a search over orders of more would take minutes
_LEAST_ROWS = 20
# Those of scores/registry.py, which is not loaded to check a name.
_SCORES: Final = ("auto", "bic", "ebic", "bdeu", "mixed", "spline_bic", "spline_ebic")
_ALPHA = 0.05
_ORIENTATION: Final = {"pc": "majority"}  # of all others "max"
# What Python warns of, beside all that is told of single columns.
_OF_THE_WHOLE: Final = ("few_rows", "incomplete_rows")


@dataclass(frozen=True, slots=True)
class Discovery:
    """A learned graph, and how it came about.

    Parameters
    ----------
    graph : Graph
        Over all columns asked for; confidences are None without bootstrap.
    method : str
        The search that was run, never ``auto``.
    test : str, optional
        The independence test that was used; None for a search by score.
    notes : tuple of Note
        What was chosen and why, and what to know about the data.
    seconds : float
        Time taken.
    """

    graph: Graph
    method: str
    test: str | None
    notes: tuple[Note, ...]
    seconds: float

    @property
    def stability(self) -> Stability | None:
        """The shares of bootstrap graphs with each edge and orientation, if one was asked for."""
        return self.graph.stability


def method_names() -> tuple[str, ...]:
    """Return the names that `discover` knows, ``auto`` first."""
    return ("auto", *METHODS)


def discover(
    data: Any,
    method: str = "auto",
    *,
    test: str = "auto",
    score: str = "auto",
    alpha: float | None = None,
    orientation: str | None = None,
    penalty: float | None = None,
    knowledge: Knowledge | None = None,
    bootstrap: int = 0,
    n_jobs: int | None = None,
    random_state: int = 0,
    progress: Progress | None = None,
    columns: Sequence[str] | None = None,
) -> Graph:
    """Learn what causes what from one window of data, or from several.

    Parameters
    ----------
    data : Snapshot, pandas.DataFrame, polars.DataFrame or pyarrow.Table, or a list of them
        One window of rows, in the order of time where there is one. With several, ``boss`` and
        ``cd-nod`` let mechanisms differ between windows and orient edges by what stays the same.
        A `Covariance` serves boss, grasp, ges, pc, fci and rfci with ``fisher_z``, ``bic`` or
        ``ebic``.
    method : str
        ``boss`` (search over orders, by score), ``grasp`` (the same by turning edges around),
        ``ges`` (greedy search over classes of graphs, by score), ``pc`` (tests of conditional
        independence) or ``auto``: boss, and pc above 150 columns or where a test, alpha or
        orientation is named. Of several windows: boss, or ``cd-nod``, which tests with the window
        as a cause, and is auto's choice where a test, alpha or orientation is named; it reads one
        window as several that follow each other (one for every 500 rows, from 2 to 20). Where
        causes may be hidden: ``fci``, or ``rfci`` with fewer tests. Through causal-learn:
        ``lingam`` (linear, noise not normal), ``anm`` and ``pnl`` (pc, then additive noise or
        post-nonlinear models pair by pair; pnl needs torch too) and ``exact`` (Gaussian BIC; up
        to 12 columns).
    test : str
        For pc, fci, rfci, cd-nod, anm and pnl: ``auto`` or a test of
        docs/independence-tests.md, such as
        ``fisher_z``, ``mixed`` or ``gcm``.
    score : str
        For boss, grasp and ges: ``bic`` or ``ebic`` (numbers, straight lines), ``bdeu``
        (categories), ``mixed`` (both, straight lines), ``spline_bic`` or ``spline_ebic`` (both,
        bent lines), or ``auto``: ebic or spline_ebic, by a screen of the columns, and bdeu for
        categories.
    alpha : float, optional
        For pc, fci, rfci, cd-nod, anm and pnl: level of the tests, by default 0.05.
    orientation : str, optional
        For pc, fci and cd-nod: how colliders are told, ``majority`` (by more than half of the
        separating sets, the default of pc), ``max`` (by the one with the largest p-value, the
        default of the others), ``standard`` or ``conservative``.
    penalty : float, optional
        For boss, grasp and ges: multiplies the BIC penalty, by default 1; larger gives fewer edges.
    knowledge : Knowledge, optional
        Tiers, required and forbidden edges and the like; every method honours them.
    bootstrap : int
        Draws of the rows (or clusters of rows), within each window: each edge's confidence is the
        share of the graphs learned from them that have it, and ``graph.stability`` the table of
        all shares; 0 for none.
    n_jobs : int, optional
        Processes for the bootstrap, -1 for all processors; by default several only where it would
        take long. The result does not depend on it.
    random_state : int
        Seed of all that is random.
    progress : callable, optional
        Called with the stage in words, the steps done and the steps in all.
    columns : sequence of str, optional
        Columns of the graph, by default all numbers and categories that are feature, target or
        segment.

    Returns
    -------
    Graph
        A CPDAG: an undirected edge has a direction that this data cannot tell; of fci and rfci a
        PAG, of lingam a DAG. Columns that never vary are in it, without edges.

    Raises
    ------
    OptionError
        On an unknown method, test or score, an option that the method does not have, a value
        out of range, or a method of causal-learn where that is not installed.
    SchemaError
        If a column is unknown or cannot be modelled, or fewer than two columns vary.
    TooFewRows
        With fewer than 20 rows.
    GraphError
        If knowledge names an unknown column.

    Warns
    -----
    DataWarning
        For each column that is no ordinary one (never varies, repeats another, is determined by
        others, holds ±inf, is left out, …), with its name and what was done.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> rng = np.random.default_rng(0)
    >>> cause, other = rng.normal(size=(2, 1000))
    >>> effect = cause + other + rng.normal(size=1000)
    >>> graph = discover(pd.DataFrame({"cause": cause, "other": other, "effect": effect}))
    >>> graph.parents("effect")
    ('cause', 'other')
    """
    found = learn_graph(
        data,
        method,
        test=test,
        score=score,
        alpha=alpha,
        orientation=orientation,
        penalty=penalty,
        knowledge=knowledge,
        bootstrap=bootstrap,
        n_jobs=n_jobs,
        random_state=random_state,
        progress=progress,
        columns=columns,
    )
    for note in dict.fromkeys(found.notes):
        of_column = note.column is not None and note.code != "mechanism_moved"
        if of_column or note.code in _OF_THE_WHOLE:
            warnings.warn(note.text, DataWarning, stacklevel=2)
    return found.graph


def learn_graph(
    data: Any,
    method: str = "auto",
    *,
    test: str = "auto",
    score: str = "auto",
    alpha: float | None = None,
    orientation: str | None = None,
    penalty: float | None = None,
    knowledge: Knowledge | None = None,
    bootstrap: int = 0,
    n_jobs: int | None = None,
    random_state: int = 0,
    progress: Progress | None = None,
    columns: Sequence[str] | None = None,
    spread: Spread | None = None,
) -> Discovery:
    """Learn a graph as `discover` does, and tell how.

    Parameters and errors are those of `discover`; ``spread`` says where the draws of the bootstrap
    are made, instead of ``n_jobs``.

    Returns
    -------
    Discovery
    """
    from whydrift.discovery.covariance import Covariance
    from whydrift.discovery.knowledge import Knowledge
    from whydrift.discovery.search.columns import column_notes, varying_columns
    from whydrift.discovery.search.seen_together import untestable_pairs
    from whydrift.discovery.search.windows import in_turn, pooled, read_windows

    began = time.perf_counter()
    _check_options(method, score, alpha, penalty, bootstrap, random_state)
    if isinstance(data, Covariance):
        _check_no_bootstrap(bootstrap)
        found = _from_covariance(
            data,
            method,
            columns,
            Options(
                test=test,
                score=score,
                alpha=_ALPHA if alpha is None else alpha,
                orientation=orientation or "",
                penalty=1.0 if penalty is None else penalty,
                knowledge=(knowledge or Knowledge()).checked(data.columns),
                random_state=random_state,
            ),
            _named(test, score, alpha, orientation, penalty),
            progress or silent,
        )
        return replace(found, seconds=time.perf_counter() - began)
    given = data if isinstance(data, (list, tuple)) else (data,)
    windows = read_windows(given, random_state=random_state)
    # Who reads a window learns what was odd about it; here that is told where it was read here.
    odd = [note for w, own in zip(windows, given, strict=True) if w is not own for note in w.notes]
    snapshot = windows[0]
    names = _columns(snapshot, columns)
    usable, notes = varying_columns(pooled(windows), names)
    _check_size(len(pooled(windows).sample), usable)
    notes = (*odd, *notes, *column_notes(pooled(windows), usable))
    named = _named(test, score, alpha, orientation, penalty)
    chosen, choice = _choose(method, len(usable), len(windows), named)
    if len(windows) > 1:
        _check_windows(chosen)
    elif chosen.needs_windows:
        windows, in_turns = in_turn(snapshot)
        snapshot, notes = windows[0], (in_turns, *notes)
    known = (knowledge or Knowledge()).checked(snapshot.schema.names)
    if "test" in chosen.options:
        notes = (*notes, *untestable_pairs(snapshot, usable))
    options = Options(
        test=_choose_test(chosen, test, snapshot, usable),
        score=_choose_score(chosen, score, windows, usable) if bootstrap else score,
        alpha=_ALPHA if alpha is None else alpha,
        orientation=_ORIENTATION.get(chosen.name, "max") if orientation is None else orientation,
        penalty=1.0 if penalty is None else penalty,
        knowledge=known.within(usable),
        random_state=random_state,
        other_windows=windows[1:],
    )
    told = progress or silent
    graph, more = chosen.learn(snapshot, usable, replace(options, test=test, score=score), told)
    if bootstrap:
        graph = _bootstrapped(graph, windows, chosen, options, bootstrap, n_jobs, spread, told)
    if "test" not in chosen.options:
        more = (*more, *_relations(pooled(windows), usable, more))
    graph, left_out = _with_required(graph.with_nodes(names), known)
    return Discovery(
        graph,
        chosen.name,
        options.test if "test" in chosen.options else None,
        (choice, *notes, *more, *left_out),
        time.perf_counter() - began,
    )


def _from_covariance(
    covariance: Covariance,
    method: str,
    columns: Sequence[str] | None,
    options: Options,
    named: set[str],
    progress: Progress,
) -> Discovery:
    from whydrift.discovery.search.from_covariance import varying_columns

    names = covariance.columns if columns is None else tuple(dict.fromkeys(columns))
    for name in names:
        if name not in covariance.columns:
            guess = nearest(name, covariance.columns)
            raise SchemaError(
                f"column {name!r} is not in the covariance matrix",
                where="columns",
                remedy=f"Did you mean {guess!r}?"
                if guess
                else f"Columns are: {', '.join(covariance.columns[:20])}",
            )
    usable, notes = varying_columns(covariance, names)
    _check_size(covariance.rows, usable)
    chosen, choice = _choose(method, len(usable), 1, named)
    if chosen.from_covariance is None:
        able = ", ".join(name for name, other in METHODS.items() if other.from_covariance)
        raise OptionError(
            f"method {chosen.name!r} needs rows, and a covariance matrix was given",
            where="method",
            remedy=f"Give the rows, or use one of: {able}",
        )
    known = options.knowledge
    inside = replace(
        options,
        orientation=options.orientation or _ORIENTATION.get(chosen.name, "max"),
        knowledge=known.within(usable),
    )
    graph, more = chosen.learn_from_covariance(covariance, usable, inside, progress)
    graph, left_out = _with_required(graph.with_nodes(names), known)
    return Discovery(
        graph,
        chosen.name,
        "fisher_z" if "test" in chosen.options else None,
        (choice, *notes, *more, *left_out),
        0.0,
    )


# ---- checks -----------------------------------------------------------------------------------
def _check_options(
    method: str,
    score: str,
    alpha: float | None,
    penalty: float | None,
    bootstrap: int,
    random_state: int,
) -> None:
    for name, word in (("method", method), ("score", score)):
        if not isinstance(word, str):
            raise OptionError(f"{word!r} is no name", where=name, remedy="Give 'auto'")
    for name, number in (("bootstrap", bootstrap), ("random_state", random_state)):
        if not (hasattr(number, "__index__") and number >= 0):
            raise OptionError(
                f"{number!r} is not a whole number from 0 on", where=name, remedy="Give 0"
            )
    if method not in method_names():
        raise unknown_name("method", method, known=method_names(), where="method")
    if score not in _SCORES:
        raise unknown_name("score", score, known=_SCORES, where="score")
    if alpha is not None and not 0 < alpha < 1:
        raise OptionError(
            f"{alpha!r} is not between 0 and 1", where="alpha", remedy="Give a level such as 0.05"
        )
    if penalty is not None and not 0 < penalty < float("inf"):
        raise OptionError(
            f"{penalty!r} is not a positive number", where="penalty", remedy="1 is the plain BIC"
        )


def _columns(snapshot: Snapshot, columns: Sequence[str] | None) -> tuple[str, ...]:
    if columns is None:
        return tuple(name for name in snapshot.schema.modelled if snapshot.has(name))
    names = tuple(dict.fromkeys(columns))
    for name in names:
        kind = snapshot.schema[snapshot.schema.require(name, where="columns")].kind
        if not kind.is_modelled or not snapshot.has(name):
            raise SchemaError(
                f"column {name!r} is {kind} and cannot be in a graph",
                where="columns",
                remedy="Leave it out, or say what it is with Snapshot.from_frame(…, kinds={…})",
            )
    return names


def _check_no_bootstrap(bootstrap: int) -> None:
    if bootstrap:
        raise OptionError(
            "rows are drawn again for confidences, and a covariance matrix has none",
            where="bootstrap",
            remedy="Give 0, or the rows",
        )


def _check_size(rows: float, usable: tuple[str, ...]) -> None:
    if rows < _LEAST_ROWS:
        raise TooFewRows(
            f"{rows:g} rows are too few to learn a graph",
            where="data",
            remedy=f"Give at least {_LEAST_ROWS}; some hundreds are better",
        )
    if len(usable) < 2:
        found = f"only {usable[0]!r} varies" if usable else "none varies"
        raise SchemaError(
            f"a graph needs two columns of numbers or categories that vary, and {found}",
            where="data",
            remedy="Look at the kinds in Snapshot.schema: ids, times and free text are left out",
        )


def _check_windows(method: Method) -> None:
    """Refuse what several windows cannot be given to."""
    if not method.takes_windows:
        able = ", ".join(name for name, other in METHODS.items() if other.takes_windows)
        raise OptionError(
            f"method {method.name!r} takes one window, and several were given",
            where="method",
            remedy=f"Methods that take several: {able}",
        )


# ---- choices ----------------------------------------------------------------------------------
def _named(
    test: str,
    score: str,
    alpha: float | None,
    orientation: str | None,
    penalty: float | None,
) -> set[str]:
    """Return the options that were given a value."""
    given = {
        "test": test != "auto",
        "alpha": alpha is not None,
        "orientation": orientation is not None,
        "score": score != "auto",
        "penalty": penalty is not None,
    }
    return {name for name, is_set in given.items() if is_set}


def _choose(method: str, count: int, windows: int, options: set[str]) -> tuple[Method, Note]:
    """Return the method and why, or raise where an option means nothing to it."""
    from whydrift.discovery.snapshot.note import Note

    reason = "as asked"
    if method == "auto":
        wanted = sorted(options & METHODS["pc"].options)
        if wanted:
            method, reason = "pc", f"{' and '.join(wanted)} given"
            if windows > 1:
                method, reason = "cd-nod", f"{reason}, and {windows} windows"
        elif windows > 1:
            method, reason = "boss", f"the default for several windows, {windows} here"
        elif count > _MOST_FOR_ORDERS and not options:
            method = "pc"
            reason = f"{count} columns; above {_MOST_FOR_ORDERS} a search over orders is slow"
        else:
            method, reason = "boss", f"the default for up to {_MOST_FOR_ORDERS} columns"
    chosen = METHODS[method]
    for option in sorted(options - chosen.options):
        has = ", ".join(sorted(chosen.options)) or "none"
        raise OptionError(
            f"method {method!r} has no {option}",
            where=option,
            remedy=f"Leave it out; options of {method!r}: {has}",
        )
    return chosen, Note("method_choice", None, f"method {method}: {reason}")


def _choose_test(method: Method, test: str, snapshot: Snapshot, usable: tuple[str, ...]) -> str:
    """Return the test by name, so that all bootstrap draws use the one that suits the data."""
    if "test" not in method.options or test != "auto":
        return test
    if method.needs_windows:
        from whydrift.discovery.search.cd_nod import choose_window_test

        return choose_window_test(snapshot, usable)
    from whydrift.discovery.independence.registry import choose_test

    return choose_test(snapshot, usable)[0]


def _choose_score(
    method: Method, score: str, windows: tuple[Snapshot, ...], usable: tuple[str, ...]
) -> str:
    """Return the score by name, so that all bootstrap draws use the one that suits the data."""
    if "score" not in method.options or score != "auto":
        return score
    from whydrift.discovery.scores.registry import choose_score

    return choose_score(windows, usable)[0]


def _relations(
    window: Snapshot, usable: tuple[str, ...], told: tuple[Note, ...]
) -> tuple[Note, ...]:
    """Return notes on the relations of which the search, having no tests, told nothing."""
    from whydrift.discovery.independence.determined import find_relations

    named = {note.column for note in told if note.code == "determined_column"}
    return tuple(
        relation.told(usable, by_tests=False)
        for relation in find_relations(window, usable)
        if not named & {usable[column] for column in relation.columns}
    )


# ---- bootstrap and knowledge ------------------------------------------------------------------
def _bootstrapped(
    graph: Graph,
    windows: tuple[Snapshot, ...],
    method: Method,
    options: Options,
    bootstrap: int,
    n_jobs: int | None,
    spread: Spread | None,
    progress: Progress,
) -> Graph:
    from whydrift.discovery.graph import Graph
    from whydrift.discovery.search.columns import varying_columns
    from whydrift.discovery.search.windows import pooled
    from whydrift.discovery.stability import with_confidence

    def learn(drawn: tuple[Snapshot, ...]) -> Graph:
        # A rare value may be missing from a draw, and its column constant there.
        usable, _ = varying_columns(pooled(drawn), graph.nodes)
        if len(usable) < 2:
            return Graph(graph.nodes)
        inside = replace(
            options, knowledge=options.knowledge.within(usable), other_windows=drawn[1:]
        )
        return method.learn(drawn[0], usable, inside, silent)[0].with_nodes(graph.nodes)

    return with_confidence(
        graph,
        windows,
        learn,
        bootstrap=bootstrap,
        n_jobs=n_jobs,
        spread=spread,
        random_state=options.random_state,
        progress=progress,
    )


def _with_required(graph: Graph, knowledge: Knowledge) -> tuple[Graph, tuple[Note, ...]]:
    """Return the graph with required edges at columns that the search could not use."""
    from whydrift.discovery.errors import GraphError
    from whydrift.discovery.graph import Edge, Origin
    from whydrift.discovery.snapshot.note import Note

    notes = []
    for cause, effect in knowledge.required:
        inside = cause in graph.nodes and effect in graph.nodes
        if not inside or graph.edge_between(cause, effect) is not None:
            continue
        edge = Edge.of(cause, "-->", effect, origin=Origin.REQUIRED)
        try:
            graph = graph.with_edges((*graph.edges, edge))
        except GraphError:
            text = f"{cause} → {effect} is required, but would close a cycle and was left out"
            notes.append(Note("required_left_out", None, text))
    return graph, tuple(notes)
