"""Follows redirections of web servers, but never from a public address into a private network."""

from __future__ import annotations

import ipaddress
from typing import Any

from whydrift.discovery.errors import SourceError

__all__ = ["careful_client"]


async def careful_client(**options: Any) -> Any:
    """Return an aiohttp session that refuses to be sent to a private address.

    A server that is asked for a table could else have us fetch what only this machine can reach,
    such as the credentials that clouds serve on 169.254.169.254. The host that was named may well
    be private itself.
    """
    import aiohttp

    trace = aiohttp.TraceConfig()
    trace.on_request_redirect.append(_refuse_private)
    return aiohttp.ClientSession(trace_configs=[trace], **options)


async def _refuse_private(session: Any, context: Any, redirect: Any) -> None:
    from yarl import URL

    response = redirect.response
    leads = response.headers.get("Location") or response.headers.get("URI")
    if leads is None:
        return
    asked, target = response.url, response.url.join(URL(leads))
    if target.scheme not in {"http", "https"} or (
        target.host != asked.host and await _is_private(target.host, target.port)
    ):
        raise SourceError(
            f"the server redirects to a private address ({target.host})",
            where=f"{asked.scheme}://{asked.host}{asked.path}",
            remedy="Name that address itself if you trust it",
        )


async def _is_private(host: str | None, port: int | None) -> bool:
    import asyncio

    found = await asyncio.get_running_loop().getaddrinfo(host, port)
    return any(not ipaddress.ip_address(str(entry[4][0])).is_global for entry in found)
