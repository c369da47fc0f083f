"""A webhook of your own: the notice as JSON, signed with a secret that both sides know."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass
from datetime import datetime

from whydrift.monitor.service.notify.base import Request
from whydrift.monitor.service.notify.notice import Notice

__all__ = ["WebhookRendering", "signature"]


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """Return ``sha256=`` and the HMAC of ``timestamp.body``, in hexadecimal.

    The timestamp is signed too, so that a receiver can refuse what is old: somebody who has seen a
    message cannot send it again later.
    """
    signed = timestamp.encode() + b"." + body
    return f"sha256={hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()}"


@dataclass(frozen=True, slots=True)
class WebhookRendering:
    """Writes the notice as it is.

    Parameters
    ----------
    url : str
    secret : str, optional
        Signs what is sent.
    """

    url: str
    secret: str | None = None

    def requests(self, notice: Notice, key: str, now: datetime) -> tuple[Request, ...]:
        """Return one request, with the headers that docs/notifications.md tells of."""
        body = json.dumps(notice.to_dict(), ensure_ascii=False, separators=(",", ":")).encode()
        timestamp = str(int(now.timestamp()))
        headers = {"Idempotency-Key": key, "X-Whydrift-Timestamp": timestamp}
        if self.secret is not None:
            headers["X-Whydrift-Signature"] = signature(self.secret, timestamp, body)
        return (Request(self.url, body, headers),)
