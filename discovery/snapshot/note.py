"""A Note: something about the data that a reader of the result should know."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["Note"]


@dataclass(frozen=True, slots=True)
class Note:
    """A warning that travels with a result.

    Parameters
    ----------
    code : str
        A fixed word for programs, such as ``constant_column``.
    column : str, optional
        The column concerned.
    text : str
        One sentence for people.
    """

    code: str
    column: str | None
    text: str

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {"code": self.code, "column": self.column, "text": self.text}
