"""Columns to adjust for, as a matrix, by one stated rule."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from whydrift.discovery.arrays import FloatArray, IntArray, read_only
from whydrift.discovery.errors import SchemaError
from whydrift.discovery.snapshot.note import Note
from whydrift.effects.columns import codes, is_category, numbers, require
from whydrift.effects.words import joined

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Covariates", "columns_named", "covariates"]

_MOST_LEVELS = 100
_CATEGORY = re.compile(r"C\((.+)\)")
_POWER = re.compile(r"(.+)\^([2-5])")
_DEPENDENT = 1e-8  # of a column's length, what earlier columns leave of it


@dataclass(frozen=True)
class Covariates:
    """A matrix of full column rank, without an intercept.

    Parameters
    ----------
    design : ndarray of shape (n_rows, n_features)
    names : tuple of str, of length n_features
        ``age``, ``age^2``, ``education=3``.
    columns : tuple of str
        The columns of the data that they were made from.
    notes : tuple of Note
        What was left out.
    """

    design: FloatArray
    names: tuple[str, ...]
    columns: tuple[str, ...]
    notes: tuple[Note, ...] = ()

    def __len__(self) -> int:
        return len(self.names)

    @property
    def standardised(self) -> FloatArray:
        """The design, each column with mean 0 and standard deviation 1."""
        spread = self.design.std(axis=0)
        scaled: FloatArray = (self.design - self.design.mean(axis=0)) / spread
        return scaled

    @property
    def with_intercept(self) -> FloatArray:
        """The standardised design behind a column of ones: a model of it loses no digits."""
        return np.column_stack([np.ones(len(self.design)), self.standardised])


def columns_named(
    table: pa.Table, terms: Sequence[str], role: str = "adjustment"
) -> tuple[str, ...]:
    """Return the columns that terms are made from, each once.

    Raises
    ------
    SchemaError
        If there is no such column; it names the nearest.
    """
    found = (c for term in terms for factor in _factors(table, term, role) for c in [factor.column])
    return tuple(dict.fromkeys(found))


def covariates(table: pa.Table, terms: Sequence[str]) -> Covariates:
    """Build the matrix of some terms.

    A column of numbers, truth values (0, 1) or times (days) stands as it is; a column of words is
    one 0/1 column for each level but its first. ``C(name)`` takes numbers as levels too,
    ``name^2`` is a power (2 to 5) and ``a:b`` a product of two terms. A column of the data whose
    name is written so goes first. What is constant, or a sum of the columns before it, is left
    out, and a note says so.

    Parameters
    ----------
    table : pyarrow.Table
        Without missing values in these columns.
    terms : sequence of str

    Raises
    ------
    SchemaError
        If there is no such column, or it has too many levels.
    """
    names: list[str] = []
    parts: list[FloatArray] = []
    for term in dict.fromkeys(terms):
        for name, values in _features(table, term):
            names.append(name)
            parts.append(values)
    design = np.column_stack(parts) if parts else np.empty((table.num_rows, 0))
    kept = _independent(design)
    left_out = [name for i, name in enumerate(names) if i not in set(kept.tolist())]
    notes: tuple[Note, ...] = ()
    if left_out:
        text = f"{joined(left_out)} left out: constant, or a sum of columns before"
        notes = (Note("covariate_left_out", None, text),)
    return Covariates(
        read_only(np.ascontiguousarray(design[:, kept])),
        tuple(names[i] for i in kept),
        columns_named(table, terms),
        notes,
    )


@dataclass(frozen=True, slots=True)
class _Factor:
    """One column of the data in a term, and how it is read."""

    column: str
    power: int = 1
    as_category: bool = False


def _factors(table: pa.Table, term: str, role: str = "adjustment") -> list[_Factor]:
    if term in table.column_names:
        return [_Factor(term)]
    if found := _CATEGORY.fullmatch(term):
        return [_Factor(require(table, found[1], role), as_category=True)]
    if found := _POWER.fullmatch(term):
        return [_Factor(require(table, found[1], role), int(found[2]))]
    if ":" in term:
        one, _, other = term.partition(":")
        return [*_factors(table, one, role), *_factors(table, other, role)]
    return [_Factor(require(table, term, role))]


def _features(table: pa.Table, term: str) -> Iterator[tuple[str, FloatArray]]:
    """Yield the name and the values of each column of the matrix that a term makes."""
    made: list[tuple[str, FloatArray]] = []
    for factor in _factors(table, term):
        own = list(_of_factor(table, factor))
        made = [(f"{a}:{b}", x * y) for a, x in made for b, y in own] if made else own
    yield from made


def _of_factor(table: pa.Table, factor: _Factor) -> Iterator[tuple[str, FloatArray]]:
    name = factor.column
    if factor.as_category or is_category(table, name):
        found, levels = codes(table, name)
        if len(levels) > _MOST_LEVELS:
            raise SchemaError(
                f"column {name!r} has {len(levels)} different values, too many to adjust for each",
                where="adjustment",
                remedy="Give a coarser column; if the values mark rows that belong together, "
                "name it as cluster",
            )
        for number, level in enumerate(levels[1:], start=1):
            yield f"{name}={level}", (found == number).astype(np.float64)
        return
    values = numbers(table, name, "adjustment")
    yield (name, values) if factor.power == 1 else (f"{name}^{factor.power}", values**factor.power)


def _independent(design: FloatArray) -> IntArray:
    """Return the columns that are no linear combination of an intercept and those before them."""
    rows, features = design.shape
    if not rows or not features:
        return np.arange(features)
    centred = design - design.mean(axis=0)
    # Of a constant far from 0 rounding leaves something.
    length = np.sqrt((centred**2).sum(axis=0))
    varies = length > 1e-12 * np.sqrt(rows) * np.maximum(np.abs(design).max(axis=0), 1e-300)
    candidates = np.flatnonzero(varies)
    basis = np.empty((rows, 0))
    kept: list[int] = []
    for column in candidates:
        rest = centred[:, column] / length[column]
        for _ in range(2):  # once more, for what rounding left
            rest = rest - basis @ (basis.T @ rest)
        size = float(np.sqrt(rest @ rest))
        if size > _DEPENDENT:
            basis = np.column_stack([basis, rest / size])
            kept.append(int(column))
    return np.array(kept, dtype=np.int64)
