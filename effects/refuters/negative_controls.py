"""Negative controls: columns for which the effect is known to be zero."""

from __future__ import annotations

from dataclasses import replace

from whydrift.discovery.errors import WhydriftError
from whydrift.effects.check import Check, Outcome
from whydrift.effects.refuters.base import Case, Refutation
from whydrift.effects.study import Roles, Study
from whydrift.effects.table import Table
from whydrift.effects.words import interval_text, number_text, p_text

__all__ = ["negative_controls"]

_WARN, _FAIL = 0.05, 0.01  # of the p-values, over the number of controls


def negative_controls(case: Case) -> Refutation:
    """Estimate effects that cannot be there, in the same way.

    A hidden cause that stands behind treatment and outcome, and behind the control too, shows
    itself as an effect on a *negative outcome* (which the treatment cannot move) or of a *negative
    treatment* (which cannot move the outcome).

    References
    ----------
    Lipsitch, Tchetgen Tchetgen & Cohen (2010), Negative controls: a tool for detecting confounding
    and bias in observational studies.
    """
    roles = case.prepared.study.roles
    asked = [
        *(
            _without(roles, name, f"{roles.treatment} on {name}", outcome=name)
            for name in case.negative_outcomes
        ),
        *(
            _without(roles, name, f"{name} on {roles.outcome}", treatment=name)
            for name in case.negative_treatments
        ),
    ]
    if not asked:
        return Refutation(())
    rows: list[tuple[str, float | None, float | None, float | None, float | None]] = []
    checks: list[Check] = []
    for what, changed in asked:
        try:
            found = case.again(Study.build(case.table, changed))
        except WhydriftError as error:
            checks.append(Check("negative_control", Outcome.WARN, f"{what}: {error.what}"))
            continue
        if found is None or found.p_value is None:
            said = f"{what}: the method has no answer, so that nothing can be said"
            checks.append(Check("negative_control", Outcome.WARN, said))
            continue
        p_value = min(1.0, found.p_value * len(asked))
        said = (
            f"the effect of {what}, which cannot be there, is estimated at "
            f"{number_text(found.value, signed=True)} {interval_text(found.low, found.high)}, "
            f"{p_text(p_value)}"
        )
        said += "; a hidden cause may be at work" if p_value < _WARN else ", as it should be"
        checks.append(Check.at_least("negative_control", p_value, said, warn=_WARN, fail=_FAIL))
        rows.append((what, found.value, found.low, found.high, p_value))
    columns = ("effect that cannot be there", "value", "low", "high", "p-value")
    table = Table("Negative controls (p-values corrected for their number)", columns, tuple(rows))
    return Refutation(tuple(checks), {"negative_controls": table} if rows else {})


def _without(roles: Roles, name: str, what: str, **changed: str) -> tuple[str, Roles]:
    """Return a question in words, and its roles: a side of it is not adjusted for as well."""
    terms = tuple(term for term in roles.adjustment if term != name)
    return what, replace(roles, adjustment=terms, **changed)  # type: ignore[arg-type]
