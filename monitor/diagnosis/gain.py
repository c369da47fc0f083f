"""What mending the model would win: corrections of its predictions, judged on held-out rows.

Each correction takes the prediction and the inputs and says what should have been predicted (the
mean, or the quantile that the loss asks for; a loss given as a function chooses among several):

* `Action.RETRAIN`: learned from current rows, each block of rows judged by what the others taught.
* `Action.REWEIGHT`: learned from reference rows, weighted to lie where the current rows do.
* `Action.PRIOR_CORRECTION`: the log odds moved by how much commoner the class became.

References
----------
Shimodaira (2000), Improving predictive inference under covariate shift by weighting the
log-likelihood function.
Saerens, Latinne & Decaestecker (2002), Adjusting the outputs of a classifier to new a priori
probabilities.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from whydrift.discovery.arrays import BoolArray, FloatArray, IntArray
from whydrift.effects.propensity import expit
from whydrift.monitor.diagnosis.correction import LocationScale, to_the_mean, to_the_quantile
from whydrift.monitor.diagnosis.counterfactual.design import Columns, Design, basis_in, column_basis
from whydrift.monitor.diagnosis.counterfactual.logistic import fit_logistic
from whydrift.monitor.diagnosis.diagnosis import Action, Estimate
from whydrift.monitor.diagnosis.metric import RowMeasure
from whydrift.monitor.diagnosis.pair import WindowPair
from whydrift.monitor.diagnosis.row_groups import GROUPS, row_groups

__all__ = ["Gains", "Wider", "measure_gains"]

_FOLDS = 5
_LEAST_ROWS = 40  # labelled rows of each window
_MOST_WEIGHT = 10.0
_OUTSIDE = 0.98  # chance of being a current row, were both windows equally long
_SURE = 1e-6
# Of the quantiles that a loss given as a function may choose from.
_LEVELS = tuple(np.linspace(0.02, 0.98, 25).tolist())


@dataclass(frozen=True)
class Gains:
    """What each remedy would take off the mean loss of current rows.

    Parameters
    ----------
    of : mapping of Action to Estimate
        With 90 % intervals.
    outside : float
        Share of the rise of the loss that lies in rows unlike any of the reference's, in what the
        target and the prediction have to do with.
    knows_loss : bool
        Whether corrections were fitted to the loss, and not chosen by it from a few.
    before : float
        What learning anew takes off the mean loss of reference rows: no remedy of a change.
    wider : Wider, optional
        What learning anew wins from columns that the prediction is not seen to follow as well.
    """

    of: Mapping[Action, Estimate]
    outside: float
    knows_loss: bool = True
    before: float = 0.0
    wider: Wider | None = None


@dataclass(frozen=True)
class Wider:
    """What learning anew from more columns than the prediction follows would win.

    They may be known only after the fact, or not where predictions are made: that is not told here.

    Parameters
    ----------
    columns : tuple of str
        Those more.
    gain : Estimate
        With a 90 % interval.
    before : float
        What it takes off the mean loss of reference rows.
    """

    columns: tuple[str, ...]
    gain: Estimate
    before: float


def measure_gains(
    pair: WindowPair,
    measure: RowMeasure,
    *,
    target: str,
    prediction: str,
    inputs: tuple[str, ...],
    near: tuple[str, ...] | None = None,
    read: tuple[str, ...] | None = None,
) -> Gains | None:
    """Measure the gain of each remedy, or return None where labelled rows are too few or too near.

    Parameters
    ----------
    pair : WindowPair
        The windows as recorded.
    measure : RowMeasure
        The loss.
    target, prediction : str
        Columns.
    inputs : tuple of str
        What the model may see.
    near : tuple of str, optional
        Those of them that the prediction follows or that may lead to the target: rows are alike by
        what they say. By default all.
    read : tuple of str, optional
        Those of them that the prediction follows: corrections are learned from these. By default
        all.
    """
    losses = np.concatenate([measure.reference, measure.current])
    usable = np.isfinite(losses)
    current = usable & (pair.is_current == 1)
    if min(current.sum(), (usable & ~current).sum()) < _LEAST_ROWS:
        return None
    groups = row_groups(pair, usable)
    # Of a few large clusters none are left apart from those that are judged.
    if len(np.unique(groups[current])) < _FOLDS:
        return None
    read = inputs if read is None else read
    rows = _Rows.of(pair, measure, target, prediction, read, usable)
    now = np.flatnonzero(rows.is_current)
    groups, losses = groups[usable], losses[usable]
    closeness = _chance_of_current(pair, inputs if near is None else near, usable, rows.is_current)
    odds = closeness / (1 - closeness)
    weight = np.where(rows.is_current, 0.0, np.minimum(odds, _MOST_WEIGHT))
    won: dict[Action, FloatArray] = {
        Action.REWEIGHT: losses[now] - rows.corrected(~rows.is_current, weight, now),
    }
    again = losses - rows.learned_anew(groups, losses)
    won[Action.RETRAIN] = again[now]
    if rows.is_chance and not rows.is_class:
        won[Action.PRIOR_CORRECTION] = losses[now] - rows.with_new_prior(groups)[now]
    outside = closeness[now] > _OUTSIDE
    wider = None
    if len(read) < len(inputs):
        more = _Rows.of(pair, measure, target, prediction, inputs, usable)
        with_more = losses - more.learned_anew(groups, losses)
        wider = Wider(
            tuple(n for n in inputs if n not in read),
            _mean(with_more[now], groups[now]),
            float(with_more[~rows.is_current].mean()),
        )
    rise = losses[now] - losses[~rows.is_current].mean()
    total = float(rise.sum())
    return Gains(
        {action: _mean(each, groups[now]) for action, each in won.items()},
        float(rise[outside].sum()) / total if total > 0 else 0.0,
        knows_loss=not measure.is_own,
        before=float(again[~rows.is_current].mean()),
        wider=wider,
    )


def _mean(values: FloatArray, groups: IntArray) -> Estimate:
    """Return a mean with its 90 % interval, from the spread of the groups' parts of it."""
    value = float(values.mean())
    sums = np.bincount(groups, values - value, GROUPS)
    present = int((np.bincount(groups, minlength=GROUPS) > 0).sum())
    if present < 2:
        return Estimate(value, None, None)
    error = float(np.sqrt(present / (present - 1) * (sums**2).sum())) / len(values)
    half = float(stdtrit(present - 1, 0.95)) * error
    return Estimate(value, value - half, value + half)


