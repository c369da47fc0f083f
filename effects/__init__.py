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
    from whydrift.effects.registry import method_names as method_names
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
    "detectable_effect",
    "estimate",
    "method_names",
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
