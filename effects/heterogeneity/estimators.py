"""Models of scikit-learn that the learners of effects are built from, by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from whydrift.discovery.errors import unknown_name
from whydrift.effects.extra import library

__all__ = ["classifier", "regressor"]

# As in adjustment/nuisance.py, so that one name means one model everywhere.
_FOREST: Final = {"n_estimators": 200, "min_samples_leaf": 5}
_BOOSTING: Final = {"max_iter": 100, "learning_rate": 0.05}


def regressor(name: str, seed: int) -> Any:
    """Return a model of a number: ``linear``, ``forest`` or ``boosting``.

    Raises
    ------
    OptionError
        If there is none of that name, or scikit-learn is not installed.
    """
    return _row(name)[0](seed)


def classifier(name: str, seed: int) -> Any:
    """Return a model of a chance: those of `regressor`, and ``constant`` for an experiment."""
    if name == "constant":
        return library("sklearn.dummy", "learner").DummyClassifier(strategy="prior")
    return _row(name)[1](seed)


def _row(name: str) -> tuple[Callable[[int], Any], Callable[[int], Any]]:
    if name not in _ROWS:
        raise unknown_name("learner", name, known=_ROWS, where="learner")
    return _ROWS[name]


def _linear_regressor(seed: int) -> Any:
    return library("sklearn.linear_model", "learner 'linear'").LinearRegression()


def _logistic(seed: int) -> Any:
    return library("sklearn.linear_model", "learner 'linear'").LogisticRegression(
        C=1e4, max_iter=1000
    )


def _forest_regressor(seed: int) -> Any:
    trees = library("sklearn.ensemble", "learner 'forest'")
    return trees.RandomForestRegressor(**_FOREST, random_state=seed)


def _forest_classifier(seed: int) -> Any:
    trees = library("sklearn.ensemble", "learner 'forest'")
    return trees.RandomForestClassifier(**_FOREST, random_state=seed)


def _boosting_regressor(seed: int) -> Any:
    trees = library("sklearn.ensemble", "learner 'boosting'")
    return trees.HistGradientBoostingRegressor(**_BOOSTING, random_state=seed)


def _boosting_classifier(seed: int) -> Any:
    trees = library("sklearn.ensemble", "learner 'boosting'")
    return trees.HistGradientBoostingClassifier(**_BOOSTING, random_state=seed)


_ROWS: Final = {
    "linear": (_linear_regressor, _logistic),
    "forest": (_forest_regressor, _forest_classifier),
    "boosting": (_boosting_regressor, _boosting_classifier),
}
