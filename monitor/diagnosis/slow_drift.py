"""What many windows in a row show and none of them alone, in the words of a diagnosis."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from whydrift.monitor.diagnosis.alert import AlertKind
from whydrift.monitor.diagnosis.diagnosis import Action, Diagnosis, Remedy
from whydrift.monitor.diagnosis.words import joined

__all__ = ["slow_kind", "slow_remedy", "slow_sentence", "told_slowly"]


def slow_kind(column: str, diagnosis: Diagnosis, target: str) -> AlertKind | None:
    """Return which kind of drift a column's own change is; None where the target is out of reach.

    Nobody is told of a change that does not reach the target.

    Parameters
    ----------
    column : str
    diagnosis : Diagnosis
        Of the last window.
    target : str
        The monitor's; empty where none is named.
    """
    if not target or diagnosis.target is None:
        parents = diagnosis.graph.parents(column) if column in diagnosis.graph.nodes else ()
        return AlertKind.MECHANISM if parents and not target else AlertKind.COVARIATE
    if column == target:
        return AlertKind.MECHANISM
    if target not in diagnosis.graph.nodes:  # judged on its features: it may depend on any
        return AlertKind.COVARIATE
    return AlertKind.COVARIATE if column in diagnosis.graph.ancestors(target) else None


def told_slowly(
    diagnosis: Diagnosis, slow: Mapping[str, int], p_values: Mapping[str, float]
) -> Diagnosis:
    """Return a diagnosis that says what its window and those before it show together.

    Parameters
    ----------
    diagnosis : Diagnosis
        Of the last window alone.
    slow : mapping of str to int
        By column, over how many windows it moved.
    p_values : mapping of str to float
        Of these columns, over these windows, as far as they are known.
    """
    if not slow:
        return replace(diagnosis, slow={}, slow_p_values={})
    known = {name: p for name, p in p_values.items() if name in slow}
    diagnosis = replace(diagnosis, slow=dict(slow), slow_p_values=known)
    sentence = slow_sentence(diagnosis, slow)
    if diagnosis.found or diagnosis.conditional_shift:
        return replace(diagnosis, summary=f"{diagnosis.summary} {sentence}")
    return replace(
        diagnosis,
        summary=f"{sentence} Of the last one alone: {diagnosis.summary}",
        remedy=slow_remedy(slow),
    )


def slow_sentence(diagnosis: Diagnosis, slow: Mapping[str, int]) -> str:
    """Return the sentence that names what moved slowly; see :func:`told_slowly`."""
    said = []
    for windows in sorted({*slow.values()}):
        columns = sorted(name for name, over in slow.items() if over == windows)
        named = joined([_named(diagnosis, name) for name in columns])
        said.append(f"over the last {windows} windows: {named}")
    return f"Slowly, {'; '.join(said)}."


def slow_remedy(slow: Mapping[str, int]) -> Remedy:
    """Return what to do about a change that no window shows alone."""
    columns = tuple(sorted(slow))
    text = (
        f"Look at the course of {joined(columns)} over the last {max(slow.values())} windows: what "
        "is found there is to be mended at its source, or accepted as the new normal."
    )
    return Remedy(Action.INVESTIGATE, columns, text=text)


def _named(diagnosis: Diagnosis, column: str) -> str:
    """Return a column with how far it was from the reference in the last window."""
    name = f"what leads to {column}" if column == diagnosis.target else column
    judged = diagnosis.columns.get(column)
    effect = None if judged is None else judged.effect
    return name if effect is None else f"{name} ({effect.value:+.2g} {effect.unit} in the last one)"
