"""The few words that stand first in every report: what was found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from whydrift.monitor.diagnosis.diagnosis import Verdict

if TYPE_CHECKING:
    from whydrift.monitor.diagnosis.diagnosis import Diagnosis

__all__ = ["Word", "headline", "words_for"]

_WORDS = {
    Verdict.NONE: "no shift",
    Verdict.COVARIATE: "covariate shift",
    Verdict.MECHANISM: "mechanism shift",
    Verdict.BOTH: "covariate and mechanism shift",
    Verdict.UNDETERMINED: "undetermined",
}


@dataclass(frozen=True, slots=True)
class Word:
    """One of the first words.

    Parameters
    ----------
    text : str
        In lower case.
    kind : str
        A verdict's value, or ``fault``: what colours follow.
    """

    text: str
    kind: str


def headline(diagnosis: Diagnosis) -> tuple[Word, ...]:
    """Return one word for broken data, and one for what moved.

    Parameters
    ----------
    diagnosis : Diagnosis
        Where the target moved given its inputs and no verdict says so, the word does: "no shift"
        must not stand above a finding.
    """
    return words_for(
        diagnosis.verdict, fault=diagnosis.fault, conditional_shift=diagnosis.conditional_shift
    )


def words_for(verdict: Verdict, *, fault: bool, conditional_shift: bool | None) -> tuple[Word, ...]:
    """Return the words of :func:`headline` from what a list of diagnoses knows of each."""
    words = [Word("fault", "fault")] if fault else []
    untold = verdict in {Verdict.NONE, Verdict.UNDETERMINED}
    if untold and conditional_shift:
        words.append(Word("target moved given its inputs", Verdict.MECHANISM.value))
    elif verdict is not Verdict.NONE or not words:
        words.append(Word(_WORDS[verdict], verdict.value))
    return tuple(words)
