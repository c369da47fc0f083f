"""A score of a column's parents over one or several windows, from Gram matrices alone.

A column may pay for a changed mechanism: the same fit in all windows, its own intercept and spread
in each, or its own everything; with three windows or more also in some of them alone. The simplest
explanation of the windows wins, and with it the direction of edges that one window alone leaves
open.

References
----------
Schwarz (1978), Estimating the dimension of a model.
Mooij, Magliacane & Claassen (2020), Joint causal inference from multiple contexts.
Andrews, Ramsey & Cooper (2019), Learning high-dimensional directed acyclic graphs with mixed
data-types: the degenerate Gaussian, whose features are indicators of categories.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from whydrift.discovery.arrays import FloatArray, IntArray
from whydrift.discovery.scores.base import BlockArrays
from whydrift.discovery.scores.cache import CachedScore
from whydrift.discovery.scores.choices import log_choices
from whydrift.discovery.scores.features import Features
from whydrift.discovery.scores.memory import common_worth, memory_costs, pair_worths
from whydrift.discovery.scores.moments import gram_matrices
from whydrift.discovery.scores.rare import rare_pair_costs, rare_share

__all__ = ["CARRIES", "EnvironmentScore"]

# Noise that remembers: shares of the row before that a row may carry on. What is new in a row is
# then nearly independent of the row before, or else rows are discounted by what is left (`worth`).
CARRIES = (0.5, 0.8, 0.92, 1.0)

_RIDGE = 1e-6
_TIE = 1e-9
# Each parent may bring six features. Hubs of more parents are met among many columns, where the
# search is compiled and can afford them.
_MOST_PARENTS, _MOST_PARENTS_OF_MANY, _MANY_COLUMNS = 6, 8, 20


# Straight models are padded where they are asked together with bent ones: beyond so many numbers
# more in a matrix, a call of their own costs less.
_WORTH_A_CALL = 4000


@dataclass(frozen=True)
class _Moments:
    """Second moments of all windows.

    Parameters
    ----------
    rows, shares : ndarray of shape (n_windows,)
        Rows, and their shares of all rows.
    covs : ndarray of shape (n_windows, n_features, n_features)
    means : ndarray of shape (n_windows, n_features)
        Less the mean over all windows.
    within, total : ndarray of shape (n_features, n_features)
        Pooled covariance around the windows' means, and around the common mean.
    stack : ndarray of shape (1 or 2 + n_windows, n_features + room, n_features + room)
        ``total``; of several windows ``within`` before it, and ``covs`` after it. Features beyond
        those there are are uncorrelated with everything, of unit spread.
    """

    rows: FloatArray
    shares: FloatArray
    covs: FloatArray
    means: FloatArray
    within: FloatArray
    total: FloatArray
    stack: FloatArray

    @classmethod
    def of(cls, stacked: FloatArray, bounds: IntArray, room: int, carry: float = 0.0) -> _Moments:
        """Return the moments of features, shape (n_rows, n_features), all windows' in turn."""
        grams, rows = gram_matrices(stacked, bounds, carry)
        shares = rows / rows.sum()
        means = np.array([gram[0, 1:] / gram[0, 0] for gram in grams])
        covs = np.array(
            [g[1:, 1:] - g[0, 0] * np.outer(m, m) for g, m in zip(grams, means, strict=True)]
        )
        means = means - shares @ means
        within: FloatArray = np.tensordot(shares, covs, 1)
        total: FloatArray = within + (means * shares[:, None]).T @ means
        matrices = [total] if len(covs) == 1 else [within, total, *covs]
        return cls(rows, shares, covs, means, within, total, _widened(np.stack(matrices), room))


@dataclass(frozen=True, slots=True)
class _Way:
    """How windows are taken to differ in one fit, and what that fit is worth.

    Parameters
    ----------
    value : float
    apart : tuple of int
        The windows that have a mechanism of their own; the others share one.
    """

    value: float
    apart: tuple[int, ...]


def _value(way: _Way) -> float:
    return way.value


