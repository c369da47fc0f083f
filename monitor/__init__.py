"""What changed, and who is told: diagnosis, sources, reports, command line."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from whydrift.monitor.api import compare as compare
    from whydrift.monitor.diagnosis.diagnosis import Diagnosis as Diagnosis
    from whydrift.monitor.effect_api import estimate as estimate
    from whydrift.monitor.source.snapshots import read_snapshot as read_snapshot

_MODULE_OF = {
    "Diagnosis": "whydrift.monitor.diagnosis.diagnosis",
    "compare": "whydrift.monitor.api",
    "estimate": "whydrift.monitor.effect_api",
    "read_snapshot": "whydrift.monitor.source.snapshots",
}

__all__ = ["Diagnosis", "compare", "estimate", "read_snapshot"]


def __getattr__(name: str) -> Any:
    if name in _MODULE_OF:
        value = getattr(importlib.import_module(_MODULE_OF[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'whydrift.monitor' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
