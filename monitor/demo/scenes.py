"""The four windows of the demonstration: real rows, changed only where a scene says so."""

from __future__ import annotations

import io
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING

import numpy as np

from whydrift.discovery.arrays import FloatArray, IntArray
from whydrift.discovery.knowledge import Knowledge

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["PREDICTION", "TARGET", "Scene", "Stage", "build_stage"]

TARGET = "quality"
PREDICTION = "predicted_quality"
_TRAINING, _REFERENCE = 1_200, 1_700  # the rest are the current windows' rows
_SEED = 7


@dataclass(frozen=True)
class Scene:
    """One current window.

    Parameters
    ----------
    name : str
        Short, for file names.
    title, story, truth : str
        What it is called, what happened as the people concerned would tell it, and what was really
        done to the rows.
    window : pyarrow.Table
        The rows.
    """

    name: str
    title: str
    story: str
    truth: str
    window: pa.Table


@dataclass(frozen=True)
class Stage:
    """The reference window, what is known about causes, and the scenes."""

    reference: pa.Table
    knowledge: Knowledge
    scenes: tuple[Scene, ...]


def build_stage() -> Stage:
    """Build the windows from the wines that ship with the package.

    A linear model is trained on wines that are in no window; every window holds its predictions
    from the features as recorded there, as a live model's would be.
    """
    wines = _wines()
    order = np.random.default_rng(_SEED).permutation(wines.num_rows)
    training = wines.take(order[:_TRAINING])
    model = _LinearModel(training)
    reference = wines.take(order[_TRAINING : _TRAINING + _REFERENCE])
    later = wines.take(order[_TRAINING + _REFERENCE :])
    features = tuple(n for n in wines.column_names if n != TARGET)
    knowledge = Knowledge(tiers=(features, (TARGET,)))
    scenes = (
        Scene(
            "quiet",
            "An ordinary day",
            "New wines of the same kind arrive.",
            "Nothing was changed: other rows of the same table.",
            later,
        ),
        Scene(
            "sweeter",
            "A sweeter order",
            "The buyers now order sweeter wines.",
            "Real rows, no value changed: rows were drawn with a chance that rises with "
            "residual_sugar. All else that moves follows from it.",
            later.take(_tilted(later, "residual_sugar", 1_000)),
        ),
        Scene(
            "new_jury",
            "A new jury",
            "A new jury likes strong wines less; nobody told the data team.",
            "Injected: quality was lowered by 0.45 points per % vol of alcohol above 10.5 "
            "(raised below) and rounded. The wines themselves are untouched.",
            _new_jury(later),
        ),
        Scene(
            "lab_export",
            "A new laboratory export",
            "The laboratory's new export writes sugar in g per 100 ml.",
            "Injected: residual_sugar was divided by 10. The wines and the jury are the same.",
            _replaced(later, "residual_sugar", _column(later, "residual_sugar") / 10),
        ),
    )
    return Stage(
        model.added_to(reference),
        knowledge,
        tuple(Scene(s.name, s.title, s.story, s.truth, model.added_to(s.window)) for s in scenes),
    )


def _wines() -> pa.Table:
    import pyarrow.parquet as pq

    data = files("whydrift.monitor.demo").joinpath("data/white_wine.parquet").read_bytes()
    return pq.read_table(io.BytesIO(data))


def _column(table: pa.Table, name: str) -> FloatArray:
    return np.asarray(table.column(name).to_numpy(), dtype=np.float64)


def _replaced(table: pa.Table, name: str, values: FloatArray | IntArray) -> pa.Table:
    import pyarrow as pa

    return table.set_column(table.column_names.index(name), name, pa.array(values))


def _tilted(table: pa.Table, name: str, rows: int) -> IntArray:
    values = _column(table, name)
    weight = values**1.1
    rng = np.random.default_rng(_SEED)
    return rng.choice(table.num_rows, rows, replace=False, p=weight / weight.sum())


def _new_jury(table: pa.Table) -> pa.Table:
    score = _column(table, TARGET) - 0.45 * (_column(table, "alcohol") - 10.5)
    return _replaced(table, TARGET, np.clip(np.round(score), 3, 9).astype(np.int64))


class _LinearModel:
    """Least squares of quality on all measurements: the model that is being watched."""

    def __init__(self, training: pa.Table) -> None:
        self.features = tuple(n for n in training.column_names if n != TARGET)
        self.slopes = np.linalg.lstsq(
            self._design(training), _column(training, TARGET), rcond=None
        )[0]

    def _design(self, table: pa.Table) -> FloatArray:
        columns = [np.ones(table.num_rows), *(_column(table, n) for n in self.features)]
        return np.column_stack(columns)

    def added_to(self, table: pa.Table) -> pa.Table:
        """Return the table with a column of predictions."""
        import pyarrow as pa

        predicted = np.round(self._design(table) @ self.slopes, 3)
        return table.append_column(PREDICTION, pa.array(predicted))
