"""A share of a window's rows: what one worker reads at once, and where it stands in the window."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import TYPE_CHECKING, Final

from whydrift.discovery.errors import WhydriftError
from whydrift.monitor.source.base import Part, Tell
from whydrift.monitor.source.reading import in_tables
from whydrift.monitor.source.retry import Retry

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Share", "shares_of"]

_ROWS: Final = 262_144  # parts of fewer are read together
_MOST_OF_ONE: Final = 1 << 40  # more rows than any part has


@dataclass(frozen=True)
class Share:
    """Parts that are read one after the other.

    Parameters
    ----------
    parts : tuple of Part
        At least one.
    first : int
        Place of its first row in the window, so that rows keep their order whoever reads them.
    retry : Retry
        How often what failed is tried again.
    """

    parts: tuple[Part, ...]
    first: int = 0
    retry: Retry = field(default_factory=Retry)

    @property
    def where(self) -> str:
        """Names it in messages."""
        more = len(self.parts) - 1
        return self.parts[0].where + (f" and {more} more" if more else "")

    def tables(self, tell: Tell) -> Iterator[pa.Table]:
        """Read the rows as tables of 65,536, the last one of fewer.

        Raises
        ------
        SourceError
            If they cannot be read: ``StartAgain`` where all of them are to be read anew.
        """
        return in_tables(
            batch for part in self.parts for batch in _named(part, self.retry.batches(part, tell))
        )


def _named(part: Part, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Yield batches; say in which part a bug was met, as errors of ours do themselves."""
    try:
        yield from batches
    except WhydriftError:
        raise
    except Exception as error:
        error.add_note(f"while reading {part.where}")
        raise


def shares_of(parts: Sequence[Part], retry: Retry | None = None) -> list[Share]:
    """Return parts as shares, in their order: small ones, where their rows are known, together.

    Parameters
    ----------
    parts : sequence of Part
        In their order.
    retry : Retry, optional
        How often what failed is tried again.
    """
    retry = retry or Retry()
    groups: list[list[Part]] = []
    held: int | None = None  # rows of the last group; None where nothing can join it
    for part in parts:
        if held is not None and part.rows is not None and held + part.rows <= _ROWS:
            groups[-1].append(part)
            held += part.rows
        else:
            groups.append([part])
            held = part.rows
    rows = [sum(p.rows if p.rows is not None else _MOST_OF_ONE for p in group) for group in groups]
    firsts = [0, *accumulate(rows)]
    return [Share(tuple(group), first, retry) for group, first in zip(groups, firsts, strict=False)]
