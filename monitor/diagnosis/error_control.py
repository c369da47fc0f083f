"""Keeps false alarms in check over the columns of one window."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

__all__ = ["benjamini_hochberg", "combined_p_value", "holm", "holm_adjusted"]

_LEAST_P = 1e-300


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


def combined_p_value(p_values: Iterable[float]) -> float:
    """Return one p-value for "all of these null hypotheses hold", by the Cauchy combination.

    At the small levels of alarms it holds approximately under any dependence between the tests.

    References
    ----------
    Liu & Xie (2020), Cauchy combination test: a powerful test with analytic p-value calculation
    under arbitrary dependency structures.
    """
    p = np.array(list(p_values), dtype=float)
    if not p.size:
        return 1.0
    p = np.clip(p, _LEAST_P, 1.0)
    # tan((1/2 − p)π) = 1 / tan(pπ), the form that keeps its digits for small p; the terms of
    # p-values near 1 are held back, so that one of them cannot outweigh a small one.
    statistic = float(np.mean(1 / np.tan(np.pi * np.minimum(p, 0.99))))
    return float(np.arctan2(1.0, statistic) / np.pi)
