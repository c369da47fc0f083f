"""Kernels that numba compiles, once, and keeps on disk where it may write there.

What a first call costs goes by the functions compiled, by the arrays that they read, and by their
specialisations: one for every type of an argument, and a constant is a type of its own. A kernel is
therefore one `compiled` entry with `inner` helpers, which are optimised once, as parts of it; what
it is handed as a `pointer` is compiled once and linked nowhere; and a counter that was set to a
constant before a loop is handed on as ``int(counter)``.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, ParamSpec, TypeVar

import numba
from numba.core import event

from whydrift.discovery.progress import Progress

__all__ = ["compiled", "inner", "pointer", "telling"]

_P = ParamSpec("_P")
_R = TypeVar("_R")
# No kernel divides by what may be zero; without numba's checks there is less to compile.
_OPTIONS: Final[dict[str, Any]] = {"error_model": "numpy"}
# A kernel is called from Python, not through a pointer; a helper in neither way.
_KERNEL: Final[dict[str, Any]] = {"no_cfunc_wrapper": True}
_INNER: Final[dict[str, Any]] = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
# Versions of numba whose internals `_compiler` was tried with; the others take longer, once.
_KNOWN: Final = "0.68."


def compiled(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Return the function compiled; its source stays at hand as ``py_func``.

    Only modules of kernels import this module, and only searches over many columns import those,
    so that numba is loaded where it earns its time.
    """
    kernel: Callable[_P, _R] = _kept(
        lambda cache: numba.njit(cache=cache, **_OPTIONS, **_KERNEL, **_compiler())(function)
    )
    return kernel


def inner(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Return a helper that compiled code alone may call; it is kept on disk with its callers."""
    kernel: Callable[_P, _R] = numba.njit(**_OPTIONS, **_INNER, **_compiler())(function)
    return kernel


def pointer(function: Callable[_P, _R], signature: Any) -> Callable[_P, _R]:
    """Return the function compiled for one signature, to be handed to compiled code."""
    kernel: Callable[_P, _R] = _kept(
        lambda cache: numba.cfunc(signature, cache=cache, **_OPTIONS, **_compiler())(function)
    )
    return kernel


def _compiler() -> dict[str, Any]:
    """Return the option that makes compiling quicker, where numba is one that it was tried with."""
    if not numba.__version__.startswith(_KNOWN):
        return {}
    from whydrift.discovery._compiler import Compiler

    return {"pipeline_class": Compiler}


@contextmanager
def telling(progress: Progress) -> Iterator[None]:
    """Say so, once and before it begins, if something within has to be compiled."""
    with event.install_listener("numba:run_pass", _Teller(progress)):
        yield


class _Teller(event.Listener):
    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._told = False

    def on_start(self, event: Any) -> None:
        if not self._told:
            self._told = True
            self._progress("compiling the search, once on this machine", 0, 1)

    def on_end(self, event: Any) -> None:
        pass


def _kept(build: Callable[[bool], Any]) -> Any:
    """Return what is built with a cache on disk, or without where no folder can be written to."""
    try:
        return build(True)
    except RuntimeError:
        # numba asks for a folder to write to when the decorator runs, and finds none.
        _warn_once()
        return build(False)


_warned: list[Any] = []


def _warn_once() -> None:
    if not _warned:
        _warned.append(True)
        warnings.warn(
            "no folder can be written to for compiled code; it is compiled again in every process. "
            "Set NUMBA_CACHE_DIR to a folder that can be written to",
            RuntimeWarning,
            stacklevel=5,
        )
