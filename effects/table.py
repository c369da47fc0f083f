"""A Table: named columns of plain values that travel with a result."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Cell", "Table"]

Cell = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of plain values under named columns.

    Parameters
    ----------
    title : str
        What the rows show, in words.
    columns : tuple of str
    rows : tuple of tuples
        numpy's scalars become Python's, and numbers that are not finite None.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]

    def __post_init__(self) -> None:
        rows = tuple(tuple(_plain(cell) for cell in row) for row in self.rows)
        assert all(len(row) == len(self.columns) for row in rows), self.columns
        object.__setattr__(self, "columns", tuple(self.columns))
        object.__setattr__(self, "rows", rows)

    @classmethod
    def of(cls, title: str, columns: Mapping[str, Iterable[Any]]) -> Table:
        """Build a table from whole columns (lists or arrays), all of one length."""
        return cls(title, tuple(columns), tuple(zip(*columns.values(), strict=True)))

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, column: str) -> tuple[Cell, ...]:
        place = self.columns.index(column)
        return tuple(row[place] for row in self.rows)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "title": self.title,
            "columns": list(self.columns),
            "rows": [list(row) for row in self.rows],
        }

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Table:
        """Read what :meth:`to_dict` writes."""
        rows = tuple(tuple(row) for row in value["rows"])
        return cls(value["title"], tuple(value["columns"]), rows)


def _plain(cell: Any) -> Cell:
    value = cell.item() if hasattr(cell, "item") else cell
    if isinstance(value, float) and not math.isfinite(value):
        return None
    assert value is None or isinstance(value, (str, int, float, bool)), type(value)
    return value
