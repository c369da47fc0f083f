"""Features of a column's causes that can be computed for values no row ever had."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from scipy.linalg.lapack import dtrtri

from whydrift.discovery.arrays import BoolArray, FloatArray, IntArray
from whydrift.monitor.diagnosis.pair import WindowPair

__all__ = ["Causes", "Columns", "Design", "Layout", "basis_in", "column_basis"]

# Percentiles of the pooled rows; beyond the outermost two a natural spline goes on as a line.
_KNOTS = (2.0, 8.0, 18.0, 30.0, 43.0, 57.0, 70.0, 82.0, 92.0, 98.0)
_FEW_ROWS, _MANY_TIMES = 10, 4.0
_MOST_LEVELS = 12
_MOST_PRODUCTS = 40
_WIDE, _FEW_LEVELS = 60, 2
# Factors of products, in sd: as lines a price times an amount is one, but no outlier has its way.
_WIDEST = 4.0
_NORMAL_QUARTILES = 1.349  # distance of a standard normal's quartiles


class Basis(Protocol):
    """One column as features: any array of values gives one more axis, the features."""

    width: int

    def features(self, values: FloatArray) -> FloatArray:
        """Return features with mean about zero; a missing value has zeros."""
        ...

    def bounded(self, values: FloatArray) -> FloatArray:
        """Return few features, with limits, to multiply with those of other columns."""
        ...

    def ingredients(self, values: FloatArray) -> FloatArray:
        """Return what the features are sums of, shape (n_ingredients, ...): cheaper than they."""
        ...

    @property
    def recipe(self) -> FloatArray:
        """How much of each ingredient is in each feature, shape (width, n_ingredients)."""
        ...


@dataclass(frozen=True)
class NumberBasis:
    """A natural cubic spline, whitened so that one ridge penalty fits all its features.

    References
    ----------
    Hastie, Tibshirani & Friedman (2009), The Elements of Statistical Learning, section 5.2.1.
    """

    centre: float
    scale: float
    low: float
    high: float
    common: tuple[float, float]
    knots: FloatArray
    mean: FloatArray
    whitening: FloatArray
    has_missing: bool

    @classmethod
    def of(cls, reference: FloatArray, current: FloatArray, *, has_missing: bool) -> NumberBasis:
        """Choose the knots from the windows' present values, ascending."""
        common = _common_range(reference, current)
        present = np.sort(np.concatenate([reference, current]), kind="stable")  # merges the two
        if not present.size:
            nothing = np.zeros(1)
            return cls(0.0, 1.0, 0.0, 0.0, common, nothing, nothing, np.eye(1), has_missing)
        lower, centre, upper = _percentiles(present, (25.0, 50.0, 75.0)).tolist()
        scale = (upper - lower) / _NORMAL_QUARTILES or float(present.std()) or 1.0
        z = (present - centre) / scale
        knots = np.unique(_percentiles(z, _KNOTS))
        rough = _natural(knots) @ _bends(z, knots)[1:]
        mean = rough.mean(axis=1)
        centred = rough - mean[:, None]
        covariance = centred @ centred.T / max(1, present.size - 1)
        covariance = covariance + 1e-8 * np.eye(len(mean)) * max(1.0, float(covariance.max()))
        root = np.linalg.cholesky(covariance)
        whitening = dtrtri(root, lower=1)[0].T
        return cls(
            centre,
            scale,
            float(z[0]),
            float(z[-1]),
            common,
            knots,
            mean,
            whitening,
            has_missing,
        )

    @property
    def width(self) -> int:
        """Number of features."""
        return len(self.mean) + self.has_missing

    def features(self, values: FloatArray) -> FloatArray:
        """Return features, shape (..., width)."""
        known = self.ingredients(values)
        out = np.empty((self.width, *values.shape))
        np.matmul(self.recipe, known.reshape(len(known), -1), out=out.reshape(self.width, -1))
        return np.moveaxis(out, 0, -1)

    def ingredients(self, values: FloatArray) -> FloatArray:
        """Return one, the value, its cube beyond each knot, and whether it is missing."""
        # No row tells of values beyond all that were seen: the last one stands for them.
        z = values - self.centre
        z /= self.scale
        np.clip(z, self.low, self.high, out=z)
        known = _bends(z, self.knots)
        if not self.has_missing:
            return known
        missing = ~np.isfinite(values)
        known[:, missing] = 0.0
        return np.concatenate([known, missing[None]])

    @cached_property
    def recipe(self) -> FloatArray:
        """See `Basis`."""
        white, rough = self.whitening.T, _natural(self.knots)
        smooth = np.concatenate([-(white @ self.mean)[:, None], white @ rough], axis=1)
        if not self.has_missing:
            return smooth
        out = np.zeros((self.width, smooth.shape[1] + 1))
        out[:-1, :-1], out[-1, -1] = smooth, 1.0
        return out

    def bounded(self, values: FloatArray) -> FloatArray:
        """Return one feature, shape (..., 1)."""
        out = np.clip((values - self.centre) / self.scale, -_WIDEST, _WIDEST)[..., None]
        return np.nan_to_num(out, copy=False) if self.has_missing else out


