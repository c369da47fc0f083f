"""Writes a commented configuration from what a table looks like."""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING

from whydrift.discovery.snapshot.schema import ColumnKind
from whydrift.monitor.cli.dated_files import with_date
from whydrift.monitor.cli.window_guess import guess_windows
from whydrift.monitor.source.address import masked

if TYPE_CHECKING:
    from whydrift.discovery.snapshot.snapshot import Snapshot
    from whydrift.monitor.cli.suspects import Suspects

__all__ = ["configuration"]

_PLAIN = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*$")
# Words that some YAML readers take for something other than text.
_YAML_WORDS = frozenset(("y", "n", "yes", "no", "on", "off", "true", "false", "null"))


def configuration(
    snapshot: Snapshot, suspects: Suspects, data: str, query: str | None = None
) -> str:
    """Return a YAML configuration with one monitor over what was looked at.

    Parameters
    ----------
    snapshot : Snapshot
        The window that was looked at.
    suspects : Suspects
        Guessed roles.
    data : str
        The path, glob, folder or address, as the user wrote it.
    query : str, optional
        What was selected from a database.
    """
    name = _monitor_name(data)
    return "\n".join(
        [
            "# yaml-language-server: $schema=./whydrift.schema.json",
            "# (for editors; `whydrift export schema -o .` writes that file)",
            "#",
            f"# Written by `whydrift init` from {_comment(masked(data))}: {snapshot.rows:,} rows, "
            f"{len(snapshot.schema)} columns.",
            "# Lines marked CHECK are guesses from names, kinds and times: put them right. Then",
            "#   whydrift check-config FILE --connect   what it will do and see, and does it work",
            "#   whydrift run -c FILE                   judge what is due, once",
            "#   whydrift serve -c FILE                 the daemon: judges, tells, shows",
            "# `whydrift compare A B --config FILE` takes columns, loss and knowledge from it.",
            "version: 1",
            "",
            "store:",
            "  url: sqlite:///whydrift.db      # windows, graphs and results; also PostgreSQL",
            "  keep: {snapshots: 400d, samples: 400d, results: 3y}",
            "",
            "# web:                            # pages, metrics, API: for this machine alone",
            "#   listen: 127.0.0.1:9464",
            "#   external_url: https://whydrift.example",
            "",
            "sources:",
            f"  {name}:",
            *_where(data, query),
            *_time(suspects),
            "  # labels:                       # true values that come later, in rows of their own",
            "  #   files: labels/*.parquet",
            "",
            "monitors:",
            f"  - name: {name}",
            f"    source: {name}",
            "    # labels: {source: labels, join: id}   # id stands in both",
            "    columns:",
            *_roles(suspects),
            *_windows(snapshot, suspects),
            "    # segments: {by: [country], top: 20, min_rows: 500}   # judged on their own too",
            "    graph:",
            "      method: auto",
            "      # What you know of causes, earliest first; it is worth more than any search:",
            "      # knowledge: {tiers: [[region], [income, rooms], [price]]}",
            *_loss(snapshot, suspects),
            "    false_alarms_per_month: 0.2     # once in five months, on average",
            "    alert: {after: 1, resolve_after: 2, severity: warning}",
            "",
            "# Who is told: rules for Prometheus (`whydrift export rules -c FILE`), or directly:",
            "# notify:",
            '#   - slack: {url: "${SLACK_URL}"}',
            "",
            "# The kinds that were inferred:",
            *(
                f"#   {_comment(c.name)}: {c.kind.value} ({_comment(c.why)})"
                for c in snapshot.schema
            ),
            "",
        ]
    )


def _time(suspects: Suspects) -> list[str]:
    if suspects.time is None:
        return [
            "    # time_column: COLUMN           # CHECK: none was recognised; without it",
            "    #                               # no row is in a window, and no monitor can run",
        ]
    return _optional("    time_column: ", suspects.time, "CHECK: puts rows into windows")


