"""A regression on a series whose errors remember the ones before them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy import stats
from scipy.optimize import minimize_scalar

from whydrift.discovery.arrays import FloatArray
from whydrift.effects.extra import library

__all__ = ["ERRORS", "SeriesFit", "fit_series"]

ERRORS: Final = ("ar1", "newey_west")
_CLOSEST = 0.98  # to 1, of the memory: beyond it a level change and a drift are one thing


@dataclass(frozen=True)
class SeriesFit:
    """A fitted regression.

    Parameters
    ----------
    coefficients : ndarray of shape (n_terms,)
    covariance : ndarray of shape (n_terms, n_terms)
    freedom : float
        Degrees of freedom of Student's t.
    residuals : ndarray of shape (n_points,)
    innovations : ndarray of shape (n_points,)
        What the point before does not foretell of each residual.
    memory : float
        The correlation of neighbouring errors.
    """

    coefficients: FloatArray
    covariance: FloatArray
    freedom: float
    residuals: FloatArray
    innovations: FloatArray
    memory: float

    def contrast(self, weights: FloatArray) -> tuple[float, float]:
        """Return a sum of coefficients and its standard error."""
        variance = float(weights @ self.covariance @ weights)
        return float(weights @ self.coefficients), float(np.sqrt(max(variance, 0.0)))

    def p_value(self, weights: FloatArray) -> float:
        """Return the two-sided p-value of a sum of coefficients being 0."""
        value, error = self.contrast(weights)
        return float(2 * stats.t.sf(abs(value) / error, self.freedom)) if error > 0 else 1.0


def fit_series(design: FloatArray, y: FloatArray, errors: str) -> SeriesFit:
    """Fit a regression to a series.

    ``ar1``: errors remember the one before; how much is found by restricted maximum likelihood,
    which is not misled as much as the residuals' own correlation is when a series is short.
    ``newey_west``: least squares, with errors that allow for any memory that fades.

    Parameters
    ----------
    design : ndarray of shape (n_points, n_terms)
        Of full rank.
    y : ndarray of shape (n_points,)
    errors : str

    References
    ----------
    Cheang & Reinsel (2000), Bias reduction of autoregressive estimates in time series regression
    model through restricted maximum likelihood, Journal of the American Statistical Association 95.
    Turner, Forbes, Karahalios, Taljaard & McKenzie (2021), Evaluation of statistical methods used
    in the analysis of interrupted time series studies, BMC Medical Research Methodology 21.
    Newey & West (1987), A simple, positive semi-definite, heteroskedasticity and autocorrelation
    consistent covariance matrix, Econometrica 55.
    """
    return _newey_west(design, y) if errors == "newey_west" else _ar1(design, y)


def _ar1(design: FloatArray, y: FloatArray) -> SeriesFit:
    points, terms = design.shape

    def badness(memory: float) -> float:
        white, target = _whitened(design, memory), _whitened(y, memory)
        r = np.linalg.qr(white, mode="r")
        rest = target - white @ np.linalg.lstsq(white, target, rcond=None)[0]
        size = max(float(rest @ rest), 1e-300)
        fitted = 2 * float(np.log(np.maximum(np.abs(np.diag(r)), 1e-300)).sum())
        return float((points - terms) * np.log(size) + fitted - np.log(1 - memory**2))

    memory = float(minimize_scalar(badness, bounds=(-_CLOSEST, _CLOSEST), method="bounded").x)
    white, target = _whitened(design, memory), _whitened(y, memory)
    coefficients = np.asarray(np.linalg.lstsq(white, target, rcond=None)[0], dtype=np.float64)
    innovations = target - white @ coefficients
    inverse = np.linalg.inv(white.T @ white)
    freedom = float(points - terms)
    variance = float(innovations @ innovations) / freedom
    covariance = np.asarray(inverse * variance, dtype=np.float64)
    return SeriesFit(
        coefficients, covariance, _freedom(points, terms, memory),
        y - design @ coefficients, innovations, memory,
    )  # fmt: skip


def _freedom(points: int, terms: int, memory: float) -> float:
    """Return degrees of freedom: as many as points that say something new, less the terms.

    Of a mean, n points with memory r are worth about n(1 − r)/(1 + r) without any.
    """
    worth = points * (1 - memory) / (1 + memory) if memory > 0 else float(points)
    return max(worth - terms, 2.0)


def _whitened(values: FloatArray, memory: float) -> FloatArray:
    """Prais & Winsten's transformation: the first point is kept."""
    white = values.copy()
    white[1:] -= memory * values[:-1]
    white[0] *= np.sqrt(1 - memory**2)
    return white


def _newey_west(design: FloatArray, y: FloatArray) -> SeriesFit:
    regression = library("statsmodels.regression.linear_model", "method 'interrupted_time_series'")
    points, terms = design.shape
    # Newey & West (1994): the lag grows with the series, slowly.
    lags = int(np.floor(4 * (points / 100) ** (2 / 9)))
    found = regression.OLS(y, design).fit(
        cov_type="HAC", cov_kwds={"maxlags": lags, "use_correction": True}
    )
    residuals = np.asarray(found.resid, dtype=np.float64)
    memory = float(residuals[1:] @ residuals[:-1] / max(float(residuals @ residuals), 1e-300))
    return SeriesFit(
        np.asarray(found.params, dtype=np.float64),
        np.asarray(found.cov_params(), dtype=np.float64),
        float(points - terms),
        residuals,
        residuals,
        memory,
    )
