"""What every place of work offers: functions run there, and parts read and joined there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol, TypeVar

from whydrift.discovery.errors import WhydriftError
from whydrift.monitor.source.base import Part

__all__ = ["Cancel", "Cancelled", "Cluster", "Packed", "Recipe", "Told", "called_off", "never",
           "where_of"]  # fmt: skip

T = TypeVar("T")
R = TypeVar("R")
W = TypeVar("W")

Cancel = Callable[[], bool]  # asked between steps whether to stop
Told = Callable[[int], None]  # called with how many more rows were read
# How a result travels: numbers, texts, and Snapshots as bytes with their checksum.
Packed = dict[str, Any]


class Cancelled(WhydriftError):  # noqa: N818 - it is no error that somebody said stop
    """Work was called off before it was done; nothing of it is left."""


class Recipe(Protocol[W]):
    """How a part becomes a window: a value that can be sent to another process."""

    def read(self, part: Part, seen: Told | None = None) -> W | None:
        """Summarise a part; None where it has no rows. ``seen`` hears of every batch."""

    def rows(self, window: W) -> int:
        """Return the rows of a window."""

    def join(self, one: W, other: W) -> W:
        """Return one window of the rows of both."""

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
        self, recipe: Recipe[W], parts: Sequence[Part], *, told: Told, cancel: Cancel = ...
    ) -> W | None:
        """Read all parts and join them, always in the same tree, whichever is finished first.

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


def never() -> bool:
    """Let the work go on."""
    return False


def called_off(cancel: Cancel, where: str) -> None:
    """Raise where the work is to stop."""
    if cancel():
        raise Cancelled("it was called off", where=where, remedy="Start it again: nothing was kept")


def where_of(item: object) -> str:
    """Return what names an item in messages."""
    return str(getattr(item, "where", None) or f"{item!r:.80}")
