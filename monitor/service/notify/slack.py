"""A channel of Slack, Mattermost, Rocket.Chat: what takes Slack's incoming webhooks."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

from whydrift.monitor.service.notify.base import Request
from whydrift.monitor.service.notify.notice import Notice
from whydrift.monitor.service.notify.words import facts, title

__all__ = ["SlackRendering"]


@dataclass(frozen=True, slots=True)
class SlackRendering:
    """Writes the notice as text; blocks are Slack's alone, text is read by all that imitate it.

    Parameters
    ----------
    url : str
    """

    url: str

    def requests(self, notice: Notice, key: str, now: datetime) -> tuple[Request, ...]:
        """Return one request."""
        body = json.dumps({"text": _text(notice)}, ensure_ascii=False).encode()
        return (Request(self.url, body, {"Idempotency-Key": key}),)


def _text(notice: Notice) -> str:
    lines = [f"*{_escaped(title(notice))}* ({_escaped(notice.severity)})"]
    lines += [f"{name}: {_escaped(value)}" for name, value in facts(notice)]
    links = [
        f"<{_escaped(url)}|{name}>"
        for name, url in (
            ("Report", notice.report_url),
            ("Monitor", notice.dashboard_url),
            ("Runbook", notice.runbook_url),
        )
        if url
    ]
    return "\n".join([*lines, " · ".join(links)] if links else lines)


def _escaped(text: str) -> str:
    """Return text that stays text: a column named ``<!channel>`` calls nobody."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
