"""``whydrift effect``: what a treatment did to an outcome, and whether to believe it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from whydrift.effects.registry import method_names
from whydrift.monitor.cli.exits import Status
from whydrift.monitor.cli.options import (
    DATA_HELP,
    Debug,
    GraphFile,
    Html,
    Json,
    Query,
    Quiet,
    RandomState,
)

if TYPE_CHECKING:
    from rich.console import Console

    from whydrift.effects.effect import Effect

__all__ = ["effect"]


def _column(text: str) -> Any:
    return typer.Option(metavar="COLUMN", help=text)


def effect(
    data: Annotated[str, typer.Argument(metavar="DATA", help=DATA_HELP)],
    treatment: Annotated[str, _column("What was done: 0 and 1, two words, or an amount.")],
    outcome: Annotated[str, _column("What it may have changed.")],
    query: Query = None,
    method: Annotated[
        str, typer.Option(metavar="NAME", help=f"How it is estimated: {', '.join(method_names())}.")
    ] = "auto",
    graph: GraphFile = None,
    adjust: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMNS",
            help="Columns to adjust for, with commas between them; C(column) where numbers name "
            "categories, column^2, a:b. May be given several times.",
        ),
    ] = None,
    instrument: Annotated[
        list[str] | None, _column("Moves the treatment, and the outcome through it alone.")
    ] = None,
    running: Annotated[str | None, _column("What a threshold decides on.")] = None,
    cutoff: Annotated[
        float | None, typer.Option(metavar="X", help="The threshold on --running.")
    ] = None,
    unit: Annotated[str | None, _column("Who, where rows are seen again and again.")] = None,
    time: Annotated[str | None, _column("When.")] = None,
    cluster: Annotated[
        str | None, _column("Equal values mark rows that belong together; errors allow for it.")
    ] = None,
    control: Annotated[
        str | None, typer.Option(metavar="VALUE", help="The value of the treatment for none.")
    ] = None,
    arm: Annotated[
        str | None,
        typer.Option(metavar="VALUE", help="The value compared with it; others are left out."),
    ] = None,
    estimand: Annotated[
        str, typer.Option(metavar="NAME", help="ate, att, atc, or what the method offers.")
    ] = "auto",
    units: Annotated[str, typer.Option(metavar="TEXT", help="Of the outcome, such as USD.")] = "",
    option: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="An option of the method, such as trim=0.05; may be given several times.",
        ),
    ] = None,
    level: Annotated[
        float, typer.Option(metavar="P", help="Share of such intervals that hold the truth.")
    ] = 0.95,
    random_state: RandomState = 0,
    force: Annotated[
        bool,
        typer.Option("--force", help="Give a number that the graph says is wrong; it says so."),
    ] = False,
    refute: Annotated[
        bool,
        typer.Option(
            "--refute",
            help="Try to break the number too: placebos, noise, fewer rows, hidden causes, "
            "the graph. Takes some hundred estimates.",
        ),
    ] = False,
    json_file: Json = None,
    html: Html = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> int:
    """Tell what a treatment did to an outcome in DATA, and whether to believe the number.

    Try:
      whydrift effect trial.csv --treatment treat --outcome income
      whydrift effect shop.parquet --treatment promo --outcome spend --graph graph.json
      whydrift effect shop.parquet --treatment promo --outcome spend --adjust age,region
      whydrift effect shop.csv --treatment promo --outcome spend --adjust age --estimand att
      whydrift effect shop.parquet --treatment promo --outcome spend --adjust age --refute
      whydrift effect card.csv --treatment educ --outcome wage --instrument near --html why.html
      whydrift effect shop.csv --treatment promo --outcome spend --adjust age --json -
    """
    from whydrift.monitor.cli.outputs import check_outputs, is_standard_output, write_text
    from whydrift.monitor.cli.progress import shown_progress

    files = {"--json": json_file, "--html": html}
    check_outputs(files, inputs=(data, *([str(graph)] if graph else [])))
    options = _options(option)
    if cutoff is not None:
        options["cutoff"] = cutoff
    with shown_progress(quiet) as progress:
        from whydrift.monitor.cli.data import data_given
        from whydrift.monitor.effect_api import estimate

        found = estimate(
            data_given(data, query),
            treatment, outcome,
            method=method, graph=graph, adjustment=_listed(adjust), instrument=instrument,
            running=running, unit=unit, time=time, cluster=cluster, control=control, arm=arm,
            estimand=estimand, units=units, level=level, random_state=random_state, force=force,
            refute=refute, progress=progress, **options,
        )  # fmt: skip
    on_stdout = False
    for name, path in files.items():
        if path is not None:
            write_text(path, _text(found, name), name)
            on_stdout |= is_standard_output(path)
    if not quiet and not on_stdout:
        _show(found, [path for path in files.values() if path is not None])
    return Status.NOTHING


def _listed(adjust: list[str] | None) -> list[str] | None:
    """Return the columns of all --adjust, which may hold several each."""
    if adjust is None:
        return None
    return [name.strip() for text in adjust for name in text.split(",") if name.strip()]


def _options(given: list[str] | None) -> dict[str, Any]:
    """Return options of the method; a value is read as JSON where it is some, else as text.

    Raises
    ------
    OptionError
        If one has no equals sign.
    """
    import json

    from whydrift.discovery.errors import OptionError

    found: dict[str, Any] = {}
    for text in given or ():
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise OptionError(
                f"{text!r} is not NAME=VALUE",
                where="--option",
                remedy="Write it like --option trim=0.05",
            )
        try:
            read = json.loads(value)
        except ValueError:
            read = value
        found[name.strip()] = tuple(read) if isinstance(read, list) else read
    return found


def _text(found: Effect, option: str) -> str:
    if option == "--json":
        return found.to_json() + "\n"
    from whydrift.monitor.report.effect_page import render_effect

    return render_effect(found)


def _show(found: Effect, written: list[Path]) -> None:
    from whydrift.discovery.plain_text import clean
    from whydrift.monitor.cli.terminal import console, reader_may_leave

    with reader_may_leave():
        screen = console()
        _show_effect(found, screen)
        if written:
            screen.print(f"written: {', '.join(clean(str(path)) for path in written)}")


def _show_effect(found: Effect, screen: Console) -> None:
    """Print the story: the number, whether to believe it, the checks, what it takes for granted."""
    from rich.table import Table
    from rich.text import Text

    from whydrift.discovery.plain_text import clean
    from whydrift.effects.check import Outcome
    from whydrift.effects.story import MARKS, belief, headline, number_line

    styles = {Outcome.PASS: "green", Outcome.WARN: "yellow", Outcome.FAIL: "bold red"}
    screen.print(Text(clean(headline(found)), style="bold"))
    screen.print(Text(clean(f"{found.estimand.words}: {found.estimand.symbols}")))
    screen.print(Text(clean(number_line(found)), style="bright_black"))
    if found.reason:
        screen.print(Text(clean(found.reason), style="bright_black"))
    screen.print()
    screen.print(Text(clean(belief(found)), style="bold red" if found.failed else "bold"))
    if found.checks:
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
        for check in found.checks:
            table.add_row(
                Text(MARKS[check.outcome], style=styles[check.outcome]),
                Text(check.name.replace("_", " ")),
                Text(clean(check.sentence)),
            )
        screen.print(table)
    for sentence in found.assumptions:
        screen.print(Text("assumes: ", style="bright_black").append(clean(sentence)))
    for note in found.warnings:
        screen.print(Text("warning: ", style="yellow").append(clean(note.text)))
