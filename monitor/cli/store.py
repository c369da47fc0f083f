"""``whydrift store``: what is kept, whether it is whole, and how it is looked after."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from whydrift.discovery.errors import OptionError
from whydrift.monitor.cli.exits import Status
from whydrift.monitor.cli.options import Debug, Json, Quiet
from whydrift.monitor.cli.store_backup import backup
from whydrift.monitor.cli.store_forget import forget
from whydrift.monitor.cli.store_options import (
    ConfigFile,
    StoreUrl,
    answer,
    check_output,
    opened,
    settings_of,
    shown_bytes,
    store_url,
)

if TYPE_CHECKING:
    from whydrift.monitor.store.check import Problem
    from whydrift.monitor.store.collect import Collected
    from whydrift.monitor.store.information import Information

__all__ = ["STORE_VERBS", "check", "gc", "info", "migrate", "store"]


def store() -> None:
    """Look after the store: the windows, graphs and results that are kept.

    Try:
      whydrift store info -c whydrift.yaml               how much is kept, since when
      whydrift store check -c whydrift.yaml              read all of it: is it whole?
      whydrift store gc -c whydrift.yaml                 delete what is older than store.keep says
      whydrift store migrate -c whydrift.yaml            after an upgrade, or to make a store
      whydrift store backup -c whydrift.yaml             copy it, while it is in use
      whydrift store forget -c whydrift.yaml --monitor M delete what is kept of a monitor

    Exit status: 0 nothing to report, 1 `check` found damage, 2 wrong input, or no such store.
    """


def info(
    config: ConfigFile = None,
    url: StoreUrl = None,
    json_file: Json = None,
    debug: Debug = False,
) -> int:
    """Show how much is kept of each monitor: windows, rows, bytes, from when to when.

    Try:
      whydrift store info -c whydrift.yaml
      whydrift store info --store 'postgresql+psycopg://drift:${PGPASSWORD}@db/drift' --json -
    """
    from whydrift.monitor.store.information import describe

    check_output(json_file)
    with opened(config, url) as kept:
        found = describe(kept)
    answer(json_file, found.to_dict(), lambda: _show_information(found))
    return Status.NOTHING


def check(
    config: ConfigFile = None,
    url: StoreUrl = None,
    json_file: Json = None,
    only_digest: Annotated[
        bool,
        typer.Option(
            "--digest",
            help="Only print a hash of what was kept and found, to compare two stores: whatever "
            "happened in between, and on either engine, equal histories have equal ones. --json "
            "adds that of each table.",
        ),
    ] = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> int:
    """Read all that is kept and say what is not as it was written; changes nothing.

    Every window is read and compared with its hash, every graph and result too; each window has to
    have exactly one current revision; SQLite checks its own pages. A file that an interrupted
    write left is told, but is no damage: `gc` removes it.

    Try:
      whydrift store check -c whydrift.yaml
      whydrift store check -c whydrift.yaml --digest
      whydrift store check -c whydrift.yaml --quiet || mail -s 'damaged' oncall@example.org
    """
    from whydrift.monitor.cli.progress import shown_progress
    from whydrift.monitor.store.check import check as read_all
    from whydrift.monitor.store.digest import digest

    check_output(json_file)
    if only_digest:
        with opened(config, url) as kept:
            found = digest(kept)
        answer(json_file, found.to_dict(), lambda: typer.echo(found.total))
        return Status.NOTHING
    with opened(config, url) as kept, shown_progress(quiet) as progress:
        problems = read_all(kept, progress)
    is_damaged = any(p.kind.is_damage for p in problems)
    value = {
        "schema": "whydrift/store-check/1",
        "damaged": is_damaged,
        "problems": [p.to_dict() for p in problems],
    }
    answer(json_file, value, lambda: _show_problems(problems), quiet=quiet)
    return Status.FOUND if is_damaged else Status.NOTHING


def migrate(
    config: ConfigFile = None,
    url: StoreUrl = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> int:
    """Bring the store's tables to those of this whydrift, or make a store where there is none.

    All steps are done or none; doing it twice does no more than once. SQLite's file is copied
    before, to FILE-VERSION.backup; of PostgreSQL make a dump yourself.

    Try:
      whydrift store migrate -c whydrift.yaml
    """
    from whydrift.monitor.cli.terminal import console
    from whydrift.monitor.store.lock import only_one
    from whydrift.monitor.store.opening import bring_up_to_date
    from whydrift.monitor.store.store import open_database

    database = open_database(store_url(config, url), create=True)
    try:
        with only_one(database.path) if database.path is not None else nullcontext():
            before, after = bring_up_to_date(database)
    finally:
        database.close()
    if not quiet:
        done = "nothing to do" if before == after else f"from {before or 'nothing'}"
        console().print(f"{database.where}: tables of version {after} ({done})")
    return Status.NOTHING


def gc(
    config: ConfigFile = None,
    url: StoreUrl = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be deleted, and delete nothing.")
    ] = False,
    json_file: Json = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> int:
    """Delete what has been kept as long as store.keep says, and what an interrupted write left.

    In the configuration, counted from a window's end:
      store: {keep: {snapshots: 400d, samples: 90d, results: 3y, hourly: 60d}}
    Without its sample a window keeps its counts. After `hourly` the windows of a day become one.
    What a monitor's reference still reads stays, whatever its age, and so does what an alert that
    lasts links to. Visits, alerts and events go with the results, messages 30 days after they were
    sent. Doing it twice does no harm.

    Try:
      whydrift store gc -c whydrift.yaml --dry-run
      whydrift store gc -c whydrift.yaml
    """
    from whydrift.monitor.service.cleaning import clean

    check_output(json_file)
    if config is None:
        raise OptionError(
            "how long to keep what is said in a configuration",
            where="whydrift store gc",
            remedy="Add -c FILE (see `store.keep` there)",
        )
    settings = settings_of(config)
    with opened(config, url) as found:
        done = clean(settings, found, datetime.now(UTC), dry_run=dry_run)
    answer(
        json_file,
        {"schema": "whydrift/store-gc/1", "dry_run": dry_run, **done.to_dict()},
        lambda: _show_collected(done, dry_run),
        quiet=quiet,
    )
    return Status.NOTHING


STORE_VERBS: Mapping[str, Callable[..., int]] = {
    "info": info,
    "check": check,
    "migrate": migrate,
    "backup": backup,
    "gc": gc,
    "forget": forget,
}


def _show_information(found: Information) -> None:
    from rich.table import Table

    from whydrift.discovery.plain_text import clean
    from whydrift.monitor.cli.terminal import console

    screen = console()
    screen.print(f"{found.where}: tables of version {found.version}, {shown_bytes(found.bytes)}")
    if not found.monitors:
        screen.print("nothing is kept yet")
        return
    table = Table(box=None, pad_edge=False)
    table.add_column("monitor")
    for name in ("snapshots", "segments", "rows", "bytes", "samples", "graphs", "results"):
        table.add_column(name, justify="right")
    for name in ("from", "to"):
        table.add_column(name)
    for m in found.monitors:
        counts = (m.windows, m.segments, m.rows)
        table.add_row(
            clean(m.name, 40),
            *(f"{count:,}" for count in counts),
            shown_bytes(m.bytes),
            *(f"{count:,}" for count in (m.samples, m.graphs, m.results)),
            *(f"{t:%Y-%m-%d %H:%M}Z" if t else "" for t in (m.first, m.last)),
        )
    screen.print(table)


def _show_problems(problems: list[Problem]) -> None:
    from whydrift.discovery.plain_text import clean
    from whydrift.monitor.cli.terminal import console

    screen = console()
    for found in problems:
        word = "damaged" if found.kind.is_damage else "left over"
        screen.print(clean(f"{word}: {found.where}: {found.what}. {found.remedy}"))
    if not problems:
        screen.print("all that is kept is whole")


def _show_collected(done: Collected, dry_run: bool) -> None:
    from whydrift.discovery.plain_text import clean
    from whydrift.monitor.cli.terminal import console

    screen = console()
    would = "would be " if dry_run else ""
    said = (
        (done.snapshots, "windows", "deleted"),
        (done.superseded, "replaced revisions", "deleted"),
        (done.samples, "samples", "deleted, their counts kept"),
        (done.results, "results", "deleted"),
        (done.visits, "visits", "deleted"),
        (done.decisions, "decisions", "deleted"),
        (done.alerts, "alerts that are over", "deleted"),
        (done.messages, "messages that were sent", "deleted"),
        (done.events, "events", "deleted"),
        (done.joined, "windows", f"joined into {done.days} days"),
        (done.files, "left-over files", "deleted"),
    )
    for count, what, words in said:
        if count:
            screen.print(f"{count:,} {what} {would}{words}")
    if not any(count for count, _, _ in said):
        screen.print("nothing to delete")
    for text in done.kept:
        screen.print(clean(f"kept as it is: {text}"))
