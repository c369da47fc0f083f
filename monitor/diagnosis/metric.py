"""The measure whose change is explained: the mean loss, or the target's mean."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from whydrift.discovery.arrays import FloatArray
from whydrift.discovery.errors import OptionError, SchemaError, unknown_name
from whydrift.discovery.snapshot.note import Note
from whydrift.discovery.snapshot.schema import Column
from whydrift.discovery.snapshot.snapshot import Snapshot

__all__ = ["LOSSES", "CustomLoss", "RowMeasure", "row_measure"]

_LEAST_CHANCE: Final = 1e-12  # the log loss of less, and of as near to 1, is that of this

# From predictions and targets, as arrays of numbers or of classes' names, to a loss a row.
CustomLoss = Callable[[Any, Any], Any]


def _squared(y: FloatArray, f: FloatArray) -> FloatArray:
    out: FloatArray = (y - f) ** 2
    return out


def _absolute(y: FloatArray, f: FloatArray) -> FloatArray:
    return np.abs(y - f)


def _log_loss(y: FloatArray, f: FloatArray) -> FloatArray:
    chance = np.clip(f, _LEAST_CHANCE, 1 - _LEAST_CHANCE)
    out: FloatArray = -(y * np.log(chance) + (1 - y) * np.log1p(-chance))
    return out


def _zero_one(y: FloatArray, f: FloatArray) -> FloatArray:
    out: FloatArray = (y != f).astype(np.float64)
    out[~(np.isfinite(y) & np.isfinite(f))] = np.nan
    return out


LOSSES: Final[dict[str, Callable[[FloatArray, FloatArray], FloatArray]]] = {
    "squared_error": _squared,
    "absolute_error": _absolute,
    "log_loss": _log_loss,
    "zero_one": _zero_one,
}


def _quantile(level: float) -> Callable[[FloatArray, FloatArray], FloatArray]:
    """Return the pinball loss of a predicted quantile.

    References
    ----------
    Koenker & Bassett (1978), Regression quantiles.
    """

    def pinball(y: FloatArray, f: FloatArray) -> FloatArray:
        return np.maximum(level * (y - f), (level - 1) * (y - f))

    return pinball


def _chosen(
    loss: str | CustomLoss,
) -> tuple[str, Callable[[FloatArray, FloatArray], FloatArray] | None, float | None]:
    """Return a loss's name, its function (None for those of the table), its quantile."""
    if not isinstance(loss, str):
        if not callable(loss):
            raise OptionError(
                f"a {type(loss).__name__} is no loss",
                where="loss",
                remedy="Give a name, or a callable from predictions and targets to losses",
            )
        name = getattr(loss, "__name__", "custom loss")
        return (name if name.isidentifier() else "custom loss"), _custom(loss), None
    if loss == "auto" or loss in LOSSES:
        return loss, None, 0.5 if loss == "absolute_error" else None
    word, _, level = loss.partition(":")
    if word != "quantile":
        raise unknown_name("loss", loss, known=["auto", *LOSSES, "quantile:0.9"], where="--loss")
    try:
        share = float(level)
    except ValueError:
        share = np.nan
    if not 0 < share < 1:
        raise OptionError(
            f"{loss!r} has no level between 0 and 1",
            where="--loss",
            remedy="Name the quantile that is predicted, such as quantile:0.9",
        )
    return loss, _quantile(share), share


