"""What is told of predictions that moved where no input was found to have moved."""

from __future__ import annotations

from collections.abc import Sequence

from whydrift.monitor.diagnosis.diagnosis import ColumnVerdict, ReasonCode
from whydrift.monitor.diagnosis.judgement import (
    Floor,
    Judged,
    detectable_effect,
    not_seen,
    sees_enough,
)
from whydrift.monitor.diagnosis.mechanism.base import MechanismTestResult, Untestable
from whydrift.monitor.diagnosis.words import joined, p_text

__all__ = ["without_origin"]

_NOT_FOUND = "no input was found to have moved"


def without_origin(
    given: MechanismTestResult | None,
    slight: str,
    undecided: Sequence[str],
    *,
    floor: Floor,
    level: float,
    tests: int,
) -> Judged:
    """Return the verdict on such predictions.

    A model that gives like inputs like predictions was not replaced: then the inputs moved, each by
    less than shows. Only where it was not seen to do so, and where every input was seen to stand,
    is another model what is left.

    Parameters
    ----------
    given : MechanismTestResult, optional
        Test of P(prediction | inputs), where there is one.
    slight : str
        The sentence of predictions that moved at like inputs by less than is worth knowing; empty
        where they were not found to.
    undecided : sequence of str
        Inputs of which the windows do not tell whether they moved.
    floor : Floor
        What is not worth knowing.
    level : float
        Family-wise level.
    tests : int
        Size of the family.
    """
    open_ = f", and of {joined(undecided)} that could not be decided" if undecided else ""
    if slight:
        text = f"The predictions moved with the inputs, but {_NOT_FOUND} by itself{open_}. {slight}"
        return Judged(ColumnVerdict.INHERITED, None, text)
    if given is not None and given.p_value is not None and given.p_value > level:
        said = p_text(given.p_value)
        if sees_enough(given, floor, level, tests):
            text = (
                "The predictions moved with the inputs: like inputs get like predictions "
                f"({said}). But {_NOT_FOUND} by itself{open_}."
            )
            return Judged(ColumnVerdict.INHERITED, None, text)
        seen = not_seen(given, detectable_effect(given, level, tests))
        text = (
            f"The predictions moved, but {_NOT_FOUND}{open_}; at like inputs nothing was found "
            f"({said}), but {seen}."
        )
        return Judged(ColumnVerdict.UNDETERMINED, ReasonCode.LOW_POWER, text)
    moved = f"The predictions moved, but {_NOT_FOUND}{open_}"
    if given is not None and given.untestable is Untestable.NO_OVERLAP:
        text = (
            f"{moved}; hardly any rows have inputs alike in both windows (overlap "
            f"{given.overlap:.2f}), so whether the model was replaced cannot be told."
        )
        return Judged(ColumnVerdict.UNDETERMINED, ReasonCode.NO_OVERLAP, text)
    if undecided:
        text = f"{moved}: whether the model was replaced cannot be told."
        return Judged(ColumnVerdict.UNDETERMINED, ReasonCode.NO_ORIGIN, text)
    text = f"{moved}: was the model replaced?"
    return Judged(ColumnVerdict.UNDETERMINED, ReasonCode.NO_ORIGIN, text)
