"""Numbers and names as a person reads them, the same for every method."""

from __future__ import annotations

import math
from collections.abc import Sequence

__all__ = ["interval_text", "joined", "number_text", "p_text", "percent"]

_DIGITS, _SMALLEST, _LARGEST = 4, 1e-4, 1e9


def number_text(value: float | None, *, signed: bool = False, like: float | None = None) -> str:
    """Return a number with four significant digits, a comma at thousands, whole when large.

    Parameters
    ----------
    value : float or None
        None is a dash.
    signed : bool
        Whether a plus is written.
    like : float, optional
        A number beside which it stands: it has as many decimals as that.
    """
    if value is None:
        return "–"
    size = max(abs(value), abs(like or 0.0))
    plus = "+" if signed and value > 0 else ""
    if size == 0:
        return "0"
    if not _SMALLEST <= size < _LARGEST:
        return f"{plus}{value:.{_DIGITS - 1}e}"
    decimals = max(0, _DIGITS - 1 - math.floor(math.log10(size)))
    return f"{plus}{value:,.{decimals}f}"


def interval_text(low: float | None, high: float | None) -> str:
    """Return ``[low, high]``, both with as many decimals; an end without a bound is infinite."""
    largest = max((abs(end) for end in (low, high) if end is not None), default=None)
    left = "−∞" if low is None else number_text(low, like=largest)
    return f"[{left}, {'∞' if high is None else number_text(high, like=largest)}]"


def p_text(value: float) -> str:
    """Return ``p = 0.012``: two digits, and a bound for those that underflow."""
    return "p < 1e-300" if value < 1e-300 else f"p = {value:.2g}"


def percent(share: float) -> str:
    """Return a share in per cent, with a decimal where it is small."""
    return f"{share:.1%}" if 0 < share < 0.1 else f"{share:.0%}"


def joined(names: Sequence[str], most: int = 4) -> str:
    """Return names as a person lists them: "a, b and c", or "a, b, c, d and 3 more"."""
    if len(names) > most:
        return f"{', '.join(names[:most])} and {len(names) - most} more"
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"
