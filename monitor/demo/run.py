"""Runs the demonstration: compare, explain, write the pages, say what to try next."""

from __future__ import annotations

import json
import shlex
import time
from pathlib import Path
from typing import TYPE_CHECKING

from whydrift.discovery.errors import SourceError
from whydrift.discovery.progress import Progress, silent
from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.monitor.api import compare
from whydrift.monitor.demo.scenes import PREDICTION, TARGET, Scene, Stage, build_stage
from whydrift.monitor.demo.univariate import drifted_columns
from whydrift.monitor.diagnosis.diagnosis import ColumnVerdict, Diagnosis
from whydrift.monitor.diagnosis.headline import headline
from whydrift.monitor.diagnosis.words import joined

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["run_demo"]

_STYLES = {"fault": "magenta", "none": "green", "covariate": "yellow", "mechanism": "red",
           "both": "red", "undetermined": "cyan"}  # fmt: skip


def run_demo(
    out: Path, *, console: Console, serve: bool = False, progress: Progress | None = None
) -> int:
    """Compare four windows of real wines with their reference, and write a page for each.

    Parameters
    ----------
    out : Path
        Folder for windows and pages; made where it is not there.
    console : Console
        Where to print.
    serve : bool
        Show the pages on a loopback address until interrupted.
    progress : Progress, optional
        Told how far the work is.

    Returns
    -------
    int
        0: a demonstration has nothing to report to a scheduler.
    """
    started = time.perf_counter()
    tell = progress or silent
    stage = build_stage()
    _write_windows(out, stage)
    console.print(
        f"[bold]4,898 real wines[/], a model that predicts their {TARGET}, and four days in its "
        "life. For each: what whydrift says, the truth, and what plain tests would have said.\n"
    )
    reference = Snapshot.from_frame(stage.reference)
    diagnoses: list[tuple[Scene, Diagnosis]] = []
    for number, scene in enumerate(stage.scenes):
        tell("comparing", number, len(stage.scenes))
        current = Snapshot.from_frame(scene.window, schema=reference.schema)
        diagnosis = compare(
            reference, current, knowledge=stage.knowledge, target=TARGET, prediction=PREDICTION
        )
        alarms = drifted_columns(reference, current, tuple(diagnosis.columns))
        _write_page(out, scene, diagnosis, alarms)
        _tell(console, number + 1, scene, diagnosis, alarms)
        diagnoses.append((scene, diagnosis))
    tell("comparing", len(stage.scenes), len(stage.scenes))
    _write_index(out, diagnoses)
    _next_steps(console, out, time.perf_counter() - started)
    if serve:
        from whydrift.monitor.demo.serve import serve_folder

        serve_folder(out, console)
    return 0


def _tell(
    console: Console, number: int, scene: Scene, diagnosis: Diagnosis, alarms: tuple[str, ...]
) -> None:
    from rich.markup import escape
    from rich.padding import Padding
    from rich.table import Table

    said = " + ".join(f"[{_STYLES[w.kind]} bold]{w.text}[/]" for w in headline(diagnosis))
    console.print(f"[bold]{number}. {escape(scene.title)}[/]  [dim]{escape(scene.story)}[/]")
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    table.add_row("whydrift", f"{said}  {escape(diagnosis.summary)}")
    table.add_row("began at", escape(_origins(diagnosis)))
    inherited = [n for n, c in diagnosis.columns.items() if c.verdict is ColumnVerdict.INHERITED]
    if inherited:
        table.add_row("", f"[dim]inherited by {escape(joined(inherited, most=6))}[/]")
    table.add_row("remedy", f"{diagnosis.remedy.action.value}: {escape(diagnosis.remedy.text)}")
    table.add_row("the truth", escape(scene.truth))
    count = len(diagnosis.columns)
    table.add_row(
        "plain tests",
        f"{len(alarms)} of {count} columns “drifted”"
        + (f": {escape(joined(alarms, most=8))}" if alarms else ""),
    )
    console.print(Padding(table, (0, 0, 1, 3)))


def _origins(diagnosis: Diagnosis) -> str:
    if not diagnosis.ranking:
        return "–"
    return "; ".join(
        f"{name} ({diagnosis.columns[name].verdict.value}): {diagnosis.columns[name].reason}"
        for name in diagnosis.ranking
    )


def _write_windows(out: Path, stage: Stage) -> None:
    import pyarrow.parquet as pq

    try:
        out.mkdir(parents=True, exist_ok=True)
        pq.write_table(stage.reference, out / "reference.parquet")
        for scene in stage.scenes:
            pq.write_table(scene.window, out / f"{scene.name}.parquet")
        (out / "knowledge.json").write_text(
            json.dumps(stage.knowledge.to_dict(), indent=1), encoding="utf-8"
        )
    except OSError as error:
        raise SourceError(
            f"cannot write there ({error.strerror or error})",
            where=str(out),
            remedy="Choose another folder with --out",
        ) from error


def _write_page(out: Path, scene: Scene, diagnosis: Diagnosis, alarms: tuple[str, ...]) -> None:
    from whydrift.monitor.report import render_html

    said = f"{len(alarms)} of {len(diagnosis.columns)} columns drifted"
    page = render_html(
        diagnosis,
        title=scene.title,
        context={
            "story": scene.story,
            "truth": scene.truth,
            "univariate": said + (f": {', '.join(alarms)}" if alarms else ""),
        },
    )
    (out / f"{scene.name}.html").write_text(page, encoding="utf-8")
    (out / f"{scene.name}.json").write_text(diagnosis.to_json(), encoding="utf-8")


def _write_index(out: Path, diagnoses: list[tuple[Scene, Diagnosis]]) -> None:
    from whydrift.monitor.report import Listed, render_index

    pages = [Listed(f"{s.name}.html", s.title, s.story, found) for s, found in diagnoses]
    page = render_index("Four days in the life of a model", pages)
    (out / "index.html").write_text(page, encoding="utf-8")


def _next_steps(console: Console, out: Path, seconds: float) -> None:
    from rich.markup import escape

    folder = shlex.quote(str(out))
    shown = escape(str((out / "index.html").resolve()))
    console.print(f"[bold]Pages:[/] {shown}   [dim](made in {seconds:.1f} s)[/]", soft_wrap=True)
    console.print("\n[bold]Try next[/]")
    command = (
        f"whydrift compare {folder}/reference.parquet {folder}/new_jury.parquet --target {TARGET} "
        f"--prediction {PREDICTION} --knowledge {folder}/knowledge.json --html why.html"
    )
    for line in (
        command,
        f"whydrift discover {folder}/reference.parquet --bootstrap 20 -o graph.svg",
        "whydrift init YOUR.parquet      # your own data: its schema, and a first look",
        "whydrift compare MAY.parquet JUNE.parquet --target COLUMN",
    ):
        console.print(f"  {escape(line)}", soft_wrap=True, highlight=False)
