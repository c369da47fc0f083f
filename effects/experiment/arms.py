"""What each arm of an experiment gave, and how sure that is: means, ratios, CUPED, clusters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from whydrift.discovery.arrays import FloatArray, IntArray
from whydrift.discovery.errors import SchemaError, TooFewRows

__all__ = ["Arms", "measure_arms"]


@dataclass(frozen=True)
class Arms:
    """The metric of every arm, control first.

    Parameters
    ----------
    levels : tuple of str
    rows : ndarray of int, shape (n_arms,)
    units : ndarray of int, shape (n_arms,)
        What was drawn into each arm: clusters where whole ones were, else rows.
    values : ndarray of shape (n_arms,)
        Mean or ratio, less what CUPED takes out.
    covariance : ndarray of shape (n_arms, n_arms)
        Of the errors of the values.
    freedom : ndarray of shape (n_arms,)
        Degrees of freedom behind each variance.
    spread : float
        Standard deviation of a unit within its arm, after CUPED.
    share_explained : float
        Share of the variance within arms that CUPED took out.
    crossed : float
        Share of clusters with rows in several arms; 0 without clusters.
    third_moments : ndarray of shape (n_arms,)
        Of the errors of the values: E[(estimate − value)³].
    """

    levels: tuple[str, ...]
    rows: IntArray
    units: IntArray
    values: FloatArray
    covariance: FloatArray
    freedom: FloatArray
    spread: float
    share_explained: float
    crossed: float
    third_moments: FloatArray


def measure_arms(
    levels: tuple[str, ...],
    arm: IntArray,
    metric: FloatArray,
    *,
    per: FloatArray | None = None,
    before: FloatArray | None = None,
    cluster: IntArray | None = None,
) -> Arms:
    """Measure each arm.

    Parameters
    ----------
    levels : tuple of str
    arm : ndarray of int, shape (n_rows,)
        Codes into the levels.
    metric : ndarray of shape (n_rows,)
    per : ndarray of shape (n_rows,), optional
        The denominator of a ratio of sums (clicks per view); its error comes by the delta method.
    before : ndarray of shape (n_rows, n_columns), optional
        What was known of each row before the draw: its part of the metric, by one slope for all
        arms, is taken out (CUPED).
    cluster : ndarray of int, shape (n_rows,), optional
        Codes from 0.

    Raises
    ------
    TooFewRows
        If an arm has fewer than two units.
    SchemaError
        If the denominator of an arm adds up to nothing, or is negative somewhere.

    References
    ----------
    Deng, Xu, Kohavi & Walker (2013), Improving the sensitivity of online controlled experiments by
    utilizing pre-experiment data.
    Deng, Knoblich & Lu (2018), Applying the delta method in metric analytics.
    """
    count = len(levels)
    rows = np.bincount(arm, minlength=count)
    for level, size in zip(levels, rows, strict=True):
        if size < 2:
            raise TooFewRows(
                f"{size} usable row in arm {level}",
                where="ab_test",
                remedy="A spread needs two rows in each arm",
            )
    below = np.ones(len(arm)) if per is None else per
    sums = np.bincount(arm, weights=below, minlength=count)
    if below.min() < 0 or not (sums > 0).all():
        raise SchemaError(
            "the denominator is negative somewhere, or adds up to nothing in an arm",
            where="ab_test, per",
            remedy="Name a column of counts, such as views or orders",
        )
    values = np.bincount(arm, weights=metric, minlength=count) / sums
    # A ratio is, to first order, the mean of these; for a mean they are the deviations themselves.
    rest = (metric - values[arm] * below) / (sums / rows)[arm]
    raw = float(rest @ rest)
    features = 0
    if before is not None and before.shape[1]:
        features = before.shape[1]
        means = np.column_stack(
            [np.bincount(arm, weights=column, minlength=count) / rows for column in before.T]
        )
        within = before - means[arm]
        slope = np.linalg.lstsq(within, rest, rcond=None)[0]
        values = values - (means - before.mean(axis=0)) @ slope
        rest = rest - within @ slope
    influence = rest / rows[arm]
    explained = 1 - float(rest @ rest) / raw if raw > 0 else 0.0
    # The slopes were fitted on the same rows.
    spare = max(len(arm) - count - features, 1)
    mend = (len(arm) - count) / spare
    return _with_errors(levels, arm, rows, values, influence, cluster, explained, mend)


def _with_errors(
    levels: tuple[str, ...],
    arm: IntArray,
    rows: IntArray,
    values: FloatArray,
    influence: FloatArray,
    cluster: IntArray | None,
    explained: float,
    mend: float,
) -> Arms:
    """Return the arms with the covariance of their errors."""
    count = len(levels)
    unit = np.arange(len(arm)) if cluster is None else cluster
    total = int(unit.max()) + 1
    cell, place = np.unique(unit * count + arm, return_inverse=True)
    sums = np.bincount(place, weights=influence)
    of_arm = cell % count
    several = np.bincount(cell // count, minlength=total) > 1
    crossed = float(several.mean())
    units = np.bincount(of_arm, minlength=count)
    if units.min() < 2:
        raise TooFewRows(
            f"arm {levels[int(np.argmin(units))]} has {int(units.min())} cluster",
            where="ab_test, cluster",
            remedy="A spread between clusters needs two of them in each arm",
        )
    second = units * np.bincount(of_arm, weights=sums**2, minlength=count)
    third = np.asarray(np.bincount(of_arm, weights=sums**3, minlength=count), np.float64)
    if crossed:  # rows of one cluster stand in several arms: the arms' errors go together
        table = np.zeros((total, count))
        table[cell // count, of_arm] = sums
        covariance = mend * total / (total - 1) * (table.T @ table)
        freedom = np.full(count, float(total - 1))
    else:
        covariance = np.diag(mend * second / (units - 1))
        freedom = (units - 1).astype(np.float64)
    spread = float(np.sqrt(mend * (second * units).sum() / max(units.sum() - count, 1)))
    return Arms(
        levels, rows, units, values, covariance, freedom, spread, explained, crossed, third,
    )  # fmt: skip
