"""Whether a column's gaps moved: how many values are missing, and which, given its causes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.monitor.diagnosis.bunching import Bunching, share_rises_by_itself
from whydrift.monitor.diagnosis.gaps import GapPair
from whydrift.monitor.diagnosis.mechanism.base import MechanismTest
from whydrift.monitor.diagnosis.pair import WindowPair

__all__ = ["missingness_moved", "told_gaps"]

_LEVEL = 0.0005  # of each of the two looks, over all columns
_LEAST_MISSING = 0.02  # change of the share, in all rows or along a cause, that is worth knowing


def missingness_moved(
    pair: WindowPair, name: str, parents: tuple[str, ...], test: MechanismTest, *, columns: int
) -> bool:
    """Whether more values are missing than before, or fewer, or others.

    Parameters
    ----------
    pair : WindowPair
        The windows as recorded.
    name : str
        The column.
    parents : tuple of str
        Its causes, given which the same values ought to be missing; none where that is not known.
    test : MechanismTest
        Of these windows.
    columns : int
        How many columns are looked at.
    """
    reference, current = pair.reference, pair.current
    before, after = reference.summaries[name].missing, current.summaries[name].missing
    shares = before / reference.rows, after / current.rows
    level = _LEVEL / max(1, columns)
    if abs(shares[0] - shares[1]) >= _LEAST_MISSING:
        usual = _bunching(pair, name)
        up = before, reference.rows, after, current.rows
        down = reference.rows - before, reference.rows, current.rows - after, current.rows
        if min(share_rises_by_itself(counts, usual) for counts in (up, down)) < level:
            return True
    if max(shares) < _LEAST_MISSING or not parents:
        return False
    result = test(GapPair.of(pair, name), name, parents)
    if result.p_value is None or result.p_value >= level:
        return False
    return abs(result.components[0].value) >= _LEAST_MISSING


def told_gaps(reference: Snapshot, current: Snapshot, names: Sequence[str]) -> list[str]:
    """Return in words how the gaps of columns differ, of which it is known that they do.

    A share that reads the same in both windows leaves but one thing: other rows have a value.
    """
    told = []
    for name in names:
        before, after = (
            f"{100 * window.summaries[name].missing / window.rows:.3g} %"
            for window in (reference, current)
        )
        if before == after:
            told.append(f"other rows than before lack a value of {name} ({after} of them, as ever)")
        else:
            told.append(f"{after} of {name} is missing, {before} before")
    return told


def _bunching(pair: WindowPair, name: str) -> Bunching:
    """Return how a column's gaps come together in the reference."""
    clusters = pair.clusters
    own = None if clusters is None else clusters[: pair.split].astype(np.float64)
    return Bunching.of(~pair.observed(name)[: pair.split], own, pair.parts)
