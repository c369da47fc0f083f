"""How much: effects of a treatment on an outcome, and whether to believe them.

The public names are loaded when they are first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from whydrift.effects.api import estimate as estimate
    from whydrift.effects.chart import Chart as Chart
    from whydrift.effects.check import Check as Check
    from whydrift.effects.check import Outcome as Outcome
    from whydrift.effects.effect import Effect as Effect
    from whydrift.effects.estimand import Estimand as Estimand
    from whydrift.effects.experiment.power import Plan as Plan
    from whydrift.effects.experiment.power import detectable_effect as detectable_effect
    from whydrift.effects.experiment.power import rows_needed as rows_needed
    from whydrift.effects.identification import identify as identify
    from whydrift.effects.interference import network_exposure as network_exposure
    from whydrift.effects.refuters import falsify_graph as falsify_graph
    from whydrift.effects.refuters import refute as refute
    from whydrift.effects.refuters import refuted as refuted
    from whydrift.effects.registry import method_names as method_names
    from whydrift.effects.structural import attribute_outlier as attribute_outlier
    from whydrift.effects.structural import counterfactual as counterfactual
    from whydrift.effects.structural import fit_structural_model as fit_structural_model
    from whydrift.effects.table import Table as Table

_MODULE_OF = {
    "Chart": "whydrift.effects.chart",
    "Check": "whydrift.effects.check",
    "Effect": "whydrift.effects.effect",
    "Estimand": "whydrift.effects.estimand",
    "Outcome": "whydrift.effects.check",
    "Plan": "whydrift.effects.experiment.power",
    "Table": "whydrift.effects.table",
    "detectable_effect": "whydrift.effects.experiment.power",
    "estimate": "whydrift.effects.api",
    "falsify_graph": "whydrift.effects.refuters",
    "identify": "whydrift.effects.identification",
    "network_exposure": "whydrift.effects.interference",
    "refute": "whydrift.effects.refuters",
    "refuted": "whydrift.effects.refuters",
    "counterfactual": "whydrift.effects.structural",
    "attribute_outlier": "whydrift.effects.structural",
    "fit_structural_model": "whydrift.effects.structural",
    "method_names": "whydrift.effects.registry",
    "rows_needed": "whydrift.effects.experiment.power",
}

__all__ = [
    "Chart",
    "Check",
    "Effect",
    "Estimand",
    "Outcome",
    "Plan",
    "Table",
    "attribute_outlier",
    "counterfactual",
    "detectable_effect",
    "estimate",
    "falsify_graph",
    "fit_structural_model",
    "identify",
    "method_names",
    "network_exposure",
    "refute",
    "refuted",
    "rows_needed",
]


def __getattr__(name: str) -> Any:
    if name in _MODULE_OF:
        value = getattr(importlib.import_module(_MODULE_OF[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'whydrift.effects' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
