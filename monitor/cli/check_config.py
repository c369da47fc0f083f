"""``whydrift check-config``: all that is wrong with a configuration, and what it will do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from whydrift.monitor.cli.exits import Status
from whydrift.monitor.cli.options import Debug, Json, Quiet, path_given

if TYPE_CHECKING:
    from rich.console import Console

    from whydrift.discovery.errors import ConfigError
    from whydrift.monitor.cli.trials import Trial
    from whydrift.monitor.config.advice import Advice
    from whydrift.monitor.config.load import Reading
    from whydrift.monitor.config.model import Config
    from whydrift.monitor.service.outlook import Outlook
    from whydrift.monitor.store.store import Store

__all__ = ["check_config"]

_SMALL: Final = 0.3  # sd: below it more power is seldom wanted


@dataclass(frozen=True, slots=True)
class _Answer:
    """All that is told of a configuration."""

    problems: Sequence[ConfigError] = ()
    outlooks: Sequence[Outlook] = ()
    advice: Sequence[Advice] = ()
    trials: Sequence[Trial] = ()

    @property
    def is_good(self) -> bool:
        return not self.problems and all(trial.is_good for trial in self.trials)

    @property
    def false_alarms(self) -> float:
        return sum(found.false_alarms_per_month for found in self.outlooks)

    def to_dict(self) -> dict[str, Any]:
        return {
            "schema": "whydrift/check-config/1",
            "valid": not self.problems,
            "good": self.is_good,
            "problems": [
                {"what": p.what, "where": p.where, "remedy": p.remedy} for p in self.problems
            ],
            "monitors": [found.to_dict() for found in self.outlooks],
            "false_alarms_per_month": self.false_alarms,
            "warnings": [found.to_dict() for found in self.advice],
            "trials": [trial.to_dict() for trial in self.trials],
        }


def check_config(
    file: Annotated[
        Path,
        typer.Argument(
            parser=path_given, metavar="FILE", help="The configuration, or a folder of them."
        ),
    ],
    connect: Annotated[
        bool,
        typer.Option("--connect", help="Read a row of each source, and open the store."),
    ] = False,
    send_test: Annotated[
        bool,
        typer.Option("--send-test", help="Send a message marked as a test to each notifier."),
    ] = False,
    rows: Annotated[
        int | None,
        typer.Option(
            min=2,
            metavar="N",
            help="Rows of a window, for the change that it shows; else those of windows stored, "
            "or 1,000.",
        ),
    ] = None,
    json_file: Json = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> int:
    """Tell all that is wrong with a configuration; else what each monitor will do and can see.

    For each monitor: its windows, what they are compared with, how many decisions a month, the
    level that the alarm budget leaves to each, and the change that one window then shows. Warnings
    are told of what can be said and is seldom meant. Exit status 2 where anything is wrong, or what
    was tried did not work.

    Try:
      whydrift check-config whydrift.yaml
      whydrift check-config whydrift.yaml --connect --send-test
      whydrift check-config config/ --json - | jq .problems
    """
    from whydrift.monitor.cli.outputs import check_outputs, is_standard_output, write_text
    from whydrift.monitor.config.load import read_config

    check_outputs({"--json": json_file}, inputs=(str(file),))
    reading = read_config(file)
    problems = [*reading.problems]
    if reading.config is not None:
        problems += _cannot_be_made(reading, reading.config)
    if reading.config is None or problems:
        answer = _Answer(problems=problems)
    else:
        answer = _looked_over(reading, reading.config, connect, send_test, rows)
    if json_file is not None:
        import json

        text = json.dumps(answer.to_dict(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        write_text(json_file, text, "--json")
    if json_file is None or not is_standard_output(json_file):
        _show(file, reading, answer, quiet=quiet)
    return Status.NOTHING if answer.is_good else Status.WRONG_INPUT


def _looked_over(
    reading: Reading, config: Config, connect: bool, send_test: bool, rows: int | None
) -> _Answer:
    from whydrift.monitor.cli.progress import shown_progress
    from whydrift.monitor.cli.trials import try_notifier, try_source, try_store
    from whydrift.monitor.config.advice import advice

    now = datetime.now(UTC)
    trials: list[Trial] = []
    with shown_progress(quiet=False) as progress:
        if connect:
            trials.append(try_store(config))
            for number, monitor in enumerate(config.monitors):
                progress(f"reading the source of {monitor.name}", number, len(config.monitors))
                trials.append(try_source(config, monitor, now))
        if send_test:
            import platform

            for number, notifier in enumerate(config.notify):
                progress(f"telling {notifier.name}", number, len(config.notify))
                trials.append(try_notifier(notifier, now, where=platform.node()))
    found = [*advice(reading), *(() if connect else _missing_files(reading, config))]
    columns = {t.name: t.columns for t in trials}
    return _Answer((), tuple(_outlooks(config, connect, rows, columns)), found, trials)


def _cannot_be_made(reading: Reading, config: Config) -> Iterator[ConfigError]:
    """Find sources and notifiers that the daemon would refuse before it connects to anything."""
    from whydrift.discovery.errors import ConfigError, WhydriftError
    from whydrift.monitor.service.notify.deliverer import Deliverer
    from whydrift.monitor.source.registry import open_source

    for place, monitor in enumerate(config.monitors):
        try:
            open_source(config.reader_of(monitor))
        except WhydriftError as error:
            where = reading.place("monitors", place, "source")
            yield ConfigError(error.what, where=where, remedy=error.remedy)
    for place, notifier in enumerate(config.notify):
        try:
            Deliverer.of(notifier).close()
        except WhydriftError as error:
            where = reading.place("notify", place, notifier.kind)
            yield ConfigError(error.what, where=where, remedy=error.remedy)


def _outlooks(
    config: Config, connect: bool, rows: int | None, columns: dict[str, int | None]
) -> Iterator[Outlook]:
    from whydrift.discovery.errors import StoreError
    from whydrift.monitor.service.outlook import ASSUMED_COLUMNS, Size, outlook, size_in

    with _store(config, connect) as store:
        for monitor in config.monitors:
            size = None
            if store is not None:
                try:
                    size = size_in(store, monitor.name)
                except StoreError:
                    # What is wrong with the store is not the configuration's; --connect tells.
                    size = None
            if size is None:
                size = Size(columns=columns.get(f"source of {monitor.name}") or ASSUMED_COLUMNS)
            if rows is not None:
                size = replace(size, rows=rows, basis="as --rows says", detectable=None)
            yield outlook(config, monitor, size)


@contextmanager
def _store(config: Config, connect: bool) -> Iterator[Store | None]:
    """Open the store to read, where there is one: a server only if it may be connected to."""
    from whydrift.discovery.errors import StoreError
    from whydrift.monitor.store.store import open_store

    url = config.store.url.get_secret_value()
    store = None
    if connect or url.startswith("sqlite"):
        try:
            store = open_store(url, create=False)
        except StoreError:
            store = None  # there is none yet, or --connect has told what is wrong with it
    try:
        yield store
    finally:
        if store is not None:
            store.close()


def _missing_files(reading: Reading, config: Config) -> Iterator[Advice]:
    """Find sources in files of this machine that match nothing; others take a connection."""
    from whydrift.discovery.errors import WhydriftError
    from whydrift.monitor.config.advice import Advice
    from whydrift.monitor.source.paths import NothingThere
    from whydrift.monitor.source.registry import open_source

    named = [(("sources", name, "files"), source) for name, source in config.sources.items()]
    written_out = [
        (("monitors", place, "source", "files"), config.source_of(monitor.source))
        for place, monitor in enumerate(config.monitors)
        if not isinstance(monitor.source, str)
    ]
    for path, source in (*named, *written_out):
        if source.files is None or "://" in source.files:
            continue
        try:
            open_source(source.reader()).schema()
        except NothingThere as error:
            yield Advice(error.what, reading.place(*path), error.remedy)
        except WhydriftError:
            continue  # it is there; --connect tells what is wrong with it


def _show(file: Path, reading: Reading, answer: _Answer, *, quiet: bool) -> None:
    from whydrift.discovery.plain_text import clean
    from whydrift.monitor.cli.terminal import console, reader_may_leave, tell_error

    for problem in answer.problems:
        tell_error(str(problem))
    if answer.problems or quiet:
        for trial in answer.trials:
            if not trial.is_good:
                tell_error(f"{trial.name}: {trial.told}")
        return
    with reader_may_leave():
        screen = console()
        for found in answer.outlooks:
            _show_outlook(found, screen)
        number = len(answer.outlooks)
        screen.print(
            f"{clean(str(file))}: {number} monitor{'s' if number != 1 else ''}, together at most "
            f"{answer.false_alarms:.3g} false alarms a month, on average."
        )
        for advised in answer.advice:
            screen.print(clean(f"warning: {advised}"))
        for trial in answer.trials:
            word = "ok" if trial.is_good else "FAILED"
            screen.print(clean(f"{word}: {trial.name}: {trial.told}"))


def _show_outlook(found: Outlook, screen: Console) -> None:
    from whydrift.discovery.plain_text import clean

    screen.print(clean(found.monitor))
    for sentence in (*found.plan, *_numbers(found)):
        screen.print(f"  {clean(sentence)}")
    screen.print()


def _numbers(found: Outlook) -> Iterator[str]:
    size = found.size
    yield (
        f"{found.decisions_per_month:.0f} decisions a month at level {found.level:.2g} each, so "
        f"that no more than {found.false_alarms_per_month:g} false alarms a month are to be "
        "expected."
    )
    shown = "not even a large change" if found.effect is None else f"{found.effect:.2g} sd"
    yield (
        f"One window shows a shift of {shown} in four of five cases, with {size.rows:,} rows, "
        f"{size.columns} columns ({size.basis}) and {found.windows:.0f} past windows."
    )
    if found.segment_level is not None:
        shown = "nothing" if found.segment_effect is None else f"{found.segment_effect:.2g} sd"
        yield (
            f"A segment is judged at level {found.segment_level:.2g}; the smallest that may be one "
            f"shows {shown}."
        )
    if found.effect is None or found.effect > _SMALL:
        yield (
            "Longer windows (window.every, window.length), more past windows, fewer segments or "
            "more false_alarms_per_month show smaller changes."
        )