def _custom(loss: CustomLoss) -> Callable[[FloatArray, FloatArray], FloatArray]:
    """Return a user's loss, checked, and asked only about rows that have both values."""

    def checked(y: FloatArray, f: FloatArray) -> FloatArray:
        y, f = np.broadcast_arrays(y, f)
        both = np.isfinite(y) & np.isfinite(f)
        try:
            given = np.asarray(loss(f[both], y[both]), dtype=np.float64)
        except Exception as error:
            raise OptionError(
                f"the loss could not be computed ({type(error).__name__}: {error})",
                where="loss",
                remedy="Give a callable from arrays of predictions and targets to losses",
            ) from error
        if given.shape != (int(both.sum()),):
            raise OptionError(
                f"the loss has the shape {given.shape} for {int(both.sum())} rows",
                where="loss",
                remedy="Let it return one loss a row, not their mean",
            )
        if not np.isfinite(given).all():
            raise OptionError(
                f"the loss is not finite for {int((~np.isfinite(given)).sum())} rows",
                where="loss",
                remedy="Clip predictions where it has none, as log losses do",
            )
        out = np.full(y.shape, np.nan)
        out[both] = given
        return out

    return checked


# Of numbers read as classes. A saturated probability is 0 or 1 in some rows, a rounded count may be
# one that the target never took.
_MOSTLY_CLASSES: Final = 0.9
_OVERSHOOT: Final = 1e-6  # of a chance beyond 0 or 1: rounding, of 32 bits at worst
_MOST_OUTSIDE: Final = 0.2  # of the rows: beyond, those inside are chances by chance

# Words for "it happened"; where a binary target uses none of them its classes have no such order.
_YES: Final = frozenset({"true", "t", "yes", "y", "1", "positive", "pos", "on"})


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
    name, own, quantile = _chosen(loss)
    if target is None or not (reference.has(target) and current.has(target)):
        return None
    if not np.isfinite(current.column(target)).any():
        return None
    if prediction is None:
        return _mean(reference, current, target)
    measure = _loss(reference, current, target, prediction, name, own, quantile, loss)
    if measure.notes and not np.isfinite(measure.current).any():  # what is served is no prediction
        return _mean(reference, current, target, measure.notes)
    return measure


def _mean(
    reference: Snapshot, current: Snapshot, target: str, notes: tuple[Note, ...] = ()
) -> RowMeasure | None:
    """Return the target itself as the measure, or None where it is no number."""
    column = reference.schema[target]
    read = _reader(column)
    if read is None:
        return None
    what = f"mean of {target}"
    if column.kind.is_discrete and not _is_numeric(column.categories):
        what = f"share of {target} = {column.categories[_positive(column.categories)]}"
    return RowMeasure(
        what,
        read(reference.column(target)),
        read(current.column(target)),
        is_loss=False,
        of=lambda y, _: read(y),
        notes=notes,
    )


