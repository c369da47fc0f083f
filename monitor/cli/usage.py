"""Errors of the command line itself, in one plain sentence."""

from __future__ import annotations

from typing import Any

import typer

from whydrift.discovery.errors import OptionError, nearest

__all__ = ["UsageError", "plain"]

# typer brings its own copy of click from 0.26 on; the class is reached by what both export.
UsageError: Any = next(c for c in typer.BadParameter.__mro__ if c.__name__ == "UsageError")


def plain(error: Any) -> OptionError:
    """Return a usage error of the parser as one of ours, with the nearest option named.

    Parameters
    ----------
    error : UsageError
        As the parser raised it.
    """
    context = error.ctx
    where = context.command_path if context is not None else "whydrift"
    see = f"See `{where} --help`"
    unknown = getattr(error, "option_name", None)
    if unknown is not None and type(error).__name__ == "NoSuchOption":
        known = [] if context is None else _options(context)
        guess = nearest(unknown, known)
        return OptionError(
            f"unknown option {unknown!r}",
            where=where,
            remedy=f"Did you mean {guess!r}? {see}" if guess else see,
        )
    text = str(error.format_message()).strip().rstrip(".")
    return OptionError(text[:1].lower() + text[1:], where=where, remedy=see)


def _options(context: Any) -> list[str]:
    return [name for param in context.command.get_params(context) for name in param.opts]
