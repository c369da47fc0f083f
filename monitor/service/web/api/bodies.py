"""What clients send: checked where it enters, no key that is not known."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
)

from whydrift.discovery.errors import OptionError
from whydrift.monitor.service.web.moments import read_moment
from whydrift.monitor.service.web.problems import Problem, Refused
from whydrift.monitor.window.interval import Interval

__all__ = ["Acceptance", "CheckRequest", "EventRequest", "ReportBody", "ReportSide"]


def _instant(value: object) -> datetime:
    if not isinstance(value, str) or len(value) > 40:
        raise ValueError("write a time as 2026-05-04T09:00:00Z")
    try:
        return read_moment(value, "")
    except Refused as refused:
        raise ValueError(refused.problem.detail) from None


Instant = Annotated[
    datetime, BeforeValidator(_instant), WithJsonSchema({"type": "string", "format": "date-time"})
]


def _plain(text: str) -> str:
    # No database takes NUL or half a character, and no log line should be forged.
    if any((ord(c) < 32 and c not in "\n\t") or "\ud800" <= c <= "\udfff" for c in text):
        raise ValueError("it holds control characters")
    if not text.strip():
        raise ValueError("it is empty")
    return text.strip()


Sentence = Annotated[str, Field(max_length=2000), AfterValidator(_plain)]
Name = Annotated[str, Field(max_length=1000), AfterValidator(_plain)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class WindowBody(_Body):
    """When a window begins and ends."""

    start: Instant = Field(alias="from")
    end: Instant = Field(alias="to")

    def interval(self, field: str) -> Interval:
        """Return it.

        Raises
        ------
        Refused
            If the end does not come after the start.
        """
        try:
            return Interval(self.start, self.end)
        except OptionError:
            problem = Problem(422, "time", "The end has to come after the start.", field)
            raise Refused(problem) from None


class Acceptance(_Body):
    """From which window on what came is the new normal."""

    window: Instant | None = Field(
        default=None,
        description="a moment in it; by default that in which the oldest firing alert began",
    )
    reason: Sentence


class EventRequest(_Body):
    """Something that happened outside."""

    kind: Literal["release", "retrain", "fix", "other"]
    text: Sentence
    at: Instant | None = Field(default=None, description="now by default")


class CheckRequest(_Body):
    """Which window is to be looked at; whatever is due by default."""

    window: WindowBody | None = None
    recompute: bool = False


class ReportSide(_Body):
    """Which kept windows make one side of a report."""

    start: Instant | None = Field(default=None, alias="from")
    end: Instant | None = Field(default=None, alias="to")
    segment: Name | Literal[""] | None = Field(default=None, description="empty: the whole")
    version: Name | None = None


class ReportBody(_Body):
    """What is to be compared; the newest window with its reference by default."""

    monitor: Name
    reference: ReportSide = ReportSide()
    current: ReportSide = ReportSide()
