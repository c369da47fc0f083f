"""whydrift tells why a machine-learning system's data drifted.

The public names are loaded when they are first used, so that ``import whydrift`` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from whydrift.discovery import (
        ClusterError as ClusterError,
    )
    from whydrift.discovery import (
        ColumnKind as ColumnKind,
    )
    from whydrift.discovery import (
        ConfigError as ConfigError,
    )
    from whydrift.discovery import (
        Covariance as Covariance,
    )
    from whydrift.discovery import (
        Edge as Edge,
    )
    from whydrift.discovery import (
        Graph as Graph,
    )
    from whydrift.discovery import (
        GraphError as GraphError,
    )
    from whydrift.discovery import (
        Knowledge as Knowledge,
    )
    from whydrift.discovery import (
        Mark as Mark,
    )
    from whydrift.discovery import (
        NotIdentified as NotIdentified,
    )
    from whydrift.discovery import (
        OptionError as OptionError,
    )
    from whydrift.discovery import (
        Role as Role,
    )
    from whydrift.discovery import (
        Schema as Schema,
    )
    from whydrift.discovery import (
        SchemaError as SchemaError,
    )
    from whydrift.discovery import (
        Snapshot as Snapshot,
    )
    from whydrift.discovery import (
        SourceError as SourceError,
    )
    from whydrift.discovery import (
        TooFewRows as TooFewRows,
    )
    from whydrift.discovery import (
        WhydriftError as WhydriftError,
    )
    from whydrift.discovery import (
        discover as discover,
    )
    from whydrift.effects import (
        Effect as Effect,
    )
    from whydrift.effects import (
        Plan as Plan,
    )
    from whydrift.effects import (
        attribute_outlier as attribute_outlier,
    )
    from whydrift.effects import (
        counterfactual as counterfactual,
    )
    from whydrift.effects import (
        detectable_effect as detectable_effect,
    )
    from whydrift.effects import (
        falsify_graph as falsify_graph,
    )
    from whydrift.effects import (
        fit_structural_model as fit_structural_model,
    )
    from whydrift.effects import (
        identify as identify,
    )
    from whydrift.effects import (
        network_exposure as network_exposure,
    )
    from whydrift.effects import (
        refute as refute,
    )
    from whydrift.effects import (
        rows_needed as rows_needed,
    )
    from whydrift.monitor import Diagnosis as Diagnosis
    from whydrift.monitor import compare as compare
    from whydrift.monitor import estimate as estimate
    from whydrift.monitor import read_snapshot as read_snapshot

_HOME = {
    "whydrift.discovery": (
        "ClusterError",
        "ColumnKind",
        "ConfigError",
        "Covariance",
        "Edge",
        "Graph",
        "GraphError",
        "Knowledge",
        "Mark",
        "NotIdentified",
        "OptionError",
        "Role",
        "Schema",
        "SchemaError",
        "Snapshot",
        "SourceError",
        "TooFewRows",
        "WhydriftError",
        "discover",
    ),
    "whydrift.effects": (
        "Effect",
        "Plan",
        "attribute_outlier",
        "counterfactual",
        "detectable_effect",
        "falsify_graph",
        "fit_structural_model",
        "identify",
        "network_exposure",
        "refute",
        "rows_needed",
    ),
    "whydrift.monitor": ("Diagnosis", "compare", "estimate", "read_snapshot"),
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}

__all__ = ["__version__", *_MODULE_OF]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("whydrift")
    if name in _MODULE_OF:
        value = getattr(importlib.import_module(_MODULE_OF[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'whydrift' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
