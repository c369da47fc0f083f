"""The Anderson–Rubin interval: right however weak the instruments, and maybe without bounds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import optimize, stats

from whydrift.effects.instrument.reduced_form import ReducedForm
from whydrift.effects.words import interval_text

__all__ = ["AndersonRubin", "anderson_rubin"]

_STEPS = 4001  # on the whole line, bent to a half circle


@dataclass(frozen=True)
class AndersonRubin:
    """Effects that the data do not reject.

    Parameters
    ----------
    pieces : tuple of (low, high)
        In order; None where one has no bound on that side. None at all where every effect is
        rejected, which needs more than one instrument.
    p_value : float
        Of no effect.
    """

    pieces: tuple[tuple[float | None, float | None], ...]
    p_value: float

    @property
    def hull(self) -> tuple[float | None, float | None]:
        """The shortest interval around all pieces."""
        if not self.pieces:
            return None, None
        return self.pieces[0][0], self.pieces[-1][1]

    @property
    def is_bounded(self) -> bool:
        """Whether both ends are."""
        return bool(self.pieces) and None not in self.hull

    @property
    def text(self) -> str:
        """The set, in words."""
        if not self.pieces:
            return "empty: no effect fits all instruments"
        shown = " and ".join(interval_text(*piece) for piece in self.pieces)
        return shown if self.is_bounded else f"{shown}, without a bound"


def anderson_rubin(form: ReducedForm, level: float) -> AndersonRubin:
    """Return the effects of which the Anderson–Rubin test does not reject at 1 − level.

    The line is searched on a grid that is fine around the two-stage estimate (two standard errors
    hold half of its points) and reaches to infinity, where the statistic is the first-stage F.
    """
    limit = float(stats.f.isf(1 - level, form.count, form.freedom))
    inverse = np.linalg.inv(form.gram)
    signal = float(form.with_treatment @ inverse @ form.with_treatment)
    centre = float(form.with_treatment @ inverse @ form.with_outcome) / signal
    slopes = inverse @ form.with_treatment
    spread = (
        form.spread_outcome
        - centre * (form.spread_both + form.spread_both.T)
        + centre**2 * form.spread_treatment
    )
    scale = 2 * float(np.sqrt(slopes @ spread @ slopes)) / signal

    def over(angles: np.ndarray) -> np.ndarray:
        return form.anderson_rubin(centre + scale * np.tan(np.atleast_1d(angles))) - limit

    half = np.pi / 2
    angles = np.linspace(-half, half, _STEPS + 1)[1:-1]
    held = over(angles) <= 0
    at_infinity = form.first_stage_f <= limit
    turns = np.flatnonzero(np.diff(held))
    ends = [
        centre + scale * np.tan(optimize.brentq(lambda a: over(a)[0], angles[i], angles[i + 1]))
        for i in turns
    ]
    edges: list[float | None] = [float(end) for end in ends]
    if held[0]:
        edges.insert(0, None if at_infinity else float(centre + scale * np.tan(angles[0])))
    if held[-1]:
        edges.append(None if at_infinity else float(centre + scale * np.tan(angles[-1])))
    pieces = tuple(zip(edges[::2], edges[1::2], strict=True))
    at_zero = float(form.anderson_rubin(np.zeros(1))[0])
    return AndersonRubin(pieces, float(stats.f.sf(at_zero, form.count, form.freedom)))
