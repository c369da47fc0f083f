"""From single windows to episodes: an alert opens once, lasts while the drift does, and closes.

Pure functions over immutable states, for whatever keeps the states: a daemon, or a study.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

__all__ = ["Episode", "Outcome", "Step", "advance"]


class Outcome(StrEnum):
    """What a decision about one window says of one kind of drift."""

    REJECTED = "rejected"
    QUIET = "quiet"
    UNKNOWN = "unknown"  # undetermined, or the check failed


class Step(StrEnum):
    """What a decision did to the episode, and so what people are told."""

    NONE = "none"
    PENDING = "pending"  # rejected, but not often enough to fire yet
    OPENED = "opened"
    UPDATED = "updated"
    CLOSED = "closed"


@dataclass(frozen=True)
class Episode:
    """One stretch of drift of a (monitor, segment, target, kind).

    Parameters
    ----------
    opened : float
        End of the first window that rejected, in seconds since 1970.
    last : float
        End of the last window that rejected.
    rejections : int
        Windows that rejected, in a row but for unknown ones, before it fired; counted on after.
    quiet : int
        Windows in a row, but for unknown ones, that were quiet since.
    counted : float
        End of the newest window that counted; each counts once, whatever its stages say.
    is_firing : bool
        Whether it has been announced, and not resolved.
    """

    opened: float
    last: float
    rejections: int = 1
    quiet: int = 0
    counted: float = float("-inf")
    is_firing: bool = False


def advance(
    episode: Episode | None,
    outcome: Outcome,
    end: float,
    *,
    may_open: bool = True,
    after: int = 1,
    resolve_after: int = 2,
) -> tuple[Episode | None, Step]:
    """Return the episode after one more window, and what changed.

    Parameters
    ----------
    episode : Episode, optional
        The one that lasts, None where there is none.
    outcome : Outcome
        Unknown holds the state: neither does it resolve an alert, nor does it open one.
    end : float
        End of the window. A window that ends before the episode's last one, judged late, changes
        nothing.
    may_open : bool
        Whether this is the first decision of the window's stage: recomputed ones update silently.
    after : int
        Rejections in a row before it fires.
    resolve_after : int
        Quiet windows in a row before it is resolved.

    Returns
    -------
    episode : Episode or None
    step : Step
    """
    if outcome is Outcome.UNKNOWN or (episode is not None and end < episode.last):
        return episode, Step.NONE
    if outcome is Outcome.REJECTED:
        return _rejected(episode, end, may_open=may_open, after=after)
    if episode is None or end <= episode.counted:
        return episode, Step.NONE
    if not episode.is_firing:  # rejections have to follow each other
        return None, Step.NONE
    quiet = episode.quiet + 1
    if quiet < resolve_after:
        return replace(episode, quiet=quiet, counted=end), Step.NONE
    return None, Step.CLOSED


def _rejected(
    episode: Episode | None, end: float, *, may_open: bool, after: int
) -> tuple[Episode | None, Step]:
    if episode is not None and episode.is_firing:
        if end == episode.last:  # the same window again
            return episode, Step.UPDATED
        more = episode.rejections + 1
        return replace(episode, last=end, rejections=more, quiet=0, counted=end), Step.UPDATED
    if not may_open:
        return episode, Step.NONE
    if episode is None:
        begun = Episode(opened=end, last=end, counted=end)
    elif end == episode.last:
        begun = episode
    else:
        more = episode.rejections + 1
        begun = replace(episode, last=end, rejections=more, counted=end)
    if begun.rejections < after:
        return begun, Step.PENDING
    return replace(begun, is_firing=True), Step.OPENED
