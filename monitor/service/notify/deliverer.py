"""One notifier, ready to send."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from whydrift.monitor.service.notify.base import Delivered, Outcome, Rendering
from whydrift.monitor.service.notify.notice import Notice
from whydrift.monitor.service.notify.post import Post, host_of
from whydrift.monitor.service.notify.registry import rendering_of, row_of, secrets_of

if TYPE_CHECKING:
    from whydrift.monitor.config.service import Notifier

__all__ = ["Deliverer"]


@dataclass(frozen=True, slots=True)
class Deliverer:
    """Sends notices to one notifier, from one thread at a time.

    Parameters
    ----------
    name : str
        In the configuration.
    rendering : Rendering
    post : Post
    where : str
        Host and port, for logs.
    seconds_between : float
        How long the receiver is left alone between two messages.
    """

    name: str
    rendering: Rendering
    post: Post = field(repr=False)
    where: str
    seconds_between: float = 0.0

    @classmethod
    def of(cls, notifier: Notifier) -> Deliverer:
        """Return what sends to a notifier of the configuration.

        Raises
        ------
        ConfigError
            If a file that it names cannot be read.
        """
        settings = getattr(notifier, notifier.kind)
        secrets = secrets_of(notifier)
        addresses = [host_of(secret) for secret in secrets if "://" in secret]
        return cls(
            notifier.name,
            rendering_of(notifier),
            Post(secrets, settings.ca),
            ", ".join(addresses),
            row_of(notifier).seconds_between,
        )

    def send(self, notice: Notice, key: str, now: datetime) -> Delivered:
        """Send a notice once; the first answer that is no yes is the answer."""
        answer = Delivered(Outcome.OK)
        for request in self.rendering.requests(notice, key, now):
            answer = self.post.send(request, now)
            if answer.outcome is not Outcome.OK:
                return answer
        return answer

    def close(self) -> None:
        """Close the connection."""
        self.post.close()
