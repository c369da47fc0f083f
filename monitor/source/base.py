"""What every source of windows gives: its columns, and rows of a window as Arrow batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final, Protocol

from whydrift.discovery.snapshot.note import Note

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["BATCH_ROWS", "Part", "Rows", "Source", "Tell", "rows_at_once", "untold"]

BATCH_ROWS: Final = 65_536  # most rows of a batch

_BATCH_CELLS: Final = 1 << 23


def rows_at_once(columns: int) -> int:
    """Return the most rows that are held at once: of many columns fewer."""
    return min(BATCH_ROWS, max(1, _BATCH_CELLS // max(1, columns)))


# Called with what had to be mended while reading.
Tell = Callable[[Note], None]


def untold(note: Note) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class Rows:
    """Which rows and columns of a source are wanted.

    Parameters
    ----------
    columns : tuple of str, optional
        All by default.
    time_column : str, optional
        Needed where ``start`` or ``end`` is given. It comes as timestamps (UTC), however it is
        stored.
    start, end : datetime, optional
        Rows with ``start <= time < end``; both know their time zone. Rows without a time are in
        no window.
    """

    columns: tuple[str, ...] | None = None
    time_column: str | None = None
    start: datetime | None = None
    end: datetime | None = None

    def __post_init__(self) -> None:
        """Check what a caller of ours must have got right."""
        for bound in (self.start, self.end):
            assert bound is None or bound.tzinfo is not None, bound


class Part(Protocol):
    """A share of the rows, read on its own: a value that can be sent to another process.

    It holds what is needed to open the rows (a path, an address), never a connection or a file.
    """

    @property
    def where(self) -> str:
        """Names it in messages, without passwords."""

    @property
    def rows(self) -> int | None:
        """Most rows it may have, where that is known without reading them."""

    @property
    def repeats(self) -> bool:
        """Whether reading it again gives the same rows in the same order."""

    def batches(self, tell: Tell = untold) -> Iterator[pa.RecordBatch]:
        """Read the rows, each batch of at most 65,536.

        Parameters
        ----------
        tell : callable
            Takes what had to be mended.

        Raises
        ------
        SourceError
            If they cannot be read: ``Interrupted`` where trying again may help.
        """


class Source(Protocol):
    """Where windows come from."""

    @property
    def where(self) -> str:
        """Names it in messages, without passwords."""

    @property
    def time_column(self) -> str | None:
        """By which rows belong to windows, where its settings say so."""

    def schema(self) -> pa.Schema:
        """Return names and types of the columns, without reading more than the first rows."""

    def parts(self, rows: Rows, tell: Tell = untold) -> Sequence[Part]:
        """Return the parts of the rows that are wanted, each row in one of them, in their order.

        Parameters
        ----------
        rows : Rows
            Which are wanted.
        tell : callable
            Takes what had to be mended.

        Raises
        ------
        SourceError
            If there is no such column, or the source cannot be reached.
        """
