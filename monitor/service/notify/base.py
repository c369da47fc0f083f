"""What all notifiers share: a notice becomes requests, and an answer tells what to do next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from whydrift.monitor.service.notify.notice import Notice

__all__ = ["Attempt", "Delivered", "Outcome", "Rendering", "Request"]


class Outcome(StrEnum):
    """How an attempt to tell somebody ended; the words of the metric's label."""

    OK = "ok"
    ERROR = "error"  # is tried again
    DEAD = "dead"  # will never be taken


@dataclass(frozen=True, slots=True)
class Request:
    """One POST.

    Parameters
    ----------
    url : str
    body : bytes
        JSON.
    headers : mapping of str to str
        Beside those that every request has.
    """

    url: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Delivered:
    """What a receiver answered.

    Parameters
    ----------
    outcome : Outcome
    error : str, optional
        What went wrong, without a secret.
    retry_after : float, optional
        Seconds that the receiver wants to be left alone.
    status : int, optional
        Of HTTP; None where there was no answer.
    """

    outcome: Outcome
    error: str | None = None
    retry_after: float | None = None
    status: int | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt to tell somebody, for metrics and logs.

    Parameters
    ----------
    notifier : str
        Name in the configuration.
    outcome : Outcome
    what : str
        What was told: ``opened house-price WhydriftDataFault``, or ``12 alerts``.
    where : str
        Host and port of the receiver.
    error : str, optional
    """

    notifier: str
    outcome: Outcome
    what: str
    where: str
    error: str | None = None


class Rendering(Protocol):
    """Writes a notice as one kind of receiver wants it."""

    def requests(self, notice: Notice, key: str, now: datetime) -> tuple[Request, ...]:
        """Return what is to be sent, one after the other.

        Parameters
        ----------
        notice : Notice
        key : str
            The same however often the notice is sent.
        now : datetime
        """
        ...
