"""Points in time as the JSON contract writes them."""

from __future__ import annotations

import numpy as np

__all__ = ["iso"]


def iso(seconds: float) -> str:
    """Return seconds since 1970 as ISO 8601 in UTC, to the millisecond."""
    return f"{np.datetime64(round(seconds * 1000), 'ms')}Z"
