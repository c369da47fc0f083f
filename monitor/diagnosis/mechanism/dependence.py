"""How far sums of scores over the rows of two windows vary when nothing moved."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from whydrift.discovery.arrays import BoolArray, FloatArray, IntArray
from whydrift.monitor.diagnosis.mechanism.clusters import varied_by_cluster
from whydrift.monitor.diagnosis.mechanism.combination import as_normal, unskewed
from whydrift.monitor.diagnosis.mechanism.low_frequency import by_slow_waves

__all__ = ["Moments", "Rows"]


_AT_ONCE, _LEAST_AT_ONCE = 32_000, 256  # numbers, and rows, that stay in the processor's cache
_FEW = 30  # columns
_CLEARLY = 2.0  # standard errors, of a variance that series have in common
_LEAST_TELLING = 8.0  # rows of equal weight that a sum must rest on: fewer are not normal


@dataclass(frozen=True)
class Moments:
    """Sums of score columns and how they vary under no change.

    Parameters
    ----------
    total, skewness : ndarray of shape (n_scores,)
    variance : ndarray of shape (n_scores, n_scores)
    freedom : float
        Degrees of freedom of the variances.
    telling : ndarray of shape (n_scores,)
        On how many rows of equal weight each sum rests.
    own_freedom : ndarray of shape (n_scores,), optional
        Degrees of freedom of variances that only some slow waves of a series tell.
    """

    total: FloatArray
    variance: FloatArray
    skewness: FloatArray
    freedom: float
    telling: FloatArray
    own_freedom: FloatArray | None = None

    @property
    def is_normal(self) -> BoolArray:
        """Which sums rest on rows enough to be about normal."""
        return self.telling >= _LEAST_TELLING

    def standardised(self, spread: FloatArray) -> FloatArray:
        """Return sums divided by ``spread``, with tails that are normal's."""
        z = unskewed(self.total / spread, self.skewness)
        return z if self.own_freedom is None else as_normal(z, self.own_freedom)


