"""Where windows come from: files here and in stores, databases, warehouses, plug-ins.

A source is made of its settings (:class:`Files`, :class:`Sql`, :class:`Warehouse`,
:class:`Joined`, :class:`Plugin`) by ``open_source``; ``read_snapshot`` and ``compare`` take
settings too::

    rows = Files("s3://bucket/predictions/dt={date}/*.parquet", time_column="ts")
    labels = Sql("${LABELS_URL}", "select id, price from labels where ts >= :start and ts < :end")
    read_snapshot(Joined(rows, labels, keys=("id",)), start=may, end=june)

Everything that opens a file stands here: tables (:mod:`~whydrift.monitor.source.files`), graphs
and knowledge (:mod:`~whydrift.monitor.source.graph_file`).
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from whydrift.monitor.source.base import Part as Part
    from whydrift.monitor.source.base import Rows as Rows
    from whydrift.monitor.source.base import Source as Source
    from whydrift.monitor.source.files import Files as Files
    from whydrift.monitor.source.joined import Joined as Joined
    from whydrift.monitor.source.registry import Plugin as Plugin
    from whydrift.monitor.source.registry import open_source as open_source
    from whydrift.monitor.source.sql import Sql as Sql
    from whydrift.monitor.source.warehouse import Warehouse as Warehouse

_MODULE_OF = {
    "Files": "files",
    "Joined": "joined",
    "Part": "base",
    "Plugin": "registry",
    "Rows": "base",
    "Source": "base",
    "Sql": "sql",
    "Warehouse": "warehouse",
    "open_source": "registry",
}

__all__ = [
    "Files", "Joined", "Part", "Plugin", "Rows", "Source", "Sql", "Warehouse", "open_source",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _MODULE_OF:
        module = importlib.import_module(f"whydrift.monitor.source.{_MODULE_OF[name]}")
        value = getattr(module, name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'whydrift.monitor.source' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
