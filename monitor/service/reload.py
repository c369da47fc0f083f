"""A configuration, checked in full before anything runs by it, and what differs from the last."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, quote_plus

from whydrift.discovery.errors import ConfigError, WhydriftError
from whydrift.monitor.service.logs import Secrets

if TYPE_CHECKING:
    from whydrift.monitor.config.model import Config

__all__ = ["Difference", "differences", "listed", "masked_by", "read_whole", "secrets_in"]

_LIKE_A_SECRET: Final = re.compile("pass|pwd|secret|token|sig|key|credential", re.IGNORECASE)


def read_whole(path: Path, *, environment: Mapping[str, str] | None = None) -> Config:
    """Read a configuration, and see that all it names can be made: sources and notifiers.

    Nothing is connected to: a source that is gone for an hour keeps no configuration from being
    taken.

    Raises
    ------
    WhydriftError
        The message names file, line and key, or the monitor.
    """
    from whydrift.monitor.config import load_config
    from whydrift.monitor.service.notify.deliverer import Deliverer
    from whydrift.monitor.source.registry import open_source

    config = load_config(path, environment=environment)
    for monitor in config.monitors:
        try:
            open_source(config.reader_of(monitor))
        except WhydriftError as error:
            raise ConfigError(
                f"the source of monitor {monitor.name!r} cannot be made: {error.what}",
                where=f"{path}, {error.where}",
                remedy=error.remedy,
            ) from error
    for notifier in config.notify:
        Deliverer.of(notifier).close()
    return config


@dataclass(frozen=True, slots=True)
class Difference:
    """What a new configuration changes.

    Parameters
    ----------
    added, removed, changed : tuple of str
        Monitors.
    needs_restart : tuple of str
        Settings that a running daemon cannot change; it keeps the old values.
    """

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]
    needs_restart: tuple[str, ...]

    def __str__(self) -> str:
        return (
            f"monitors added: {listed(self.added)}; removed: {listed(self.removed)}; "
            f"changed: {listed(self.changed)}"
        )


def listed(names: tuple[str, ...]) -> str:
    """Return names as a sentence has them."""
    return ", ".join(names) or "none"


def differences(old: Config, new: Config) -> tuple[Difference, Config]:
    """Return what changes, and the new configuration as a running daemon can take it."""
    before = {monitor.name: monitor for monitor in old.monitors}
    after = {monitor.name: monitor for monitor in new.monitors}
    said = {
        "store.url": (old.store.url, new.store.url),
        "web.listen": (old.web.listen, new.web.listen),
    }
    kept = new.model_copy(
        update={
            "store": new.store.model_copy(update={"url": old.store.url}),
            "web": new.web.model_copy(update={"listen": old.web.listen}),
        }
    )
    difference = Difference(
        tuple(name for name in after if name not in before),
        tuple(name for name in before if name not in after),
        tuple(
            name for name, monitor in after.items()
            if name in before
            and (monitor, *_sources(new, name)) != (before[name], *_sources(old, name))
        ),
        tuple(key for key, (was, is_now) in said.items() if was != is_now),
    )  # fmt: skip
    return difference, kept


def _sources(config: Config, name: str) -> tuple[Any, ...]:
    monitor = config.monitor_named(name)
    labels = None if monitor.labels is None else config.source_of(monitor.labels.source)
    return config.source_of(monitor.source), labels


def secrets_in(config: Config) -> frozenset[str]:
    """Return all words of a configuration that nobody may read in a log."""
    return frozenset(_secrets(config))


def masked_by(config: Config, text: str) -> str:
    """Return a text as it may be kept and shown: without any secret of a configuration.

    What fails may speak of another part than its own: a driver of its proxy, a source of the store.
    """
    hidden = Secrets()
    hidden.add(secrets_in(config))
    return hidden.masked(text)


def _secrets(value: Any) -> Iterator[str]:
    from pydantic import BaseModel, SecretStr
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    if isinstance(value, SecretStr):
        text = value.get_secret_value()
        try:
            url = make_url(text)
        except ArgumentError:
            yield text
            return
        if url.drivername in {"http", "https"}:
            yield text
        # Of the address of a store or a source the password alone: the rest helps whoever reads.
        hidden = [url.password, *(v for k, v in url.query.items() if _LIKE_A_SECRET.search(k))]
        for word in hidden:
            if isinstance(word, str) and word:
                yield from (word, quote(word, safe=""), quote_plus(word))
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _secrets(getattr(value, name))
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _secrets(item)
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from _secrets(item)