@dataclass(frozen=True)
class Rows:
    """The rows of both windows as the scores see them.

    Parameters
    ----------
    window : ndarray of shape (n_rows,)
        w − e, the residual of the window model; 0 where a row tells nothing.
    chance : ndarray of shape (n_rows,)
        e.
    split : int
        Number of reference rows.
    fitted : int
        Features that the window and the outcome model were fitted on.
    in_order : bool
        Whether neighbouring rows may still resemble each other.
    clusters : ndarray of int, shape (n_rows,), optional
    has_past : bool
        Whether past windows tell how far totals of a window wander, whatever makes them wander:
        better than a few slow waves of one window, which would count it twice.
    steps : ndarray of int, shape (n_rows,), optional
        When each row was in its window, where several series took turns.
    """

    window: FloatArray
    chance: FloatArray
    split: int
    fitted: int
    in_order: bool
    clusters: IntArray | None
    has_past: bool = False
    steps: IntArray | None = None

    def moments(self, columns: FloatArray, window: FloatArray, *, jointly: bool = True) -> Moments:
        """Return the sums of ``columns`` × ``window`` and their variance.

        Independent rows: under no change the window of a row is as good as drawn by chance e
        whatever its outcome, so Σ c²e(1 − e) is the variance. Unlike Σ c²(w − e)² it learns the
        spread of the outcome from both windows, which matters where one has few rows, and the
        skewness follows with it.

        Parameters
        ----------
        columns : ndarray of shape (n_rows, n_scores)
            Residuals of the outcome model times features of the parents.
        window : ndarray of shape (n_rows, n_scores), or (n_rows, 1)
            w − e of each score: other ones than that of all rows where these are in order alone.
        jointly : bool
            Whether covariances are asked for too; of independent rows they take most of the time.
        """
        rows = len(columns)
        if window.shape[1] > 1 or self.in_order:
            seen, reach = columns * window, np.ones(rows)
        else:
            seen, reach = columns, window[:, 0]
        powers = [(1, reach), (2, reach**2), (4, (reach**2) ** 2)]
        if self.clusters is not None:
            (total, square, fourth), _ = _summed(seen, powers)
            varied = varied_by_cluster(
                columns, self.window, self.chance, self.clusters, self.split, self.fitted
            )
            telling = _telling(square, fourth)
            return Moments(total, varied.variance, varied.skewness, varied.freedom, telling)
        # Fitting both models takes its share of the residuals' size.
        inflation = rows / max(1.0, rows - self.fitted)
        none = np.zeros(columns.shape[1])
        if self.in_order:
            (total, square, fourth), _ = _summed(seen, powers)
            variance, lags, own_freedom = self._in_order(seen)
            smaller = min(self.split, rows - self.split)
            freedom, telling = smaller / (lags + 1), _telling(square, fourth)
            variance = inflation * variance
            return Moments(total, variance, none, max(1.0, freedom), telling, own_freedom)
        hazard = np.where(self.window == 0, 0.0, self.chance * (1 - self.chance))
        powers += [(3, hazard * (1 - 2 * self.chance)), (2, hazard)]
        (total, square, fourth, third, own), products = _summed(
            seen, powers, hazard if jointly else None
        )
        variance = inflation * (products if jointly else np.diag(own))
        spread = np.sqrt(np.maximum(inflation * own, 0.0))
        skewness = np.divide(third, spread**3, out=none, where=spread > 0)
        telling = _telling(square, fourth)
        return Moments(total, variance, skewness, max(1.0, rows - self.fitted), telling)

    def spread_of(self, influence: FloatArray) -> FloatArray:
        """Return the variance of the totals of columns that are centred in each window."""
        if self.clusters is not None:
            found, inverse = np.unique(self.clusters, return_inverse=True)
            sums = np.zeros((len(found), influence.shape[1]))
            np.add.at(sums, inverse, influence)
            out: FloatArray = sums.T @ sums
            return out
        if self.in_order:
            return self._in_order(influence)[0]
        plain: FloatArray = influence.T @ influence
        return plain

    def _in_order(self, columns: FloatArray) -> tuple[FloatArray, int, FloatArray]:
        """Return the variance of the totals of series by near rows, or by slow waves where more.

        Also over how many lags it looked, and each variance's degrees of freedom where waves tell
        it. Of series that took turns waves are those of the sums over all of them at each step:
        from one series to the next a change of one of them would be a wave itself, and what they
        have in common, such as a batch that runs through all machines, comes once and not as often
        as there are series. That sums vary more has to be more than chance, since they are fewer.

        References
        ----------
        Driscoll & Kraay (1998), Consistent covariance matrix estimation with spatially dependent
        panel data.
        """
        if self.steps is None:
            return self._along(columns, self.split)
        of_window, lags = _bartlett(columns, self.split)
        # About their means: a change is in every row, and would be what the rows have in common.
        sides = slice(0, self.split), slice(self.split, None)
        centred = [columns[side] - columns[side].mean(axis=0) for side in sides]
        sums = [_by_step(own, self.steps[side]) for own, side in zip(centred, sides, strict=True)]
        together, further, freedom = self._along(np.concatenate(sums), len(sums[0]))
        alone, _ = _bartlett(np.concatenate(centred), self.split)
        apart, once = np.diag(alone.sum(axis=0)), np.diag(together)
        ratio = np.divide(once, apart, out=np.ones_like(apart), where=apart > 0)
        chance = np.sqrt(2 * (further + 1) / sum(len(own) for own in sums))
        more = ratio > 1 + _CLEARLY * chance
        wider = np.sqrt(np.where(more, ratio, 1.0))
        variance = of_window.sum(axis=0) * np.outer(wider, wider)
        return variance, lags, np.where(more, freedom, np.inf)

    def _along(self, columns: FloatArray, split: int) -> tuple[FloatArray, int, FloatArray]:
        of_window, lags = _bartlett(columns, split)
        variance = of_window.sum(axis=0)
        near = np.diag(variance)
        if self.has_past:
            return variance, lags, np.full(len(near), np.inf)
        total, freedom = by_slow_waves(columns, split, np.diagonal(of_window, axis1=1, axis2=2))
        wider = np.sqrt(np.divide(total, near, out=np.ones_like(near), where=near > 0))
        return variance * np.outer(wider, wider), lags, freedom


