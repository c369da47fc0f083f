"""What causes what: snapshots of data, graphs, and the searches that learn them.

The public names are loaded when they are first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

# Not lazy like the others: the function has the name of its module, and a module imported later
# would take its place as an attribute of this package.
from whydrift.discovery.discover import discover

if TYPE_CHECKING:
    from whydrift.discovery.errors import ConfigError as ConfigError
    from whydrift.discovery.errors import GraphError as GraphError
    from whydrift.discovery.errors import OptionError as OptionError
    from whydrift.discovery.errors import SchemaError as SchemaError
    from whydrift.discovery.errors import SourceError as SourceError
    from whydrift.discovery.errors import TooFewRows as TooFewRows
    from whydrift.discovery.errors import WhydriftError as WhydriftError
    from whydrift.discovery.graph import Edge as Edge
    from whydrift.discovery.graph import Graph as Graph
    from whydrift.discovery.graph import Mark as Mark
    from whydrift.discovery.graph import Origin as Origin
    from whydrift.discovery.knowledge import Knowledge as Knowledge
    from whydrift.discovery.snapshot import ColumnKind as ColumnKind
    from whydrift.discovery.snapshot import Role as Role
    from whydrift.discovery.snapshot import Schema as Schema
    from whydrift.discovery.snapshot import Snapshot as Snapshot

_HOME = {
    "whydrift.discovery.errors": (
        "ConfigError",
        "GraphError",
        "OptionError",
        "SchemaError",
        "SourceError",
        "TooFewRows",
        "WhydriftError",
    ),
    "whydrift.discovery.graph": ("Edge", "Graph", "Mark", "Origin"),
    "whydrift.discovery.knowledge": ("Knowledge",),
    "whydrift.discovery.snapshot": ("ColumnKind", "Role", "Schema", "Snapshot"),
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}

__all__ = ["discover", *_MODULE_OF]


def __getattr__(name: str) -> Any:
    if name in _MODULE_OF:
        value = getattr(importlib.import_module(_MODULE_OF[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'whydrift.discovery' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
