"""The table of methods: a new one is one new module and one new row."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from whydrift.discovery.errors import OptionError, nearest, unknown_name
from whydrift.effects.treatment_kind import TreatmentKind

if TYPE_CHECKING:
    from whydrift.effects.method import Method

__all__ = ["Row", "method_names", "method_row", "method_rows"]

_BINARY: Final = (TreatmentKind.BINARY,)
_NUMBERS: Final = (TreatmentKind.BINARY, TreatmentKind.CONTINUOUS)


@dataclass(frozen=True)
class Row:
    """A method before it is imported.

    Parameters
    ----------
    name : str
    home : str
        ``module:Class``; the class is a dataclass that follows `Method`.
    summary : str
        One line for the help: what it compares.
    estimands : tuple of str
        Those it can give; the first is taken where none is asked for.
    treatments : tuple of TreatmentKind
        What the treatment may be.
    needs : tuple of str
        Arguments of `estimate` and options of its own that must be given.
    columns : tuple of str
        Options of its own that name columns (one name, or several), so that rows where these are
        missing are dropped with the others.
    uses_adjustment : bool
        Whether it adjusts for columns.
    by_graph : str
        What it takes from a graph: ``back_door``, ``front_door`` or ``instrument``; ``nothing``
        where another design stands in for the graph (a threshold, a panel).
    """

    name: str
    home: str
    summary: str
    estimands: tuple[str, ...] = ("ate",)
    treatments: tuple[TreatmentKind, ...] = _BINARY
    needs: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    uses_adjustment: bool = True
    by_graph: str = "back_door"

    def options(self) -> dict[str, dataclasses.Field[Any]]:
        """Return the options of the method itself, by name."""
        return {field.name: field for field in dataclasses.fields(self._class())}

    def build(self, options: Mapping[str, Any]) -> Method:
        """Return the method with these options.

        Raises
        ------
        OptionError
            If an option is unknown (the nearest is named) or one it cannot do without is absent.
        """
        known = self.options()
        for name in options:
            if name not in known:
                guess = nearest(name, known)
                listed = ", ".join(known) or "none"
                raise OptionError(
                    f"method {self.name!r} has no option {name!r}",
                    where="estimate",
                    remedy=f"Did you mean {guess!r}?" if guess else f"Its options: {listed}",
                )
        for name, field in known.items():
            absent = (
                field.default is dataclasses.MISSING
                and field.default_factory is dataclasses.MISSING
            )
            if absent and name not in options:
                raise OptionError(
                    f"method {self.name!r} needs {name!r}", where="estimate", remedy=f"Give {name}="
                )
        return cast("Method", self._class()(**options))

    def _class(self) -> Any:
        module, _, name = self.home.partition(":")
        return getattr(importlib.import_module(module), name)


_ROWS: Final = {
    row.name: row
    for row in (
        Row(
            "difference_in_means",
            "whydrift.effects.adjustment.difference_in_means:DifferenceInMeans",
            "mean of the treated less mean of the untreated: for experiments",
            columns=("balance",),
            uses_adjustment=False,
        ),
        Row(
            "ab_test",
            "whydrift.effects.experiment.ab_test:ABTest",
            "experiments: ratios, CUPED, clusters, several arms, looks before the end",
            ("ate", "relative_ate"),
            (TreatmentKind.BINARY, TreatmentKind.CATEGORIES),
            columns=("per", "before"),
            uses_adjustment=False,
        ),
        Row(
            "regression_adjustment",
            "whydrift.effects.adjustment.regression_adjustment:RegressionAdjustment",
            "outcome models in each arm, averaged over the rows (standardisation)",
            ("ate", "att", "atc"),
            _NUMBERS,
        ),
        Row(
            "matching",
            "whydrift.effects.adjustment.matching:Matching",
            "each row against its nearest rows of the other arm",
            ("att", "ate", "atc"),
            needs=("adjustment",),
        ),
        Row(
            "ipw",
            "whydrift.effects.adjustment.ipw:InverseProbability",
            "rows weighted by how unlikely their treatment was",
            ("ate", "att", "atc"),
            needs=("adjustment",),
        ),
        Row(
            "doubly_robust",
            "whydrift.effects.adjustment.doubly_robust:DoublyRobust",
            "outcome and propensity models, right if one of them is (AIPW, cross-fitted)",
            ("ate", "att"),
            needs=("adjustment",),
        ),
        Row(
            "dml",
            "whydrift.effects.adjustment.dml:DoubleMachineLearning",
            "what the covariates predict is taken out of treatment and outcome, then a slope",
            ("ate",),
            _NUMBERS,
            needs=("adjustment",),
        ),
        Row(
            "s_learner",
            "whydrift.effects.heterogeneity.learners:SLearner",
            "who benefits: one model of the outcome, asked with and without treatment",
            needs=("adjustment",),
        ),
        Row(
            "t_learner",
            "whydrift.effects.heterogeneity.learners:TLearner",
            "who benefits: a model of the outcome in each arm",
            needs=("adjustment",),
        ),
        Row(
            "x_learner",
            "whydrift.effects.heterogeneity.learners:XLearner",
            "who benefits: each arm's gap to the other's model, for unequal arms",
            needs=("adjustment",),
        ),
        Row(
            "r_learner",
            "whydrift.effects.heterogeneity.learners:RLearner",
            "who benefits: the slope by kind of row, covariates taken out of both",
            needs=("adjustment",),
        ),
        Row(
            "dr_learner",
            "whydrift.effects.heterogeneity.learners:DRLearner",
            "who benefits: doubly robust scores, modelled by the covariates",
            needs=("adjustment",),
        ),
        Row(
            "causal_forest",
            "whydrift.effects.heterogeneity.learners:CausalForest",
            "who benefits: an honest forest that splits where the effect differs",
            needs=("adjustment",),
        ),
        Row(
            "front_door",
            "whydrift.effects.adjustment.front_door:FrontDoor",
            "through the columns by which all of the effect passes (mediators=)",
            treatments=_NUMBERS,
            needs=("mediators",),
            columns=("mediators",),
            uses_adjustment=False,
            by_graph="front_door",
        ),
        Row(
            "iv",
            "whydrift.effects.instrument.iv:InstrumentalVariables",
            "through what moves the treatment and nothing else (instrument=; 2SLS or LIML)",
            ("late",),
            _NUMBERS,
            needs=("instrument",),
            by_graph="instrument",
        ),
        Row(
            "did",
            "whydrift.effects.panel.did:DifferenceInDifferences",
            "change of the treated less change of the others over time (unit=, time=)",
            ("att",),
            needs=("time",),
            by_graph="nothing",
        ),
        Row(
            "rdd",
            "whydrift.effects.discontinuity.rdd:Discontinuity",
            "the jump of the outcome at the threshold that decides (sharp, fuzzy, kink)",
            ("cutoff", "kink"),
            _NUMBERS,
            needs=("running", "cutoff"),
            columns=("balance",),
            by_graph="nothing",
        ),
        Row(
            "synthetic_control",
            "whydrift.effects.synthetic.synthetic_control:SyntheticControl",
            "a treated unit against a mix of untreated ones that went like it before",
            ("att",),
            needs=("unit", "time"),
            uses_adjustment=False,
            by_graph="nothing",
        ),
        Row(
            "interrupted_time_series",
            "whydrift.effects.series.interrupted_time_series:InterruptedTimeSeries",
            "one series before and after an event: level and slope against the line carried on",
            ("average", "level", "slope"),
            needs=("time",),
            columns=("events",),
            by_graph="nothing",
        ),
        Row(
            "two_stage",
            "whydrift.effects.interference.two_stage:TwoStage",
            "own treatment and that of one's group, where groups were drawn too (cluster=)",
            ("overall", "total", "direct", "indirect"),
            needs=("cluster", "saturation"),
            columns=("saturation",),
            uses_adjustment=False,
            by_graph="nothing",
        ),
        Row(
            "network_exposure",
            "whydrift.effects.interference.network:NetworkExposure",
            "own treatment and that of neighbours in a network (unit=, neighbours=, share=)",
            ("direct", "indirect", "total"),
            needs=("unit", "neighbours", "share"),
            uses_adjustment=False,
            by_graph="nothing",
        ),
        Row(
            "switchback",
            "whydrift.effects.interference.switchback:Switchback",
            "treatment switched on and off in blocks of time, the beginning of each left out",
            needs=("time",),
            columns=("block",),
            by_graph="nothing",
        ),
        Row(
            "spatial_rings",
            "whydrift.effects.interference.spatial_rings:SpatialRings",
            "rings around treated sites against the same rings around others (place=, rings=)",
            ("ring",),
            needs=("place", "rings"),
            columns=("place", "sites"),
            by_graph="nothing",
        ),
        Row(
            "mediation",
            "whydrift.effects.mediation.mediation:Mediation",
            "what passes through a mediator, and what does not (mediator=)",
            ("indirect", "direct", "total"),
            _NUMBERS,
            needs=("mediator",),
            columns=("mediator",),
        ),
        Row(
            "bounds",
            "whydrift.effects.bounds:Bounds",
            "worst-case bounds for a bounded outcome (Manski), whoever was treated",
            uses_adjustment=False,
            by_graph="nothing",
        ),
    )
}


def method_rows() -> tuple[Row, ...]:
    """Return the rows of all methods, in order."""
    return tuple(_ROWS.values())


def method_names() -> tuple[str, ...]:
    """Return ``auto`` and the names of all methods."""
    return ("auto", *_ROWS)


def method_row(name: str) -> Row:
    """Return the row of a method.

    Raises
    ------
    OptionError
        If there is none of that name; the nearest is named.
    """
    if name not in _ROWS:
        raise unknown_name("method", name, known=method_names(), where="method")
    return _ROWS[name]
