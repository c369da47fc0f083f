"""What a refuter is, and the case that it is put to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np

from whydrift.discovery.errors import WhydriftError
from whydrift.effects.adjustment.regression_adjustment import RegressionAdjustment
from whydrift.effects.chart import Chart
from whydrift.effects.check import Check
from whydrift.effects.effect import Effect
from whydrift.effects.study import Study
from whydrift.effects.table import Table

if TYPE_CHECKING:
    import pyarrow as pa

    from whydrift.discovery.graph import Graph
    from whydrift.effects.api import Prepared

__all__ = ["Case", "Refutation", "Refuter"]


@dataclass(frozen=True)
class Refutation:
    """What a refuter found.

    Parameters
    ----------
    checks : tuple of Check
    details : mapping of str to Table
    charts : tuple of Chart
    """

    checks: tuple[Check, ...]
    details: Mapping[str, Table] = field(default_factory=dict)
    charts: tuple[Chart, ...] = ()


@dataclass(frozen=True)
class Case:
    """An effect, and all that is needed to estimate it again.

    Parameters
    ----------
    effect : Effect
    prepared : Prepared
    table : pyarrow.Table
        All rows that were given.
    graph : Graph, optional
    negative_outcomes, negative_treatments : tuple of str
        Columns that the treatment cannot move, and that cannot move the outcome.
    repeats : int
        Times that a random change is made.
    random_state : int
    """

    effect: Effect
    prepared: Prepared
    table: pa.Table
    graph: Graph | None
    negative_outcomes: tuple[str, ...]
    negative_treatments: tuple[str, ...]
    repeats: int
    random_state: int

    @property
    def value(self) -> float:
        """The estimate."""
        assert self.effect.value is not None, "refute asks for a number"
        return self.effect.value

    def again(self, study: Study) -> Effect | None:
        """Return the effect in another study by the same method; None where it has no answer.

        Where the treatment has become a number that the method cannot take, it is regressed on.
        """
        method, question = self.prepared.method, self.prepared.question
        if study.treatment.kind not in self.prepared.row.treatments:
            method, question = RegressionAdjustment(), replace(question, estimand="ate")
        try:
            found = method.estimate(study, question)
        except (WhydriftError, np.linalg.LinAlgError):
            return None
        return None if found.value is None else found

    def repeated(
        self, change: Callable[[Study, np.random.Generator], Study], most: int | None = None
    ) -> Iterator[Effect]:
        """Yield the effects in studies that are changed at random, as many as have an answer."""
        count = self.repeats if most is None else min(most, self.repeats)
        for generator in np.random.default_rng(self.random_state).spawn(count):
            try:
                changed = change(self.prepared.study, generator)
            except WhydriftError:  # such as an arm that a small subset lost
                continue
            found = self.again(changed)
            if found is not None:
                yield found


class Refuter(Protocol):
    """One attempt to break an estimate."""

    def __call__(self, case: Case) -> Refutation:
        """Return what came of it; without checks where there is nothing to look at."""
        ...
