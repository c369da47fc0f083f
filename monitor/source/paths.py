"""Which files of this machine a path, glob or folder stands for."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from pathlib import Path, PurePath

from whydrift.discovery.errors import SourceError, nearest

__all__ = [
    "COMPRESSED", "READABLE", "HeaderOnly", "NothingThere", "is_data_file", "is_hidden",
    "missing_file", "resolve",
]  # fmt: skip

READABLE = "Parquet, CSV or TSV (plain, .gz, .zst, .bz2), Arrow, Feather"
# A .txt is read when it is named, but in a folder it is more likely a note to people.
_DATA_SUFFIXES = frozenset(
    (".parquet", ".pq", ".parq", ".csv", ".tsv", ".tab", ".arrow", ".arrows", ".feather", ".ipc")
)
COMPRESSED = {".gz": "gzip", ".zst": "zstd", ".zstd": "zstd", ".bz2": "bz2"}


class NothingThere(SourceError):  # noqa: N818 - the name says the matter better than "...Error"
    """No file has this name."""


class HeaderOnly(SourceError):  # noqa: N818 - as above
    """Files have columns, but not a single row."""


def resolve(path: str | os.PathLike[str]) -> tuple[Path, ...]:
    """Return the files that a path, glob or folder stands for, in the order of their names.

    Parameters
    ----------
    path : str or path
        A file, a glob (``data/2026-*.parquet``, ``**`` for any depth), or a folder: then every
        data file below it. ``~`` is the home folder.

    Raises
    ------
    SourceError
        If there is no such file, or a folder or glob has nothing that could be read.
    """
    text = os.fspath(path)
    found = Path(text).expanduser()
    try:
        if found.is_dir():
            return _folder(found)
        if found.exists():
            return (found,)
    except OSError as error:  # a name too long, or a folder on the way that is closed to us
        raise SourceError(
            (error.strerror or str(error)).lower(), where=text, remedy="Check the path"
        ) from error
    if glob.has_magic(text):
        return _glob(text)
    raise missing_file(found)


def is_data_file(path: Path) -> bool:
    """Whether the name says that this is a table we read."""
    suffix = path.suffix.lower()
    if suffix in COMPRESSED:
        suffix = path.with_suffix("").suffix.lower()
    return suffix in _DATA_SUFFIXES


def missing_file(path: Path) -> NothingThere:
    """Build the error for a path that does not exist; it names the nearest one that does."""
    if path.is_symlink():
        leads = os.path.realpath(path)
        what = "leads back to itself" if leads == str(path.absolute()) else f"leads to {leads!r}, "
        what += "" if what.endswith("itself") else "which does not exist"
        return NothingThere(
            f"this link {what}", where=str(path), remedy="Mend it, or name the file itself"
        )
    folder = path.parent
    if not folder.is_dir():
        return NothingThere(
            "there is no such file, nor its folder", where=str(path), remedy="Check the path"
        )
    there = sorted(p.name for p in folder.iterdir() if not p.name.startswith("."))
    guess = nearest(path.name, there)
    if guess:
        remedy = f"Did you mean {str(folder / guess)!r}?"
    elif there:
        listed = ", ".join(there[:10]) + (" …" if len(there) > 10 else "")
        remedy = f"The folder {str(folder)!r} has: {listed}"
    else:
        remedy = f"The folder {str(folder)!r} is empty"
    return NothingThere("there is no such file", where=str(path), remedy=remedy)


def _folder(folder: Path) -> tuple[Path, ...]:
    try:
        files = [p for p in folder.rglob("*") if not is_hidden(p.relative_to(folder))]
        files = sorted(p for p in files if p.is_file())
    except PermissionError as error:
        raise SourceError(
            "permission denied", where=str(folder), remedy="Ask for the right to read this folder"
        ) from error
    tables = _once([p for p in files if is_data_file(p)])
    if not tables:
        has = ", ".join(p.name for p in files[:5]) + (" …" if len(files) > 5 else "")
        raise NothingThere(
            f"the folder holds no table; it has {has}" if files else "the folder is empty",
            where=str(folder),
            remedy=f"Give a folder with files of {READABLE}",
        )
    return tables


def _once(files: Sequence[Path]) -> tuple[Path, ...]:
    """Leave out links, such as ``latest.parquet``, to files that are there by another name."""
    folders: dict[Path, str] = {}  # few folders have many files: each is followed once
    own: dict[str, Path] = {}
    reals = []
    for path in files:
        if path.parent not in folders:
            folders[path.parent] = os.path.realpath(path.parent)
        is_link = path.is_symlink()
        real = os.path.realpath(path) if is_link else str(Path(folders[path.parent], path.name))
        if real not in own or real == str(path.absolute()):
            own[real] = path
        reals.append(real)
    return tuple(path for path, real in zip(files, reals, strict=True) if own[real] is path)


def is_hidden(path: PurePath) -> bool:
    """Whether a file, or a folder on the way to it, is none of the table's."""
    # Spark and Hive leave _SUCCESS, _metadata and ._part.crc beside their data.
    return any(part.startswith((".", "_")) for part in path.parts)


def _glob(pattern: str) -> tuple[Path, ...]:
    expanded = os.path.expanduser(pattern)  # noqa: PTH111 - Path would fold the pattern's "**"
    # A pattern with two "**" finds a file once for each way to reach it.
    matched = sorted({Path(name) for name in glob.glob(expanded, recursive=True)})  # noqa: PTH207
    files = _once([p for p in matched if p.is_file() and not p.name.startswith("_")])
    if not files:
        raise NothingThere(
            "no file matches this pattern",
            where=pattern,
            remedy="Check it with `ls`, and quote it so that the shell leaves it alone",
        )
    return files
