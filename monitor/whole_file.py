"""Writes a file whole or not at all; what is no regular file is written straight into."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from whydrift.discovery.errors import SourceError

__all__ = ["write_whole"]

# Names of what a process has open: replacing the file behind one would leave its owner without.
_OPEN = ("/dev/fd/", "/dev/std", "/proc/")


def write_whole(path: Path, text: str, *, where: str | None = None) -> None:
    """Write text as UTF-8; an earlier file is replaced only once the new one is complete.

    Parameters
    ----------
    path : Path
        A link is followed. A device or pipe (``/dev/null``, ``>(less)``) is written into, and
        stays what it is; that its reader leaves early is no error.
    text : str
        All of it.
    where : str, optional
        Names the file in messages; the path by default.

    Raises
    ------
    SourceError
        If the system refuses.
    """
    try:
        # By the system's own look-up: the target of /dev/stdout may have no name to resolve to.
        if str(path).startswith(_OPEN) or (path.exists() and not path.is_file()):
            with suppress(BrokenPipeError), path.open("w", encoding="utf-8") as stream:
                stream.write(text)
            return
        final = Path(os.path.realpath(path))
        draft = final.with_name(f".{final.stem[:100]}.{os.getpid()}.tmp")
        try:
            draft.write_text(text, encoding="utf-8")
            draft.replace(final)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise SourceError(
            f"it cannot be written ({(error.strerror or str(error)).lower()})",
            where=where or str(path),
            remedy="Name a file on a disk with room, in a folder that exists and that you may "
            "write",
        ) from error
