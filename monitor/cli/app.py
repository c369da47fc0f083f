"""The typer application: one verb a module."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated

import typer

from whydrift.discovery.errors import OptionError, nearest
from whydrift.monitor.cli.compare import compare
from whydrift.monitor.cli.demo import demo
from whydrift.monitor.cli.discover import discover
from whydrift.monitor.cli.effect import effect
from whydrift.monitor.cli.init import init
from whydrift.monitor.cli.store import STORE_VERBS, store

__all__ = ["app", "check_verb"]

_VERBS: dict[str, Callable[..., int]] = {
    "demo": demo,
    "init": init,
    "compare": compare,
    "discover": discover,
    "effect": effect,
}
_SHORT = {
    "demo": "See it at work on real data, without any set-up.",
    "init": "Look at a table; write a configuration from it.",
    "compare": "What changed between two tables, where it began, what to do.",
    "discover": "What causes what in a table.",
    "effect": "What a treatment did to an outcome, and whether to believe it.",
    "store": "What is kept of past windows: show, check, upgrade, clean up.",
}
_SHORT_OF_STORE = {
    "info": "How much is kept, since when.",
    "check": "Read all of it: is it whole?",
    "migrate": "Bring its tables to those of this whydrift, or make a store.",
    "gc": "Delete what is older than store.keep says.",
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

_of_store = typer.Typer(rich_markup_mode=None)
_of_store.callback(help=_help(store.__doc__), short_help=_SHORT["store"])(store)
for _name, _verb in STORE_VERBS.items():
    _of_store.command(_name, help=_help(_verb.__doc__), short_help=_SHORT_OF_STORE[_name])(_verb)
app.add_typer(_of_store, name="store")


def check_verb(argv: Sequence[str]) -> None:
    """Raise where the first word is no verb, or the second none of `store`: the nearest is named.

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
        if word != "store":
            return
        known = _SHORT_OF_STORE
