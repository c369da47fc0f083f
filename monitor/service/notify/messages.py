"""From a notice to messages: whom a configuration tells, and the links in what they are told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from whydrift.monitor.service.alert_names import report_link
from whydrift.monitor.service.notify.notice import Notice
from whydrift.monitor.store.state import Message

if TYPE_CHECKING:
    from whydrift.monitor.config.model import Config
    from whydrift.monitor.config.service import Web

__all__ = ["messages", "with_links"]


def messages(config: Config, notice: Notice, *, result: str | None = None) -> tuple[Message, ...]:
    """Return one message for each notifier that is told once, each with its key.

    Alertmanagers get none: they are told again and again what fires, by
    :class:`~whydrift.monitor.service.notify.resend.Resender`.

    Parameters
    ----------
    config : Config
    notice : Notice
        Its links are written here.
    result : str, optional
        Id of the diagnosis that it is about.
    """
    linked = with_links(notice, config.web, result=result)
    return tuple(
        Message(notifier.name, linked.idempotency_key(notifier.name), linked.to_dict())
        for notifier in config.notify
        if notifier.alertmanager is None
    )


def with_links(notice: Notice, web: Web, *, result: str | None = None) -> Notice:
    """Return a notice with links to its diagnosis, monitor and runbook.

    Without ``web.external_url`` there is the runbook alone: nobody else knows where our pages are.
    """
    base = web.external_url.rstrip("/") if web.external_url else None
    report = dashboard = None
    if base is not None:
        report = (
            f"{base}/diagnoses/{result}"
            if result
            else report_link(base, notice.monitor, notice.key)
        )
        dashboard = f"{base}/monitors/{notice.monitor}"
    runbook = f"{web.runbook_url.rstrip('/')}/{notice.alert_name}.md"
    return notice.with_urls(report=report, dashboard=dashboard, runbook=runbook)
