"""What the verbs of ``whydrift store`` share: which store is meant, and how they answer."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from whydrift.discovery.errors import ConfigError, OptionError
from whydrift.monitor.cli.options import path_given

if TYPE_CHECKING:
    from whydrift.monitor.config import Config
    from whydrift.monitor.store import Store

__all__ = [
    "ConfigFile",
    "StoreUrl",
    "answer",
    "check_output",
    "opened",
    "settings_of",
    "shown_bytes",
    "store_url",
]

ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        parser=path_given,
        metavar="FILE",
        help="The configuration, or a folder of them: its store.url says where the store is.",
    ),
]
StoreUrl = Annotated[
    str | None,
    typer.Option(
        "--store",
        metavar="URL",
        help="The store itself: sqlite:///whydrift.db or postgresql+psycopg://user@host/database; "
        "${ENV} is filled in, so that no password stands among the processes.",
    ),
]


def opened(config: Path | None, url: str | None) -> Store:
    """Open the store that is meant; it has to be there."""
    from whydrift.monitor.store import open_store

    return open_store(store_url(config, url), create=False)


def settings_of(config: Path) -> Config:
    """Read a configuration, of which some variables may be unset here."""
    from whydrift.monitor.config import load_config

    return load_config(config, keep_unset=True)


def store_url(config: Path | None, url: str | None) -> str:
    """Return the address of the store that is meant."""
    if url is not None:
        from whydrift.monitor.config.expand import Expansion

        return str(Expansion(os.environ, Path(), lambda _path: "--store").expand(url))
    if config is None:
        raise OptionError(
            "no store is named",
            where="whydrift store",
            remedy="Add -c whydrift.yaml, or --store sqlite:///whydrift.db",
        )
    from whydrift.monitor.config.expand import KEEP_UNSET, is_unset

    found = settings_of(config).store.url.get_secret_value()
    if is_unset(found, {KEEP_UNSET: True}):
        raise ConfigError(
            "a variable or file that the store's address needs is not set",
            where=f"{config}, store.url",
            remedy="Set it as the service does, or give --store URL",
        )
    return found


def check_output(json_file: Path | None) -> None:
    """See, before the work, that the file of --json can be written."""
    from whydrift.monitor.cli.outputs import check_outputs

    check_outputs({"--json": json_file})


def answer(
    json_file: Path | None, value: Mapping[str, Any], show: Callable[[], None], quiet: bool = False
) -> None:
    """Write the JSON where it is asked for, and show the rest unless that is all that is wanted."""
    import json

    from whydrift.monitor.cli.outputs import is_standard_output, write_text

    if json_file is not None:
        text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        write_text(json_file, text, "--json")
    if not quiet and (json_file is None or not is_standard_output(json_file)):
        show()


def shown_bytes(count: int) -> str:
    """Return a size as people read it."""
    if count < 1 << 10:
        return f"{count} B"
    size = float(count)
    for unit in ("KiB", "MiB", "GiB"):
        size /= 1 << 10
        if size < 1000:
            return f"{size:.1f} {unit}"
    return f"{size / (1 << 10):.1f} TiB"
