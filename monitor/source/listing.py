"""Which files a path, glob, folder, address or date template stands for."""

from __future__ import annotations

import glob
import os
import posixpath
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from whydrift.discovery.errors import SourceError
from whydrift.monitor.source.address import masked, scheme_of
from whydrift.monitor.source.paths import READABLE, NothingThere, is_data_file, is_hidden, resolve
from whydrift.monitor.source.storage import Stored, file_system, is_local
from whydrift.monitor.source.template import is_template, named_by_template, pattern, spread
from whydrift.monitor.source.trouble import reading

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Listed", "is_database", "list_files", "partition_types", "partition_value"]

_NONE = "__HIVE_DEFAULT_PARTITION__"
_WHOLE = re.compile(r"^-?\d{1,18}$")
_DATE = re.compile(r"^\d{4}-\d{2}-\d{2}$")
_OF_DATABASES = frozenset(
    (
        "postgresql", "postgres", "mysql", "mariadb", "sqlite", "duckdb", "oracle", "mssql",
        "snowflake", "bigquery", "trino", "redshift",
    )
)  # fmt: skip


def is_database(address: str) -> bool:
    """Whether this is the address of a database, or comes from the environment."""
    scheme = scheme_of(address)
    return scheme is not None and scheme.split("+")[0] in _OF_DATABASES


@dataclass(frozen=True)
class Listed:
    """A file, and the columns that the folders it lies in stand for.

    Parameters
    ----------
    stored : Stored
        The file.
    partition : tuple of (str, str or None)
        Of folders such as ``country=fr``: the column and its value.
    """

    stored: Stored
    partition: tuple[tuple[str, str | None], ...] = ()


def list_files(
    path: str | os.PathLike[str],
    options: Mapping[str, Any],
    start: datetime | None = None,
    end: datetime | None = None,
) -> tuple[Listed, ...]:
    """Return the files in the order of their names.

    Parameters
    ----------
    path : str or path
        A file, a glob (``**`` for any depth), a folder (then every data file below it), or an
        address of these; with {date} or {year}, {month}, {day}, {hour} a template, of which only
        folders that the window can touch are listed.
    options : mapping
        Of the store, for fsspec.
    start, end : datetime, optional
        The window, where there is a template.

    Returns
    -------
    tuple of Listed
        Empty where a template has no folder for the window.

    Raises
    ------
    SourceError
        If there is no such file, or a folder or glob has nothing that could be read.
    """
    text = os.fspath(path)
    if not text.strip() or "\0" in text:
        raise SourceError("the path is empty", where="data", remedy=f"Give a file of {READABLE}")
    scheme = scheme_of(text)
    if is_database(text):
        raise SourceError(
            "this is the address of a database, and no query says what to read",
            where=masked(text),
            remedy="Add a query: --query SQL or --query @file.sql, query= in Python",
        )
    if scheme == "file":
        text = unquote(text[len("file://") :])
    if not is_template(text) or (is_local(text) and Path(text).exists()):
        return _listed(text, options, _written(text))
    said = named_by_template(text)
    if start is None or end is None:
        return _listed(pattern(text), options, said)
    found: list[Listed] = []
    for folder in spread(text, start, end):
        try:
            found += _listed(folder, options, said)
        except NothingThere:  # an hour without rows has no folder
            continue
    return tuple(found)


def _listed(text: str, options: Mapping[str, Any], said: frozenset[str]) -> tuple[Listed, ...]:
    """Return the files of a path without placeholders; ``said`` are keys that make no column."""
    root = _root(text)
    if is_local(text):
        paths = [str(found) for found in resolve(text)]
        root = str(Path(root).expanduser())
    else:
        with reading(masked(text), text):
            paths = _in_store(text, options)
    listed = []
    for found in paths:
        keys = tuple((k, v) for k, v in _partition(found, root) if k not in said)
        listed.append(Listed(Stored(found, options), keys))
    return tuple(listed)


def _in_store(text: str, options: Mapping[str, Any]) -> list[str]:
    scheme = scheme_of(text)
    if scheme in {"http", "https"}:  # a question mark is part of such an address
        return [text]
    system, path = file_system(text, options)
    system.invalidate_cache()  # a process that lives long must see what came since it last looked
    if glob.has_magic(path):
        matched = sorted(set(system.glob(path)))
        found = [p for p in matched if not PurePosixPath(p).name.startswith("_")]
        if not found:
            raise NothingThere(
                "no file matches this pattern", where=masked(text), remedy="Check it"
            )
    elif system.isfile(path):
        return [text]
    else:
        below = sorted(system.find(path))
        found = [
            p for p in below
            if is_data_file(Path(p)) and not is_hidden(PurePosixPath(posixpath.relpath(p, path)))
        ]  # fmt: skip
        if not found:
            what = "the folder holds no table" if below else "there is no such file or folder"
            raise NothingThere(
                what, where=masked(text), remedy=f"Give files of {READABLE}, and check the address"
            )
    return [f"{scheme}://{p.lstrip('/') if scheme != 'memory' else p}" for p in found]


def _root(text: str) -> str:
    """Return the folder below which folders are columns: all of a path up to its first wildcard."""
    whole = text.split("/")
    for count, step in enumerate(whole):
        if glob.has_magic(step) and not (is_local(text) and Path(text).exists()):
            return "/".join(whole[:count])
    return text


def _written(text: str) -> frozenset[str]:
    """Return the keys whose value the path says itself, as in ``dt=2026-05-0[1-5]``.

    They are how rows were chosen and no column of the rows: else one window's folder would have a
    column that the folders of another have not. ``country=*`` chooses nothing.
    """
    pairs = (step.partition("=") for step in text.split("/") if "=" in step)
    return frozenset(key for key, _, value in pairs if value.strip("*"))


def _partition(path: str, root: str) -> list[tuple[str, str | None]]:
    if not path.startswith(root):
        return []
    folders = path[len(root) :].split("/")[:-1]
    pairs = [folder.partition("=") for folder in folders if "=" in folder]
    return [(unquote(k), None if v == _NONE else unquote(v)) for k, _, v in pairs if k]


def partition_types(files: Sequence[Listed]) -> dict[str, pa.DataType]:
    """Return the type of each column that folders stand for: whole numbers, dates, or text."""
    import pyarrow as pa

    values: dict[str, set[str]] = {}
    for file in files:
        for key, value in file.partition:
            values.setdefault(key, set()).update([] if value is None else [value])
    return {
        key: pa.int64() if texts and all(_WHOLE.match(v) for v in texts)
        else pa.date32() if texts and all(_is_date(v) for v in texts)
        else pa.string()
        for key, texts in values.items()
    }  # fmt: skip


def partition_value(text: str | None, kind: pa.DataType) -> pa.Scalar:
    """Return the value of a folder's name as a scalar of its column's type."""
    import pyarrow as pa

    if text is None:
        return pa.scalar(None, kind)
    value: Any = text
    if pa.types.is_integer(kind):
        value = int(text)
    elif pa.types.is_date(kind):
        value = date.fromisoformat(text)
    return pa.scalar(value, kind)


def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return bool(_DATE.match(text))
