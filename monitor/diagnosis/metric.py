"""The measure whose change is explained: the mean loss, or the target's mean."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from whydrift.discovery.arrays import FloatArray
from whydrift.discovery.errors import OptionError, SchemaError
from whydrift.discovery.snapshot.note import Note
from whydrift.discovery.snapshot.schema import Column
from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.monitor.diagnosis.as_numbers import (
    Reader,
    as_event,
    event_reader,
    is_numeric,
    number_reader,
    other_class,
    positive_class,
    recoded,
    says_yes,
)
from whydrift.monitor.diagnosis.chances import (
    are_chances,
    are_only_0_and_1,
    chances_of,
    hard_predictions,
    no_chances,
    served_chances,
)
from whydrift.monitor.diagnosis.losses import (
    LOSSES,
    ChosenLoss,
    CustomLoss,
    checked_loss,
    chosen_loss,
    drawn_in,
    log_loss,
    zero_one,
)
from whydrift.monitor.diagnosis.words import measure_words

__all__ = ["RowMeasure", "row_measure"]

# Of numbers read as classes. A saturated probability is 0 or 1 in some rows, a rounded count may be
# one that the target never took.
_MOSTLY_CLASSES: Final = 0.9


@dataclass(frozen=True)
class RowMeasure:
    """The measure of every sampled row of both windows.

    Parameters
    ----------
    name : str
        Such as ``squared_error`` or ``mean of price``.
    reference, current : ndarray of shape (n_sampled,)
        NaN where target or prediction is missing.
    is_loss : bool
        Whether more is worse.
    of : callable
        The measure of rows that were never recorded: takes the target and the prediction (None
        without one) as the sample writes them, numbers or category codes.
    truth : callable, optional
        What the prediction should have been, as a number, from the target as the sample writes it;
        None where classes are predicted.
    guess : callable, optional
        The prediction as a number, from what the sample writes; None where classes are predicted.
    of_number : callable, optional
        The measure of predictions that are numbers: takes the target as the sample writes it.
    is_chance : bool
        Whether predictions outside [0, 1] have no measure.
    quantile : float, optional
        Level of the quantile of the target that has the least loss; None for another prediction.
    is_own : bool
        Whether the loss was given as a function, so that the prediction it asks for is not known.
    notes : tuple of Note
        What the reader ought to know of how it was made.
    """

    name: str
    reference: FloatArray
    current: FloatArray
    is_loss: bool
    of: Callable[[FloatArray, FloatArray | None], FloatArray]
    truth: Callable[[FloatArray], FloatArray] | None = None
    guess: Callable[[FloatArray], FloatArray] | None = None
    of_number: Callable[[FloatArray, FloatArray], FloatArray] | None = None
    is_chance: bool = False
    quantile: float | None = None
    is_own: bool = False
    notes: tuple[Note, ...] = ()


def row_measure(
    reference: Snapshot,
    current: Snapshot,
    *,
    target: str | None,
    prediction: str | None,
    loss: str | CustomLoss = "auto",
) -> RowMeasure | None:
    """Return the measure, or None where there is neither a loss nor a usable target.

    ``auto`` takes the squared error for numbers, the log loss for a binary target with
    predictions in [0, 1], and the 0-1 loss for other categories. Without a prediction the measure
    is the target itself (for a binary target the share of one class).
    ``quantile:0.9`` is the pinball loss of a predicted 0.9 quantile; a callable gets predictions
    and targets as numbers, or as names where classes are words (but yes and no). A target's
    classes are those of the reference: rows of a class that is new are wrong where classes are
    predicted, and have no measure else.

    Raises
    ------
    OptionError
        If the loss is unknown, or a callable gives no finite loss for every row.
    SchemaError
        If the loss does not fit the target and the prediction.
    """
    chosen = chosen_loss(loss)
    if target is None or not (reference.has(target) and current.has(target)):
        return None
    if not np.isfinite(current.column(target)).any():
        return None
    if prediction is None:
        return _mean(reference, current, target)
    measure = _loss((reference, current), target, prediction, chosen)
    if measure.notes and not np.isfinite(measure.current).any():  # what is served is no prediction
        return _mean(reference, current, target, measure.notes)
    return measure


def _mean(
    reference: Snapshot, current: Snapshot, target: str, notes: tuple[Note, ...] = ()
) -> RowMeasure | None:
    """Return the target itself as the measure, or None where it is no number."""
    column = reference.schema[target]
    read = number_reader(column)
    if read is None:
        return None
    what = f"mean of {target}"
    if column.kind.is_discrete and not is_numeric(column.categories):
        what = f"share of {target} = {column.categories[positive_class(column.categories)]}"
    return RowMeasure(
        what,
        read(reference.column(target)),
        read(current.column(target)),
        is_loss=False,
        of=lambda y, _: read(y),
        notes=notes,
    )


def _loss(
    windows: tuple[Snapshot, Snapshot], target: str, prediction: str, chosen: ChosenLoss
) -> RowMeasure:
    column, predicted = windows[0].schema[target], windows[1].schema[prediction]
    if chosen.own is not None and _are_named(column, predicted):
        return _by_name(windows, target, prediction, chosen.own, chosen.name)
    are_discrete = column.kind.is_discrete and predicted.kind.is_discrete
    if chosen.own is None and chosen.name in {"auto", "zero_one"} and are_discrete:
        return _of_classes(windows, target, prediction)
    return _of_numbers(windows, target, prediction, chosen)


def _of_classes(windows: tuple[Snapshot, Snapshot], target: str, prediction: str) -> RowMeasure:
    """Return the 0-1 loss of predicted classes."""
    # A class that is new was predicted by nobody: such a row is wrong, and counts.
    classes, predicted = (windows[1].schema[name] for name in (target, prediction))

    def differ(y: FloatArray, f: FloatArray | None) -> FloatArray:
        assert f is not None
        return zero_one(y, recoded(f, predicted, classes))

    codes = [differ(w.column(target), w.column(prediction)) for w in windows]
    foreign = _foreign_classes(windows, target, prediction)
    return RowMeasure("zero_one", codes[0], codes[1], is_loss=True, of=differ, notes=foreign)


def _are_named(target: Column, prediction: Column) -> bool:
    """Whether both are classes that are words, and none that says yes or no."""
    return all(
        c.kind.is_discrete and not is_numeric(c.categories) and not says_yes(c.categories)
        for c in (target, prediction)
    )


def _by_name(
    windows: tuple[Snapshot, Snapshot], target: str, prediction: str, loss: CustomLoss, name: str
) -> RowMeasure:
    """Return a user's loss of predicted classes, which it gets by their names."""
    schema = windows[1].schema  # knows the classes of both windows
    classes, predicted = (
        np.array(schema[n].categories, dtype=object) for n in (target, prediction)
    )
    own = checked_loss(
        lambda f, y: loss(predicted[f.astype(np.int64)], classes[y.astype(np.int64)])
    )
    pairs = [(w.column(target), w.column(prediction)) for w in windows]
    limits: tuple[float, ...] = (np.inf, np.inf)  # codes of classes that are new lie beyond
    left_out: tuple[Note, ...] = ()
    before = own(*pairs[0])
    try:
        own(*pairs[1])
    except OptionError as error:
        # The loss was written for the classes that there were: the first window is no mistake.
        limits = tuple(float(len(windows[0].schema[n].categories)) for n in (target, prediction))
        left_out = _left_out(windows[1], target, prediction, limits, name, error)
        if not left_out:
            raise

    def lost(y: FloatArray, f: FloatArray | None) -> FloatArray:
        assert f is not None
        return own(np.where(y < limits[0], y, np.nan), np.where(f < limits[1], f, np.nan))

    return RowMeasure(
        name, before, lost(*pairs[1]), is_loss=True, of=lost, is_own=True, notes=left_out
    )


