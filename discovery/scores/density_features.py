"""What a residual density explains numbers by, and as what: all columns' features, side by side."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from whydrift.discovery.arrays import BoolArray, FloatArray
from whydrift.discovery.scores.features import Features, rank_normal

__all__ = ["FeaturePlaces", "atom_at_an_end", "density_features"]

_NORMAL_QUARTILES = 1.349  # between a normal's quartiles, in sd
_MOST_ALIKE = 0.01  # of the rows with one value, of a number that has a density
_WIDE = 1.5  # times the tenth percentile is the ninetieth, at least, of a number that has a log
_FEWEST_AT_AN_END = 0.1  # of the rows, and of the others
_SEED = 194_917  # unlike those that people draw their own data from
_MOST_PRODUCTS = 300  # of two columns each
# An hour, a weekday, a month: with so many values each may have a level of its own.
_FEWEST_STEPS, _MOST_STEPS = 7, 31


@dataclass(frozen=True, slots=True)
class FeaturePlaces:
    """Where each column's features are.

    Parameters
    ----------
    straight : tuple of slice
        Straight lines: of a number by its rank and as it is, of a category its levels; and whether
        there is a value, where some are missing.
    logged : tuple of slice
        The log of a wide number above 0; else as `straight`.
    bent : tuple of slice
        Hinges of a number's rank, whether it is at an end where many are, and the same.
    stepped : tuple of slice
        Of a number of few values its straight lines and a hinge at each; else as `bent`.
    products : mapping of (int, int) to slice
        Of two columns, by their places in ascending order; none where columns are many.
    responses : tuple of slice
        A number as it is to be explained: by its rank, as it is, and its log if it has one.
    log_rises : tuple of float, optional
        Of a number explained by its log, too: mean log of how fast it rises with that, as features.
    """

    straight: tuple[slice, ...]
    logged: tuple[slice, ...]
    bent: tuple[slice, ...]
    stepped: tuple[slice, ...]
    products: Mapping[tuple[int, int], slice]
    responses: tuple[slice, ...]
    log_rises: tuple[float | None, ...]


def density_features(
    values: FloatArray, missing: BoolArray, discrete: Sequence[bool], of: Sequence[Features]
) -> tuple[FloatArray, FeaturePlaces]:
    """Return a constant and all columns' features, each around 0 and of spread 1, and their places.

    Parameters
    ----------
    values : ndarray of shape (n_rows, n_columns)
    missing : ndarray of bool, of the same shape
        Where a value stands for one that is missing.
    discrete : sequence of bool
        Which columns are categories.
    of : sequence of Features
        Each column's.

    Returns
    -------
    ndarray of shape (n_rows, n_features)
    FeaturePlaces
    """
    stack = _Stack(np.ones((len(values), 1)))
    straight, logged, bent, stepped, as_they_are = [], [], [], [], []
    for place, is_discrete in enumerate(discrete):
        column, gap = values[:, place], missing[:, [place]]
        gaps = [gap.astype(np.float64)] if gap.any() else []
        if is_discrete:
            lines, bends, steps, logs = [of[place].linear], [], [], []
        else:
            lines = [of[place].linear, _robust(column)[:, None]]
            atom = atom_at_an_end(column)
            bends = [of[place].basis[:, 1:]] + ([] if atom is None else [atom[:, None] * 1.0])
            steps, logs = _steps(column), _logs(column)
        as_they_are.append(lines[-1])
        # Those of each way lie together, so that none is copied.
        first, second, third = (stack.add(*b) for b in (bends, [*lines, *gaps], steps))
        straight.append(second)
        bent.append(slice(first.start, second.stop))
        stepped.append(slice(second.start, third.stop) if steps else bent[-1])
        logged.append(stack.add(*logs, *gaps) if logs else second)
    products = {pair: stack.add(block) for pair, block in _products(discrete, as_they_are)}
    responses: list[slice] = []
    log_rises: list[float | None] = []
    for place, is_discrete in enumerate(discrete):
        response, column = slice(straight[place].start, straight[place].start + 2), values[:, place]
        smooth = column if is_discrete else _without_atoms(column)
        logs = [] if is_discrete else _logs(smooth)
        if logs or smooth is not column:
            whole = np.column_stack([rank_normal(smooth), _robust(smooth), *logs])
            response = stack.add(whole)
        responses.append(response)
        log_rises.append(_rise(smooth, logs[0]) if logs else None)
    places = FeaturePlaces(
        tuple(straight),
        tuple(logged),
        tuple(bent),
        tuple(stepped),
        products,
        tuple(responses),
        tuple(log_rises),
    )
    return stack.standardised(), places


def atom_at_an_end(values: FloatArray) -> BoolArray | None:
    """Return which rows have the least or the greatest of all values, where many do, or None.

    Claims of which most are 0, readings at a limit: whether, and how much, are two questions.
    """
    for end in (values.min(), values.max()):
        there: BoolArray = values == end
        if _FEWEST_AT_AN_END <= there.mean() <= 1 - _FEWEST_AT_AN_END:
            return there
    return None


def _logs(values: FloatArray) -> list[FloatArray]:
    """Return the log of a number above 0 of which it is no straight line, or nothing."""
    if values.min() <= 0:
        return []
    low, high = np.quantile(values, [0.1, 0.9])
    # Of numbers whose squares are too small or too large to be written no spread is known.
    is_known = 0 < float(values.std()) < math.inf
    return [np.log(values)[:, None]] if is_known and high > _WIDE * low else []


def _rise(values: FloatArray, log: FloatArray) -> float:
    """Return the mean log of d(a number) / d(its log), each in its sd."""
    return float(log.mean()) + math.log(float(log.std()) / float(values.std()))


class _Stack:
    """Blocks of features, one beside the other."""

    def __init__(self, first: FloatArray) -> None:
        self._blocks = [first]
        self._size = first.shape[1]

    def add(self, *blocks: FloatArray) -> slice:
        """Add blocks, and return where they are."""
        start = self._size
        self._blocks += blocks
        self._size += sum(block.shape[1] for block in blocks)
        return slice(start, self._size)

    def standardised(self) -> FloatArray:
        """Return all, each but the constant around 0 and of spread 1."""
        stacked = np.column_stack(self._blocks)
        stacked[:, 1:] -= stacked[:, 1:].mean(axis=0)
        spread = stacked.std(axis=0)
        stacked /= np.where(spread > 0, spread, 1.0)
        return stacked


def _steps(values: FloatArray) -> list[FloatArray]:
    """Return a hinge at each value of a number of few, so that any level may follow each."""
    distinct = np.unique(values)
    if not _FEWEST_STEPS <= len(distinct) <= _MOST_STEPS:
        return []
    return [np.maximum(values[:, None] - distinct[1:-1], 0.0)]


def _products(
    discrete: Sequence[bool], parts: Sequence[FloatArray]
) -> Iterator[tuple[tuple[int, int], FloatArray]]:
    """Yield products of numbers as they are with each other, and with indicators of categories.

    Nothing where there are many columns.

    Yields
    ------
    pair : tuple of int
        The columns, in ascending order.
    block : ndarray of shape (n_rows, n_products)
    """
    sizes = np.array([part.shape[1] for part in parts])
    if sizes.sum() ** 2 > 2 * _MOST_PRODUCTS:
        return
    for one, other in combinations(range(len(parts)), 2):
        if not (discrete[one] and discrete[other]):
            yield (
                (one, other),
                np.einsum("ri,rj->rij", parts[one], parts[other]).reshape(len(parts[one]), -1),
            )


def _without_atoms(values: FloatArray) -> FloatArray:
    """Return a number, each of many equal values spread over its place.

    The density of counts, or of many zeros, is as high as a kernel is narrow: whatever blurs them,
    such as taking off what a cause says, would seem to explain less than nothing. Values lie
    anywhere between the middles to their neighbours (dequantization; Theis, van den Oord & Bethge
    2016, A note on the evaluation of generative models).
    """
    distinct, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    if len(distinct) < 2 or counts.max() <= _MOST_ALIKE * len(values):
        return values
    middles = (distinct[1:] + distinct[:-1]) / 2
    low = np.append(2 * distinct[0] - middles[0], middles)
    high = np.append(middles, 2 * distinct[-1] - middles[-1])
    share = np.random.default_rng(_SEED).random(len(values))
    out: FloatArray = low[place] + share * (high - low)[place]
    return out


def _robust(values: FloatArray) -> FloatArray:
    """Return a number less its median, in robust sd."""
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
    # Where half of the rows are alike, their quartiles say nothing of the spread.
    spread = max((high - low) / _NORMAL_QUARTILES, 0.2 * float(values.std())) or 1.0
    out: FloatArray = (values - middle) / spread
    return out
