"""Least squares with whole sets of fixed effects taken out first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from whydrift.discovery.arrays import FloatArray, IntArray

__all__ = ["Absorber", "Slopes", "slopes"]

_DEPENDENT = 1e-9  # a singular value below this share of the largest is rounding


@dataclass(frozen=True)
class Absorber:
    """What is taken out of the outcome and of the columns whose slopes are asked for.

    Parameters
    ----------
    unit : ndarray of int, shape (n_rows,), optional
        Codes from 0: each has a level of its own. None for one intercept.
    basis : ndarray of shape (n_rows, n_directions)
        Orthonormal; of the other columns, once the levels are out.
    """

    unit: IntArray | None
    basis: FloatArray

    @classmethod
    def build(cls, columns: FloatArray, unit: IntArray | None = None) -> Absorber:
        """Take out columns, shape (n_rows, n_columns); those that depend on others do no harm."""
        bare = cls(unit, np.empty((len(columns), 0)))
        if not columns.shape[1]:
            return bare
        centred = bare.residual(columns)
        length = np.sqrt((centred**2).sum(axis=0))
        kept = length > _DEPENDENT * np.maximum(np.sqrt((columns**2).sum(axis=0)), 1e-300)
        if not kept.any():
            return bare
        left, sizes, _ = np.linalg.svd(centred[:, kept] / length[kept], full_matrices=False)
        return cls(unit, np.ascontiguousarray(left[:, sizes > _DEPENDENT * sizes[0]]))

    @property
    def levels(self) -> int:
        """Number of levels: units, or the one intercept."""
        return 1 if self.unit is None else int(self.unit.max()) + 1

    @property
    def parameters(self) -> int:
        """How many numbers are fitted."""
        return self.levels + int(self.basis.shape[1])

    def residual(self, values: FloatArray) -> FloatArray:
        """Return what is left of columns, shape (n_rows,) or (n_rows, n_columns)."""
        table = values.reshape(len(values), -1)
        if self.unit is None:
            left = table - table.mean(axis=0)
        else:
            rows = np.bincount(self.unit)
            sums = np.column_stack([np.bincount(self.unit, column) for column in table.T])
            left = table - (sums / rows[:, None])[self.unit]
        left = left - self.basis @ (self.basis.T @ left)
        found: FloatArray = left.reshape(values.shape)
        return found


@dataclass(frozen=True)
class Slopes:
    """Slopes of some columns, others taken out.

    Parameters
    ----------
    values : ndarray of shape (n_columns,)
    covariance : ndarray of shape (n_columns, n_columns)
    freedom : float
        Of Student's t.
    columns : ndarray of shape (n_rows, n_columns)
        What is left of them.
    outcome : ndarray of shape (n_rows,)
        What is left of it.
    """

    values: FloatArray
    covariance: FloatArray
    freedom: float
    columns: FloatArray
    outcome: FloatArray

    @property
    def errors(self) -> FloatArray:
        """Standard errors."""
        found: FloatArray = np.sqrt(np.diag(self.covariance))
        return found


def slopes(
    absorber: Absorber,
    columns: FloatArray,
    outcome: FloatArray,
    *,
    cluster: IntArray | None,
    robust: bool,
) -> Slopes:
    """Return slopes by least squares.

    Parameters
    ----------
    absorber : Absorber
    columns : ndarray of shape (n_rows, n_columns)
        Of full rank once the absorber's are out.
    outcome : ndarray of shape (n_rows,)
    cluster : ndarray of int, shape (n_rows,), optional
        Where there are units, they lie within clusters: their levels then cost no freedom.
    robust : bool
        Whether errors allow for unequal spread (HC1); with clusters they do.

    References
    ----------
    Frisch & Waugh (1933). Cameron & Miller (2015), A practitioner's guide to cluster-robust
    inference.
    """
    left, rest = absorber.residual(columns), absorber.residual(outcome)
    inverse = np.linalg.inv(left.T @ left)
    found = inverse @ (left.T @ rest)
    error = rest - left @ found
    rows, asked = columns.shape
    spare = max(rows - absorber.parameters - asked, 1)
    if cluster is not None:
        groups = int(cluster.max()) + 1
        scores = np.column_stack([np.bincount(cluster, s) for s in (left * error[:, None]).T])
        charged = max(rows - 1 - absorber.basis.shape[1] - asked, 1)
        meat = scores.T @ scores * (groups / (groups - 1) * (rows - 1) / charged)
        freedom = float(groups - 1)
    else:
        weights = error**2 if robust else np.full(rows, float(error @ error) / rows)
        meat = (left * weights[:, None]).T @ left * (rows / spare)
        freedom = float(spare)
    return Slopes(found, inverse @ meat @ inverse, freedom, left, rest)
