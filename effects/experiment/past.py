"""What rows from before say of an experiment to come: spread, clusters, what is known already."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from whydrift.discovery.arrays import BoolArray, FloatArray, IntArray
from whydrift.discovery.errors import TooFewRows
from whydrift.effects.columns import codes, is_category, is_missing, numbers, require
from whydrift.effects.covariates import columns_named, covariates
from whydrift.effects.frame import as_table

__all__ = ["Past", "measure_past"]

_FEWEST_CLUSTERS = 5


@dataclass(frozen=True, slots=True)
class Past:
    """What a `Plan` needs to know, measured.

    Parameters
    ----------
    rows : int
        Used.
    spread : float
        Standard deviation of the outcome.
    cluster_rows : float
        Rows in a cluster as the variance counts them: Σ size² / Σ size; 1 without clusters.
    correlation : float
        Between two rows of a cluster, once what is known before is out.
    share_explained : float
        Of the variance, by what is known before (adjusted R²).
    """

    rows: int
    spread: float
    cluster_rows: float = 1.0
    correlation: float = 0.0
    share_explained: float = 0.0


def measure_past(
    data: Any, outcome: str, *, cluster: str | None = None, before: Sequence[str] = ()
) -> Past:
    """Measure rows from before an experiment.

    Parameters
    ----------
    data : frame, pyarrow.Table or mapping of str to columns
    outcome : str
    cluster : str, optional
        What will be drawn as a whole.
    before : sequence of str
        Columns known before the draw.

    Raises
    ------
    SchemaError
        If a column is not there, or holds no numbers where it must.
    TooFewRows
        If fewer than two rows are complete, the outcome never varies, or there are fewer than five
        clusters.

    References
    ----------
    Donner & Klar (2000), Design and analysis of cluster randomization trials in health research,
    for the correlation by analysis of variance.
    """
    table, _ = as_table(data)
    named = [outcome, *([cluster] if cluster else []), *columns_named(table, before, "before")]
    for name in named:
        require(table, name, {outcome: "outcome", cluster: "cluster"}.get(name, "before"))
    whole: BoolArray = ~np.any([is_missing(table, name) for name in named], axis=0)
    table = table.take(np.flatnonzero(whole))
    rows = table.num_rows
    if rows < 2 + len(named):
        raise TooFewRows(
            f"{rows} rows are complete", where="data", remedy="Give more rows from before"
        )
    values = _outcome(table, outcome)
    spread = float(values.std(ddof=1))
    if not spread > 0:
        raise TooFewRows(
            f"{outcome!r} has one value in all {rows:,} rows",
            where="outcome",
            remedy="Name a column that varies",
        )
    left, explained = values - values.mean(), 0.0
    if before:
        known = covariates(table, tuple(before)).standardised
        left = left - known @ np.linalg.lstsq(known, left, rcond=None)[0]
        spare = max(rows - 1 - known.shape[1], 1)
        explained = max(1 - float(left @ left) / spare / spread**2, 0.0)
    if cluster is None:
        return Past(rows, spread, share_explained=explained)
    group, names = codes(table, cluster)
    if len(names) < _FEWEST_CLUSTERS:
        raise TooFewRows(
            f"{cluster!r} names {len(names)} clusters",
            where="cluster",
            remedy=f"How alike rows of one are shows from {_FEWEST_CLUSTERS} clusters on",
        )
    sizes = np.bincount(group)
    return Past(
        rows, spread, float((sizes**2).sum() / rows), _correlation(left, group, sizes), explained
    )


def _outcome(table: Any, name: str) -> FloatArray:
    if is_category(table, name):
        found, levels = codes(table, name)
        if len(levels) == 2:
            return found.astype(np.float64)
    return numbers(table, name, "outcome")


def _correlation(left: FloatArray, group: IntArray, sizes: IntArray) -> float:
    """Return the correlation in clusters, by mean squares between and within; not below 0."""
    rows, groups = len(left), len(sizes)
    if rows == groups:
        return 0.0
    means = np.bincount(group, left) / sizes
    between = float(sizes @ means**2) / (groups - 1)
    within = float(((left - means[group]) ** 2).sum()) / (rows - groups)
    typical = (rows - float((sizes**2).sum()) / rows) / (groups - 1)
    total = between + (typical - 1) * within
    return max((between - within) / total, 0.0) if total > 0 else 0.0