def _by_step(columns: FloatArray, steps: IntArray) -> FloatArray:
    """Return the sums over the rows of each step, in the order of steps."""
    found, step = np.unique(steps, return_inverse=True)
    sums = np.zeros((len(found), columns.shape[1]))
    np.add.at(sums, step, columns)
    return sums


def _summed(
    columns: FloatArray, powers: list[tuple[int, FloatArray]], weight: FloatArray | None = None
) -> tuple[FloatArray, FloatArray]:
    """Return weighted sums of powers of columns, and weighted sums of their products.

    Parameters
    ----------
    columns : ndarray of shape (n_rows, n_columns)
    powers : list of (int, ndarray of shape (n_rows,))
        A power from 1 to 4, and what each row counts for.
    weight : ndarray of shape (n_rows,), optional
        What each row counts for in the products; by default nothing.

    Returns
    -------
    sums : ndarray of shape (n_powers, n_columns)
    products : ndarray of shape (n_columns, n_columns)
    """
    rows, count = columns.shape
    sums, products = np.zeros((len(powers), count)), np.zeros((count, count))
    step = max(_LEAST_AT_ONCE, _AT_ONCE // max(1, count))
    for start in range(0, rows, step):
        some = slice(start, start + step)
        part = columns[some]
        square = part * part
        raised = (part, square, square * part, square * square)
        for total, (power, by) in zip(sums, powers, strict=True):
            total += by[some] @ raised[power - 1]
        if weight is None:
            continue
        if count > _FEW:  # of one array with itself BLAS computes one half only
            scaled = part * np.sqrt(weight[some])[:, None]
            products += scaled.T @ scaled
        else:  # of two small ones it takes a shorter way
            products += (part * weight[some, None]).T @ part
    return sums, products


def _telling(square: FloatArray, fourth: FloatArray) -> FloatArray:
    """Return on how many rows of equal weight sums rest."""
    return np.divide(square**2, fourth, out=np.zeros_like(fourth), where=fourth > 0)


def _bartlett(columns: FloatArray, split: int) -> tuple[FloatArray, int]:
    """Return the variances of each window's totals of series, and over how many lags it looked.

    Shape (2, n_columns, n_columns).

    References
    ----------
    Newey & West (1987), A simple, positive semi-definite, heteroskedasticity and autocorrelation
    consistent covariance matrix.
    """
    rows = len(columns)
    windows = columns[:split], columns[split:]
    alike = [_lag_one(part) for part in windows if len(part) > 3]
    rho = max(float(r.max(initial=0.0)) for r in alike) if alike else 0.0
    rho = min(max(rho, 0.0), 0.99)
    wanted = max(3, int(np.ceil(3 * (rho / (1 - rho) + 0.5))))
    lags = max(1, min(rows // 8, wanted))
    variance = np.stack([part.T @ part for part in windows])
    for own, part in zip(variance, windows, strict=True):
        for lag in range(1, min(lags, len(part) - 1) + 1 if len(part) > 3 else 1):
            product = part[lag:].T @ part[:-lag]
            own += (1 - lag / (lags + 1)) * (product + product.T)
    return variance, lags


def _lag_one(series: FloatArray) -> FloatArray:
    """Return each column's correlation with the row before."""
    centred = series - series.mean(axis=0)
    spread = (centred**2).sum(axis=0)
    spread[spread <= 0] = np.inf
    out: FloatArray = (centred[1:] * centred[:-1]).sum(axis=0) / spread
    return out