def _loss(
    reference: Snapshot,
    current: Snapshot,
    target: str,
    prediction: str,
    loss: str,
    own: Callable[[FloatArray, FloatArray], FloatArray] | None,
    quantile: float | None,
    given: str | CustomLoss,
) -> RowMeasure:
    column, predicted = reference.schema[target], current.schema[prediction]
    both = (reference, current)
    if loss in {"auto", "zero_one"} and column.kind.is_discrete and predicted.kind.is_discrete:
        # A class that is new was predicted by nobody: such a row is wrong, and counts.
        classes = current.schema[target]

        def differ(y: FloatArray, f: FloatArray | None) -> FloatArray:
            assert f is not None
            return _zero_one(y, _recoded(f, predicted, classes))

        codes = [differ(w.column(target), w.column(prediction)) for w in both]
        foreign = _foreign_classes(both, target, prediction)
        return RowMeasure("zero_one", codes[0], codes[1], is_loss=True, of=differ, notes=foreign)
    if callable(given) and _are_named(column, predicted):
        return _by_name(both, target, prediction, given, loss)
    _refuse_other_kind(column, predicted)
    binary = column.kind.is_discrete and len(column.categories) == 2
    read_target, read_prediction = _reader(column), _reader(predicted)
    if read_target is None or read_prediction is None:
        raise SchemaError(
            f"no loss can be computed from {target!r} ({column.kind}) and "
            f"{prediction!r} ({predicted.kind})",
            where="--prediction",
            remedy="Name a prediction of the target's kind, or a probability for a binary target",
        )
    pairs = [(read_target(w.column(target)), read_prediction(w.column(prediction))) for w in both]
    if loss == "zero_one":
        _require_classes(target, prediction, pairs[0], is_binary=binary)
    notes: tuple[Note, ...] = ()
    if loss == "auto":
        loss = "log_loss" if binary and _are_chances(pairs[0][1]) else "squared_error"
        if binary and loss == "squared_error":
            notes = _no_chances(prediction, target, pairs[0][1])
    were_chances = _are_chances(pairs[0][1])
    by_name = not _is_numeric(column.categories)
    is_chance = binary and were_chances and (loss == "log_loss" or by_name)
    if is_chance:
        # What is served wrongly is to be diagnosed, not refused.
        served_notes, served = _served(prediction, pairs[1][1])
        notes = (*notes, *served_notes)
        pairs = [(pairs[0][0], _in_range(pairs[0][1])), (pairs[1][0], served)]
        read_prediction = _chances_of(read_prediction)
    if not were_chances and binary and by_name:
        raise SchemaError(
            f"{prediction!r} has numbers outside [0, 1], and {target!r} the classes "
            f"{' and '.join(map(repr, column.categories))}: no loss can be computed from them",
            where="--prediction",
            remedy="Name the column of probabilities, or of predicted classes",
        )
    if loss == "log_loss":
        if not binary or not were_chances:
            raise SchemaError(
                "the log loss needs a binary target and predictions in [0, 1]; "
                f"{target!r} is {column.kind}, {prediction!r} is {predicted.kind}",
                where="--loss",
                remedy="Name the column of probabilities, or another loss: squared_error",
            )
        pairs = [(_as_chance(y, column.categories), f) for y, f in pairs]
        read_target = _chance_reader(read_target, column.categories)
        if _are_classes(pairs[0][1]):
            notes = (*notes, _hard_predictions(prediction))
    is_named = predicted.kind.is_discrete and not _is_numeric(predicted.categories)
    is_known = is_named or _says_yes(column.categories)
    if binary and were_chances and by_name and not is_known:
        # The prediction is the chance of one class; the reference's rows tell of which.
        y, f = pairs[0]
        is_other = bool(np.nanmean(_log_loss(1 - y, f)) < np.nanmean(_log_loss(y, f)))
        last = _positive(column.categories)
        guessed = column.categories[1 - last if is_other else last]
        if is_other:
            pairs = [(1 - y, f) for y, f in pairs]
            read_target = _other_class(read_target)
        text = (
            f"{prediction!r} is taken for the chance of {guessed!r}: of the two classes the "
            "one that it fits in the reference"
        )
        notes = (Note("positive_class", target, text), *notes)

    is_own = own is not None and quantile is None
    unrecorded = own or LOSSES[loss]
    if own is not None and is_own:
        unrecorded = _drawn_in(own, pairs)

    def lost(y: FloatArray, f: FloatArray | None) -> FloatArray:
        assert f is not None
        return unrecorded(read_target(y), read_prediction(f))

    def lost_by_number(y: FloatArray, f: FloatArray) -> FloatArray:
        return unrecorded(read_target(y), f)

    values = [(own or LOSSES[loss])(y, f) for y, f in pairs]
    return RowMeasure(
        loss,
        values[0],
        values[1],
        is_loss=True,
        of=lost,
        truth=read_target,
        guess=read_prediction,
        of_number=lost_by_number,
        is_chance=is_chance,
        quantile=quantile,
        is_own=is_own,
        notes=notes,
    )


