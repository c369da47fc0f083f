"""Where windows, graphs and results are kept, so that any two past windows stay comparable."""

from whydrift.monitor.store.records import (
    GraphRecord,
    MonitorRecord,
    ResultRecord,
    SnapshotRecord,
    WindowKey,
)
from whydrift.monitor.store.store import Store, open_store

__all__ = [
    "GraphRecord",
    "MonitorRecord",
    "ResultRecord",
    "SnapshotRecord",
    "Store",
    "WindowKey",
    "open_store",
]
