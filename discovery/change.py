"""What changed between two graphs, and whether that is more than chance."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

import numpy as np
from scipy.special import ndtri
from scipy.stats import f, ncx2

from whydrift.discovery.arrays import FloatArray, IntArray
from whydrift.discovery.errors import GraphError, OptionError, SchemaError
from whydrift.discovery.graph import Edge, Graph
from whydrift.discovery.scores.features import HINGES, Features, category_features
from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.discovery.stability import row_groups

__all__ = ["Change", "GraphChange", "GraphDifference", "difference"]

_LEVEL: Final = 0.05
_MARGIN: Final = 0.1  # a partial correlation below which an edge counts as gone
_LEAST_FREEDOM = 20  # groups of rows beyond the slopes, in each window
_FLAT = 1e-10  # share of a variance that is rounding


class Change(StrEnum):
    """What can happen to an edge."""

    ADDED = "added"
    REMOVED = "removed"
    REVERSED = "reversed"
    WEAKENED = "weakened"
    STRENGTHENED = "strengthened"


@dataclass(frozen=True, slots=True)
class GraphChange:
    """One change from the first graph to the second.

    Parameters
    ----------
    a, b : str
        Of a directed edge, ``a`` is the cause; of a reversed one, the cause in the second graph.
    change : Change
    p_value : float, optional
        Of no change, corrected for all pairs that might have been named; None without windows, or
        where they have too few rows.
    mark_before, mark_after : str, optional
        From ``a`` to ``b``; None where there is no edge.
    strength_before, strength_after : float, optional
        Partial correlation of the two given the parents in either graph (where a category is among
        them, the largest multiple one of a level, without a sign).
    """

    a: str
    b: str
    change: Change
    p_value: float | None = None
    mark_before: str | None = None
    mark_after: str | None = None
    strength_before: float | None = None
    strength_after: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the change as the report contract writes it, with what it was read from."""
        return {
            "from": self.a,
            "to": self.b,
            "change": self.change.value,
            "p_value": self.p_value,
            "mark": {"before": self.mark_before, "after": self.mark_after},
            "strength": {"before": self.strength_before, "after": self.strength_after},
        }


@dataclass(frozen=True)
class GraphDifference:
    """All changes between two graphs, the least probable by chance first.

    Parameters
    ----------
    changes : tuple of GraphChange
    pairs : int
        Pairs of columns for which the p-values answer.
    """

    changes: tuple[GraphChange, ...]
    pairs: int

    def significant(self, level: float = _LEVEL) -> tuple[GraphChange, ...]:
        """Return the changes that chance makes with probability ``level`` at most, all together."""
        return tuple(c for c in self.changes if c.p_value is not None and c.p_value <= level)

    def to_dict(self) -> list[dict[str, Any]]:
        """Return the rows of ``graph_change`` in the report contract."""
        return [change.to_dict() for change in self.changes]

    def __iter__(self) -> Iterator[GraphChange]:
        return iter(self.changes)

    def __len__(self) -> int:
        return len(self.changes)

    def _repr_html_(self) -> str:
        import html

        rows = "".join(
            f"<tr><td>{html.escape(c.a)}</td><td>{html.escape(c.b)}</td><td>{c.change}</td>"
            f"<td>{'' if c.p_value is None else f'{c.p_value:.2g}'}</td></tr>"
            for c in self.changes
        )
        return (
            f"<table><caption>{len(self.changes)} changes</caption>"
            f"<tr><th>from</th><th>to</th><th>change</th><th>p</th></tr>{rows}</table>"
        )


