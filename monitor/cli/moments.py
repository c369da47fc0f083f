"""Moments, and the person who types: what several verbs of the daemon take from outside."""

from __future__ import annotations

import getpass
from datetime import datetime

from whydrift.discovery.errors import OptionError

__all__ = ["actor", "moment_given"]


def moment_given(text: str | None, option: str) -> datetime | None:
    """Return the moment that an option names; without a time zone where it names none.

    Raises
    ------
    OptionError
        If it is no date or time.
    """
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text.strip())
    except ValueError:
        raise OptionError(
            f"{text!r:.40} is no date or time",
            where=option,
            remedy="Write 2026-05-04 or 2026-05-04T09:00:00Z",
        ) from None


def actor() -> str:
    """Return who types, as the system knows them."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user without a name, as in a container
        return "somebody"
