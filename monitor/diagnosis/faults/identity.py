"""Identities between columns of a window: sums, products, ratios, copies."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Final, Protocol

import numpy as np

from whydrift.discovery.arrays import BoolArray, FloatArray
from whydrift.discovery.snapshot.snapshot import Snapshot

__all__ = [
    "COARSE",
    "Formula",
    "Identity",
    "Linear",
    "Pair",
    "decimals",
    "find_identities",
    "off_by_rounding",
    "still_follows",
]

_LEAST_ROWS = 50
_LEAST_VALUES = 20  # of a column that is computed: fewer agree by chance
_MOST_ALIKE = 0.95  # of the rows with one value: what hardly varies would make up for odd rows
_MOST_TERMS = 8
_MOST_MISSING = 0.6
_HOLDS = 0.995  # of the reference's rows
_ROWS = 400  # on which sums are looked for
_PROBES = 3  # rows on which products are looked for, before all rows are asked
_MOST_CELLS = 1_000_000  # of tables of pairs, compared at once
_MOST_CANDIDATES = 20_000
_ROUNDED = 1.01  # units in the last decimal, of sums of rounded parts
_MOST_DECIMALS = 8
_HALF = 0.51  # of a unit in the last decimal, and a little of what coefficients are rounded
COARSE = 0.05  # sd: rounding beyond this hides too much of what breaks


class Identity(Protocol):
    """What one column is by others."""

    @property
    def names(self) -> tuple[str, ...]:
        """Columns that take part, the result first."""
        ...

    def solved(self, window: Snapshot, name: str) -> FloatArray | None:
        """Return what a column would be, by the others; None where that is not determined."""
        ...

    def broken(self, window: Snapshot) -> BoolArray:
        """Return the rows in which it does not hold; shape (n_sampled,)."""
        ...


@dataclass(frozen=True)
class Linear:
    """One column is a sum of multiples of others, plus a constant."""

    result: str
    terms: tuple[tuple[str, float], ...]
    constant: float
    tolerance: float

    @property
    def names(self) -> tuple[str, ...]:
        """Columns that take part, the result first."""
        return (self.result, *(name for name, _ in self.terms))

    def solved(self, window: Snapshot, name: str) -> FloatArray:
        """Return what a column would be, by the others; shape (n_sampled,)."""
        total = np.full(len(window.sample), self.constant)
        for other, factor in self.terms:
            if other != name:
                total = total + factor * window.column(other)
        if name == self.result:
            return total
        out: FloatArray = (window.column(self.result) - total) / dict(self.terms)[name]
        return out

    def broken(self, window: Snapshot) -> BoolArray:
        """Return the rows in which it does not hold; shape (n_sampled,)."""
        slack = self.tolerance + sum(
            1e-6 * np.abs(factor * window.column(other)) for other, factor in self.terms
        )
        gap = np.abs(window.column(self.result) - self.solved(window, self.result))
        return np.asarray(gap > slack)

    def __str__(self) -> str:
        parts = []
        for name, factor in self.terms:
            sign = "-" if factor < 0 else "+"
            size = "" if abs(factor) == 1 else f"{abs(factor):.6g}·"
            parts.append(f"{sign} {size}{name}")
        if self.constant:
            parts.append(f"{'-' if self.constant < 0 else '+'} {abs(self.constant):.6g}")
        return f"{self.result} = {' '.join(parts).removeprefix('+ ')}"


@dataclass(frozen=True)
class Formula:
    """A function of two columns, its name with places for theirs, and its inverses if it has any.

    Parameters
    ----------
    text : str
        Such as ``{} · {}``.
    of : callable
        From the columns a and b to the result.
    first, second : callable, optional
        From (result, b) to a, and from (result, a) to b.
    commutes : bool
        Whether a and b may change places.
    """

    text: str
    of: Callable[[FloatArray, FloatArray], FloatArray]
    first: Callable[[FloatArray, FloatArray], FloatArray] | None = None
    second: Callable[[FloatArray, FloatArray], FloatArray] | None = None
    commutes: bool = True

    @property
    def can_be_solved(self) -> bool:
        """Whether it has inverses."""
        return self.first is not None


_FORMULAS: Final = (
    Formula("{} · {}", np.multiply, np.divide, np.divide),
    Formula("{} / {}", np.divide, np.multiply, lambda c, a: a / c, commutes=False),
    Formula("({} - {})²", lambda a, b: (a - b) ** 2),
    Formula("|{} - {}|", lambda a, b: np.abs(a - b)),
)


@dataclass(frozen=True)
class Pair:
    """One column is a function of two others."""

    result: str
    formula: Formula
    a: str
    b: str
    tolerance: float

    @property
    def names(self) -> tuple[str, ...]:
        """Columns that take part, the result first."""
        return (self.result, self.a, self.b)

    def solved(self, window: Snapshot, name: str) -> FloatArray | None:
        """Return what a column would be, by the others; None where that is not determined."""
        a, b, result = (window.column(n) for n in (self.a, self.b, self.result))
        with np.errstate(all="ignore"):
            if name == self.result:
                return self.formula.of(a, b)
            inverse, known = (self.formula.first, b) if name == self.a else (self.formula.second, a)
            if inverse is None:
                return None
            values = inverse(result, known)
            return np.where(np.isfinite(values), values, np.nan)

    def broken(self, window: Snapshot) -> BoolArray:
        """Return the rows in which it does not hold; shape (n_sampled,)."""
        values = self.solved(window, self.result)
        assert values is not None
        with np.errstate(invalid="ignore"):
            gap = np.abs(window.column(self.result) - values)
            return np.asarray(gap > self.tolerance + 1e-6 * np.abs(values))

    def __str__(self) -> str:
        return f"{self.result} = {self.formula.text.format(self.a, self.b)}"


def find_identities(
    window: Snapshot, names: tuple[str, ...], most_rounded: float = COARSE
) -> list[Linear | Pair]:
    """Return the identities that hold in (nearly) all rows of a window, but for rounding.

    Sums, differences, copies and changes of unit by elimination: a column of which nothing is left
    once those before it are projected out. Products and ratios by trying all pairs on a few rows,
    and what agrees there on all.

    Parameters
    ----------
    window : Snapshot
        The reference.
    names : tuple of str
        Columns of numbers.
    most_rounded : float
        The last decimal of a column in sd: of one that is rounded more the digits there are have
        to be right.
    """
    fine = tuple(n for n in names if _is_usable(window, n, _LEAST_VALUES))
    # Small counts and tariffs are factors and terms, never results: so they come first.
    coarse = tuple(n for n in names if n not in fine and _is_usable(window, n, 2))
    usable = (*coarse, *fine)
    found: list[Linear | Pair] = []
    taken: set[frozenset[str]] = set()
    block = window.columns(usable)
    tolerances = np.array([_tolerance(block[:, j], most_rounded) for j in range(len(usable))])
    first = len(coarse)
    candidates: Iterator[Linear | Pair] = chain(
        # Without the coarse ones first: where these have gaps, few rows are complete.
        _sums(block[:, first:], tolerances[first:], fine, 0) if coarse else (),
        _sums(block, tolerances, usable, first),
        _pairs(block, tolerances, usable, first),
        _multiples(block, tolerances, usable, first),
    )
    for identity in candidates:
        participants = frozenset(identity.names)
        if participants not in taken and _holds(window, identity):
            taken.add(participants)
            found.append(identity)
    return found


def still_follows(
    reference: Snapshot, current: Snapshot, name: str, names: tuple[str, ...]
) -> bool:
    """Whether a column is by others what it was, row by row.

    Parameters
    ----------
    reference, current : Snapshot
        With the same meaning of category codes.
    name : str
        The column.
    names : tuple of str
        Columns of numbers, it and those it may follow from.
    """
    for identity in find_identities(reference, names):
        if name in identity.names:
            complete = np.isfinite(current.columns(identity.names)).all(axis=1)
            holds = ~identity.broken(current)[complete]
            if holds.size >= _LEAST_ROWS and holds.mean() >= _HOLDS:
                return True
    return False


def _is_usable(window: Snapshot, name: str, least: int) -> bool:
    values = window.column(name)
    present = values[np.isfinite(values)]
    if present.size < max(_LEAST_ROWS, (1 - _MOST_MISSING) * values.size):
        return False
    if least > 2:  # of most columns few rows tell
        return any(np.unique(present[:n]).size >= least for n in (_LEAST_ROWS, 10 * _ROWS))
    counts = np.unique(present[: 10 * _ROWS], return_counts=True)[1]
    return bool(counts.size >= least and counts.max() <= _MOST_ALIKE * counts.sum())


def _holds(window: Snapshot, identity: Linear | Pair) -> bool:
    complete = np.isfinite(window.columns(identity.names)).all(axis=1)
    if complete.sum() < _LEAST_ROWS:
        return False
    return bool((~identity.broken(window)[complete]).mean() >= _HOLDS)


def _tolerance(values: FloatArray, most_rounded: float) -> float:
    """Return how far a computed value may be off: floating point, or its last decimal."""
    present = values[np.isfinite(values)][:2_000]
    spread, size = float(present.std()), float(np.abs(present).max())
    exact = 1e-6 * spread + 1e-9 * size
    places = decimals(present)
    if places is None:
        return exact
    rounding = _ROUNDED * 10.0**-places
    return rounding if rounding <= most_rounded * spread else exact


def decimals(values: FloatArray) -> int | None:
    """Return how many decimals finite values were written with; None for eight and more."""
    for places in range(_MOST_DECIMALS + 1):
        scaled = values * 10.0**places
        if (np.abs(scaled - np.round(scaled)) <= 1e-6).all():
            return places
    return None


def off_by_rounding(gap: FloatArray) -> float:
    """Return how far a number is off what others say, as a share of what rounding makes.

    Rounded up, down or to the nearest; infinite where it is off by more than any of them may be.

    Parameters
    ----------
    gap : ndarray of shape (n_rows,)
        In units of the number's last decimal.
    """
    gap = gap - np.round(2 * np.median(gap)) / 2
    # A few rows may be odd: the identity holds in nearly all.
    kept = np.sort(np.abs(gap))[: max(1, int(_HOLDS * gap.size))]
    return float(np.sqrt(12 * np.mean(kept**2))) if kept[-1] <= _HALF else np.inf


def _sums(
    block: FloatArray, tolerances: FloatArray, names: tuple[str, ...], first: int
) -> Iterator[Linear]:
    """Yield columns, from the ``first`` result on, that are a linear function of a few before."""
    complete = np.flatnonzero(np.isfinite(block).all(axis=1))
    if complete.size < max(_LEAST_ROWS, 3 * len(names)) or len(names) < 2:
        return
    chosen = complete[np.linspace(0, complete.size - 1, min(_ROWS, complete.size)).astype(int)]
    rows = block[chosen]
    centre = rows.mean(axis=0)
    largest = np.abs(rows - centre).max(axis=0)  # squares of numbers as they are may vanish
    largest = np.where(largest > 0, largest, 1.0)
    spread = ((rows - centre) / largest).std(axis=0)
    spread = np.where(spread > 0, spread, 1.0) * largest
    scaled = (rows - centre) / spread
    basis = np.empty((len(rows), 0))
    independent: list[int] = []
    for j, name in enumerate(names):
        tolerance = float(tolerances[j])
        rest = scaled[:, j]
        for _ in range(2):  # twice is enough (Giraud, Langou & Rozloznik 2005)
            rest = rest - basis @ (basis.T @ rest)
        size = float(np.sqrt(rest @ rest))
        if np.abs(rest).max() * spread[j] > tolerance:
            independent.append(j)
            basis = np.column_stack([basis, rest / size])
            continue
        if j < first:
            continue
        factors = np.linalg.lstsq(scaled[:, independent], scaled[:, j], rcond=None)[0]
        least = 10 * tolerance / spread[j]
        terms = [k for k, f in zip(independent, factors, strict=True) if abs(f) > least]
        if not 1 <= len(terms) <= _MOST_TERMS:
            continue
        slopes, constant = _plain_coefficients(rows[:, terms], rows[:, j], tolerance)
        named = tuple((names[k], float(f)) for k, f in zip(terms, slopes, strict=True))
        yield Linear(name, named, constant, tolerance)


def _plain_coefficients(
    block: FloatArray, result: FloatArray, tolerance: float
) -> tuple[FloatArray, float]:
    """Return slopes and constant, in round numbers where these do as well."""
    centre = block.mean(axis=0)
    slopes = np.linalg.lstsq(block - centre, result - result.mean(), rcond=None)[0]
    size = 10.0 ** np.floor(np.log10(np.maximum(np.abs(slopes), 1e-300)))
    for digits in (0, 1, 2, 3):
        unit = size / 10.0**digits
        plain = np.round(slopes / unit) * unit
        plain = np.array([float(f"{value:.10g}") for value in plain])  # 0.30000000000000004
        rest = result - block @ plain
        for places in (0, 2, 3, 4, 6):
            constant = float(f"{rest.mean():.{places}g}") if places else 0.0
            if np.abs(rest - constant).max() <= tolerance:
                return plain, constant
    return slopes, float((result - block @ slopes).mean())


def _pairs(
    block: FloatArray, tolerances: FloatArray, names: tuple[str, ...], first: int
) -> Iterator[Pair]:
    """Yield columns, from ``first`` on, that are a product, a ratio or a distance of two others."""
    if len(names) < 3:
        return
    present = np.flatnonzero(np.isfinite(block).sum(axis=1) >= 3)
    if present.size < _LEAST_ROWS:
        return
    spaced = np.linspace(0, present.size - 1, 64).astype(int)
    some = present[spaced]
    at_once = max(1, _MOST_CELLS // len(names) ** 2)
    for formula in _FORMULAS:
        candidates: set[tuple[int, int, int]] = set()
        for row in some[:: len(some) // _PROBES][:_PROBES]:
            values = block[row]
            with np.errstate(all="ignore"):
                table = formula.of(values[:, None], values[None, :])
                slack = tolerances + 1e-6 * np.abs(values)
                for start in range(first, len(names), at_once):
                    some_of = slice(start, start + at_once)
                    gap = np.abs(table - values[some_of, None, None])
                    hits = np.argwhere(gap <= slack[some_of, None, None])
                    candidates.update((start + c, a, b) for c, a, b in hits.tolist())
            if len(candidates) > _MOST_CANDIDATES:
                break  # numbers so coarse that they agree by chance
        for c, a, b in sorted(candidates):
            if len({a, b, c}) < 3 or (formula.commutes and a > b):
                continue
            with np.errstate(all="ignore"):
                gap = np.abs(formula.of(block[some, a], block[some, b]) - block[some, c])
            known = gap[np.isfinite(gap)]
            slack_c = tolerances[c] + 1e-6 * np.abs(block[some, c][np.isfinite(gap)])
            if known.size >= 20 and (known <= slack_c).mean() > 0.9:
                yield Pair(names[c], formula, names[a], names[b], float(tolerances[c]))


def _multiples(
    block: FloatArray, tolerances: FloatArray, names: tuple[str, ...], first: int
) -> Iterator[Pair]:
    """Yield columns, from ``first`` on, that are a factor times a product or ratio of two others.

    The factor is what two rows have in common: 12 months of payments in an income, a percentage.
    """
    if len(names) < 3 or len(block) < _LEAST_ROWS:
        return
    # Of zeros and gaps nothing can be told: rows with the fewest of them.
    usable = np.isfinite(block) & (block != 0)
    some = np.argsort(-usable.sum(axis=1), kind="stable")[:64]
    one, other = block[some[0]], block[some[len(some) // 2]]
    at_once = max(1, _MOST_CELLS // len(names) ** 2)
    for operation in (np.multiply, np.divide):
        candidates: list[tuple[int, int, int]] = []
        with np.errstate(all="ignore"):
            tables = [operation(row[:, None], row[None, :]) for row in (one, other)]
            for start in range(first, len(names), at_once):
                of = slice(start, start + at_once)
                factors = [
                    row[of, None, None] / table
                    for row, table in zip((one, other), tables, strict=True)
                ]
                slack = 1e-6 + tolerances[of] * (1 / np.abs(one[of]) + 1 / np.abs(other[of]))
                gap = np.abs(factors[0] - factors[1])
                hits = np.argwhere(gap <= slack[:, None, None] * np.abs(factors[0]))
                candidates += [(start + c, a, b) for c, a, b in hits.tolist()]
        if len(candidates) > _MOST_CANDIDATES:
            continue  # numbers so coarse that they agree by chance
        for c, a, b in candidates:
            if len({a, b, c}) < 3 or (operation is np.multiply and a > b):
                continue
            rows = some[usable[np.ix_(some, np.array([a, b, c]))].all(axis=1)]
            found = _factor(
                block[rows, c], operation, block[rows, a], block[rows, b], float(tolerances[c])
            )
            if found is not None:
                yield Pair(names[c], _times(operation, found), names[a], names[b],
                           float(tolerances[c]))  # fmt: skip


def _factor(
    result: FloatArray, operation: np.ufunc, a: FloatArray, b: FloatArray, tolerance: float
) -> float | None:
    """Return the factor, the roundest that does, that makes a base the result; None for one."""
    with np.errstate(all="ignore"):
        base = operation(a, b)
        size = float(np.median(result / base)) if len(base) >= 20 else np.inf
    if not np.isfinite(size) or not np.isfinite(base).all():
        return None
    slack = tolerance + 1e-6 * np.abs(result)
    for digits in (1, 2, 3, 4, 6):
        factor = float(f"{size:.{digits}g}")
        if (np.abs(factor * base - result) <= slack).mean() > 0.9:
            return None if factor == 1 else factor
    return None


def _times(operation: np.ufunc, factor: float) -> Formula:
    if operation is np.multiply:
        return Formula(
            f"{factor:g} · {{}} · {{}}",
            lambda a, b: factor * a * b,
            lambda c, b: c / (factor * b),
            lambda c, a: c / (factor * a),
        )
    return Formula(
        f"{factor:g} · {{}} / {{}}",
        lambda a, b: factor * a / b,
        lambda c, b: c * b / factor,
        lambda c, a: factor * a / c,
        commutes=False,
    )
