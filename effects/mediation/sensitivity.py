"""What a hidden cause of mediator and outcome would do to a mediated effect."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from whydrift.discovery.arrays import FloatArray
from whydrift.effects.chart import Chart, Rule, Series, Shape

__all__ = ["MediationSensitivity", "mediation_sensitivity"]

_POINTS = 91


@dataclass(frozen=True)
class MediationSensitivity:
    """The indirect effect, by the correlation ρ that a hidden cause puts between the two errors.

    Parameters
    ----------
    turning : float
        The ρ at which the indirect effect is zero.
    rho, indirect : tuple of float
    """

    turning: float
    rho: tuple[float, ...]
    indirect: tuple[float, ...]

    def chart(self) -> Chart:
        """Return the curve."""
        line = Series.of("", self.rho, self.indirect, shape=Shape.LINE)
        return Chart(
            "mediation_sensitivity",
            "The indirect effect, were mediator and outcome to share a hidden cause",
            "correlation of the errors (ρ)",
            "indirect effect",
            (line,),
            (Rule("y", 0.0), Rule("x", self.turning, f"ρ = {self.turning:.2f}")),
        )


def mediation_sensitivity(
    amount: FloatArray, mediator: FloatArray, outcome: FloatArray, covariates: FloatArray
) -> MediationSensitivity:
    """Return the indirect effect under hidden confounding, in the linear model.

    Parameters
    ----------
    amount, mediator, outcome : ndarray of shape (n_rows,)
    covariates : ndarray of shape (n_rows, 1 + n_features)
        Behind a column of ones.

    References
    ----------
    Imai, Keele & Yamamoto (2010), Identification, inference and sensitivity analysis for causal
    mediation effects, theorem 4.
    """
    design = np.column_stack([covariates, amount])
    moved = np.linalg.lstsq(design, mediator, rcond=None)[0]
    total = np.linalg.lstsq(design, outcome, rcond=None)[0]
    of_mediator, of_outcome = mediator - design @ moved, outcome - design @ total
    size = float(np.sqrt((of_outcome @ of_outcome) / (of_mediator @ of_mediator)))
    turning = float(
        of_mediator @ of_outcome / np.sqrt((of_mediator @ of_mediator) * (of_outcome @ of_outcome))
    )
    rho = np.linspace(-0.9, 0.9, _POINTS)
    each = moved[-1] * size * (turning - rho * np.sqrt((1 - turning**2) / (1 - rho**2)))
    return MediationSensitivity(turning, tuple(rho.tolist()), tuple(each.tolist()))
