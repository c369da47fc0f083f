"""The learners of effects as methods: what differs between them is how econml is asked."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from whydrift.discovery.arrays import FloatArray
from whydrift.discovery.errors import unknown_name
from whydrift.effects.effect import Effect
from whydrift.effects.heterogeneity.estimators import classifier, regressor
from whydrift.effects.heterogeneity.fitted import FittedCate, fit, quiet_library
from whydrift.effects.heterogeneity.who import Settings, who_benefits
from whydrift.effects.question import Question
from whydrift.effects.study import Study

__all__ = ["CausalForest", "DRLearner", "RLearner", "SLearner", "TLearner", "XLearner"]

_FINALS: Final = ("linear", "forest", "boosting")


@dataclass(frozen=True)
class _Learner(ABC):
    """What all learners share.

    Parameters
    ----------
    learner : str
        Of the models of outcome and treatment: ``linear``, ``forest`` or ``boosting``.
    folds : int
        Each row is judged by models that have not seen it.
    randomised : bool
        Whether the treatment was decided by a draw with one chance for all rows: the covariates
        then tell rows apart, and nothing needs adjusting.
    cost : float
        Of treating a row, in units of the outcome.
    depth : int
        Of the tree that says who benefits: 1 to 3.
    at : frame, optional
        Rows whose effect is asked for, with the columns adjusted for.
    """

    name: ClassVar[str]

    learner: str = "boosting"
    folds: int = 5
    randomised: bool = False
    cost: float = 0.0
    depth: int = 2
    at: Any = None

    def estimate(self, study: Study, question: Question) -> Effect:
        """Return the effect; see `Method`."""
        settings = Settings(
            self.name, self.learner, self.folds, self.randomised, self.cost, self.depth, self.at
        )
        return who_benefits(study, question, settings, self._fitter(question.random_state))

    def _fitter(self, seed: int) -> _Fitter:
        return _Fitter(self, seed)

    def _chance(self, seed: int) -> Any:
        return classifier("constant" if self.randomised else self.learner, seed)

    @abstractmethod
    def _build(self, seed: int) -> Any:
        """Return econml's learner, not fitted."""

    @property
    def _has_interval(self) -> bool:
        return False


@dataclass(frozen=True)
class _Fitter:
    """A learner that can be fitted again and again."""

    method: _Learner
    seed: int

    def __call__(self, outcome: FloatArray, treated: FloatArray, design: FloatArray) -> FittedCate:
        return fit(
            lambda: self.method._build(self.seed),
            outcome,
            treated,
            design,
            has_interval=self.method._has_interval,
        )


@dataclass(frozen=True)
class SLearner(_Learner):
    """One model of the outcome with the treatment among its columns, asked twice.

    References
    ----------
    Künzel, Sekhon, Bickel & Yu (2019), Metalearners for estimating heterogeneous treatment effects
    using machine learning.
    """

    name: ClassVar[str] = "s_learner"

    def _build(self, seed: int) -> Any:
        home = quiet_library("econml.metalearners", "method 's_learner'")
        return home.SLearner(overall_model=regressor(self.learner, seed))


@dataclass(frozen=True)
class TLearner(_Learner):
    """One model of the outcome for each arm.

    References
    ----------
    Künzel, Sekhon, Bickel & Yu (2019), Metalearners for estimating heterogeneous treatment effects
    using machine learning.
    """

    name: ClassVar[str] = "t_learner"

    def _build(self, seed: int) -> Any:
        home = quiet_library("econml.metalearners", "method 't_learner'")
        return home.TLearner(models=regressor(self.learner, seed))


@dataclass(frozen=True)
class XLearner(_Learner):
    """Each arm's gap to the other arm's model, modelled in turn: for arms of unequal size.

    References
    ----------
    Künzel, Sekhon, Bickel & Yu (2019), Metalearners for estimating heterogeneous treatment effects
    using machine learning.
    """

    name: ClassVar[str] = "x_learner"

    def _build(self, seed: int) -> Any:
        home = quiet_library("econml.metalearners", "method 'x_learner'")
        model = regressor(self.learner, seed)
        return home.XLearner(models=model, propensity_model=self._chance(seed))


@dataclass(frozen=True)
class _WithFinal(_Learner):
    """A learner whose last stage may be linear, with intervals for each row.

    Parameters
    ----------
    final : str
        ``linear``, ``forest`` or ``boosting``.
    """

    final: str = "linear"

    def __post_init__(self) -> None:
        if self.final not in _FINALS:
            raise unknown_name("final stage", self.final, known=_FINALS, where=self.name)


@dataclass(frozen=True)
class RLearner(_WithFinal):
    """What the covariates predict is taken out of both, then the slope by kind of row.

    References
    ----------
    Nie & Wager (2021), Quasi-oracle estimation of heterogeneous treatment effects.
    """

    name: ClassVar[str] = "r_learner"

    def _build(self, seed: int) -> Any:
        home = quiet_library("econml.dml", "method 'r_learner'")
        given: dict[str, Any] = {
            "model_y": regressor(self.learner, seed),
            "model_t": self._chance(seed),
            "discrete_treatment": True,
            "random_state": seed,
        }
        if self.final == "linear":
            return home.LinearDML(**given)
        return home.NonParamDML(**given, model_final=regressor(self.final, seed))

    @property
    def _has_interval(self) -> bool:
        return self.final == "linear"


@dataclass(frozen=True)
class DRLearner(_WithFinal):
    """Doubly robust scores of the rows, modelled by their covariates.

    References
    ----------
    Kennedy (2023), Towards optimal doubly robust estimation of heterogeneous causal effects.
    """

    name: ClassVar[str] = "dr_learner"

    def _build(self, seed: int) -> Any:
        home = quiet_library("econml.dr", "method 'dr_learner'")
        given: dict[str, Any] = {
            "model_regression": regressor(self.learner, seed),
            "model_propensity": self._chance(seed),
            "min_propensity": 0.01,
            "random_state": seed,
        }
        match self.final:
            case "linear":
                return home.LinearDRLearner(**given)
            case "forest":
                return home.ForestDRLearner(**given, n_estimators=400, n_jobs=1)
            case _:
                return home.DRLearner(**given, model_final=regressor(self.final, seed))

    @property
    def _has_interval(self) -> bool:
        return self.final in {"linear", "forest"}


@dataclass(frozen=True)
class CausalForest(_Learner):
    """A forest that splits where the effect differs, honest: leaves are filled by other rows.

    Parameters
    ----------
    trees : int
        A multiple of 4.

    References
    ----------
    Athey, Tibshirani & Wager (2019), Generalized random forests.
    """

    name: ClassVar[str] = "causal_forest"

    trees: int = 400

    def _build(self, seed: int) -> Any:
        home = quiet_library("econml.dml", "method 'causal_forest'")
        return home.CausalForestDML(
            model_y=regressor(self.learner, seed),
            model_t=self._chance(seed),
            discrete_treatment=True,
            n_estimators=self.trees,
            random_state=seed,
            n_jobs=1,
        )

    @property
    def _has_interval(self) -> bool:
        return True
