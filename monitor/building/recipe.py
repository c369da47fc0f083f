"""How a share of the rows becomes a Snapshot, or one of each segment, and how these travel."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Generic, TypeVar

from whydrift.discovery.snapshot.merge import merge
from whydrift.discovery.snapshot.note import Note
from whydrift.discovery.snapshot.schema import Schema
from whydrift.discovery.snapshot.segment_counts import SegmentCounts
from whydrift.discovery.snapshot.segments import (
    SegmentChoice,
    SegmentedSnapshots,
    merge_segments,
    read_segments,
)
from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.discovery.snapshot.stream import read_stream
from whydrift.monitor.building.cluster import Packed, Recipe, Told
from whydrift.monitor.building.share import Share
from whydrift.monitor.source.retry import StartAgain

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["OfSegments", "OfWhole", "PackedShare", "read_share"]

W = TypeVar("W")


@dataclass(frozen=True)
class OfWhole:
    """One Snapshot of all rows.

    Parameters
    ----------
    schema : Schema
        The same for all shares.
    run : int
        Stands for the window in the order of the rows.
    sample_rows, random_state
        As in :meth:`Snapshot.from_batches`.
    """

    schema: Schema
    run: int
    sample_rows: int | None = None
    random_state: int = 0

    def read(self, share: Share, seen: Told | None = None) -> Snapshot | None:
        """Summarise a share; None where it has no rows."""
        notes: list[Note] = []

        def read(tables: Iterator[pa.Table]) -> Snapshot:
            return read_stream(
                tables, schema=self.schema, kinds={}, roles={}, sample_rows=self.sample_rows,
                salt=self.random_state, where=share.where, run=self.run, first=share.first,
            )  # fmt: skip

        window = read_share(share, read, seen, notes)
        return None if window is None else _with_notes(window, notes)

    def rows(self, window: Snapshot) -> int:
        """Return the rows of a window."""
        return window.rows

    def join(self, windows: Sequence[Snapshot]) -> Snapshot:
        """Return one window of the rows of all."""
        return merge(windows)

    def pack(self, window: Snapshot) -> Packed:
        """Return a window as it travels."""
        return {"rows": window.rows, "whole": window.to_bytes()}

    def unpack(self, packed: Packed) -> Snapshot:
        """Read what :meth:`pack` gives."""
        return Snapshot.from_bytes(packed["whole"])


@dataclass(frozen=True)
class OfSegments:
    """A Snapshot of each segment and of the rest.

    Parameters
    ----------
    schema : Schema
        The same for all shares.
    choice : SegmentChoice
        Chosen on the reference.
    run : int
        Stands for the window in the order of the rows.
    sample_rows, random_state
        As in :meth:`Snapshot.from_batches`.
    """

    schema: Schema
    choice: SegmentChoice
    run: int
    sample_rows: int | None = None
    random_state: int = 0

    def read(self, share: Share, seen: Told | None = None) -> SegmentedSnapshots | None:
        """Summarise a share; None where it has no rows."""
        notes: list[Note] = []

        def read(tables: Iterator[pa.Table]) -> SegmentedSnapshots:
            return read_segments(
                tables, self.choice, schema=self.schema, sample_rows=self.sample_rows,
                random_state=self.random_state, where=share.where, run=self.run,
                first=share.first,
            )  # fmt: skip

        window = read_share(share, read, seen, notes)
        if window is None:
            return None
        parts = {key: _with_notes(part, notes) for key, part in window.parts.items()}
        return replace(window, parts=parts)

    def rows(self, window: SegmentedSnapshots) -> int:
        """Return the rows of a window."""
        return sum(part.rows for part in window.parts.values())

    def join(self, windows: Sequence[SegmentedSnapshots]) -> SegmentedSnapshots:
        """Return the segments of the rows of all."""
        return merge_segments(windows)

    def pack(self, window: SegmentedSnapshots) -> Packed:
        """Return a window as it travels."""
        return {
            "rows": self.rows(window),
            "parts": {key: part.to_bytes() for key, part in window.parts.items()},
            "outside": dict(window.outside.rows),
            "error": window.outside.error,
        }

    def unpack(self, packed: Packed) -> SegmentedSnapshots:
        """Read what :meth:`pack` gives."""
        return SegmentedSnapshots(
            self.choice,
            self.schema,
            {key: Snapshot.from_bytes(stored) for key, stored in packed["parts"].items()},
            SegmentCounts(packed["outside"], packed["error"]),
        )


@dataclass(frozen=True)
class PackedShare(Generic[W]):
    """Reads a share into what travels."""

    recipe: Recipe[W]

    def __call__(self, share: Share) -> Packed:
        """Return the window of a share, packed."""
        window = self.recipe.read(share)
        return {"rows": 0} if window is None else self.recipe.pack(window)


def read_share(
    share: Share,
    read: Callable[[Iterator[pa.Table]], W],
    seen: Told | None = None,
    notes: list[Note] | None = None,
) -> W | None:
    """Return what ``read`` makes of the rows of a share; None where it has none.

    Parameters
    ----------
    share : Share
    read : callable
        Takes the tables; called again, from the first on, where they broke off and do not come in
        the same order twice.
    seen : callable, optional
        Told how many rows each table had, once it was read.
    notes : list of Note, optional
        Takes what had to be mended.
    """
    told: list[Note] = []

    def once() -> W | None:
        tables = _Filled(share.tables(told.append), seen)
        return None if tables.is_empty else read(iter(tables))

    # Of what broke off and comes in another order the next time, nothing is kept.
    window = share.retry.call(once, of=StartAgain)
    if notes is not None:
        notes += dict.fromkeys(told)
    return window


def _with_notes(window: Snapshot, notes: list[Note]) -> Snapshot:
    return replace(window, notes=tuple(dict.fromkeys((*notes, *window.notes))))


@dataclass
class _Filled:
    """Tables, of which the first is looked at; tells after each how many rows it had."""

    tables: Iterator[pa.Table]
    seen: Told | None
    _first: pa.Table | None = field(init=False)

    def __post_init__(self) -> None:
        self._first = next(self.tables, None)

    @property
    def is_empty(self) -> bool:
        return self._first is None

    def __iter__(self) -> Iterator[pa.Table]:
        table = self._first
        while table is not None:
            yield table
            if self.seen is not None:
                self.seen(table.num_rows)
            table = next(self.tables, None)
