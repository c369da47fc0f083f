"""The whole configuration."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from itertools import chain, count
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from whydrift.discovery.errors import ConfigError, nearest
from whydrift.monitor.config.base import Settings, problem
from whydrift.monitor.config.monitor import Monitor
from whydrift.monitor.config.service import Checks, Dask, Event, Metrics, Notifier, Store, Web
from whydrift.monitor.config.source import Source
from whydrift.monitor.config.values import Slug

if TYPE_CHECKING:
    from whydrift.monitor.source.registry import Settings as ReaderSettings

__all__ = ["Config"]


def _version(value: Any) -> int:
    if value != 1 or isinstance(value, bool):
        raise problem(f"version {value!r:.40} is not 1", "Begin the file with: version: 1")
    return 1


def _some_monitors(value: Any) -> Any:
    # Not by a least length, of which pydantic complains where a monitor is wrong too.
    if isinstance(value, (list, tuple)) and not value:
        raise problem(
            "there is no list of monitors", "`whydrift init DATA -o whydrift.yaml` writes one"
        )
    return value


def _named(notifiers: tuple[Notifier, ...]) -> tuple[Notifier, ...]:
    """Give those without a name that of their kind, the second of a kind with a number."""
    given: dict[str, int] = {}
    for place, notifier in enumerate(notifiers):
        if notifier.name in given:
            raise problem(
                f"two notifiers are named {notifier.name!r}",
                "Give each a name of its own",
                place, "name",
                other=(given[notifier.name], "name"),
            )  # fmt: skip
        if notifier.name:
            given[notifier.name] = place
    taken = set(given)
    found = []
    for notifier in notifiers:
        if not notifier.name:
            numbered = (f"{notifier.kind}-{number}" for number in count(2))
            name = next(n for n in chain([notifier.kind], numbered) if n not in taken)
            taken.add(name)
            notifier = notifier.model_copy(update={"name": name})
        found.append(notifier)
    return tuple(found)


class Config(Settings):
    """All that a configuration says, checked; defaults stand for what it leaves out."""

    version: Annotated[Literal[1], BeforeValidator(_version)] = Field(
        description="of this format: 1"
    )
    store: Store = Field(default=Store(), description="where windows, graphs and results are kept")
    web: Web = Field(default=Web(), description="pages, metrics and API of the daemon")
    metrics: Metrics = Field(default=Metrics(), description="how many series Prometheus gets")
    checks: Checks = Field(
        default=Checks(), description="how windows are judged: workers, limits, catching up"
    )
    dask: Dask | None = Field(
        default=None, description="a cluster that builds windows of many rows"
    )
    sources: dict[Slug, Source] = Field(
        default_factory=dict, description="where rows come from, by name"
    )
    monitors: Annotated[tuple[Monitor, ...], BeforeValidator(_some_monitors)] = Field(
        description="what is watched"
    )
    events: tuple[Event, ...] = Field(
        default=(), description="what happened outside, shown beside verdicts"
    )
    notify: Annotated[tuple[Notifier, ...], AfterValidator(_named)] = Field(
        default=(), description="who is told of alerts, beside or instead of rules for Prometheus"
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Config:
        names: list[str] = []
        for place, monitor in enumerate(self.monitors):
            if monitor.name in names:
                raise problem(
                    f"two monitors are named {monitor.name!r}",
                    "Give each a name of its own",
                    "monitors", place, "name",
                    other=("monitors", names.index(monitor.name), "name"),
                )  # fmt: skip
            names.append(monitor.name)
        for source, path in self._named_sources():
            if source not in self.sources:
                guess = nearest(source, self.sources)
                raise problem(
                    f"there is no source {source!r}",
                    f"Did you mean {guess!r}?" if guess else "Write it under `sources`",
                    *path,
                )
        for place, event in enumerate(self.events):
            if event.monitor is not None and event.monitor not in names:
                guess = nearest(event.monitor, names)
                raise problem(
                    f"there is no monitor {event.monitor!r}",
                    f"Did you mean {guess!r}?" if guess else f"Known: {', '.join(names[:10])}",
                    "events", place, "monitor",
                )  # fmt: skip
        return self

    def _named_sources(self) -> Iterator[tuple[str, tuple[str | int, ...]]]:
        for place, monitor in enumerate(self.monitors):
            if isinstance(monitor.source, str):
                yield monitor.source, ("monitors", place, "source")
            if monitor.labels is not None and isinstance(monitor.labels.source, str):
                yield monitor.labels.source, ("monitors", place, "labels", "source")

    def source_of(self, named: str | Source) -> Source:
        """Return a source, named or written out."""
        return self.sources[named] if isinstance(named, str) else named

    def reader_of(self, monitor: Monitor) -> ReaderSettings:
        """Return the settings with which a monitor's rows, and their labels, are read."""
        from whydrift.monitor.source.joined import Joined

        rows = self.source_of(monitor.source).reader()
        if monitor.labels is None:
            return rows
        return Joined(
            rows,
            self.source_of(monitor.labels.source).reader(),
            monitor.labels.join,
            label_delay=timedelta(seconds=monitor.window.label_delay.least_seconds),
        )

    def monitor_named(self, name: str | None, *, where: str = "configuration") -> Monitor:
        """Return a monitor by its name, which may be left out where there is only one.

        Parameters
        ----------
        name : str, optional
        where : str
            Names the configuration in messages.

        Raises
        ------
        ConfigError
            If there is none of this name; the message names the nearest.
        """
        names = [monitor.name for monitor in self.monitors]
        if name is None and len(names) == 1:
            return self.monitors[0]
        if name in names:
            return self.monitors[names.index(name)]
        guess = nearest(name, names) if name is not None else None
        raise ConfigError(
            f"there is no monitor {name!r}" if name else f"there are {len(names)} monitors",
            where=f"{where}, monitors",
            remedy=f"Did you mean {guess!r}?" if guess else f"Name one: {', '.join(names[:10])}",
        )
