"""What every place of work offers: functions run there, and rows read and joined there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol, TypeVar

from whydrift.monitor.building.share import Share
from whydrift.monitor.source.reading import Cancelled

__all__ = ["Cancel", "Cluster", "Packed", "Recipe", "Told", "called_off", "where_of"]

T = TypeVar("T")
R = TypeVar("R")
W = TypeVar("W")

Cancel = Callable[[], bool]  # asked between steps whether to stop
Told = Callable[[int], None]  # called with how many more rows were read
# How a result travels: numbers, texts, and Snapshots as bytes with their checksum.
Packed = dict[str, Any]


class Recipe(Protocol[W]):
    """How a share of the rows becomes a window: a value that can be sent to another process."""

    def read(self, share: Share, seen: Told | None = None) -> W | None:
        """Summarise a share; None where it has no rows. ``seen`` hears of every batch."""

    def rows(self, window: W) -> int:
        """Return the rows of a window."""

    def join(self, windows: Sequence[W]) -> W:
        """Return one window of the rows of all."""

    def pack(self, window: W) -> Packed:
        """Return a window as it travels."""

    def unpack(self, packed: Packed) -> W:
        """Read what :meth:`pack` gives."""


class Cluster(Protocol):
    """Where work is done. Results are the same wherever that is."""

    def map(
        self, function: Callable[[T], R], items: Sequence[T], *, cancel: Cancel = ...
    ) -> Iterable[R]:
        """Yield the function's result for each item, in the order of the items.

        Bootstraps, the comparisons of segments and the windows of a backfill all go through here.

        Raises
        ------
        Cancelled
            If ``cancel`` says so.
        ClusterError
            If a worker was lost, and trying again did not help.
        """

    def reduce(
        self, recipe: Recipe[W], shares: Sequence[Share], *, told: Told, cancel: Cancel = ...
    ) -> W | None:
        """Read all shares and join them, always in the same tree, whichever is finished first.

        Returns
        -------
        The window of all rows, or None where there are none.

        Raises
        ------
        Cancelled
            If ``cancel`` says so.
        ClusterError
            If a worker was lost, and trying again did not help.
        """


def called_off(cancel: Cancel, where: str) -> None:
    """Raise where the work is to stop."""
    if cancel():
        raise Cancelled(where)


def where_of(item: object) -> str:
    """Return what names an item in messages."""
    return str(getattr(item, "where", None) or f"{item!r:.80}")