def _left_out(
    current: Snapshot,
    target: str,
    prediction: str,
    limits: tuple[float, ...],
    loss: str,
    error: OptionError,
) -> tuple[Note, ...]:
    """Return a note for each column with classes that the reference has not."""
    notes = []
    for name, limit in zip((target, prediction), limits, strict=True):
        codes = current.column(name)
        is_new = codes >= limit
        if not is_new.any():
            continue
        labels = [current.schema[name].categories[int(c)] for c in np.unique(codes[is_new])]
        text = (
            f"the {measure_words(loss)} leaves out the {is_new.mean():.1%} of the current rows "
            f"with classes of {name!r} that the reference has not ({_few(labels)}): {error.what}; "
            "let it give a value for these as well"
        )
        notes.append(Note("loss_of_new_class", name, text))
    return tuple(notes)


@dataclass(frozen=True)
class _Rows:
    """Targets and predictions of the reference and the current window, as numbers."""

    truth: tuple[FloatArray, FloatArray]
    guess: tuple[FloatArray, FloatArray]
    read_truth: Reader
    read_guess: Reader
    notes: tuple[Note, ...] = ()


def _of_numbers(
    windows: tuple[Snapshot, Snapshot], target: str, prediction: str, chosen: ChosenLoss
) -> RowMeasure:
    """Return a loss of predicted numbers: values, chances, or classes that are numbers."""
    column, predicted = windows[0].schema[target], windows[1].schema[prediction]
    _refuse_other_kind(column, predicted)
    rows = _read(windows, target, prediction)
    is_binary = column.kind.is_discrete and len(column.categories) == 2
    has_chances = is_binary and are_chances(rows.guess[0])
    name = chosen.name if chosen.own is None else None  # its own, whatever it is called
    if name == "zero_one":
        _require_classes(target, prediction, rows, is_binary=is_binary)
    if name == "auto":
        name = "log_loss" if has_chances else "squared_error"
        if is_binary and not has_chances:
            rows = replace(rows, notes=no_chances(prediction, target, rows.guess[0]))
    are_words = is_binary and not is_numeric(column.categories)
    if are_words and not has_chances:
        raise SchemaError(
            f"{prediction!r} has numbers outside [0, 1], and {target!r} the classes "
            f"{' and '.join(map(repr, column.categories))}: no loss can be computed from them",
            where="--prediction",
            remedy="Name the column of probabilities, or of predicted classes",
        )
    is_chance = has_chances and (name == "log_loss" or are_words)
    if is_chance:
        rows = _as_served(rows, prediction)
    if name == "log_loss":
        if not has_chances:
            raise SchemaError(
                "the log loss needs a binary target and predictions in [0, 1]; "
                f"{target!r} is {column.kind}, {prediction!r} is {predicted.kind}",
                where="--loss",
                remedy="Name the column of probabilities, or another loss: squared_error",
            )
        rows = _as_events(rows, prediction, column)
    is_named = predicted.kind.is_discrete and not is_numeric(predicted.categories)
    if are_words and not is_named and not says_yes(column.categories):
        rows = _of_fitting_class(rows, prediction, column)
    return _measure(
        rows, chosen if name is None else replace(chosen, name=name), is_chance=is_chance
    )


