"""Joint chances of exposures of pairs of rows, and the variances that they give."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from whydrift.discovery.arrays import BoolArray, FloatArray, IntArray

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["JointChances"]

_PAIRS_AT_ONCE = 20_000
_BITS = np.array([bin(byte).count("1") for byte in range(256)], dtype=np.uint16)


@dataclass(frozen=True)
class JointChances:
    """What is known of pairs of rows whose exposures depend on each other; others are independent.

    Parameters
    ----------
    first, second : ndarray of int, shape (n_pairs,)
        Rows, each pair in both orders, each row with itself too.
    bits : tuple of ndarray of shape (n_rows, n_bytes)
        For each exposure, in which draws a row had it, eight draws to a byte.
    draws : int
    """

    first: IntArray
    second: IntArray
    bits: tuple[NDArray[np.uint8], ...]
    draws: int

    @classmethod
    def build(
        cls,
        pairs: tuple[IntArray, IntArray],
        able: BoolArray,
        seen: NDArray[np.int8],
        exposures: int,
    ) -> JointChances:
        """Keep the pairs of which both rows are able; ``seen`` has shape (n_draws, n_rows)."""
        kept = able[pairs[0]] & able[pairs[1]]
        bits = tuple(
            np.ascontiguousarray(np.packbits(seen == e, axis=0).T) for e in range(exposures)
        )
        return cls(pairs[0][kept], pairs[1][kept], bits, len(seen))

    def covariance(
        self,
        one: int,
        other: int,
        scores: Sequence[FloatArray],
        mine: NDArray[np.int8],
        chance: FloatArray,
    ) -> float:
        """Return the covariance of the totals of two exposures, not below (variance) or above it.

        Parameters
        ----------
        one, other : int
            Exposures; of one and the same it is the variance.
        scores : sequence of ndarray of shape (n_rows,)
            For each exposure the values that are added up, 0 where a row did not have it.
        mine : ndarray of shape (n_rows,)
            The exposure that each row had.
        chance : ndarray of shape (n_exposures, n_rows)

        References
        ----------
        Aronow & Samii (2013), Conservative variance estimation for sampling designs with zero
        pairwise inclusion probabilities.
        """
        i, j = self.first, self.second
        had_i, had_j = mine[i] == one, mine[j] == other
        asked = had_i | had_j
        i, j, had_i, had_j = i[asked], j[asked], had_i[asked], had_j[asked]
        joint = self._joint(one, other, i, j)
        joint = np.where(i == j, chance[one, i] if one == other else 0.0, joint)
        own, theirs = chance[one, i], chance[other, j]
        left, right = scores[one][i], scores[other][j]
        both = had_i & had_j & (joint > 0)
        total = float(
            np.sum(
                (joint[both] - own[both] * theirs[both])
                / joint[both]
                * (left[both] / own[both])
                * (right[both] / theirs[both])
            )
        )
        never = joint == 0  # they exclude each other: |ab| is at most (a² + b²) / 2
        worst = float(
            np.sum(left[never] ** 2 / (2 * np.maximum(own[never], 1e-12)) * had_i[never])
            + np.sum(right[never] ** 2 / (2 * np.maximum(theirs[never], 1e-12)) * had_j[never])
        )
        return total + worst if one == other else total - worst

    def _joint(self, one: int, other: int, i: IntArray, j: IntArray) -> FloatArray:
        """Return the share of draws in which row i had one exposure and row j the other."""
        found = np.empty(len(i))
        for begin in range(0, len(i), _PAIRS_AT_ONCE):
            part = slice(begin, begin + _PAIRS_AT_ONCE)
            shared = self.bits[one][i[part]] & self.bits[other][j[part]]
            found[part] = _BITS[shared].sum(axis=1)
        return found / self.draws
