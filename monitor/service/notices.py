"""What people are told of a change of an alert: one notice, a message to each notifier."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from whydrift.monitor.diagnosis.alert import AlertKey
from whydrift.monitor.diagnosis.episode import Episode, Step
from whydrift.monitor.service.alert_names import alert_severity
from whydrift.monitor.service.notify.messages import messages
from whydrift.monitor.service.notify.notice import Notice, NoticeStep
from whydrift.monitor.store.state import AlertChange, Message
from whydrift.monitor.window.interval import Interval

if TYPE_CHECKING:
    from whydrift.monitor.config import Config
    from whydrift.monitor.config.monitor import Monitor

__all__ = ["messages_of", "notice_of"]

# Of what else happens to an episode nobody is told.
_STEPS: Final = MappingProxyType(
    {
        Step.OPENED: NoticeStep.OPENED,
        Step.WIDENED: NoticeStep.CHANGED,
        Step.CLOSED: NoticeStep.RESOLVED,
    }
)


def messages_of(
    config: Config,
    monitor: Monitor,
    changes: Iterable[AlertChange],
    before: Mapping[AlertKey, Episode],
    window: Interval,
    stage: str,
) -> tuple[Message, ...]:
    """Return the messages that changes of alerts call for.

    Parameters
    ----------
    config : Config
        Names the notifiers, and where the pages are.
    monitor : Monitor
    changes : iterable of AlertChange
    before : mapping of AlertKey to Episode
        The episodes that lasted until then.
    window : Interval
        The window that did it.
    stage : str
    """
    found: list[Message] = []
    for change in changes:
        notice = notice_of(monitor, change, before.get(change.key), window, stage)
        if notice is not None:
            # The link leads to whichever diagnosis spoke of the alert last: it outlives this one.
            found += messages(config, notice)
    return tuple(found)


def notice_of(
    monitor: Monitor,
    change: AlertChange,
    before: Episode | None,
    window: Interval,
    stage: str,
) -> Notice | None:
    """Return what is told of one change; None where nobody is told."""
    step = _STEPS.get(change.step)
    episode = change.episode or before
    if step is None or episode is None:
        return None
    said = change.details
    columns = sorted(episode.columns) if step is NoticeStep.RESOLVED else said.get("columns", ())
    return Notice(
        step,
        monitor.name,
        change.key,
        alert_severity(change.key.kind, monitor.alert.severity),
        datetime.fromtimestamp(episode.opened, UTC),
        window,
        stage,
        tuple(columns),
        str(said.get("verdict", "")),
        str(said.get("summary", "")),
        str(said.get("remedy", "")),
        team=monitor.alert.team,
    )
