"""Pearson's χ² test of categories over contingency tables."""

from __future__ import annotations

from whydrift.discovery.arrays import FloatArray
from whydrift.discovery.independence.base import Built
from whydrift.discovery.independence.contingency import Statistic, contingency
from whydrift.discovery.snapshot.snapshot import Snapshot

__all__ = ["chi_square"]


def _pearson(counts: FloatArray, expected: FloatArray) -> FloatArray:
    # Summed over a stratum, empty cells included, (count − expected)² / expected is this.
    out: FloatArray = counts**2 / expected - counts
    return out


# A row in a cell that expects far less than one makes χ² huge, and G² only large.
_CHI_SQUARE = Statistic(_pearson, least_expected=5.0)


def chi_square(snapshot: Snapshot, names: tuple[str, ...]) -> Built:
    """Build the test on the categories (or grades) of these columns.

    References
    ----------
    Pearson (1900), On the criterion that a given system of deviations … is such that it can be
    reasonably supposed to have arisen from random sampling.
    """
    return contingency(snapshot, names, _CHI_SQUARE)
