"""Small pieces of sentences."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["joined", "p_text"]


def joined(names: Sequence[str], most: int = 4) -> str:
    """Return names as a person lists them: "a, b and c", or "a, b, c, d and 3 more"."""
    if len(names) > most:
        return f"{', '.join(names[:most])} and {len(names) - most} more"
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"


def p_text(value: float) -> str:
    """Return ``p = 0.012``: two digits, and a bound for those that underflow."""
    return "p < 1e-300" if value < 1e-300 else f"p = {value:.2g}"
