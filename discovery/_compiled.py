"""Kernels that numba compiles, once, and keeps on disk where it may write there."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

import numba

__all__ = ["compiled"]

_P = ParamSpec("_P")
_R = TypeVar("_R")


def compiled(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Return the function compiled; its source stays at hand as ``py_func``.

    Only modules of kernels import this module, and only searches over many columns import those,
    so that numba is loaded where it earns its time.
    """
    try:
        return cast(Callable[_P, _R], numba.njit(cache=True)(function))
    except RuntimeError:
        # numba asks for a folder to write to when the decorator runs, and finds none.
        _warn_once()
        return cast(Callable[_P, _R], numba.njit(function))


_warned: list[Any] = []


def _warn_once() -> None:
    if not _warned:
        _warned.append(True)
        warnings.warn(
            "no folder can be written to for compiled code; it is compiled again in every process. "
            "Set NUMBA_CACHE_DIR to a folder that can be written to",
            RuntimeWarning,
            stacklevel=4,
        )
