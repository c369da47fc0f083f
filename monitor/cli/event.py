"""``whydrift event``: something happened, to be shown beside the verdicts."""

from __future__ import annotations

from typing import Annotated

import typer

from whydrift.discovery.errors import OptionError, unknown_name
from whydrift.monitor.cli.exits import Status
from whydrift.monitor.cli.moments import actor, moment_given
from whydrift.monitor.cli.options import Debug, Quiet
from whydrift.monitor.cli.run import ServiceConfig, service_config

__all__ = ["event"]

_KINDS = ("release", "retrain", "fix", "other")


def event(
    config: ServiceConfig = None,
    kind: Annotated[str, typer.Option(metavar="|".join(_KINDS), help="What it was.")] = "other",
    text: Annotated[str, typer.Option(metavar="TEXT", help="In words: model 12.")] = "",
    monitor: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Which monitor it is about; all without it."),
    ] = None,
    at: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="When: 2026-05-04T09:00:00Z; now without it."),
    ] = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> int:
    """Note that something happened, such as a release: it is shown beside the verdicts.

    Nothing is judged otherwise for it; where it explains a change, see `accept`. The same event
    noted twice is kept once.

    Try:
      whydrift event -c whydrift.yaml --kind release --text 'model 12' --monitor house-price
      whydrift event -c whydrift.yaml --kind fix --text 'null prices' --at 2026-05-04T09:00:00Z

    Exit status: 0 done, 2 wrong input.
    """
    from whydrift.monitor.service.clock import utc_now
    from whydrift.monitor.store import open_store

    if kind not in _KINDS:
        raise unknown_name("kind of event", kind, known=_KINDS, where="--kind")
    if not text.strip():
        raise OptionError("the text is empty", where="--text", remedy="Say what happened")
    settings = service_config(config, "event")
    name = None if monitor is None else settings.monitor_named(monitor).name
    moment = moment_given(at, "--at") or utc_now()
    if moment.tzinfo is None:
        raise OptionError(
            f"{at} has no time zone", where="--at", remedy="Write 2026-05-04T09:00:00Z"
        )
    with open_store(settings.store.url.get_secret_value(), create=False) as store:
        store.put_event(kind, text, at=moment, actor=actor(), monitor=name)
    if not quiet:
        from whydrift.monitor.cli.terminal import console

        console().print(f"noted for {name or 'all monitors'}: {kind}, {text}")
    return Status.NOTHING