class EnvironmentScore(CachedScore):
    """``−rows/2 · log det(residual covariance) − parameters · log(rows)/2``, best of a few fits.

    Windows may all share a mechanism, each have its own, or some have their own and the others
    share one. Which some, of all sets of windows, is found by setting apart one window after the
    other, each time the one that gains most; such a set costs the log of the number of sets of its
    size, as any choice among many does in an extended BIC.
    A parent that has rare values, as the column does, costs more, and so does one that remembers,
    as the column does; see `rare_pair_costs` and `memory_costs`.

    Parameters
    ----------
    features : sequence of Features
        One per column, over the rows of all windows, one window after the other. Parents enter
        by their basis or by their linear features alone, whichever explains more cheaply.
    bounds : ndarray of int, shape (n_windows + 1,)
        The rows at which each window begins, and the end of the last.
    names : tuple of str
        The columns.
    penalty : float
        Multiplies the BIC penalty.
    gamma : float
        Of the extended BIC, in [0, 1]; 0 is plain BIC.
    """

    def __init__(
        self,
        features: Sequence[Features],
        bounds: IntArray,
        names: tuple[str, ...],
        *,
        penalty: float = 1.0,
        gamma: float = 0.0,
    ) -> None:
        most = _MOST_PARENTS if len(names) <= _MANY_COLUMNS else _MOST_PARENTS_OF_MANY
        super().__init__(names, min(most, len(names) - 1))
        self.penalty = penalty
        self.extra: FloatArray = penalty * gamma * log_choices(len(names))
        sizes = [f.basis.shape[1] for f in features]
        self.start: IntArray = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        self.basis = [np.arange(start, stop) for start, stop in pairwise(self.start.tolist())]
        self.linear = [b[: f.linear.shape[1]] for b, f in zip(self.basis, features, strict=True)]
        self._is_bent = [
            len(b) > len(line) for b, line in zip(self.basis, self.linear, strict=True)
        ]
        self._choices = log_choices(len(bounds))  # of so many windows among all
        stacked = np.column_stack([f.basis for f in features])
        room = self.most_parents * max(sizes)
        self._padding = self.start[-1] + np.arange(room)
        self._moments = _Moments.of(stacked, bounds, room)
        plain = pair_worths(features, bounds, [0.0] * len(features))
        # Where rows remember, the noise of a number may carry on a share of the row before.
        self._remembers = [
            bool(worth < 1) and not f.is_discrete
            for f, worth in zip(features, np.diagonal(plain), strict=True)
        ]
        self._remembering: tuple[_Moments, ...] = ()
        worths = plain
        if any(self._remembers):
            self._remembering = tuple(_Moments.of(stacked, bounds, room, c) for c in CARRIES)
            # Not all memory is of that kind: rows count for what the best of these leaves.
            worths = pair_worths(
                features,
                bounds,
                [
                    _best_carry(f, bounds) if remembers else 0.0
                    for f, remembers in zip(features, self._remembers, strict=True)
                ],
            )
        self._plain_worth, self._worth = common_worth(plain), common_worth(worths)
        total_rows = max(float(self._moments.rows.sum()), 2.0)
        price = 0.5 * penalty * np.log(total_rows) + self.extra[1]
        rare = rare_pair_costs(np.array([rare_share(f) for f in features]), total_rows, price)
        lines = [len(line) for line in self.linear]
        self._plain_costs = rare + memory_costs(plain, price, lines)
        self._costs = rare + memory_costs(worths, price, lines)
        self._has_costs = [bool(costs.any()) for costs in self._costs]

    def arrays(self) -> BlockArrays:
        """Return what a compiled search reads."""
        return BlockArrays(
            self._moments.covs,
            self._moments.means,
            self._moments.within,
            self._moments.total,
            np.tile(self._plain_worth * self._moments.rows, (len(self.names), 1)),
            self._choices,
            self.start,
            np.array([len(linear) for linear in self.linear], dtype=np.int64),
            float(self.penalty),
            self.extra,
            self._plain_costs,
        )

    def moved(self, column: int, parents: tuple[int, ...]) -> tuple[int, ...]:
        """Return the windows in which a column pays for a mechanism of its own; see `Score`."""
        return self._best_ways(column, [parents])[0].apart

    @property
    def worth(self) -> float:
        """How much a row tells, from 0 to 1."""
        return self._worth

    @property
    def remembers(self) -> bool:
        """Whether the noise of some number may carry on a share of the row before."""
        return bool(self._remembering)

    def carry(self, column: int, parents: tuple[int, ...]) -> float:
        """Return the share of the row before that a column's noise carries on, given parents."""
        if not self._remembers[column]:
            return 0.0
        index, sizes = self._padded([[self.basis[p] for p in parents]], self.linear[column])
        moments_of, rows = self._assumed(column)
        only, none = np.zeros(1, dtype=np.int64), np.full(1, -np.inf)
        values = [self._fits(m, rows, index, sizes, only, none)[0].value for m in moments_of]
        return (0.0, *CARRIES)[int(np.argmax(values))]

    def _evaluate(self, column: int, parent_sets: list[tuple[int, ...]]) -> FloatArray:
        values = np.array([way.value for way in self._best_ways(column, parent_sets)])
        out: FloatArray = values - self.extra[[len(parents) for parents in parent_sets]]
        if self._has_costs[column]:
            out -= [self._costs[column, list(parents)].sum() for parents in parent_sets]
        return out

    def _best_ways(self, column: int, parent_sets: list[tuple[int, ...]]) -> list[_Way]:
        models = [[self.basis[p] for p in parents] for parents in parent_sets]
        # Categories have but one basis.
        bent = [n for n, s in enumerate(parent_sets) if any(self._is_bent[p] for p in s)]
        straight = [[self.linear[p] for p in parent_sets[n]] for n in bent]
        asked = list(range(len(parent_sets)))
        most = max(sum(map(len, model)) for model in models)
        if len(straight) * most**2 < _WORTH_A_CALL:
            batches = [(models + straight, asked + bent)]
        else:
            batches = [(models, asked), (straight, bent)]
        moments_of, rows = self._assumed(column)
        best = [_Way(-np.inf, ())] * len(parent_sets)
        for several, numbers in batches:
            index, sizes = self._padded(several, self.linear[column])
            of = np.array(numbers)
            for moments in moments_of:
                known = np.array([way.value for way in best])
                found = self._fits(moments, rows, index, sizes, of, known)
                for n, way in zip(numbers, found, strict=True):
                    if way.value > best[n].value:
                        best[n] = way
        return best

    def _assumed(self, column: int) -> tuple[tuple[_Moments, ...], FloatArray]:
        """Return the moments by which a column may be explained, and what the rows count for.

        Likelihoods of the same rows alone can be compared: those that have a row before them.
        """
        if not self._remembers[column]:
            return (self._moments,), self._worth * self._moments.rows
        return (self._moments, *self._remembering), self._worth * self._remembering[0].rows

    def _padded(
        self, parents: list[list[IntArray]], response: IntArray
    ) -> tuple[IntArray, FloatArray]:
        """Return feature numbers (parents, padding, response) and model sizes.

        Padding points at features that are uncorrelated with everything, which changes no
        determinant.
        """
        sizes = [sum(map(len, blocks)) for blocks in parents]
        longest = max(sizes)
        index = np.empty((len(parents), longest + len(response)), dtype=np.int64)
        index[:, longest:] = response
        index[:, :longest] = self._padding[:longest]
        if min(sizes) == longest > 0:
            flat = np.concatenate([block for blocks in parents for block in blocks])
            index[:, :longest] = flat.reshape(len(parents), longest)
        else:
            for row, size, blocks in zip(index, sizes, parents, strict=True):
                if size:
                    row[:size] = np.concatenate(blocks)
        return index, np.array(sizes, dtype=np.float64)

    def _fits(
        self,
        moments: _Moments,
        rows: FloatArray,
        index: IntArray,
        sizes: FloatArray,
        of: IntArray,
        known: FloatArray,
    ) -> list[_Way]:
        """Return, for each model, the best way in which windows may differ.

        Exact where no better way is known for the parent set; elsewhere it may be a worse one.

        Parameters
        ----------
        moments : _Moments
        rows : ndarray of shape (n_windows,)
            What the windows' rows count for.
        index : ndarray of int, shape (n_models, n_features)
        sizes : ndarray of shape (n_models,)
            See `_padded`.
        of : ndarray of int, shape (n_models,)
            The number of each model's parent set.
        known : ndarray of shape (n_parent_sets,)
            The value of the best way known.
        """
        q = index.shape[1] - int(sizes.max())
        unit = 0.5 * self.penalty * np.log(max(float(rows.sum()), 2.0))
        spread = q * (q + 1) / 2
        own_parameters = sizes * q + (q + spread)
        # Of all rows first, and of each window where there are several: (…, n_models, n, n).
        count = len(rows)
        every = _cut_out(moments.stack[-count - (count > 1) :], index)
        logdets = _residual_logdet(every, q)
        same = -rows.sum() / 2 * logdets[0] - unit * own_parameters
        if count == 1:
            return [_Way(value, ()) for value in same.tolist()]
        total, blocks = every[0], every[1:]
        own_fit = (-rows / 2) @ logdets[1:]
        each = own_fit - unit * (count * own_parameters + 1)
        shared_parameters = sizes * q
        price = unit * (shared_parameters + (count * (q + spread) + 1))
        tried = np.arange(len(sizes))
        if count == 2:
            # Shared slopes fit no window better than its own do: most models need not try them.
            reached = known.copy()
            np.maximum.at(reached, of, np.maximum(same, each))
            tried = np.flatnonzero(own_fit - price > reached[of])
        if len(tried):
            contrast = _contrast(_cut_out(moments.stack[:1], index[tried])[0], q)
            residuals = _spread_along(contrast, blocks[:, tried])
            shared_fit = (-rows / 2) @ _logdet(residuals)
            each[tried] = np.maximum(each[tried], shared_fit - price[tried])
        everywhere = tuple(range(count))
        best = [
            _Way(apart, everywhere) if apart > alike + _TIE else _Way(alike, ())
            for alike, apart in zip(same.tolist(), each.tolist(), strict=True)
        ]
        if count == 2:
            return best
        padded = np.column_stack([moments.means, np.zeros((count, int(index.max()) + 1))])
        for number, own_index in enumerate(index):
            means = padded[:, own_index]
            order = self._set_apart(
                rows, residuals[:, number], means @ contrast[number], unit * (q + spread)
            )
            for some in range(1, len(order) + 1):
                apart, groups = tuple(sorted(order[:some])), some + 1
                price = self.penalty * self._choices[some] + unit
                own_price = price + unit * groups * own_parameters[number]
                shared_price = price + unit * (shared_parameters[number] + groups * (q + spread))
                # No set of windows apart fits better than all of them apart.
                least = best[number].value + _TIE
                if max(own_fit[number] - own_price, shared_fit[number] - shared_price) <= least:
                    continue
                alone = [blocks[k][number] for k in apart]
                rest = _rest(total[number], alone, means, moments.shares, apart)
                own, shared = self._grouped(rows, [*alone, rest], apart, q)
                value = max(own - own_price, shared - shared_price)
                if value > least:
                    best[number] = _Way(value, apart)
        return best

    @staticmethod
    def _grouped(
        rows: FloatArray, blocks: list[FloatArray], apart: tuple[int, ...], q: int
    ) -> tuple[float, float]:
        """Return the log likelihoods of own everything in each group, and of shared slopes.

        Parameters
        ----------
        rows : ndarray of shape (n_windows,)
        blocks : list of ndarray
            The covariance in each window of ``apart``, and over all the others.
        """
        weights = [*rows[list(apart)], rows.sum() - rows[list(apart)].sum()]
        contrast = _contrast(np.average(blocks, axis=0, weights=weights)[None], q)
        own = shared = 0.0
        for weight, block in zip(weights, blocks, strict=True):
            own -= weight / 2 * float(_residual_logdet(block[None], q)[0])
            residual = _spread_along(contrast, block[None])
            shared -= weight / 2 * float(np.linalg.slogdet(residual)[1][0])
        return own, shared

    def _set_apart(
        self, rows: FloatArray, residuals: FloatArray, means: FloatArray, unit: float
    ) -> list[int]:
        """Return the windows whose residuals are unlike the others', the most unlike first.

        All windows but two at most; as many of them as gain by a mean and a spread of their own.
        """
        left = list(range(len(rows)))
        moments = residuals + means[:, :, None] * means[:, None, :]
        best, found, fit = -np.inf, 0, 0.0
        apart: list[int] = []
        while len(left) > 2:
            options = []
            for k in left:
                rest = [other for other in left if other != k]
                middle = np.average(means[rest], axis=0, weights=rows[rest])
                spread = np.average(moments[rest], axis=0, weights=rows[rest])
                spread = spread - np.outer(middle, middle)
                options.append(
                    -rows[k] / 2 * np.linalg.slogdet(residuals[k])[1]
                    - rows[rest].sum() / 2 * np.linalg.slogdet(spread)[1]
                )
            top = int(np.argmax(options))
            value = fit + options[top]
            chosen = left.pop(top)
            fit -= rows[chosen] / 2 * np.linalg.slogdet(residuals[chosen])[1]
            apart.append(chosen)
            value -= unit * len(apart) + self.penalty * self._choices[len(apart)]
            if value > best:
                best, found = value, len(apart)
        return apart[:found]


