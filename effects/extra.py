"""Libraries of the extra ``whydrift[effects]``, imported where they are used."""

from __future__ import annotations

import importlib
from typing import Any

from whydrift.discovery.errors import OptionError

__all__ = ["library"]


def library(module: str, where: str) -> Any:
    """Return a module of a library that the plain installation does without.

    Parameters
    ----------
    module : str
        Such as ``statsmodels.api``.
    where : str
        What needs it, for the message: ``method 'iv'``.

    Raises
    ------
    OptionError
        If the library is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise OptionError(
            f"{module.partition('.')[0]} is not installed, or does not load ({error})",
            where=where,
            remedy="Run `pip install 'whydrift[effects]'`",
        ) from error
