"""What people are told of a change of an alert: one notice, a message to each notifier."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from whydrift.monitor.diagnosis.alert import AlertKey
from whydrift.monitor.diagnosis.episode import Episode
from whydrift.monitor.service.alert_names import alert_severity
from whydrift.monitor.service.notify.messages import messages
from whydrift.monitor.service.notify.notice import Notice, NoticeStep
from whydrift.monitor.service.one_page import Told
from whydrift.monitor.store.state import Message
from whydrift.monitor.window.interval import Interval

if TYPE_CHECKING:
    from whydrift.monitor.config import Config
    from whydrift.monitor.config.monitor import Monitor

__all__ = ["messages_of", "notice_of"]


def messages_of(
    config: Config,
    monitor: Monitor,
    told: Iterable[Told],
    before: Mapping[AlertKey, Episode],
    window: Interval,
    stage: str,
) -> tuple[Message, ...]:
    """Return the messages by which people are told of changes of alerts.

    Parameters
    ----------
    config : Config
        Names the notifiers, and where the pages are.
    monitor : Monitor
    told : iterable of Told
    before : mapping of AlertKey to Episode
        The episodes that lasted until then.
    window : Interval
        The window that did it.
    stage : str
    """
    found: list[Message] = []
    for one in told:
        notice = notice_of(monitor, one, before.get(one.change.key), window, stage)
        # The link leads to whichever diagnosis spoke of the alert last: it outlives this one.
        found += messages(config, notice)
    return tuple(found)


def notice_of(
    monitor: Monitor,
    told: Told,
    before: Episode | None,
    window: Interval,
    stage: str,
) -> Notice:
    """Return what is told of one change; ``before`` is what lasted until then."""
    change, said = told.change, told.change.details
    episode = change.episode or before
    assert episode is not None, change
    is_over = told.step is NoticeStep.RESOLVED
    columns = sorted(episode.columns) if is_over else said.get("columns", ())
    return Notice(
        told.step,
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
        also=tuple(kind.value for kind in told.also),
    )
