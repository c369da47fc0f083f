"""Every arm against control, with the correction that several comparisons call for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy import optimize, stats

from whydrift.discovery.arrays import FloatArray
from whydrift.discovery.errors import OptionError, SchemaError, unknown_name
from whydrift.effects.experiment.arms import Arms
from whydrift.effects.experiment.sequential import always_valid_p, always_valid_reach

__all__ = ["CORRECTIONS", "Comparison", "compare_arms"]

CORRECTIONS: Final = ("dunnett", "holm", "none")
_HERMITE, _LEGENDRE = 96, 40  # nodes: the tail probability is then right to 1e-6


@dataclass(frozen=True, slots=True)
class Comparison:
    """One arm against control.

    Parameters
    ----------
    level : str
        The arm.
    value, standard_error : float
    freedom : float or None
        None for the normal distribution.
    low, high, p_value : float
        Corrected for the other comparisons.
    """

    level: str
    value: float
    standard_error: float
    freedom: float | None
    low: float
    high: float
    p_value: float

    @property
    def distance(self) -> float:
        """How many standard errors the arm is from control."""
        return abs(self.value) / self.standard_error if self.standard_error > 0 else 0.0


def compare_arms(
    arms: Arms,
    *,
    level: float,
    correction: str = "dunnett",
    relative: bool = False,
    planned: float | None = None,
) -> tuple[Comparison, ...]:
    """Compare each arm with the first.

    Parameters
    ----------
    arms : Arms
    level : float
        With which all intervals hold together (each of them, with correction ``none``).
    correction : str
        ``dunnett`` knows that all are compared with one control; ``holm`` rejects step by step,
        and its intervals are Bonferroni's, since its own steps give none; ``none``.
    relative : bool
        Whether changes are shares of the control's value.
    planned : float, optional
        Rows, for intervals that hold at every look (see `always_valid_reach`); several arms then
        share the error evenly.

    Raises
    ------
    OptionError
        If there is no such correction.
    SchemaError
        If control is at 0, and the change relative to it.

    References
    ----------
    Dunnett (1955), A multiple comparison procedure for comparing several treatments with a control.
    Holm (1979), A simple sequentially rejective multiple test procedure.
    """
    if correction not in CORRECTIONS:
        raise unknown_name("correction", correction, known=CORRECTIONS, where="ab_test")
    control, values = float(arms.values[0]), arms.values[1:]
    count = len(values)
    gradient = np.column_stack([np.full(count, -1.0), np.eye(count)])
    change = values - control
    if relative:
        if control == 0:
            raise SchemaError(
                "the value of control is 0, and there is no share of it",
                where="ab_test, estimand",
                remedy="Ask for estimand 'ate'",
            )
        gradient = np.column_stack([-values / control**2, np.eye(count) / control])
        change = values / control - 1
    covariance = gradient @ arms.covariance @ gradient.T
    errors = np.sqrt(np.diag(covariance))
    # Welch–Satterthwaite, of the parts that the arms have in each variance.
    parts = gradient**2 * np.diag(arms.covariance)
    if arms.crossed:
        freedom = np.full(count, float(arms.freedom[0]))
    else:
        weight = (parts**2 / arms.freedom).sum(axis=1)
        freedom = np.divide(
            parts.sum(axis=1) ** 2, weight, out=np.full(count, np.inf), where=weight > 0
        )
    z = np.divide(change, errors, out=np.zeros(count), where=errors > 0)
    if planned is not None:
        reach, p = _sequential(z, arms, planned, level, correction)
        freedom = np.full(count, np.inf)
    else:
        reach, p = _at_one_look(z, covariance, errors, freedom, level, correction)
    return tuple(
        Comparison(
            arms.levels[i + 1],
            float(change[i]),
            float(errors[i]),
            float(freedom[i]) if np.isfinite(freedom[i]) else None,
            float(change[i] - reach[i] * errors[i]),
            float(change[i] + reach[i] * errors[i]),
            float(p[i]),
        )
        for i in range(count)
    )


def _sequential(
    z: FloatArray, arms: Arms, planned: float, level: float, correction: str
) -> tuple[FloatArray, FloatArray]:
    if not planned > 0:
        raise OptionError(
            f"{planned!r} is no number of rows",
            where="ab_test, sequential",
            remedy="Give the rows at which the interval should be shortest, such as 10000",
        )
    rows, count = float(arms.rows.sum()), len(z)
    share = 1 if correction == "none" else count
    each = 1 - (1 - level) / share
    reach = np.full(count, always_valid_reach(rows, planned, each))
    p = np.array([always_valid_p(float(v), rows, planned, each) for v in z])
    return reach, np.minimum(1.0, p * share)


def _at_one_look(
    z: FloatArray,
    covariance: FloatArray,
    errors: FloatArray,
    freedom: FloatArray,
    level: float,
    correction: str,
) -> tuple[FloatArray, FloatArray]:
    count = len(z)
    p = np.asarray(2 * stats.t.sf(np.abs(z), freedom))
    if count == 1 or correction == "none":
        return np.asarray(stats.t.isf((1 - level) / 2, freedom)), p
    bonferroni = np.asarray(stats.t.isf((1 - level) / 2 / count, freedom))
    if correction == "holm":
        order = np.argsort(p)
        stepped = np.maximum.accumulate(p[order] * np.arange(count, 0, -1))
        adjusted = np.empty(count)
        adjusted[order] = np.minimum(1.0, stepped)
        return bonferroni, adjusted
    correlation = covariance / np.outer(errors, errors)
    loadings = _loadings(correlation)
    if loadings is None:  # no common control behind it: clusters cross the arms
        return bonferroni, np.minimum(1.0, p * count)
    least = float(freedom.min())

    def beyond(size: float) -> float:
        return 1 - _all_within(size, loadings, least)

    single = float(stats.t.isf((1 - level) / 2, least))
    most = float(stats.t.isf((1 - level) / 2 / count, least)) + 1e-6
    reach = optimize.brentq(lambda c: beyond(c) - (1 - level), single, most)
    # Quadrature loses small tails; the truth lies between these two.
    adjusted = np.clip([beyond(float(abs(v))) for v in z], p, np.minimum(1.0, p * count))
    return np.full(count, reach), adjusted


def _loadings(correlation: FloatArray) -> FloatArray | None:
    """Return l with correlation[i, j] = l[i] l[j] off the diagonal, if there is one."""
    count = len(correlation)
    if count == 2:
        return None if correlation[0, 1] < 0 else np.full(2, np.sqrt(correlation[0, 1]))
    found = np.empty(count)
    for i in range(count):
        j, k = [other for other in range(count) if other != i][:2]
        if correlation[j, k] <= 0:
            return None
        found[i] = np.sqrt(max(correlation[i, j] * correlation[i, k] / correlation[j, k], 0.0))
    left = correlation - np.outer(found, found)
    np.fill_diagonal(left, 0.0)
    return found if np.abs(left).max() < 1e-6 and found.max() < 1 else None


def _all_within(size: float, loadings: FloatArray, freedom: float) -> float:
    """Return P(all |T| ≤ size) of equicorrelated or one-factor t variables, by quadrature."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(_HERMITE)
    weights = weights / weights.sum()
    scales, shares = np.ones(1), np.ones(1)
    if np.isfinite(freedom):
        points, lengths = np.polynomial.legendre.leggauss(_LEGENDRE)
        scales = np.sqrt(stats.chi2.ppf((points + 1) / 2, freedom) / freedom)
        shares = lengths / 2
    rest = np.sqrt(1 - loadings**2)
    shift = np.outer(nodes, loadings)[None, :, :]
    limit = (size * scales)[:, None, None]
    each = stats.norm.cdf((limit - shift) / rest) - stats.norm.cdf((-limit - shift) / rest)
    return float(shares @ (each.prod(axis=2) @ weights))