def _are_named(target: Column, prediction: Column) -> bool:
    """Whether both are classes that are words, and none that says yes or no."""
    return all(
        c.kind.is_discrete and not _is_numeric(c.categories) and not _says_yes(c.categories)
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
    own = _custom(lambda f, y: loss(predicted[f.astype(np.int64)], classes[y.astype(np.int64)]))

    def lost(y: FloatArray, f: FloatArray | None) -> FloatArray:
        assert f is not None
        return own(y, f)

    values = [lost(w.column(target), w.column(prediction)) for w in windows]
    return RowMeasure(name, values[0], values[1], is_loss=True, of=lost, is_own=True)


def _drawn_in(
    own: Callable[[FloatArray, FloatArray], FloatArray],
    pairs: Sequence[tuple[FloatArray, FloatArray]],
) -> Callable[[FloatArray, FloatArray], FloatArray]:
    """Return a user's loss of rows that were never recorded, where it need not have a value.

    Targets are drawn in to the range of those recorded; predictions to the range of recorded
    targets and predictions, but for an end at which the loss is not finite.
    """
    y, f = (np.concatenate(values) for values in zip(*pairs, strict=True))
    both = np.isfinite(y) & np.isfinite(f)
    y, f = y[both], f[both]
    if not y.size:
        return own
    own(y, f)  # raises where it cannot be computed at all

    def end(recorded: float, furthest: float) -> float:
        try:
            with np.errstate(all="ignore"):
                own(y, np.full(y.shape, furthest))
        except OptionError:
            return recorded
        return furthest

    least, most = float(y.min()), float(y.max())
    low = end(float(f.min()), min(least, float(f.min())))
    high = end(float(f.max()), max(most, float(f.max())))
    return lambda y, f: own(np.clip(y, least, most), np.clip(f, low, high))


def _refuse_other_kind(target: Column, prediction: Column) -> None:
    """Raise where words are to predict a number: read as 0 and 1 they would give a wrong loss."""
    if (
        not target.kind.is_discrete
        and prediction.kind.is_discrete
        and not _is_numeric(prediction.categories)
    ):
        raise SchemaError(
            f"{prediction.name!r} has the classes {_few(prediction.categories)}, "
            f"and {target.name!r} is {target.kind}: no loss can be computed from them",
            where="--prediction",
            remedy="Name a column of predicted numbers",
        )


def _require_classes(
    target: str, prediction: str, pair: tuple[FloatArray, FloatArray], *, is_binary: bool
) -> None:
    """Raise where numbers are no classes: the 0-1 loss would be 1 in nearly every row.

    Only in the reference: a prediction that breaks later is a finding, not a mistake.
    """
    y, f = (values[np.isfinite(values)] for values in pair)
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
                f"({_few(classes)}): every row counts as wrong"
            )
            notes.append(Note("foreign_classes", prediction, text))
    return tuple(notes)


def _few(names: Sequence[str]) -> str:
    return ", ".join(repr(name) for name in names[:4]) + (" …" if len(names) > 4 else "")


def _are_chances(values: FloatArray) -> bool:
    present = values[np.isfinite(values)]
    if not present.size:
        return False
    return bool(present.min() >= -_OVERSHOOT and present.max() <= 1 + _OVERSHOOT)


def _is_numeric(categories: tuple[str, ...]) -> bool:
    try:
        [float(c) for c in categories]
    except ValueError:
        return False
    return True


def _says_yes(categories: tuple[str, ...]) -> bool:
    return sum(c.strip().lower() in _YES for c in categories) == 1


def _positive(categories: tuple[str, ...]) -> int:
    """Return which of two classes counts as 1: the one that says yes, else the last by name."""
    if _says_yes(categories):
        return next(i for i, c in enumerate(categories) if c.strip().lower() in _YES)
    return categories.index(max(categories))


def _as_chance(values: FloatArray, categories: tuple[str, ...]) -> FloatArray:
    """Return a binary target as 0 and 1 where its classes are other numbers, such as 1 and 2."""
    if not _is_numeric(categories):
        return values
    low, high = sorted(float(c) for c in categories)
    out: FloatArray = (values - low) / (high - low)
    return out


def _known(codes: FloatArray, column: Column) -> FloatArray:
    """Return codes with those of categories that the column does not know as NaN."""
    return np.where(codes < len(column.categories), codes, np.nan)


