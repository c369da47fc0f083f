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
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.special import chdtri, fdtrc

from whydrift.discovery.arrays import BoolArray, FloatArray, IntArray
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


@dataclass(frozen=True, slots=True)
class _Term:
    """The part of one parent in a column's mechanism, in both windows.

    Sizes are sd of the column (reference sd) that the part explains at the shared parents.
    """

    p_value: float
    size: tuple[float, float]
    doubt: tuple[float, float]  # by so much a size may be too large or too small, at 95 %
    difference: float
    difference_doubt: float


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
    groups = _groups(pair)
    found: dict[tuple[str, str], tuple[_Term, bool]] = {}
    order = graph.topological_order()
    suspects.sort(key=order.index)
    for place, child in enumerate(suspects):
        later = frozenset(suspects[place:])  # of two suspects one is asked about the other
        parents = tuple(p for p in graph.parents(child) if p in sound)
        if len(parents) != len(graph.parents(child)):
            continue  # a parent is broken or absent: its part would be read into the others
        work = _Regression.of(pair, child, parents, groups)
        if work is not None:
            for parent in parents:
                term = work.term(parent)
                if term is not None:
                    found[parent, child] = term, True
        for other, term in _newcomers(pair, graph, child, parents, sound, later, groups):
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
        grows = term.size[1] > term.size[0]
        if absent[0] and present[1]:
            change = "added"
        elif not joined:
            continue  # dependent in both windows: the graph lacks an edge, which is no change
        elif absent[1] and present[0]:
            change = "removed"
        else:
            change = "strengthened" if grows else "weakened"
        changes.append(GraphChange(a, b, change, term.p_value))
    return tuple(sorted(changes, key=lambda c: c.p_value or 0.0))


def _newcomers(
    pair: WindowPair,
    graph: Graph,
    child: str,
    parents: tuple[str, ...],
    sound: Sequence[str],
    later: frozenset[str],
    groups: IntArray,
) -> list[tuple[str, _Term]]:
    """Return what belongs to columns that may have become parents, each given those before it.

    The strongest comes first, so that columns merely related to it are not taken for parents.
    """
    waiting = _candidates(pair, graph, child, parents, sound, later, groups)
    out: list[tuple[str, _Term]] = []
    while waiting:
        given = (*parents, *(name for name, _ in out))
        terms = {}
        for other in waiting:
            wider = _Regression.of(pair, child, (*given, other), groups)
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
    pair: WindowPair,
    graph: Graph,
    child: str,
    parents: tuple[str, ...],
    sound: Sequence[str],
    later: frozenset[str],
    groups: IntArray,
) -> list[str]:
    """Return the columns that may have become a parent: joined to it now, by a quick look."""
    joined = {n for e in graph if child in (e.a, e.b) for n in (e.a, e.b)} | {child}
    closed = joined | graph.descendants(child) | later
    others = [n for n in sound if n not in closed]
    rows = pair.complete((child, *parents))
    current = rows & (pair.is_current == 1)
    if current.sum() < _LEAST_GROUPS:
        return []
    design = _basis(pair, parents, current)
    left = _residual(design, _response(pair, child)[current])
    found = []
    for name in others[:_MOST_CANDIDATES]:
        terms = _terms(pair, name)[current]
        seen = np.isfinite(terms).all(axis=1)
        if not seen.any():
            continue
        own = np.where(seen[:, None], terms, terms[seen].mean(axis=0))
        score = _residual(design, own) * (left * seen)[:, None]
        total, sums = score.sum(axis=0), _sums(score, groups[current])
        p_value = _wald(total, sums.T @ sums, int(sums.any(axis=1).sum()))[0]
        if p_value <= _SCREEN:
            found.append(name)
    return found