def _best_carry(features: Features, bounds: IntArray) -> float:
    """Return the share of the row before that leaves the most news in a row."""
    left = [pair_worths([features], bounds, [carry])[0, 0] for carry in (0.0, *CARRIES)]
    return (0.0, *CARRIES)[int(np.argmax(left))]


def _widened(matrices: FloatArray, extra: int) -> FloatArray:
    """Return matrices, ridged, with so many further features that are uncorrelated with all."""
    count, width = len(matrices), matrices.shape[1]
    out = np.tile(np.eye(width + extra), (count, 1, 1))
    out[:, :width, :width] = matrices
    out[:, np.arange(width + extra), np.arange(width + extra)] += _RIDGE
    return out


def _cut_out(matrices: FloatArray, index: IntArray) -> FloatArray:
    """Return the parts of matrices that features form, shape (n_matrices, n_sets, n, n)."""
    width = matrices.shape[-1]
    places = index[:, :, None] * width + index[:, None, :]
    out: FloatArray = matrices.reshape(len(matrices), -1).take(places, axis=1)
    return out


def _residual_logdet(blocks: FloatArray, q: int) -> FloatArray:
    """Return log det of the residual covariance of the last q features given the others."""
    factors = np.linalg.cholesky(blocks)
    out: FloatArray
    if q == 1:
        out = 2 * np.log(factors[..., -1, -1])
    else:
        out = 2 * np.log(np.diagonal(factors, axis1=-2, axis2=-1)[..., -q:]).sum(axis=-1)
    return out


