"""The parameters of one function, written once, for those that hand theirs on to it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

__all__ = ["parameters_of", "show_parameters"]

P = ParamSpec("P")
R = TypeVar("R")


def parameters_of(source: Callable[P, Any]) -> Callable[[Callable[..., R]], Callable[P, R]]:
    """Give a function that hands all it gets on to ``source`` the parameters of that.

    Type checkers, ``help`` and notebooks then show them as if they were written out.
    """

    def given(function: Callable[..., R]) -> Callable[P, R]:
        show_parameters(function, source)
        return cast("Callable[P, R]", function)

    return given


def show_parameters(function: Callable[..., Any], source: Callable[..., Any]) -> None:
    """Show a function with its own parameters and those of ``source``, to which it hands the rest.

    Its own stand for those of the same name.
    """
    mine = inspect.signature(function)
    rest = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    own = {name: each for name, each in mine.parameters.items() if each.kind not in rest}
    theirs = inspect.signature(source).parameters
    found = [own.get(name, each) for name, each in theirs.items()]
    found += [each for name, each in own.items() if name not in theirs]
    # What takes options comes last; `sorted` keeps the order of the others.
    found.sort(key=lambda each: each.kind)
    function.__signature__ = mine.replace(parameters=found)  # type: ignore[attr-defined]