def _percentiles(ordered: FloatArray, shares: Sequence[float]) -> FloatArray:
    """Return percentiles of ascending values, as `numpy.percentile` does."""
    places = np.array(shares) / 100 * (len(ordered) - 1)
    below = places.astype(np.int64)
    above = np.minimum(below + 1, len(ordered) - 1)
    out: FloatArray = ordered[below] + (ordered[above] - ordered[below]) * (places - below)
    return out


def _bends(z: FloatArray, knots: FloatArray) -> FloatArray:
    """Return one, the values and, where there are knots enough, their cubes beyond each.

    Features come first in memory, here and in every design: loops run over rows, which are many.
    """
    bends = knots if len(knots) >= 3 else knots[:0]
    out = np.empty((2 + len(bends), *z.shape))
    out[0], out[1] = 1.0, z
    beyond = z - bends.reshape(-1, *[1] * z.ndim)
    np.maximum(beyond, 0.0, out=beyond)
    np.multiply(beyond, beyond, out=out[2:])
    out[2:] *= beyond
    return out


def _natural(knots: FloatArray) -> FloatArray:
    """Return how a natural cubic spline's basis is made of `_bends`; neither has an intercept."""
    count = len(knots)
    if count < 3:
        return np.ones((1, 1))
    slopes = np.eye(count)[:-1]
    slopes[:, -1] = -1.0
    slopes /= (knots[-1] - knots[:-1])[:, None]
    out = np.zeros((count - 1, 1 + count))
    out[0, 0] = 1.0
    out[1:, 1:] = slopes[:-1] - slopes[-1]
    return out


@dataclass(frozen=True)
class CategoryBasis:
    """Indicators of all levels but the commonest; rare ones share an indicator."""

    levels: FloatArray
    rare: FloatArray

    @classmethod
    def of(cls, codes: FloatArray) -> CategoryBasis:
        """Choose the levels from pooled codes, NaN where missing (a level of its own)."""
        found, counts = np.unique(codes[np.isfinite(codes)], return_counts=True)
        ordered = found[np.argsort(-counts, kind="stable")]
        levels, rare = ordered[1:_MOST_LEVELS], ordered[_MOST_LEVELS:]
        return cls(levels, np.append(rare, np.nan) if np.isnan(codes).any() else rare)

    @property
    def width(self) -> int:
        """Number of features."""
        return len(self.levels) + bool(self.rare.size)

    def features(self, values: FloatArray) -> FloatArray:
        """Return indicators, shape (..., width)."""
        out: FloatArray = (values[..., None] == self.levels).astype(np.float64)
        if not self.rare.size:
            return out
        pooled = np.isin(values, self.rare[np.isfinite(self.rare)]) | np.isnan(values)
        return np.concatenate([out, pooled[..., None].astype(np.float64)], axis=-1)

    bounded = features

    def ingredients(self, values: FloatArray) -> FloatArray:
        """Return the features."""
        return np.ascontiguousarray(np.moveaxis(self.features(values), -1, 0))

    @cached_property
    def recipe(self) -> FloatArray:
        """See `Basis`."""
        return np.eye(self.width)


