"""What a way to difference says, before it is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from whydrift.discovery.snapshot.note import Note
from whydrift.effects.check import Check
from whydrift.effects.panel.event_study import EventStudy
from whydrift.effects.table import Table

__all__ = ["Found"]


@dataclass(frozen=True)
class Found:
    """An estimate and what it rests on.

    Parameters
    ----------
    value, error, freedom : float
    interval, p_value : optional
        Where they do not follow from the standard error.
    study : EventStudy, optional
        None where there are two periods.
    lever : float
        By how much a straight trend of one per period would move the estimate.
    details, checks, notes
        Of this way alone.
    """

    value: float
    error: float
    freedom: float
    interval: tuple[float | None, float | None] | None = None
    p_value: float | None = None
    study: EventStudy | None = None
    lever: float = 0.0
    details: Mapping[str, Table] = field(default_factory=dict)
    checks: tuple[Check, ...] = ()
    notes: tuple[Note, ...] = ()
