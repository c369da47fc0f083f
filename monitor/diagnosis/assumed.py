"""What is taken to be known of a graph that is learned, where nobody says otherwise."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from whydrift.discovery.knowledge import Knowledge

__all__ = ["with_assumed"]


def with_assumed(
    known: Knowledge, names: Collection[str], last: str | None, calendar: Collection[str]
) -> tuple[Knowledge, bool]:
    """Return what is known, that no column causes the calendar, and that a target causes nothing.

    Parameters
    ----------
    known : Knowledge
        What contradicts it is not assumed.
    names : collection of str
        Columns of the graph.
    last : str, optional
        A target of which there is a prediction: what that was made from came before.
    calendar : collection of str
        Columns of which the row's time says what they are.

    Returns
    -------
    known : Knowledge
    is_last : bool
        Whether the target was taken to cause nothing.
    """
    effects = {effect for _, effect in known.required}
    exogenous = [n for n in calendar if n in names and n not in {*effects, *known.exogenous}]
    if exogenous:
        known = replace(known, exogenous=(*known.exogenous, *sorted(exogenous)))
    if last is None or last not in names or _is_placed(known, last):
        return known, False
    return replace(known, never_a_cause=(*known.never_a_cause, last)), True


def _is_placed(known: Knowledge, name: str) -> bool:
    """Whether somebody said what a column may cause."""
    return (
        name in known.never_a_cause
        or any(name in tier for tier in known.tiers)
        or any(cause == name for cause, _ in known.required)
    )