def column_basis(values: FloatArray, is_discrete: bool, split: int) -> NumberBasis | CategoryBasis:
    """Return the basis of a column from its pooled values, the first ``split`` of the reference."""
    if is_discrete:
        return CategoryBasis.of(values)
    before, after = (np.sort(w[np.isfinite(w)]) for w in (values[:split], values[split:]))
    return NumberBasis.of(before, after, has_missing=len(before) + len(after) < len(values))


def basis_in(pair: WindowPair, name: str) -> NumberBasis | CategoryBasis:
    """Return the basis of a column of both windows, as `column_basis` does."""
    if pair.is_discrete(name):
        return CategoryBasis.of(pair.values(name))
    before, after = pair.reference.ascending(name), pair.current.ascending(name)
    has_missing = len(before) + len(after) < len(pair.is_current)
    return NumberBasis.of(before, after, has_missing=has_missing)


def _common_range(reference: FloatArray, current: FloatArray) -> tuple[float, float]:
    """Return between which values both windows have rows; one point between them where nowhere.

    Infinite on a side where neither window reaches further than the other. Values are ascending.
    """
    low = -_common_end(-reference[::-1], -current[::-1])
    high = _common_end(reference, current)
    return (low, high) if low <= high else ((low + high) / 2, (low + high) / 2)


def _common_end(*windows: FloatArray) -> float:
    """Return above which value one window has hardly any rows and the other has many."""
    if min(len(w) for w in windows) <= _FEW_ROWS:
        return np.inf
    ends = [float(w[-_FEW_ROWS]) for w in windows]
    shorter = int(np.argmin(ends))
    longer = windows[1 - shorter]
    beyond = len(longer) - np.searchsorted(longer, ends[shorter], "right")
    share = _FEW_ROWS / len(windows[shorter])
    return ends[shorter] if beyond / len(longer) > _MANY_TIMES * share else np.inf


@dataclass(frozen=True)
class Layout:
    """What the features of a design are.

    Parameters
    ----------
    kinds : ndarray of int, shape (f,)
        Features of one kind are shrunk alike; -1 is not shrunk.
    differs : ndarray of bool, shape (f,)
        Features for the difference between the windows.
    for_spread : ndarray of int, shape (f_spread,)
        Those that the spread may depend on: all but products.
    source : ndarray of int, shape (f,)
        Which of the design's features each is: one that both windows have everywhere serves twice.
    """

    kinds: IntArray
    differs: BoolArray
    for_spread: IntArray
    source: IntArray

    def on_design(self, weights: FloatArray) -> FloatArray:
        """Return weights of these features, shape (..., f), as weights of the design's."""
        out = np.zeros((*weights.shape[:-1], int(self.source.max()) + 1))
        once = int(self.differs.argmax()) if self.differs.any() else len(self.source)
        for part in (slice(0, once), slice(once, None)):
            out[..., self.source[part]] += weights[..., part]
        return out