def _logdet(covariance: FloatArray) -> FloatArray:
    """Return log det of small covariances; of one feature that is a log."""
    out: FloatArray
    if covariance.shape[-1] == 1:
        out = np.log(covariance[..., 0, 0])
    else:
        out = np.linalg.slogdet(covariance)[1]
    return out


def _contrast(pooled: FloatArray, q: int) -> FloatArray:
    """Return what takes features to residuals under the slopes of these blocks, batched.

    Shape (n_sets, n_features, q).
    """
    slopes = np.linalg.solve(pooled[:, :-q, :-q], pooled[:, :-q, -q:])
    response = np.broadcast_to(np.eye(q), (len(pooled), q, q))
    out: FloatArray = np.concatenate([-slopes, response], axis=1)
    return out


def _spread_along(contrast: FloatArray, blocks: FloatArray) -> FloatArray:
    """Return the spread of the residuals in blocks of shape (..., n_sets, n, n)."""
    out: FloatArray = np.swapaxes(contrast, 1, 2) @ (blocks @ contrast)
    return out


def _rest(
    total: FloatArray,
    alone: list[FloatArray],
    means: FloatArray,
    shares: FloatArray,
    apart: tuple[int, ...],
) -> FloatArray:
    """Return the covariance over the windows that are not set apart."""
    left = 1.0 - sum(float(shares[k]) for k in apart)
    out = total.copy()
    middle = np.zeros(means.shape[1])
    for k, block in zip(apart, alone, strict=True):
        out -= shares[k] * (block + np.outer(means[k], means[k]))
        middle -= shares[k] * means[k]
    middle /= left
    rest: FloatArray = out / left - np.outer(middle, middle)
    return rest
