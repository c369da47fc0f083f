"""The treatment: what was done to each row, in numbers, and what is compared with what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from whydrift.discovery.arrays import FloatArray, IntArray, read_only
from whydrift.discovery.errors import SchemaError, nearest
from whydrift.effects.columns import codes, is_category, numbers
from whydrift.effects.treatment_kind import TreatmentKind

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Treatment", "read_treatment"]

_MOST_ARMS = 50


@dataclass(frozen=True)
class Treatment:
    """What was done to each row.

    Parameters
    ----------
    name : str
    kind : TreatmentKind
    values : ndarray of shape (n_rows,)
        0 for control and 1 for treated; a number; or the code of an arm, 0 for control.
    levels : tuple of str
        The arms as the data write them, control first; empty for numbers.
    """

    name: str
    kind: TreatmentKind
    values: FloatArray
    levels: tuple[str, ...] = ()

    @property
    def contrast(self) -> str:
        """What is compared, in words: ``treat = 1 against 0``."""
        if self.kind is TreatmentKind.CONTINUOUS:
            return f"one unit more of {self.name}"
        return f"{self.name} = {self.levels[1]} against {self.levels[0]}"

    @property
    def codes(self) -> IntArray:
        """The arm of each row, 0 for control (not for numbers)."""
        return self.values.astype(np.int64)

    @property
    def is_treated(self) -> IntArray:
        """Whether each row is treated, 0 or 1: of a binary treatment."""
        assert self.kind is TreatmentKind.BINARY, self.kind
        return self.codes


def read_treatment(
    table: pa.Table, name: str, *, control: str | None = None, arm: str | None = None
) -> Treatment:
    """Read the treatment of every row.

    Two different values are two arms: of numbers and truth values the smaller is control, of words
    the first in their order (that of a category type, else alphabetical), unless ``control`` says
    otherwise. More than two are arms where they are words, and amounts where they are numbers.

    Parameters
    ----------
    table : pyarrow.Table
        Without missing values in this column; where ``arm`` is given, with these two arms alone.
    name : str
    control, arm : str, optional
        The level that is control, and the one compared with it, as the data write them.

    Raises
    ------
    SchemaError
        If the treatment is constant, or a level is not there.
    """
    is_number = not is_category(table, name)
    if is_number and control is None and arm is None:
        values = numbers(table, name, "treatment")
        if len(np.unique(values)) > 2:
            return Treatment(name, TreatmentKind.CONTINUOUS, read_only(values))
    found, levels = codes(table, name)
    if len(levels) < 2:
        only = f" ({levels[0]})" if levels else ""
        raise SchemaError(
            f"treatment {name!r} has one value{only} in all {table.num_rows:,} usable rows",
            where="treatment",
            remedy="Without rows that were treated otherwise there is nothing to compare with",
        )
    for word in (control, arm):
        if word is not None and word not in levels:
            raise SchemaError(
                f"treatment {name!r} has no value {word!r}",
                where="control, arm",
                remedy=f"Did you mean {nearest(word, levels)!r}?"
                if nearest(word, levels)
                else f"It has: {', '.join(levels[:20])}",
            )
    if len(levels) > _MOST_ARMS:
        raise SchemaError(
            f"treatment {name!r} has {len(levels)} different values, too many to be arms",
            where="treatment",
            remedy="Give numbers, or join arms that are alike",
        )
    first = control if control is not None else next(level for level in levels if level != arm)
    second = arm if arm is not None else next(level for level in levels if level != first)
    if first == second:
        raise SchemaError(
            f"{first!r} is named as control and as the arm compared with it",
            where="control, arm",
            remedy="Name two different values",
        )
    order = [first, second, *(level for level in levels if level not in {first, second})]
    place = np.array([order.index(level) for level in levels])
    kind = TreatmentKind.BINARY if len(levels) == 2 else TreatmentKind.CATEGORIES
    return Treatment(name, kind, read_only(place[found].astype(np.float64)), tuple(order))
