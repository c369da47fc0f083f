"""Files that the command line writes: checked before the work, whole or not at all."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from whydrift.discovery.errors import OptionError
from whydrift.monitor.cli.terminal import reader_may_leave
from whydrift.monitor.whole_file import write_whole

__all__ = ["check_outputs", "is_standard_output", "write_text"]

# Written as "-" is, and not as files: replacing or truncating them would lose what is there.
_STANDARD_OUTPUT = frozenset(("-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"))


def check_outputs(options: Mapping[str, Path | None], inputs: Iterable[str | None] = ()) -> None:
    """Raise, before any work is done, where a file could not be written at its end.

    Parameters
    ----------
    options : mapping of str to path
        The option (``--json``) and the file it names; ``-`` is standard output.
    inputs : iterable of str
        Files that are read, and must not be overwritten.

    Raises
    ------
    OptionError
        The message names the option and the file.
    """
    read = {os.path.realpath(path) for path in inputs if path is not None}
    taken: dict[str, str] = {}
    for option, path in options.items():
        if path is None:
            continue
        where = f"{option} {path}"
        full = "-" if is_standard_output(path) else os.path.realpath(path)
        if full in taken:
            raise OptionError(
                f"{taken[full]} writes there too", where=where, remedy="Name two different files"
            )
        taken[full] = option
        if full == "-":
            if sys.stdout is None:
                raise OptionError(
                    "standard output is closed", where=where, remedy="Name a file, or open it"
                )
            continue
        if full in read:
            raise OptionError(
                "this file is read as input and would be overwritten",
                where=where,
                remedy="Name another file",
            )
        _check_place(path, where)


def _check_place(path: Path, where: str) -> None:
    if path.is_dir():
        raise OptionError(
            "this is a folder", where=where, remedy=f"Name a file, such as {path / 'result'}"
        )
    if path.is_symlink() and not path.exists() and os.path.realpath(path) == str(path.absolute()):
        raise OptionError("this link leads back to itself", where=where, remedy="Name a file")
    folder = Path(os.path.realpath(path)).parent
    if not folder.is_dir():
        raise OptionError(
            f"the folder {str(folder)!r} does not exist",
            where=where,
            remedy=f"Create it with `mkdir -p {folder}`",
        )
    if not os.access(path if path.exists() else folder, os.W_OK):
        raise OptionError(
            "permission denied", where=where, remedy="Name a file in a folder that you may write"
        )


def is_standard_output(path: Path) -> bool:
    """Whether the path means standard output: ``-``, or one of the system's names for it."""
    return str(path) in _STANDARD_OUTPUT


def write_text(path: Path, text: str, option: str) -> None:
    """Write text to standard output, or to a file whole or not at all.

    Raises
    ------
    SourceError
        If the system refuses; the message names the option and the file.
    """
    if is_standard_output(path):
        with reader_may_leave():
            print(text, end="")
    else:
        write_whole(path, text, where=f"{option} {path}")
