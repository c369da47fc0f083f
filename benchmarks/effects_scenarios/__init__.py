"""Worlds with a known effect, by family: a new family is one module and one name here.

A module holds ``SCENARIOS``, a tuple of `base.Scenario`.
"""

from __future__ import annotations

import importlib

from effects_scenarios.base import Scenario

__all__ = ["FAMILIES", "scenarios"]

FAMILIES = (
    "adjustment",
    "instruments",
    "panels",
    "discontinuity",
    "synthetic",
    "series",
    "experiment",
    "heterogeneity",
    "mediation",
    "interference",
)


def scenarios() -> tuple[Scenario, ...]:
    """Return the scenarios of all families, in order."""
    modules = (importlib.import_module(f"effects_scenarios.{name}") for name in FAMILIES)
    return tuple(scenario for module in modules for scenario in module.SCENARIOS)
