"""How much a statistic varies between ordinary windows, beyond what sampling explains.

Rows of one day resemble each other more than rows of two days: something moved a little that
nobody monitors. A test that knows of rows alone calls this drift, the more surely the more rows
there are. Past windows show how large it usually is.

For a score Σ ρ b (w − e), with residual ρ, regressor b and window residual w − e, past window k
has its own coefficient θ_k = Σ_k ρ b / Σ_k b². Their variance τ² beyond the sampling error adds
τ² Σ_k L_k² to the variance of the score, L_k = Σ_k b² (w − e) over the rows of each window, the
current one included: with K alike windows, (1 + 1/K) L².

References
----------
DerSimonian & Laird (1986), Meta-analysis in clinical trials.
Smyth (2004), Linear models and empirical Bayes methods for assessing differential expression.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from whydrift.discovery.arrays import FloatArray, IntArray

__all__ = ["LEAST_WINDOWS", "BetweenWindows"]

LEAST_WINDOWS = 14  # below, their variance is known too badly to be of use
_LEAST_INFORMATION = 5.0  # of a window: about so many rows where the regressor is not zero
# Scores of one column borrow from each other, as if their mean had been seen so often.
_PRIOR_WINDOWS = 10.0


@dataclass
class BetweenWindows:
    """Sums by past window, collected score by score.

    Parameters
    ----------
    parts : ndarray of shape (n_past,)
        The past window of each row used, ascending; these rows come first.
    """

    parts: IntArray
    _scores: list[tuple[FloatArray, FloatArray, FloatArray, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        found, self._first = np.unique(self.parts, return_index=True)
        self.count = len(found)

    def add(self, residual: FloatArray, by: FloatArray | float, leverage: FloatArray) -> None:
        """Note one score, the product of residual and leverage (which holds ``by`` already).

        Parameters
        ----------
        residual : ndarray of shape (n_rows,)
        by : ndarray of shape (n_rows,) or float
            The regressor.
        leverage : ndarray of shape (n_rows,)
            Regressor times window residual.
        """
        past = len(self.parts)
        regressor = np.broadcast_to(np.asarray(by, dtype=np.float64), residual.shape)
        product = residual[:past] * regressor[:past]
        share = leverage * regressor
        self._scores.append(
            (
                np.add.reduceat(product, self._first),
                np.add.reduceat(regressor[:past] ** 2, self._first),
                np.add.reduceat(product**2, self._first),
                float((np.add.reduceat(share[:past], self._first) ** 2).sum())
                + float(share[past:].sum()) ** 2,
            )
        )

    def variance(self, inflation: FloatArray) -> tuple[FloatArray, float]:
        """Return what to add to each score's variance, and the degrees of freedom of that.

        Parameters
        ----------
        inflation : ndarray of shape (n_scores,)
            By how much dependence between rows raises each score's variance above that of
            independent rows.
        """
        between = np.zeros(len(self._scores))
        windows = np.zeros(len(self._scores))
        for place, (total, information, square, _) in enumerate(self._scores):
            told = information >= _LEAST_INFORMATION
            if told.sum() < 3:
                continue
            theta = total[told] / information[told]
            error = np.maximum(inflation[place], 1.0) * square[told] / information[told] ** 2
            error = np.maximum(error, 1e-12)
            between[place], windows[place] = _method_of_moments(theta, error), told.sum()
        known = windows > 0
        if not known.any():
            return np.zeros(len(between)), float("inf")
        # Shrunk before the negative ones are cut off: a mean of cut ones would be too large.
        common = float(between[known].mean())
        mixed = (windows * between + _PRIOR_WINDOWS * common) / (windows + _PRIOR_WINDOWS)
        loads = np.array([load for *_, load in self._scores])
        freedom = float(windows[known].min()) - 1 + _PRIOR_WINDOWS
        return np.where(known, np.maximum(mixed, 0.0), max(common, 0.0)) * loads, freedom


def _method_of_moments(theta: FloatArray, error: FloatArray) -> float:
    """Return the variance between the means beyond their errors; negative where they are alike."""
    weight = 1 / error
    centre = float(weight @ theta / weight.sum())
    excess = float(weight @ (theta - centre) ** 2) - (len(theta) - 1)
    return excess / float(weight.sum() - weight @ weight / weight.sum())
