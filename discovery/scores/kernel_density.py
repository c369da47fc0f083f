"""How likely numbers are by a kernel estimate of their own density, each left out in turn.

References
----------
Silverman (1986), Density estimation for statistics and data analysis, sections 3.4 and 3.5.
"""

from __future__ import annotations

import math

import numpy as np

from whydrift.discovery.arrays import FloatArray, IntArray, read_only

__all__ = ["leave_one_out_log_likelihood"]

_NORMAL_QUARTILES = 1.349  # between a normal's quartiles, in sd
# The density is estimated on a grid; what lies outside counts as lying on its edge, where the wide
# component holds.
_GRID, _HALF_WIDTH = 512, 8.0
_STEP = 2 * _HALF_WIDTH / (_GRID - 1)
_PLACES = read_only(np.arange(float(_GRID)))
# A little of a wide density (Cauchy's) is mixed in: without it a lone outlier has the density 0.
_WIDE_SHARE, _WIDE_SCALE = 0.03, 2.0


def leave_one_out_log_likelihood(values: FloatArray, sd: float, unit: float = 1.0) -> float:
    """Return ``Σ log f(value)``, where f is a kernel estimate from all the other values.

    Values are shared by their two neighbours on a grid, which costs no accuracy that matters, and
    all else is done on the grid: log f at a value is interpolated between them.

    Parameters
    ----------
    values : ndarray of shape (n_rows,)
        At least two.
    sd : float
        Their standard deviation, in units.
    unit : float
        In which they have a spread near 1; f is a density per unit.
    """
    rows = values.size
    place = values * (1 / (_STEP * unit))
    place += _HALF_WIDTH / _STEP
    np.clip(place, 0.0, _GRID - 1.0, out=place)
    left = place.astype(np.int64)
    inside = np.bincount(left, minlength=_GRID)
    on_right = np.bincount(left, place, _GRID) - _PLACES * inside
    counts: FloatArray = inside - on_right
    counts[1:] += on_right[:-1]
    quarter = rows // 4
    until = inside.cumsum()
    low, high = (_ranked(place, left, until, k) for k in (quarter, rows - 1 - quarter))
    spread = min(sd, (high - low) * (_STEP / _NORMAL_QUARTILES)) if high > low else sd
    density = _density(counts, max(0.9 * spread * rows**-0.2, 2 * _STEP), rows)
    log_density = np.log(density)
    rise = log_density[1:] - log_density[:-1]
    # Between neighbours of the grid it is the density that is straight, and its log above a chord:
    # by t(1 − t)/2 · rise² at the share t of the way, a twelfth of rise² over evenly spread t.
    value = float(counts @ log_density) + float(inside[:-1] @ (rise * rise)) / 12
    if inside[0] or inside[-1]:
        far = values[np.abs(values) > _HALF_WIDTH * unit] / unit
        edge = np.where(far > 0, _GRID - 1, 0)
        there = density[edge] - _WIDE[edge] + _wide(far)
        value += float(np.log(there / density[edge]).sum())
    return value


def _density(counts: FloatArray, bandwidth: float, rows: int) -> FloatArray:
    """Return the density on the grid that the other rows give a row which lies there."""
    reach = min(math.ceil(4 * bandwidth / _STEP), _GRID - 1)
    offsets = _STEP / bandwidth * np.arange(-reach, reach + 1)
    kernel = np.exp(-0.5 * offsets * offsets)
    kernel /= bandwidth * math.sqrt(2 * math.pi)
    density: FloatArray = np.convolve(counts, kernel)[reach : reach + _GRID]
    # A row's own part, of which it leaves the share t at one place of the grid and 1 − t at the
    # next: on average over evenly spread t, each place weighed by the share there. At the edges it
    # is all of what lies outside.
    here, beside = float(kernel[reach]), float(kernel[reach + 1])
    density[1:-1] -= (2 * here + beside) / 3
    density[0] -= here
    density[-1] -= here
    np.maximum(density, 0.0, out=density)
    density *= (1 - _WIDE_SHARE) / (rows - 1)
    density += _WIDE
    return density


def _ranked(values: FloatArray, cell: IntArray, until: IntArray, rank: int) -> float:
    """Return the value of a rank, from 0, by sorting the cell of the grid that it lies in alone."""
    at = int(until.searchsorted(rank, "right"))
    before = int(until[at - 1]) if at else 0
    own = values[cell == at]
    own.sort()
    return float(own[rank - before])


def _wide(values: FloatArray) -> FloatArray:
    scaled = values / _WIDE_SCALE
    out: FloatArray = _WIDE_SHARE / (math.pi * _WIDE_SCALE) / (1 + scaled * scaled)
    return out


_WIDE = read_only(_wide(np.linspace(-_HALF_WIDTH, _HALF_WIDTH, _GRID)))
