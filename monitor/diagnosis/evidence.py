"""What pictures are drawn from: the two windows' samples behind a diagnosis."""

from __future__ import annotations

from dataclasses import dataclass

from whydrift.discovery.snapshot.snapshot import Snapshot

__all__ = ["Evidence"]


@dataclass(frozen=True)
class Evidence:
    """The windows as they were compared (kept beside a Diagnosis, never written to JSON).

    Parameters
    ----------
    reference, current : Snapshot
        As recorded, before any repair. ``current.schema`` extends the categories of the
        reference's, so that codes mean the same in both.
    """

    reference: Snapshot
    current: Snapshot

    def has(self, name: str) -> bool:
        """Whether both windows have a column."""
        return self.reference.has(name) and self.current.has(name)