def _chance_of_current(
    pair: WindowPair, inputs: tuple[str, ...], usable: BoolArray, is_current: BoolArray
) -> FloatArray:
    """Return P(current | inputs) of each usable row, were both windows equally long."""
    bases = {n: basis_in(pair, n) for n in inputs}
    design = Design(bases, differs=False)
    columns = Columns(bases, lambda name: pair.values(name)[usable])
    features = design(columns, (int(usable.sum()),))
    label = is_current.astype(np.float64)
    weights, _ = fit_logistic(features, label, design.layout.kinds)
    share = label.mean()
    odds = features @ weights - np.log(share / (1 - share))
    return np.clip(expit(odds), _SURE, 1 - _SURE)


@dataclass(frozen=True)
class _Rows:
    """Labelled rows of both windows, pooled, and what a correction is learned from.

    Parameters
    ----------
    measure : RowMeasure
        The loss.
    truth : ndarray of shape (n,)
        As the sample writes it.
    guess : ndarray of shape (n,)
        As a number, or as the sample writes it where classes are predicted.
    aim : ndarray of shape (n,), optional
        What the prediction should have been, as a number; None where classes are predicted.
    features : ndarray of shape (n, f)
        Of inputs and prediction.
    kinds : ndarray of int, shape (f,)
        See `Layout`.
    is_current : ndarray of bool, shape (n,)
        Which window.
    is_chance : bool
        Whether the predictions are chances of a binary target, or its classes as 0 and 1.
    is_class : bool
        Whether they are classes.
    """

    measure: RowMeasure
    truth: FloatArray
    guess: FloatArray
    aim: FloatArray | None
    features: FloatArray
    kinds: IntArray
    is_current: BoolArray
    is_chance: bool
    is_class: bool

    @classmethod
    def of(
        cls,
        pair: WindowPair,
        measure: RowMeasure,
        target: str,
        prediction: str,
        inputs: tuple[str, ...],
        usable: BoolArray,
    ) -> _Rows:
        truth, guess = (pair.values(n)[usable] for n in (target, prediction))
        aim = None if measure.truth is None else measure.truth(truth)
        if measure.guess is not None:
            guess = measure.guess(guess)
        is_chance = bool(
            aim is not None
            and pair.is_discrete(target)
            and np.isin(aim, (0.0, 1.0)).all()
            and guess.min() >= 0
            and guess.max() <= 1
        )
        seen = {n: pair.values(n)[usable] for n in inputs}
        is_class = is_chance and bool(np.isin(guess, (0.0, 1.0)).all())
        seen[prediction] = _log_odds(guess) if is_chance and not is_class else guess
        split = int((pair.is_current[usable] == 0).sum())
        bases = {n: column_basis(v, pair.is_discrete(n), split) for n, v in seen.items()}
        design = Design(bases, differs=False)
        return cls(
            measure,
            truth,
            guess,
            aim,
            design(Columns(bases, seen.__getitem__), guess.shape),
            design.layout.kinds,
            pair.is_current[usable] == 1,
            is_chance,
            is_class,
        )

    def learned_anew(self, groups: IntArray, losses: FloatArray) -> FloatArray:
        """Return the losses of all rows after corrections learned from others of their window."""
        out, alike = losses.copy(), np.ones(len(losses))
        for side in (self.is_current, ~self.is_current):
            for fold in range(_FOLDS):
                test = groups % _FOLDS == fold
                judged, learned = side & test, side & ~test
                if judged.any() and learned.any():
                    out[judged] = self.corrected(learned, alike, np.flatnonzero(judged))
        return out

    def corrected(self, learned: BoolArray, weight: FloatArray, judged: IntArray) -> FloatArray:
        """Return the losses of some rows after a correction learned from others, weighted."""
        mass = weight[learned] / weight[learned].mean()
        if self.aim is None:
            return self._reclassified(learned, mass, judged)
        design, aim, level = self.features[learned], self.aim[learned], self.measure.quantile
        rest = aim - self.guess[learned]
        if self.is_class and self.measure.is_own:
            mended = self._cut(learned, mass)
        elif self.is_chance:
            before = np.zeros(len(self.guess)) if self.is_class else _log_odds(self.guess)
            beta, _ = fit_logistic(design, aim, self.kinds, weight=mass, offset=before[learned])
            mended = expit(before + self.features @ beta)
        elif self.measure.is_own:
            mended = self._as_it_chooses(learned, rest, mass)
        elif level is not None:
            beta = to_the_quantile(level, design, rest, mass, self.kinds)
            mended = self.guess + self.features @ beta
        else:
            beta = to_the_mean(design, rest, mass, self.kinds)
            mended = self.guess + self.features @ beta
        return self._lost(judged, mended)

    def _lost(self, rows: IntArray | BoolArray | slice, guess: FloatArray) -> FloatArray:
        """Return the losses of some rows, had all the predictions been these numbers."""
        assert self.measure.of_number is not None
        return self.measure.of_number(self.truth[rows], guess[rows])

    def with_new_prior(self, groups: IntArray) -> FloatArray:
        """Return all losses with chances moved by how much commoner the class became.

        How common it is now each fold of rows learns from the others.
        """
        assert self.aim is not None
        log_odds = _log_odds(self.guess)
        before = float(_log_odds(self.aim[~self.is_current].mean()))
        for fold in range(_FOLDS):
            test = groups % _FOLDS == fold
            others = self.aim[self.is_current & ~test]
            share = (others.sum() + 0.5) / (len(others) + 1)
            log_odds[test] += float(_log_odds(share)) - before
        return self._lost(slice(None), expit(log_odds))

    def _cut(self, learned: BoolArray, mass: FloatArray) -> FloatArray:
        """Return classes, cut where the loss likes it best on the rows to learn from."""
        assert self.aim is not None
        aim = self.aim[learned]
        beta, _ = fit_logistic(self.features[learned], aim, self.kinds, weight=mass)
        chance = expit(self.features @ beta)

        def costs(level: float) -> float:
            classes: FloatArray = (chance > level).astype(np.float64)
            return float(mass @ self._lost(learned, classes))

        out: FloatArray = (chance > min(_LEVELS, key=costs)).astype(np.float64)
        return out

    def _as_it_chooses(self, learned: BoolArray, rest: FloatArray, mass: FloatArray) -> FloatArray:
        """Return all predictions, corrected as the loss likes best on the rows to learn from."""
        design = self.features[learned]

        def costs(mended: FloatArray) -> float:
            return float(mass @ self._lost(learned, mended))

        def corrections() -> Iterator[FloatArray]:
            yield self.guess
            mean = to_the_mean(design, rest, mass, self.kinds)
            median = to_the_quantile(0.5, design, rest, mass, self.kinds)
            for centre in (mean, median):
                yield self.guess + self.features @ centre
                around = LocationScale.around(centre, design, rest, mass, self.kinds)
                for level in _LEVELS:
                    yield self.guess + self.features @ around.quantile(level)

        return min(corrections(), key=costs)

    def _reclassified(self, learned: BoolArray, mass: FloatArray, judged: IntArray) -> FloatArray:
        """Return the losses of the likeliest classes, or those of least cost by an own loss."""
        design, truth = self.features[learned], self.truth[learned]
        classes, counts = np.unique(truth, return_counts=True)
        classes = classes[np.argsort(-counts, kind="stable")]
        odds = np.zeros((len(judged), len(classes)))
        for position, level in enumerate(classes[1:], 1):
            rows = (truth == classes[0]) | (truth == level)
            label = (truth[rows] == level).astype(np.float64)
            beta, _ = fit_logistic(design[rows], label, self.kinds, weight=mass[rows])
            odds[:, position] = self.features[judged] @ beta
        if not self.measure.is_own:
            found = classes[np.argmax(odds, axis=1)]
            wrong: FloatArray = (found != self.truth[judged]).astype(np.float64)
            return wrong
        chances = np.exp(odds - odds.max(axis=1, keepdims=True))
        guesses = np.unique(self.guess)
        costs = np.array([self.measure.of(classes, np.full(classes.shape, g)) for g in guesses])
        cheapest = guesses[np.argmin(chances @ costs.T, axis=1)]
        return self.measure.of(self.truth[judged], cheapest)


def _log_odds(chance: FloatArray | float) -> FloatArray:
    kept = np.clip(chance, _SURE, 1 - _SURE)
    return np.asarray(np.log(kept / (1 - kept)))
