"""Pearson's χ² test of categories over contingency tables."""

from __future__ import annotations

from whydrift.discovery.independence.base import Built
from whydrift.discovery.independence.contingency import Statistic, contingency
from whydrift.discovery.snapshot.snapshot import Snapshot

__all__ = ["chi_square"]


_CHI_SQUARE = Statistic(is_ratio=False, least_expected=5.0)


def chi_square(snapshot: Snapshot, names: tuple[str, ...]) -> Built:
    """Build the test on the categories (or grades) of these columns.

    References
    ----------
    Pearson (1900), On the criterion that a given system of deviations … is such that it can be
    reasonably supposed to have arisen from random sampling.
    """
    return contingency(snapshot, names, _CHI_SQUARE)
