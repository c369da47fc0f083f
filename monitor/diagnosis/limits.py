"""What the numbers among the options may be: checked before any file is read."""

from __future__ import annotations

import math
from typing import Any

from whydrift.discovery.errors import OptionError

__all__ = ["check_numbers", "check_seed"]

_LARGEST_SEED = 2**32 - 1


def check_numbers(level: float, floor: float | None, random_state: int) -> None:
    """Raise where a number is outside what it can mean.

    Parameters
    ----------
    level : float
        Chance of a false alarm.
    floor : float, optional
        Reference standard deviations.
    random_state : int
        Seed.

    Raises
    ------
    OptionError
        The message names the option.
    """
    asked: dict[str, Any] = {"level": level, "floor": floor}
    for name, number in asked.items():
        if not (number is None or isinstance(number, (int, float)) or hasattr(number, "dtype")):
            raise OptionError(
                f"{name} {number!r} is no number", where=name, remedy="Give one such as 0.05"
            )
    if not 0 < level < 1:
        raise OptionError(
            f"level {level!r} is not between 0 and 1",
            where="level",
            remedy="Give a chance of false alarm such as 0.05",
        )
    if floor is not None and not (floor >= 0 and math.isfinite(floor)):
        said = "is negative" if math.isfinite(floor) else "is no size of a change"
        raise OptionError(
            f"floor {floor!r} {said}",
            where="floor",
            remedy="Give reference standard deviations such as 0.1, or 0 for none",
        )
    check_seed(random_state)


def check_seed(random_state: int) -> None:
    """Raise where a seed is none.

    Raises
    ------
    OptionError
        The message names the range.
    """
    if not 0 <= random_state <= _LARGEST_SEED:
        raise OptionError(
            f"random state {random_state!r} is no seed",
            where="random-state",
            remedy=f"Give a whole number from 0 to {_LARGEST_SEED}",
        )