def difference(
    before: Graph,
    after: Graph,
    reference: Any = None,
    current: Any = None,
    *,
    level: float = _LEVEL,
    margin: float = _MARGIN,
) -> GraphDifference:
    """Return what changed between two graphs over the same columns.

    Each change is tested on the two windows, so that an edge which the search found in one window
    and missed in the other by chance is told from one that came or went:

    - *added*: the slope of the effect on the cause, given the parents in both graphs, differs
      between the windows, and is shown to be smaller than ``margin`` in the reference;
    - *removed*: it differs, and is shown to be smaller than ``margin`` in the current window;
    - *reversed*: both graphs direct the edge, and the mechanisms (slopes, intercept, spread) of
      both its ends differ, each given its parents in the graph where it is the effect;
    - *weakened*, *strengthened*: the slope differs, and none of these is shown.

    An edge that only one graph has is listed as added or removed, with its p-value, where the
    windows do not show that the slope differs at all.

    P-values are Holm's over all pairs of columns: which pairs the graphs differ in was chosen by
    the same data. They are those of Wald tests with variances that hold for rows of unequal
    spread, in blocks where neighbouring rows are alike or by cluster. Numbers enter on the scale
    on which the reference is normal, so that a straight relation to a shifted cause stays
    straight; a bent one that is seen on another part of its range may look changed.

    Parameters
    ----------
    before, after : Graph
        DAGs, CPDAGs, MAGs or PAGs.
    reference, current : Snapshot or frame, optional
        The windows they were learned from, the second read with the schema of the first. Without
        them only added, removed and reversed edges are listed, without p-values.
    level : float
        At which a slope is said to differ, and to be smaller than the margin.
    margin : float
        Partial correlation below which an edge counts as gone.

    Raises
    ------
    GraphError
        If the graphs have different columns, or the windows lack one.
    SchemaError
        If the windows do not have the same categories.
    OptionError
        If only one window is given, or ``level`` or ``margin`` is not between 0 and 1.
    """
    if reference is not None and not isinstance(reference, Snapshot):
        reference = Snapshot.from_frame(reference)
    if current is not None and not isinstance(current, Snapshot):
        schema = None if reference is None else reference.schema
        current = Snapshot.from_frame(current, schema=schema)
    _check(before, after, reference, current, level, margin)
    test = None
    if reference is not None and current is not None:
        test = _Windows(reference, current, before.nodes)
    joined = dict.fromkeys(frozenset((e.a, e.b)) for e in (*before, *after))
    place = {name: i for i, name in enumerate(before.nodes)}
    found = []
    for pair in joined:
        a, b = sorted(pair, key=place.__getitem__)
        found.append(_compared(before, after, a, b, test, level, margin))
    pairs = len(place) * (len(place) - 1) // 2
    raw = np.array([np.nan if c.p_value is None else c.p_value for c, _ in found])
    adjusted = _holm(raw, pairs)
    listed = []
    for (change, absent), p_value in zip(found, adjusted.tolist(), strict=True):
        known = None if np.isnan(p_value) else max(p_value, absent)
        if known is None or known > level:
            change = _as_drawn(change)
            if change.change in {Change.WEAKENED, Change.STRENGTHENED}:
                continue
        listed.append(replace(change, p_value=known))
    listed.sort(key=lambda c: (c.p_value is None, c.p_value or 0.0, place[c.a], place[c.b]))
    return GraphDifference(tuple(listed), pairs)


def _compared(
    before: Graph,
    after: Graph,
    a: str,
    b: str,
    test: _Windows | None,
    level: float,
    margin: float,
) -> tuple[GraphChange, float]:
    """Return what happened to one pair, the p-value of no change, and that of no absence."""
    old, new = before.edge_between(a, b), after.edge_between(a, b)
    directed = [e for e in (new, old) if e is not None and e.is_directed]
    if directed:
        a, b = directed[0].a, directed[0].b
    marks = (None if old is None else _read(old, a), None if new is None else _read(new, a))
    if marks == ("<--", "-->"):
        p_value = None
        if test is not None:
            p_value = _larger(
                test.mechanism(a, before.parents(a)), test.mechanism(b, after.parents(b))
            )
        return GraphChange(a, b, Change.REVERSED, p_value, *marks), 0.0
    slope = None
    if test is not None:
        given = {
            *before.parents(b), *after.parents(b),
            *before.undecided_neighbours(b), *after.undecided_neighbours(b),
        } - {a}  # fmt: skip
        slope = test.slope(a, b, tuple(sorted(given)), margin)
    if slope is None:
        return GraphChange(a, b, Change.WEAKENED, None, *marks), 0.0
    strengths = (slope.strength_before, slope.strength_after)
    grows = abs(strengths[1]) > abs(strengths[0])
    change, absent = (Change.STRENGTHENED if grows else Change.WEAKENED), 0.0
    if old is None and slope.is_large[0] <= level:
        change, absent = Change.ADDED, slope.is_large[0]
    elif new is None and slope.is_large[1] <= level:
        change, absent = Change.REMOVED, slope.is_large[1]
    return GraphChange(a, b, change, slope.differs, *marks, *strengths), absent


