"""Whether there are enough rows in each arm for a model of the outcome."""

from __future__ import annotations

from whydrift.discovery.errors import TooFewRows
from whydrift.effects.study import Study

__all__ = ["require_rows"]


def require_rows(study: Study, parameters: int, method: str) -> None:
    """Raise where an arm has no more rows than a model has parameters.

    Raises
    ------
    TooFewRows
        It names the arm.
    """
    treated = study.treatment.is_treated
    for code, level in enumerate(study.treatment.levels):
        rows = int((treated == code).sum())
        if rows <= parameters + 1:
            raise TooFewRows(
                f"{rows} usable rows with {study.roles.treatment} = {level}, and a model of "
                f"{parameters} numbers in each arm",
                where=method,
                remedy="Adjust for fewer columns, or give more rows",
            )
