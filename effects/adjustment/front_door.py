"""The front door: through the columns by which all of the effect passes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from whydrift.discovery.errors import OptionError, TooFewRows
from whydrift.effects.check import Check
from whydrift.effects.effect import Effect
from whydrift.effects.estimand import ALWAYS, average_effect
from whydrift.effects.influence import cluster_check, influence_error
from whydrift.effects.question import Question
from whydrift.effects.study import Study
from whydrift.effects.table import Table
from whydrift.effects.treatment_kind import TreatmentKind
from whydrift.effects.words import joined

__all__ = ["FrontDoor"]

_WEAK_WARN, _WEAK_FAIL = 10.0, 4.0  # F of the mediators on the treatment


@dataclass(frozen=True)
class FrontDoor:
    """What the treatment does to the mediators, times what they do to the outcome.

    Both parts are linear; the second is adjusted for the treatment, which closes the mediators' own
    back doors. Hidden common causes of treatment and outcome do no harm.

    Parameters
    ----------
    mediators : str or tuple of str
        All directed ways from treatment to outcome pass through one of them.

    References
    ----------
    Pearl (1995), Causal diagrams for empirical research, section 3.2.
    """

    mediators: str | tuple[str, ...]

    def estimate(self, study: Study, question: Question) -> Effect:
        """Return the effect; see `Method`."""
        names = (self.mediators,) if isinstance(self.mediators, str) else tuple(self.mediators)
        if not names:
            raise OptionError(
                "no mediator is named", where="front_door, mediators", remedy="Name at least one"
            )
        between = study.with_adjustment(names).covariates
        spare = study.n - len(between) - 2
        if spare < 1:
            raise TooFewRows(
                f"{study.n} usable rows and {len(between)} mediators",
                where="front_door",
                remedy="Give more rows",
            )
        amount = study.treatment.values - study.treatment.values.mean()
        mediators = between.design - between.design.mean(axis=0)
        mass = float(amount @ amount) / study.n
        moved = amount @ mediators / study.n / mass  # (n_mediators,)
        off = mediators - amount[:, None] * moved
        design = np.column_stack([amount, mediators])
        gram = design.T @ design / study.n
        slopes = np.linalg.solve(gram, design.T @ (study.outcome - study.outcome.mean()) / study.n)
        passed = slopes[1:]
        rest = study.outcome - study.outcome.mean() - design @ slopes
        value = float(moved @ passed)
        # The delta method on both regressions.
        first = (amount[:, None] * off / mass) @ passed
        second = (np.linalg.solve(gram, (design * rest[:, None]).T).T)[:, 1:] @ moved
        error, freedom = influence_error(first + second, study.cluster, len(between) + 2)
        is_number = study.treatment.kind is TreatmentKind.CONTINUOUS
        each = (moved**2 * mass) / (off**2).mean(axis=0) * spare
        strength = float(each.max())
        said = f"{study.roles.treatment} moves {joined(between.names)} (F up to {strength:.1f})"
        return question.answer(
            study,
            average_effect(
                "ate", study.treatment.contrast, study.roles.outcome, continuous=is_number
            ),
            method="front_door",
            value=value,
            standard_error=error,
            freedom=freedom,
            assumptions=(
                f"All of the effect passes through {joined(names)}",
                f"No hidden cause moves both {study.roles.treatment} and {joined(names)}",
                f"Given {study.roles.treatment}, no hidden cause moves both {joined(names)} and "
                f"{study.roles.outcome}",
                "Both parts are linear",
                *ALWAYS,
            ),
            checks=(
                Check.at_least("mediator_moves", strength, said, warn=_WEAK_WARN, fail=_WEAK_FAIL),
                *cluster_check(study.cluster),
            ),
            details={
                "mediators": Table.of(
                    "Through each mediator",
                    {
                        "mediator": between.names,
                        "moved by the treatment": moved,
                        "moves the outcome": passed,
                        "product": moved * passed,
                    },
                )
            },
        )
