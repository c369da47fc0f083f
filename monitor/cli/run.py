"""``whydrift run``: what is due, or a stretch of the past, once."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from whydrift.discovery.errors import OptionError
from whydrift.monitor.cli.exits import Status
from whydrift.monitor.cli.fail_on import parse_fail_on
from whydrift.monitor.cli.moments import moment_given
from whydrift.monitor.cli.options import Debug, Json, Quiet, path_given

if TYPE_CHECKING:
    from whydrift.monitor.config import Config
    from whydrift.monitor.service.run import Asked, RunReport
    from whydrift.monitor.service.work import Check, CheckReport
    from whydrift.monitor.store import Store

__all__ = ["ServiceConfig", "run", "service_config"]

_JUDGED: Final = ("drift", "undetermined", "ok")  # outcomes of which there is a diagnosis

ServiceConfig = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        parser=path_given,
        metavar="FILE",
        help="The configuration, or a folder of them.",
    ),
]


def run(
    config: ServiceConfig = None,
    monitor: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Only this one; may be given several times."),
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="TIME",
            help="Judge the windows of a stretch of the past, whenever judging began: 2026-05-01 "
            "(in the monitor's time zone) or 2026-05-01T00:00:00Z.",
        ),
    ] = None,
    end: Annotated[
        str | None,
        typer.Option(
            "--to",
            metavar="TIME",
            help="Where that stretch ends; now. Alone: what is due up to then.",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what is to be done, and do nothing.")
    ] = False,
    recompute: Annotated[
        bool,
        typer.Option(
            "--recompute",
            help="Read and judge again what was judged: results change, and nobody is paged.",
        ),
    ] = False,
    fail_on: Annotated[
        str,
        typer.Option(
            metavar="LIST",
            help="Exit with status 1 on these findings: fault, covariate, mechanism, undetermined, "
            "any, none.",
        ),
    ] = "none",
    json_file: Json = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> int:
    """Check the windows that are due, tell of what they show, and exit: for cron, or a backfill.

    The same checks as those of `serve`, from the same store; while a daemon works on a file of
    SQLite's this is refused. The first time, the windows before the newest are recorded as what
    is usual; later ones are judged. Doing it twice, or after it was interrupted, judges nothing
    twice and tells nobody twice.

    Try:
      whydrift run -c whydrift.yaml                             what is due
      whydrift run -c whydrift.yaml --dry-run                   what would be done
      whydrift run -c whydrift.yaml --monitor house-price --from 2026-05-01 --to 2026-06-01
      whydrift run -c whydrift.yaml --from 2026-05-01 --recompute
                                                                after the pipeline was mended

    Exit status: 0 done, 1 found what --fail-on names, 2 wrong input, 3 some monitors failed (they
    are tried again by the next run), 70 a bug of ours, 130 interrupted.
    """
    from whydrift.monitor.cli.outputs import check_outputs
    from whydrift.monitor.service.clock import utc_now
    from whydrift.monitor.service.run import Asked

    words = parse_fail_on(fail_on)
    check_outputs({"--json": json_file})
    settings = service_config(config, "run")
    names = tuple(settings.monitor_named(name).name for name in monitor or ())
    asked = Asked(moment_given(start, "--from"), moment_given(end, "--to"), recompute)
    if dry_run:
        return _show_plan(settings, names, asked, utc_now(), json_file, quiet)
    return _run(settings, names, asked, words, json_file, quiet)


def service_config(path: Path | None, verb: str) -> Config:
    """Read the configuration that a verb of the daemon is given.

    Raises
    ------
    OptionError
        If none is given.
    ConfigError
        If it is wrong.
    """
    from whydrift.monitor.config import load_config

    if path is None:
        raise OptionError(
            "no configuration is named",
            where=f"whydrift {verb}",
            remedy="Add -c whydrift.yaml (`whydrift init DATA -o whydrift.yaml` writes one)",
        )
    return load_config(path)


def _run(
    settings: Config,
    names: Sequence[str],
    asked: Asked,
    words: frozenset[str],
    json_file: Path | None,
    quiet: bool,
) -> int:
    from whydrift.monitor.cli.progress import shown_progress
    from whydrift.monitor.cli.terminal import tell_error
    from whydrift.monitor.service.clock import utc_now
    from whydrift.monitor.service.lapse_watch import tell_lapses
    from whydrift.monitor.service.notify.base import Attempt, Outcome
    from whydrift.monitor.service.notify.notifications import deliver_due
    from whydrift.monitor.service.run import run_checks
    from whydrift.monitor.store.opening import open_for_checks

    attempts: list[Attempt] = []
    url = settings.store.url.get_secret_value()
    with open_for_checks(url, migrate=settings.store.migrate) as store:
        with shown_progress(quiet, in_logs=True) as progress:
            done = run_checks(
                settings, store, clock=utc_now, names=names, asked=asked, progress=progress
            )
        found = _findings(store, done.reports)
        if not asked.is_backfill:  # which leaves undone what was not asked for
            refused = {name for name, _ in done.refused}
            watched = {m.name for m in settings.monitors if not names or m.name in names}
            tell_lapses(settings, store, watched - refused, utc_now)
        in_time = deliver_due(settings, store, clock=utc_now, told=attempts.append)
    untold = [a for a in attempts if a.outcome is not Outcome.OK]
    value = _value(done)
    if json_file is not None:
        from whydrift.monitor.cli.outputs import write_text

        write_text(json_file, json.dumps(value, indent=2, ensure_ascii=False) + "\n", "--json")
    if not quiet and not _is_standard_output(json_file):
        _show(done)
    for name, why in done.refused:
        tell_error(f"monitor {name!r}: {why}")
    for report in done.reports:
        if report.outcome.value == "error":
            tell_error(report.summary)
    for attempt in untold:
        tell_error(f"notifier {attempt.notifier!r}: {attempt.error or 'it was not told'}")
    if not in_time:
        tell_error("not all who are to be told answered in time; the next run tries again")
    if done.failed:
        return Status.FAILED
    return Status.FOUND if found & words else Status.NOTHING


def _findings(store: Store, reports: Sequence[CheckReport]) -> frozenset[str]:
    """Return the words of ``--fail-on`` that are true of any window that was judged."""
    from whydrift.monitor.cli.fail_on import findings
    from whydrift.monitor.diagnosis.diagnosis import Diagnosis

    found: set[str] = set()
    for report in reports:
        window, outcome = report.check.interval, report.outcome.value
        if outcome == "undetermined":
            found.add("undetermined")
        if window is None or outcome not in _JUDGED:
            continue
        records = store.list_results(
            monitor=report.check.monitor, segment="", start=window.start, end=window.end
        )
        own = sorted((r for r in records if r.key.interval == window), key=lambda r: r.at)
        # What an earlier stage of the window said, the run in which it was judged has told.
        for record in own if outcome == "drift" else own[-1:]:
            result = store.get_result(record.id)
            if result is not None:
                found |= findings(Diagnosis.from_dict(result))
    return frozenset(found)


def _value(done: RunReport) -> dict[str, Any]:
    return {
        "schema": "whydrift/run/1",
        "checks": [
            {**_check(r.check), "outcome": r.outcome.value, "rows": r.rows,
             "seconds": round(r.seconds, 3), "summary": r.summary,
             "alerts": [news.to_dict() for news in r.alerts]}
            for r in done.reports
        ],
        "refused": [{"monitor": name, "reason": why} for name, why in done.refused],
        "failed": list(done.failed),
    }  # fmt: skip


def _check(check: Check) -> dict[str, Any]:
    window = check.interval
    return {
        "monitor": check.monitor,
        "window": None
        if window is None
        else {"start": window.start.isoformat(), "end": window.end.isoformat()},
        "kind": check.kind.value,
        "recomputed": check.is_recomputed,
    }


def _show(done: RunReport) -> None:
    from rich.table import Table

    from whydrift.discovery.plain_text import clean
    from whydrift.monitor.cli.terminal import console

    screen = console()
    if not done.reports:
        screen.print("nothing is due")
        return
    table = Table(box=None, pad_edge=False)
    for title in ("monitor", "window", "kind", "outcome", "rows", "summary"):
        table.add_column(title, justify="right" if title == "rows" else "left")
    recorded = [r for r in done.reports if r.check.kind.value == "record"]
    in_vain = {(r.check.monitor, r.check.interval) for r in done.reports if _found_nothing_late(r)}
    for report in done.reports:
        if _found_nothing_late(report) or (report in recorded and report.outcome.value == "ok"):
            continue
        check = report.check
        table.add_row(
            clean(check.monitor, 40), _window(check), check.kind.value, report.outcome.value,
            f"{report.rows:,}", clean(report.summary),
        )  # fmt: skip
    if table.row_count:
        screen.print(table)
    if recorded:
        screen.print(f"{len(recorded)} windows were recorded as what is usual")
    if in_vain:
        windows = "1 window" if len(in_vain) == 1 else f"{len(in_vain)} windows"
        screen.print(f"no rows came late for {windows}")


def _found_nothing_late(report: CheckReport) -> bool:
    """Whether a window was looked at for late rows in vain, as nearly always."""
    from whydrift.monitor.service.work import NOTHING_LATE

    return report.outcome.value == "ok" and report.summary == NOTHING_LATE


def _window(check: Check) -> str:
    window = check.interval
    return "" if window is None else f"{window.start:%Y-%m-%d %H:%M}Z–{window.end:%m-%d %H:%M}Z"


def _is_standard_output(path: Path | None) -> bool:
    from whydrift.monitor.cli.outputs import is_standard_output

    return path is not None and is_standard_output(path)


def _show_plan(
    settings: Config,
    names: Sequence[str],
    asked: Asked,
    now: datetime,
    json_file: Path | None,
    quiet: bool,
) -> int:
    """Say what is to be done; the store is only read, and made where there is none."""
    from whydrift.monitor.cli.outputs import write_text
    from whydrift.monitor.cli.terminal import console
    from whydrift.monitor.service.run import plan_run
    from whydrift.monitor.store import open_store

    checks: list[Check] = []
    most = settings.checks.catch_up
    with open_store(settings.store.url.get_secret_value()) as store:
        for monitor in settings.monitors:
            if not names or monitor.name in names:
                checks += plan_run(monitor, store, now, asked, most=most)
    if json_file is not None:
        value = {"schema": "whydrift/run-plan/1", "checks": [_check(c) for c in checks]}
        write_text(json_file, json.dumps(value, indent=2, ensure_ascii=False) + "\n", "--json")
    if not quiet and not _is_standard_output(json_file):
        screen = console()
        for check in checks:
            screen.print(str(check))
        if not checks:
            screen.print("nothing is due")
    return Status.NOTHING
