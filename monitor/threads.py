"""How many threads the matrix library may use."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

__all__ = ["one_blas_thread"]


def one_blas_thread() -> AbstractContextManager[Any]:
    """Return a context in which BLAS computes in the thread that calls it.

    A comparison multiplies thousands of small matrices. Handing each to a pool of threads takes
    twice the processor time and saves none; on a busy machine the threads wait for each other.
    """
    import scipy.linalg  # noqa: F401  # brings a BLAS of its own, which must be there to be limited
    from threadpoolctl import threadpool_limits

    limits: AbstractContextManager[Any] = threadpool_limits(limits=1, user_api="blas")
    return limits
