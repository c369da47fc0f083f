"""Which edges of the reference's graph changed in the current window.

Both windows are brought to the same parents by overlap weights, and each column is regressed on its
parents there, in each window. What is compared is the part of the *function* that belongs to one
parent: a straight and a bent term for a number, an indicator for each level of a category. Where
the parents moved along a bent but unchanged mechanism, a plain slope differs and this does not:
the weights see the same stretch of the bend in both windows, and what a spline of all parents
explains in both windows together is taken out first, so that either of the two may be a little off.

A column is looked at only where its own mechanism test has something against it: an edge into it is
part of that mechanism. That can only take rejections away.

References
----------
Li, Morgan & Zaslavsky (2018), Balancing covariates via propensity score weighting.
Robins, Rotnitzky & Zhao (1994), Estimation of regression coefficients when some regressors are not
always observed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from scipy.special import chdtri, fdtrc

from whydrift.discovery.arrays import FloatArray, IntArray
from whydrift.discovery.graph import Graph
from whydrift.discovery.stability import row_groups
from whydrift.effects.propensity import fit_propensity
from whydrift.monitor.diagnosis.diagnosis import GraphChange
from whydrift.monitor.diagnosis.error_control import holm
from whydrift.monitor.diagnosis.judgement import ColumnEvidence, Floor
from whydrift.monitor.diagnosis.pair import WindowPair

__all__ = ["changed_edges"]

_SHARE = 0.1  # of the window's level
_SUSPECT = 0.05  # p-value of the mechanism test above which no edge into a column is looked at
_LEAST_FLOOR = 0.1  # sd; with no floor at all, nothing could be shown to be absent
_LEAST_OVERLAP = 0.35
_LEAST_GROUPS = 30  # independent rows beyond the terms, in each window
_MOST_SD = 5.0  # from the reference's median; beyond, one row would make the slope
_QUARTILES_OF_NORMAL = 1.348980
_MOST_CANDIDATES = 40  # columns tried as a new parent of one column
_SCREEN = 0.001  # p-value at which a column is looked at as a new parent
_INSIDE = 0.05  # level of "smaller than the floor"
_RIDGE: Final = 1.0
_FLAT = 1e-8
_TURNED = 0.5  # minus the cosine of the two windows' parts


@dataclass(frozen=True, slots=True)
class _Term:
    """The part of one parent in a column's mechanism, in both windows.

    Sizes are sd of the column (reference sd) that the part explains at the shared parents.

    Parameters
    ----------
    p_value : float
        That the part is the same in both windows.
    slopes : tuple of ndarray
        In each window.
    covariance : tuple of ndarray
        Of their errors.
    own : ndarray
        Covariance of the terms at the shared parents, given the other parents.
    """

    p_value: float
    slopes: tuple[FloatArray, FloatArray]
    covariance: tuple[FloatArray, FloatArray]
    own: FloatArray

    @property
    def size(self) -> tuple[float, float]:
        """In each window."""
        return _norm(self.slopes[0], self.own), _norm(self.slopes[1], self.own)

    @property
    def doubt(self) -> tuple[float, float]:
        """By how much each size may be too large or too small, at 95 %."""
        return _doubt(self.own, self.covariance[0]), _doubt(self.own, self.covariance[1])

    @property
    def is_turned(self) -> bool:
        """Whether the part goes the other way now."""
        before, after = self.slopes
        return float(before @ self.own @ after) < -_TURNED * self.size[0] * self.size[1]

    @property
    def difference(self) -> float:
        """Between the windows."""
        return _norm(self.slopes[1] - self.slopes[0], self.own)

    @property
    def difference_doubt(self) -> float:
        """By how much the difference may be too large or too small, at 95 %."""
        return _doubt(self.own, self.covariance[0] + self.covariance[1])


@dataclass(frozen=True)
class _Columns:
    """What the regressions ask of the columns, worked out once; one row of an array per feature.

    Parameters
    ----------
    pair : WindowPair
        The windows.
    groups : ndarray of int, shape (n_rows,), optional
        Rows of different numbers count as independent; all do where not given.
    """

    pair: WindowPair
    groups: IntArray | None
    _kept: dict[tuple[str, str], FloatArray] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, pair: WindowPair) -> _Columns:
        if pair.clusters is not None or not pair.is_autocorrelated:
            return cls(pair, pair.clusters)
        before, after = row_groups(pair.reference), row_groups(pair.current)
        return cls(pair, np.concatenate([before, after + before.max(initial=0) + 1]))

    def rows(self, names: tuple[str, ...]) -> IntArray | slice:
        """Return the pooled rows that have a value in all of these columns."""
        complete = self.pair.complete(names)
        return slice(0, len(complete)) if complete.all() else np.flatnonzero(complete)

    def terms(self, name: str) -> FloatArray:
        """Return the terms of a parent: straight and bent, or a level each; NaN where missing."""
        if ("terms", name) not in self._kept:
            straight = np.clip(self.pair.features(name).linear.T, -3, 3)
            if not self.pair.is_discrete(name):
                straight = np.concatenate([straight, np.abs(straight) - np.sqrt(2 / np.pi)])
            self._kept["terms", name] = straight
        return self._kept["terms", name]

    def basis(self, parents: tuple[str, ...], rows: IntArray | slice) -> FloatArray:
        """Return intercept, splines of the parents and products of their straight terms."""
        splines = [self._spline(p)[:, rows] for p in parents]
        straight = [self.terms(p)[: None if self.pair.is_discrete(p) else 1, rows] for p in parents]
        count = len(self.pair.is_current[rows])
        parts = [np.ones((1, count)), *splines]
        if sum(len(s) for s in straight) <= 12:
            for i, one in enumerate(straight):
                parts += [(one[:, None] * other[None]).reshape(-1, count) for other in straight[:i]]
        return np.concatenate(parts)

    def response(self, child: str) -> FloatArray:
        """Return a column in sd of the reference, or its commonest class's chance in its own sd.

        A change of scale of the column or of its noise leaves a slope in these units alone.
        """
        if ("response", child) not in self._kept:
            self._kept["response", child] = _response(self.pair, child)
        return self._kept["response", child]

    def _spline(self, name: str) -> FloatArray:
        if ("spline", name) not in self._kept:
            spline = np.ascontiguousarray(self.pair.features(name).basis.T)
            self._kept["spline", name] = spline
        return self._kept["spline", name]


def changed_edges(
    pair: WindowPair,
    graph: Graph,
    evidence: Mapping[str, ColumnEvidence],
    usable: frozenset[str],
    *,
    floor: Floor,
    level: float,
) -> tuple[GraphChange, ...]:
    """Return the edges that came, went, or became stronger or weaker, least probable first.

    An edge from a to b is *removed* where what b owes to a is shown to be below the floor in the
    current window and above it in the reference; *added* where the opposite is shown, of an edge or
    of a pair that the graph does not join; else a changed edge is *weakened* or *strengthened*.
    One that goes the other way now (more was more, and is less) is *weakened*, and ``turned``.
    Nothing is said of a difference that lies wholly inside the floor. No edge is called *reversed*:
    two windows do not identify that. Directed edges are tested, and pairs without an edge towards
    the column whose mechanism moved (of two such columns, the later in the graph's order).

    Parameters
    ----------
    pair : WindowPair
        With faults undone.
    graph : Graph
        The reference's, or the one that both windows share.
    evidence : mapping of str to ColumnEvidence
        The mechanism tests of the window.
    usable : frozenset of str
        Columns that may be used as they are.
    floor : Floor
        What is not worth knowing.
    level : float
        Of the window; a tenth of it is spent here, by Holm's procedure over all pairs.

    Returns
    -------
    tuple of GraphChange
        With p-values of no change, not corrected.
    """
    suspects = [n for n in graph.nodes if n in usable and _is_suspect(evidence.get(n))]
    if not suspects:
        return ()
    sound = tuple(
        n for n in graph.nodes if n in usable and n in evidence and evidence[n].fault is None
    )
    least = max(floor.sd, _LEAST_FLOOR)
    columns = _Columns.of(pair)
    found: dict[tuple[str, str], tuple[_Term, bool]] = {}
    order = graph.topological_order()
    suspects.sort(key=order.index)
    for place, child in enumerate(suspects):
        later = frozenset(suspects[place:])  # of two suspects one is asked about the other
        parents = tuple(p for p in graph.parents(child) if p in sound)
        if len(parents) != len(graph.parents(child)):
            continue  # a parent is broken or absent: its part would be read into the others
        work = _Regression.of(columns, child, parents)
        if work is not None:
            for parent in parents:
                term = work.term(parent)
                if term is not None:
                    found[parent, child] = term, True
        for other, term in _newcomers(columns, graph, child, parents, sound, later):
            found[other, child] = term, False
    pairs = len(sound) * (len(sound) - 1) // 2
    return _named(found, pairs, least, floor, _SHARE * level)


def _is_suspect(evidence: ColumnEvidence | None) -> bool:
    if evidence is None or evidence.fault is not None or evidence.own is None:
        return False
    return evidence.own.p_value is not None and evidence.own.p_value <= _SUSPECT


def _named(
    found: Mapping[tuple[str, str], tuple[_Term, bool]],
    pairs: int,
    least: float,
    floor: Floor,
    level: float,
) -> tuple[GraphChange, ...]:
    # Pairs that were not looked at count as well: which ones were, the same rows decided.
    family = {f"{i}": term.p_value for i, (term, _) in enumerate(found.values())}
    family |= {f"not {i}": 1.0 for i in range(pairs - len(found))}
    rejected = holm(family, level)
    changes = []
    for i, ((a, b), (term, joined)) in enumerate(found.items()):
        if f"{i}" not in rejected or term.difference + term.difference_doubt < floor.sd:
            continue
        absent = [size + doubt < least for size, doubt in zip(term.size, term.doubt, strict=True)]
        present = [size - doubt > least for size, doubt in zip(term.size, term.doubt, strict=True)]
        turned = False
        grows = term.size[1] > term.size[0]
        if absent[0] and present[1]:
            change = "added"
        elif not joined:
            continue  # dependent in both windows: the graph lacks an edge, which is no change
        elif absent[1] and present[0]:
            change = "removed"
        elif all(present) and term.is_turned:
            change, turned = "weakened", True  # what there was is gone, and more
        else:
            change = "strengthened" if grows else "weakened"
        changes.append(GraphChange(a, b, change, term.p_value, turned))
    return tuple(sorted(changes, key=lambda c: c.p_value or 0.0))


def _newcomers(
    columns: _Columns,
    graph: Graph,
    child: str,
    parents: tuple[str, ...],
    sound: Sequence[str],
    later: frozenset[str],
) -> list[tuple[str, _Term]]:
    """Return what belongs to columns that may have become parents, each given those before it.

    The strongest comes first, so that columns merely related to it are not taken for parents.
    """
    waiting = _candidates(columns, graph, child, parents, sound, later)
    out: list[tuple[str, _Term]] = []
    while waiting:
        given = (*parents, *(name for name, _ in out))
        terms = {}
        for other in waiting:
            wider = _Regression.of(columns, child, (*given, other))
            term = None if wider is None else wider.term(other)
            if term is not None:
                terms[other] = term
        if not terms:
            break
        best = min(terms, key=lambda name: (terms[name].p_value, -terms[name].difference))
        out.append((best, terms[best]))
        waiting = [name for name in terms if name != best]
    return out


def _candidates(
    columns: _Columns,
    graph: Graph,
    child: str,
    parents: tuple[str, ...],
    sound: Sequence[str],
    later: frozenset[str],
) -> list[str]:
    """Return the columns that may have become a parent: joined to it now, by a quick look."""
    joined = {n for e in graph if child in (e.a, e.b) for n in (e.a, e.b)} | {child}
    closed = joined | graph.descendants(child) | later
    others = [n for n in sound if n not in closed][:_MOST_CANDIDATES]
    pair = columns.pair
    current = pair.split + np.flatnonzero(pair.complete((child, *parents))[pair.split :])
    if len(current) < _LEAST_GROUPS or not others:
        return []
    count = len(pair.is_current)
    rows = current if len(current) < count - pair.split else slice(pair.split, count)
    design = columns.basis(parents, rows)
    gram = design @ design.T
    left = _residual(design, gram, columns.response(child)[rows])
    groups = None if columns.groups is None else columns.groups[rows]
    blocks, seen = [], []
    for name in others:
        terms = columns.terms(name)[:, rows]
        seen.append(np.isfinite(terms).all(axis=0))
        if seen[-1].any() and not seen[-1].all():
            terms = np.where(seen[-1], terms, terms[:, seen[-1]].mean(axis=1, keepdims=True))
        blocks.append(terms if seen[-1].any() else np.zeros_like(terms))
    own = _residual(design, gram, np.concatenate(blocks))
    ends = np.cumsum([0, *(len(b) for b in blocks)])
    found = []
    for name, known, a, b in zip(others, seen, ends[:-1], ends[1:], strict=True):
        if not known.any():
            continue
        score = own[a:b] * (left * known)
        total, sums = score.sum(axis=1), _sums(score, groups)
        p_value = _wald(total, sums @ sums.T, int(sums.any(axis=0).sum()))[0]
        if p_value <= _SCREEN:
            found.append(name)
    return found


@dataclass(frozen=True)
class _Regression:
    """One column on its parents, in each window, at parents that both windows share."""

    terms: Mapping[str, slice]  # columns of each parent
    slopes: tuple[FloatArray, FloatArray]  # (n_terms,) in each window
    covariance: tuple[FloatArray, FloatArray]
    precision: FloatArray  # (n_terms, n_terms): of the terms at the shared parents
    groups: int

    @classmethod
    def of(cls, columns: _Columns, child: str, parents: tuple[str, ...]) -> _Regression | None:
        """Fit, or return None where rows or overlap are too few."""
        rows = columns.rows((child, *parents))
        current = columns.pair.is_current[rows]
        count = len(current)
        split = count - int(current.sum())
        if not parents or min(split, count - split) < _LEAST_GROUPS:
            return None
        design = columns.basis(parents, rows)
        gram = design @ design.T
        propensity = fit_propensity(design.T, current, gram)
        if propensity.overlap < _LEAST_OVERLAP:
            return None
        response = columns.response(child)[rows]
        groups = None if columns.groups is None else columns.groups[rows]
        blocks = [columns.terms(p)[:, rows] for p in parents]
        ends = np.cumsum([0, *(len(b) for b in blocks)])
        terms = {p: slice(a, b) for p, a, b in zip(parents, ends[:-1], ends[1:], strict=True)}
        linear = np.concatenate([np.ones((1, count)), *blocks])
        chance = propensity.chance
        weight = np.where(current == 1, 1 - chance, chance)
        tilt = chance * (1 - chance)  # the shared parents, by the rows of both windows
        left = _residual(design, gram, response)
        tilted = linear * tilt
        common = _solve(tilted @ linear.T, tilted @ (response - left))
        slopes, covariances, counts = [], [], []
        for part in (slice(0, split), slice(split, count)):
            x, weighted = linear[:, part], linear[:, part] * weight[part]
            inverse = _inverse(weighted @ x.T)
            own = inverse @ (weighted @ left[part])
            error = left[part] - own @ x
            leverage = np.clip(((inverse @ x) * weighted).sum(axis=0), 0.0, 0.9)
            influence = inverse @ (weighted * (error / (1 - leverage)))
            sums = _sums(influence, None if groups is None else groups[part])
            counts.append(int(sums.any(axis=0).sum()))
            if counts[-1] < _LEAST_GROUPS + 2 * len(x):
                return None
            slopes.append((common + own)[1:])
            covariances.append((sums @ sums.T)[1:, 1:] * counts[-1] / (counts[-1] - 1))
        centred = linear[1:] - (linear[1:] @ tilt / tilt.sum())[:, None]
        spread = (centred * tilt) @ centred.T / tilt.sum()
        return cls(
            terms,
            (slopes[0], slopes[1]),
            (covariances[0], covariances[1]),
            # What the terms of a parent vary by themselves, given the other parents, is in here.
            _inverse(spread),
            min(counts),
        )

    def term(self, parent: str) -> _Term | None:
        """Return what belongs to one parent."""
        part = self.terms[parent]
        precision = self.precision[part, part]
        if float(np.abs(precision).max(initial=0.0)) == 0:
            return None
        old, new = (s[part] for s in self.slopes)
        before, after = (c[part, part] for c in self.covariance)
        p_value, rank = _wald(new - old, before + after, self.groups)
        if not rank:
            return None
        return _Term(p_value, (old, new), (before, after), _inverse(precision))


def _response(pair: WindowPair, child: str) -> FloatArray:
    """See `_Columns.response`."""
    values = pair.values(child)
    if pair.is_discrete(child):
        present = values[np.isfinite(values)]
        code = np.bincount(present.astype(np.int64)).argmax()
        share = float((present == code).mean())
        indicator = (values == code) / max(np.sqrt(share * (1 - share)), _FLAT)
        return np.where(np.isfinite(values), indicator, np.nan)
    before = values[: pair.split]
    before = before[np.isfinite(before)]
    low, middle, high = np.quantile(before, [0.25, 0.5, 0.75])
    sd = (high - low) / _QUARTILES_OF_NORMAL or float(before.std()) or 1.0
    out: FloatArray = np.clip((values - middle) / sd, -_MOST_SD, _MOST_SD)
    return out


def _residual(design: FloatArray, gram: FloatArray, responses: FloatArray) -> FloatArray:
    """Return what a design of shape (f, n_rows) leaves of one response or several."""
    out: FloatArray = responses - _solve(gram, design @ responses.T, _RIDGE).T @ design
    return out


def _solve(gram: FloatArray, moment: FloatArray, ridge: float = 1e-6) -> FloatArray:
    lhs = gram.copy()
    lhs[np.diag_indices(len(gram))] += ridge
    lhs[0, 0] -= ridge * (1 - _FLAT)  # the intercept is free
    out: FloatArray = np.linalg.solve(lhs, moment).astype(np.float64, copy=False)
    return out


def _inverse(matrix: FloatArray) -> FloatArray:
    """Return the inverse of a symmetric matrix where it has one: nothing elsewhere."""
    values, vectors = np.linalg.eigh(matrix)
    sizes = np.abs(values)
    told = sizes > _FLAT * sizes.max(initial=0.0)
    if not told.all():
        values, vectors = values[told], vectors[:, told]
    out: FloatArray = (vectors / values) @ vectors.T
    return out


def _sums(scores: FloatArray, groups: IntArray | None) -> FloatArray:
    """Return the sums of the scores' columns by group; each is its own where not given."""
    if groups is None:
        return scores
    found, number = np.unique(groups, return_inverse=True)
    return np.stack([np.bincount(number, row, len(found)) for row in scores])


def _wald(estimate: FloatArray, covariance: FloatArray, groups: int) -> tuple[float, int]:
    """Return the p-value that all are zero (Hotelling's scaling), and how many could be told."""
    values, vectors = np.linalg.eigh(covariance)
    used = values > max(float(values.max(initial=0.0)) * 1e-6, 1e-300)
    rank = int(used.sum())
    if not rank or groups - rank < 1:
        return 1.0, 0
    turned = vectors.T @ estimate
    statistic = float((turned[used] ** 2 / values[used]).sum())
    scaled = statistic * (groups - rank) / ((groups - 1) * rank)
    return float(fdtrc(rank, groups - rank, scaled)), rank


def _norm(slopes: FloatArray, spread: FloatArray) -> float:
    return float(np.sqrt(max(float(slopes @ spread @ slopes), 0.0)))


def _doubt(spread: FloatArray, covariance: FloatArray) -> float:
    """Return a bound on the norm of the estimation error that holds in 95 of 100 cases.

    The squared norm is a weighted sum of χ² of one degree of freedom each, at most the largest
    weight times one of as many degrees.
    """
    weights = np.linalg.eigvals(spread @ covariance).real
    largest = float(weights.max(initial=0.0))
    return float(np.sqrt(max(largest, 0.0) * chdtri(len(weights), _INSIDE)))
