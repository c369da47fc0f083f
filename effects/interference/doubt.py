"""Is an analysis without interference in doubt? What others' treatment does to the outcome."""

from __future__ import annotations

import numpy as np

from whydrift.effects.check import Check
from whydrift.effects.interference.contrasts import Contrast
from whydrift.effects.panel.absorber import Absorber, slopes
from whydrift.effects.question import Question
from whydrift.effects.study import Study
from whydrift.effects.treatment_kind import TreatmentKind
from whydrift.effects.words import number_text, p_text

__all__ = ["neighbours_check", "spill_check"]

_FEWEST_CLUSTERS = 10
_LEAST_SPREAD = 1e-3  # of others' treated share, once own treatment is out


def spill_check(what: str, spill: Contrast, question: Question) -> Check:
    """Say whether others' treatment moves the outcome; it warns where it does.

    Parameters
    ----------
    what : str
        What of others, in words: ``a treated neighbour alone``.
    spill : Contrast
    question : Question
        Its level is that of the test.
    """
    p = spill.p_value
    limit = 1 - question.level
    said = f"{what} moves the outcome by {number_text(spill.value, signed=True)} ({p_text(p)})"
    said += (
        ": an analysis without interference is in doubt"
        if p < limit
        else ": no interference is seen, which does not say that there is none"
    )
    return Check.at_least("interference", p, said, warn=limit)


def neighbours_check(study: Study, question: Question) -> tuple[Check, ...]:
    """Ask whether the share treated among the others of a row's cluster moves its outcome.

    Nothing is said where there is no cluster, fewer than ten of them, or others' share follows
    from the row's own treatment.

    References
    ----------
    Baird, Bohren, McIntosh & Özler (2018), Optimal design of experiments in the presence of
    interference.
    """
    cluster = study.cluster
    if cluster is None or study.treatment.kind is not TreatmentKind.BINARY:
        return ()
    sizes = np.bincount(cluster)
    if len(sizes) < _FEWEST_CLUSTERS:
        return ()
    kept = sizes[cluster] > 1
    if kept.sum() < 2 * _FEWEST_CLUSTERS:
        return ()
    own = study.treatment.values
    others = (np.bincount(cluster, own)[cluster] - own)[kept] / (sizes[cluster][kept] - 1)
    group = np.unique(cluster[kept], return_inverse=True)[1]
    absorber = Absorber.build(
        np.column_stack([own, own * 0 + 1.0, study.covariates.standardised])[kept]
    )
    if absorber.residual(others).std() < _LEAST_SPREAD or group.max() < _FEWEST_CLUSTERS - 1:
        return ()
    fit = slopes(absorber, others[:, None], study.outcome[kept], cluster=group, robust=True)
    spill = Contrast(float(fit.values[0]), float(fit.errors[0]), fit.freedom)
    what = f"all others of one's {study.roles.cluster} treated, against none,"
    return (spill_check(what, spill, question),)
