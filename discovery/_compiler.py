"""numba's compiler made quicker for kernels: what it does that they have no use for is left out.

It rests on internals of numba; `_compiled` therefore asks for it with versions that it was tried
with alone. With others a first call takes longer, and nothing else changes.
"""

from __future__ import annotations

from typing import Any, Final

from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase, DefaultPassBuilder, Flags
from numba.core.compiler_lock import global_compiler_lock
from numba.core.compiler_machinery import AnalysisPass, register_pass
from numba.core.typed_passes import AnnotateTypes, InlineOverloads, NopythonRewrites
from numba.core.untyped_passes import (
    FindLiterallyCalls,
    InlineClosureLikes,
    InlineInlinables,
    LiteralPropagationSubPipelinePass,
    LiteralUnroll,
    MakeFunctionToJitFunction,
    RewriteDynamicRaises,
    WithLifting,
)

__all__ = ["Compiler"]


class _Linked(JITCodeLibrary):
    """Code that stands in others alone: optimised there, and made into machine code there.

    numba does both for every helper on its own as well, and for every function that it provides.
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
class _Link(AnalysisPass):
    _name = "whydrift_link"

    def __init__(self) -> None:
        AnalysisPass.__init__(self)  # type: ignore[no-untyped-call]

    def run_pass(self, state: Any) -> bool:
        state.library = state.own_library
        state.library.enable_object_caching()
        return False


class _Options(Flags):
    """Compiler options that are told apart by what is set, not by asking for all there are.

    numba compares them whenever it looks for a function's type, thousands of times in a kernel.
    """

    def __hash__(self) -> int:
        return _HASH

    def __eq__(self, other: object) -> bool:
        # Never equal to those of other users of numba: they get functions that are not _Linked.
        return isinstance(other, _Options) and self._values == other._values


_HASH: Final = hash(Flags())  # type: ignore[no-untyped-call]

# Steps for closures, ``with``, ``raise`` of values, literals and expressions of whole arrays.
_UNUSED: Final = (
    WithLifting,
    InlineClosureLikes,
    RewriteDynamicRaises,
    MakeFunctionToJitFunction,
    InlineInlinables,
    FindLiterallyCalls,
    LiteralUnroll,
    LiteralPropagationSubPipelinePass,
    InlineOverloads,
    NopythonRewrites,
)


class Compiler(CompilerBase):
    """numba's compiler less the steps that find nothing in a kernel.

    What is compiled while something else is, because that calls it, is linked into it alone.
    """

    def __init__(self, *arguments: Any) -> None:
        *before, options, locals_ = arguments
        super().__init__(*before, _Options(options), locals_)  # type: ignore[call-arg,no-untyped-call]

    def _compile_core(self) -> Any:
        codegen, name = self.state.targetctx.codegen(), self.state.func_id.func_qualname
        with global_compiler_lock:
            if codegen._library_class is _Linked and self.state.flags.no_cpython_wrapper:
                self.state.own_library = _Linked(codegen, name)  # type: ignore[no-untyped-call]
                return super()._compile_core()  # type: ignore[no-untyped-call]
            self.state.own_library = JITCodeLibrary(codegen, name)  # type: ignore[no-untyped-call]
            before = codegen._library_class
            # Until it is done: functions that numba provides, such as np.empty, are linked alike.
            codegen._library_class = _Linked
            try:
                return super()._compile_core()  # type: ignore[no-untyped-call]
            finally:
                codegen._library_class = before

    def define_pipelines(self) -> list[Any]:
        pipeline: Any = DefaultPassBuilder.define_nopython_pipeline(  # type: ignore[no-untyped-call]
            self.state
        )
        pipeline.add_pass_after(_Link, AnnotateTypes)
        pipeline.passes = [step for step in pipeline.passes if step[0] not in _UNUSED]
        pipeline.finalize()
        return [pipeline]
