"""Which findings make the exit status 1."""

from __future__ import annotations

from typing import TYPE_CHECKING

from whydrift.discovery.errors import OptionError, unknown_name

if TYPE_CHECKING:
    from whydrift.monitor.diagnosis.diagnosis import Diagnosis

__all__ = ["findings", "parse_fail_on"]

_KINDS = ("fault", "covariate", "mechanism", "undetermined")
_WORDS = (*_KINDS, "any", "none")
_ORIGINS = ("source", "mechanism")


def parse_fail_on(text: str) -> frozenset[str]:
    """Return the words of a ``--fail-on`` list.

    Raises
    ------
    OptionError
        On an unknown word, or ``none`` beside others.
    """
    words = [word.strip().lower() for word in text.split(",") if word.strip()]
    for word in words:
        if word not in _WORDS:
            raise unknown_name("finding", word, known=_WORDS, where="--fail-on")
    if not words:
        raise OptionError(
            "the list is empty", where="--fail-on", remedy=f"Known: {', '.join(_WORDS)}"
        )
    if "none" in words and len(set(words)) > 1:
        raise OptionError(
            "'none' stands beside other findings", where="--fail-on", remedy="Keep one of the two"
        )
    return frozenset(words)


def findings(diagnosis: Diagnosis) -> frozenset[str]:
    """Return the words that are true of a diagnosis.

    ``both`` is covariate and mechanism, a changed model or serving is a mechanism as well, and a
    column that moved of itself is a covariate, too, where the data cannot tell whether that reaches
    the target, and where the predictions moved with it; ``any`` is a fault, either of these, or a
    conditional shift.
    """
    verdict = diagnosis.verdict.value
    found = {"covariate", "mechanism"} if verdict == "both" else {verdict}
    matters = verdict == "undetermined" or (verdict == "none" and diagnosis.predictions_followed)
    if matters and _has_moved(diagnosis):
        found.add("covariate")
    if diagnosis.fault:
        found.add("fault")
    if diagnosis.model_changed:
        found.add("mechanism")
    if diagnosis.conditional_shift or found & {"fault", "covariate", "mechanism"}:
        found.add("any")
    return frozenset(found - {"none"})


def _has_moved(diagnosis: Diagnosis) -> bool:
    """Whether an input moved for certain; faults have a word of their own."""
    rows = (diagnosis.columns.get(name) for name in diagnosis.ranking if name != diagnosis.target)
    is_origin = any(row is not None and row.verdict.value in _ORIGINS for row in rows)
    return is_origin or (diagnosis.shift_type is not None and diagnosis.shift_type == "covariate")
