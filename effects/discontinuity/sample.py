"""The rows on both sides of a threshold, and which treatment each side brings."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from whydrift.discovery.arrays import BoolArray, FloatArray, IntArray
from whydrift.discovery.errors import OptionError, SchemaError, TooFewRows
from whydrift.effects.treatment_kind import TreatmentKind

if TYPE_CHECKING:
    from whydrift.effects.study import Study

__all__ = ["Sample", "read_sample"]


@dataclass(frozen=True)
class Sample:
    """Rows around a threshold.

    Parameters
    ----------
    x : ndarray of shape (n_rows,)
        The running variable less the threshold.
    above : ndarray of bool, shape (n_rows,)
        Whether a row is on the upper side.
    outcome : ndarray of shape (n_rows,)
    treatment : ndarray of shape (n_rows,), optional
        None where the side alone decides on it (a sharp design).
    sign : float
        −1 where the lower side is the treated one in a sharp design, else 1.
    covariates : ndarray of shape (n_rows, n_features)
    cluster : ndarray of int, shape (n_rows,), optional
    """

    x: FloatArray
    above: BoolArray
    outcome: FloatArray
    treatment: FloatArray | None
    sign: float
    covariates: FloatArray
    cluster: IntArray | None = None

    def only(self, kept: BoolArray) -> Sample:
        """Return some of the rows."""
        return replace(
            self,
            x=self.x[kept],
            above=self.above[kept],
            outcome=self.outcome[kept],
            treatment=None if self.treatment is None else self.treatment[kept],
            covariates=self.covariates[kept],
            cluster=None if self.cluster is None else np.unique(
                self.cluster[kept], return_inverse=True
            )[1],
        )  # fmt: skip

    def of(self, outcome: FloatArray) -> Sample:
        """Return the sharp design of another outcome, without covariates."""
        bare = np.empty((len(self.x), 0))
        return replace(self, outcome=outcome, treatment=None, sign=1.0, covariates=bare)

    def cut_at(self, place: float) -> Sample:
        """Return the sharp design of the same outcome at another threshold, in units of ``x``."""
        moved = self.x - place
        return replace(self.of(self.outcome), x=moved, above=moved >= 0)


def read_sample(study: Study, cutoff: float, *, order: int) -> Sample:
    """Read a study once.

    A row exactly at the threshold is on the upper side, unless its treatment says otherwise.

    Raises
    ------
    SchemaError
        If the running variable does not vary.
    OptionError
        If the threshold lies outside its values, or is no number.
    TooFewRows
        If a side has too few different values for a curve.
    """
    name = study.roles.running
    running = study.running
    if isinstance(cutoff, bool) or not isinstance(cutoff, (int, float)) or not np.isfinite(cutoff):
        raise OptionError(
            f"{cutoff!r} is no number", where="rdd, cutoff", remedy=f"Give a value of {name}"
        )
    low, high = float(running.min()), float(running.max())
    if low == high:
        raise SchemaError(
            f"running variable {name!r} has the value {low:g} in all {study.n:,} usable rows",
            where="running",
            remedy="A threshold needs rows on both sides of it",
        )
    if not low < cutoff <= high:
        raise OptionError(
            f"the cutoff {cutoff:g} is not inside the values of {name}, {low:g} to {high:g}",
            where="rdd, cutoff",
            remedy="Give the value at which the treatment changes",
        )
    x = running - cutoff
    above, is_sharp, sign = _sides(x, study)
    for side, words in ((above, "at or above"), (~above, "below")):
        values, need = len(np.unique(x[side])), order + 4
        if values < need:
            raise TooFewRows(
                f"{int(side.sum())} rows with {values} different values of {name} {words} the "
                f"cutoff {cutoff:g}, and a curve needs {need}",
                where="rdd",
                remedy="Give more rows, or a running variable that is measured more finely",
            )
    return Sample(
        x, above, study.outcome, None if is_sharp else study.treatment.values, sign,
        study.covariates.design, study.cluster,
    )  # fmt: skip


def _sides(x: FloatArray, study: Study) -> tuple[BoolArray, bool, float]:
    """Return which rows are above, whether that decides on the treatment, and which way round."""
    if study.treatment.kind is TreatmentKind.BINARY:
        treated = study.treatment.is_treated == 1
        for above in (x >= 0, x > 0):
            for sign, side in ((1.0, above), (-1.0, ~above)):
                if (treated == side).all():
                    return above, True, sign
    return x >= 0, False, 1.0
