"""The scores of one column, each with what it means."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from whydrift.discovery.arrays import FloatArray
from whydrift.monitor.diagnosis.side_by_side import side_by_side

__all__ = ["MOST_SCORES", "Scores"]

MOST_SCORES: Final = 60


@dataclass
class Scores:
    """Score columns (without the window's residual) and what each means.

    The first ``leading`` form the short test.
    """

    leading: int
    main: FloatArray  # residuals whose dependence on other columns would be new, (n, k)
    main_raw: FloatArray  # the same in reported units
    main_unit: str
    main_names: list[str]
    residuals: list[FloatArray] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    raw: list[FloatArray] = field(default_factory=list)  # the residual in reported units
    by: list[FloatArray] = field(default_factory=list)  # what it is multiplied by
    units: list[str] = field(default_factory=list)
    scale: list[float] = field(default_factory=list)  # sd of what each change is measured in
    windows: list[FloatArray] = field(default_factory=list)  # w − e that each is multiplied by

    def add(
        self,
        residual: FloatArray,
        raw: FloatArray,
        by: FloatArray,
        name: str,
        unit: str,
        window: FloatArray,
        scale: float = 1.0,
    ) -> None:
        """Add the score residual × by × window."""
        self.residuals.append(residual)
        self.names.append(name)
        self.raw.append(raw)
        self.by.append(by)
        self.units.append(unit)
        self.scale.append(scale)
        self.windows.append(window)

    @property
    def columns(self) -> FloatArray:
        """The score columns, shape (n_rows, n_scores), each contiguous in memory."""
        out = np.empty((len(self.by), len(self.main)))
        for column, residual, by in zip(out, self.residuals, self.by, strict=True):
            np.multiply(residual, by, out=column)
        return out.T

    def window(self) -> FloatArray:
        """Return the window residuals of the scores; one column where all share it."""
        first = self.windows[0]
        if all(w is first for w in self.windows):
            return first[:, None]
        return side_by_side(self.windows)
