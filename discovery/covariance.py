"""A covariance matrix in place of rows: all that linear Gaussian searches ask of the data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from whydrift.discovery.arrays import BoolArray, FloatArray, read_only
from whydrift.discovery.errors import SchemaError, TooFewRows

__all__ = ["Covariance"]

_ROUNDING = 1e-6  # of a correlation: matrices are often kept with six digits


@dataclass(frozen=True, eq=False)
class Covariance:
    """Covariances (or correlations) of numbers, and of how many rows they are.

    `discover` takes it in place of a table where the search needs no more than this: what it then
    costs does not depend on how many rows there were.

    Parameters
    ----------
    matrix : array of shape (n_columns, n_columns)
        Symmetric and positive semidefinite, up to rounding in the sixth digit of its correlations.
    columns : sequence of str
        Names, in the order of the matrix.
    rows : float
        Rows that the matrix was computed from, or, where they were weighted or depend on each
        other, as many independent ones as would tell as much; at least 2.

    Raises
    ------
    SchemaError
        If the matrix is no covariance matrix of these columns.
    TooFewRows
        With fewer than 2 rows.

    Examples
    --------
    >>> import numpy as np
    >>> values = np.random.default_rng(0).normal(size=(500, 2)) @ [[1, 1], [0, 1]]
    >>> Covariance(np.cov(values.T), ["a", "b"], rows=500)
    Covariance(columns=('a', 'b'), rows=500.0)
    """

    matrix: FloatArray = field(repr=False)
    columns: tuple[str, ...]
    rows: float

    def __init__(self, matrix: Any, columns: Sequence[str], rows: float) -> None:
        names = _checked_names(columns)
        try:
            values = np.array(matrix, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise _refused(f"the matrix does not hold numbers ({error})") from error
        _check_shape(values, names)
        _check_values(values, names)
        count = float(rows)
        if not 2 <= count < np.inf:
            raise TooFewRows(
                f"{rows!r} rows have no covariance" if count < 2 else f"{rows!r} is no number",
                where="covariance",
                remedy="Say with rows=… how many rows the matrix was computed from",
            )
        object.__setattr__(self, "matrix", read_only((values + values.T) / 2))
        object.__setattr__(self, "columns", names)
        object.__setattr__(self, "rows", count)

    @property
    def varies(self) -> BoolArray:
        """Which columns vary: shape (n_columns,)."""
        varies: BoolArray = np.diagonal(self.matrix) > 0
        return varies

    def correlation(self, columns: Sequence[str]) -> FloatArray:
        """Return the correlation matrix of some columns that vary, in their order."""
        place = {name: i for i, name in enumerate(self.columns)}
        index = [place[name] for name in columns]
        return _correlations(self.matrix[np.ix_(index, index)])


def _correlations(matrix: FloatArray) -> FloatArray:
    scale = np.sqrt(np.diagonal(matrix))
    out: FloatArray = matrix / scale / scale[:, None]
    np.fill_diagonal(out, 1.0)
    return np.clip(out, -1.0, 1.0)


def _checked_names(columns: Sequence[str]) -> tuple[str, ...]:
    if isinstance(columns, str):
        raise _refused("the columns are a single name", 'Write columns=["a", "b"]')
    names = tuple(str(name) for name in columns)
    if len(set(names)) < len(names):
        twice = next(name for i, name in enumerate(names) if name in names[:i])
        raise _refused(f"column {twice!r} is named twice", "Give every column its own name")
    return names


def _check_shape(matrix: FloatArray, names: tuple[str, ...]) -> None:
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise _refused(f"the matrix is not square: its shape is {matrix.shape}")
    if len(matrix) != len(names):
        raise _refused(
            f"the matrix has {len(matrix)} columns, and {len(names)} are named",
            "Name every column, in the order of the matrix",
        )


def _check_values(matrix: FloatArray, names: tuple[str, ...]) -> None:
    odd = np.argwhere(~np.isfinite(matrix))
    if odd.size:
        raise _refused(
            f"there is no number for {_pair(names, odd)}",
            "Leave out columns without values, and compute it from complete rows",
        )
    variance = np.diagonal(matrix)
    if (variance < 0).any():
        raise _refused(f"the variance of {names[int(variance.argmin())]!r} is negative")
    varying = np.flatnonzero(variance > 0)
    scale = np.sqrt(variance[varying])
    lopsided = np.argwhere(~np.isclose(matrix, matrix.T, rtol=_ROUNDING, atol=0.0))
    for i, j in lopsided.tolist():
        if abs(matrix[i, j] - matrix[j, i]) > _ROUNDING * np.sqrt(variance[i] * variance[j]):
            raise _refused(f"the matrix is not symmetric at {_pair(names, lopsided)}")
    still = np.argwhere((variance == 0)[:, None] & (matrix != 0))
    if still.size:
        raise _refused(
            f"{names[int(still[0, 0])]!r} has no variance, and varies with "
            f"{names[int(still[0, 1])]!r}"
        )
    correlation = matrix[np.ix_(varying, varying)] / scale / scale[:, None]
    if varying.size and float(np.linalg.eigvalsh(correlation)[0]) < -_ROUNDING * len(varying):
        raise _refused(
            "the matrix is not positive semidefinite: no columns have these covariances",
            "Compute it from complete rows; covariances pair by pair need not fit together",
        )


def _pair(names: tuple[str, ...], places: Any) -> str:
    i, j = places[0].tolist()
    return f"{names[i]!r} and {names[j]!r}" if i != j else repr(names[i])


def _refused(what: str, remedy: str = "Give it as numpy.cov(values.T) returns it") -> SchemaError:
    return SchemaError(what, where="covariance", remedy=remedy)
