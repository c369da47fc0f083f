"""``whydrift store backup``: a copy of the store, made while it is in use."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from whydrift.monitor.cli.exits import Status
from whydrift.monitor.cli.options import Debug, Json, Quiet, path_given
from whydrift.monitor.cli.store_options import (
    ConfigFile,
    StoreUrl,
    answer,
    check_output,
    opened,
    shown_bytes,
)

__all__ = ["backup"]


def backup(
    config: ConfigFile = None,
    url: StoreUrl = None,
    to: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            parser=path_given,
            metavar="FILE",
            help="Where the copy goes: a file that is not there yet; by default beside the store, "
            "named by the time.",
        ),
    ] = None,
    json_file: Json = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> int:
    """Copy the store as it is at one moment, while a daemon goes on writing.

    The copy is a store: a file that only you may read, and the folder FILE-snapshots where large
    windows lie. To restore it, stop the daemon, remove the store with what lies beside it
    (whydrift.db, -wal, -shm, -snapshots), and put file and folder in its place, under its name.
    A store in PostgreSQL is backed up by pg_dump: the command is told.

    Try:
      whydrift store backup -c whydrift.yaml
      whydrift store backup -c whydrift.yaml -o /backup/whydrift.db
      whydrift store check --store sqlite:////backup/whydrift.db
    """
    from whydrift.monitor.cli.terminal import console
    from whydrift.monitor.store.backup import back_up, default_path

    check_output(json_file)
    now = datetime.now(UTC)
    with opened(config, url) as kept:
        done = back_up(kept.database, to or default_path(kept.database, now), now=now)
    value = {
        "schema": "whydrift/store-backup/1",
        "path": str(done.path),
        "bytes": done.bytes,
        "files": done.files,
    }
    files = f", of which {done.files:,} files in {done.path.name}-snapshots" if done.files else ""
    answer(
        json_file,
        value,
        lambda: console().print(f"{done.path}: {shown_bytes(done.bytes)}{files}"),
        quiet=quiet,
    )
    return Status.NOTHING
