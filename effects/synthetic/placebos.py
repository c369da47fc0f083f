"""What the method finds where nothing was done: in other units, and at an earlier time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from whydrift.discovery.arrays import FloatArray
from whydrift.effects.synthetic.mix import Mix, mix_donors
from whydrift.effects.synthetic.panel import Panel

__all__ = ["Placebos", "at_an_earlier_time", "in_other_units", "without_each_donor"]

_HELD_OUT = 1 / 3  # of the periods before
_SMALL = 1e-9


@dataclass(frozen=True)
class Placebos:
    """The method on each donor as if it were the treated one.

    Parameters
    ----------
    mixes : tuple of Mix
        One for each donor.
    own : Mix
        That of the treated unit.
    """

    mixes: tuple[Mix, ...]
    own: Mix

    @property
    def scaled(self) -> FloatArray:
        """Each donor's mean gap after, in units of its own miss before."""
        floor = _SMALL * max(float(np.abs(mix.path).max()) for mix in self.mixes)
        return np.array([mix.effect / max(mix.miss, floor, 1e-300) for mix in self.mixes])

    @property
    def ratios(self) -> FloatArray:
        """Miss after over miss before, of the treated first."""
        return np.array([m.miss_after / max(m.miss, 1e-300) for m in (self.own, *self.mixes)])

    def p_value(self) -> float:
        """Share of units, the treated among them, whose scaled gap is as large as its."""
        own = abs(self.own.effect) / max(self.own.miss, 1e-300)
        return float((1 + (np.abs(self.scaled) >= own).sum()) / (1 + len(self.mixes)))

    def reach(self, level: float) -> float | None:
        """Return how far an interval reaches to either side; None if there are too few donors.

        It holds the effects that would not make the treated unit stand out among the donors.
        """
        rank = int(np.ceil(level * (len(self.mixes) + 1) - 1e-9))
        if rank > len(self.mixes):
            return None
        return float(np.sort(np.abs(self.scaled))[rank - 1]) * self.own.miss

    def standard_error(self) -> float:
        """Return the root mean square of the donors' scaled gaps, times the treated unit's miss."""
        return float(np.sqrt(np.mean(self.scaled**2))) * self.own.miss


def in_other_units(panel: Panel, own: Mix) -> Placebos:
    """Put the method to each donor, with the others as its donors; the treated unit is left out."""
    mixes = []
    for column in range(panel.donors.shape[1]):
        others = np.delete(panel.donors, column, axis=1)
        predictors = np.column_stack(
            [
                panel.predictors[:, 1 + column],
                np.delete(panel.predictors[:, 1:], column, axis=1),
            ]
        )
        mixes.append(mix_donors(panel.donors[:, column], others, panel.before, predictors))
    return Placebos(tuple(mixes), own)


def at_an_earlier_time(panel: Panel) -> Placebos | None:
    """Put the method to the periods before alone, as if the treatment had begun two thirds through.

    None where that would leave less than three periods to fit on. The outcomes alone are matched:
    predictors are means over all periods before.
    """
    held_out = max(round(_HELD_OUT * panel.before), 1)
    fit = panel.before - held_out
    if fit < 3:
        return None
    treated, donors = panel.treated[: panel.before], panel.donors[: panel.before]
    own = mix_donors(treated, donors, fit)
    mixes = (
        mix_donors(donors[:, column], np.delete(donors, column, axis=1), fit)
        for column in range(donors.shape[1])
    )
    return Placebos(tuple(mixes), own)


def without_each_donor(panel: Panel, own: Mix) -> list[tuple[int, Mix]]:
    """Put the method to the treated unit without each of the donors that count, in turn."""
    found = []
    for column in np.flatnonzero(own.weights > 0.001):
        if panel.donors.shape[1] < 3:
            break
        kept = np.delete(np.arange(panel.donors.shape[1]), column)
        predictors = panel.predictors[:, np.append(0, 1 + kept)]
        found.append(
            (
                int(column),
                mix_donors(panel.treated, panel.donors[:, kept], panel.before, predictors),
            )
        )
    return found
