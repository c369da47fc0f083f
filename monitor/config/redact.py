"""A configuration as it may be shown and kept: without its secrets."""

from __future__ import annotations

from typing import Any

from whydrift.monitor.config.model import Config

__all__ = ["monitor_text", "redacted"]


def redacted(config: Config) -> dict[str, Any]:
    """Return all settings as plain values, secrets masked."""
    return config.model_dump(mode="json", by_alias=True, exclude_none=True)


def monitor_text(config: Config, name: str) -> str:
    """Return what a monitor's judgements depend on, as YAML: the same text for the same rules.

    Whom an alert is sent to is not in it, nor are defaults, nor the settings of other monitors:
    a change there leaves its results as they are. Nor is where it began, which is said once.
    """
    import yaml

    monitor = config.monitor_named(name)
    said = monitor.model_dump(
        mode="json", by_alias=True, exclude_defaults=True, exclude={"alert", "since"}
    )
    said["source"] = _source(config, monitor.source)
    if monitor.labels is not None:
        said["labels"]["source"] = _source(config, monitor.labels.source)
    return str(yaml.safe_dump(said, sort_keys=True, allow_unicode=True, width=1_000_000))


def _source(config: Config, named: Any) -> dict[str, Any]:
    found: dict[str, Any] = config.source_of(named).model_dump(
        mode="json", by_alias=True, exclude_defaults=True
    )
    return found
