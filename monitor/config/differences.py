"""What a new configuration changes, in words: for logs, and for what only a restart takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from whydrift.monitor.config.model import Config
from whydrift.monitor.config.redact import redacted

__all__ = ["Differences", "differences"]

# What is taken once, when the process starts: an open socket, an open store.
_ONLY_AT_START: Final = (("store", "url"), ("store", "migrate"), ("web", "listen"))


@dataclass(frozen=True, slots=True)
class Differences:
    """From one configuration to the next.

    Parameters
    ----------
    added, removed, changed : tuple of str
        Names of monitors.
    settings : tuple of str
        All else that differs, such as ``metrics.max_columns``.
    needs_restart : tuple of str
        Those of them that are not taken before the next start.
    """

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    needs_restart: tuple[str, ...] = ()

    def __str__(self) -> str:
        parts = [
            f"{word} {', '.join(names)}"
            for word, names in (
                ("monitors added:", self.added),
                ("monitors removed:", self.removed),
                ("monitors changed:", self.changed),
                ("settings changed:", self.settings),
                ("only a restart takes:", self.needs_restart),
            )
            if names
        ]
        return "; ".join(parts) or "nothing changed"


def differences(old: Config, new: Config) -> Differences:
    """Return what changes, secrets unseen: that one changed is told, never what it is.

    A source that is named counts as a part of the monitors that read it.
    """
    before = {monitor.name: monitor for monitor in old.monitors}
    after = {monitor.name: monitor for monitor in new.monitors}
    changed = [
        name
        for name in after
        if name in before
        and (before[name] != after[name] or _sources(old, name) != _sources(new, name))
    ]
    parts = [p for p in Config.model_fields if p not in {"version", "monitors", "sources"}]
    shown_old, shown_new = redacted(old), redacted(new)
    settings: list[str] = []
    for part in parts:
        if getattr(old, part) == getattr(new, part):
            continue
        found = list(_paths(shown_old.get(part), shown_new.get(part), part))
        settings += found or [part]  # a secret alone, which looks the same
    restart = [
        ".".join(path) for path in _ONLY_AT_START if _setting(old, path) != _setting(new, path)
    ]
    return Differences(
        tuple(name for name in after if name not in before),
        tuple(name for name in before if name not in after),
        tuple(changed),
        tuple(settings),
        tuple(restart),
    )


def _sources(config: Config, name: str) -> list[object]:
    monitor = config.monitor_named(name)
    named = [monitor.source, *([monitor.labels.source] if monitor.labels else [])]
    return [config.source_of(source) for source in named]


def _setting(config: Config, path: tuple[str, str]) -> object:
    part, key = path
    return getattr(getattr(config, part), key)


def _paths(old: Any, new: Any, path: str) -> Iterator[str]:
    """Yield where two shown values differ; lists as a whole."""
    if old == new:
        return
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in {**old, **new}:
            yield from _paths(old.get(key), new.get(key), f"{path}.{key}")
    else:
        yield path
