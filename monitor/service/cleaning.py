"""Deletes what was kept as long as the configuration says."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from whydrift.monitor.config.model import Config
    from whydrift.monitor.store.collect import Collected, Live
    from whydrift.monitor.store.store import Store

__all__ = ["clean"]


def clean(config: Config, store: Store, now: datetime, *, dry_run: bool = False) -> Collected:
    """Delete, strip and join what was kept long enough; what references read stays.

    Raises
    ------
    StoreError
        If the store cannot be read or written.
    """
    from whydrift.monitor.store.collect import collect
    from whydrift.monitor.store.retention import Keep

    said = config.store.keep
    keep = Keep(said.snapshots, said.samples, said.results, said.hourly)
    return collect(store, keep, now=now, live=_live(config, store, now), dry_run=dry_run)


def _live(config: Config, store: Store, now: datetime) -> dict[str, Live]:
    """Return what the configured monitors need of what is kept."""
    from whydrift.monitor.store.collect import Live
    from whydrift.monitor.store.live import needed, oldest_judged

    live = {}
    for monitor in config.monitors:
        zone = monitor.window.timezone
        since = oldest_judged(monitor.window.cut(), now=now, late=monitor.late.allow, zone=zone)
        windows = store.list_snapshots(monitor=monitor.name)
        stretch = needed(monitor.reference.rule(zone), windows, since=since, now=now, zone=zone)
        live[monitor.name] = Live(zone, (stretch,))
    return live
