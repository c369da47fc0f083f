"""``whydrift accept``: this is the new normal."""

from __future__ import annotations

from typing import Annotated

import typer

from whydrift.monitor.cli.exits import Status
from whydrift.monitor.cli.moments import actor, moment_given
from whydrift.monitor.cli.options import Debug, MonitorName, Quiet
from whydrift.monitor.cli.run import ServiceConfig, service_config

__all__ = ["accept"]


def accept(
    config: ServiceConfig = None,
    monitor: MonitorName = None,
    reason: Annotated[
        str, typer.Option(metavar="TEXT", help="Why; it is kept, and shown to others.")
    ] = "",
    window: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="A moment in the first window that is normal; by default that in which the oldest "
            "firing alert began.",
        ),
    ] = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> int:
    """Say that what came is the new normal, from a window on: alerts end, references begin there.

    Later windows are judged beside those from that one on, though they drifted. Who was told of
    an alert is told that it ended. It is kept with the reason, the time and your name. The daemon
    need not be stopped.

    Try:
      whydrift accept -c whydrift.yaml --monitor house-price --reason 'new price list since May'
      whydrift accept -c whydrift.yaml --monitor house-price --window 2026-05-04 --reason 'model 12'

    Exit status: 0 done, 2 wrong input.
    """
    from whydrift.monitor.cli.terminal import console
    from whydrift.monitor.service.accepting import accept as say
    from whydrift.monitor.service.clock import utc_now
    from whydrift.monitor.store import open_store
    from whydrift.monitor.window.duration import to_utc

    settings = service_config(config, "accept")
    found = settings.monitor_named(monitor)
    moment = moment_given(window, "--window")
    if moment is not None and moment.tzinfo is None:
        moment = to_utc(moment, found.window.timezone)
    with open_store(settings.store.url.get_secret_value(), create=False) as store:
        event = say(settings, found.name, store, reason, actor=actor(), at=utc_now(), window=moment)
    if not quiet and event.window is not None:
        console().print(f"{found.name}: from {event.window.start.isoformat()} on this is normal")
    return Status.NOTHING
