"""Experiments in a network: own treatment and that of neighbours, apart."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from whydrift.discovery.arrays import FloatArray, IntArray
from whydrift.discovery.errors import OptionError, SchemaError
from whydrift.effects.check import Check
from whydrift.effects.columns import level_text, require
from whydrift.effects.effect import Effect
from whydrift.effects.estimand import CONSISTENCY, DRAWN, Estimand
from whydrift.effects.interference.contrasts import contrast_chart, contrast_table
from whydrift.effects.interference.doubt import spill_check
from whydrift.effects.interference.exposure import (
    EXPOSURES,
    Network,
    draw_exposures,
    exposure_contrasts,
    overlap_check,
)
from whydrift.effects.question import Question
from whydrift.effects.study import Study
from whydrift.effects.words import percent

__all__ = ["NetworkExposure"]

_EXPOSURE_OF = {"direct": "own only", "indirect": "neighbour only", "total": "both"}
_CHOICES = {
    "estimator": ("hajek", "horvitz_thompson"),
    "errors": ("conservative", "network"),
}
_LOST_WARN, _LOST_FAIL = 0.0, 0.05  # of the links, to rows that are not there
_FEWEST_DRAWS = 100
_BETWEEN = re.compile(r"[\s,;|]+")


@dataclass(frozen=True)
class NetworkExposure:
    """Outcomes by own treatment and that of neighbours, weighted by their chances.

    ``unit`` names each row; ``cluster`` those who shared one toss of the coin. Estimands, each
    against rows of which neither they nor (enough of) their neighbours were treated: ``indirect``
    (neighbours only), ``direct`` (the row only), ``total`` (both).

    Parameters
    ----------
    neighbours : str
        Column: the names of the rows that touch this one, with spaces, commas or semicolons
        between them (or a list). Empty for none.
    share : float or str
        The chance with which a row was treated, or the column that holds it.
    least : float
        Treated neighbours that count as exposure: a number from 1 on, or below 1 a share of them.
    estimator : str
        ``hajek``: weights add up to one; ``horvitz_thompson``: without bias, but wider.
    errors : str
        ``conservative``: never too short, mostly too long; ``network``: about right in networks of
        some hundred rows with few links each.
    draws : int
        Draws of the randomisation, by which chances of exposures are found.

    References
    ----------
    Aronow & Samii (2017), Estimating average causal effects under general interference. Leung
    (2022), Causal inference under approximate neighborhood interference.
    """

    neighbours: str
    share: float | str
    least: float = 1.0
    estimator: str = "hajek"
    errors: str = "conservative"
    draws: int = 2000

    def estimate(self, study: Study, question: Question) -> Effect:
        """Return the effect; see `Method`."""
        self._check_options()
        drawn, chance = self._draw(study)
        links, lost = self._links(study)
        network = Network(links, drawn, float(self.least))
        seen = draw_exposures(network, chance, self.draws, question.generator())
        found, left_out = exposure_contrasts(
            network, study.treatment.is_treated == 1, study.outcome, seen,
            hajek=self.estimator == "hajek", conservative=self.errors == "conservative",
        )  # fmt: skip
        exposure = _EXPOSURE_OF[question.estimand]
        asked = found[exposure]
        outcome = study.roles.outcome
        words = f"{exposure} treated against {EXPOSURES[0]} treated"
        return question.answer(
            study,
            Estimand(
                question.estimand,
                f"average change of {outcome}: {words}, over rows that could have either",
                _SYMBOLS[question.estimand],
            ),
            method="network_exposure",
            value=asked.value,
            standard_error=asked.error,
            contrast=f"{study.roles.treatment}: {words}",
            assumptions=(
                f"{DRAWN}, each by a toss of its own of the chance given",
                self._exposure_words(),
                CONSISTENCY,
            ),
            checks=(
                overlap_check(left_out),
                *_lost_check(lost),
                spill_check("the treatment of neighbours alone", found["neighbour only"], question),
            ),
            details={"exposures": contrast_table("Against neither", found, question, "exposure")},
            charts=(contrast_chart(found, question, outcome, "exposure"),),
        )

    def _exposure_words(self) -> str:
        enough = (
            f"at least {self.least:g} of them"
            if self.least >= 1
            else f"at least {percent(self.least)} of them"
        )
        return (
            f"Of others' treatment only that of the neighbours named matters, and only whether "
            f"{enough} were treated"
        )

    # ---- reading ------------------------------------------------------------------------------
    def _check_options(self) -> None:
        for name, known in _CHOICES.items():
            if getattr(self, name) not in known:
                raise OptionError(
                    f"unknown {name} {getattr(self, name)!r}",
                    where=f"network_exposure, {name}",
                    remedy=f"Known: {', '.join(known)}",
                )
        for name, fits, remedy in (
            ("least", _is_number(self.least) and self.least > 0, "a number from 1 on, or a share"),
            (
                "draws",
                _is_number(self.draws) and self.draws >= _FEWEST_DRAWS,
                f"{_FEWEST_DRAWS} or more",
            ),
        ):
            if not fits:
                raise OptionError(
                    f"{getattr(self, name)!r} cannot be",
                    where=f"network_exposure, {name}",
                    remedy=f"Give {remedy}",
                )

    def _draw(self, study: Study) -> tuple[IntArray, FloatArray]:
        """Return the toss that each row hangs on, and the chance of each toss."""
        drawn = np.arange(study.n) if study.cluster is None else study.cluster
        treated = study.treatment.values
        tosses = int(drawn.max()) + 1
        if isinstance(self.share, str):
            share = study.numbers(self.share, "share")
        else:
            share = np.full(study.n, float(self.share) if _is_number(self.share) else np.nan)
        if not ((share > 0) & (share < 1)).all():
            raise OptionError(
                f"{self.share!r} is no chance in all rows",
                where="network_exposure, share",
                remedy="Give a number in (0, 1), or a column of such",
            )
        for values, what in ((treated, "treated"), (share, "of one chance")):
            of_toss = np.zeros(tosses)
            of_toss[drawn] = values
            if (of_toss[drawn] != values).any():
                raise SchemaError(
                    f"rows of one {study.roles.cluster} are not alike: some are {what}, some not",
                    where="network_exposure, cluster",
                    remedy="Name as cluster what was drawn as a whole, or nothing",
                )
        chance = np.zeros(tosses)
        chance[drawn] = share
        return drawn, chance

    def _links(self, study: Study) -> tuple[IntArray, float]:
        """Return pairs of rows, the second of which touches the first; and the share lost."""
        unit, names = study.unit
        if len(names) < study.n:
            raise SchemaError(
                f"{study.roles.unit} names {len(names)} rows, and there are {study.n}",
                where="unit",
                remedy="Name a column that is different in every row",
            )
        place = {names[code]: row for row, code in enumerate(unit)}
        require(study.table, self.neighbours, "neighbours")
        found, lost = [], 0
        for row, given in enumerate(study.table[self.neighbours].to_pylist()):
            for name in _named(given):
                if name in place:
                    if place[name] != row:
                        found.append((row, place[name]))
                else:
                    lost += 1
        links = np.unique(np.array(found, dtype=np.int64).reshape(-1, 2), axis=0)
        return links, lost / max(lost + len(found), 1)


_SYMBOLS = {
    "direct": "E[Y(own, no neighbour) − Y(neither)]",
    "indirect": "E[Y(not own, neighbour) − Y(neither)]",
    "total": "E[Y(own, neighbour) − Y(neither)]",
}


def _named(given: object) -> list[str]:
    if given is None:
        return []
    if isinstance(given, list):
        return [level_text(each) for each in given if each is not None]
    return [name for name in _BETWEEN.split(level_text(given)) if name]


def _lost_check(lost: float) -> tuple[Check, ...]:
    if not lost:
        return ()
    said = (
        f"{percent(lost)} of the links lead to rows that are not there, or have gaps: whether "
        "these were treated is not known, and they count as no neighbours"
    )
    return (Check.at_most("links", lost, said, warn=_LOST_WARN, fail=_LOST_FAIL),)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
