"""Small pieces of sentences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from whydrift.monitor.diagnosis.diagnosis import Fault, FaultKind

__all__ = [
    "FaultyColumns",
    "any_of",
    "columns_by_kind",
    "cut",
    "is_conceivable",
    "joined",
    "measure_words",
    "p_text",
    "rows_text",
    "sentence",
]

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


def any_of(names: Sequence[str], most: int = 4) -> str:
    """Return names of which one is meant: "a or b", or "a or b or c or d or 3 more"."""
    more = [f"{len(names) - most} more"] if len(names) > most else []
    return " or ".join([*names[:most], *more])


def cut(sentences: Sequence[str], most: int = 5) -> str:
    """Return what is told of many, one after the other: "a; b", or the first and "and 3 more"."""
    more = [f"and {len(sentences) - most} more"] if len(sentences) > most else []
    return "; ".join([*sentences[:most], *more])


def sentence(evidence: str) -> str:
    """Return evidence as a sentence, with a large first letter and a stop, unless it asks.

    A column that a formula begins with keeps its name.
    """
    is_formula = evidence.split(" ", 2)[1:2] == ["="]
    first = evidence[0] if is_formula else evidence[0].upper()
    return first + evidence[1:] + ("" if evidence.endswith("?") else ".")


def measure_words(name: str) -> str:
    """Return a loss's name as it stands in a sentence: "squared error", "0-1 loss"."""
    return name.replace("zero_one", "0-1 loss").replace("_", " ")


def p_text(value: float) -> str:
    """Return ``p = 0.012``: two digits, and a bound for those that underflow."""
    return "p < 1e-300" if value < 1e-300 else f"p = {value:.2g}"


def rows_text(count: int) -> str:
    """Return ``1 row`` or ``2,000 rows``."""
    return "1 row" if count == 1 else f"{count:,} rows"


def is_conceivable(change: float, *, is_share: bool) -> bool:
    """Whether a share, or else a level in sd, can change by so much: else none would be seen."""
    return change <= (_MOST_SHARE if is_share else _MOST_SD)


@dataclass(frozen=True, slots=True)
class FaultyColumns:
    """Columns that one sentence can name, where they broke, and by what scale, if that is known."""

    kind: FaultKind
    columns: tuple[str, ...]
    where: str
    scale: str | None


def columns_by_kind(faults: Sequence[Fault]) -> list[FaultyColumns]:
    """Return each fault's columns, with words for where it is, if not everywhere.

    Columns that went or emptied are told as one.
    """
    out: dict[tuple[FaultKind, int], FaultyColumns] = {}
    for number, fault in enumerate(faults):
        key = fault.kind, -1 if fault.kind in _TOLD_TOGETHER else number
        before = out[key].columns if key in out else ()
        where = f" where {fault.where}" if fault.where and key[1] >= 0 else ""
        out[key] = FaultyColumns(fault.kind, (*before, *fault.columns), where, fault.scale)
    return list(out.values())
