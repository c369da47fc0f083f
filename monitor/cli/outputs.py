"""Files that the command line writes: checked before the work, whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from whydrift.discovery.errors import OptionError

__all__ = ["check_outputs", "whole_file", "write_text"]


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
        full = "-" if str(path) == "-" else os.path.realpath(path)
        if full in taken:
            raise OptionError(
                f"{taken[full]} writes there too", where=where, remedy="Name two different files"
            )
        taken[full] = option
        if full == "-":
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


@contextmanager
def whole_file(path: Path, option: str) -> Iterator[Path]:
    """Give a file to write beside ``path``, and put it in place once it is complete.

    Raises
    ------
    OptionError
        If the disk refuses; the message names the option and the file.
    """
    final = Path(os.path.realpath(path))
    if final.exists() and not final.is_file():  # such as /dev/stdout: nothing to put in place
        yield final
        return
    draft = final.with_name(f".{final.stem}.{os.getpid()}.tmp{final.suffix}")
    try:
        yield draft
        draft.replace(final)
    except OSError as error:
        raise OptionError(
            (error.strerror or "it cannot be written").lower(),
            where=f"{option} {path}",
            remedy="Name a file on a disk with room, in a folder that you may write",
        ) from error
    finally:
        draft.unlink(missing_ok=True)


def write_text(path: Path, text: str, option: str) -> None:
    """Write text to a file, whole or not at all."""
    with whole_file(path, option) as draft:
        draft.write_text(text, encoding="utf-8")
