"""The loss of a window whose labels are not there yet, and of one whose labels are.

What the loss is on average at given inputs and prediction is learned from the reference: for a
binary target and predicted chances from calibrated chances of either class, each with the loss it
would bring (as CBPE does), else by a regression of the loss (as DLE does). Its mean over the
current rows is corrected by the reference's residuals, weighted to the current inputs, so that
either the regression or the weights may be a little off. All of it holds while P(target | inputs)
is as in the reference. Where labels are there, a loss far from the estimate says that it is not.

References
----------
NannyML (2022), Confidence-based performance estimation; Direct loss estimation.
Robins, Rotnitzky & Zhao (1994), Estimation of regression coefficients when some regressors are not
always observed.
Chernozhukov et al. (2018), Double/debiased machine learning for treatment and structural
parameters: cross-fitting.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr, stdtrit

from whydrift.discovery.arrays import BoolArray, FloatArray, IntArray
from whydrift.discovery.snapshot.note import Note
from whydrift.discovery.stability import row_groups
from whydrift.effects.propensity import expit, fit_propensity, logistic_ridge
from whydrift.monitor.diagnosis.diagnosis import ESTIMATED, Estimate, Metric
from whydrift.monitor.diagnosis.losses import LOSSES
from whydrift.monitor.diagnosis.metric import RowMeasure
from whydrift.monitor.diagnosis.pair import WindowPair
from whydrift.monitor.diagnosis.usual_difference import usual_error
from whydrift.monitor.diagnosis.words import measure_words

__all__ = ["EstimatedLoss", "estimate_loss"]

_FOLDS = 5
_LEAST_ROWS = 100  # reference rows with a loss; below, no regression is worth its name
_LEAST_OVERLAP = 0.2
_MOST_WEIGHT = 30.0
_COVERED = 0.90
_OFF = 0.01  # p-value at which a loss is said to be off its estimate: a note, no alarm
_BY_CLASS = ("log_loss", "squared_error", "absolute_error")


@dataclass(frozen=True, slots=True)
class EstimatedLoss:
    """An estimate, or why there is none.

    Parameters
    ----------
    metric : Metric, optional
        ``<loss> (estimated)``, with 90 % intervals.
    notes : tuple of Note
        ``loss_estimated``, ``loss_not_estimated`` or ``estimated_loss_off``.
    """

    metric: Metric | None
    notes: tuple[Note, ...]


def estimate_loss(
    pair: WindowPair,
    measure: RowMeasure,
    prediction: str,
    inputs: tuple[str, ...],
) -> EstimatedLoss:
    """Estimate the mean loss of the current window from its inputs and predictions.

    Parameters
    ----------
    pair : WindowPair
        The windows as recorded.
    measure : RowMeasure
        A loss. Its current values are used for the comparison with the estimate alone, where
        there are any.
    prediction : str
        Its column.
    inputs : tuple of str
        Sound columns that the target may depend on.

    Returns
    -------
    EstimatedLoss
        With labels, the metric as well: it is for the reader to choose which of the two to show.
    """
    split = pair.split
    known = np.isfinite(measure.reference)
    ready = np.isfinite(pair.values(prediction))
    before, after = known & ready[:split], ready[split:]
    if before.sum() < _LEAST_ROWS or not after.any():
        return _none_made(measure, "too few reference rows have a loss")
    rows = np.concatenate([before, after])
    design = _design(pair, (prediction, *inputs), rows)
    current = pair.is_current[rows] == 1
    propensity = fit_propensity(design, current.astype(np.float64))
    if propensity.overlap < _LEAST_OVERLAP:
        return _none_made(measure, "hardly any current rows are like rows of the reference")
    loss = measure.reference[before]
    groups = _groups(pair)[rows]
    guessed = pair.values(prediction)[rows]
    expected = _expected(design, current, loss, measure.name, guessed, groups[~current])
    odds = propensity.chance[~current] / np.maximum(1 - propensity.chance[~current], 1e-6)
    weight = np.minimum(odds / odds.mean(), _MOST_WEIGHT)
    weight /= weight.mean()
    left = weight * (loss - expected[~current])
    value = float(expected[current].mean() + left.mean())
    mean = float(loss.mean())
    # Where the weights do not balance a feature, the regression's own error at it counts, too.
    own = design[~current]
    lacking = design[current].mean(axis=0) - weight @ own / len(own)
    leverage = weight + len(own) * (own @ _ridge_inverse(own, lacking))
    # Weights fitted to balance so many features leave less spread than fresh ones would.
    spent = min(0.5, design.shape[1] * float(leverage @ leverage) / len(own) ** 2)
    on_old = leverage * (loss - expected[~current])
    on_old = (on_old - on_old.mean()) / (1 - spent)
    on_new = expected[current] - expected[current].mean()
    size, freedom = _error(on_old, on_new, groups, current)
    moved, _ = _error(on_old - (loss - mean), on_new, groups, current)
    quantile = float(stdtrit(freedom, 0.5 + _COVERED / 2))
    change = Estimate(
        value - mean, value - mean - quantile * moved, value - mean + quantile * moved
    )
    metric = Metric(f"{measure.name}{ESTIMATED}", mean, value, change, value - mean, None)
    there = np.isfinite(measure.current[after])
    if there.any():
        surprise = np.full(len(rows), np.nan)
        surprise[rows] = np.concatenate([loss, measure.current[after]]) - expected
        usual = usual_error(pair, surprise, np.isfinite(surprise))
        off = _off(
            measure, after, there, expected[current], left.mean(), on_old, groups, current, usual
        )
        return EstimatedLoss(metric, off)
    text = (
        f"the {measure_words(measure.name)} of the current window is estimated without labels "
        f"({value:.3g}, 90 % interval {value - quantile * size:.3g} to "
        f"{value + quantile * size:.3g}); that holds while P(target | inputs) is as in the "
        "reference: compare again when labels are in"
    )
    return EstimatedLoss(metric, (Note("loss_estimated", prediction, text),))


def _none_made(measure: RowMeasure, why: str) -> EstimatedLoss:
    """Return no estimate, and why; of a window with labels nobody needs one."""
    if np.isfinite(measure.current).any():
        return EstimatedLoss(None, ())
    text = f"the loss was not estimated without labels: {why}; compare again when labels are in"
    return EstimatedLoss(None, (Note("loss_not_estimated", None, text),))


def _off(
    measure: RowMeasure,
    after: BoolArray,
    there: BoolArray,
    expected: FloatArray,
    correction: float,
    on_old: FloatArray,
    groups: IntArray,
    current: BoolArray,
    usual: tuple[float, int],
) -> tuple[Note, ...]:
    """Return a note where the labels' loss is not what the reference's rows lead to expect.

    ``usual`` is what ordinary windows differ by, where past ones tell.
    """
    surprise = np.where(there, measure.current[after] - expected, 0.0)
    count = int(there.sum())
    gap = float(surprise.sum() / count - correction)
    centred = np.where(there, surprise - surprise.sum() / count, 0.0) * len(there) / count
    error, freedom = _error(on_old, centred, groups, current)
    if usual[1]:
        error, freedom = float(np.hypot(error, usual[0])), min(freedom, usual[1])
    if error <= 0 or 2 * float(stdtr(freedom, -abs(gap) / error)) > _OFF:
        return ()
    truth = float(measure.current[after][there].mean())
    text = (
        f"the {measure_words(measure.name)} is {truth:.3g}, and by inputs and predictions alone "
        f"{truth - gap:.3g} was to be expected (± {2.58 * error:.2g}, 99 %): what the inputs say "
        "of the target has changed, or columns are missing that it depends on"
    )
    return (Note("estimated_loss_off", None, text),)


def _expected(
    design: FloatArray,
    current: BoolArray,
    loss: FloatArray,
    name: str,
    guessed: FloatArray,
    groups: IntArray,
) -> FloatArray:
    """Return the expected loss of each row; of a reference row by a fit without its fold."""
    fold, own = _folds(groups), design[~current]
    by_class = _by_class(name, guessed, loss, current)
    out = np.zeros(len(current))
    for number in range(_FOLDS):
        kept = fold != number
        if by_class is None:
            fit = _regression(own[kept], loss[kept])
            # No loss beyond those seen: a spline runs away where there are hardly any rows.
            each = np.clip(design @ fit, loss[kept].min(), loss[kept].max())
        else:
            (zero, one), label = by_class
            chance = expit(design @ logistic_ridge(own[kept], label[kept]))
            each = chance * one + (1 - chance) * zero
        unseen = np.flatnonzero(~current)[~kept]
        out[unseen] = each[unseen]
        out[current] += each[current] / _FOLDS
    return out


def _by_class(
    name: str, guessed: FloatArray, loss: FloatArray, current: BoolArray
) -> tuple[tuple[FloatArray, FloatArray], FloatArray] | None:
    """Return what each row would lose by either class, and the reference's classes as 0 and 1.

    None where the target is not binary, or the predictions are not chances.
    """
    if name not in _BY_CLASS or guessed.min() < 0 or guessed.max() > 1:
        return None
    ends = [LOSSES[name](np.full(guessed.shape, y), guessed) for y in (0.0, 1.0)]
    gaps = [np.abs(loss - end[~current]) for end in ends]
    if np.minimum(gaps[0], gaps[1]).max() > 1e-9:
        return None
    return (ends[0], ends[1]), (gaps[1] <= gaps[0]).astype(np.float64)


def _regression(design: FloatArray, response: FloatArray) -> FloatArray:
    return _ridge_inverse(design, design.T @ response)


def _ridge_inverse(design: FloatArray, right: FloatArray) -> FloatArray:
    """Return (X'X + ridge)⁻¹ times a vector."""
    gram = design.T @ design
    ridge = np.ones(len(gram))
    ridge[0] = 1e-8
    solved: FloatArray = np.linalg.solve(gram + np.diag(ridge), right).astype(np.float64)
    return solved


def _design(pair: WindowPair, names: tuple[str, ...], rows: BoolArray) -> FloatArray:
    """Return intercept and splines of each column; what is missing is average, and marked so."""
    columns = [np.ones((int(rows.sum()), 1))]
    for name in names:
        basis = pair.features(name).basis[rows]
        seen: BoolArray = np.asarray(np.isfinite(basis).all(axis=1))
        if not seen.any():
            continue
        average: FloatArray = np.asarray(basis[seen].mean(axis=0))
        columns.append(np.where(seen[:, None], basis, average))
        if not seen.all():
            columns.append(np.where(seen, 0.0, 1.0)[:, None])
    return np.column_stack(columns)


def _groups(pair: WindowPair) -> IntArray:
    """Return a number for each pooled row; rows of different numbers count as independent."""
    if pair.clusters is not None:
        return pair.clusters
    if not pair.is_autocorrelated:
        return np.arange(len(pair.is_current))
    before, after = row_groups(pair.reference), row_groups(pair.current)
    return np.concatenate([before, after + before.max(initial=0) + 1])


def _folds(groups: IntArray) -> IntArray:
    """Return each row's fold: whole groups, dealt in turn."""
    number: IntArray = np.unique(groups, return_inverse=True)[1] % _FOLDS
    return number


def _error(
    old: FloatArray, new: FloatArray, groups: IntArray, current: BoolArray
) -> tuple[float, float]:
    """Return the standard error of the sum of two means, from each row's influence on its own."""
    influence = np.empty(len(current))
    influence[~current], influence[current] = old / len(old), new / len(new)
    found, number = np.unique(groups, return_inverse=True)
    sums = np.bincount(number, influence)
    smaller = min(len(np.unique(groups[current])), len(np.unique(groups[~current])))
    return float(np.sqrt(sums @ sums)), float(max(1, min(smaller, len(found)) - 1))
