"""Options that several verbs share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from whydrift.discovery.discover import method_names
from whydrift.discovery.errors import OptionError

__all__ = [
    "Alpha", "Bootstrap", "Cluster", "ConfigFile", "CurrentQuery", "DaskAddress", "Debug", "Floor",
    "GraphFile", "Html", "Ignore", "Jobs", "Json", "Junit", "KnowledgeFile", "Level", "Loss",
    "Markdown", "Method", "MonitorName", "Orientation", "Prediction", "Query", "Quiet",
    "RandomState", "Score", "Target", "Test", "TimeColumn", "Timezone", "path_given",
]  # fmt: skip


def path_given(value: str | Path) -> Path:
    """Return the path that an option names (or that is its default).

    Raises
    ------
    OptionError
        If it is empty, as where a variable of the shell was not set.
    """
    if not str(value).strip():
        raise OptionError(
            "the path of a file is empty",
            where="command line",
            remedy="Name a file, or leave the option out",
        )
    return Path(value)


DATA_HELP = (
    "A file, glob, folder or address (s3://, gs://, abfs://, https://) of Parquet, CSV, TSV (also "
    ".gz, .zst, .bz2), Arrow or Feather; or, with --query, the address of a database "
    "(postgresql://, sqlite:///, duckdb:///). ${NAME} stands for a variable of the environment."
)

Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]

Query = Annotated[
    str | None,
    typer.Option(
        metavar="SQL|@FILE",
        help="What to select from the database that DATA is the address of; ${NAME} stands for a "
        "variable of the environment, so that no password is typed.",
    ),
]
CurrentQuery = Annotated[
    str | None,
    typer.Option(
        metavar="SQL|@FILE",
        help="What to select for CURRENT, where it is not what --query selects for REFERENCE.",
    ),
]
Target = Annotated[
    str | None, typer.Option(metavar="COLUMN", help="The column that the model predicts.")
]
Prediction = Annotated[
    str | None, typer.Option(metavar="COLUMN", help="The model's prediction of it.")
]
TimeColumn = Annotated[
    str | None, typer.Option(metavar="COLUMN", help="Puts the rows in order and dates the windows.")
]
Timezone = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="By whose clocks rows have their hour and day; UTC if none."),
]
Cluster = Annotated[
    str | None,
    typer.Option(metavar="COLUMN", help="Equal values mark rows that belong together (a user)."),
]
Ignore = Annotated[
    list[str] | None,
    typer.Option(metavar="COLUMN", help="Leave a column out; may be given several times."),
]
GraphFile = Annotated[
    Path | None,
    typer.Option(
        "--graph",
        parser=path_given,
        metavar="FILE",
        help="What causes what: JSON, DOT, GML or JSON pairs.",
    ),
]
KnowledgeFile = Annotated[
    Path | None,
    typer.Option(
        "--knowledge",
        parser=path_given,
        metavar="FILE",
        help="JSON or YAML: tiers, required, forbidden, never_a_cause, exogenous.",
    ),
]
ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config",
        parser=path_given,
        metavar="FILE",
        help="A configuration (see `init`): columns, loss and knowledge of its monitor, "
        "where no option says otherwise.",
    ),
]
MonitorName = Annotated[
    str | None,
    typer.Option("--monitor", metavar="NAME", help="Which monitor of --config, of several."),
]
Method = Annotated[
    str,
    typer.Option(metavar="NAME", help=f"How the graph is learned: {', '.join(method_names())}."),
]
Test = Annotated[str, typer.Option(metavar="NAME", help="Independence test of the graph search.")]
Score = Annotated[str, typer.Option(metavar="NAME", help="Score of the graph search.")]
Loss = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="auto, squared_error, absolute_error, log_loss, zero_one or quantile:0.9; needs "
        "--prediction.",
    ),
]
Floor = Annotated[
    float | None,
    typer.Option(
        metavar="SD",
        help="Changes smaller than this many reference standard deviations do not matter "
        "(default 0.1; 0 for none).",
    ),
]
Level = Annotated[
    float, typer.Option(metavar="P", help="Chance of any false alarm in this comparison.")
]
Alpha = Annotated[
    float | None, typer.Option(metavar="P", help="Level of each independence test (pc, fci).")
]
Orientation = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="How colliders are told (pc, fci): max, standard, conservative or majority.",
    ),
]
Bootstrap = Annotated[
    int,
    typer.Option(metavar="N", help="Learn on N resamples too: the share of graphs with each edge."),
]
Jobs = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Processes for --bootstrap, -1 for all processors; the answer is the same.",
    ),
]
DaskAddress = Annotated[
    str | None,
    typer.Option(
        "--dask",
        metavar="ADDRESS",
        help="Read the data (and draw --bootstrap) on the workers of this Dask scheduler: "
        "tls://host:8786, or tcp://127.0.0.1:8786 on this machine.",
    ),
]
RandomState = Annotated[
    int, typer.Option(metavar="SEED", help="Seed: the same seed gives the same answer.")
]
Json = Annotated[
    Path | None,
    typer.Option(
        "--json",
        parser=path_given,
        metavar="FILE|-",
        help="Write the answer as JSON; - is standard output alone.",
    ),
]
Html = Annotated[
    Path | None,
    typer.Option(
        "--html", parser=path_given, metavar="FILE", help="Write a report page: one HTML file."
    ),
]
Markdown = Annotated[
    Path | None,
    typer.Option(
        "--markdown",
        parser=path_given,
        metavar="FILE",
        help="Write a short report for a pull request.",
    ),
]
Junit = Annotated[
    Path | None,
    typer.Option(
        "--junit",
        parser=path_given,
        metavar="FILE",
        help="Write JUnit XML: every column is a test.",
    ),
]
