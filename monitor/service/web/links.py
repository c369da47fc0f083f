"""Addresses of our own pages and answers, behind a proxy too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode, urlsplit

if TYPE_CHECKING:
    from whydrift.monitor.config.service import Web

__all__ = ["Links"]


@dataclass(frozen=True, slots=True)
class Links:
    """Makes addresses of ``web.external_url`` alone: no header that anybody can send is in them.

    Parameters
    ----------
    base : str
        Begins addresses that leave the page: scheme, host and path; empty where nobody said.
    prefix : str
        Its path, without a slash at the end: begins addresses within our pages.
    """

    base: str = ""
    prefix: str = ""

    @classmethod
    def of(cls, web: Web) -> Links:
        """Return those of a configuration."""
        base = (web.external_url or "").rstrip("/")
        return cls(base, urlsplit(base).path.rstrip("/"))

    def page(self, *parts: str, **query: str | None) -> str:
        """Return the address of a page: its path from the host's root."""
        return self.prefix + _path(parts, query)

    def whole_page(self, *parts: str) -> str:
        """Return the address of a page, whole where ``web.external_url`` is set."""
        return self.base + _path(parts, {})

    def api(self, *parts: str, **query: str | None) -> str:
        """Return the address of an answer of the API, whole where ``web.external_url`` is set."""
        return self.base + _path(("api", "v1", *parts), query)


def _path(parts: tuple[str, ...], query: Mapping[str, str | None]) -> str:
    path = "/" + "/".join(quote(part, safe=":") for part in parts)
    given = {name.rstrip("_"): value for name, value in query.items() if value is not None}
    return f"{path}?{urlencode(given)}" if given else path
