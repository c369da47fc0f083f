"""What is taken to be known of a graph that is learned, where nobody says otherwise."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from whydrift.discovery.knowledge import Knowledge

__all__ = ["with_assumed"]


def with_assumed(
    known: Knowledge,
    names: Collection[str],
    last: str | None,
    before: Collection[str],
    calendar: Collection[str],
) -> tuple[Knowledge, bool]:
    """Return what is known, and that no column causes the calendar, nor a target its inputs.

    Parameters
    ----------
    known : Knowledge
        What contradicts it is not assumed.
    names : collection of str
        Columns of the graph.
    last : str, optional
        A target of which there is a prediction.
    before : collection of str
        What that was made from: it was there before. Other columns may be recorded later.
    calendar : collection of str
        Columns of which the row's time says what they are.

    Returns
    -------
    known : Knowledge
    is_last : bool
        Whether the target was taken to cause none of its inputs.
    """
    effects = {effect for _, effect in known.required}
    exogenous = [n for n in calendar if n in names and n not in {*effects, *known.exogenous}]
    if exogenous:
        known = replace(known, exogenous=(*known.exogenous, *sorted(exogenous)))
    inputs = [n for n in names if n in before and n != last]
    if last is None or last not in names or not inputs or _is_placed(known, last):
        return known, False
    edges = ((last, n) for n in inputs)
    return replace(known, forbidden=tuple(dict.fromkeys((*known.forbidden, *edges)))), True


def _is_placed(known: Knowledge, name: str) -> bool:
    """Whether somebody said what a column may cause."""
    return (
        name in known.never_a_cause
        or any(name in tier for tier in known.tiers)
        or any(cause == name for cause, _ in known.required)
    )
