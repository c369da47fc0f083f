"""What the daemon has to remember between two checks: values, without a database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from whydrift.monitor.diagnosis.alarm_budget import Purpose
from whydrift.monitor.diagnosis.alert import AlertKey
from whydrift.monitor.diagnosis.episode import Episode, Step
from whydrift.monitor.window.interval import Interval

__all__ = [
    "AlertChange",
    "AlertRecord",
    "AlertState",
    "CheckOutcome",
    "Decision",
    "EventRecord",
    "Lapse",
    "LapseKind",
    "Lease",
    "Message",
    "MonitorState",
    "OutboxRecord",
    "Settlement",
    "Spending",
    "Visit",
    "VisitKind",
]


class VisitKind(StrEnum):
    """Why a window was looked at; each at most once, but for errors."""

    RECORD = "record"  # read, as a part of the first reference, and not judged
    FEATURES = "features"
    LABELS = "labels"
    LATE_1 = "late_1"  # looked at again for rows that came late
    LATE_2 = "late_2"
    LATE_3 = "late_3"


class CheckOutcome(StrEnum):
    """How a check ended; ``error`` is tried again, all others are final."""

    OK = "ok"
    DRIFT = "drift"
    UNDETERMINED = "undetermined"
    NO_DATA = "no_data"
    SKIPPED = "skipped"  # too old to be caught up with
    ERROR = "error"

    @property
    def is_final(self) -> bool:
        """Whether the window needs no other look of this kind."""
        return self is not CheckOutcome.ERROR


class LapseKind(StrEnum):
    """What can be wrong with the watching itself; beside it stands what is wrong with data."""

    CHECK_FAILING = "check_failing"
    CHECK_OVERDUE = "check_overdue"
    NO_DATA = "no_data"

    @property
    def over(self) -> str:
        """Kind of the event that says that it is over; that of the begin is the kind's own word."""
        return f"{self.value}_over"


