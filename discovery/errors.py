"""The errors a user can put right, from one root.

::

    WhydriftError
    ├── SchemaError      a column, its kind or its role does not fit
    ├── TooFewRows       not enough data for what was asked
    ├── GraphError       a graph or a piece of knowledge is not usable
    ├── NotIdentified    what is assumed does not settle what was asked
    ├── ConfigError      a configuration says what cannot be
    ├── OptionError      an argument has a value that is not offered
    ├── SourceError      a file, folder or address cannot be read
    ├── StoreError       what is kept cannot be read or written
    └── ClusterError     workers cannot be reached, are lost, or do not fit
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = [
    "ClusterError",
    "ConfigError",
    "DataWarning",
    "GraphError",
    "LeaseLost",
    "NoRows",
    "NotIdentified",
    "OptionError",
    "SchemaError",
    "SourceError",
    "StoreError",
    "TooFewRows",
    "WhydriftError",
    "nearest",
    "unknown_name",
]


class WhydriftError(Exception):
    """Something the user can put right: what happened, where, and the way out.

    Parameters
    ----------
    what : str
        What is wrong, without a final full stop.
    where : str
        The file, column, option or argument at fault.
    remedy : str
        What to do about it.
    """

    def __init__(self, what: str, *, where: str, remedy: str) -> None:
        self.what, self.where, self.remedy = what, where, remedy
        super().__init__(f"{where}: {what}. {remedy}")

    def __reduce__(self) -> tuple[object, ...]:
        """Survive the trip between worker processes (exceptions pickle by position)."""
        return _rebuild, (type(self), self.what, self.where, self.remedy)


def _rebuild(kind: type[WhydriftError], what: str, where: str, remedy: str) -> WhydriftError:
    return kind(what, where=where, remedy=remedy)


class SchemaError(WhydriftError):
    """A column is absent, or its kind or role does not fit."""


class NoRows(SchemaError):  # noqa: N818 - the name says the matter better than "...Error"
    """There is not a single row."""


class TooFewRows(WhydriftError):  # noqa: N818 - the name says the matter better than "...Error"
    """There are too few rows for what was asked."""


class GraphError(WhydriftError):
    """A graph or a piece of knowledge contradicts itself or the data."""


class NotIdentified(WhydriftError):  # noqa: N818 - the name says the matter better than "...Error"
    """The data cannot answer what was asked, however many there are, under what is assumed."""


class OptionError(WhydriftError):
    """An argument has a value that is not offered."""


class ConfigError(WhydriftError):
    """A configuration says something that cannot be, or is not there."""


class SourceError(WhydriftError):
    """Data cannot be read from where they were said to be."""


class StoreError(WhydriftError):
    """What is kept of past windows cannot be read or written where it was said to be."""


class LeaseLost(StoreError):  # noqa: N818 - as above
    """Another process has taken over the monitor: what this one found is not written."""


class Overtaken(StoreError):  # noqa: N818 - as above
    """What it was worked out from changed meanwhile: nothing is written, and it is done anew."""


class ClusterError(WhydriftError):
    """Workers cannot be reached or were lost, or what runs there does not fit what runs here."""


class DataWarning(UserWarning):
    """Something about the data that bears on the answer: which column, and what was done."""


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that looks most like ``name``, or None."""
    names = list(known)
    lowered = {candidate.lower(): candidate for candidate in reversed(names)}
    match = difflib.get_close_matches(name.lower(), lowered, n=1, cutoff=0.5)
    return lowered[match[0]] if match else None


def unknown_name(what: str, name: str, *, known: Iterable[str], where: str) -> OptionError:
    """Build the error for a name that is not in a table; it names the nearest one."""
    names = list(known)
    guess = nearest(name, names)
    hint = f"Did you mean {guess!r}? " if guess else ""
    return OptionError(
        f"unknown {what} {name!r}", where=where, remedy=f"{hint}Known: {', '.join(names)}"
    )
