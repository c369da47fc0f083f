"""How much of the change of a measure each changed mechanism explains: Shapley values.

With r_i = P_current(x_i | pa_i) / P_reference(x_i | pa_i), the mean of the measure m under "the
mechanisms in S have changed" is v(S) = E_reference[m ∏_{i∈S} r_i] (forward), or
E_current[m ∏_{i∉S} 1/r_i] (backward). The Shapley value of i is the integral over t in [0, 1] of
the multilinear extension's slope, E[m (r_i − 1) ∏_{j≠i} (1 + t (r_j − 1))], a polynomial in t that
Gauss–Legendre nodes integrate exactly. Forward and backward are averaged.

References
----------
Owen (1972), Multilinear extensions of games.
Budhathoki, Janzing, Blöbaum & Ng (2021), Why did the distribution change?
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from whydrift.discovery.arrays import FloatArray, IntArray
from whydrift.discovery.graph import Graph
from whydrift.effects.propensity import expit, logistic_ridge
from whydrift.monitor.diagnosis.diagnosis import Estimate, Metric
from whydrift.monitor.diagnosis.metric import RowMeasure
from whydrift.monitor.diagnosis.pair import WindowPair

__all__ = ["Attribution", "attribute"]

_GROUPS = 20  # groups of rows for the delete-a-group jackknife
_QUANTILE = 1.644854  # 90 % intervals
_MOST_RATIO = 30.0
_LEAST_OVERLAP = 0.10
_RAKED_SHARE = 0.25  # raking may move this much of the contributions, beyond sampling error


@dataclass(frozen=True)
class Attribution:
    """Contributions that sum, with what is left over, to the change of the measure."""

    metric: Metric
    contributions: Mapping[str, Estimate]


def attribute(
    pair: WindowPair, measure: RowMeasure, graph: Graph, players: tuple[str, ...]
) -> Attribution:
    """Attribute the change of a measure's mean to changed mechanisms.

    Parameters
    ----------
    pair : WindowPair
        The windows as recorded.
    measure : RowMeasure
        One value per sampled row.
    graph : Graph
        Gives each player's parents.
    players : tuple of str
        Columns at which a change begins and that can reach the measure.

    Returns
    -------
    Attribution
        Intervals are at 90 %, from a delete-a-group jackknife over groups of clusters, or of
        neighbouring rows. A single player takes the whole change. Of several, those whose ratio
        cannot be estimated for lack of overlap share nothing: one such player takes what the
        others leave, with two or more it stays ``unattributed``.
    """
    values = np.concatenate([measure.reference, measure.current])
    usable = np.isfinite(values)
    groups = _groups(pair)
    change = _Change(values, usable, pair.is_current, groups)
    observed = change.estimate
    contributions: dict[str, Estimate] = {}
    unattributed, unexplained = 0.0, None
    if not players:
        unattributed = observed.value
    elif len(players) == 1:
        contributions[players[0]] = observed
    else:
        models = {p: _ratio_model(pair, p, graph.parents(p), usable, groups) for p in players}
        blind = [p for p in players if models[p] is None]
        seen = [p for p in players if models[p] is not None]
        shares = _shapley(change, {p: m for p, m in models.items() if m is not None})
        unattributed, unexplained = _settle(contributions, shares, seen, blind, change)
    metric = Metric(
        measure.name, change.reference, change.current, observed, unattributed, unexplained
    )
    return Attribution(metric, contributions)


def _settle(
    contributions: dict[str, Estimate],
    shares: FloatArray,
    seen: list[str],
    blind: list[str],
    change: _Change,
) -> tuple[float, float | None]:
    """Fill in the contributions so that all sum to the change; return what is left and was moved.

    ``shares`` has the full-data values in row 0 and the jackknife's below, one column per seen
    player.
    """
    totals = change.totals  # (1 + groups,)
    rest = totals - shares.sum(axis=1)
    unexplained = None
    leftover = np.zeros_like(rest)
    doubt = np.zeros(len(seen))
    if len(blind) == 1:
        contributions[blind[0]] = _interval(rest)
    elif blind:
        leftover = rest
    else:
        size = np.abs(shares[0])
        gross = float(size.sum())
        error = (change.estimate.high or 0.0) - change.estimate.value
        most = _RAKED_SHARE * gross + 2 * error / _QUANTILE
        moved = np.clip(rest, -most, most) if gross > 0 else np.zeros_like(rest)
        leftover = rest - moved
        if gross > 0:
            shares = shares + moved[:, None] * (size / gross)[None, :]
            # What the ratios fail to explain shows how wrong they are: intervals say so.
            doubt = abs(float(rest[0])) * np.maximum(size / gross, 1 / len(seen))
        unexplained = float(moved[0])
    for position, name in enumerate(seen):
        contributions[name] = _interval(shares[:, position], float(doubt[position]))
    return float(leftover[0]), unexplained


def _interval(replicates: FloatArray, doubt: float = 0.0) -> Estimate:
    """Return value and interval; ``doubt`` is a further standard error, added in quadrature."""
    value, left_out = float(replicates[0]), replicates[1:]
    count = len(left_out)
    error = float(np.sqrt((count - 1) / count * ((left_out - left_out.mean()) ** 2).sum()))
    half = _QUANTILE * float(np.hypot(error, doubt))
    return Estimate(value, value - half, value + half)


def _groups(pair: WindowPair) -> IntArray:
    """Return each pooled row's group: whole clusters, else contiguous stretches of each window."""
    split, rows = pair.split, len(pair.is_current)
    if pair.clusters is not None:
        number = np.unique(pair.clusters, return_inverse=True)[1]
        return np.asarray(number * _GROUPS // (int(number.max()) + 1), dtype=np.int64)
    out = np.empty(rows, dtype=np.int64)
    out[:split] = np.arange(split) * _GROUPS // max(1, split)
    out[split:] = np.arange(rows - split) * _GROUPS // max(1, rows - split)
    return out


class _Change:
    """The measure's means, and its change with each group of rows left out in turn."""

    def __init__(
        self,
        values: FloatArray,
        usable: np.ndarray[tuple[int], np.dtype[np.bool_]],
        is_current: FloatArray,
        groups: IntArray,
    ) -> None:
        self.values = np.where(usable, values, 0.0)
        self.groups = groups
        self.sides = tuple(usable & (is_current == side) for side in (0, 1))
        self.kept = np.ones((1 + _GROUPS, len(values)), dtype=bool)
        for group in range(_GROUPS):
            self.kept[1 + group] = groups != group
        means = [self.mean(np.ones((1, len(values))), side) for side in (0, 1)]
        self.reference, self.current = float(means[0][0]), float(means[1][0])
        self.totals = means[1] - means[0]
        self.estimate = _interval(self.totals)

    def mean(self, factor: FloatArray, side: int) -> FloatArray:
        """Return the mean of measure × factor on one side, for all rows and each group left out.

        ``factor`` has shape (1, n_rows) or (1 + groups, n_rows).
        """
        kept = self.kept & self.sides[side]
        total = (kept * factor * self.values).sum(axis=1)
        out: FloatArray = total / np.maximum(kept.sum(axis=1), 1)
        return out


def _shapley(change: _Change, ratios: Mapping[str, FloatArray]) -> FloatArray:
    """Return Shapley values of the seen players, forward and backward averaged.

    Returns
    -------
    ndarray of shape (1 + groups, n_players)
    """
    count = len(ratios)
    if count == 0:
        return np.zeros((1 + _GROUPS, 0))
    # The integrand has degree count − 1 in t: ⌈count / 2⌉ nodes are exact.
    nodes, weights = np.polynomial.legendre.leggauss((count + 1) // 2 + 1)
    nodes, weights = (nodes + 1) / 2, weights / 2
    out = np.zeros((1 + _GROUPS, count))
    for side in (0, 1):
        # Backward, the game runs from all mechanisms changed to none, with 1 / r.
        sign = 1.0 if side == 0 else -1.0
        factors = []
        for ratio in ratios.values():
            factor = ratio if side == 0 else 1.0 / ratio
            kept = change.kept & change.sides[side]
            mean = (kept * factor).sum(axis=1) / np.maximum(kept.sum(axis=1), 1)
            factors.append(factor / mean[:, None])
        for i in range(count):
            slope = np.zeros(1 + _GROUPS)
            for node, weight in zip(nodes, weights, strict=True):
                product = factors[i] - 1.0
                for j in range(count):
                    if j != i:
                        product = product * (1 + node * (factors[j] - 1))
                slope += weight * change.mean(product, side)
            out[:, i] += 0.5 * sign * slope
    return out


def _ratio_model(
    pair: WindowPair,
    column: str,
    parents: tuple[str, ...],
    usable: np.ndarray[tuple[int], np.dtype[np.bool_]],
    groups: IntArray,
) -> FloatArray | None:
    """Return r for every pooled row, for all rows and each group left out; None without overlap.

    r = odds(current | x, pa) / odds(current | pa), two-fold cross-fitted over groups. Rows with a
    missing value keep a ratio of 1.

    Returns
    -------
    ndarray of shape (1 + groups, n_rows), or None
    """
    rows = usable & pair.complete((column, *parents))
    if rows.sum() < 8 * _GROUPS:
        return None
    label, group = pair.is_current[rows], groups[rows]
    below = _design(pair, parents, rows)
    own = pair.features(column)
    upon = np.column_stack(
        [
            below,
            own.basis[rows],
            *(
                own.linear[rows][:, [k]] * pair.features(p).linear[rows]
                for p in parents
                for k in range(own.linear.shape[1])
            ),
        ]
    )
    log_odds = np.zeros((1 + _GROUPS, len(label)))
    overlap = 0.0
    for fold in (0, 1):
        train, test = group % 2 != fold, group % 2 == fold
        if len(np.unique(label[train])) < 2:
            return None
        for design, sign in ((upon, 1.0), (below, -1.0)):
            betas = _jackknifed(design[train], label[train], group[train])
            odds = betas @ design[test].T
            log_odds[:, test] += sign * odds
            if sign > 0:
                chance = expit(odds[0])
                overlap += float(np.sum(chance * (1 - chance)))
    share = label.mean()
    if overlap / len(label) < _LEAST_OVERLAP * share * (1 - share):
        return None
    limit = np.log(_MOST_RATIO)
    out = np.ones((1 + _GROUPS, len(usable)))
    out[:, rows] = np.exp(np.clip(log_odds, -limit, limit))
    return out


def _design(
    pair: WindowPair, parents: tuple[str, ...], rows: np.ndarray[tuple[int], np.dtype[np.bool_]]
) -> FloatArray:
    count = int(rows.sum())
    return np.column_stack([np.ones(count), *(pair.features(p).basis[rows] for p in parents)])


def _jackknifed(design: FloatArray, label: FloatArray, group: IntArray) -> FloatArray:
    """Return logistic coefficients for all rows and, by one Newton step, each group left out."""
    beta = logistic_ridge(design, label)
    out = np.tile(beta, (1 + _GROUPS, 1))
    if design.shape[1] == 1:
        return out
    chance = expit(design @ beta)
    slack = chance * (1 - chance)
    residual = label - chance
    ridge = np.ones(design.shape[1])
    ridge[0] = 1e-8
    hessian = design.T @ (design * slack[:, None]) + np.diag(ridge)
    for g in np.unique(group):
        inside = group == g
        block = design[inside]
        without = hessian - block.T @ (block * slack[inside][:, None])
        without[np.diag_indices(len(without))] += 1e-6
        gradient = block.T @ residual[inside]
        out[1 + g] -= cho_solve(
            cho_factor(without, check_finite=False), gradient, check_finite=False
        )
    return out