class AlertState(StrEnum):
    """Where an episode stands."""

    PENDING = "pending"
    FIRING = "firing"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Visit:
    """One look at a window: the schedule's memory.

    Parameters
    ----------
    monitor : str
    interval : Interval
    kind : VisitKind
    outcome : CheckOutcome
    failures : int
        Errors in a row.
    next_at : datetime, optional
        When it is tried again after an error.
    error : str, optional
        What went wrong last, secrets masked.
    at : datetime
        When it ended.
    """

    monitor: str
    interval: Interval
    kind: VisitKind
    outcome: CheckOutcome
    at: datetime
    failures: int = 0
    next_at: datetime | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class MonitorState:
    """What is known of a monitor beside its windows.

    Parameters
    ----------
    monitor : str
    began : datetime, optional
        Windows that end at or before it belong to the first reference and are recorded only; None
        before the first look.
    is_paused : bool
    consecutive_failures : int
        Checks in a row that ended in an error.
    last_check, last_success : datetime, optional
        When the last check, and the last without an error, ended.
    last_error : str, optional
        Of the last check, where it was one.
    next_at : datetime, optional
        When the source is asked again for its windows, after it could not tell them.
    source_last_row : datetime, optional
        Time of the newest row read.
    source_rows : int
        Rows read so far.
    """

    monitor: str
    began: datetime | None = None
    is_paused: bool = False
    consecutive_failures: int = 0
    last_check: datetime | None = None
    last_success: datetime | None = None
    last_error: str | None = None
    next_at: datetime | None = None
    source_last_row: datetime | None = None
    source_rows: int = 0


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to judge a monitor, for a while.

    Parameters
    ----------
    monitor : str
    holder : str
        Who has it: host, process and start, such as ``db1:4711:6f2c``.
    token : int
        Grows with each change of hands: what is written with an older one is refused.
    expires_at : datetime
        By the database's clock.
    """

    monitor: str
    holder: str
    token: int
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class EventRecord:
    """Something that happened: a release, a fix, a decision of somebody on call.

    Parameters
    ----------
    id : int
    at : datetime
        When it happened.
    monitor : str, optional
        Which one it is about; None for all.
    kind : str
        ``release``, ``retrain``, ``fix``, ``other``; ``accept``, ``pause``, ``resume``,
        ``reload``, ``skip``, ``forget`` of our own, and those of `LapseKind`.
    actor : str
        Who said it.
    text : str
    window : Interval, optional
        Which window ``accept`` begins with.
    """

    id: int
    at: datetime
    monitor: str | None
    kind: str
    actor: str
    text: str
    window: Interval | None = None


@dataclass(frozen=True, slots=True)
class Lapse:
    """A time in which a monitor was not watched as it should be.

    Parameters
    ----------
    monitor : str
    kind : LapseKind
    since : datetime
        When it was found.
    until : datetime, optional
        When it was over; None while it lasts.
    text : str
        One sentence on what was found last.
    """

    monitor: str
    kind: LapseKind
    since: datetime
    until: datetime | None
    text: str


@dataclass(frozen=True, slots=True)
class AlertRecord:
    """One episode, as it is kept: the row that is open, or one of the past.

    Parameters
    ----------
    id : int
    monitor : str
    key : AlertKey
    episode : Episode
    state : AlertState
    fired, resolved : datetime, optional
        End of the window that made it fire, or resolved it.
    result : str, optional
        Id of the diagnosis that showed it last; the one of the window that resolved it is in
        ``details``.
    details : mapping
        What annotations show: ``summary``, ``columns``, ``faults``, ``remedy``, ``verdict``, …;
        of one that is over ``closed`` too: the same of the window that resolved it.
    at : datetime
        When it was written last.
    """

    id: int
    monitor: str
    key: AlertKey
    episode: Episode
    state: AlertState
    fired: datetime | None
    resolved: datetime | None
    result: str | None
    details: Mapping[str, Any]
    at: datetime


@dataclass(frozen=True, slots=True)
class AlertChange:
    """What a check does to one episode.

    Parameters
    ----------
    key : AlertKey
    step : Step
    episode : Episode, optional
        As it is afterwards; None where it closed, or was given up before it fired.
    end : datetime
        End of the window that did it.
    result : str, optional
    details : mapping
    """

    key: AlertKey
    step: Step
    episode: Episode | None
    end: datetime
    result: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Spending:
    """One decision that could page, and at what level it was taken.

    Parameters
    ----------
    segment : str
    purpose : Purpose
    stage : str
    level : float
    """

    segment: str
    purpose: Purpose
    stage: str
    level: float


@dataclass(frozen=True, slots=True)
class Decision:
    """Which decision about a window was taken: a second one of the same kind cannot page."""

    segment: str
    purpose: Purpose
    stage: str


@dataclass(frozen=True, slots=True)
class Message:
    """What a notifier is to be told.

    Parameters
    ----------
    notifier : str
        Name of the notifier in the configuration.
    key : str
        The same however often it is sent: receivers drop what they have by it.
    body : mapping
        A notice as :meth:`Notice.to_dict` writes it; each notifier renders it in its own way.
    """

    notifier: str
    key: str
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class OutboxRecord:
    """A message that waits, or was sent.

    Parameters
    ----------
    id : int
    message : Message
    created : datetime
    attempts : int
    next_at : datetime, optional
        When it is tried next; None where it is done.
    done_at : datetime, optional
    outcome : str, optional
        ``ok``, or ``dead`` where the receiver will never take it.
    error : str, optional
        Of the last attempt.
    """

    id: int
    message: Message
    created: datetime
    attempts: int
    next_at: datetime | None
    done_at: datetime | None = None
    outcome: str | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Settlement:
    """All that a check leaves behind, written in one transaction or not at all.

    Parameters
    ----------
    monitor : str
    interval : Interval
    kind : VisitKind
    outcome : CheckOutcome
        Not ``error``.
    config_hash : str
        What ``Store.put_config`` returned.
    results : mapping of str to mapping
        By segment (empty for the whole), what ``Diagnosis.to_dict()`` returns.
    spent : tuple of Spending
        Decisions that could page; each counts once for a (segment, purpose, stage, window).
    alerts : tuple of AlertChange
    messages : tuple of Message
    rows : int
        Read by this check.
    last_row : datetime, optional
        Time of the newest row.
    acceptance : int, optional
        Number of the latest acceptance that was known when it was judged, 0 where there was none:
        after a later one it is not written. None where nothing was judged.
    """

    monitor: str
    interval: Interval
    kind: VisitKind
    outcome: CheckOutcome
    config_hash: str
    results: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    spent: tuple[Spending, ...] = ()
    alerts: tuple[AlertChange, ...] = ()
    messages: tuple[Message, ...] = ()
    rows: int = 0
    last_row: datetime | None = None
    acceptance: int | None = None