def _read(windows: tuple[Snapshot, Snapshot], target: str, prediction: str) -> _Rows:
    """Return both columns as numbers."""
    column, predicted = windows[0].schema[target], windows[1].schema[prediction]
    read_truth, read_guess = number_reader(column), number_reader(predicted)
    if read_truth is None or read_guess is None:
        raise SchemaError(
            f"no loss can be computed from {target!r} ({column.kind}) and "
            f"{prediction!r} ({predicted.kind})",
            where="--prediction",
            remedy="Name a prediction of the target's kind, or a probability for a binary target",
        )
    reference, current = windows
    return _Rows(
        (read_truth(reference.column(target)), read_truth(current.column(target))),
        (read_guess(reference.column(prediction)), read_guess(current.column(prediction))),
        read_truth,
        read_guess,
    )


def _as_served(rows: _Rows, prediction: str) -> _Rows:
    """Return rows without predictions that are no chances, told where the current ones are not.

    What is served wrongly is to be diagnosed, not refused.
    """
    read = chances_of(rows.read_guess)
    notes, served = served_chances(prediction, rows.guess[1])
    known = chances_of(lambda values: values)(rows.guess[0])
    return replace(rows, guess=(known, served), read_guess=read, notes=(*rows.notes, *notes))


def _as_events(rows: _Rows, prediction: str, column: Column) -> _Rows:
    """Return rows whose target is 0 or 1, whatever numbers its classes are."""
    reference, current = rows.truth
    truth = (as_event(reference, column.categories), as_event(current, column.categories))
    notes = rows.notes
    if are_only_0_and_1(rows.guess[0]):
        notes = (*notes, hard_predictions(prediction))
    read = event_reader(rows.read_truth, column.categories)
    return replace(rows, truth=truth, read_truth=read, notes=notes)


