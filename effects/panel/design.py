"""Which design a panel calls for, by who was treated when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from whydrift.discovery.snapshot.note import Note
from whydrift.effects.panel.layout import begins_within_clusters
from whydrift.effects.study import Study
from whydrift.effects.treatment_kind import TreatmentKind

__all__ = ["Design", "panel_design"]

_FEWEST_BEFORE, _FEWEST_DONORS = 3, 2
_SWITCHES = 3  # of the typical unit whose treatment goes on and off


@dataclass(frozen=True)
class Design:
    """A method, why it, and the study as it asks for it."""

    method: str
    why: str
    study: Study
    notes: tuple[Note, ...] = ()


def panel_design(study: Study, options: Mapping[str, Any]) -> Design | None:
    """Return the design of rows seen over time; None where none is called for.

    Parameters
    ----------
    study : Study
    options : mapping
        What else was given: a design is not taken that knows nothing of it.
    """
    roles = study.roles
    if roles.time is None or study.treatment.kind is not TreatmentKind.BINARY:
        return None if roles.time is None or roles.unit is None else _did(study)
    if roles.unit is None:
        if not begins_within_clusters(study):
            return None
        return Design("did", f"{roles.cluster} began to be treated over {roles.time}", study)
    for design in (_switchback(study), _all_along(study), _one_treated(study)):
        if design is not None and not set(options) - _TAKES[design.method]:
            return design
    return _did(study)


# Options of a design that may be given although it was not named; others call for did.
_TAKES: Final[Mapping[str, frozenset[str]]] = {
    "switchback": frozenset({"block", "block_length", "burn_in"}),
    "ab_test": frozenset({"per", "before", "shares"}),
    "synthetic_control": frozenset({"start"}),
}


def _did(study: Study) -> Design:
    return Design("did", f"{study.roles.unit} is seen again over {study.roles.time}", study)


def _switchback(study: Study) -> Design | None:
    unit, period = study.unit[0], study.time[0]
    order = np.lexsort((period, unit))
    who, treated = unit[order], study.treatment.is_treated[order]
    turned = (np.diff(treated) != 0) & (np.diff(who) == 0)
    changes = np.bincount(who[1:][turned], minlength=int(unit.max()) + 1)
    moved = changes[changes > 0]
    if not len(moved) or np.median(moved) < _SWITCHES:
        return None
    why = f"treatment goes on and off within each {study.roles.unit}"
    return Design("switchback", why, study)


def _all_along(study: Study) -> Design | None:
    roles, unit = study.roles, study.unit[0]
    own = np.zeros(int(unit.max()) + 1, dtype=np.int64)
    own[unit] = study.treatment.is_treated
    periods = len(study.time[1])
    # Of two periods the second is taken for the treated one.
    if (own[unit] != study.treatment.is_treated).any() or periods < 3 or roles.adjustment:
        return None
    text = (
        f"this is the effect only if which {roles.unit} was treated was decided at random; where "
        "treatment began within these periods, start= says when, and did compares with before"
    )
    whole = replace(study, roles=replace(roles, cluster=roles.cluster or roles.unit))
    return Design(
        "ab_test",
        f"each {roles.unit} was treated from the first period on or never, and rows of one count "
        "together",
        whole,
        (Note("assumes_randomised", roles.treatment, text),),
    )


def _one_treated(study: Study) -> Design | None:
    roles, (unit, units), period = study.roles, study.unit, study.time[0]
    treated = study.treatment.is_treated == 1
    who = np.unique(unit[treated])
    if len(who) != 1 or len(units) < 1 + _FEWEST_DONORS or roles.adjustment:
        return None
    mine = unit == who[0]
    always = bool(treated[mine].all())  # a mark, and `start` says from when on
    before = len(study.time[1]) if always else int(period[treated].min())
    if before < _FEWEST_BEFORE or len(np.unique(unit * (period.max() + 1) + period)) < study.n:
        return None
    why = (
        f"one {roles.unit} of {len(units)} is treated ({units[who[0]]}), and a mix of the others "
        "says how it would have gone on"
    )
    return Design("synthetic_control", why, study)
