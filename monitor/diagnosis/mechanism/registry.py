"""The table of mechanism tests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from whydrift.discovery.errors import unknown_name
from whydrift.monitor.diagnosis.mechanism.base import MechanismTest
from whydrift.monitor.diagnosis.mechanism.residual_scores import ResidualScores

__all__ = ["Row", "known_mechanism_tests", "mechanism_test"]


@dataclass(frozen=True, slots=True)
class Row:
    """One test: its name, how it is made (once per pair of windows), and where it is from."""

    name: str
    build: Callable[[], MechanismTest]
    paper: str


_TESTS: Final = {
    row.name: row
    for row in (Row("residual_scores", ResidualScores, "Robinson 1988, Shah & Peters 2020"),)
}


def known_mechanism_tests() -> tuple[str, ...]:
    """Return the names that `mechanism_test` knows, the default first."""
    return tuple(_TESTS)


def mechanism_test(which: str | Callable[[], MechanismTest]) -> Callable[[], MechanismTest]:
    """Return what makes a test.

    Parameters
    ----------
    which : str or callable
        One of `known_mechanism_tests`, or one's own: called once per pair of windows, it returns a
        `MechanismTest`.

    Raises
    ------
    OptionError
        If no test has that name.
    """
    if not isinstance(which, str):
        return which
    if which not in _TESTS:
        raise unknown_name("mechanism test", which, known=_TESTS, where="mechanism_test")
    return _TESTS[which].build
