"""Which seeds a benchmark may use."""

from __future__ import annotations

__all__ = ["seeds_of"]


def seeds_of(text: str, most: int = 109) -> list[int]:
    """Return the seeds of ``100-102,105``, refusing those that are kept for acceptance.

    Parameters
    ----------
    text : str
        Numbers and ranges.
    most : int
        Largest seed for reporting: 109, and 149 for windows without any shift.
    """
    found: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        found += range(int(first), int(last or first) + 1)
    outside = [s for s in found if not (0 <= s <= 9 or 100 <= s <= most)]
    if outside:
        raise SystemExit(
            f"seeds {outside} are neither for tuning (0-9) nor for reporting (100-{most})"
        )
    return found
