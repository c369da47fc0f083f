"""``whydrift compare``: what changed between two windows, where it began, what to do."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from whydrift.discovery.errors import OptionError
from whydrift.monitor.cli.exits import Status
from whydrift.monitor.cli.options import (
    DATA_HELP,
    Cluster,
    ConfigFile,
    CurrentQuery,
    DaskAddress,
    Debug,
    Floor,
    GraphFile,
    Html,
    Ignore,
    Json,
    Junit,
    KnowledgeFile,
    Level,
    Loss,
    Markdown,
    Method,
    MonitorName,
    Prediction,
    Query,
    Quiet,
    RandomState,
    Score,
    Target,
    Test,
    TimeColumn,
    Timezone,
    path_given,
)

if TYPE_CHECKING:
    from whydrift.monitor.comparison_config import ComparisonConfig
    from whydrift.monitor.diagnosis.diagnosis import Diagnosis

__all__ = ["compare"]


def compare(
    reference: Annotated[str, typer.Argument(metavar="REFERENCE", help=DATA_HELP)],
    current: Annotated[str, typer.Argument(metavar="CURRENT", help="The window under judgement.")],
    query: Query = None,
    current_query: CurrentQuery = None,
    target: Target = None,
    prediction: Prediction = None,
    graph: GraphFile = None,
    knowledge: KnowledgeFile = None,
    save_graph: Annotated[
        Path | None,
        typer.Option(
            parser=path_given, metavar="FILE", help="Write the graph: .json, .dot, .gml or .svg."
        ),
    ] = None,
    method: Method = "auto",
    test: Test = "auto",
    score: Score = "auto",
    loss: Loss = "auto",
    time_column: TimeColumn = None,
    timezone: Timezone = None,
    cluster: Cluster = None,
    dask: DaskAddress = None,
    ignore: Ignore = None,
    config: ConfigFile = None,
    monitor: MonitorName = None,
    floor: Floor = None,
    level: Level = 0.05,
    random_state: RandomState = 0,
    json_file: Json = None,
    html: Html = None,
    markdown: Markdown = None,
    junit: Junit = None,
    fail_on: Annotated[
        str,
        typer.Option(
            metavar="LIST",
            help="What makes the exit status 1: fault, covariate (or an input that moved and may "
            "reach the target, or that the predictions follow), mechanism (the target's, or the "
            "model's), undetermined, any (the first three, or the target moving given its "
            "inputs), none.",
        ),
    ] = "any",
    quiet: Quiet = False,
    debug: Debug = False,
) -> int:
    """Tell why CURRENT differs from REFERENCE: which column it began in, and what to do.

    Try:
      whydrift compare may.parquet june.parquet --target price
      whydrift compare may.csv june.csv --target price --prediction price_hat --html why.html
      whydrift compare 'data/05-*.csv' 'data/06-*.csv' --graph graph.json --json -
      whydrift compare may.csv june.csv --fail-on fault,mechanism --junit drift.xml
      whydrift compare may.csv june.csv --config whydrift.yaml
      whydrift compare '${DB}' '${DB}' --query @may.sql --current-query @june.sql
      whydrift compare s3://bucket/2026-05/ s3://bucket/2026-06/ --dask tls://scheduler:8786
    """
    from whydrift.monitor.cli.fail_on import findings, parse_fail_on
    from whydrift.monitor.cli.graph_output import check_graph_format
    from whydrift.monitor.cli.outputs import check_outputs
    from whydrift.monitor.cli.progress import shown_progress
    from whydrift.monitor.cli.workers import dask_workers

    words = parse_fail_on(fail_on)
    files = {"--json": json_file, "--html": html, "--markdown": markdown, "--junit": junit,
             "--save-graph": save_graph}  # fmt: skip
    check_graph_format(save_graph, "--save-graph")
    inputs = (reference, current, *(str(p) for p in (graph, knowledge, config) if p))
    check_outputs(files, inputs=inputs)
    said = _configured(config, monitor)
    with shown_progress(quiet) as progress, dask_workers(dask, said.dask) as workers:
        from whydrift.monitor.api import compare as judge
        from whydrift.monitor.cli.data import data_given

        diagnosis = judge(
            data_given(reference, query, workers),
            data_given(current, current_query or query, workers),
            graph=graph,
            knowledge=knowledge or (None if graph else said.knowledge),
            target=target or said.target, prediction=prediction or said.prediction,
            loss=said.loss if loss == "auto" else loss,
            time_column=time_column or said.time_column, timezone=timezone or said.timezone,
            cluster=cluster or said.cluster,
            ignore=(*said.ignore, *(ignore or ())),
            floor=said.floor if floor is None else floor,
            # A given graph needs no method; one that the configuration names is for learning.
            method=said.method if method == "auto" and not graph else method,
            test=test, score=score, level=level, random_state=random_state, progress=progress,
            workers=workers,
        )  # fmt: skip
    failing = bool(words & findings(diagnosis))
    on_stdout = _write(diagnosis, files, failing=failing, words=words)
    if not quiet and not on_stdout:
        _show(diagnosis, files)
    return Status.FOUND if failing else Status.NOTHING


def _configured(config: Path | None, monitor: str | None) -> ComparisonConfig:
    from whydrift.monitor.comparison_config import ComparisonConfig as Settings
    from whydrift.monitor.comparison_config import load_comparison_config

    if config is None:
        if monitor is not None:
            raise OptionError(
                "a monitor is named, but no configuration",
                where="--monitor",
                remedy="Add --config FILE",
            )
        return Settings()
    return load_comparison_config(config, monitor)


def _write(
    diagnosis: Diagnosis,
    files: Mapping[str, Path | None],
    *,
    failing: bool,
    words: frozenset[str],
) -> bool:
    """Write the files asked for; return whether one of them went to standard output."""
    from whydrift.monitor.cli.graph_output import write_graph
    from whydrift.monitor.cli.outputs import is_standard_output, write_text

    on_stdout = False
    for option, path in files.items():
        if path is None:
            continue
        if option == "--save-graph":
            write_graph(diagnosis.graph, path, option)
        else:
            write_text(path, _text(diagnosis, option, failing=failing, words=words), option)
            on_stdout |= is_standard_output(path)
    return on_stdout


def _text(diagnosis: Diagnosis, option: str, *, failing: bool, words: frozenset[str]) -> str:
    if option == "--json":
        return diagnosis.to_json() + "\n"
    if option == "--html":
        from whydrift.monitor.report import render_html

        return render_html(diagnosis)
    if option == "--markdown":
        from whydrift.monitor.cli.markdown import to_markdown

        return to_markdown(diagnosis)
    from whydrift.monitor.cli.junit import to_junit

    return to_junit(diagnosis, failing=failing, words=words)


def _hint(diagnosis: Diagnosis) -> str | None:
    """Name a column that looks like the prediction, where none was named."""
    from whydrift.discovery.plain_text import clean
    from whydrift.monitor.cli.suspects import prediction_of

    if diagnosis.target is None or diagnosis.prediction is not None:
        return None
    name = prediction_of(diagnosis.target, diagnosis.columns)
    if name is None:
        return None
    return (
        f"hint: {clean(name, 40)} looks like a prediction of {clean(diagnosis.target, 40)}; with "
        f"--prediction it is no cause, and the change of the loss is explained"
    )


def _show(diagnosis: Diagnosis, files: Mapping[str, Path | None]) -> None:
    from whydrift.discovery.plain_text import clean
    from whydrift.monitor.cli.table import show_diagnosis
    from whydrift.monitor.cli.terminal import console, reader_may_leave

    with reader_may_leave():
        screen = console()
        show_diagnosis(diagnosis, screen)
        hint = _hint(diagnosis)
        if hint is not None:
            screen.print(hint)
        written = [clean(str(path)) for path in files.values() if path is not None]
        if written:
            screen.print(f"written: {', '.join(written)}")
