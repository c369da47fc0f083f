"""Balance: how far the arms differ in each covariate, before and after."""

from __future__ import annotations

import numpy as np

from whydrift.discovery.arrays import BoolArray, FloatArray
from whydrift.effects.chart import Chart, Rule, Series, Side
from whydrift.effects.check import Check
from whydrift.effects.covariates import Covariates
from whydrift.effects.table import Table
from whydrift.effects.words import joined

__all__ = ["balance_check", "balance_table", "love_chart", "standardised_differences"]

_WARN, _FAIL = 0.1, 0.25
_MOST_ROWS = 30


def standardised_differences(
    covariates: Covariates, treated: BoolArray, weights: FloatArray | None = None
) -> FloatArray:
    """Return mean of the treated less mean of the untreated, in standard deviations.

    The standard deviation is that of the two arms together, √((s₁² + s₀²)/2), unweighted: before
    and after are measured with one yardstick.

    Parameters
    ----------
    covariates : Covariates
    treated : ndarray of bool, shape (n_rows,)
    weights : ndarray of shape (n_rows,), optional

    Returns
    -------
    ndarray of shape (n_features,)

    References
    ----------
    Austin (2009), Balance diagnostics for comparing the distribution of baseline covariates between
    treatment groups in propensity-score matched samples.
    """
    design = covariates.design
    if not len(covariates):
        return np.empty(0)
    spread = np.sqrt((design[treated].var(axis=0) + design[~treated].var(axis=0)) / 2)
    each = np.ones(len(design)) if weights is None else weights
    means = [np.average(design[arm], axis=0, weights=each[arm]) for arm in (treated, ~treated)]
    gap = means[0] - means[1]
    # Constant in both arms and different: they cannot be compared at all.
    apart: FloatArray = np.divide(gap, spread, out=np.sign(gap) * 10.0, where=spread > 0)
    return apart


def balance_table(
    covariates: Covariates, treated: BoolArray, weights: FloatArray | None = None
) -> Table:
    """Return means of both arms and their standardised difference, before and after."""
    design = covariates.design
    before = standardised_differences(covariates, treated)
    columns: dict[str, object] = {
        "covariate": covariates.names,
        "treated": design[treated].mean(axis=0),
        "untreated": design[~treated].mean(axis=0),
        "difference": before,
    }
    if weights is not None:
        columns["difference after"] = standardised_differences(covariates, treated, weights)
    title = "Means of the covariates in both arms; differences in standard deviations"
    return Table.of(title, columns)  # type: ignore[arg-type]


def balance_check(
    covariates: Covariates, treated: BoolArray, weights: FloatArray | None = None
) -> tuple[Check, ...]:
    """Judge the largest standardised difference that is left."""
    if not len(covariates):
        return ()
    left = np.abs(standardised_differences(covariates, treated, weights))
    worst = int(np.argmax(left))
    off = [covariates.names[i] for i in np.argsort(-left) if left[i] > _WARN]
    when = "" if weights is None else " even after weighting or matching"
    now = "" if weights is None else " after weighting or matching"
    said = (
        f"the arms differ{when} in {joined(off)}, by up to {left[worst]:.2f} standard deviations"
        if off
        else f"the arms are alike{now}: no covariate differs by more than {left[worst]:.2f} "
        "standard deviations"
    )
    return (Check.at_most("balance", float(left[worst]), said, warn=_WARN, fail=_FAIL),)


def love_chart(
    covariates: Covariates, treated: BoolArray, weights: FloatArray | None = None
) -> Chart:
    """Return the standardised differences before and after, a row for each covariate."""
    before = np.abs(standardised_differences(covariates, treated))
    order = np.argsort(-before, kind="stable")[:_MOST_ROWS]
    rows = tuple(covariates.names[i] for i in order)
    series = [Series.of("before", before[order], range(len(rows)), side=Side.CONTROL)]
    if weights is not None:
        after = np.abs(standardised_differences(covariates, treated, weights))
        series.append(Series.of("after", after[order], range(len(rows)), side=Side.TREATED))
    return Chart(
        "love",
        "How far the arms differ in each covariate",
        "difference of means, in standard deviations",
        "",
        tuple(series),
        (Rule("x", 0.0), Rule("x", _WARN, "0.1")),
        rows,
    )
