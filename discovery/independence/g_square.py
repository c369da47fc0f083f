"""The G² test of categories: a likelihood ratio over contingency tables."""

from __future__ import annotations

from whydrift.discovery.independence.base import Built
from whydrift.discovery.independence.contingency import Statistic, contingency
from whydrift.discovery.snapshot.snapshot import Snapshot

__all__ = ["g_square"]


_G_SQUARE = Statistic(is_ratio=True, least_expected=2.0)


def g_square(snapshot: Snapshot, names: tuple[str, ...]) -> Built:
    """Build the test on the categories (or grades) of these columns.

    References
    ----------
    Spirtes, Glymour & Scheines (2000), Causation, Prediction, and Search, section 5.5.
    """
    return contingency(snapshot, names, _G_SQUARE)
