"""``whydrift report``: why any kept windows differ from any others, without the raw data."""

from __future__ import annotations

from datetime import datetime, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from whydrift.discovery.errors import OptionError
from whydrift.monitor.cli.exits import Status
from whydrift.monitor.cli.moments import moment_given
from whydrift.monitor.cli.options import Debug, Json, MonitorName, path_given
from whydrift.monitor.cli.run import ServiceConfig, service_config

if TYPE_CHECKING:
    from whydrift.monitor.service.reports import ReportRequest

__all__ = ["report"]

_PAGE = "--output"


def report(
    config: ServiceConfig = None,
    monitor: MonitorName = None,
    reference: Annotated[
        str | None,
        typer.Option(
            metavar="A..B",
            help="Compare with the windows from A to B: 2026-05-01..2026-05-08 (in the monitor's "
            "time zone); by default with what the window is judged against.",
        ),
    ] = None,
    current: Annotated[
        str | None,
        typer.Option(
            metavar="C..D", help="Ask about the windows from C to D; by default the newest judged."
        ),
    ] = None,
    segment: Annotated[
        str | None,
        typer.Option(metavar="A[..B]", help="Ask about segment A alone; or why B differs from A."),
    ] = None,
    version: Annotated[
        str | None,
        typer.Option(
            metavar="A[..B]",
            help="Ask about the rows of version A of the model alone; or why B differs from A.",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            _PAGE,
            "-o",
            parser=path_given,
            metavar="FILE",
            help="Write the report as one HTML page; - for standard output.",
        ),
    ] = None,
    json_file: Json = None,
    debug: Debug = False,
) -> int:
    """Tell why some kept windows differ from others: what changed, where it began, what to do.

    Answered from the store alone, beside a daemon or without one; the data are not read. Where
    the samples of windows have expired, what is left to say comes from their full counts.

    Try:
      whydrift report -c whydrift.yaml --monitor house-price            the newest judged window
      whydrift report -c whydrift.yaml --reference 2026-05-01..2026-05-08 --current 2026-06-01..
      whydrift report -c whydrift.yaml --segment FR..DE -o why.html     why does DE differ from FR?
      whydrift report -c whydrift.yaml --version 11..12 --json -

    Exit status: 0 told, 2 wrong input, or nothing of it is kept.
    """
    from whydrift.monitor.cli.outputs import check_outputs, is_standard_output, write_text
    from whydrift.monitor.service.reports import make_report
    from whydrift.monitor.store import open_store
    from whydrift.monitor.threads import one_blas_thread

    check_outputs({_PAGE: output, "--json": json_file})
    settings = service_config(config, "report")
    found = settings.monitor_named(monitor)
    request = _request(found.name, found.window.timezone, reference, current, segment, version)
    url = settings.store.url.get_secret_value()
    with open_store(url, create=False) as store, one_blas_thread():
        diagnosis = make_report(settings, store, request)
    on_stdout = [p for p in (output, json_file) if p is not None and is_standard_output(p)]
    if output is not None:
        from whydrift.monitor.report import render_html

        write_text(output, render_html(diagnosis), _PAGE)
    if json_file is not None:
        write_text(json_file, diagnosis.to_json() + "\n", "--json")
    if not on_stdout:
        from whydrift.monitor.cli.table import show_diagnosis
        from whydrift.monitor.cli.terminal import console, reader_may_leave

        with reader_may_leave():
            show_diagnosis(diagnosis, console())
    return Status.NOTHING


def _request(
    name: str,
    zone: tzinfo,
    reference: str | None,
    current: str | None,
    segment: str | None,
    version: str | None,
) -> ReportRequest:
    from whydrift.monitor.service.reports import ReportRequest, Side

    (a, b), (c, d) = _range(reference, "--reference", zone), _range(current, "--current", zone)
    segments, versions = _pair(segment, "--segment"), _pair(version, "--version")
    return ReportRequest(
        name,
        Side(a, b, segments[0], versions[0]),
        Side(c, d, segments[1], versions[1]),
    )


def _pair(text: str | None, option: str) -> tuple[str | None, str | None]:
    """Return what stands on both sides of two dots; without any, what is asked about alone."""
    if text is None:
        return None, None
    first, dots, second = text.partition("..")
    if not dots:
        return None, text
    if not first or not second:
        raise OptionError(
            f"{text!r:.40} names one side only", where=option, remedy="Write A..B, or A alone"
        )
    return first, second


def _range(text: str | None, option: str, zone: tzinfo) -> tuple[datetime | None, datetime | None]:
    """Return the ends of a stretch of time, of which one may be left open."""
    if text is None:
        return None, None
    first, dots, second = text.partition("..")
    if not dots or not (first or second):
        raise OptionError(
            f"{text!r:.40} is no stretch of time",
            where=option,
            remedy="Write 2026-05-01..2026-05-08; one end may be left open: 2026-05-01..",
        )
    return _moment(first, option, zone), _moment(second, option, zone)


def _moment(text: str, option: str, zone: tzinfo) -> datetime | None:
    from whydrift.monitor.window.duration import to_utc

    found = moment_given(text or None, option)
    return to_utc(found, zone) if found is not None and found.tzinfo is None else found
