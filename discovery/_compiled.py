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
from typing import Any, Final, ParamSpec, TypeVar, cast

import numba
from numba.core import event
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_machinery import AnalysisPass, register_pass
from numba.core.typed_passes import AnnotateTypes

from whydrift.discovery.progress import Progress

__all__ = ["compiled", "inner", "pointer", "telling"]

_P = ParamSpec("_P")
_R = TypeVar("_R")
# No kernel divides by what may be zero; without numba's checks there is less to compile.
_OPTIONS: Final[dict[str, Any]] = {"error_model": "numpy"}
# Nor is a helper called from Python or through a pointer.
_INNER: Final[dict[str, Any]] = {**_OPTIONS, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}


def compiled(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Return the function compiled; its source stays at hand as ``py_func``.

    Only modules of kernels import this module, and only searches over many columns import those,
    so that numba is loaded where it earns its time.
    """
    kernel: Callable[_P, _R] = _kept(lambda cache: numba.njit(cache=cache, **_OPTIONS)(function))
    return kernel


def inner(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Return a helper that compiled code alone may call; it is kept on disk with its callers."""
    return cast(Callable[_P, _R], numba.njit(**_INNER, pipeline_class=_InnerCompiler)(function))


def pointer(function: Callable[_P, _R], signature: Any) -> Callable[_P, _R]:
    """Return the function compiled for one signature, to be handed to compiled code."""
    kernel: Callable[_P, _R] = _kept(
        lambda cache: numba.cfunc(signature, cache=cache, **_OPTIONS)(function)
    )
    return kernel


class _Linked(JITCodeLibrary):
    """Code that stands in its callers alone: optimised there, and made into machine code there.

    numba 0.68 does both for every helper on its own as well, a third of what a first call costs.
    """

    def _optimize_functions(self, module: Any) -> None:
        module.data_layout = self._codegen._data_layout

    def finalize(self) -> None:
        for library in dict.fromkeys(self._linking_libraries):
            self._reload_init.update(library._reload_init)
            self._final_module.link_in(library._get_module_for_linking(), preserve=True)
        self._finalize_dynamic_globals()  # type: ignore[no-untyped-call]
        self._finalized = True

    def get_pointer_to_function(self, name: str) -> int:
        self._ensure_finalized()  # type: ignore[no-untyped-call]
        return 0  # as of any function that has no wrapper

    @property
    def codegen(self) -> _Linked:
        return self

    def set_env(self, name: str, environment: Any) -> None:
        """Leave out what only exceptions with arguments and Python objects are read from."""
        del name, environment


@register_pass(mutates_CFG=False, analysis_only=True)  # type: ignore[no-untyped-call]
class _LinkOnly(AnalysisPass):
    _name = "whydrift_link_only"

    def __init__(self) -> None:
        AnalysisPass.__init__(self)  # type: ignore[no-untyped-call]

    def run_pass(self, state: Any) -> bool:
        name = state.func_id.func_qualname
        state.library = _Linked(state.targetctx.codegen(), name)  # type: ignore[no-untyped-call]
        state.library.enable_object_caching()
        return False


class _InnerCompiler(CompilerBase):
    def define_pipelines(self) -> list[Any]:
        pipeline: Any = DefaultPassBuilder.define_nopython_pipeline(  # type: ignore[no-untyped-call]
            self.state
        )
        pipeline.add_pass_after(_LinkOnly, AnnotateTypes)
        pipeline.finalize()
        return [pipeline]


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
