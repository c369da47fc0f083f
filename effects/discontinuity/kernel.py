"""Kernels: how much a row counts, by how far from the threshold it lies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from whydrift.discovery.arrays import FloatArray
from whydrift.discovery.errors import unknown_name

__all__ = ["Kernel", "kernel_named"]


@dataclass(frozen=True)
class Kernel:
    """A weight for each scaled distance; nothing beyond 1.

    Parameters
    ----------
    name : str
    weight : callable (distances from 0 to 1) -> weights
    rule_of_thumb : float
        The bandwidth that suits a density of normal shape is this times sd · n^(−1/5).
    """

    name: str
    weight: Callable[[FloatArray], FloatArray]
    rule_of_thumb: float

    def __call__(self, scaled: FloatArray) -> FloatArray:
        """Return the weights of scaled distances of either sign."""
        distance = np.abs(scaled)
        inside = distance <= 1
        weights: FloatArray = np.where(inside, self.weight(np.minimum(distance, 1)), 0.0)
        return weights


# Silverman (1986), table 3.1, gives how the rule of thumb depends on the kernel.
_KERNELS: Final = {
    kernel.name: kernel
    for kernel in (
        Kernel("triangular", lambda u: 1 - u, 2.576),
        Kernel("uniform", lambda u: np.full_like(u, 0.5), 1.843),
        Kernel("epanechnikov", lambda u: 0.75 * (1 - u**2), 2.34),
    )
}


def kernel_named(name: str) -> Kernel:
    """Return the kernel of a name.

    Raises
    ------
    OptionError
        If there is none; the nearest is named.
    """
    if name not in _KERNELS:
        raise unknown_name("kernel", name, known=_KERNELS, where="rdd")
    return _KERNELS[name]
