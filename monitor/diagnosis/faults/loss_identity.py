"""A recorded loss as the loss that it is of the recorded prediction and target."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from whydrift.discovery.arrays import BoolArray, FloatArray
from whydrift.discovery.errors import WhydriftError
from whydrift.discovery.snapshot.schema import Role
from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.monitor.diagnosis.losses import LOSSES
from whydrift.monitor.diagnosis.metric import row_measure
from whydrift.monitor.diagnosis.words import measure_words

__all__ = ["LossIdentity", "as_numbers", "loss_identity"]

_ROUNDING = 1e-5  # of a loss, and of its usual size: stored in single precision
_HELD = 0.99  # share of reference rows in which an identity has to hold to be one
_LEAST_ROWS = 20


@dataclass(frozen=True)
class LossIdentity:
    """One column is the loss of two others; see `Identity`.

    Parameters
    ----------
    result, prediction, target : str
        Columns.
    loss : str
        A name that `row_measure` knows.
    reference : Snapshot
        Gives the target its classes.
    """

    result: str
    prediction: str
    target: str
    loss: str
    reference: Snapshot

    @property
    def names(self) -> tuple[str, ...]:
        """Columns that take part, the result first."""
        return (self.result, self.prediction, self.target)

    def solved(self, window: Snapshot, name: str) -> FloatArray | None:
        """Return what the loss would be, as the sample holds it; None for the other columns."""
        computed = self._computed(window) if name == self.result else None
        return None if computed is None else _stored(window, name, computed)

    def broken(self, window: Snapshot) -> BoolArray:
        """Return the rows in which it does not hold; shape (n_sampled,)."""
        recorded, computed = as_numbers(window, self.result), self._computed(window)
        if recorded is None or computed is None:
            return np.zeros(len(window.sample), dtype=bool)
        return _is_off(recorded, computed)

    def holds(self) -> bool:
        """Whether it does, in the reference."""
        recorded, computed = as_numbers(self.reference, self.result), self._computed(self.reference)
        if recorded is None or computed is None:
            return False
        both = np.isfinite(recorded) & np.isfinite(computed)
        off = _is_off(recorded, computed)
        return bool(both.sum() >= _LEAST_ROWS and off[both].mean() <= 1 - _HELD)

    def _computed(self, window: Snapshot) -> FloatArray | None:
        try:
            measure = row_measure(
                self.reference,
                window,
                target=self.target,
                prediction=self.prediction,
                loss=self.loss,
            )
        except WhydriftError:  # this loss has no meaning for such columns
            return None
        return None if measure is None else measure.current

    def __str__(self) -> str:
        kind = measure_words(self.loss)
        return f"{self.result} = {kind} of {self.prediction} and {self.target}"


def loss_identity(reference: Snapshot) -> LossIdentity | None:
    """Return loss = L(prediction, target) for the L that holds in the reference, if any does."""
    loss, prediction, target = (
        reference.schema.with_role(role) for role in (Role.LOSS, Role.PREDICTION, Role.TARGET)
    )
    if loss is None or prediction is None or target is None:
        return None
    if not all(reference.has(n) for n in (loss, prediction, target)):
        return None
    recorded = as_numbers(reference, loss)
    if recorded is None:
        return None
    # Of classes written as 0 and 1 the squared error is the 0-1 loss: it is called the latter.
    names = sorted(LOSSES, key=lambda n: n != "zero_one")
    for name in (*names, *_quantile(reference, target, prediction, recorded)):
        identity = LossIdentity(loss, prediction, target, name, reference)
        if identity.holds():
            return identity
    return None


def _quantile(
    reference: Snapshot, target: str, prediction: str, loss: FloatArray
) -> tuple[str, ...]:
    """Return the quantile loss that fits rows above their prediction, if any does."""
    if any(reference.schema[n].kind.is_discrete for n in (target, prediction)):
        return ()
    above = reference.column(target) - reference.column(prediction)
    used = np.isfinite(loss) & (above > 0)
    if used.sum() < _LEAST_ROWS:
        return ()
    level = round(float(np.median(loss[used] / above[used])), 6)
    return (f"quantile:{level:g}",) if 0 < level < 1 else ()


def _is_off(recorded: FloatArray, computed: FloatArray) -> BoolArray:
    """Return the rows that have both, and in which they differ."""
    both = np.isfinite(recorded) & np.isfinite(computed)
    size = np.abs(computed)
    usual = float(np.median(size[both])) if both.any() else 0.0
    with np.errstate(invalid="ignore"):
        return np.asarray(both & (np.abs(recorded - computed) > _ROUNDING * (size + usual)))


def as_numbers(window: Snapshot, name: str) -> FloatArray | None:
    """Return a column as numbers, also one that was read as classes named 0 and 1."""
    values, column = window.column(name), window.schema[name]
    if not column.kind.is_discrete:
        return values
    try:
        table = np.array([float(c) for c in column.categories])
    except ValueError:
        return None
    known = np.isfinite(values) & (values < len(table))
    out = np.full(values.shape, np.nan)
    out[known] = table[values[known].astype(np.int64)]
    return out


def _stored(window: Snapshot, name: str, numbers: FloatArray) -> FloatArray:
    """Return numbers as the window's sample holds the column: as they are, or as codes."""
    column = window.schema[name]
    if not column.kind.is_discrete:
        return numbers
    code = {float(c): float(i) for i, c in enumerate(column.categories)}
    return np.array([code.get(v, np.nan) for v in numbers.tolist()])
