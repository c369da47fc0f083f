"""The outcome model: a ridge regression on the features of the parents."""

from __future__ import annotations

import numpy as np

from whydrift.discovery.arrays import FloatArray
from whydrift.effects.cholesky import solved
from whydrift.monitor.diagnosis.mechanism.design import Design

__all__ = ["Regression", "residual_spread"]


class Regression:
    """Regression on the parents' features of a design."""

    def __init__(self, design: Design) -> None:
        self._matrix = design.matrix
        self._factor = design.ridge_factor
        self._rare = design.rare

    def fitted(self, response: FloatArray) -> FloatArray:
        """Return the ridge fit, shape (n,) or (n, k), each column contiguous in memory."""
        if self._matrix.shape[1] == 1:
            return np.broadcast_to(response.mean(axis=0), response.shape)
        beta = solved(self._factor, self._matrix.T @ response)
        fit: FloatArray = (beta.T @ self._matrix.T).T
        return fit

    def residual(self, response: FloatArray) -> FloatArray:
        """Return response minus its ridge fit, and minus what a rare level has in common."""
        return self._rare.centred(response - self.fitted(response))


def residual_spread(regression: Regression, residual: FloatArray) -> FloatArray:
    """Return how far a residual spreads given the parents, shape (n,)."""
    absolute = np.abs(residual)
    out: FloatArray = np.maximum(regression.fitted(absolute), 0.25 * float(absolute.mean()))
    return out