def _as_drawn(change: GraphChange) -> GraphChange:
    """Return what the two graphs show, where the windows do not tell their edges apart."""
    if change.mark_before is None:
        return replace(change, change=Change.ADDED)
    if change.mark_after is None:
        return replace(change, change=Change.REMOVED)
    return change


def _read(edge: Edge, a: str) -> str:
    """Return the mark of an edge, read from one of its ends."""
    if edge.a == a:
        return edge.mark
    return {"-->": "<--", "o->": "<-o", "--o": "o--"}.get(edge.mark, edge.mark)


def _larger(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else max(one, other)


def _holm(p_values: FloatArray, tests: int) -> FloatArray:
    """Return Holm's p-values where ``tests`` were looked at and the others gave 1.

    References
    ----------
    Holm (1979), A simple sequentially rejective multiple test procedure.
    """
    out = np.full(p_values.shape, np.nan)
    order = [i for i in np.argsort(p_values).tolist() if not np.isnan(p_values[i])]
    worst = 0.0
    for rank, i in enumerate(order):
        worst = max(worst, min(1.0, float(p_values[i]) * (tests - rank)))
        out[i] = worst
    return out


def _check(
    before: Graph,
    after: Graph,
    reference: Snapshot | None,
    current: Snapshot | None,
    level: float,
    margin: float,
) -> None:
    if set(before.nodes) != set(after.nodes):
        odd = sorted(set(before.nodes) ^ set(after.nodes))[0]
        raise GraphError(
            f"column {odd!r} is in one graph only",
            where="difference",
            remedy="Give graphs over the same columns: graph.with_nodes(…)",
        )
    if (reference is None) != (current is None):
        raise OptionError(
            "only one of the two windows is given",
            where="difference",
            remedy="Give both for p-values, or none",
        )
    for name, value in (("level", level), ("margin", margin)):
        if not 0 < value < 1:
            raise OptionError(
                f"{value!r} is not between 0 and 1", where=name, remedy="Give for example 0.05"
            )
    for window in (reference, current):
        for name in before.nodes if window is not None else ():
            if window is not None and not window.has(name):
                raise GraphError(
                    f"column {name!r} of the graphs is not in a window",
                    where="difference",
                    remedy="Cut it out of both graphs: graph.with_nodes(…)",
                )
    if reference is not None and current is not None:
        for name in before.nodes:
            known, found = reference.schema[name].categories, current.schema[name].categories
            if found[: len(known)] != known:  # codes would mean different categories
                raise SchemaError(
                    f"the categories of column {name!r} are not those of the reference",
                    where="difference",
                    remedy="Read the current window with the reference's schema: "
                    "Snapshot.from_frame(…, schema=reference.schema)",
                )


# ---- tests ------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class _Slope:
    """P-values about one slope in two windows, and its size in each."""

    differs: float
    is_large: tuple[float, float]  # at least the margin, in the reference and in the current window
    strength_before: float
    strength_after: float


@dataclass(frozen=True, slots=True)
class _Fit:
    """Estimates of one window, their covariance, and how many independent groups it rests on."""

    estimate: FloatArray
    covariance: FloatArray
    groups: int
    strength: float


class _Windows:
    """The two windows as features on one scale."""

    def __init__(self, reference: Snapshot, current: Snapshot, names: Sequence[str]) -> None:
        self._split = len(reference.sample)
        self._features: dict[str, Features] = {}
        for name in names:
            values = np.concatenate([reference.column(name), current.column(name)])
            if reference.schema[name].kind.is_discrete:
                self._features[name] = category_features(values)
            else:
                score = _on_scale_of(reference.column(name), values)
                hinges = [np.maximum(score - knot, 0.0) for knot in HINGES]
                basis = np.column_stack([score, *hinges])
                self._features[name] = Features(score[:, None], basis)
        self._groups = (row_groups(reference), row_groups(current))

    def slope(self, a: str, b: str, given: tuple[str, ...], margin: float) -> _Slope | None:
        """Compare the slope of b on a given others, or return None where rows are too few."""
        fits = self._fits(a, b, given)
        if fits is None:
            return None
        old, new = fits
        sizes = (_is_large(old, margin), _is_large(new, margin))
        return _Slope(_differs(old, new), sizes, old.strength, new.strength)

    def mechanism(self, name: str, parents: tuple[str, ...]) -> float | None:
        """Return the p-value that a column's slopes, intercept and spread are the same."""
        fits = []
        for window in range(2):
            y, x, groups = self._rows(window, (name,), parents)
            fit = _fit(y, np.column_stack([np.ones(len(y)), x]), groups, spread=True)
            if fit is None:
                return None
            fits.append(fit)
        return _differs(*fits)

    def _fits(self, a: str, b: str, given: tuple[str, ...]) -> tuple[_Fit, _Fit] | None:
        fits = []
        for window in range(2):
            both, others, groups = self._rows(window, (a, b), given)
            width = self._features[a].linear.shape[1]
            base = np.column_stack([np.ones(len(both)), others])
            left = _residual(both, base)
            fit = _fit(left[:, width:], left[:, :width], groups, taken=base.shape[1])
            if fit is None:
                return None
            fits.append(fit)
        return fits[0], fits[1]

    def _rows(
        self, window: int, outside: tuple[str, ...], given: tuple[str, ...]
    ) -> tuple[FloatArray, FloatArray, IntArray]:
        """Return the complete rows of a window: linear features, bases of others, groups."""
        part = slice(None, self._split) if window == 0 else slice(self._split, None)
        own = np.column_stack([self._features[n].linear[part] for n in outside])
        others = np.column_stack(
            [np.empty((len(own), 0)), *(self._features[n].basis[part] for n in given)]
        )
        complete = np.isfinite(own).all(axis=1) & np.isfinite(others).all(axis=1)
        return own[complete], others[complete], self._groups[window][complete]


def _on_scale_of(reference: FloatArray, values: FloatArray) -> FloatArray:
    """Return values on the scale on which the reference is normal, straight on beyond its ends.

    Ranks of both windows together would bend a straight relation where a cause has shifted.
    """
    observed = reference[np.isfinite(reference)]
    if not observed.size:
        return np.full(values.shape, np.nan)
    shares = np.linspace(0.01, 0.99, 99)
    knots, place = np.unique(np.quantile(observed, shares), return_inverse=True)
    scores = np.bincount(place, ndtri(shares)) / np.bincount(place)
    if len(knots) < 2:  # hardly ever another value in the reference
        knots, scores = np.array([observed.min(), observed.max()]), np.array([0.0, 1.0])
    if knots[0] == knots[-1]:
        return np.where(np.isfinite(values), values - knots[0], np.nan)
    slope = (scores[-1] - scores[0]) / (knots[-1] - knots[0])
    beyond = values - np.clip(values, knots[0], knots[-1])
    out: FloatArray = np.interp(values, knots, scores) + slope * beyond
    return np.where(np.isfinite(values), out, np.nan)


def _residual(values: FloatArray, on: FloatArray) -> FloatArray:
    left: FloatArray = values - on @ np.linalg.lstsq(on, values, rcond=None)[0]
    return left


def _fit(
    y: FloatArray, x: FloatArray, groups: IntArray, *, taken: int = 0, spread: bool = False
) -> _Fit | None:
    """Regress y on x, with a covariance robust to unequal spread and to dependence in groups.

    Parameters
    ----------
    y, x : ndarray of shape (n_rows, n_responses), (n_rows, n_features)
        ``x`` has full rank or nearly so: what is determined by the rest gets slope zero.
    groups : ndarray of int, shape (n_rows,)
        Rows of one group may depend on each other.
    taken : int
        Slopes already fitted before ``x``.
    spread : bool
        Whether the residual variance is an estimate too (of a single response).

    References
    ----------
    MacKinnon & White (1985), Some heteroskedasticity-consistent covariance matrix estimators with
    improved finite sample properties: HC3.
    """
    rows, features = x.shape
    _, number = np.unique(groups, return_inverse=True)
    count = int(number.max()) + 1 if rows else 0
    if count - features - taken < _LEAST_FREEDOM:
        return None
    inverse = np.linalg.pinv(x.T @ x, rcond=_FLAT, hermitian=True)
    slopes = inverse @ (x.T @ y)
    left = y - x @ slopes
    leverage = np.clip(((x @ inverse) * x).sum(axis=1) + taken / rows, 0.0, 0.9)
    wider = left / (1 - leverage)[:, None]
    # Influence of each row on each slope: (n_rows, n_features, n_responses).
    influence = ((x @ inverse)[:, :, None] * wider[:, None, :]).reshape(rows, -1)
    estimate = slopes.ravel()
    if spread and y.shape[1] == 1:
        variance = float((left**2).sum() / max(1, rows - features - taken))
        if variance > 0:
            estimate = np.append(estimate, np.log(variance))
            own = (wider[:, 0] ** 2 / variance - 1) / rows
            influence = np.column_stack([influence, own - own.mean()])
    if count < rows:
        sums = np.zeros((count, influence.shape[1]))
        np.add.at(sums, number, influence)
        influence = sums * np.sqrt(count / (count - 1))
    covariance: FloatArray = influence.T @ influence
    return _Fit(estimate, covariance, count, _strength(y, x, slopes))


def _strength(y: FloatArray, x: FloatArray, slopes: FloatArray) -> float:
    """Return the correlation of y and its fit: signed where there is one of each."""
    fitted = x @ slopes
    scale = np.sqrt((y**2).sum(axis=0))
    best = np.sqrt((fitted**2).sum(axis=0)) / np.where(scale > 0, scale, 1.0)
    largest = float(best.max(initial=0.0))
    return float(np.sign(slopes[0, 0]) * largest) if slopes.size == 1 else largest


def _wald(estimate: FloatArray, covariance: FloatArray) -> tuple[float, int]:
    """Return the Wald statistic of all zero, and its degrees of freedom."""
    values, vectors = np.linalg.eigh(covariance)
    used = values > max(float(values.max(initial=0.0)) * _FLAT, 1e-14)
    turned = vectors.T @ estimate
    return float((turned[used] ** 2 / values[used]).sum()), int(used.sum())


def _is_large(fit: _Fit, margin: float) -> float:
    """Return the p-value of a partial correlation of at least ``margin``.

    The statistic of one of just that size follows a non-central χ².

    References
    ----------
    Wellek (2010), Testing statistical hypotheses of equivalence and noninferiority, chapter 6.
    """
    statistic, freedom = _wald(fit.estimate, fit.covariance)
    edge = fit.groups * margin**2 / (1 - margin**2)
    return float(ncx2.cdf(statistic, freedom, edge)) if freedom else 0.0


def _differs(old: _Fit, new: _Fit) -> float:
    """Return the p-value of equal estimates."""
    if old.estimate.shape != new.estimate.shape:  # no residual variance in one of the windows
        return 0.0
    statistic, freedom = _wald(old.estimate - new.estimate, old.covariance + new.covariance)
    if not freedom:
        return 1.0
    rest = max(1, min(old.groups, new.groups) - freedom)
    # Hotelling's scaling: the covariance is estimated from so many groups.
    scaled = statistic * (rest - freedom + 1) / (rest * freedom) if rest > freedom else 0.0
    return float(f.sf(scaled, freedom, max(1, rest - freedom + 1)))
