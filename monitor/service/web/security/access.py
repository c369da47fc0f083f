"""Who asks, and what they may."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Final

from whydrift.monitor.config.service import Auth
from whydrift.monitor.service.web.problems import Problem
from whydrift.monitor.service.web.security.head import Head

if TYPE_CHECKING:
    from whydrift.monitor.config.service import Web

__all__ = ["OPEN_PATHS", "Caller", "Role", "caller_of", "needed_role", "refused_access"]

# What tells whether we live, and nothing else: a probe has no token.
OPEN_PATHS: Final = frozenset(("/-/healthy", "/-/ready"))
# Whoever may read may ask why: it changes nothing, and how much is made at once is limited.
_REPORTS: Final = "/api/v1/reports"
_CHALLENGE: Final = {"WWW-Authenticate": 'Bearer realm="whydrift", Basic realm="whydrift"'}


class Role(IntEnum):
    """What somebody may; each may what those below it may."""

    METRICS = 1
    READ = 2
    OPERATE = 3


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: the name of a token, or nobody in particular where none is asked for."""

    name: str
    role: Role


_ANYBODY: Final = Caller("anonymous", Role.OPERATE)


def needed_role(head: Head) -> Role:
    """Return what a request needs."""
    if head.is_write and head.path != _REPORTS:
        return Role.OPERATE
    return Role.METRICS if head.path == "/metrics" else Role.READ


def caller_of(head: Head, web: Web) -> Caller | None:
    """Return who asks; None where a token is asked for and none that fits was given."""
    if not isinstance(web.auth, Auth):
        return _ANYBODY
    # One digest compared with each, whichever fits: the time says nothing of a token.
    digest = hashlib.sha256(_token(head).encode("latin-1")).hexdigest()
    found = None
    for token in web.auth.tokens:
        if hmac.compare_digest(token.sha256.get_secret_value().lower(), digest):
            found = Caller(token.name, Role[token.role.upper()])
    return found


def refused_access(head: Head, caller: Caller | None) -> Problem | None:
    """Return why somebody may not, None where they may."""
    if caller is None:
        return Problem(
            401, "token", "A token is needed: Authorization: Bearer TOKEN, or a password.",
            headers=_CHALLENGE,
        )  # fmt: skip
    if caller.role < needed_role(head):
        return Problem(
            403, "role", f"The token {caller.name!r} has the role {caller.role.name.lower()!r}; "
            f"this needs {needed_role(head).name.lower()!r}.",
        )  # fmt: skip
    return None


def _token(head: Head) -> str:
    """Return the token that was given, empty where none was: no token hashes to that."""
    scheme, _, value = (head.one("authorization") or "").partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() == "basic":
        try:
            pair = base64.b64decode(value.strip(), validate=True).decode("latin-1")
        except (binascii.Error, ValueError):
            return ""
        return pair.partition(":")[2]
    return ""
