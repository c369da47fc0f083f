"""The few words that stand first in every report: what was found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from whydrift.monitor.diagnosis.diagnosis import ColumnVerdict, Verdict, told_slow

if TYPE_CHECKING:
    from whydrift.monitor.diagnosis.diagnosis import Diagnosis

__all__ = ["Word", "has_other_model", "headline", "stored_headline", "words_for"]

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
    """Return a word each for broken data, what moved, a changed model and what moved slowly.

    Parameters
    ----------
    diagnosis : Diagnosis
        Where the target moved given its inputs, or the same inputs get other predictions, and no
        verdict says so, the word does: "no shift" must not stand above a finding.
    """
    return words_for(
        diagnosis.verdict,
        fault=diagnosis.fault,
        conditional_shift=diagnosis.conditional_shift,
        model_changed=diagnosis.model_changed,
        slow=bool(diagnosis.slow),
    )


def stored_headline(stored: Mapping[str, Any]) -> tuple[Word, ...]:
    """Return the words of :func:`headline` from a diagnosis as its JSON."""
    return words_for(
        Verdict(stored["verdict"]),
        fault=bool(stored["fault"]),
        conditional_shift=stored["conditional_shift"],
        model_changed=has_other_model(stored),
        slow=bool(told_slow(stored)),
    )


def words_for(
    verdict: Verdict,
    *,
    fault: bool,
    conditional_shift: bool | None,
    model_changed: bool,
    slow: bool,
) -> tuple[Word, ...]:
    """Return the words of :func:`headline` from what a list of diagnoses knows of each."""
    words = [Word("fault", "fault")] if fault else []
    untold = verdict in {Verdict.NONE, Verdict.UNDETERMINED}
    if untold and conditional_shift:
        words.append(Word("target moved given its inputs", Verdict.MECHANISM.value))
    elif verdict is not Verdict.NONE:
        words.append(Word(_WORDS[verdict], verdict.value))
    if model_changed:
        words.append(Word("model or serving changed", Verdict.MECHANISM.value))
    if slow:
        words.append(Word("slow drift", Verdict.COVARIATE.value))
    return tuple(words or [Word(_WORDS[Verdict.NONE], Verdict.NONE.value)])


def has_other_model(stored: Mapping[str, Any]) -> bool:
    """Whether a diagnosis as its JSON says that the same inputs get other predictions."""
    row = stored["columns"].get(stored["prediction"])
    return row is not None and row["verdict"] == ColumnVerdict.MECHANISM
