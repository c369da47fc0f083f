"""Nuisance models: what the covariates predict, fitted on some rows and said of others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from whydrift.discovery.arrays import BoolArray, FloatArray, IntArray
from whydrift.discovery.errors import OptionError, TooFewRows, unknown_name
from whydrift.effects.extra import library
from whydrift.effects.propensity import expit, logistic_ridge

__all__ = ["Learner", "fold_count", "folds", "learner"]

_RIDGE = 1e-4  # of standardised covariates: next to nothing, and finite where they are many
_FOLDS = 5
_NEVER_CERTAIN = 1e-3  # forests say 0 and 1, which no weight survives

Predict = Callable[[FloatArray, FloatArray, FloatArray], FloatArray]


@dataclass(frozen=True)
class Learner:
    """How nuisance models are fitted.

    Parameters
    ----------
    name : str
    mean, chance : callable (design, label, design of other rows) -> predictions
        Of a number, and of P(label = 1).
    """

    name: str
    mean: Predict
    chance: Predict


def learner(name: str, seed: int) -> Learner:
    """Return a learner by name.

    Parameters
    ----------
    name : str
        ``linear`` (least squares, logistic), ``forest`` or ``boosting`` (scikit-learn).
    seed : int

    Raises
    ------
    OptionError
        If there is none of that name, or scikit-learn is not installed.
    """
    if name not in _LEARNERS:
        raise unknown_name("learner", name, known=_LEARNERS, where="learner")
    return _LEARNERS[name](seed)


def fold_count(asked: int | None, learner: str) -> int:
    """Return how many folds: where it was not said, none for a linear model, else five.

    A model of few numbers does not flatter itself, and splitting it would only add the noise of
    the split.
    """
    return asked if asked is not None else 1 if learner == "linear" else _FOLDS


def folds(
    strata: BoolArray | None, rows: int, count: int, cluster: IntArray | None, seed: int
) -> Iterator[tuple[BoolArray, BoolArray]]:
    """Yield, for each fold, which rows are fitted on and which are judged.

    Parameters
    ----------
    strata : ndarray of bool, optional
        Each fold has its share of both kinds (without clusters).
    rows, count : int
        With a count of 1 all rows are fitted on and judged.
    cluster : ndarray of int, optional
        Rows of one cluster are held out together: a model must not have seen a row's kin.
    seed : int

    Raises
    ------
    OptionError, TooFewRows
        If there are not enough rows or clusters for so many folds.
    """
    if count < 1:
        raise OptionError(f"{count} folds", where="folds", remedy="Give 2 or more, such as 5")
    if count == 1:
        everybody = np.ones(rows, dtype=bool)
        yield everybody, everybody
        return
    generator = np.random.default_rng(seed)
    if cluster is not None:
        groups = int(cluster.max()) + 1
        _require(groups, count, "clusters")
        fold = (generator.permutation(groups) % count)[cluster]
    elif strata is None:
        _require(rows, 2 * count, "rows")
        fold = generator.permutation(rows) % count
    else:
        fold = np.empty(rows, dtype=np.int64)
        for side in (strata, ~strata):
            _require(int(side.sum()), count, "rows in an arm")
            fold[side] = generator.permutation(int(side.sum())) % count
    for number in range(count):
        held = fold == number
        yield ~held, held


def _require(have: int, need: int, what: str) -> None:
    if have < need:
        raise TooFewRows(
            f"{have} {what}, too few for cross-fitting",
            where="folds",
            remedy="Give fewer folds, or take regression_adjustment or ipw, which need none",
        )


# ---- the learners -----------------------------------------------------------------------------
def _linear(seed: int) -> Learner:
    return Learner("linear", _ridge_mean, _logistic_chance)


def _ridge_mean(design: FloatArray, label: FloatArray, others: FloatArray) -> FloatArray:
    gram = design.T @ design
    ridge = np.full(len(gram), _RIDGE)
    ridge[0] = 0.0  # the intercept
    found: FloatArray = others @ np.linalg.solve(gram + np.diag(ridge), design.T @ label)
    return found


def _logistic_chance(design: FloatArray, label: FloatArray, others: FloatArray) -> FloatArray:
    return expit(others @ logistic_ridge(design, label, penalty=_RIDGE))


def _forest(seed: int) -> Learner:
    trees = library("sklearn.ensemble", "learner 'forest'")
    given: dict[str, Any] = {"n_estimators": 200, "min_samples_leaf": 5, "random_state": seed}
    return _of_sklearn(
        "forest",
        lambda: trees.RandomForestRegressor(**given),
        lambda: trees.RandomForestClassifier(**given),
    )


def _boosting(seed: int) -> Learner:
    trees = library("sklearn.ensemble", "learner 'boosting'")
    given: dict[str, Any] = {"max_iter": 100, "learning_rate": 0.05, "random_state": seed}
    return _of_sklearn(
        "boosting",
        lambda: trees.HistGradientBoostingRegressor(**given),
        lambda: trees.HistGradientBoostingClassifier(**given),
    )


def _of_sklearn(name: str, regressor: Callable[[], Any], classifier: Callable[[], Any]) -> Learner:
    def mean(design: FloatArray, label: FloatArray, others: FloatArray) -> FloatArray:
        with _one_thread():
            fitted = regressor().fit(design[:, 1:], label)
        return np.asarray(fitted.predict(others[:, 1:]), dtype=np.float64)

    def chance(design: FloatArray, label: FloatArray, others: FloatArray) -> FloatArray:
        with _one_thread():
            fitted = classifier().fit(design[:, 1:], label)
        said = np.asarray(fitted.predict_proba(others[:, 1:])[:, 1], dtype=np.float64)
        return np.clip(said, _NEVER_CERTAIN, 1 - _NEVER_CERTAIN)

    return Learner(name, mean, chance)


def _one_thread() -> AbstractContextManager[Any]:
    """Return a context in which trees grow in one thread: of so few rows more only wait."""
    from threadpoolctl import threadpool_limits

    limits: AbstractContextManager[Any] = threadpool_limits(limits=1, user_api="openmp")
    return limits


_LEARNERS: Final = {"linear": _linear, "forest": _forest, "boosting": _boosting}
