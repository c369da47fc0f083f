"""``whydrift status``: how each monitor stands, as the store knows it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from whydrift.monitor.cli.exits import Status
from whydrift.monitor.cli.options import Debug, Json
from whydrift.monitor.cli.run import ServiceConfig, service_config

if TYPE_CHECKING:
    from whydrift.monitor.service.status import MonitorStatus

__all__ = ["status"]


def status(
    config: ServiceConfig = None,
    monitor: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Only this one; may be given several times."),
    ] = None,
    json_file: Json = None,
    debug: Debug = False,
) -> int:
    """Show how each monitor stands: last window, verdict, alerts, when the next result is due.

    A window is named by its start. Where the newest one could not be judged, as it had no rows,
    that is its verdict, and what the last one said that was judged is told below. Where labels come
    later, the newest window that has them is told beside the newest one; and what each alert says
    that fires.
    The store alone is asked, beside a daemon or without one. *Budget* is what the last month's
    decisions spent of the false alarms that are granted a month: near 100 % where every window
    was judged.

    Try:
      whydrift status -c whydrift.yaml
      whydrift status -c whydrift.yaml --json - | jq '.monitors[] | select(.alerts != [])'

    Exit status: 0 shown, 2 wrong input, or no such store.
    """
    import json

    from whydrift.monitor.cli.outputs import check_outputs, is_standard_output, write_text
    from whydrift.monitor.service.clock import utc_now
    from whydrift.monitor.service.status import monitor_status
    from whydrift.monitor.store import open_store

    check_outputs({"--json": json_file})
    settings = service_config(config, "status")
    names = {settings.monitor_named(name).name for name in monitor or ()}
    now = utc_now()
    with open_store(settings.store.url.get_secret_value(), create=False) as store:
        found = [
            monitor_status(each, store, now, most=settings.checks.catch_up)
            for each in settings.monitors
            if not names or each.name in names
        ]
    if json_file is not None:
        value = {
            "schema": "whydrift/status/1",
            "at": now.isoformat(),
            "monitors": [each.to_dict() for each in found],
        }
        write_text(json_file, json.dumps(value, indent=2, ensure_ascii=False) + "\n", "--json")
    if json_file is None or not is_standard_output(json_file):
        _show(found, now)
    return Status.NOTHING


def _show(found: Sequence[MonitorStatus], now: datetime) -> None:
    from rich.table import Table

    from whydrift.discovery.plain_text import clean
    from whydrift.monitor.cli.terminal import console

    screen = console()
    table = Table(box=None, pad_edge=False)
    for title in ("monitor", "last window", "verdict", "firing", "next result due", "budget"):
        table.add_column(title)
    for each in found:
        window = each.window
        table.add_row(
            clean(each.state.monitor, 40),
            "none yet" if window is None else _start(window.start),
            _verdict(each),
            ", ".join(sorted({a.key.kind.value for a in each.alerts})) or "–",
            _due(each, now),
            f"{each.spent:.0%} of {each.granted:g} a month",
        )
    screen.print(table)
    for each in found:
        name = clean(each.state.monitor, 40)
        if each.state.consecutive_failures:
            count = each.state.consecutive_failures
            times = "once" if count == 1 else f"{count} times in a row"
            screen.print(clean(f"{name}: failed {times}: {each.state.last_error}"))
        elif each.outcome == "undetermined" and not each.verdict:
            screen.print(f"{name}: learning: {each.kept_windows} windows are kept so far")
        for line in _lines(each):
            screen.print(clean(f"{name}: {line}"))


def _lines(each: MonitorStatus) -> list[str]:
    """Return what the newest verdict says, with labels an earlier one, and what each alert says.

    What says the same of the same window is one line.
    """
    from whydrift.monitor.diagnosis.words import joined

    stages: dict[tuple[str, str], str] = {}
    if each.judged is not None and (each.alerts or not _is_judged(each)):
        stages[_start(each.judged.start), each.summary] = each.stage
    if each.labelled is not None:
        stages[_start(each.labelled.window.start), each.labelled.summary] = each.labelled.stage
    kinds: dict[tuple[str, str], list[str]] = {}
    for alert in each.alerts:
        window, key = alert.details.get("window"), alert.key
        start = _start(datetime.fromisoformat(window["start"])) if window else "unknown"
        said = start, str(alert.details.get("summary", ""))
        segment = f" of {key.segment}" if key.segment else ""
        kinds.setdefault(said, []).append(f"{key.kind.value}{segment}")
    lines = []
    for start, summary in dict.fromkeys([*stages, *kinds]):
        words = [stages[start, summary]] if (start, summary) in stages else []
        if (start, summary) in kinds:
            words.append(f"firing {joined(sorted(kinds[start, summary]))}")
        lines.append(f"window {start}, {', '.join(words)}: {summary}")
    return lines


def _start(moment: datetime) -> str:
    """Name a window by its start, as `run` and `report` do."""
    return f"{moment:%Y-%m-%d %H:%M}Z"


def _is_judged(each: MonitorStatus) -> bool:
    """Whether the newest verdict is of the newest window."""
    return each.window is None or each.window == each.judged


def _verdict(each: MonitorStatus) -> str:
    if not (each.verdict and _is_judged(each)):
        return each.outcome.replace("_", " ") or "none yet"
    stage = f" ({each.stage})" if each.stage == "features" else ""
    return each.headline + stage


def _due(each: MonitorStatus, now: datetime) -> str:
    if each.state.is_paused:
        return "paused"
    if each.next_due is None:
        return "when its rows are there"
    overdue = " (overdue)" if each.is_overdue(now) else ""
    return f"{each.next_due:%Y-%m-%d %H:%M}Z{overdue}"
