"""Small pieces of sentences."""

from __future__ import annotations

from collections.abc import Sequence

from whydrift.monitor.diagnosis.diagnosis import Fault, FaultKind

__all__ = ["columns_by_kind", "is_conceivable", "joined", "p_text", "sentence"]

_MOST_SHARE, _MOST_SD = 0.99, 10.0
# Of which a sentence can name the columns of several at once.
_TOLD_TOGETHER = frozenset({FaultKind.NULL_SPIKE, FaultKind.COLUMN_MISSING})


def joined(names: Sequence[str], most: int = 4) -> str:
    """Return names as a person lists them: "a, b and c", or "a, b, c, d and 3 more"."""
    if len(names) > most:
        return f"{', '.join(names[:most])} and {len(names) - most} more"
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"


def sentence(evidence: str) -> str:
    """Return evidence as a sentence, with a large first letter and a stop, unless it asks."""
    return evidence[0].upper() + evidence[1:] + ("" if evidence.endswith("?") else ".")


def p_text(value: float) -> str:
    """Return ``p = 0.012``: two digits, and a bound for those that underflow."""
    return "p < 1e-300" if value < 1e-300 else f"p = {value:.2g}"


def is_conceivable(change: float, *, is_share: bool) -> bool:
    """Whether a share, or else a level in sd, can change by so much: else none would be seen."""
    return change <= (_MOST_SHARE if is_share else _MOST_SD)


def columns_by_kind(faults: Sequence[Fault]) -> list[tuple[FaultKind, tuple[str, ...], str]]:
    """Return each fault's kind, columns, and words for where it is, if not everywhere.

    Columns that went or emptied are told as one.
    """
    where = {number: f" where {fault.where}" for number, fault in enumerate(faults) if fault.where}
    out: dict[tuple[FaultKind, int], tuple[str, ...]] = {}
    for number, fault in enumerate(faults):
        key = fault.kind, -1 if fault.kind in _TOLD_TOGETHER else number
        out[key] = (*out.get(key, ()), *fault.columns)
    return [(kind, columns, where.get(number, "")) for (kind, number), columns in out.items()]
