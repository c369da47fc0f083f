"""The kinds of notifiers; a new one is one file with its rendering, and one row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from whydrift.monitor.service.notify.alertmanager import AlertmanagerRendering
from whydrift.monitor.service.notify.base import Rendering
from whydrift.monitor.service.notify.pagerduty import PagerDutyRendering
from whydrift.monitor.service.notify.slack import SlackRendering
from whydrift.monitor.service.notify.webhook import WebhookRendering

if TYPE_CHECKING:
    from pydantic import SecretStr

    from whydrift.monitor.config.service import Notifier

__all__ = ["Row", "rendering_of", "row_of", "rows", "secrets_of"]


@dataclass(frozen=True, slots=True)
class Row:
    """One kind of notifier.

    Parameters
    ----------
    kind : str
        The key in the configuration.
    build : callable
        From its settings, what writes notices.
    summary : str
        One sentence for the documentation.
    seconds_between : float
        How long it is left alone between two messages.
    """

    kind: str
    build: Callable[[Any], Rendering]
    summary: str
    seconds_between: float = 0.0


def _shown(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()


_ROWS: Final = {
    row.kind: row
    for row in (
        Row(
            "alertmanager",
            lambda s: AlertmanagerRendering(
                tuple(url.get_secret_value() for url in s.urls), _shown(s.token)
            ),
            "Alertmanager's API v2, told again and again what fires",
        ),
        Row(
            "webhook",
            lambda s: WebhookRendering(s.url.get_secret_value(), _shown(s.secret)),
            "JSON to a URL of your own, signed",
        ),
        Row(
            "slack",
            lambda s: SlackRendering(s.url.get_secret_value()),
            "an incoming webhook of Slack, Mattermost or Rocket.Chat",
            seconds_between=1.0,  # what Slack asks for
        ),
        Row(
            "pagerduty",
            lambda s: PagerDutyRendering(
                s.url.get_secret_value(), s.routing_key.get_secret_value()
            ),
            "PagerDuty's Events API v2: one incident for one alert",
        ),
    )
}


def rows() -> tuple[Row, ...]:
    """Return all kinds."""
    return tuple(_ROWS.values())


def row_of(notifier: Notifier) -> Row:
    """Return the kind of a notifier."""
    return _ROWS[notifier.kind]


def rendering_of(notifier: Notifier) -> Rendering:
    """Return what writes notices for a notifier."""
    return row_of(notifier).build(getattr(notifier, notifier.kind))


def secrets_of(notifier: Notifier) -> tuple[str, ...]:
    """Return all that must not be shown of a notifier: addresses, keys, tokens."""
    from pydantic import SecretStr

    found: list[str] = []
    for _, value in getattr(notifier, notifier.kind):
        values = value if isinstance(value, tuple) else (value,)
        found += [v.get_secret_value() for v in values if isinstance(v, SecretStr)]
    return tuple(found)
