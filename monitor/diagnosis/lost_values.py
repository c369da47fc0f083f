"""What the loss of some rows of a column can make of the others, whichever rows they are."""

from __future__ import annotations

import math

from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.monitor.diagnosis.mechanism.base import Component, MechanismTestResult

__all__ = ["is_beyond_loss"]

_SURELY = 2.6  # standard errors: one chance in two hundred
_UNEVEN = 2.0  # by how much products of a number and the noise may spread wider than the noise


def is_beyond_loss(
    result: MechanismTestResult, reference: Snapshot, name: str, missing: tuple[float, float]
) -> bool:
    """Whether some part of a change is larger than the loss of values can make it.

    By those of a share 1 - m that stay a mean moves by at most √(m/(1 - m)) sd, whatever the
    distribution (Cauchy & Schwarz); so does a slope along a number, by as many sd of the product of
    both. A spread grows by at most 1/√(1 - m), and a share p lies between (p - m)/(1 - m) and
    p/(1 - m). Other parts, such as what differs along a category of which a small share of the rows
    may be half of all, count for nothing.

    Parameters
    ----------
    result : MechanismTestResult
        Of the values that are there.
    reference : Snapshot
        Of which the shares of categories are those before any loss.
    name : str
        The column.
    missing : tuple of float
        Shares of the reference's and of the current rows without a value.
    """
    shares = _shares(reference, name)
    return any(_is_beyond(c, shares, missing) for c in result.components)


def _is_beyond(
    component: Component, shares: dict[str, float], missing: tuple[float, float]
) -> bool:
    size = abs(component.value) - _SURELY * component.error
    lost = [min(m, 0.999) for m in missing]
    if component.name == "level" and component.unit == "sd":
        return size > sum(math.sqrt(m / (1 - m)) for m in lost)
    if component.name == "spread":
        return component.value > 0 and size > sum(-0.5 * math.log(1 - m) for m in lost)
    if component.name.startswith("slope of ") and component.unit == "sd":
        along_category = " = " in component.name
        return not along_category and size > _UNEVEN * sum(math.sqrt(m / (1 - m)) for m in lost)
    share = shares.get(component.name.removeprefix("share of "))
    if share is None:
        return False
    return size > sum(max(share - max(0.0, (share - m) / (1 - m)),
                          min(1.0, share / (1 - m)) - share) for m in lost)  # fmt: skip


def _shares(window: Snapshot, name: str) -> dict[str, float]:
    """Return the share of each category of a column; none of a number."""
    counts = window.summaries[name].category_counts
    rows = max(1, sum(counts))
    return {c: n / rows for c, n in zip(window.schema[name].categories, counts, strict=False)}
