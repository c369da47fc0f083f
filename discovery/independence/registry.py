"""The table of conditional-independence tests, and the choice among them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from whydrift.discovery.arrays import FloatArray
from whydrift.discovery.errors import OptionError, unknown_name
from whydrift.discovery.independence.base import Built
from whydrift.discovery.independence.chi_square import chi_square
from whydrift.discovery.independence.determined import Guarded, find_relations
from whydrift.discovery.independence.fisher_z import fisher_z, rank_fisher_z
from whydrift.discovery.independence.g_square import g_square
from whydrift.discovery.independence.gcm import gcm
from whydrift.discovery.independence.kci import kci
from whydrift.discovery.independence.missing import mc_fisher_z
from whydrift.discovery.independence.mixed import mixed
from whydrift.discovery.snapshot.note import Note
from whydrift.discovery.snapshot.schema import ColumnKind
from whydrift.discovery.snapshot.snapshot import Snapshot

__all__ = ["Row", "choose_test", "independence_test", "known_tests", "rows"]

_NUMBERS = frozenset({ColumnKind.CONTINUOUS, ColumnKind.COUNT, ColumnKind.ORDINAL})
_NAMES = frozenset({ColumnKind.CATEGORICAL, ColumnKind.BINARY})

# The screen for Fisher's z on plain values: what linear-normal data hardly ever exceed, and what
# hardly harms the test (its level holds for any noise; it is power that outliers cost).
_MOST_SKEWNESS = 0.5
_MOST_KURTOSIS = 1.0
_STANDARD_ERRORS = 4.0


@dataclass(frozen=True, slots=True)
class Row:
    """One test: its name, how it is built, the kinds of column it serves, and its paper."""

    name: str
    build: Callable[[Snapshot, tuple[str, ...]], Built]
    kinds: frozenset[ColumnKind]
    paper: str


_TESTS: Final = {
    row.name: row
    for row in (
        Row("fisher_z", fisher_z, _NUMBERS, "Fisher 1924"),
        Row("rank_fisher_z", rank_fisher_z, _NUMBERS, "Harris & Drton 2013"),
        Row("mc_fisher_z", mc_fisher_z, _NUMBERS, "Tu et al. 2019"),
        Row("g_square", g_square, _NAMES | {ColumnKind.ORDINAL}, "Spirtes et al. 2000"),
        Row("chi_square", chi_square, _NAMES | {ColumnKind.ORDINAL}, "Pearson 1900"),
        Row("mixed", mixed, _NUMBERS | _NAMES, "Wilks 1932, Rao 1951"),
        Row("gcm", gcm, _NUMBERS | _NAMES, "Shah & Peters 2020"),
        Row("kci", kci, _NUMBERS | _NAMES, "Zhang et al. 2011"),
    )
}


def rows() -> tuple[Row, ...]:
    """Return all tests, for help texts and the common test suite."""
    return tuple(_TESTS.values())


def known_tests() -> tuple[str, ...]:
    """Return the names that `independence_test` knows, ``auto`` first."""
    return ("auto", *_TESTS)


def independence_test(name: str, snapshot: Snapshot, names: tuple[str, ...]) -> Built:
    """Build a test over some columns.

    Parameters
    ----------
    name : str
        One of `known_tests`.
    snapshot : Snapshot
        The window whose sample is tested.
    names : tuple of str
        Columns; their positions are the numbers that the test takes.

    Returns
    -------
    test : IndependenceTest
    notes : tuple of Note
        First which test it is and why (code ``method_choice``), then what it does to some columns
        or rows, and which columns others determine (code ``determined_column``).

    Raises
    ------
    OptionError
        If there is no such test, it does not serve the kind of one of the columns, or it needs a
        package that is not installed.
    SchemaError
        If the column of weights or clusters cannot be used.
    """
    reason = "as asked"
    if name == "auto":
        name, reason = choose_test(snapshot, names)
    if name not in _TESTS:
        raise unknown_name("independence test", name, known=known_tests(), where="test")
    row = _TESTS[name]
    for column in names:
        kind = snapshot.schema[column].kind
        if kind not in row.kinds:
            raise OptionError(
                f"test {name!r} does not serve column {column!r}, which is {kind}",
                where="test",
                remedy="Use 'mixed' or 'auto', or say what the column is with kinds={…}",
            )
    choice = Note("method_choice", None, f"independence test {name}: {reason}")
    test, notes = row.build(snapshot, names)
    relations = find_relations(snapshot, names)
    if relations:
        test = Guarded(test, relations)
    return test, (choice, *notes, *(relation.told(names) for relation in relations))


def choose_test(snapshot: Snapshot, names: tuple[str, ...]) -> tuple[str, str]:
    """Return the name of the test that suits the columns, and the reason in words."""
    kinds = {snapshot.schema[name].kind for name in names}
    if kinds <= _NAMES:
        return "g_square", "all columns are categories"
    if not kinds <= _NUMBERS:
        return "mixed", "there are numbers and categories"
    for name in names:
        oddity = _oddity(snapshot.column(name))
        if oddity:
            return (
                "rank_fisher_z",
                f"all columns are numbers, and {name!r} is not normal ({oddity})",
            )
    return "fisher_z", "all columns are numbers with nearly normal skewness and kurtosis"


def _oddity(values: FloatArray) -> str | None:
    """Return what is not normal about a column, or None."""
    present = values[np.isfinite(values)]
    centred = present - present.mean() if present.size else present
    variance = float((centred**2).mean()) if present.size else 0.0
    if variance <= 0:
        return None
    scaled = centred / np.sqrt(variance)
    skewness, kurtosis = float((scaled**3).mean()), float((scaled**4).mean()) - 3
    if abs(skewness) > max(_MOST_SKEWNESS, _STANDARD_ERRORS * (6 / present.size) ** 0.5):
        return f"skewness {skewness:.1f}"
    if abs(kurtosis) > max(_MOST_KURTOSIS, _STANDARD_ERRORS * (24 / present.size) ** 0.5):
        return f"excess kurtosis {kurtosis:.1f}"
    return None
