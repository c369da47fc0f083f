"""What the instruments do to outcome and treatment, and all that follows without the estimate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from whydrift.discovery.arrays import FloatArray, IntArray
from whydrift.discovery.errors import TooFewRows

__all__ = ["ReducedForm", "reduced_form"]


@dataclass(frozen=True)
class ReducedForm:
    """Instruments against outcome and treatment, the columns adjusted for taken out of all three.

    Parameters
    ----------
    gram : ndarray of shape (k, k)
        Z'Z of k instruments.
    with_outcome, with_treatment : ndarray of shape (k,)
        Z'Y and Z'D.
    spread_outcome, spread_both, spread_treatment : ndarray of shape (k, k)
        Estimated covariances of the first with itself, of both, of the second with itself, such
        that of Z'(Y − b D) is the first less b times (the second and its transpose) plus b² times
        the third.
    freedom : float
        Of the denominator of F statistics.
    """

    gram: FloatArray
    with_outcome: FloatArray
    with_treatment: FloatArray
    spread_outcome: FloatArray
    spread_both: FloatArray
    spread_treatment: FloatArray
    freedom: float

    @property
    def count(self) -> int:
        """Number of instruments."""
        return len(self.gram)

    @property
    def slopes(self) -> FloatArray:
        """First-stage coefficients of the instruments, shape (k,)."""
        found: FloatArray = np.asarray(np.linalg.solve(self.gram, self.with_treatment), float)
        return found

    @property
    def slope_errors(self) -> FloatArray:
        """Their standard errors."""
        inverse = np.linalg.inv(self.gram)
        variances: FloatArray = np.diag(inverse @ self.spread_treatment @ inverse)
        found: FloatArray = np.sqrt(variances)
        return found

    @property
    def first_stage_f(self) -> float:
        """F of no instrument moving the treatment, with the errors asked for."""
        moved = self.with_treatment
        return float(moved @ np.linalg.solve(self.spread_treatment, moved)) / self.count

    @property
    def effective_f(self) -> float:
        """The effective F: of one instrument the robust F, of equal spread the usual one.

        References
        ----------
        Montiel Olea & Pflueger (2013), A robust test for weak instruments.
        """
        inverse = np.linalg.inv(self.gram)
        signal = float(self.with_treatment @ inverse @ self.with_treatment)
        return signal / float(np.trace(inverse @ self.spread_treatment))

    def critical_f(self, bias: float = 0.1, level: float = 0.05) -> float:
        """Return the effective F from which on the bias is at most a share of the worst one.

        The simplified, conservative test: it does not depend on the outcome.

        References
        ----------
        Montiel Olea & Pflueger (2013), section 3.2: 23.1 for one instrument and a tenth.
        """
        root = np.linalg.cholesky(self.gram)
        half = np.linalg.inv(root)
        spread = half @ self.spread_treatment @ half.T
        trace, largest = float(np.trace(spread)), float(np.linalg.eigvalsh(spread)[-1])
        odds = 1 / bias
        directions = trace**2 * (1 + 2 * odds) / (
            float(np.trace(spread @ spread)) + 2 * odds * trace * largest
        )  # fmt: skip
        return float(stats.ncx2.isf(level, directions, directions * odds)) / directions

    def anderson_rubin(self, effects: FloatArray) -> FloatArray:
        """Return the Anderson–Rubin F of each of some effects.

        Parameters
        ----------
        effects : ndarray of shape (n_effects,)

        Returns
        -------
        ndarray of shape (n_effects,)
            F(k, `freedom`) distributed where that is the effect, however weak the instruments.

        References
        ----------
        Anderson & Rubin (1949). Robust to unequal spread and clusters: Chernozhukov & Hansen
        (2008), The reduced form: a simple approach to inference with weak instruments.
        """
        b = effects[:, None]
        off = self.with_outcome - b * self.with_treatment  # (n_effects, k)
        b = b[:, :, None]
        both = self.spread_both + self.spread_both.T
        spread = self.spread_outcome - b * both + b**2 * self.spread_treatment
        solved = np.linalg.solve(spread, off[:, :, None])[:, :, 0]
        found: FloatArray = (off * solved).sum(axis=1) / self.count
        return found


def reduced_form(
    instruments: FloatArray,
    treatment: FloatArray,
    outcome: FloatArray,
    adjusted: FloatArray,
    *,
    robust: bool,
    cluster: IntArray | None,
) -> ReducedForm:
    """Return the reduced form.

    Parameters
    ----------
    instruments : ndarray of shape (n_rows, k)
        Of full rank together with ``adjusted``.
    treatment, outcome : ndarray of shape (n_rows,)
    adjusted : ndarray of shape (n_rows, n_adjusted)
        With an intercept.
    robust : bool
        Whether errors allow for unequal spread; with clusters they do.
    cluster : ndarray of int, shape (n_rows,), optional

    Raises
    ------
    TooFewRows
        If there are not more rows, or clusters, than instruments.
    """
    rows, k = instruments.shape
    spare = rows - adjusted.shape[1] - k
    groups = rows if cluster is None else int(cluster.max()) + 1
    if spare < 2 or groups < k + 2:  # the test of least squares fits one number more
        what = f"{rows} usable rows" if cluster is None else f"{groups} clusters"
        raise TooFewRows(
            f"{what} are too few for {k + adjusted.shape[1] - 1} instruments and covariates",
            where="iv",
            remedy="Name fewer instruments or columns, or give more rows",
        )
    basis, _ = np.linalg.qr(adjusted)
    z, d, y = (v - basis @ (basis.T @ v) for v in (instruments, treatment, outcome))
    gram = z.T @ z
    solved = np.linalg.solve(gram, np.column_stack([z.T @ y, z.T @ d]))
    left_y, left_d = y - z @ solved[:, 0], d - z @ solved[:, 1]
    if cluster is None and not robust:
        parts = [gram * float(a @ b) / spare for a, b in _pairs(left_y, left_d)]
    else:
        scores = [z * left[:, None] for left in (left_y, left_d)]
        scale = rows / spare
        if cluster is not None:
            scores = [_summed(score, cluster, groups) for score in scores]
            scale = groups / (groups - 1) * (rows - 1) / spare
        parts = [scale * (a.T @ b) for a, b in _pairs(scores[0], scores[1])]
    freedom = float(spare if cluster is None else groups - 1)
    return ReducedForm(gram, z.T @ y, z.T @ d, parts[0], parts[1], parts[2], freedom)


def _pairs(a: FloatArray, b: FloatArray) -> tuple[tuple[FloatArray, FloatArray], ...]:
    return (a, a), (a, b), (b, b)


def _summed(scores: FloatArray, cluster: IntArray, groups: int) -> FloatArray:
    return np.column_stack([np.bincount(cluster, column, groups) for column in scores.T])
