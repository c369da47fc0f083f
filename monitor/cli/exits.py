"""The exit statuses: a public contract."""

from __future__ import annotations

from enum import IntEnum

__all__ = ["Status"]


class Status(IntEnum):
    """What the process says as it leaves."""

    NOTHING = 0  # nothing to report
    FOUND = 1  # what --fail-on names, or what a check of that name looks for
    WRONG_INPUT = 2  # the input, configuration or command line
    FAILED = 3  # `run`: some monitors could not be checked
    BUG = 70  # of ours, never 1: EX_SOFTWARE of sysexits.h
    INTERRUPTED = 130