@dataclass(frozen=True)
class Design:
    """Intercept, features of each cause, and products of causes where there are few.

    Parameters
    ----------
    bases : mapping of str to Basis
        One per cause.
    differs : bool
        Whether the windows' mechanisms differ. All features then serve twice: once more for the
        difference, with values drawn in to where both windows have rows. Beyond, nobody knows the
        difference, and that at the edge stands for it. Where there is nothing beyond, they come
        once.
    """

    bases: Mapping[str, NumberBasis | CategoryBasis]
    differs: bool
    draws_in: bool = True

    @cached_property
    def reaches_beyond(self) -> bool:
        """Whether a cause has many values in one window where the other has hardly any."""
        return any(_reaches_beyond(basis) for basis in self.bases.values())

    @cached_property
    def is_wide(self) -> bool:
        """Whether there are so many causes that each has a line alone, or its commonest levels."""
        return len(self.bases) > _WIDE and not self.differs

    @cached_property
    def _pairs(self) -> tuple[tuple[str, str], ...]:
        narrow = {n: _narrow(b) for n, b in self.bases.items()}
        pairs = list(itertools.combinations(narrow, 2))
        products = sum(narrow[a] * narrow[b] for a, b in pairs)
        return tuple(pairs) if products <= _MOST_PRODUCTS else ()

    @cached_property
    def layout(self) -> Layout:
        """What the features are."""
        kinds, names = [-1], itertools.count()
        if self.is_wide:
            kinds += [next(names)] * sum(_few(b) for b in self.bases.values())
            once = np.array(kinds)
            nothing = np.zeros(len(once), dtype=bool)
            return Layout(once, nothing, np.zeros(1, dtype=np.int64), np.arange(len(once)))
        for basis in self.bases.values():
            if isinstance(basis, NumberBasis):
                line, bend = next(names), next(names)
                kinds += [line, *[bend] * (len(basis.mean) - 1)]
                kinds += [next(names)] if basis.has_missing else []
            else:
                kinds += [next(names)] * basis.width
        plain = len(kinds)
        for a, b in self._pairs:
            kinds += [next(names)] * (_narrow(self.bases[a]) * _narrow(self.bases[b]))
        once = np.array(kinds)
        spread = np.arange(plain)
        if not self.differs:
            return Layout(once, np.zeros(len(once), dtype=bool), spread, np.arange(len(once)))
        again = np.where(once < 0, -1, once + next(names))
        return Layout(
            np.concatenate([once, again]),
            np.arange(2 * len(once)) >= len(once),
            np.concatenate([spread, len(once) + spread]),
            np.arange(2 * len(once)) % (2 * len(once) if self.reaches_beyond else len(once)),
        )

    def __call__(self, columns: Columns, shape: tuple[int, ...]) -> FloatArray:
        """Return the features of rows.

        Parameters
        ----------
        columns : Columns
            Features of the single causes, of shapes that broadcast to ``shape``.
        shape : tuple of int
            Of the result, the features left out.

        Returns
        -------
        ndarray of shape (*shape, n_features)
        """
        parts = self._parts(columns, drawn_in=False)
        if self.differs and self.reaches_beyond:
            parts += self._parts(columns, drawn_in=self.draws_in)
        ends = np.cumsum([0, *(p.shape[-1] for p in parts)]).tolist()
        out = np.empty((ends[-1], *shape))
        for part, start, stop in zip(parts, ends[:-1], ends[1:], strict=True):
            out[start:stop] = np.moveaxis(part, -1, 0)
        return np.moveaxis(out, 0, -1)

    def causes(self, columns: Columns, rows: int) -> Causes:
        """Return the causes of so many rows, for products of their features with weights."""
        parts = self._ingredients(columns, rows, drawn_in=False)
        if self.differs and self.reaches_beyond:
            parts += self._ingredients(columns, rows, drawn_in=self.draws_in)
        return Causes(tuple(parts))

    def _ingredients(
        self, columns: Columns, rows: int, *, drawn_in: bool
    ) -> list[tuple[FloatArray, FloatArray]]:
        parts = [(np.ones((1, 1, rows)), np.ones((1, 1)))]
        for name, basis in self.bases.items():
            count = _few(basis) if self.is_wide else basis.width
            parts.append((columns.ingredients(name, drawn_in), basis.recipe[:count]))
        if self._pairs:
            narrow = {n: np.moveaxis(columns.bounded(n, drawn_in), -1, 0) for n in self.bases}
            fits = max(part.shape[1] for part in narrow.values())
            ends = np.cumsum([0, *(len(narrow[a]) * len(narrow[b]) for a, b in self._pairs)])
            products = np.empty((ends[-1], fits, rows))
            for (a, b), start, stop in zip(self._pairs, ends[:-1], ends[1:], strict=True):
                one, other = narrow[a][:, None], narrow[b][None]
                out = products[start:stop].reshape(len(narrow[a]), len(narrow[b]), fits, rows)
                np.multiply(one, other, out=out)
            parts.append((products, np.eye(len(products))))
        return parts

    def _parts(self, columns: Columns, *, drawn_in: bool) -> list[FloatArray]:
        parts = [np.ones((1, 1)), *(columns.features(n, drawn_in) for n in self.bases)]
        if self.is_wide:
            few = [1, *(_few(b) for b in self.bases.values())]
            return [part[..., :count] for part, count in zip(parts, few, strict=True)]
        if self._pairs:
            narrow = {n: columns.bounded(n, drawn_in) for n in self.bases}
            parts += [_product(narrow[a], narrow[b]) for a, b in self._pairs]
        return parts


