"""The typer application: one verb a module."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated

import typer

from whydrift.discovery.errors import OptionError, nearest
from whydrift.monitor.cli.accept import accept
from whydrift.monitor.cli.check_config import check_config
from whydrift.monitor.cli.compare import compare
from whydrift.monitor.cli.demo import demo
from whydrift.monitor.cli.discover import discover
from whydrift.monitor.cli.effect import effect
from whydrift.monitor.cli.event import event
from whydrift.monitor.cli.experiment import EXPERIMENT_VERBS, experiment
from whydrift.monitor.cli.export import EXPORT_VERBS, export
from whydrift.monitor.cli.init import init
from whydrift.monitor.cli.report import report
from whydrift.monitor.cli.run import run
from whydrift.monitor.cli.serve import serve
from whydrift.monitor.cli.status import status
from whydrift.monitor.cli.store import STORE_VERBS, store
from whydrift.monitor.cli.warmup import warmup

__all__ = ["app", "check_verb"]

_VERBS: dict[str, Callable[..., int]] = {
    "demo": demo,
    "init": init,
    "compare": compare,
    "discover": discover,
    "effect": effect,
    "check-config": check_config,
    "serve": serve,
    "run": run,
    "status": status,
    "report": report,
    "accept": accept,
    "event": event,
    "warmup": warmup,
}
_SHORT = {
    "demo": "See it at work on real data, without any set-up.",
    "init": "Look at a table; write a configuration from it.",
    "compare": "What changed between two tables, where it began, what to do.",
    "discover": "What causes what in a table.",
    "effect": "What a treatment did to an outcome, and whether to believe it.",
    "experiment": "How many rows an experiment needs; whether its draw was kept.",
    "check-config": "What is wrong with a configuration, what it will do, what it can see.",
    "serve": "The daemon: checks windows as they are due, tells, answers on the web.",
    "run": "Check the windows that are due once, and exit: for cron, or a backfill.",
    "report": "Why any kept windows differ from any others.",
    "status": "How each monitor stands: last window, verdict, alerts, budget.",
    "accept": "This is the new normal: alerts end, references begin there.",
    "event": "Note that something happened, such as a release.",
    "warmup": "Compile the searches into the cache, for images.",
    "store": "What is kept of past windows: show, check, upgrade, back up, clean up.",
    "export": "Rules for Prometheus, dashboards for Grafana, a schema for editors.",
}
_SHORT_OF_STORE = {
    "info": "How much is kept, since when.",
    "check": "Read all of it: is it whole?",
    "migrate": "Bring its tables to those of this whydrift, or make a store.",
    "backup": "Copy it while it is in use.",
    "gc": "Delete what is older than store.keep says.",
    "forget": "Delete what is kept of a monitor.",
}
_SHORT_OF_EXPORT = {
    "rules": "Alerting and recording rules for Prometheus.",
    "dashboards": "Dashboards for Grafana.",
    "schema": "The configuration's JSON Schema, for editors.",
}
_SHORT_OF_EXPERIMENT = {
    "power": "How many rows find an effect, or which effect so many rows find.",
    "sample-ratio": "Do the arms have the sizes that were planned?",
}
# Verbs that have verbs of their own.
_SHORT_BELOW: Mapping[str, Mapping[str, str]] = {
    "store": _SHORT_OF_STORE,
    "export": _SHORT_OF_EXPORT,
    "experiment": _SHORT_OF_EXPERIMENT,
}

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print("whydrift", version("whydrift"))
        raise typer.Exit


def _help(docstring: str | None) -> str:
    r"""Return a docstring as help; ``\b`` keeps the parser from folding a block of lines."""
    text = inspect.cleandoc(docstring or "")
    return re.sub(r"\n\n(?=[^\n]*:)", "\n\n\b\n", text)


def whydrift(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Tell why a machine-learning system's data drifted, and in which column it began.

    Start here:
      whydrift demo                                      see it on real data, no set-up
      whydrift init may.parquet                          what is in a table
      whydrift compare may.parquet june.parquet --target price
                                                         what changed, where it began, what to do
      whydrift discover may.parquet -o graph.json        what causes what
      whydrift effect shop.parquet --treatment promo --outcome spend --adjust age
                                                         what it did, and whether to believe it

    Exit status: 0 nothing to report, 1 found what --fail-on names, 2 wrong input,
    70 a bug of ours, 130 interrupted.
    """


app.callback(help=_help(whydrift.__doc__))(whydrift)
for _name, _verb in _VERBS.items():
    app.command(_name, help=_help(_verb.__doc__), short_help=_SHORT[_name])(_verb)

for _group, _root, _below in (
    ("store", store, STORE_VERBS),
    ("export", export, EXPORT_VERBS),
    ("experiment", experiment, EXPERIMENT_VERBS),
):
    _of_group = typer.Typer(rich_markup_mode=None)
    _of_group.callback(help=_help(_root.__doc__), short_help=_SHORT[_group])(_root)
    for _name, _verb in _below.items():
        _short = _SHORT_BELOW[_group][_name]
        _of_group.command(_name, help=_help(_verb.__doc__), short_help=_short)(_verb)
    app.add_typer(_of_group, name=_group)


def check_verb(argv: Sequence[str]) -> None:
    """Raise where a word is no verb, or none of the verb before it: the nearest is named.

    Raises
    ------
    OptionError
        The message lists all verbs.
    """
    known: Mapping[str, str] = _SHORT
    for depth, word in enumerate(argv):
        if not word or word.startswith("-"):
            return
        if word not in known:
            guess = nearest(word, known)
            raise OptionError(
                f"unknown command {word!r}",
                where=" ".join(["whydrift", *argv[:depth]]),
                remedy=f"{f'Did you mean {guess!r}? ' if guess else ''}Known: {', '.join(known)}",
            )
        if word not in _SHORT_BELOW:
            return
        known = _SHORT_BELOW[word]
