"""``whydrift store forget``: what is kept of a monitor goes, and that it went is kept."""

from __future__ import annotations

import getpass
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from whydrift.discovery.errors import OptionError
from whydrift.monitor.cli.exits import Status
from whydrift.monitor.cli.options import Debug, Json, Quiet
from whydrift.monitor.cli.store_options import ConfigFile, StoreUrl, answer, check_output, opened

if TYPE_CHECKING:
    from whydrift.monitor.store.forget import Forgotten

__all__ = ["forget"]


def forget(
    config: ConfigFile = None,
    url: StoreUrl = None,
    monitor: Annotated[
        str, typer.Option("--monitor", metavar="NAME", help="Whose windows and results go.")
    ] = "",
    before: Annotated[
        str | None,
        typer.Option(
            "--before",
            metavar="DATE",
            help="Only windows that end then or earlier: 2026-05-04 (midnight UTC), or "
            "2026-05-04T09:00:00Z.",
        ),
    ] = None,
    segment: Annotated[
        str | None,
        typer.Option(
            "--segment",
            metavar="NAME",
            help="Only this segment; the windows of the whole hold its rows too, and stay.",
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json_file: Json = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> int:
    """Delete what is kept of a monitor: windows, results, graphs, alerts, messages, events.

    It cannot be undone; that it was done, when and by whom is kept as an event. Of a monitor that
    a daemon still checks take it out of the configuration first. With --before or --segment the
    monitor goes on; which windows were looked at is remembered, so that they are not read again.
    Copies made by `whydrift store backup` are not touched.

    Try:
      whydrift store forget -c whydrift.yaml --monitor house-price
      whydrift store forget -c whydrift.yaml --monitor house-price --before 2026-01-01 --yes
    """
    from whydrift.monitor.store.forget import Scope
    from whydrift.monitor.store.forget import forget as delete

    check_output(json_file)
    if not monitor:
        raise OptionError(
            "no monitor is named",
            where="whydrift store forget",
            remedy="Add --monitor NAME; `whydrift store info` lists them",
        )
    scope = Scope(monitor, None if before is None else _moment(before), segment)
    now = datetime.now(UTC)
    with opened(config, url) as kept:
        if not yes and not _is_agreed(
            f"Delete {_words(delete(kept, scope, actor='', at=now, dry_run=True))} of {scope}?"
        ):
            return Status.NOTHING
        done = delete(kept, scope, actor=getpass.getuser(), at=now)
    answer(
        json_file,
        {"schema": "whydrift/store-forget/1", "monitor": monitor, **done.to_dict()},
        lambda: typer.echo(f"deleted: {_words(done)}"),
        quiet=quiet,
    )
    return Status.NOTHING


def _is_agreed(question: str) -> bool:
    if sys.stdin is None or not sys.stdin.isatty():
        raise OptionError(
            "nobody is there to be asked",
            where="whydrift store forget",
            remedy="Add --yes; `whydrift store backup` makes a copy before",
        )
    return typer.confirm(question, err=True)


def _words(found: Forgotten) -> str:
    said = (
        (found.snapshots, "windows"),
        (found.results, "results"),
        (found.graphs, "graphs"),
        (found.alerts, "alerts"),
        (found.messages, "messages"),
        (found.events, "events"),
    )
    return ", ".join(f"{count:,} {what}" for count, what in said if count) or "nothing"


def _moment(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise OptionError(
            f"{text!r} is no date or time",
            where="--before",
            remedy="Write 2026-05-04 or 2026-05-04T09:00:00Z",
        ) from error
    if found.tzinfo is None:
        if len(text) > len("2026-05-04"):
            raise OptionError(
                f"{text!r} has no time zone", where="--before", remedy=f"Write {text}Z"
            )
        return found.replace(tzinfo=UTC)
    return found.astimezone(UTC)
