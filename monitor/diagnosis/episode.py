"""From single windows to episodes: an alert opens once, lasts while the drift does, and closes.

A monitor's segment has one episode for each target and kind of drift: what turns from a covariate
into a mechanism shift opens one of its own, and one that reaches more columns is told again.

Pure functions over immutable states, for whatever keeps the states: a daemon, or a study.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from whydrift.monitor.diagnosis.alert import AlertFinding, AlertKey, Outcome

__all__ = ["Episode", "Outcome", "Step", "advance", "advance_all"]


class Step(StrEnum):
    """What a decision did to the episode, and so what people are told."""

    NONE = "none"
    PENDING = "pending"  # rejected, but not often enough to fire yet
    OPENED = "opened"
    UPDATED = "updated"
    WIDENED = "widened"  # it reached columns that nobody was told of
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
    columns : frozenset of str
        What was named so far: columns, edges, kinds of faults of rows.
    """

    opened: float
    last: float
    rejections: int = 1
    quiet: int = 0
    counted: float = float("-inf")
    is_firing: bool = False
    columns: frozenset[str] = frozenset()


def advance_all(
    episodes: Mapping[AlertKey, Episode],
    found: Mapping[AlertKey, AlertFinding],
    end: float,
    *,
    may_open: bool = True,
    after: int = 1,
    resolve_after: int = 2,
) -> tuple[dict[AlertKey, Episode], dict[AlertKey, Step]]:
    """Return all episodes after one more window, and what changed in each.

    Parameters
    ----------
    episodes : mapping of AlertKey to Episode
        Those that last. What the window says nothing of stays as it is.
    found : mapping of AlertKey to AlertFinding
        What the window says.
    end, may_open, after, resolve_after
        As in :func:`advance`.

    Returns
    -------
    episodes : dict of AlertKey to Episode
        Those that last now.
    steps : dict of AlertKey to Step
        For every key that the window says something of.
    """
    lasting, steps = dict(episodes), {}
    for key, finding in found.items():
        before = lasting.pop(key, None)
        episode, steps[key] = advance(
            before,
            finding.outcome_of(frozenset() if before is None else before.columns),
            end,
            columns=finding.columns,
            may_open=may_open,
            after=after,
            resolve_after=resolve_after,
        )
        if episode is not None:
            lasting[key] = episode
    return lasting, steps


def advance(
    episode: Episode | None,
    outcome: Outcome,
    end: float,
    *,
    columns: Iterable[str] = (),
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
        End of the window. One that ends before the episode's last, as a window does whose labels
        came after newer windows were judged on their features, neither extends the episode nor
        resolves it; columns that nobody was told of are told all the same.
    columns : iterable of str
        What a rejection names. Where the episode fires, new ones are told.
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
    if outcome is Outcome.UNKNOWN:
        return episode, Step.NONE
    if episode is not None and end < episode.last:
        late = frozenset(columns) if outcome is Outcome.REJECTED and may_open else frozenset()
        return _named_late(episode, late)
    if outcome is Outcome.REJECTED:
        return _rejected(episode, end, frozenset(columns), may_open=may_open, after=after)
    if episode is None or end <= episode.counted:
        return episode, Step.NONE
    if not episode.is_firing:  # rejections have to follow each other
        return None, Step.NONE
    quiet = episode.quiet + 1
    if quiet < resolve_after:
        return replace(episode, quiet=quiet, counted=end), Step.NONE
    return None, Step.CLOSED


def _named_late(episode: Episode, columns: frozenset[str]) -> tuple[Episode, Step]:
    """Return the episode with what an earlier window names, judged after later ones."""
    if not episode.is_firing or columns <= episode.columns:
        return episode, Step.NONE
    return replace(episode, columns=episode.columns | columns), Step.WIDENED


def _rejected(
    episode: Episode | None, end: float, columns: frozenset[str], *, may_open: bool, after: int
) -> tuple[Episode | None, Step]:
    if episode is not None and episode.is_firing:
        step = Step.UPDATED
        # A recomputed window tells nothing; the next one that names the column does.
        if may_open and not columns <= episode.columns:
            episode, step = replace(episode, columns=episode.columns | columns), Step.WIDENED
        if end == episode.last:  # the same window again
            return episode, step
        more = episode.rejections + 1
        return replace(episode, last=end, rejections=more, quiet=0, counted=end), step
    if not may_open:
        return episode, Step.NONE
    if episode is None:
        begun = Episode(opened=end, last=end, counted=end, columns=columns)
    else:
        begun = replace(episode, columns=episode.columns | columns)
        if end != episode.last:
            begun = replace(begun, last=end, rejections=episode.rejections + 1, counted=end)
    if begun.rejections < after:
        return begun, Step.PENDING
    return replace(begun, is_firing=True), Step.OPENED
