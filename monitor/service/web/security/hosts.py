"""By which names we may be asked for: no page of somebody else's can reach us by one of its own.

A browser on the same machine, or in the same network, can be led to us by a name that an attacker
owns ("DNS rebinding"); then our pages would belong to that name. A bare address cannot be owned so,
which is why probes and scrapes by address need no entry in ``web.hosts``.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from whydrift.monitor.service.web.problems import Problem
from whydrift.monitor.service.web.security.head import Head

if TYPE_CHECKING:
    from whydrift.monitor.config.service import Web

__all__ = ["host_name", "known_hosts", "refused_host"]

_HOST: Final = re.compile(
    r"^(?:\[(?P<six>[0-9a-fA-F:.]+)\]|(?P<name>[A-Za-z0-9._-]+))(?::\d{1,5})?$"
)


def host_name(text: str) -> str | None:
    """Return the name or address in ``name:port``, lower case, no dot at its end; None if none."""
    found = _HOST.match(text)
    if found is None:
        return None
    if found["six"] is not None:
        try:
            return str(ipaddress.IPv6Address(found["six"]))
        except ValueError:
            return None
    return found["name"].lower().removesuffix(".") or None


def known_hosts(web: Web) -> frozenset[str]:
    """Return all names by which this service may be asked for."""
    named = [*web.hosts, "localhost", web.listen]
    if web.external_url is not None:
        named.append(urlsplit(web.external_url).netloc.rpartition("@")[2])
    return frozenset(name for text in named if (name := host_name(text)) is not None)


def refused_host(head: Head, known: frozenset[str]) -> Problem | None:
    """Return why a request's ``Host`` is not ours, None where it is."""
    given = head.one("host")
    name = None if given is None else host_name(given)
    if name is None:
        return Problem(
            400, "host", "There must be one Host header, and in it a name or an address."
        )
    if name in known or _is_address(name):
        return None
    return Problem(421, "host", f"This is not {name}: its owner has to write it under web.hosts.")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
