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
    from whydrift.discovery.adjustment import Instrument as Instrument
    from whydrift.discovery.adjustment import adjustment_problem as adjustment_problem
    from whydrift.discovery.adjustment import adjustment_sets as adjustment_sets
    from whydrift.discovery.adjustment import front_door_sets as front_door_sets
    from whydrift.discovery.adjustment import instruments as instruments
    from whydrift.discovery.adjustment import is_adjustment_set as is_adjustment_set
    from whydrift.discovery.adjustment import is_front_door_set as is_front_door_set
    from whydrift.discovery.adjustment import minimal_adjustment_set as minimal_adjustment_set
    from whydrift.discovery.adjustment import open_way as open_way
    from whydrift.discovery.adjustment import optimal_adjustment_set as optimal_adjustment_set
    from whydrift.discovery.adjustment import possible_effects as possible_effects
    from whydrift.discovery.ancestral import dag_to_mag as dag_to_mag
    from whydrift.discovery.ancestral import is_mag as is_mag
    from whydrift.discovery.ancestral import is_pag as is_pag
    from whydrift.discovery.ancestral import mag_problem as mag_problem
    from whydrift.discovery.ancestral import mag_to_pag as mag_to_pag
    from whydrift.discovery.ancestral import pag_problem as pag_problem
    from whydrift.discovery.ancestral import pag_to_mag as pag_to_mag
    from whydrift.discovery.change import GraphChange as GraphChange
    from whydrift.discovery.change import GraphDifference as GraphDifference
    from whydrift.discovery.change import difference as difference
    from whydrift.discovery.classes import class_members as class_members
    from whydrift.discovery.classes import is_cpdag as is_cpdag
    from whydrift.discovery.covariance import Covariance as Covariance
    from whydrift.discovery.distances import AdjustmentDistance as AdjustmentDistance
    from whydrift.discovery.distances import adjustment_distance as adjustment_distance
    from whydrift.discovery.distances import structural_distance as structural_distance
    from whydrift.discovery.errors import ClusterError as ClusterError
    from whydrift.discovery.errors import ConfigError as ConfigError
    from whydrift.discovery.errors import DataWarning as DataWarning
    from whydrift.discovery.errors import GraphError as GraphError
    from whydrift.discovery.errors import NotIdentified as NotIdentified
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
    from whydrift.discovery.separation import is_separated as is_separated
    from whydrift.discovery.separation import markov_blanket as markov_blanket
    from whydrift.discovery.separation import minimal_separator as minimal_separator
    from whydrift.discovery.snapshot import ColumnKind as ColumnKind
    from whydrift.discovery.snapshot import Role as Role
    from whydrift.discovery.snapshot import Schema as Schema
    from whydrift.discovery.snapshot import Snapshot as Snapshot
    from whydrift.discovery.snapshot import infer_schema as infer_schema
    from whydrift.discovery.stability import Stability as Stability

_HOME = {
    "whydrift.discovery.adjustment": (
        "Instrument",
        "adjustment_problem",
        "adjustment_sets",
        "front_door_sets",
        "instruments",
        "is_adjustment_set",
        "is_front_door_set",
        "minimal_adjustment_set",
        "open_way",
        "optimal_adjustment_set",
        "possible_effects",
    ),
    "whydrift.discovery.ancestral": (
        "dag_to_mag",
        "is_mag",
        "is_pag",
        "mag_problem",
        "mag_to_pag",
        "pag_problem",
        "pag_to_mag",
    ),
    "whydrift.discovery.change": (
        "GraphChange",
        "GraphDifference",
        "difference",
    ),
    "whydrift.discovery.classes": (
        "class_members",
        "is_cpdag",
    ),
    "whydrift.discovery.covariance": ("Covariance",),
    "whydrift.discovery.distances": (
        "AdjustmentDistance",
        "adjustment_distance",
        "structural_distance",
    ),
    "whydrift.discovery.errors": (
        "ClusterError",
        "ConfigError",
        "DataWarning",
        "GraphError",
        "NotIdentified",
        "OptionError",
        "SchemaError",
        "SourceError",
        "TooFewRows",
        "WhydriftError",
    ),
    "whydrift.discovery.graph": ("Edge", "Graph", "Mark", "Origin"),
    "whydrift.discovery.knowledge": ("Knowledge",),
    "whydrift.discovery.separation": (
        "is_separated",
        "markov_blanket",
        "minimal_separator",
    ),
    "whydrift.discovery.snapshot": ("ColumnKind", "Role", "Schema", "Snapshot", "infer_schema"),
    "whydrift.discovery.stability": ("Stability",),
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
