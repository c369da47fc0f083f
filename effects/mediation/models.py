"""The two models of mediation, and the means of nested potential outcomes that they imply."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.polynomial.hermite_e import hermegauss

from whydrift.discovery.arrays import FloatArray
from whydrift.effects.propensity import expit, logistic_ridge

__all__ = ["Parts", "mediated_parts"]

_RIDGE: Final = 1e-4
_NODES, _WEIGHTS = hermegauss(15)
_SHARES: Final = _WEIGHTS / _WEIGHTS.sum()


@dataclass(frozen=True, slots=True)
class Parts:
    """Contrasts of Y(a, M(a')), averaged over the rows.

    Parameters
    ----------
    indirect_control, indirect_treated : float
        E[Y(a, M(1)) − Y(a, M(0))] at a = 0 and a = 1.
    direct_control, direct_treated : float
        E[Y(1, M(a)) − Y(0, M(a))] at a = 0 and a = 1.
    """

    indirect_control: float
    indirect_treated: float
    direct_control: float
    direct_treated: float

    @property
    def indirect(self) -> float:
        """Mean of the two indirect effects."""
        return (self.indirect_control + self.indirect_treated) / 2

    @property
    def direct(self) -> float:
        """Mean of the two direct effects."""
        return (self.direct_control + self.direct_treated) / 2

    @property
    def total(self) -> float:
        """E[Y(1, M(1)) − Y(0, M(0))]."""
        return self.indirect_treated + self.direct_control

    def as_tuple(self) -> tuple[float, ...]:
        """Return the seven numbers in the order of the table of a result."""
        return (
            self.indirect, self.indirect_control, self.indirect_treated,
            self.direct, self.direct_control, self.direct_treated, self.total,
        )  # fmt: skip


def mediated_parts(
    amount: FloatArray,
    mediator: FloatArray,
    outcome: FloatArray,
    covariates: FloatArray,
    *,
    interaction: bool,
) -> Parts:
    """Fit both models, and average what they say over the rows (the mediation formula).

    The mean over the mediator's distribution is exact: a sum for 0 and 1, Gauss–Hermite quadrature
    for a number, so that no simulation adds its noise.

    Parameters
    ----------
    amount : ndarray of shape (n_rows,)
        The treatment; the contrast is 1 against 0.
    mediator, outcome : ndarray of shape (n_rows,)
        Logistic models where they are 0 and 1, else linear with normal noise.
    covariates : ndarray of shape (n_rows, 1 + n_features)
        Behind a column of ones.
    interaction : bool
        Whether the treatment may change what the mediator does.

    References
    ----------
    Pearl (2001), Direct and indirect effects.
    Imai, Keele & Tingley (2010), A general approach to causal mediation analysis.
    """
    is_chance = _is_binary(mediator)
    first = np.column_stack([covariates, amount])
    of_mediator: FloatArray = (_logistic if is_chance else _linear)(first, mediator)
    spread = 0.0
    if not is_chance:
        left = mediator - first @ of_mediator
        spread = float(np.sqrt(left @ left / max(1, len(left) - first.shape[1])))
    says_chance = _is_binary(outcome)
    second = _second(covariates, amount, mediator, interaction)
    of_outcome = (_logistic if says_chance else _linear)(second, outcome)
    base = covariates @ of_mediator[:-1]
    ones = np.ones(len(amount))

    def mean(a: float, by: float) -> float:
        """E[Y(a, M(by))]."""
        centre = base + by * of_mediator[-1]
        if is_chance:
            chance = expit(centre)
            points: tuple[tuple[FloatArray, FloatArray], ...] = (
                (0.0 * ones, 1 - chance),
                (ones, chance),
            )
        elif not says_chance:  # of a straight line, the mean is at the mean
            points = ((centre, ones),)
        else:
            points = tuple(
                (centre + spread * node, share * ones)
                for node, share in zip(_NODES, _SHARES, strict=True)
            )
        total = 0.0
        for values, share in points:
            line = _second(covariates, a * ones, values, interaction) @ of_outcome
            total += float((share * (expit(line) if says_chance else line)).mean())
        return total

    y00, y01, y10, y11 = mean(0, 0), mean(0, 1), mean(1, 0), mean(1, 1)
    return Parts(y01 - y00, y11 - y10, y10 - y00, y11 - y01)


def _second(
    covariates: FloatArray, amount: FloatArray, mediator: FloatArray, interaction: bool
) -> FloatArray:
    parts = [covariates, amount, mediator]
    design: FloatArray = np.column_stack([*parts, amount * mediator] if interaction else parts)
    return design


def _linear(design: FloatArray, values: FloatArray) -> FloatArray:
    return np.asarray(np.linalg.lstsq(design, values, rcond=None)[0], dtype=np.float64)


def _logistic(design: FloatArray, values: FloatArray) -> FloatArray:
    return logistic_ridge(design, values, penalty=_RIDGE)


def _is_binary(values: FloatArray) -> bool:
    return bool(np.isin(values, (0.0, 1.0)).all())
