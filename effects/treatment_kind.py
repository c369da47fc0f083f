"""What a treatment column may hold."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["TreatmentKind"]


class TreatmentKind(StrEnum):
    """What a treatment column holds."""

    BINARY = "binary"
    CONTINUOUS = "continuous"
    CATEGORIES = "categories"
