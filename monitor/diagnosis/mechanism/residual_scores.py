"""The residual-score test of P(X | parents): recipe, reasons and limits in docs/verdict.md.

A window model e = P(current | parents) and an outcome model of X given the parents are both
fitted on the pooled rows; the product of their residuals has mean zero when P(X | parents) is the
same in both windows, and stays near zero when either model is a little wrong (its error is the
product of both models' errors). Products with the parents see changed slopes, squares see
changed spreads.

References
----------
Robinson (1988), Root-N-consistent semiparametric regression.
Shah & Peters (2020), The hardness of conditional independence testing and the generalised
covariance measure.
Newey & West (1987), A simple, positive semi-definite, heteroskedasticity and autocorrelation
consistent covariance matrix.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import combinations

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.special import fdtrc, stdtr

from whydrift.discovery.arrays import BoolArray, FloatArray, IntArray
from whydrift.effects.propensity import Propensity, fit_propensity
from whydrift.monitor.diagnosis.mechanism.base import (
    POOLED_SD,
    Component,
    MechanismTestResult,
    Power,
    Untestable,
)
from whydrift.monitor.diagnosis.mechanism.between_windows import BetweenWindows
from whydrift.monitor.diagnosis.mechanism.root_effects import root_effects
from whydrift.monitor.diagnosis.pair import WindowPair

__all__ = ["ResidualScores"]

_LEAST_OVERLAP = 0.35
_LEAST_ROWS = 20  # complete rows in each window
# Rows whose chance, were the windows equally long, lies outside tell nothing about the other one.
_TRUSTED = (0.02, 0.98)
_LEAST_EXPECTED = 5.0  # rows of a category in the smaller window (Cochran 1954)
_MOST_PAIR_COLUMNS = 24  # parents' linear features beyond which no products are formed
_MOST_SCORES = 60
_REPORTED = 5  # of the strongest components
_LEAST_PRODUCTS, _ROWS_PER_PRODUCT = 6, 20
_MOST_GAPS = 2  # the first row of each window has no predecessor anyway


@dataclass(frozen=True)
class _Design:
    """Everything that depends on the parents alone; shared by columns with the same parents."""

    rows: BoolArray  # complete in the parents, among the pooled rows
    matrix: FloatArray  # (n, d), first column the intercept
    linear: FloatArray  # (n, l), clipped to ±3
    names: tuple[str, ...]  # one for each column of ``linear``
    propensity: Propensity


@dataclass
class ResidualScores:
    """The test with the window models it has fitted so far (one per set of parents)."""

    _designs: dict[tuple[str, ...], _Design] = field(default_factory=dict)

    def __call__(
        self, pair: WindowPair, column: str, parents: tuple[str, ...]
    ) -> MechanismTestResult:
        """Test one column given its parents.

        Parameters
        ----------
        pair : WindowPair
            The windows; the same object (or one with the same parents' values) for all calls.
        column : str
            The column tested.
        parents : tuple of str
            Its parents; empty for a root, whose own distribution is then compared.

        Returns
        -------
        MechanismTestResult
        """
        rows = pair.complete((column, *parents))
        current = pair.is_current
        counts = int((rows & (current == 0)).sum()), int((rows & (current == 1)).sum())
        if min(counts) < _LEAST_ROWS:
            return MechanismTestResult(None, Untestable.TOO_FEW_ROWS, 1.0, sum(counts))
        response = pair.features(column).linear[rows]
        if not response.size or np.all(response == response[0]):
            return MechanismTestResult(None, Untestable.CONSTANT, 1.0, sum(counts))
        levels = _level_names(pair, column)
        if pair.is_discrete(column):
            response, levels = _without_rare(response, levels, min(counts) / sum(counts))
            if not levels:
                return MechanismTestResult(None, Untestable.TOO_FEW_ROWS, 1.0, sum(counts))
        design = self._design(pair, parents)
        inside = rows[design.rows]
        everything = bool(inside.all())
        matrix = design.matrix if everything else design.matrix[inside]
        linear = design.linear if everything else design.linear[inside]
        propensity = (
            design.propensity
            if everything
            else fit_propensity(matrix if parents else matrix[:, :1], current[rows])
        )
        if propensity.overlap < _LEAST_OVERLAP:
            return MechanismTestResult(None, Untestable.NO_OVERLAP, propensity.overlap, sum(counts))
        residual_window = _window_residual(current[rows], propensity)
        clusters = None if pair.clusters is None else pair.clusters[rows]
        adjacent = _has_predecessor(rows, pair.split)
        if pair.is_autocorrelated and clusters is None:
            fresh = [int((adjacent & (current[rows] == side)).sum()) for side in (0, 1)]
            if min(fresh) < _LEAST_ROWS:  # every other row is missing: nothing tells of the spread
                return MechanismTestResult(None, Untestable.TOO_FEW_ROWS, 1.0, sum(counts))
        work = _Work(
            matrix,
            linear,
            design.names,
            residual_window,
            counts[0],
            pair.is_autocorrelated,
            clusters,
            adjacent,
            current[rows],
            None if pair.parts is None else BetweenWindows(pair.parts[rows[: pair.split]]),
        )
        if pair.is_discrete(column):
            scores = _category_scores(work, response, levels)
        else:
            scores = _number_scores(work, response[:, 0], reference_rows=counts[0])
        result, wider = _judge(work, scores, propensity.overlap)
        if parents or pair.is_discrete(column) or result.p_value is None:
            return result
        values = pair.values(column)[rows]
        sizes = root_effects(values, counts[0], lambda columns: _variance(work, columns)[0])
        return replace(
            result,
            components=tuple(
                _resized(c, sizes.get(c.name), wider.get(c.name, 1.0)) for c in result.components
            ),
        )

    def _design(self, pair: WindowPair, parents: tuple[str, ...]) -> _Design:
        if parents not in self._designs:
            rows = pair.complete(parents)
            parts = [pair.features(p) for p in parents]
            linear = [f.linear[rows] for f in parts]
            names = tuple(
                name
                for parent, part in zip(parents, parts, strict=True)
                for name in (
                    [f"{parent} = {level}" for level in _level_names(pair, parent)]
                    if part.is_discrete
                    else [parent]
                )
            )
            stacked = np.column_stack([np.empty((int(rows.sum()), 0)), *linear])
            columns = [np.ones((len(stacked), 1)), *(f.basis[rows] for f in parts)]
            if not parents and pair.calendar is not None:
                # A season moves what has no cause among the columns. It belongs to the outcome
                # model alone: no window overlaps in time with another one.
                columns.append(pair.calendar[rows])
            if stacked.shape[1] <= _MOST_PAIR_COLUMNS:
                owner = [i for i, block in enumerate(linear) for _ in range(block.shape[1])]
                columns += [
                    (stacked[:, a] * stacked[:, b])[:, None]
                    for a, b in combinations(range(stacked.shape[1]), 2)
                    if owner[a] != owner[b]
                ]
            matrix = np.column_stack(columns)
            propensity = fit_propensity(matrix if parents else matrix[:, :1], pair.is_current[rows])
            self._designs[parents] = _Design(
                rows, matrix, np.clip(stacked, -3, 3), names, propensity
            )
        return self._designs[parents]


def _window_residual(current: FloatArray, propensity: Propensity) -> FloatArray:
    """Return w − e, and 0 where the parents tell the window nearly for certain."""
    chance, share = propensity.chance, float(current.mean())
    fair = chance * (1 - share) / (chance * (1 - share) + (1 - chance) * share)
    trusted = (fair > _TRUSTED[0]) & (fair < _TRUSTED[1])
    return np.where(trusted, current - chance, 0.0)


def _without_rare(
    indicators: FloatArray, levels: list[str], smaller: float
) -> tuple[FloatArray, list[str]]:
    """Return the indicators of levels with enough rows, the others pooled or left out.

    Where the smaller window expects a row or two of a level it often has none, and then no
    variance of its own either.
    """
    expected = indicators.sum(axis=0) * smaller
    common = expected >= _LEAST_EXPECTED
    kept = [name for name, is_common in zip(levels, common, strict=True) if is_common]
    if common.all():
        return indicators, kept
    rest = indicators[:, ~common].sum(axis=1)
    if rest.sum() * smaller < _LEAST_EXPECTED:
        return indicators[:, common], kept
    return np.column_stack([indicators[:, common], rest]), [*kept, "(rare)"]


def _ridge_factor(matrix: FloatArray) -> tuple[FloatArray, bool]:
    gram = matrix.T @ matrix
    ridge = np.ones(len(gram))
    ridge[0] = 1e-8
    factor: tuple[FloatArray, bool] = cho_factor(gram + np.diag(ridge), check_finite=False)
    return factor


def _has_predecessor(rows: BoolArray, split: int) -> BoolArray:
    """Return, for each chosen row, whether the row just before it in its window is chosen too."""
    before = np.zeros_like(rows)
    before[1:] = rows[:-1]
    before[split : split + 1] = False
    return before[rows]


def _level_names(pair: WindowPair, column: str) -> list[str]:
    categories = pair.current.schema[column].categories
    return [
        "(rare)" if code < 0 else categories[code] if code < len(categories) else str(code)
        for code in pair.features(column).levels
    ]


class _Work:
    """The regression on the parents' features, and how the rows depend on each other."""

    def __init__(
        self,
        matrix: FloatArray,
        linear: FloatArray,
        names: tuple[str, ...],
        residual_window: FloatArray,
        split: int,
        autocorrelated: bool,
        clusters: IntArray | None,
        adjacent: BoolArray,
        current: FloatArray,
        between: BetweenWindows | None = None,
    ) -> None:
        self.between = between
        self.matrix = matrix
        self.linear = linear
        self.names = names
        self.window = residual_window
        self.split = split
        self.autocorrelated = autocorrelated and clusters is None
        self.clusters = clusters
        self._factor = _ridge_factor(matrix)
        # Without its predecessor a row has no innovation. Where rows are missing, scores made of
        # innovations use the other rows alone, with models of their own: windows with different
        # gaps would else seem to differ in spread.
        self.fresh: BoolArray | None = None
        self.innovative = residual_window
        if self.autocorrelated and len(adjacent) - adjacent.sum() > _MOST_GAPS:
            self.fresh = adjacent
            inside = fit_propensity(matrix[adjacent], current[adjacent])
            self.innovative = np.zeros(len(matrix))
            self.innovative[adjacent] = _window_residual(current[adjacent], inside)
            self._fresh_factor = _ridge_factor(matrix[adjacent])

    def fitted(self, response: FloatArray) -> FloatArray:
        """Return the ridge fit of responses, shape (n,) or (n, k), on the parents' features."""
        if self.matrix.shape[1] == 1:
            return np.broadcast_to(response.mean(axis=0), response.shape)
        beta = cho_solve(self._factor, self.matrix.T @ response, check_finite=False)
        fit: FloatArray = self.matrix @ beta
        return fit

    def residual(self, response: FloatArray) -> FloatArray:
        """Return response minus its ridge fit."""
        out: FloatArray = response - self.fitted(response)
        return out

    def fresh_residual(self, response: FloatArray) -> FloatArray:
        """Return the residual among rows that have an innovation; 0 elsewhere."""
        if self.fresh is None:
            return self.residual(response)
        matrix, out = self.matrix[self.fresh], np.zeros(response.shape)
        beta = cho_solve(self._fresh_factor, matrix.T @ response[self.fresh], check_finite=False)
        out[self.fresh] = response[self.fresh] - matrix @ beta
        return out

    def innovation(self, residual: FloatArray) -> FloatArray:
        """Return what a residual adds to the row before it, within each window."""
        if not self.autocorrelated:
            return residual
        out = residual.copy()
        for part in (slice(0, self.split), slice(self.split, None)):
            series = residual[part]
            spread = float(series[:-1] @ series[:-1])
            if len(series) < 3 or spread <= 0:
                continue
            rho = float(np.clip((series[1:] @ series[:-1]) / spread, -0.98, 0.98))
            out[part][1:] = series[1:] - rho * series[:-1]
        return out


@dataclass
class _Scores:
    """Score columns and what each means; the first ``leading`` form the short test."""

    columns: list[FloatArray]
    names: list[str]
    raw: list[FloatArray]  # the residual in reported units, before scaling
    leverage: list[FloatArray]  # what it is multiplied by
    units: list[str]
    leading: int
    # For shares: the variance that the score would have by the fitted shares alone, a lower bound.
    least_variance: list[float] = field(default_factory=list)
    scale: list[float] = field(default_factory=list)  # sd of what each change is measured in


def _number_scores(work: _Work, score: FloatArray, reference_rows: int) -> _Scores:
    raw = work.residual(score)
    absolute = np.abs(raw)
    typical = float(absolute.mean())
    scale = np.maximum(work.fitted(absolute), 0.25 * typical)
    r = work.residual(raw / scale)
    r = r / max(float(r.std()), 1e-12)
    u = work.innovation(r)
    counted = u if work.fresh is None else u[work.fresh]
    spread = max(float(counted.std()), 1e-12) if counted.size else 1.0
    v = work.fresh_residual(np.clip(u / spread, -4, 4) ** 2)
    unit, reference_sd, pooled = "sd", float(score[:reference_rows].std()), float(score.std())
    if reference_sd <= 1e-9 * pooled:
        unit, reference_sd = POOLED_SD, max(pooled, 1e-12)
    in_sd = raw / reference_sd
    w, fresh, lin = work.window, work.innovative, work.linear
    out = _Scores(
        [r * w, v * fresh], ["level", "spread"], [in_sd, v / 2], [w, fresh], [unit, "log sd"], 2
    )
    if work.between is not None:
        work.between.add(r, 1.0, w)
        work.between.add(v, 1.0, fresh)

    def add(residual: FloatArray, raw: FloatArray, by: FloatArray, name: str, unit: str) -> None:
        leverage = fresh * by
        if work.between is not None:
            work.between.add(residual, by, leverage)
        out.columns.append(residual * leverage)
        out.names.append(name)
        out.raw.append(raw)
        out.leverage.append(leverage)
        out.units.append(unit)

    few = lin.shape[1] <= _MOST_SCORES // 4
    for k, name in enumerate(work.names):
        add(u, in_sd, lin[:, k], f"slope of {name}", unit)
    for k, name in enumerate(work.names if few else ()):
        add(v, v / 2, lin[:, k], f"spread along {name}", "log sd")
    for k, name in enumerate(work.names if few else ()):
        if np.any((lin[:, k] != 0) & (lin[:, k] != 1)):  # the square of an indicator is itself
            add(u, in_sd, np.clip(lin[:, k] ** 2 - 1, -1, 4), f"curvature of {name}", unit)
    for a, b in _pairs(work, len(out.columns)) if few else ():
        add(u, in_sd, lin[:, a] * lin[:, b], f"{work.names[a]} × {work.names[b]}", unit)
    return out


def _pairs(work: _Work, taken: int) -> list[tuple[int, int]]:
    """Return the pairs of parents' features whose products become scores, as many as rows allow."""
    smaller = min(work.split, len(work.matrix) - work.split)
    room = max(_LEAST_PRODUCTS, min(_MOST_SCORES - taken, smaller // _ROWS_PER_PRODUCT))
    return list(combinations(range(work.linear.shape[1]), 2))[:room]


def _category_scores(work: _Work, indicators: FloatArray, levels: list[str]) -> _Scores:
    fitted = work.fitted(indicators)
    residual = indicators - fitted
    overall = indicators.mean(axis=0)
    chance = np.clip(fitted, 0.25 * overall, 1 - 0.25 * (1 - overall))
    w, fresh, lin = work.window, work.innovative, work.linear
    out = _Scores([], [], [], [], [], indicators.shape[1])

    def add(
        k: int, source: FloatArray, by: FloatArray | float, leverage: FloatArray, name: str
    ) -> None:
        if work.between is not None:
            work.between.add(source, by, leverage)
        out.columns.append(source * leverage)
        out.names.append(name)
        out.raw.append(residual[:, k])
        out.leverage.append(leverage)
        out.units.append("probability")
        out.least_variance.append(float(leverage**2 @ (chance[:, k] * (1 - chance[:, k]))))
        out.scale.append(float(np.sqrt(overall[k] * (1 - overall[k]))))

    for k, level in enumerate(levels):
        add(k, residual[:, k], 1.0, w, f"share of {level}")
    along = [(lin[:, j], work.names[j]) for j in range(lin.shape[1])]
    along += [
        (lin[:, a] * lin[:, b], f"{work.names[a]} × {work.names[b]}")
        for a, b in _pairs(work, len(out.columns) + len(along))
    ]
    innovations = [work.innovation(residual[:, k]) for k in range(len(levels))]
    for by, name in along:
        for k, level in enumerate(levels):
            if len(out.columns) >= _MOST_SCORES:
                return out
            add(k, innovations[k], by, fresh * by, f"share of {level} along {name}")
    return out


def _judge(
    work: _Work, scores: _Scores, overlap: float
) -> tuple[MechanismTestResult, dict[str, float]]:
    """Return the answer, and by how much ordinary windows widen the error of each score."""
    stacked = np.column_stack(scores.columns)
    rows = len(stacked)
    total = stacked.sum(axis=0)
    if not work.window.any():
        return MechanismTestResult(None, Untestable.NO_OVERLAP, overlap, rows), {}
    variance, freedom = _variance(work, stacked)
    variance = _at_least(variance, scores.least_variance)
    wider = np.ones(len(variance))
    if work.between is not None:
        own = np.diag(variance)
        variance, freedom = _with_between(work.between, variance, stacked, freedom)
        wider = np.sqrt(np.divide(np.diag(variance), own, out=wider, where=own > 0))
    spread = np.sqrt(np.maximum(np.diag(variance), 0.0))
    usable = spread > 1e-10 * max(1.0, float(spread.max(initial=0.0)))
    if not usable.any():
        return MechanismTestResult(None, Untestable.CONSTANT, overlap, rows), {}
    z = np.where(usable, total / np.where(usable, spread, 1.0), 0.0)
    leading = np.zeros(len(z), dtype=bool)
    leading[: scores.leading] = True
    p_values = [
        _wald(total, variance, usable & leading, freedom),
        _wald(total, variance, usable, freedom),
        float(min(1.0, usable.sum() * 2 * stdtr(freedom, -np.abs(z).max()))),
    ]
    components = _components(work, scores, z, usable, wider)
    level = [c for c in components[: scores.leading] if c.unit != "log sd"]
    components.sort(key=lambda c: -abs(c.z))
    result = MechanismTestResult(
        min(1.0, len(p_values) * min(p_values)),
        None,
        overlap,
        rows,
        tuple(components),
        max(level, key=lambda c: c.error / c.scale, default=None),
        Power(scores.leading, freedom, len(p_values)),
    )
    return result, dict(zip(scores.names, wider.tolist(), strict=True))


def _at_least(variance: FloatArray, least: list[float]) -> FloatArray:
    """Return the variance with its diagonal raised to lower bounds, correlations kept."""
    if not least:
        return variance
    own = np.diag(variance)
    raised = np.maximum(own, least)
    factor = np.sqrt(np.divide(raised, own, out=np.ones_like(own), where=own > 0))
    out: FloatArray = variance * np.outer(factor, factor)
    np.fill_diagonal(out, raised)
    return out


def _with_between(
    between: BetweenWindows, variance: FloatArray, stacked: FloatArray, freedom: float
) -> tuple[FloatArray, float]:
    """Return the variance with what ordinary windows differ by, and its degrees of freedom."""
    own = np.diag(variance)
    alone = (stacked**2).sum(axis=0)
    inflation = np.divide(own, alone, out=np.ones_like(own), where=alone > 0)
    extra, few = between.variance(inflation)
    return variance + np.diag(extra), min(freedom, few)


def _components(
    work: _Work, scores: _Scores, z: FloatArray, usable: BoolArray, wider: FloatArray
) -> list[Component]:
    """Return the size of the leading and strongest changes, each with an error of its own.

    In reported units. The error is not value / z: the score is scaled row by row where the spread
    varies, so the two need not cross zero together.
    """
    strongest = np.argsort(-np.abs(z), kind="stable")[:_REPORTED].tolist()
    chosen = [k for k in sorted({*range(scores.leading), *strongest}) if usable[k]]
    leverage = np.column_stack([scores.leverage[k] for k in chosen])
    raw = leverage * np.column_stack([scores.raw[k] for k in chosen])
    information = (leverage**2).sum(axis=0)
    least = [scores.least_variance[k] for k in chosen] if scores.least_variance else []
    errors = wider[chosen] * np.sqrt(np.diag(_at_least(_variance(work, raw)[0], least)))
    return [
        Component(
            scores.names[k],
            float(raw[:, place].sum() / information[place]),
            float(errors[place] / information[place]),
            scores.units[k],
            float(z[k]),
            scores.scale[k] if scores.scale else 1.0,
        )
        for place, k in enumerate(chosen)
        if information[place] > 0
    ]


def _resized(component: Component, size: tuple[float, float] | None, wider: float) -> Component:
    return component if size is None else replace(component, value=size[0], error=wider * size[1])


def _wald(total: FloatArray, variance: FloatArray, chosen: BoolArray, freedom: float) -> float:
    """Return the p-value of an F-type Wald test that the chosen totals are zero."""
    index = np.flatnonzero(chosen)
    if not index.size:
        return 1.0
    spread = np.sqrt(np.diag(variance)[index])
    correlation = variance[np.ix_(index, index)] / np.outer(spread, spread)
    values, vectors = np.linalg.eigh(correlation)
    kept = values > 0.01
    projected = vectors[:, kept].T @ (total[index] / spread)
    statistic = float((projected**2 / values[kept]).sum())
    rank = int(kept.sum())
    if freedom <= rank:
        return 1.0
    return float(fdtrc(rank, freedom, statistic / rank))


def _variance(work: _Work, scores: FloatArray) -> tuple[FloatArray, float]:
    """Return the variance of the scores' totals and its degrees of freedom."""
    rows = len(scores)
    if work.clusters is not None:
        found, inverse = np.unique(work.clusters, return_inverse=True)
        sums = np.zeros((len(found), scores.shape[1]))
        np.add.at(sums, inverse, scores)
        return sums.T @ sums, max(1.0, len(found) / 2)
    variance = scores.T @ scores
    # The smaller window's rows: half of all where the two are alike.
    smaller = min(work.split, rows - work.split)
    if not work.autocorrelated:
        return variance, float(smaller)
    parts = [p for p in (scores[: work.split], scores[work.split :]) if len(p) > 3]
    rho = max(float(np.max(_lag_one(p), initial=0.0)) for p in parts)
    rho = min(max(rho, 0.0), 0.99)
    wanted = max(3, int(np.ceil(3 * (rho / (1 - rho) + 0.5))))
    lags = max(1, min(rows // 8, wanted))
    for part in parts:
        for lag in range(1, min(lags, len(part) - 1) + 1):
            product = part[lag:].T @ part[:-lag]
            variance += (1 - lag / (lags + 1)) * (product + product.T)
    return variance, max(1.0, smaller / (lags + 1))


def _lag_one(series: FloatArray) -> FloatArray:
    centred = series - series.mean(axis=0)
    spread = (centred**2).sum(axis=0)
    spread[spread <= 0] = np.inf
    out: FloatArray = (centred[1:] * centred[:-1]).sum(axis=0) / spread
    return out
