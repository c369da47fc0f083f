"""The public ``estimate``: a frame or files in, an Effect out."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from whydrift.discovery.graph import Graph
from whydrift.discovery.progress import Progress, silent
from whydrift.effects.api import estimate as answer
from whydrift.effects.parameters import show_parameters
from whydrift.monitor.threads import one_blas_thread

if TYPE_CHECKING:
    from whydrift.discovery.snapshot.note import Note
    from whydrift.effects.effect import Effect

__all__ = ["estimate", "rows_of"]


def estimate(
    data: Any,
    treatment: str,
    outcome: str,
    *,
    graph: Graph
    | str
    | os.PathLike[str]
    | Mapping[str, Any]
    | Iterable[tuple[str, str]]
    | None = None,
    refute: bool = False,
    progress: Progress = silent,
    **asked: Any,
) -> Effect:
    """Estimate what a treatment did to an outcome, and say whether to believe it.

    Parameters
    ----------
    data : frame, mapping of str to columns, path, glob, address or source
        All rows are held in memory at once.
    graph : Graph, file, dict or pairs of (cause, effect), optional
    refute : bool
        Whether to try to break the number too; the checks of `whydrift.effects.refute` are added.
        Takes some hundred estimates.
    progress : callable
        Called with the stage in words, the steps done and the steps in all, while files are read.

    The other parameters are those of `whydrift.effects.estimate`.

    Returns
    -------
    Effect

    Raises
    ------
    WhydriftError
        If the data, the graph or an option is not usable, or the graph says that no data could
        answer: ``SourceError``, ``SchemaError``, ``GraphError``, ``OptionError``,
        ``NotIdentified``, each with the way out.

    Examples
    --------
    >>> import whydrift as wd
    >>> effect = wd.estimate(df, "promo", "spend", adjustment=["age"])  # doctest: +SKIP
    >>> print(effect)  # doctest: +SKIP
    """
    from whydrift.monitor.api import as_graph

    known = None if graph is None else as_graph(graph)
    rows, notes = rows_of(data, progress)
    with one_blas_thread():
        asked["graph"] = known
        effect = answer(rows, treatment, outcome, **asked)
        if refute:
            from whydrift.effects.refuters import refuted

            # Chosen again, so that what came with the choice (clusters) comes again too.
            effect = refuted(effect, rows, **{"method": "auto", **asked})
    return replace(effect, warnings=(*notes, *effect.warnings))


show_parameters(estimate, answer)


def rows_of(data: Any, progress: Progress) -> tuple[Any, tuple[Note, ...]]:
    """Return a frame or mapping as it is, and the rows of files as an Arrow table."""
    from whydrift.discovery.snapshot.arrow import is_frame

    if is_frame(data) or isinstance(data, Mapping):
        return data, ()
    import pyarrow as pa

    from whydrift.monitor.source.base import Rows
    from whydrift.monitor.source.opening import as_source
    from whydrift.monitor.source.reading import stream

    notes: list[Note] = []
    tables = list(stream(as_source(data), Rows(), tell=notes.append, progress=progress))
    return pa.concat_tables(tables, promote_options="permissive"), tuple(dict.fromkeys(notes))
