"""``whydrift export``: files for others to read, written from what is installed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from whydrift.discovery.errors import ConfigError, OptionError
from whydrift.monitor.cli.exits import Status
from whydrift.monitor.cli.options import Debug, Quiet, path_given

if TYPE_CHECKING:
    from whydrift.monitor.config import Config

__all__ = ["EXPORT_VERBS", "dashboards", "export", "rules", "schema"]

ExportConfig = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        parser=path_given,
        metavar="FILE",
        help="Writes in each monitor's severity and team, and where links lead.",
    ),
]
Folder = Annotated[
    Path | None,
    typer.Option(
        "--out",
        "-o",
        parser=path_given,
        metavar="DIR",
        help="Where the files are written; a single one goes to standard output without it.",
    ),
]
Grafana = Annotated[
    str | None,
    typer.Option(
        "--grafana",
        metavar="URL",
        help="Where Grafana is: alerts then link to its dashboards instead of our own pages.",
    ),
]


def export() -> None:
    """Write what Prometheus, Grafana and editors read.

    Try:
      whydrift export rules -c whydrift.yaml -o /etc/prometheus/rules
      whydrift export dashboards -o /var/lib/grafana/dashboards
      whydrift export schema -o .
    """


def rules(
    config: ExportConfig = None,
    out: Folder = None,
    grafana: Grafana = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> int:
    """Write the alerting and recording rules for Prometheus, as whydrift-rules.yml.

    With a configuration every monitor's alert.severity and alert.team are written in, as they are
    told to Alertmanager directly too: both ways on means one alert. Monitors that are added later
    alert as `warning`, of no team, until the rules are written again.

    Try:
      whydrift export rules -c whydrift.yaml -o . && promtool check rules whydrift-rules.yml
      whydrift export rules -c whydrift.yaml --grafana https://grafana.example -o rules/
    """
    from whydrift.monitor.service.rules import Links, rules_text

    settings = None if config is None else _settings(config)
    links = Links(grafana=grafana)
    if config is not None and settings is not None:
        _require_known(config, settings)
        links = Links(settings.web.external_url, grafana, settings.web.runbook_url)
        if settings.web.external_url is None and not quiet:
            _note(
                "web.external_url is not set: alerts link to runbooks, but not to reports. "
                "Set it to where people reach whydrift"
            )
    _write({"whydrift-rules.yml": rules_text(settings, links)}, out, quiet=quiet)
    return Status.NOTHING


def dashboards(
    out: Folder = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> int:
    """Write the dashboards for Grafana: all monitors, one monitor, and whydrift itself.

    Import them in Grafana, or let it read the folder (provisioning).

    Try:
      whydrift export dashboards -o /var/lib/grafana/dashboards
    """
    from whydrift.monitor.service.dashboards import dashboard_texts

    if out is None:
        raise OptionError(
            "there are several dashboards",
            where="whydrift export dashboards",
            remedy="Name a folder for them: -o dashboards/",
        )
    _write(dashboard_texts(), out, quiet=quiet)
    return Status.NOTHING


def schema(
    out: Folder = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> int:
    """Write the configuration's JSON Schema, by which editors complete and check it.

    A file that begins with `# yaml-language-server: $schema=./whydrift.schema.json` is checked
    while one writes it.

    Try:
      whydrift export schema -o .
    """
    from whydrift.monitor.config.schema import SCHEMA_FILE, schema_text

    _write({SCHEMA_FILE: schema_text()}, out, quiet=quiet)
    return Status.NOTHING


EXPORT_VERBS: Mapping[str, Callable[..., int]] = {
    "rules": rules,
    "dashboards": dashboards,
    "schema": schema,
}


def _settings(config: Path) -> Config:
    from whydrift.monitor.config import load_config

    return load_config(config, keep_unset=True)


def _require_known(path: Path, settings: Config) -> None:
    """Raise where a link would lead to the name of a variable."""
    from whydrift.monitor.config.expand import KEEP_UNSET, is_unset

    for name in ("external_url", "runbook_url"):
        value = getattr(settings.web, name)
        if value is not None and is_unset(value, {KEEP_UNSET: True}):
            raise ConfigError(
                f"a variable that {name} needs is not set",
                where=f"{path}, web.{name}",
                remedy="Set it as the service does",
            )


def _write(files: Mapping[str, str], folder: Path | None, *, quiet: bool) -> None:
    from whydrift.monitor.cli.outputs import check_outputs, write_text

    if folder is None:
        (text,) = files.values()
        write_text(Path("-"), text, "--out")
        return
    if folder.exists() and not folder.is_dir():
        raise OptionError("this is a file", where=f"--out {folder}", remedy="Name a folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OptionError(
            f"the folder cannot be made ({(error.strerror or str(error)).lower()})",
            where=f"--out {folder}",
            remedy="Name a folder in a place that you may write",
        ) from error
    check_outputs({f"--out ({name})": folder / name for name in files})
    for name, text in files.items():
        write_text(folder / name, text, "--out")
        if not quiet:
            _note(f"wrote {folder / name}")


def _note(text: str) -> None:
    import sys

    from whydrift.discovery.plain_text import clean
    from whydrift.monitor.cli.terminal import console

    if sys.stderr is not None:  # closed by the shell
        console(sys.stderr).print(clean(text))
