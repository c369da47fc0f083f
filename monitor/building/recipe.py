"""How a part becomes a Snapshot, or one of each segment, and how these travel."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from whydrift.discovery.errors import WhydriftError
from whydrift.discovery.snapshot.schema import Schema
from whydrift.discovery.snapshot.segment_counts import SegmentCounts
from whydrift.discovery.snapshot.segments import (
    SegmentChoice,
    SegmentedSnapshots,
    read_segments,
)
from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.monitor.building.cluster import Packed, Recipe, Told
from whydrift.monitor.source.base import Part

__all__ = ["OfSegments", "OfWhole", "PackedPart", "named_part"]

W = TypeVar("W")


@dataclass(frozen=True)
class OfWhole:
    """One Snapshot of all rows.

    Parameters
    ----------
    schema : Schema
        The same for all parts.
    sample_rows, random_state
        As in :meth:`Snapshot.from_batches`.
    """

    schema: Schema
    sample_rows: int | None = None
    random_state: int = 0

    def read(self, part: Part, seen: Told | None = None) -> Snapshot | None:
        """Summarise a part; None where it has no rows."""
        with named_part(part):
            batches = _Filled(part, seen)
            if batches.is_empty:
                return None
            return Snapshot.from_batches(
                batches,
                schema=self.schema,
                sample_rows=self.sample_rows,
                random_state=self.random_state,
                where=part.where,
            )

    def rows(self, window: Snapshot) -> int:
        """Return the rows of a window."""
        return window.rows

    def join(self, one: Snapshot, other: Snapshot) -> Snapshot:
        """Return one window of the rows of both."""
        return one.merge(other)

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
        The same for all parts.
    choice : SegmentChoice
        Chosen on the reference.
    sample_rows, random_state
        As in :meth:`Snapshot.from_batches`.
    """

    schema: Schema
    choice: SegmentChoice
    sample_rows: int | None = None
    random_state: int = 0

    def read(self, part: Part, seen: Told | None = None) -> SegmentedSnapshots | None:
        """Summarise a part; None where it has no rows."""
        with named_part(part):
            batches = _Filled(part, seen)
            if batches.is_empty:
                return None
            return read_segments(
                batches,
                self.choice,
                schema=self.schema,
                sample_rows=self.sample_rows,
                random_state=self.random_state,
                where=part.where,
            )

    def rows(self, window: SegmentedSnapshots) -> int:
        """Return the rows of a window."""
        return sum(part.rows for part in window.parts.values())

    def join(self, one: SegmentedSnapshots, other: SegmentedSnapshots) -> SegmentedSnapshots:
        """Return the segments of the rows of both."""
        return one.merge(other)

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
class PackedPart(Generic[W]):
    """Reads a part into what travels."""

    recipe: Recipe[W]

    def __call__(self, part: Part) -> Packed:
        """Return the window of a part, packed."""
        window = self.recipe.read(part)
        return {"rows": 0} if window is None else self.recipe.pack(window)


@contextmanager
def named_part(part: Part) -> Iterator[None]:
    """Say which part a bug was met in; errors of ours name it themselves."""
    try:
        yield
    except WhydriftError:
        raise
    except Exception as error:
        error.add_note(f"while reading {part.where}")
        raise


@dataclass
class _Filled:
    """The batches of a part that have rows; tells after each how many."""

    part: Part
    seen: Told | None
    _first: Any = field(init=False)
    _others: Iterator[Any] = field(init=False)

    def __post_init__(self) -> None:
        self._others = (batch for batch in self.part.batches() if batch.num_rows)
        self._first = next(self._others, None)

    @property
    def is_empty(self) -> bool:
        return self._first is None

    def __iter__(self) -> Iterator[Any]:
        batch = self._first
        while batch is not None:
            yield batch
            if self.seen is not None:
                self.seen(batch.num_rows)
            batch = next(self._others, None)
