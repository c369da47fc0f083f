"""From a notice to messages: one for each of those whom a configuration tells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from whydrift.monitor.service.notify.links import links_of
from whydrift.monitor.service.notify.notice import Notice
from whydrift.monitor.store.state import Message

if TYPE_CHECKING:
    from whydrift.monitor.config.model import Config

__all__ = ["messages"]


def messages(config: Config, notice: Notice) -> tuple[Message, ...]:
    """Return one message for each notifier that is told once, each with its key.

    Alertmanagers get none: they are told again and again what fires, by
    :class:`~whydrift.monitor.service.notify.resend.Resender`.

    Parameters
    ----------
    config : Config
    notice : Notice
        Its links are written here.
    """
    links = links_of(config.web, notice.monitor, notice.key)
    linked = notice.with_urls(report=links.report, dashboard=links.monitor, runbook=links.runbook)
    return tuple(
        Message(notifier.name, linked.idempotency_key(notifier.name), linked.to_dict())
        for notifier in config.notify
        if notifier.alertmanager is None
    )
