"""The sizes of changes, as the values show them where the scores are too short about them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from whydrift.monitor.diagnosis.mechanism.base import (
    CLEAR,
    FROM_ROW_TO_ROW,
    Component,
    MechanismTestResult,
)

__all__ = ["is_far_apart", "resized", "told_spread"]

_INTERVAL = 1.959964  # 95 %
_FAR_APART = 0.5  # sd between the windows' levels, from which on spreads are told by the values


def is_far_apart(result: MechanismTestResult) -> bool:
    """Whether the levels of the two windows are, so that ranks do not tell of either's spread.

    Those of the shorter window lie closer together the farther out they are.
    """
    levels = [c for c in result.components if c.name == "level" and c.unit == "sd"]
    return any(abs(c.value) >= _FAR_APART for c in levels)


def told_spread(
    result: MechanismTestResult, size: tuple[float, float] | None
) -> tuple[Component, ...]:
    """Return the components with the spread as the values have it about each window's own level."""
    if size is None:
        return result.components
    value, error = size
    return tuple(
        replace(c, value=value, error=c.wider * error) if c.name == "spread" else c
        for c in result.components
    )


def resized(component: Component, size: tuple[float, float] | None, *, in_order: bool) -> Component:
    """Return a root's component with the size of the change in its values, where they show it.

    The evidence is of ranks or, in order, of what each row adds to the one before: a machine that
    shakes more at the same load spreads no wider over a day. Then the size is that of the evidence.
    """
    if size is None:
        return component
    value, error = size[0], component.wider * size[1]
    if in_order:  # what slow waves add is in both factors
        error = max(component.error, size[1])
    if abs(component.z) >= CLEAR and value * np.sign(component.z) < _INTERVAL * error:
        told = FROM_ROW_TO_ROW if in_order and component.name == "spread" else component.name
        return replace(component, name=told)
    return replace(component, value=value, error=error)
