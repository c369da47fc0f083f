"""One configuration from one file, or from all files of a folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from whydrift.discovery.errors import ConfigError
from whydrift.monitor.source.text_file import read_text
from whydrift.monitor.strict_yaml import Document, Place, read_yaml

__all__ = ["Documents", "broken_files", "read_documents"]

_ENDINGS: Final = (".yaml", ".yml")
_LISTS: Final = ("monitors", "events", "notify")
_MAPPINGS: Final = ("sources",)


@dataclass(frozen=True)
class Documents:
    """A value put together from files, and where each part of it stands.

    Parameters
    ----------
    value : object
    where : str
        The file or folder.
    origins : dict of tuple to (Document, tuple)
        For a part of the value: the document that it comes from, and its place there.
    """

    value: Any
    where: str
    origins: dict[Place, tuple[Document, Place]]

    def place(self, path: Place) -> str:
        """Return ``file.yaml, line 12, monitors[0].columns`` for a part of the value."""
        found = self._origin(path)
        if found is None:
            return ", ".join(filter(None, [self.where, ".".join(map(str, path))]))
        document, there = found
        return document.place(*there)

    def order(self, path: Place) -> tuple[str, int]:
        """Return the file and the line of a part, as a reader goes through them."""
        found = self._origin(path)
        if found is None:
            return "", 0
        document, there = found
        return document.where, document.line(*there) or 0

    def _origin(self, path: Place) -> tuple[Document, Place] | None:
        """Return the document that a part comes from, and its place there."""
        for length in range(len(path), -1, -1):
            if path[:length] in self.origins:
                document, there = self.origins[path[:length]]
                return document, (*there, *path[length:])
        return None

    @classmethod
    def of(cls, document: Document) -> Documents:
        """Return a single document."""
        return cls(document.value, document.where, {(): (document, ())})

    @classmethod
    def merged(cls, documents: Sequence[Document], where: str) -> Documents:
        """Put files together: lists and sources add up, all else stands in one of them.

        Raises
        ------
        ConfigError
            If two files say the same; the message names both.
        """
        value: dict[str, Any] = {}
        origins: dict[Place, tuple[Document, Place]] = {}

        def take(target: dict[str, Any], key: str, found: Any, path: Place, doc: Document) -> None:
            if key in target:
                first = cls(value, where, origins).place(path)
                raise ConfigError(
                    f"{'.'.join(map(str, path))} stands in {first} too",
                    where=doc.place(*path),
                    remedy="Keep one of the two",
                )
            target[key] = found
            origins[path] = doc, path

        for document in documents:
            if not isinstance(document.value, dict):
                raise ConfigError(
                    "a mapping is expected", where=document.where, remedy="Begin with: version: 1"
                )
            for key, found in document.value.items():
                if key == "version" and value.get(key) == found:
                    continue  # each file begins with it
                if key in _LISTS and isinstance(found, list):
                    own = value.setdefault(key, [])
                    for place, item in enumerate(found):
                        origins[(key, len(own))] = document, (key, place)
                        own.append(item)
                elif key in _MAPPINGS and isinstance(found, dict):
                    own = value.setdefault(key, {})
                    for name, item in found.items():
                        take(own, name, item, (key, name), document)
                else:
                    take(value, key, found, (key,), document)
        return cls(value, where, origins)


def read_documents(path: Path) -> Documents:
    """Read a file, or all .yaml and .yml files of a folder in the order of their names.

    Raises
    ------
    ConfigError
        If the folder has none, or one is not YAML.
    SourceError
        If a file is not there or cannot be read.
    """
    if not path.is_dir():
        return Documents.of(read_yaml(read_text(path), str(path)))
    files = _files(path)
    if not files:
        raise ConfigError(
            "the folder has no .yaml file",
            where=str(path),
            remedy="`whydrift init DATA -o whydrift.yaml` writes one",
        )
    return Documents.merged([read_yaml(read_text(p), str(p)) for p in files], str(path))


def broken_files(folder: Path) -> tuple[ConfigError, ...]:
    """Return what is wrong with each file of a folder that is not YAML.

    Raises
    ------
    SourceError
        If a file cannot be read.
    """
    found = []
    for path in _files(folder):
        try:
            read_yaml(read_text(path), str(path))
        except ConfigError as error:
            found.append(error)
    return tuple(found)


def _files(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if p.suffix in _ENDINGS and p.is_file())