@dataclass(frozen=True)
class Causes:
    """The causes of some rows: what a design's features are sums of, and how.

    Rows are run again many times, and each time every feature would be used once or twice only.

    Parameters
    ----------
    parts : tuple of pairs of ndarray
        Ingredients, of shape (k, n_fits or 1, n_rows), and the recipe of some features, of
        shape (f_part, k); features of all parts follow each other.
    """

    parts: tuple[tuple[FloatArray, FloatArray], ...]

    def times(self, weights: FloatArray) -> FloatArray:
        """Return the features' weighted sums.

        Parameters
        ----------
        weights : ndarray of shape (m, n_fits, n_features)
            So many sums of each row, in each fit.

        Returns
        -------
        ndarray of shape (m, n_fits, n_rows)
        """
        out: FloatArray | None = None
        start = 0
        for ingredients, recipe in self.parts:
            own = weights[..., start : start + len(recipe)] @ recipe
            start += len(recipe)
            if ingredients.shape[1] == 1:
                term = own @ ingredients[:, 0]
            else:
                term = (own.swapaxes(0, 1) @ ingredients.swapaxes(0, 1)).swapaxes(0, 1)
            if out is None:
                out = term
            else:
                out += term
        assert out is not None  # the intercept is the first part
        return out


def _product(one: FloatArray, other: FloatArray) -> FloatArray:
    """Return all products of features, which are the last axis."""
    product = one[..., :, None] * other[..., None, :]
    return product.reshape(*product.shape[:-2], -1)


class Columns:
    """Features of single columns, computed once however many others they cause.

    Parameters
    ----------
    bases : mapping of str to Basis
        Of the columns.
    values : callable
        Gives a column's values.
    """

    def __init__(
        self,
        bases: Mapping[str, NumberBasis | CategoryBasis],
        values: Callable[[str], FloatArray],
    ) -> None:
        self._bases, self._values = bases, values
        self._features: dict[tuple[str, bool], FloatArray] = {}
        self._narrow: dict[tuple[str, bool], FloatArray] = {}
        self._ingredients: dict[tuple[str, bool], FloatArray] = {}

    def features(self, name: str, drawn_in: bool) -> FloatArray:
        """Return a column's features; drawn in, those of the nearest value in common."""
        drawn_in = drawn_in and _reaches_beyond(self._bases[name])
        if (name, drawn_in) not in self._features:
            values = self._taken(name, drawn_in)
            self._features[name, drawn_in] = self._bases[name].features(values)
        return self._features[name, drawn_in]

    def ingredients(self, name: str, drawn_in: bool) -> FloatArray:
        """Return what a column's features are sums of."""
        drawn_in = drawn_in and _reaches_beyond(self._bases[name])
        if (name, drawn_in) not in self._ingredients:
            values = self._taken(name, drawn_in)
            self._ingredients[name, drawn_in] = self._bases[name].ingredients(values)
        return self._ingredients[name, drawn_in]

    def bounded(self, name: str, drawn_in: bool) -> FloatArray:
        """Return what is multiplied with other columns."""
        drawn_in = drawn_in and _reaches_beyond(self._bases[name])
        if (name, drawn_in) not in self._narrow:
            self._narrow[name, drawn_in] = self._bases[name].bounded(self._taken(name, drawn_in))
        return self._narrow[name, drawn_in]

    def _taken(self, name: str, drawn_in: bool) -> FloatArray:
        values, basis = self._values(name), self._bases[name]
        if not drawn_in or not isinstance(basis, NumberBasis):
            return values
        return np.clip(values, *basis.common)


def _reaches_beyond(basis: NumberBasis | CategoryBasis) -> bool:
    return isinstance(basis, NumberBasis) and basis.common != (-np.inf, np.inf)


def _few(basis: NumberBasis | CategoryBasis) -> int:
    """Return how many features of a column do where there are very many columns.

    The first of a whitened spline is the line.
    """
    return 1 if isinstance(basis, NumberBasis) else min(basis.width, _FEW_LEVELS)


def _narrow(basis: NumberBasis | CategoryBasis) -> int:
    """Return how many features of a column are multiplied with those of others."""
    return 1 if isinstance(basis, NumberBasis) else basis.width
