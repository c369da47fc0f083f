"""Reads small text files: graphs, knowledge, configurations."""

from __future__ import annotations

from pathlib import Path

from whydrift.discovery.errors import SourceError
from whydrift.monitor.source.paths import missing_file

__all__ = ["read_text"]


def read_text(path: Path) -> str:
    """Return the file's text.

    Raises
    ------
    SourceError
        If there is no such file, it is no UTF-8 text, empty, or may not be read.
    """
    path = path.expanduser()
    try:
        if not path.exists():
            raise missing_file(path)
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise SourceError(
            "this is no text (not UTF-8)", where=str(path), remedy="Save it as UTF-8 text"
        ) from error
    except OSError as error:
        raise SourceError(
            (error.strerror or "it cannot be read").lower(),
            where=str(path),
            remedy="Give a file that you may read",
        ) from error
    if not text.strip():
        raise SourceError("the file is empty", where=str(path), remedy="Give a file with contents")
    return text
