"""The kinds of sources: those that come with whydrift, and plug-ins.

A package adds one by an entry point of the group ``whydrift.sources``: the name by which
configurations call it, and a callable that makes a
:class:`~whydrift.monitor.source.base.Source` of a mapping of options::

    [project.entry-points."whydrift.sources"]
    lake = "acme_lake:open_source"
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final

from whydrift.discovery.errors import SourceError, unknown_name
from whydrift.monitor.source.address import expanded, masked, scheme_of
from whydrift.monitor.source.base import Source
from whydrift.monitor.source.files import Files, FilesSource
from whydrift.monitor.source.joined import Joined, JoinedSource
from whydrift.monitor.source.sql import Sql, SqlSource
from whydrift.monitor.source.warehouse import Warehouse, WarehouseSource

__all__ = ["GROUP", "Plugin", "Settings", "is_settings", "names", "open_source"]

GROUP: Final = "whydrift.sources"


@dataclass(frozen=True)
class Plugin:
    """Settings of a source that another package offers.

    Parameters
    ----------
    name : str
        Of its entry point.
    options : mapping
        As that package takes them.
    time_column : str, optional
        By which rows belong to windows.
    """

    name: str
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)
    time_column: str | None = None


Settings = Files | Sql | Warehouse | Joined | Plugin

_SOURCES: Final[Mapping[type, Callable[[Any], Source]]] = {
    Files: FilesSource,
    Sql: SqlSource,
    Warehouse: lambda settings: _of_warehouse(settings),
    Joined: lambda settings: JoinedSource(settings, open_source),
    Plugin: lambda settings: _plugged(settings),
}
_POSTGRES: Final = ("postgres", "postgresql")
_BUILT_IN: Final = ("files", "sql", "warehouse")


def names() -> tuple[str, ...]:
    """Return the kinds of sources by name: ours, then those of plug-ins."""
    return (*_BUILT_IN, *sorted(_entry_points()))


def is_settings(value: object) -> bool:
    """Whether this is what :func:`open_source` takes."""
    return type(value) in _SOURCES


def open_source(settings: Settings) -> Source:
    """Return the source of some settings. Nothing is opened yet.

    Raises
    ------
    OptionError
        If no package offers such a plug-in.
    SourceError
        If settings contradict each other, a variable of the environment is not set, or a plug-in
        fails.
    """
    return _SOURCES[type(settings)](settings)


def _of_warehouse(settings: Warehouse) -> Source:
    scheme = scheme_of(expanded(settings.url, where=masked(settings.url)))
    if settings.query is None or settings.table is not None or scheme not in _POSTGRES:
        return WarehouseSource(settings)
    # ibis 12.0 looks at a query's columns by a view that sqlglot 30 cannot drop any more.
    return SqlSource(Sql(settings.url, settings.query, settings.time_column))


def _entry_points() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}


def _plugged(settings: Plugin) -> Source:
    points = _entry_points()
    if settings.name not in points:
        raise unknown_name("kind of source", settings.name, known=names(), where="sources")
    point = points[settings.name]
    try:
        source = point.load()(dict(settings.options))
    except SourceError:
        raise
    except Exception as error:  # code of others: whatever it raises, it is not a bug of ours
        raise SourceError(
            f"the plug-in failed ({type(error).__name__}: {error})",
            where=f"source {settings.name} ({point.value})",
            remedy="Check its options, or tell its authors",
        ) from error
    missing = [
        name for name in ("where", "time_column", "schema", "parts") if not hasattr(source, name)
    ]
    if missing:
        raise SourceError(
            f"the plug-in gave a {type(source).__name__}, which has no {missing[0]!r}",
            where=f"source {settings.name} ({point.value})",
            remedy="It must return a whydrift.monitor.source.base.Source",
        )
    return source  # type: ignore[no-any-return]
