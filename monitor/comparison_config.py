"""What a configuration says that matters to one comparison: columns, loss, knowledge.

The service reads the whole of it; ``whydrift compare --config`` takes from the same file what it
needs, so that a monitor can be tried by hand.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from whydrift.discovery.errors import ConfigError, GraphError, nearest
from whydrift.discovery.knowledge import Knowledge
from whydrift.monitor.strict_yaml import Document

__all__ = ["ComparisonConfig", "comparison_config"]

_TOP: Final = (
    "version", "store", "web", "metrics", "checks", "sources", "monitors", "events", "notify",
)  # fmt: skip
_MONITOR: Final = (
    "name", "source", "labels", "columns", "window", "late", "reference", "segments", "graph",
    "loss", "floor", "false_alarms_per_month", "alert",
)  # fmt: skip
_COLUMNS: Final = ("target", "prediction", "cluster", "version", "ignore")
_GRAPH: Final = ("method", "relearn", "knowledge")


@dataclass(frozen=True)
class ComparisonConfig:
    """One monitor's settings, as far as a comparison of two windows needs them."""

    target: str | None = None
    prediction: str | None = None
    cluster: str | None = None
    time_column: str | None = None
    ignore: tuple[str, ...] = ()
    loss: str = "auto"
    floor: float | None = None
    method: str = "auto"
    knowledge: Knowledge | None = None


def comparison_config(document: Document, monitor: str | None = None) -> ComparisonConfig:
    """Return the settings of one monitor.

    Parameters
    ----------
    document : Document
        A configuration.
    monitor : str, optional
        Its name; may be left out where there is only one.

    Raises
    ------
    ConfigError
        On an unknown key, a value of the wrong shape, or a monitor that is not there; the message
        names file, line and key.
    """
    reader = _Reader(document)
    top = reader.mapping(document.value, (), _TOP)
    if top.get("version") != 1:
        raise ConfigError(
            f"version {top.get('version')!r} is not 1",
            where=document.place("version"),
            remedy="Begin the file with: version: 1",
        )
    monitors = top.get("monitors")
    if not isinstance(monitors, list) or not monitors:
        raise ConfigError(
            "there is no list of monitors",
            where=document.place("monitors"),
            remedy="`whydrift init DATA -o whydrift.yaml` writes one",
        )
    settings = [reader.mapping(m, ("monitors", i), _MONITOR) for i, m in enumerate(monitors)]
    number = _chosen([str(m.get("name")) for m in settings], monitor, document)
    found, path = settings[number], ("monitors", number)
    columns = reader.mapping(found.get("columns") or {}, (*path, "columns"), _COLUMNS)
    graph = reader.mapping(found.get("graph") or {}, (*path, "graph"), _GRAPH)
    named = {k: reader.text(columns, (*path, "columns"), k) for k in _COLUMNS[:3]}
    return ComparisonConfig(
        **named,
        time_column=reader.time_column(top, found, path),
        ignore=reader.names(columns.get("ignore"), (*path, "columns", "ignore")),
        loss=reader.text(found, path, "loss") or "auto",
        floor=reader.number(found, path, "floor"),
        method=reader.text(graph, (*path, "graph"), "method") or "auto",
        knowledge=reader.knowledge(graph.get("knowledge"), (*path, "graph", "knowledge")),
    )


def _chosen(names: list[str], monitor: str | None, document: Document) -> int:
    if monitor is None and len(names) == 1:
        return 0
    if monitor in names:
        return names.index(monitor)
    guess = nearest(monitor, names) if monitor is not None else None
    raise ConfigError(
        f"there is no monitor {monitor!r}" if monitor else f"there are {len(names)} monitors",
        where=document.place("monitors"),
        remedy=f"Did you mean {guess!r}?" if guess else f"Name one: {', '.join(names[:10])}",
    )


@dataclass(frozen=True)
class _Reader:
    """Takes values out of the document, each checked, each error with its place."""

    document: Document

    def fail(self, path: tuple[str | int, ...], what: str, remedy: str) -> ConfigError:
        return ConfigError(what, where=self.document.place(*path), remedy=remedy)

    def mapping(
        self, value: Any, path: tuple[str | int, ...], known: Iterable[str]
    ) -> Mapping[str, Any]:
        if not isinstance(value, Mapping):
            raise self.fail(
                path, f"a mapping is expected, not {value!r:.40}", "Write `key: value` lines"
            )
        for key in value:
            if key not in known:
                guess = nearest(key, known)
                hint = f"Did you mean {guess!r}?" if guess else f"Known: {', '.join(known)}"
                raise self.fail((*path, key), f"unknown key {key!r}", hint)
        return value

    def text(self, mapping: Mapping[str, Any], path: tuple[str | int, ...], key: str) -> str | None:
        value = mapping.get(key)
        if value is not None and not isinstance(value, str):
            raise self.fail(
                (*path, key), f"{value!r:.40} is no name", "Put it in quotes if it is one"
            )
        return value

    def number(
        self, mapping: Mapping[str, Any], path: tuple[str | int, ...], key: str
    ) -> float | None:
        value = mapping.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self.fail((*path, key), f"{value!r:.40} is no number", "Give a number")
        return float(value)

    def names(self, value: Any, path: tuple[str | int, ...]) -> tuple[str, ...]:
        if value is None:
            return ()
        if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
            raise self.fail(path, "a list of column names is expected", "Write [id, comment]")
        return tuple(value)

    def time_column(
        self, top: Mapping[str, Any], monitor: Mapping[str, Any], path: tuple[str | int, ...]
    ) -> str | None:
        """Return the time column of the monitor's source, named or written out."""
        source = monitor.get("source")
        sources = top.get("sources") or {}
        if isinstance(source, str):
            if not isinstance(sources, Mapping) or source not in sources:
                known = list(sources) if isinstance(sources, Mapping) else []
                guess = nearest(source, known)
                raise self.fail(
                    (*path, "source"),
                    f"there is no source {source!r}",
                    f"Did you mean {guess!r}?" if guess else "Write it under `sources`",
                )
            path, source = ("sources", source), sources[source]
        return self.text(source, path, "time_column") if isinstance(source, Mapping) else None

    def knowledge(self, value: Any, path: tuple[str | int, ...]) -> Knowledge | None:
        if value is None:
            return None
        if not isinstance(value, Mapping):
            raise self.fail(path, "a mapping is expected", "Write {tiers: [[a], [b]]}")
        try:
            return Knowledge.from_dict(value)
        except GraphError as error:
            raise self.fail(path, error.what, error.remedy) from error
