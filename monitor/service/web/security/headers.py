"""What every answer tells a browser: run nothing that is not ours, show us in no frame."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from starlette.types import Message

__all__ = ["content_policy", "with_headers"]

_ALWAYS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
)


def content_policy(*, styles: Iterable[str] = (), scripts: Iterable[str] = ()) -> str:
    """Return the content security policy of a page with these inline styles and scripts.

    They are named by their hashes and not by a nonce, so that a page that is kept by a browser
    goes with whatever headers came last.
    """
    parts = ["default-src 'none'", "base-uri 'none'", "frame-ancestors 'none'"]
    sources = {"style-src": tuple(_hashed(styles)), "script-src": tuple(_hashed(scripts))}
    parts += [f"{name} {' '.join(known)}" for name, known in sources.items() if known]
    # A form of ours only asks again with other words; a script of ours talks to us alone.
    parts.append("form-action 'self'")
    if sources["script-src"]:
        parts.append("connect-src 'self'")
    return "; ".join(parts)


def _hashed(texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        yield f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


_NOTHING: Final = (b"content-security-policy", content_policy().encode())


def with_headers(message: Message) -> Message:
    """Return the start of an answer with all headers; a page's own policy stays."""
    given = list(message.get("headers", ()))
    names = {name.lower() for name, _ in given}
    more = [pair for pair in (*_ALWAYS, _NOTHING) if pair[0] not in names]
    if b"cache-control" not in names:
        more.append((b"cache-control", b"no-store"))
    return {**message, "headers": [*given, *more]}
