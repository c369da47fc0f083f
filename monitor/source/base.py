"""What every source of windows gives: its columns, and rows of a window as Arrow batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Part", "Rows", "Source"]


@dataclass(frozen=True)
class Rows:
    """Which rows and columns of a source are wanted.

    Parameters
    ----------
    columns : tuple of str, optional
        All by default.
    time_column : str, optional
        Needed where ``start`` or ``end`` is given.
    start, end : datetime, optional
        Rows with ``start <= time < end``; both know their time zone.
    """

    columns: tuple[str, ...] | None = None
    time_column: str | None = None
    start: datetime | None = None
    end: datetime | None = None


class Part(Protocol):
    """A share of the rows, read on its own: a value that can be sent to another process.

    It holds what is needed to open the rows (a path, an address), never a connection or a file.
    """

    @property
    def where(self) -> str:
        """Names it in messages, without passwords."""

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Read the rows, each batch of at most 65,536.

        Raises
        ------
        SourceError
            If they cannot be read: at once where trying again would not help.
        """


class Source(Protocol):
    """Where windows come from."""

    @property
    def where(self) -> str:
        """Names it in messages, without passwords."""

    def schema(self) -> pa.Schema:
        """Return names and types of the columns, without reading rows."""

    def parts(self, rows: Rows) -> Sequence[Part]:
        """Return the parts of the rows that are wanted, each row in one of them, in their order.

        Raises
        ------
        SourceError
            If there is no such column, or the source cannot be reached.
        """
