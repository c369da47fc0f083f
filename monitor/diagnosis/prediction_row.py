"""The prediction's own row: it follows from the inputs, unless the model or its serving changed.

A prediction is a function of the inputs, so "same inputs, other predictions" needs no label. Where
the model can be called it is asked; else P(prediction | all inputs) is tested as any mechanism is,
which compares the current predictions with a ridge spline of the inputs. Such an emulator misses
what trees and products of many inputs do; where the inputs moved, its misses move a little, too.
So a change has to exceed the default floor, even where the floor for columns is set to none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from whydrift.discovery.arrays import FloatArray
from whydrift.discovery.errors import OptionError
from whydrift.discovery.snapshot.note import Note
from whydrift.discovery.snapshot.schema import Role
from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.monitor.diagnosis.diagnosis import ColumnResult, ColumnVerdict, Effect, ReasonCode
from whydrift.monitor.diagnosis.judge import JudgedPrediction
from whydrift.monitor.diagnosis.judgement import (
    Floor,
    detectable_effect,
    not_seen,
    sees_enough,
    untested,
)
from whydrift.monitor.diagnosis.mechanism.base import MechanismTestResult
from whydrift.monitor.diagnosis.predictions_alone import without_origin
from whydrift.monitor.diagnosis.read_by_model import share_told
from whydrift.monitor.diagnosis.sides import Sides
from whydrift.monitor.diagnosis.testing import Testing
from whydrift.monitor.diagnosis.words import joined, p_text, sentence

__all__ = ["Asked", "Model", "PredictionRow", "ask_model", "prediction_row", "words_of_model"]

# From columns (numbers as floats with NaN, categories as names with None) to a prediction a row.
Model = Callable[[Mapping[str, Any]], Any]

_SAME = 1e-4  # sd of the prediction: rounding in storage
_REPRODUCED = 0.01  # share of reference rows that the model may get otherwise than recorded
_TOLD = 0.8  # of a prediction's variance: what an emulator leaves of a model of these columns


def words_of_model(*, reads_more: bool) -> str:
    """Return the words for predictions that changed at like inputs.

    Parameters
    ----------
    reads_more : bool
        See `PredictionRow`.
    """
    if reads_more:
        return (
            "Same inputs here, other predictions: the model or its serving changed, or a column "
            "that it reads and that is not here"
        )
    return "Same inputs, other predictions: the model or its serving changed"


@dataclass(frozen=True, slots=True)
class Asked:
    """What the model itself says of the recorded predictions.

    Parameters
    ----------
    answer : str, optional
        Evidence that the current ones are not the model's; empty where they are, None where the
        model was not asked, or is another one than made the reference's.
    notes : tuple of Note
        What else to say.
    """

    answer: str | None = None
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, slots=True)
class PredictionRow:
    """The prediction's verdict, and what else to say.

    Parameters
    ----------
    columns : mapping of str to ColumnResult
        Its row, if any.
    notes : tuple of Note
    reads_more : bool
        Whether it changed while the columns never told well what it says: it may read another one.
    """

    columns: Mapping[str, ColumnResult]
    notes: tuple[Note, ...] = ()
    reads_more: bool = False

    @property
    def changed(self) -> bool:
        """Whether the same inputs get other predictions."""
        return any(row.verdict is ColumnVerdict.MECHANISM for row in self.columns.values())


def prediction_row(
    side: Sides,
    testing: Testing,
    asked: Asked,
    judged: JudgedPrediction | None,
    *,
    prediction: str | None,
    target: str | None,
    has_origin: bool,
    undecided: tuple[str, ...],
    floor: Floor,
    level: float,
    tests: int,
) -> PredictionRow:
    """Return the prediction's row; it never is in the graph nor in the ranking.

    Parameters
    ----------
    side : Sides
        The windows as recorded.
    testing : Testing
        Of these windows.
    asked : Asked
        What the model itself says.
    judged : JudgedPrediction, optional
        The test of P(prediction | inputs), where the model does not say.
    prediction : str, optional
        Its column; no row without one.
    target : str, optional
        Which is no input.
    has_origin : bool
        Whether a change begins at some column.
    undecided : tuple of str
        Columns of which the windows do not tell whether they moved.
    floor : Floor
        What is not worth knowing.
    level : float
        Family-wise level.
    tests : int
        Size of the family.
    """
    if prediction is None or not side.current.has(prediction):
        return PredictionRow({})
    row = _judged(
        side,
        testing,
        asked,
        judged,
        prediction=prediction,
        target=target,
        has_origin=has_origin,
        undecided=undecided,
        floor=floor,
        level=level,
        tests=tests,
    )
    for fault in (f.fault for f in testing.findings if prediction in f.fault.columns):
        broken = replace(
            row.columns[prediction],
            verdict=ColumnVerdict.FAULT,
            basis="full",
            fault=fault.kind,
            reason_code=None,
            reason=sentence(fault.evidence),
        )
        row = replace(row, columns={prediction: broken})
    return row


def _judged(
    side: Sides,
    testing: Testing,
    asked: Asked,
    judged: JudgedPrediction | None,
    *,
    prediction: str,
    target: str | None,
    has_origin: bool,
    undecided: tuple[str, ...],
    floor: Floor,
    level: float,
    tests: int,
) -> PredictionRow:
    """Return whether the prediction moved, and whether it did so given the inputs."""
    kind = side.reference.schema[prediction].kind.value
    marginal = testing.marginal_of(prediction)
    given = None if judged is None else judged.test
    changed = asked.answer or (None if judged is None else _by_emulator(judged, floor))
    row = ColumnResult(ColumnVerdict.STABLE, kind, marginal_p_value=marginal.p_value)
    if judged is not None:
        row = replace(
            row,
            p_value=judged.test.p_value,
            q_value=judged.q_value,
            overlap=judged.test.overlap,
            detectable_effect=detectable_effect(judged.test, level, tests),
        )
    if changed and not asked.answer:
        clocks = [c for c in side.clocks if testing.follows(prediction, c, target)]
        if clocks:
            reason = (
                f"At like inputs the predictions moved, but they may follow {joined(clocks)} "
                "too, which goes on by itself and has other values now: whether the model changed "
                "cannot be told."
            )
            row = replace(
                row, verdict=ColumnVerdict.UNDETERMINED, reason_code=ReasonCode.NO_OVERLAP,
                reason=reason,
            )  # fmt: skip
            note = Note("model_not_compared", prediction, f"{prediction}: {reason}")
            return PredictionRow({prediction: row}, (*asked.notes, note))
    if changed:
        changed += _stands_still(side, prediction)
        names = [n for n in testing.graph.nodes if n != target]
        share = None if asked.answer else share_told(side.reference, prediction, names)
        reads_more = share is not None and share < _TOLD
        if reads_more:
            changed += (
                f"; in the reference the columns here tell {share:.0%} of it: it may read one that "
                "is not here"
            )
        what = words_of_model(reads_more=reads_more)
        row = replace(row, verdict=ColumnVerdict.MECHANISM, reason=f"{what} ({changed}).")
        row = replace(row, effect=_size(given))
        text = f"{what[0].lower()}{what[1:]}: {prediction!r}, {changed}"
        note = Note("model_changed", prediction, text)
        return PredictionRow({prediction: row}, (*asked.notes, note), reads_more)
    slight = "" if judged is None or not judged.is_rejected else _slightly(judged.test)
    if slight:
        row = replace(row, effect=_size(given))
    is_quiet = marginal.p_value is None or marginal.p_value > level / max(1, tests)
    unseen = _unseen(marginal, given, floor, level, tests) if asked.answer is None else None
    if is_quiet and unseen is not None and not slight:
        code, reason = unseen
        row = replace(row, verdict=ColumnVerdict.UNDETERMINED, reason_code=code, reason=reason)
    elif is_quiet and marginal.p_value is None and asked.answer is not None:
        row = replace(row, reason="The model gives for the inputs what was recorded.")
    elif is_quiet or (slight and not has_origin and floor.covers(marginal)):
        reason = slight or "The predictions are distributed as before."
        row = replace(row, reason=reason)
    elif asked.answer is not None:
        reason = "The model gives for the inputs what was recorded; they moved with the inputs."
        row = replace(row, verdict=ColumnVerdict.INHERITED, reason=reason)
    elif has_origin:
        reason = "The predictions moved with the model's inputs."
        if given is None or given.p_value is None:
            reason += " Whether the model changed as well cannot be told."
        elif slight:
            reason += f" {slight}"
        row = replace(row, verdict=ColumnVerdict.INHERITED, reason=reason)
    else:
        told = without_origin(
            given,
            slight,
            [n for n in undecided if n not in {prediction, target}],
            floor=floor,
            level=level,
            tests=tests,
        )
        row = replace(row, verdict=told.verdict, reason_code=told.reason_code, reason=told.reason)
    return PredictionRow({prediction: row}, asked.notes)


def _unseen(
    marginal: MechanismTestResult,
    given: MechanismTestResult | None,
    floor: Floor,
    level: float,
    tests: int,
) -> tuple[ReasonCode, str] | None:
    """Return why predictions that moved, or another model, would have gone unseen, or None."""
    if sees_enough(given, floor, level, tests):
        return None
    if sees_enough(marginal, floor, level, tests) is False:
        seen = not_seen(marginal, detectable_effect(marginal, level, tests))
        return ReasonCode.LOW_POWER, f"Nothing was found, but {seen}."
    return untested(marginal)


def _stands_still(side: Sides, prediction: str) -> str:
    """Return the words that the prediction is the same in every row, where it was not before."""
    if side.reference.is_constant(prediction) or not side.current.is_constant(prediction):
        return ""
    column = side.current.schema[prediction]
    value = float(np.nanmax(side.current.column(prediction)))
    shown = repr(column.categories[int(value)]) if column.kind.is_discrete else f"{value:.6g}"
    return f"; it is {shown} in every row"


def _by_emulator(judged: JudgedPrediction, floor: Floor) -> str:
    """Return the evidence that P(prediction | inputs) moved, or nothing."""
    least = Floor(max(floor.sd, Floor().sd), max(floor.probability, Floor().probability))
    if not judged.is_rejected or least.covers(judged.test):
        return ""
    assert judged.test.p_value is not None
    return f"compared at like inputs; {p_text(judged.test.p_value)}"


def _slightly(given: MechanismTestResult) -> str:
    """Return the sentence of predictions that moved for certain, and not so far that it matters."""
    assert given.p_value is not None
    return (
        "At like inputs the predictions moved by less than is worth knowing "
        f"({p_text(given.p_value)})."
    )


def _size(given: MechanismTestResult | None) -> Effect | None:
    """Return how far predictions that are numbers moved at like inputs."""
    if given is None or given.components[0].unit != "sd":
        return None
    top = given.components[0]
    low, high = top.value - 1.96 * top.error, top.value + 1.96 * top.error
    return Effect(top.value, low, high, top.unit)


def ask_model(
    side: Sides, prediction: str | None, target: str | None, model: Model | None
) -> Asked:
    """Ask the model itself, where there is one, whether it made the current predictions.

    Parameters
    ----------
    side : Sides
        The windows as recorded.
    prediction, target : str, optional
        Columns.
    model : callable, optional
        From a mapping of column names to arrays to one prediction a row.

    Raises
    ------
    OptionError
        If the model does not give one number (or class) a row, or cannot be run.
    """
    if model is None or prediction is None or not side.current.has(prediction):
        return Asked()
    shares = [
        _differ(w, side.reference, prediction, target, model)
        for w in (side.reference, side.current)
    ]
    if shares[0] > _REPRODUCED:
        text = (
            f"the model gives other predictions than recorded for {100 * shares[0]:.0f} % of the "
            "reference's rows: it is not the one that made them, and is left aside; give that one, "
            "with the inputs as it read them"
        )
        return Asked(None, (Note("model_differs", prediction, text),))
    if shares[1] <= max(2 * shares[0], _REPRODUCED):
        return Asked("")
    share = 100 * shares[1]
    return Asked(f"the model itself gives others for {share:.0f} % of the current rows")


def _differ(
    window: Snapshot, reference: Snapshot, prediction: str, target: str | None, model: Model
) -> float:
    """Return the share of rows for which the model does not give the recorded prediction."""
    aside = {prediction, target}
    inputs = {
        n: _readable(window, n)
        for n in window.sampled
        if n not in aside and window.schema[n].role in {Role.FEATURE, Role.SEGMENT}
    }
    recorded = _readable(window, prediction)
    try:
        given = np.asarray(model(inputs))
    except Exception as error:
        raise OptionError(
            f"the model could not be run ({type(error).__name__}: {error})",
            where="model",
            remedy="Give a callable from a mapping of column names to arrays to predictions",
        ) from error
    if given.shape != recorded.shape:
        raise OptionError(
            f"the model gave an array of shape {given.shape} for {len(recorded)} rows",
            where="model",
            remedy="Let it return one prediction a row",
        )
    if window.schema[prediction].kind.is_discrete:
        present = np.array([v is not None for v in recorded])
        if not present.any():
            return 0.0
        return float(np.mean(given[present].astype(str) != recorded[present].astype(str)))
    try:
        numbers: FloatArray = given.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise OptionError(
            f"the model gave {given.dtype} for the numbers of {prediction!r}",
            where="model",
            remedy="Let it return numbers",
        ) from error
    present = np.isfinite(recorded)
    if not present.any():
        return 0.0
    gap = np.abs(numbers[present] - recorded[present])
    sd = float(np.nanstd(reference.column(prediction)))
    return float(np.mean(~(gap <= _SAME * sd + 1e-9 * np.abs(recorded[present]))))


def _readable(window: Snapshot, name: str) -> Any:
    """Return a sampled column as a model reads it: numbers, or names of categories."""
    values, column = window.column(name), window.schema[name]
    if not column.kind.is_discrete:
        return values
    names = np.array([*column.categories, None], dtype=object)
    code = np.where(np.isfinite(values), values, -1).astype(np.int64)
    return names[np.where((code < 0) | (code >= len(column.categories)), -1, code)]
