"""Where a write comes from: no page of another site makes a browser write for its reader."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from whydrift.monitor.service.web.problems import Problem
from whydrift.monitor.service.web.security.head import Head

if TYPE_CHECKING:
    from whydrift.monitor.config.service import Web

__all__ = ["refused_origin"]


def refused_origin(head: Head, web: Web) -> Problem | None:
    """Return why a write is refused for where it comes from, None where it may go on.

    A form cannot send ``application/json``, and a script of another site may not without asking
    first; a browser says in ``Origin`` whose page it was.
    """
    if not head.is_write:
        return None
    kind = (head.one("content-type") or "").partition(";")[0].strip().lower()
    if kind != "application/json":
        return Problem(415, "content-type", "Send it with Content-Type: application/json.")
    origins = head.all("origin")
    if any(not _is_ours(origin, head, web) for origin in origins):
        return Problem(403, "origin", "This comes from a page of another site.")
    if any(site.lower() == "cross-site" for site in head.all("sec-fetch-site")):
        return Problem(403, "origin", "This comes from a page of another site.")
    return None


def _is_ours(origin: str, head: Head, web: Web) -> bool:
    """Whether an Origin is the host that was asked, or the one that people see of us."""
    try:
        parts = urlsplit(origin)
        ours = None if web.external_url is None else urlsplit(web.external_url)
    except ValueError:
        return False
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        return False
    if ours is not None and (parts.scheme, parts.netloc.lower()) == (
        ours.scheme,
        ours.netloc.lower(),
    ):
        return True
    return parts.netloc.lower() == (head.one("host") or "").lower()
