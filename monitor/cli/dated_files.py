"""Finds the day in the names of files, so that a window need not open those of other days."""

from __future__ import annotations

import re
from typing import Final

from whydrift.discovery.errors import SourceError
from whydrift.monitor.source.paths import resolve
from whydrift.monitor.source.template import is_template

__all__ = ["with_date"]

_DAY: Final = re.compile(r"(?<![0-9])[0-9]{4}-[0-9]{2}-[0-9]{2}(?![0-9])")
_LEAST_FILES: Final = 2  # the date of a single file may be that of its making


def with_date(data: str) -> str | None:
    """Return the path with ``{date}`` that matches the same files of this machine, if there is one.

    Whether a file holds the rows of the day in its name, its name does not say.

    Parameters
    ----------
    data : str
        The path, glob or folder, as the user wrote it.
    """
    if "://" in data or is_template(data):
        return None
    try:
        files = resolve(data)
    except SourceError:  # told where the files are read
        return None
    if len(files) < _LEAST_FILES:
        return None
    whole = {_DAY.sub("{date}", str(file), count=1) for file in files}
    folders = {
        f"{_DAY.sub('{date}', str(file.parent), count=1)}/*{''.join(file.suffixes)}"
        for file in files
    }
    found = whole if len(whole) == 1 else folders
    path = next(iter(found))
    return path if len(found) == 1 and is_template(path) else None
