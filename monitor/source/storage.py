"""Opens files where they lie: on this machine, or in a store behind an address."""

from __future__ import annotations

import functools
import shutil
import stat
import tempfile
import weakref
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from whydrift.discovery.errors import SourceError
from whydrift.monitor.source.address import masked, scheme_of
from whydrift.monitor.source.paths import READABLE
from whydrift.monitor.source.trouble import missing_package

__all__ = ["Stored", "file_system", "is_local"]

_COPIED = 8  # files that were fetched in whole and are kept beside, until that many newer ones came
_STORE_BYTES = 4 * 1024 * 1024  # asked of a store at once


def is_local(address: str) -> bool:
    """Whether this is a path on this machine, not an address."""
    return scheme_of(address) in {None, "file"}


def file_system(address: str, options: Mapping[str, Any]) -> tuple[Any, str]:
    """Return the fsspec file system of an address, and the path in it.

    Raises
    ------
    SourceError
        If its package is not installed, or nobody knows such addresses.
    """
    import fsspec

    scheme = scheme_of(address) or "file"
    if scheme in {"http", "https"}:
        from whydrift.monitor.source.redirects import careful_client

        options = {"get_client": careful_client, **options}
    try:
        system, path = fsspec.core.url_to_fs(address, **options)
    except ImportError as error:
        raise missing_package(scheme, error, masked(address)) from error
    except ValueError as error:
        raise SourceError(
            f"addresses of the kind {scheme}:// are not known",
            where=masked(address),
            remedy="Give a path, or s3://, gs://, abfs://, http:// or https://",
        ) from error
    return system, str(path)


@dataclass(frozen=True)
class Stored:
    """One file, and how to open it.

    Parameters
    ----------
    address : str
        A path, or an address.
    options : mapping
        Of the store, for fsspec; empty on this machine.
    occasion : str
        What is fetched in whole is fetched once for each: the same page may have changed since.
    """

    address: str
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)
    occasion: str = ""

    @property
    def where(self) -> str:
        """Names it in messages."""
        return masked(self.address)

    @property
    def is_whole(self) -> bool:
        """Whether it is fetched in whole before it is read: pages of the web, pipes."""
        return scheme_of(self.address) in {"http", "https"} or _is_pipe(self.address)

    def size(self) -> int | None:
        """Return its bytes, where the store tells."""
        if is_local(self.address):
            return Path(self.address).stat().st_size
        system, path = file_system(self.address, self.options)
        size = system.info(path).get("size")
        return None if size is None else int(size)

    def open(self) -> Any:
        """Return a fresh Arrow stream over its bytes that can be read from any place."""
        import pyarrow as pa

        if is_local(self.address) and not _is_pipe(self.address):
            _refuse_device(self.address)
            return pa.OSFile(self.address)
        if self.is_whole:
            if _is_pipe(self.address):  # it has nothing more to give the next time
                copy = _copy(self.address, _Options({}), f"{Path(self.address).stat().st_ino}")
            else:
                copy = _copy(self.address, _Options(self.options), self.occasion)
            return pa.OSFile(copy.path)
        system, path = file_system(self.address, self.options)
        # Arrow asks for what it needs, in pieces large enough: nothing is read ahead of it.
        opened = system.open(path, "rb", block_size=_STORE_BYTES, cache_type="none")
        return pa.PythonFile(opened, mode="r")


def _is_pipe(path: str) -> bool:
    try:
        return is_local(path) and stat.S_ISFIFO(Path(path).stat().st_mode)
    except OSError:
        return False


def _refuse_device(path: str) -> None:
    if not stat.S_ISREG(Path(path).stat().st_mode):
        raise SourceError("this is a device, not a file", where=path, remedy=f"Give {READABLE}")


class _Options:
    """Options as a key: equal where they are written the same."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.values = values
        self._key = repr(sorted(values.items()))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Options) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)


class _Copy:
    """A temporary file; it goes when nobody holds it any more."""

    def __init__(self, stream: Any) -> None:
        with tempfile.NamedTemporaryFile(prefix="whydrift-", delete=False) as copy:
            self.path = copy.name
            weakref.finalize(self, Path(self.path).unlink, missing_ok=True)
            shutil.copyfileobj(stream, copy)


@functools.lru_cache(maxsize=_COPIED)
def _copy(address: str, options: _Options, occasion: str) -> _Copy:
    """Return the same bytes on this machine.

    A pipe, as of <(zcat …), can be read only once; a page of the web often only from its start.
    """
    if _is_pipe(address):
        with Path(address).open("rb") as stream:
            return _Copy(stream)
    system, path = file_system(address, options.values)
    # Signed addresses often allow GET alone: no size is asked for first (any number says so).
    with system.open(path, "rb", block_size=0, size=1) as stream:
        return _Copy(stream)
