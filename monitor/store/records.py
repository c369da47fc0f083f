"""What the store knows of what it keeps: keys, and rows without their content."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from whydrift.discovery.errors import StoreError
from whydrift.monitor.window.interval import Interval

__all__ = [
    "GraphRecord",
    "MonitorRecord",
    "ResultRecord",
    "SnapshotRecord",
    "WindowKey",
    "check_name",
]


def check_name(name: str) -> None:
    """Raise where a name holds what no database takes as text.

    Raises
    ------
    StoreError
    """
    # PostgreSQL's text has no NUL; half of a surrogate pair is no character.
    if "\0" in name or any("\ud800" <= c <= "\udfff" for c in name):
        raise StoreError(
            f"the name {name!r} cannot be stored as text",
            where="store",
            remedy="Name it without NUL characters and lone surrogates",
        )


@dataclass(frozen=True, slots=True, order=True)
class WindowKey:
    """One window of a monitor, or of one of its segments.

    Parameters
    ----------
    monitor : str
    interval : Interval
    segment : str
        Empty for the whole.

    Raises
    ------
    StoreError
        If a name holds what no database takes.
    """

    monitor: str
    interval: Interval
    segment: str = ""

    def __post_init__(self) -> None:
        for name in (self.monitor, self.segment):
            check_name(name)

    def __str__(self) -> str:
        whose = f"{self.monitor}/{self.segment}" if self.segment else self.monitor
        return f"{whose} {self.interval}"


@dataclass(frozen=True, slots=True)
class SnapshotRecord:
    """A stored window, or one version's part of it.

    Parameters
    ----------
    id : int
    key : WindowKey
    part : str
        The version whose rows these are, where a window is kept as one part per version; else
        empty.
    revision : int
        Counts from 1; a later one holds late rows or labels.
    current : bool
        Whether no later revision has replaced it.
    rows, bytes : int
        Rows of the window; size of what is kept.
    format : str
        How the content is written.
    sha256 : str
        Of the content.
    has_sample : bool
        Whether the sample of rows is still there; counts always are.
    file : str, optional
        Name of the file that holds the content, where it does not lie in the database.
    at : datetime
        When it was written.
    """

    id: int
    key: WindowKey
    part: str
    revision: int
    current: bool
    rows: int
    bytes: int
    format: str
    sha256: str
    has_sample: bool
    file: str | None
    at: datetime


@dataclass(frozen=True, slots=True)
class GraphRecord:
    """One version of a monitor's graph; ``learned_from`` says in words what it comes from."""

    id: int
    monitor: str
    version: int
    sha256: str
    learned_from: str
    at: datetime


@dataclass(frozen=True, slots=True)
class ResultRecord:
    """One diagnosis of one stage of a window.

    Parameters
    ----------
    id : str
        That of the diagnosis.
    key : WindowKey
    stage : str
        ``features`` or ``labels``.
    config_hash : str
        Of the configuration that it was judged by.
    revision : int
        Counts from 1 within the configuration.
    current : bool
        Whether it is the one that counts, of all of its stage and window.
    verdict : str
    fault : bool
        Whether recorded values broke.
    whydrift_version : str
        Of the program that judged.
    at : datetime
        When it was written.
    """

    id: str
    key: WindowKey
    stage: str
    config_hash: str
    revision: int
    current: bool
    verdict: str
    fault: bool
    whydrift_version: str
    at: datetime


@dataclass(frozen=True, slots=True)
class MonitorRecord:
    """A monitor, and the configuration that it was last run with."""

    name: str
    config_hash: str | None
