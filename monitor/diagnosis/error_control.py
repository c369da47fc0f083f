"""Keeps false alarms in check over the columns of one window."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

__all__ = ["benjamini_hochberg", "holm", "holm_adjusted"]


def holm(p_values: Mapping[str, float], level: float) -> frozenset[str]:
    """Return the names whose null hypothesis is rejected with family-wise error ≤ ``level``.

    Parameters
    ----------
    p_values : mapping of str to float
        One p-value per hypothesis; any dependence between them is allowed.
    level : float
        Chance of one or more false rejections.

    References
    ----------
    Holm (1979), A simple sequentially rejective multiple test procedure.
    """
    rejected = []
    for step, name in enumerate(sorted(p_values, key=lambda n: p_values[n])):
        if p_values[name] > level / (len(p_values) - step):
            break
        rejected.append(name)
    return frozenset(rejected)


def holm_adjusted(p_values: Mapping[str, float]) -> dict[str, float]:
    """Return for each hypothesis the smallest level at which `holm` would reject it."""
    names = sorted(p_values, key=lambda n: p_values[n])
    if not names:
        return {}
    scaled = np.array([p_values[n] for n in names]) * np.arange(len(names), 0, -1)
    adjusted = np.minimum(1.0, np.maximum.accumulate(scaled))
    return dict(zip(names, adjusted.tolist(), strict=True))


def benjamini_hochberg(p_values: Mapping[str, float]) -> dict[str, float]:
    """Return q-values: the false-discovery rate at which each hypothesis would be rejected.

    They are shown, never used for an alarm.

    References
    ----------
    Benjamini & Hochberg (1995), Controlling the false discovery rate.
    """
    names = sorted(p_values, key=lambda n: p_values[n])
    if not names:
        return {}
    count = len(names)
    scaled = np.array([p_values[n] for n in names]) * count / np.arange(1, count + 1)
    adjusted = np.minimum(1.0, np.minimum.accumulate(scaled[::-1])[::-1])
    return dict(zip(names, adjusted.tolist(), strict=True))
