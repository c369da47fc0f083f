"""The public ``compare``: frames, Snapshots or files in, a Diagnosis out."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from whydrift.discovery.errors import GraphError, OptionError, SchemaError
from whydrift.discovery.graph import Graph
from whydrift.discovery.knowledge import Knowledge
from whydrift.discovery.progress import silent
from whydrift.discovery.snapshot.schema import ColumnKind
from whydrift.monitor.diagnosis.limits import check_numbers
from whydrift.monitor.threads import one_blas_thread
from whydrift.monitor.windows import Window

if TYPE_CHECKING:
    from whydrift.discovery.progress import Progress
    from whydrift.discovery.snapshot.snapshot import Snapshot
    from whydrift.monitor.building.cluster import Cluster
    from whydrift.monitor.diagnosis.diagnosis import Diagnosis
    from whydrift.monitor.diagnosis.losses import CustomLoss
    from whydrift.monitor.diagnosis.mechanism.base import MechanismTest
    from whydrift.monitor.diagnosis.prediction_row import Model

__all__ = ["as_graph", "as_knowledge", "compare"]


def compare(
    reference: Any,
    current: Any,
    *,
    reference_weights: Sequence[float] | None = None,
    graph: Any = None,
    knowledge: Any = None,
    target: str | None = None,
    prediction: str | None = None,
    loss: str | CustomLoss = "auto",
    model: Model | None = None,
    time_column: str | None = None,
    timezone: str = "UTC",
    cluster: str | None = None,
    ignore: Sequence[str] = (),
    floor: float | None = None,
    method: str = "auto",
    test: str = "auto",
    score: str = "auto",
    mechanism_test: str | Callable[[], MechanismTest] = "residual_scores",
    level: float = 0.05,
    random_state: int = 0,
    progress: Progress | None = None,
    workers: Cluster | None = None,
) -> Diagnosis:
    """Tell why the current window differs from the reference, and in which column it began.

    Parameters
    ----------
    reference, current : DataFrame, Table, Snapshot, path or source
        A frame of pandas, polars or pyarrow; a :class:`~whydrift.Snapshot`; or a file, glob,
        folder or address of tables, read batch by batch. The current window is read with the
        reference's schema. ``reference`` may be a list of past windows in the order of time, each
        as long as the current one: from fourteen on, what ordinary windows differ by (and, with
        ``time_column``, the hour of the day and the day of the week) is no alarm. Of three or
        more, one counts for at most twice the rows of the middle one.
    reference_weights : sequence of float, optional
        Of several past windows: what a row of each counts for beside one of another, such as less
        in older ones. Alike by default.
    graph : Graph, path, dict or list of (cause, effect), optional
        What causes what. Learned from both windows together when not given.
    knowledge : Knowledge, path or dict, optional
        What is known about causes, when the graph is learned.
    target, prediction : str, optional
        Columns. Where the current window lacks the target it is judged on its features only.
    loss : str or callable
        ``auto``, ``squared_error``, ``absolute_error``, ``log_loss``, ``zero_one``,
        ``quantile:0.9`` (or another level), or a function of the arrays of predictions and of
        targets that returns one loss a row.
    model : callable, optional
        The model itself, to be asked whether it still makes the recorded predictions: from a
        mapping of column names to arrays (numbers with NaN, names of categories with None) to one
        prediction a row, such as ``lambda columns: pipeline.predict(pd.DataFrame(columns))``.
    time_column : str, optional
        Puts the rows in order, and dates the windows.
    timezone : str
        By whose clocks rows have their hour and day, such as ``Europe/Paris``. Times without a
        zone are taken for UTC: leave it out where they are local already.
    cluster : str, optional
        Column whose equal values mark rows that belong together (a user, a session).
    ignore : sequence of str
        Columns to leave out.
    floor : float, optional
        Changes wholly inside this many reference sd are not worth knowing; default 0.1 (0.02 in
        probability), 0 for none.
    method, test, score : str
        Of the graph search, when the graph is learned.
    mechanism_test : str or callable
        ``residual_scores``, or what makes a test of one's own: called once per pair of windows it
        returns a ``MechanismTest`` (``whydrift.monitor.diagnosis.mechanism.base``).
    level : float
        Chance of any false alarm in the window.
    random_state : int
        Seed of the graph search.
    progress : callable, optional
        Called with the stage in words, the steps done and the steps in all.
    workers : Cluster, optional
        Where windows that lie in a source are read, such as
        ``whydrift.monitor.building.processes(2)`` gives; here by default.

    Returns
    -------
    Diagnosis

    Raises
    ------
    WhydriftError
        If the data, the graph or an option is not usable: ``SourceError``, ``SchemaError``,
        ``GraphError`` or ``OptionError``, each with the way out.

    Examples
    --------
    >>> import pandas as pd, whydrift as wd
    >>> diagnosis = wd.compare("may.parquet", "june.parquet", target="price")  # doctest: +SKIP
    >>> diagnosis.verdict, diagnosis.ranking  # doctest: +SKIP
    """
    if graph is not None and knowledge is not None:
        raise OptionError(
            "a graph and knowledge are both given",
            where="graph, knowledge",
            remedy="Knowledge guides the learning of a graph: give one of the two",
        )
    check_numbers(level, floor, random_state)
    from whydrift.monitor.window.local_time import local_time, named_zone

    zone = named_zone(timezone, where="timezone")
    if model is not None and prediction is None:
        raise OptionError(
            "a model is given, but no prediction",
            where="model",
            remedy="Name the column of the predictions that it made",
        )
    _check_pairs(
        {"graph": graph is not None, "prediction": prediction is not None},
        {"method": method, "test": test, "score": score, "loss": loss},
    )
    known_graph = None if graph is None else as_graph(graph)
    known = None if knowledge is None else as_knowledge(knowledge)
    *earlier, before = _references(reference)
    after = Window.of(current, "current")
    named = {"target": target, "prediction": prediction, "time": time_column, "cluster": cluster}
    roles = _roles(named, before, after)
    if not set(before.names) & set(after.names):
        raise SchemaError(
            "the two windows have no column in common",
            where=f"{before.where}, {after.where}",
            remedy=f"The reference has {_listed(before.names)}; the current one has "
            f"{_listed(after.names)}. Give windows of the same table",
        )
    kinds = _kinds_of_first((*earlier, before, after))
    kinds |= dict.fromkeys(_ignored(ignore, roles, before), ColumnKind.IGNORED)
    # Each window is read with the schema of the one before, so that kinds are the same in all.
    references: list[Snapshot] = []
    tell = progress or silent
    for window in (*earlier, before):
        schema = references[-1].schema if references else None
        references.append(
            window.snapshot(
                roles=roles,
                kinds=kinds if schema is None else {},
                schema=schema,
                progress=tell,
                workers=workers,
            )
        )
    _check_values(references[-1], before, {"target": target, "prediction": prediction})
    second = after.snapshot(
        roles=roles, schema=references[-1].schema, progress=tell, workers=workers
    )
    gone = set(second.absent) - {target}
    is_new = not set(after.names) <= set(references[-1].schema.names)
    whole = (
        after.snapshot(roles={}, workers=workers)
        if gone and is_new and after.given is None
        else None
    )

    from whydrift.monitor.diagnosis.compare import compare as judge

    with one_blas_thread():
        return judge(
            references if isinstance(reference, (list, tuple)) else references[0],
            second,
            reference_weights=reference_weights,
            graph=known_graph,
            knowledge=known,
            target=target,
            prediction=prediction,
            loss=loss,
            model=model,
            floor=floor,
            cluster=cluster,
            method=method,
            test=test,
            score=score,
            mechanism_test=mechanism_test,
            level=level,
            random_state=random_state,
            progress=progress,
            whole=whole,
            local=local_time(zone),
        )


def _check_values(reference: Snapshot, window: Window, named: Mapping[str, str | None]) -> None:
    """Raise where target or prediction has no value in the reference, which is named."""
    from whydrift.monitor.diagnosis.sides import check_values

    where = "the reference" if window.source is None else window.where
    for role, name in named.items():
        if name is not None:
            check_values(reference, name, role, where)


def _references(reference: Any) -> list[Window]:
    """Return the past windows, or the one."""
    if not isinstance(reference, (list, tuple)):
        return [Window.of(reference, "reference")]
    if not reference:
        raise SchemaError(
            "the list of past windows is empty", where="reference", remedy="Give at least one"
        )
    return [Window.of(r, f"reference {k}") for k, r in enumerate(reference, start=1)]


def _check_pairs(given: Mapping[str, bool], chosen: Mapping[str, Any]) -> None:
    """Raise where an option would have no effect beside, or without, another one."""
    for option, value in chosen.items():
        if value == "auto":
            continue
        if option == "loss" and not given["prediction"]:
            raise OptionError(
                f"the loss {value!r} is named, but no prediction",
                where="loss",
                remedy="Name the column of predictions, or leave the loss out",
            )
        if option != "loss" and given["graph"]:
            raise OptionError(
                f"the {option} {value!r} is how a graph is learned, but the graph is given",
                where=option,
                remedy="Leave out one of the two",
            )


def as_graph(graph: Any) -> Graph:
    """Return a graph given as a Graph, a file, a dict of the report contract, or pairs.

    Raises
    ------
    GraphError
        If it is none of these; the message says what was given.
    """
    if isinstance(graph, Graph):
        return graph
    if isinstance(graph, (str, os.PathLike)):
        from whydrift.monitor.source.graph_file import read_graph

        return read_graph(graph)
    if isinstance(graph, Mapping):
        return Graph.from_dict(graph)
    if not isinstance(graph, Iterable):
        raise GraphError(
            f"a {type(graph).__name__} is no graph",
            where="graph",
            remedy="Give a Graph, a file, or a list of (cause, effect) pairs",
        )
    pairs = list(graph)
    for position, pair in enumerate(pairs):
        if isinstance(pair, str) or not isinstance(pair, Iterable) or len(list(pair)) != 2:
            raise GraphError(
                f"{pair!r} is not a (cause, effect) pair",
                where=f"graph, pair number {position + 1}",
                remedy="Write two column names, the cause first",
            )
    return Graph.from_pairs(pairs)


def as_knowledge(knowledge: Any) -> Knowledge:
    """Return knowledge given as a Knowledge, a file, or a dict.

    Raises
    ------
    GraphError
        If it is none of these; the message says what was given.
    """
    if isinstance(knowledge, Knowledge):
        return knowledge
    if isinstance(knowledge, (str, os.PathLike)):
        from whydrift.monitor.source.graph_file import read_knowledge

        return read_knowledge(knowledge)
    if isinstance(knowledge, Mapping):
        return Knowledge.from_dict(knowledge)
    raise GraphError(
        f"a {type(knowledge).__name__} is no knowledge",
        where="knowledge",
        remedy="Give a Knowledge, a file, or a dict with tiers, required and forbidden",
    )


def _roles(named: Mapping[str, str | None], before: Window, after: Window) -> dict[str, str]:
    """Return the role of each named column, checked against both windows."""
    roles: dict[str, str] = {}
    for role, name in named.items():
        if name is None:
            continue
        if name in roles:
            raise SchemaError(
                f"{name!r} is named as {roles[name]} and as {role}",
                where=role,
                remedy="Name two different columns",
            )
        before.require(name, role)
        if role != "target":  # labels come late: features are judged without them
            after.require(name, role)
        roles[name] = role
    return roles


def _kinds_of_first(windows: Sequence[Window]) -> dict[str, ColumnKind]:
    """Return the kinds that the first window is read with: those of the first Snapshot given.

    Of a Snapshot the rows are gone: its kinds cannot become those that a table suggests.
    """
    given = next((w.given for w in windows if w.given is not None), None)
    if given is None or windows[0].given is not None:
        return {}
    return {c.name: c.kind for c in given.schema if c.name in windows[0].names}


def _ignored(ignore: Sequence[str], roles: Mapping[str, str], before: Window) -> tuple[str, ...]:
    for name in ignore:
        before.require(name, "ignored")
        if name in roles:
            raise SchemaError(
                f"{name!r} is named as {roles[name]} and is to be ignored",
                where="ignore",
                remedy="Drop one of the two",
            )
    return tuple(ignore)


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names[:8]) + (" …" if len(names) > 8 else "")