def _reader(column: Column) -> Callable[[FloatArray], FloatArray] | None:
    """Return what reads the sample's values as numbers, or None where classes have no number.

    A category has its own number, or is 1 or 0 where there are two.
    """
    if not column.kind.is_discrete:
        return lambda values: values
    if _is_numeric(column.categories):
        table = np.array([float(c) for c in column.categories])
    elif len(column.categories) == 2:
        table = np.zeros(2)
        table[_positive(column.categories)] = 1.0
    else:
        return None

    def read(codes: FloatArray) -> FloatArray:
        codes = _known(codes, column)
        out = np.full(codes.shape, np.nan)
        present = np.isfinite(codes)
        out[present] = table[codes[present].astype(np.int64)]
        return out

    return read


def _in_range(chance: FloatArray) -> FloatArray:
    """Return chances, and nothing where there is none, but for a last digit too many."""
    is_chance = (chance >= -_OVERSHOOT) & (chance <= 1 + _OVERSHOOT)
    return np.where(is_chance, np.clip(chance, 0.0, 1.0), np.nan)


def _chances_of(
    read: Callable[[FloatArray], FloatArray],
) -> Callable[[FloatArray], FloatArray]:
    return lambda values: _in_range(read(values))


def _served(prediction: str, chance: FloatArray) -> tuple[tuple[Note, ...], FloatArray]:
    """Return the current chances, none where many are not, and a warning if some are not."""
    known = np.isfinite(chance)
    kept = _in_range(chance)
    outside = chance[known & ~np.isfinite(kept)]
    if not outside.size:
        return (), kept
    share = outside.size / known.sum()
    few = share <= _MOST_OUTSIDE
    then = "these rows are left out of the log loss" if few else "no log loss is computed"
    text = (
        f"{share:.1%} of the current predictions lie outside [0, 1], such as "
        f"{float(outside[0]):.4g}, and none of the reference's: {then}"
    )
    note = Note("prediction_out_of_range", prediction, text)
    return (note,), kept if few else np.full(len(kept), np.nan)


def _no_chances(prediction: str, target: str, values: FloatArray) -> tuple[Note, ...]:
    outside = values[(values < -_OVERSHOOT) | (values > 1 + _OVERSHOOT)]
    if not outside.size:
        return ()
    text = (
        f"{prediction!r} has values such as {float(outside[0]):.4g} in the reference, which are no "
        f"chances of {target!r}: their squared error is measured, which says little; give chances "
        "(per cent divided by 100, log odds turned back)"
    )
    return (Note("no_chances", prediction, text),)


def _chance_reader(
    read: Callable[[FloatArray], FloatArray], categories: tuple[str, ...]
) -> Callable[[FloatArray], FloatArray]:
    """Return a reader of a binary target as 0 and 1."""
    return lambda codes: _as_chance(read(codes), categories)


def _other_class(
    read: Callable[[FloatArray], FloatArray],
) -> Callable[[FloatArray], FloatArray]:
    """Return a reader of a binary target for which the other class counts as 1."""
    return lambda codes: 1 - read(codes)


def _are_classes(values: FloatArray) -> bool:
    """Whether predictions in [0, 1] are nothing but 0 and 1: classes, no chances."""
    return bool(np.isin(values[np.isfinite(values)], (0.0, 1.0)).all())


def _hard_predictions(prediction: str) -> Note:
    text = (
        f"{prediction!r} is 0 or 1 in every row of the reference: predicted classes, no chances. "
        f"The log loss counts {-np.log(_LEAST_CHANCE):.0f} for each wrong one; name the column of "
        "chances, or the loss zero_one"
    )
    return Note("hard_predictions", prediction, text)


def _recoded(codes: FloatArray, of: Column, to: Column) -> FloatArray:
    """Return codes of one column as codes of another with the same category names."""
    place = {name: float(i) for i, name in enumerate(to.categories)}
    table = np.array([place.get(name, -1.0) for name in of.categories])
    out = np.full(codes.shape, np.nan)
    present = np.isfinite(codes)
    out[present] = table[codes[present].astype(np.int64)]
    return out