def _windows(snapshot: Snapshot, suspects: Suspects) -> list[str]:
    """Return windows that the rows at hand fill, the first of them as the reference."""
    guess = None if suspects.time is None else guess_windows(snapshot, suspects.time)
    if guess is None:
        return [
            "    window: {every: 1d, delay: 2h, timezone: UTC}",
            "    reference: {last: 28, exclude: [fault, drift]}",
        ]
    since = guess.since_text
    return [
        f"    # CHECK: {guess.why}.",
        f"    window: {{every: {guess.every}, delay: {guess.delay}, timezone: UTC}}",
        "    # delay is waited for late rows; label_delay: 7d for labels that come later than rows",
        (
            "    # since: 2026-05-01             # earlier windows are the first reference"
            if since is None
            else f"    since: {since}    # earlier windows are the first reference"
        ),
        f"    reference: {{last: {guess.reference}, exclude: [fault, drift]}}   # good windows",
    ]


def _roles(suspects: Suspects) -> list[str]:
    lines = [
        *_optional("      target: ", suspects.target, "CHECK: what the model predicts"),
        *_optional("      prediction: ", suspects.prediction, "CHECK: what it said"),
        *_optional("      cluster: ", suspects.cluster, "CHECK: rows that belong together"),
        *_optional("      version: ", suspects.version, "CHECK: the model's version"),
    ]
    if suspects.target is None:
        lines.insert(0, "      # target: COLUMN              # CHECK: none was recognised")
    ignored = [n for n in suspects.ignored if n != suspects.cluster]
    listed = ", ".join(_scalar(n) for n in ignored)
    return [*lines, f"      ignore: [{listed}]"]


def _loss(snapshot: Snapshot, suspects: Suspects) -> list[str]:
    if suspects.target is None or suspects.prediction is None:
        return []
    target, prediction = snapshot.schema[suspects.target], snapshot.schema[suspects.prediction]
    if not target.kind.is_discrete:
        return ["    loss: squared_error             # or absolute_error"]
    if prediction.kind is ColumnKind.CONTINUOUS:
        return ["    loss: log_loss"]
    return ["    loss: zero_one"]


def _where(data: str, query: str | None) -> list[str]:
    if query is None:
        dated = with_date(data)
        hint = (
            ["    # {date} stands for the day of a window: data/dt={date}/*.parquet"]
            if dated is None
            else [
                "    # CHECK: if a file holds the rows of the day (UTC) in its name, windows are",
                f"    # read faster with: files: {_scalar(dated)}",
            ]
        )
        return [*hint, f"    files: {_scalar(data)}"]
    # A variable stays one; a password that was typed does not get into a file.
    is_open = masked(data) == data
    url = json.dumps(data) if is_open else '"${DATABASE_URL}"  # set it: it held a password'
    return [
        "    sql:",
        f"      url: {url}",
        "      # CHECK: windows are read faster where it selects them: ts >= :start and ts < :end",
        f"      query: {json.dumps(query)}",
    ]


def _optional(key: str, name: str | None, comment: str) -> list[str]:
    return [] if name is None else [f"{key}{_scalar(name)}  # {comment}"]


def _scalar(text: str) -> str:
    """Return text as a YAML scalar: as it is where that is safe, else quoted as in JSON."""
    text = text.replace("${", "$${")  # which would be filled in from the environment
    if _PLAIN.match(text) and text.lower() not in _YAML_WORDS:
        return text
    return json.dumps(text)  # ASCII with escapes, which every YAML reader takes


def _comment(text: str) -> str:
    from whydrift.discovery.plain_text import clean

    return clean(text, 60)


def _monitor_name(data: str) -> str:
    stem = os.path.basename(data.rstrip("/")).split(".")[0].lower()  # noqa: PTH119
    name = re.sub(r"[^a-z0-9_-]+", "-", stem).strip("-_")
    return name or "data"
