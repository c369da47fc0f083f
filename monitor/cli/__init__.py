"""The command line: ``whydrift`` and its verbs."""

from __future__ import annotations

import sys
from collections.abc import Sequence

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments; by default those of the process.

    Returns
    -------
    int
        0 nothing to report, 1 found what ``--fail-on`` names, 2 wrong input or options, 70 a bug
        of ours, 130 interrupted.
    """
    try:
        from whydrift.monitor.cli.entry import run

        return run(list(sys.argv[1:] if argv is None else argv))
    except KeyboardInterrupt:  # so early that nothing was loaded yet, or so late that all is said
        return 130