@dataclass(frozen=True)
class _Regression:
    """One column on its parents, in each window, at parents that both windows share."""

    terms: Mapping[str, slice]  # columns of each parent
    slopes: tuple[FloatArray, FloatArray]  # (n_terms,) in each window
    covariance: tuple[FloatArray, FloatArray]
    spread: FloatArray  # (n_terms, n_terms): covariance of the terms at the shared parents
    groups: int

    @classmethod
    def of(
        cls, pair: WindowPair, child: str, parents: tuple[str, ...], groups: IntArray
    ) -> _Regression | None:
        """Fit, or return None where rows or overlap are too few."""
        rows = pair.complete((child, *parents))
        current = pair.is_current[rows] == 1
        if not parents or min(int(current.sum()), int((~current).sum())) < _LEAST_GROUPS:
            return None
        design = _basis(pair, parents, rows)
        propensity = fit_propensity(design, current.astype(np.float64))
        if propensity.overlap < _LEAST_OVERLAP:
            return None
        response = _response(pair, child)[rows]
        blocks = [_terms(pair, p)[rows] for p in parents]
        ends = np.cumsum([0, *(b.shape[1] for b in blocks)])
        terms = {p: slice(a, b) for p, a, b in zip(parents, ends[:-1], ends[1:], strict=True)}
        linear = np.column_stack([np.ones(len(response)), *blocks])
        chance = propensity.chance
        weight = np.where(current, 1 - chance, chance)
        tilt = chance * (1 - chance)  # the shared parents, by the rows of both windows
        common = _solve(linear * tilt[:, None], linear, response - _residual(design, response))
        left = _residual(design, response)
        slopes, covariances, counts = [], [], []
        for part in (~current, current):
            x, w = linear[part], weight[part]
            inverse = np.linalg.pinv((x * w[:, None]).T @ x, rcond=_FLAT, hermitian=True)
            own = inverse @ ((x * w[:, None]).T @ left[part])
            error = left[part] - x @ own
            leverage = np.clip(((x @ inverse) * x * w[:, None]).sum(axis=1), 0.0, 0.9)
            influence = (x * (w * error / (1 - leverage))[:, None]) @ inverse
            sums = _sums(influence, groups[rows][part])
            sums = sums[sums.any(axis=1)]
            counts.append(len(sums))
            if len(sums) < _LEAST_GROUPS + 2 * x.shape[1]:
                return None
            slopes.append((common + own)[1:])
            covariances.append((sums.T @ sums)[1:, 1:] * len(sums) / (len(sums) - 1))
        centred = linear[:, 1:] - np.average(linear[:, 1:], axis=0, weights=tilt)
        spread = (centred * tilt[:, None]).T @ centred / tilt.sum()
        return cls(
            terms,
            (slopes[0], slopes[1]),
            (covariances[0], covariances[1]),
            spread,
            min(counts),
        )

    def term(self, parent: str) -> _Term | None:
        """Return what belongs to one parent."""
        part = self.terms[parent]
        # What the terms of this parent vary by themselves, given the other parents.
        precision = np.linalg.pinv(self.spread, rcond=_FLAT, hermitian=True)[part, part]
        if float(np.abs(precision).max(initial=0.0)) == 0:
            return None
        own = np.linalg.pinv(precision, rcond=_FLAT, hermitian=True)
        old, new = (s[part] for s in self.slopes)
        covariance = [c[part, part] for c in self.covariance]
        both = covariance[0] + covariance[1]
        p_value, rank = _wald(new - old, both, self.groups)
        if not rank:
            return None
        return _Term(
            p_value,
            (_norm(old, own), _norm(new, own)),
            (_doubt(own, covariance[0]), _doubt(own, covariance[1])),
            _norm(new - old, own),
            _doubt(own, both),
        )


def _groups(pair: WindowPair) -> IntArray:
    """Return a number for each pooled row; rows of different numbers count as independent."""
    if pair.clusters is not None:
        return pair.clusters
    if not pair.is_autocorrelated:
        return np.arange(len(pair.is_current))
    before, after = row_groups(pair.reference), row_groups(pair.current)
    return np.concatenate([before, after + before.max(initial=0) + 1])


def _terms(pair: WindowPair, name: str) -> FloatArray:
    """Return the terms of a parent: straight and bent, or a level each; NaN where missing."""
    linear = pair.features(name).linear
    if pair.is_discrete(name):
        return linear
    straight = np.clip(linear, -3, 3)
    return np.column_stack([straight, np.abs(straight) - np.sqrt(2 / np.pi)])


def _basis(pair: WindowPair, parents: tuple[str, ...], rows: BoolArray) -> FloatArray:
    """Return intercept, splines of the parents and products of their straight terms."""
    parts = [pair.features(p) for p in parents]
    columns = [np.ones((int(rows.sum()), 1)), *(f.basis[rows] for f in parts)]
    straight = [np.clip(f.linear[rows], -3, 3) for f in parts]
    if sum(s.shape[1] for s in straight) <= 12:
        for i, one in enumerate(straight):
            columns += [
                (one[:, :, None] * other[:, None, :]).reshape(len(one), -1)
                for other in straight[:i]
            ]
    return np.column_stack(columns)


def _response(pair: WindowPair, child: str) -> FloatArray:
    """Return a column in sd of the reference, or the chance of its commonest class in its own sd.

    A change of scale of the column or of its noise leaves a slope in these units alone.
    """
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


def _residual(design: FloatArray, response: FloatArray) -> FloatArray:
    out: FloatArray = response - design @ _solve(design, design, response, _RIDGE)
    return out


def _solve(
    left: FloatArray, right: FloatArray, response: FloatArray, ridge: float = 1e-6
) -> FloatArray:
    gram = left.T @ right
    gram[np.diag_indices(len(gram))] += ridge
    gram[0, 0] -= ridge * (1 - _FLAT)  # the intercept is free
    out: FloatArray = np.linalg.solve(gram, left.T @ response).astype(np.float64, copy=False)
    return out


def _sums(scores: FloatArray, groups: IntArray) -> FloatArray:
    """Return the sums of the scores' rows by group."""
    found, number = np.unique(groups, return_inverse=True)
    if len(found) == len(scores):
        return scores
    out = np.zeros((len(found), scores.shape[1]))
    np.add.at(out, number, scores)
    return out


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