def _of_fitting_class(rows: _Rows, prediction: str, column: Column) -> _Rows:
    """Return rows whose target is 1 for the class of which the prediction is the chance.

    Neither class says yes: the reference's rows tell which it is.
    """
    y, f = rows.truth[0], rows.guess[0]
    is_other = bool(np.nanmean(log_loss(1 - y, f)) < np.nanmean(log_loss(y, f)))
    last = positive_class(column.categories)
    guessed = column.categories[1 - last if is_other else last]
    text = (
        f"{prediction!r} is taken for the chance of {guessed!r}: of the two classes the "
        "one that it fits in the reference"
    )
    notes = (Note("positive_class", column.name, text), *rows.notes)
    if not is_other:
        return replace(rows, notes=notes)
    truth = (1 - rows.truth[0], 1 - rows.truth[1])
    return replace(rows, truth=truth, read_truth=other_class(rows.read_truth), notes=notes)


def _measure(rows: _Rows, chosen: ChosenLoss, *, is_chance: bool) -> RowMeasure:
    loss = LOSSES[chosen.name] if chosen.of is None else chosen.of
    unrecorded = loss if chosen.own is None else drawn_in(loss, rows.truth, rows.guess)

    def lost(y: FloatArray, f: FloatArray | None) -> FloatArray:
        assert f is not None
        return unrecorded(rows.read_truth(y), rows.read_guess(f))

    def lost_by_number(y: FloatArray, f: FloatArray) -> FloatArray:
        return unrecorded(rows.read_truth(y), f)

    reference, current = map(loss, rows.truth, rows.guess)
    measure = RowMeasure(
        chosen.name,
        reference,
        current,
        is_loss=True,
        of=lost,
        is_chance=is_chance,
        quantile=chosen.quantile,
        is_own=chosen.own is not None,
        notes=rows.notes,
    )
    if chosen.own is None and chosen.name == "zero_one":
        return measure  # classes that are numbers: one between two of them is never right
    return replace(measure, truth=rows.read_truth, guess=rows.read_guess, of_number=lost_by_number)


def _refuse_other_kind(target: Column, prediction: Column) -> None:
    """Raise where words are to predict a number: read as 0 and 1 they would give a wrong loss."""
    if (
        not target.kind.is_discrete
        and prediction.kind.is_discrete
        and not is_numeric(prediction.categories)
    ):
        raise SchemaError(
            f"{prediction.name!r} has the classes {_few(prediction.categories)}, "
            f"and {target.name!r} is {target.kind}: no loss can be computed from them",
            where="--prediction",
            remedy="Name a column of predicted numbers",
        )


def _require_classes(target: str, prediction: str, rows: _Rows, *, is_binary: bool) -> None:
    """Raise where numbers are no classes: the 0-1 loss would be 1 in nearly every row.

    Only in the reference: a prediction that breaks later is a finding, not a mistake.
    """
    y, f = (values[np.isfinite(values)] for values in (rows.truth[0], rows.guess[0]))
    if not f.size or not y.size or np.isin(f, y).mean() >= _MOSTLY_CLASSES:
        return
    instead = "squared_error"
    if is_binary:
        instead = "log_loss, or the column of predicted classes"
    raise SchemaError(
        f"the 0-1 loss needs predicted classes, and most values of {prediction!r} are no value of "
        f"{target!r}: every such row would count as wrong",
        where="--loss",
        remedy=f"Name another loss: {instead}",
    )


def _foreign_classes(
    windows: tuple[Snapshot, Snapshot], target: str, prediction: str
) -> tuple[Note, ...]:
    """Return a note for each window in which no predicted class is a class of the target."""
    classes = windows[0].schema[target].categories
    notes = []
    for side, window in zip(("reference", "current"), windows, strict=True):
        counts = window.summaries[prediction].category_counts
        named = window.schema[prediction].categories
        used = [name for name, count in zip(named, counts, strict=False) if count]
        if used and not set(used) & set(classes):
            text = (
                f"{side}: no predicted class ({_few(used)}) is a class of {target!r} "
                f"({_few(classes)}): every row counts as wrong; write both by the same names"
            )
            notes.append(Note("foreign_classes", prediction, text))
    return tuple(notes)


def _few(names: Sequence[str]) -> str:
    return ", ".join(repr(name) for name in names[:4]) + (" …" if len(names) > 4 else "")
