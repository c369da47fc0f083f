"""Matching: each row against the rows of the other arm that are most like it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial import cKDTree

from whydrift.discovery.arrays import BoolArray, FloatArray, IntArray
from whydrift.discovery.errors import OptionError, TooFewRows
from whydrift.discovery.snapshot.note import Note
from whydrift.effects.adjustment.balance import balance_check, balance_table, love_chart
from whydrift.effects.adjustment.overlap import effective_rows, overlap_chart, overlap_checks
from whydrift.effects.adjustment.propensity_score import PropensityScore, propensity_score
from whydrift.effects.adjustment.rows_in_arms import require_rows
from whydrift.effects.check import Check
from whydrift.effects.e_value import e_value_check
from whydrift.effects.effect import Effect
from whydrift.effects.estimand import ADJUSTED, average_effect
from whydrift.effects.influence import cluster_check
from whydrift.effects.question import Question
from whydrift.effects.study import Study
from whydrift.effects.table import Table
from whydrift.effects.words import percent

__all__ = ["Matching"]

_SAME = 1e-9  # relative: distances that differ by rounding alone are ties
_UNMATCHED_WARN, _UNMATCHED_FAIL = 0.05, 0.3
_METRICS = ("mahalanobis", "propensity")


@dataclass(frozen=True)
class Matching:
    """Nearest neighbours in the other arm, ties all counted, with Abadie–Imbens errors.

    Parameters
    ----------
    on : str
        ``mahalanobis`` distance of the covariates, or distance in the log odds of the
        ``propensity`` score (whose errors here take the score as known).
    neighbours : int
        Rows of the other arm that each row is matched with.
    caliper : float, optional
        Rows with no neighbour so near are left out: in standard deviations of the log odds, or of
        the Mahalanobis distance. 0.2 is usual for the propensity score (Austin 2011).
    replacement : bool
        Whether a row may be a match more than once. Without, each row of the smaller side is
        matched once, the hardest (highest chance of treatment) first; for ``att`` alone.
    bias_adjusted : bool
        Whether what is left between matches is taken out by a linear model (with replacement).

    References
    ----------
    Abadie & Imbens (2006), Large sample properties of matching estimators for average treatment
    effects.
    Abadie & Imbens (2011), Bias-corrected matching estimators for average treatment effects.
    """

    on: str = "mahalanobis"
    neighbours: int = 1
    caliper: float | None = None
    replacement: bool = True
    bias_adjusted: bool = True

    def estimate(self, study: Study, question: Question) -> Effect:
        """Return the effect; see `Method`."""
        self._check(question.estimand)
        if not len(study.covariates):
            raise OptionError(
                "there is nothing to match on",
                where="matching, adjustment",
                remedy="Name columns to adjust for, or take difference_in_means",
            )
        if study.cluster is not None:
            raise OptionError(
                "errors of matching do not allow for clusters",
                where="matching, cluster",
                remedy="Take regression_adjustment, ipw or doubly_robust",
            )
        require_rows(study, self.neighbours, "matching")
        treated = study.treatment.is_treated == 1
        scores = propensity_score(study.covariates, study.treatment.values)
        space = self._space(study, scores)
        pairs = (
            _with_replacement(space, treated, question.estimand, self.neighbours, self.caliper)
            if self.replacement
            else _without_replacement(space, scores, treated, self.caliper)
        )
        matched = pairs.is_matched
        wanted = {"ate": np.ones(study.n, dtype=bool), "att": treated, "atc": ~treated}
        population = wanted[question.estimand]
        if not matched.any():
            raise TooFewRows(
                f"no row has a match within a caliper of {self.caliper}",
                where="matching, caliper",
                remedy="The arms do not overlap; a wider caliper shows how far they are apart",
            )
        gaps = _gaps(study, pairs, treated, adjusted=self.bias_adjusted and self.replacement)
        value = float(gaps[matched].mean())
        error = (
            _abadie_imbens(study, space, pairs, gaps, treated, value)
            if self.replacement
            else float(gaps[matched].std(ddof=1) / np.sqrt(matched.sum()))
        )
        return self._answer(study, question, scores, pairs, population, value, error)

    def _check(self, estimand: str) -> None:
        if self.on not in _METRICS:
            raise OptionError(
                f"unknown distance {self.on!r}",
                where="matching, on",
                remedy=f"Known: {', '.join(_METRICS)}",
            )
        if self.neighbours < 1:
            raise OptionError(
                f"{self.neighbours} neighbours", where="matching", remedy="Give 1 or more"
            )
        if self.caliper is not None and not self.caliper > 0:
            raise OptionError(
                f"{self.caliper} is no distance",
                where="matching, caliper",
                remedy="Give a number above 0, such as 0.2, or none",
            )
        if not self.replacement and (estimand != "att" or self.neighbours != 1):
            raise OptionError(
                "without replacement each treated row is matched with one untreated row",
                where="matching, replacement",
                remedy="Ask for att with one neighbour, or match with replacement",
            )

    def _space(self, study: Study, scores: PropensityScore) -> FloatArray:
        """Return the coordinates in which Euclidean distance is the one asked for."""
        if self.on == "propensity":
            odds = scores.log_odds
            return (odds / (odds.std() or 1.0))[:, None]
        scaled = study.covariates.standardised
        values, vectors = np.linalg.eigh(scaled.T @ scaled / study.n)
        space: FloatArray = scaled @ (
            vectors / np.sqrt(values)
        )  # of full rank: the study saw to it
        return space

    def _answer(
        self, study: Study, question: Question, scores: PropensityScore, pairs: _Pairs,
        population: BoolArray, value: float, error: float,
    ) -> Effect:  # fmt: skip
        treated = study.treatment.is_treated == 1
        matched = pairs.is_matched
        weights = np.where(matched, 1.0, 0.0) + pairs.uses
        reach = question.quantile() * error
        lost = 1 - float(matched.sum() / population.sum())
        estimand = average_effect(question.estimand, study.treatment.contrast, study.roles.outcome)
        checks: list[Check] = []
        warnings: list[Note] = []
        if lost:
            estimand = replace(estimand, words=f"{estimand.words}, among rows with a match")
            said = f"{percent(lost)} of the rows asked about have no match and are left out"
            checks.append(
                Check.at_most("unmatched", lost, said, warn=_UNMATCHED_WARN, fail=_UNMATCHED_FAIL)
            )
        if self.on == "propensity":
            text = "errors take the propensity score as known, though it was fitted"
            warnings.append(Note("propensity_taken_as_known", None, text))
        base = float(study.outcome[matched & treated].mean()) - value if question.estimand == (
            "att"
        ) else float(np.average(study.outcome[~treated], weights=weights[~treated]))  # fmt: skip
        chance = scores.chance
        used = pairs.uses > 0
        return question.answer(
            study,
            estimand,
            method="matching",
            value=value,
            standard_error=error,
            n=int((matched | used).sum()),
            assumptions=ADJUSTED,
            checks=(
                *overlap_checks(chance, treated, question.estimand),
                *checks,
                *balance_check(study.covariates, treated, weights),
                e_value_check(value, value - reach, value + reach, study.outcome, base),
                *cluster_check(study.cluster),
            ),
            warnings=warnings,
            details={
                "balance": balance_table(study.covariates, treated, weights),
                "matches": Table.of(
                    "Matches",
                    {
                        "rows matched": [int(matched.sum())],
                        "without a match": [int(population.sum() - matched.sum())],
                        "different rows used as matches": [int(used.sum())],
                        "worth rows": [effective_rows(pairs.uses[used])],
                        "most uses of one row": [float(pairs.uses.max())],
                    },
                ),
            },
            charts=(
                love_chart(study.covariates, treated, weights),
                overlap_chart(chance, treated),
            ),
        )


@dataclass(frozen=True)
class _Pairs:
    """Who is matched with whom.

    Parameters
    ----------
    row, match : ndarray of int, shape (n_pairs,)
    share : ndarray of shape (n_pairs,)
        Of its row: a row's matches count alike, and their shares add up to 1.
    is_matched : ndarray of bool, shape (n_rows,)
        Rows that are asked about and have a match.
    uses : ndarray of shape (n_rows,)
        Shares that a row has as a match of others.
    """

    row: IntArray
    match: IntArray
    share: FloatArray
    is_matched: BoolArray
    uses: FloatArray


def _with_replacement(
    space: FloatArray, treated: BoolArray, estimand: str, neighbours: int, caliper: float | None
) -> _Pairs:
    """Match every row that is asked about with its nearest rows of the other arm, ties included."""
    rows: list[IntArray] = []
    matches: list[IntArray] = []
    sides = {"ate": (treated, ~treated), "att": (treated,), "atc": (~treated,)}[estimand]
    for side in sides:
        asked, offered = np.flatnonzero(side), np.flatnonzero(~side)
        tree = cKDTree(space[offered])
        furthest = np.asarray(tree.query(space[asked], k=[neighbours])[0])[:, 0]
        near = furthest <= (np.inf if caliper is None else caliper)
        found = tree.query_ball_point(
            space[asked[near]], furthest[near] * (1 + _SAME) + _SAME, return_sorted=True
        )
        counts = np.array([len(each) for each in found], dtype=np.int64)
        rows.append(np.repeat(asked[near], counts))
        flat = [offered[each] for each in found]
        matches.append(np.concatenate(flat) if flat else np.empty(0, dtype=np.int64))
    return _pairs(np.concatenate(rows), np.concatenate(matches), len(treated))


def _without_replacement(
    space: FloatArray, scores: PropensityScore, treated: BoolArray, caliper: float | None
) -> _Pairs:
    """Match each treated row with the nearest untreated row that is still free."""
    asked, offered = np.flatnonzero(treated), np.flatnonzero(~treated)
    order = asked[np.argsort(-scores.chance[asked], kind="stable")]
    is_free = np.ones(len(offered), dtype=bool)
    rows, matches = [], []
    for row in order:
        if not is_free.any():
            break
        distance = np.sqrt(((space[offered] - space[row]) ** 2).sum(axis=1))
        distance[~is_free] = np.inf
        nearest = int(np.argmin(distance))
        if caliper is None or distance[nearest] <= caliper:
            is_free[nearest] = False
            rows.append(row)
            matches.append(offered[nearest])
    return _pairs(np.array(rows, dtype=np.int64), np.array(matches, dtype=np.int64), len(treated))


def _pairs(row: IntArray, match: IntArray, count: int) -> _Pairs:
    matches = np.bincount(row, minlength=count)
    share = 1 / matches[row]
    uses = np.bincount(match, weights=share, minlength=count).astype(np.float64)
    return _Pairs(row, match, share, matches > 0, uses)


def _gaps(study: Study, pairs: _Pairs, treated: BoolArray, *, adjusted: bool) -> FloatArray:
    """Return, for each matched row, treated less untreated outcome; 0 for the others."""
    outcome = study.outcome
    other = outcome[pairs.match]
    if adjusted and len(study.covariates):
        design = study.covariates.with_intercept
        said = np.empty(study.n)
        drift = np.zeros(len(pairs.row))
        for side in (treated, ~treated):
            # A model of the arm that matches come from, fitted on the rows used as matches.
            used = side & (pairs.uses > 0)
            if not used.any():
                continue
            root = np.sqrt(pairs.uses[used])[:, None]
            slopes, *_ = np.linalg.lstsq(
                design[used] * root, outcome[used] * root[:, 0], rcond=1e-10
            )
            said = design @ slopes
            mine = side[pairs.match]
            drift[mine] = said[pairs.row[mine]] - said[pairs.match[mine]]
        other = other + drift
    counterfactual = np.bincount(pairs.row, weights=pairs.share * other, minlength=study.n)
    gap = np.where(treated, outcome - counterfactual, counterfactual - outcome)
    return np.where(pairs.is_matched, gap, 0.0)


def _abadie_imbens(
    study: Study, space: FloatArray, pairs: _Pairs, gaps: FloatArray, treated: BoolArray,
    value: float,
) -> float:  # fmt: skip
    """Return the standard error of Abadie and Imbens (2006), theorem 7.

    The spread of the effects among rows, and what it adds that one row stands in for several.
    """
    matched = pairs.is_matched
    count = int(matched.sum())
    squares = np.bincount(pairs.match, weights=pairs.share**2, minlength=study.n)
    spread = _spread_among_alike(study.outcome, space, treated)
    among = float(((gaps[matched] - value) ** 2).sum())
    if matched[treated].any() and matched[~treated].any():  # all rows are asked about
        reused = pairs.uses**2 + 2 * pairs.uses - squares
    else:
        reused = pairs.uses**2 - squares
    return float(np.sqrt(among + reused @ spread)) / count


def _spread_among_alike(
    outcome: FloatArray, space: FloatArray, treated: BoolArray, neighbours: int = 1
) -> FloatArray:
    """Return the variance of the outcome around each row, from its nearest row in its own arm."""
    spread = np.empty(len(outcome))
    for side in (treated, ~treated):
        rows = np.flatnonzero(side)
        near = np.asarray(cKDTree(space[rows]).query(space[rows], k=neighbours + 1)[1])
        # The nearest is the row itself, or a copy of it: either is left out once.
        own = near == np.arange(len(rows))[:, None]
        own[~own.any(axis=1), -1] = True
        others = near[~own].reshape(len(rows), neighbours)
        gap = outcome[rows] - outcome[rows][others].mean(axis=1)
        spread[rows] = neighbours / (neighbours + 1) * gap**2
    return spread
