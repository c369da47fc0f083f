"""``whydrift discover``: what causes what in a table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from whydrift.monitor.cli.exits import Status
from whydrift.monitor.cli.options import (
    DATA_HELP,
    Alpha,
    Bootstrap,
    DaskAddress,
    Debug,
    Jobs,
    KnowledgeFile,
    Method,
    Orientation,
    Query,
    Quiet,
    RandomState,
    Score,
    Test,
    path_given,
)

if TYPE_CHECKING:
    from rich.console import Console

    from whydrift.discovery.graph import Graph
    from whydrift.discovery.snapshot.snapshot import Snapshot
    from whydrift.discovery.stability import Stability

__all__ = ["discover"]

_MOST_EDGES = 40
_MOST_RESAMPLES = 10_000


def discover(
    data: Annotated[
        list[str],
        typer.Argument(metavar="DATA...", help=f"{DATA_HELP} Each further one is another window."),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            parser=path_given,
            metavar="FILE",
            help="Write the graph: .json, .dot, .gml or .svg.",
        ),
    ] = None,
    query: Query = None,
    method: Method = "auto",
    test: Test = "auto",
    score: Score = "auto",
    alpha: Alpha = None,
    orientation: Orientation = None,
    knowledge: KnowledgeFile = None,
    bootstrap: Bootstrap = 0,
    jobs: Jobs = None,
    dask: DaskAddress = None,
    random_state: RandomState = 0,
    quiet: Quiet = False,
    debug: Debug = False,
) -> int:
    """Learn what causes what from DATA, and print the edges.

    Several windows together also orient edges: by what stayed the same between them.

    Try:
      whydrift discover may.parquet
      whydrift discover may.parquet june.parquet july.parquet
      whydrift discover may.parquet -o graph.json --knowledge known.yaml
      whydrift discover may.parquet -o graph.svg --method pc --alpha 0.01
      whydrift discover may.parquet --bootstrap 100 --jobs -1
      whydrift discover 's3://bucket/dt=2026-05-*/*.parquet' --dask tls://scheduler:8786
    """
    from whydrift.discovery.errors import OptionError
    from whydrift.monitor.cli.graph_output import check_graph_format, write_graph
    from whydrift.monitor.cli.outputs import check_outputs
    from whydrift.monitor.cli.progress import shown_progress
    from whydrift.monitor.cli.workers import dask_workers
    from whydrift.monitor.diagnosis.limits import check_seed

    if not 0 <= bootstrap <= _MOST_RESAMPLES:
        said = "negative" if bootstrap < 0 else f"more than {_MOST_RESAMPLES:,}"
        raise OptionError(
            f"{bootstrap} is {said}", where="--bootstrap", remedy="Give 0, or 20 to 200 resamples"
        )
    if jobs is not None and (jobs == 0 or jobs < -1):
        raise OptionError(
            f"{jobs} is no number of processes", where="--jobs", remedy="Give 1 or more, or -1"
        )
    if jobs is not None and dask is not None:
        raise OptionError(
            "processes here and workers of Dask are both asked for", where="--jobs, --dask",
            remedy="Leave out one of the two",
        )  # fmt: skip
    check_seed(random_state)
    check_graph_format(output, "-o")
    check_outputs({"-o": output}, inputs=(*data, str(knowledge) if knowledge else None))
    with shown_progress(quiet) as progress, dask_workers(dask) as workers:
        from whydrift.discovery.discover import learn_graph
        from whydrift.monitor.api import as_knowledge
        from whydrift.monitor.cli.data import data_given
        from whydrift.monitor.source.snapshots import read_snapshot

        known = None if knowledge is None else as_knowledge(knowledge)
        sources = [data_given(each, query, workers) for each in data]
        windows: tuple[Snapshot, ...] = ()
        for source in sources:
            schema = windows[0].schema if windows else None
            windows += (read_snapshot(source, schema=schema, progress=progress, workers=workers),)
        found = learn_graph(
            windows, method=method, test=test, score=score, alpha=alpha,
            orientation=orientation, knowledge=known, bootstrap=bootstrap,
            n_jobs=jobs, random_state=random_state, progress=progress,
            spread=None if workers is None else workers.map,
        )  # fmt: skip
    if output is not None:
        write_graph(found.graph, output, "-o")
    if not quiet:
        _show(found, windows, output)
    return Status.NOTHING


def _show(found: Any, windows: tuple[Snapshot, ...], output: Path | None) -> None:
    from whydrift.discovery.plain_text import clean
    from whydrift.monitor.cli.terminal import console, reader_may_leave
    from whydrift.monitor.diagnosis.words import rows_text

    graph: Graph = found.graph
    with reader_may_leave():
        screen = console()
        by = f"{found.method}, {found.test}" if found.test else found.method
        rows = rows_text(sum(window.rows for window in windows))
        if len(windows) > 1:
            rows += f" in {len(windows)} windows"
        screen.print(
            f"{len(graph)} edges between {len(graph.nodes)} columns, from {rows} "
            f"({by}; {found.seconds:.2g} s)"
        )
        if len(graph):
            _show_edges(graph, screen)
        if graph.stability is not None and graph.stability.pairs:
            _show_shares(graph.stability, screen)
        alone = [n for n in graph.nodes if graph_degree(graph, n) == 0]
        if alone:
            screen.print(f"without an edge: {', '.join(clean(n, 40) for n in alone[:20])}")
        read = (note for window in windows for note in window.notes)
        for note in dict.fromkeys((*found.notes, *read)):
            screen.print(f"note: {clean(note.text)}")
        if output is not None:
            screen.print(f"written: {clean(str(output))}")


def graph_degree(graph: Graph, node: str) -> int:
    """Return how many edges end at a node."""
    return sum(node in {edge.a, edge.b} for edge in graph)


def _show_edges(graph: Graph, screen: Console) -> None:
    from rich.table import Table
    from rich.text import Text

    from whydrift.discovery.plain_text import clean

    drawn = graph.stability is not None
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for title in ("from", "", "to", *(("share",) if drawn else ()), "origin"):
        table.add_column(title)
    for edge in list(graph)[:_MOST_EDGES]:
        share = ("" if edge.confidence is None else f"{edge.confidence:.2f}",) if drawn else ()
        cells = (clean(edge.a, 40), edge.mark, clean(edge.b, 40), *share, edge.origin.value)
        table.add_row(*(Text(cell) for cell in cells))
    screen.print(table)
    if len(graph) > _MOST_EDGES:
        screen.print(f"… and {len(graph) - _MOST_EDGES} more; -o graph.json holds all")
    if any(edge.is_undecided for edge in graph):
        screen.print("--- and o: the data do not say which way it goes")


def _show_shares(stability: Stability, screen: Console) -> None:
    """Print how often each pair was joined when the rows were drawn again, and how."""
    from rich.table import Table
    from rich.text import Text

    from whydrift.discovery.plain_text import clean

    screen.print(
        f"\nshares of {stability.draws} bootstrap graphs (draws of {stability.unit}; how much the "
        "search wavers, not how probable an edge is)"
    )
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for title in ("from", "to", "joined", "marks, read from left to right"):
        table.add_column(title)
    for pair in stability.pairs[:_MOST_EDGES]:
        marks = "  ".join(f"{mark} {count / stability.draws:.2f}" for mark, count in pair.counts)
        joined = f"{pair.count / stability.draws:.2f}"
        cells = (clean(pair.a, 40), clean(pair.b, 40), joined, marks)
        table.add_row(*(Text(cell) for cell in cells))
    screen.print(table)
    if len(stability.pairs) > _MOST_EDGES:
        more = len(stability.pairs) - _MOST_EDGES
        screen.print(f"… and {more} more pairs; -o graph.json holds all")
