"""Addresses of stores and databases: written with variables, shown without their secrets."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from urllib.parse import unquote

from whydrift.discovery.errors import SourceError, nearest

__all__ = ["as_written", "expanded", "masked", "scheme_of", "without_secrets"]

_SCHEME = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]+)://")
_VARIABLE = re.compile(
    r"\$(?P<escaped>\$\{)|\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\}"
)
_USER = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]+://)([^/@]*?)(?::([^/]*))?@")
_SECRET = re.compile(
    r"([?&;][^=&;]*(?:pass|pwd|secret|token|sig|key|credential)[^=&;]*=)([^&;#]*)", re.IGNORECASE
)
_HIDDEN = "***"


def scheme_of(text: str) -> str | None:
    """Return the scheme of an address in lower case, None of a path."""
    found = _SCHEME.match(text)
    return found.group(1).lower() if found else None


def expanded(text: str, *, where: str, environ: Mapping[str, str] | None = None) -> str:
    """Return the text with ``${NAME}`` and ``${NAME:-default}`` from the environment.

    So that no password need stand in a list of processes or in a file. ``$${`` stands for the
    characters ``${``.

    Raises
    ------
    SourceError
        If a variable is not set and has no default.
    """
    known = os.environ if environ is None else environ

    def value(found: re.Match[str]) -> str:
        if found["escaped"]:
            return found["escaped"]
        name, default = found["name"], found["default"]
        if name in known:
            return known[name]
        if default is not None:
            return default
        guess = nearest(name, known)
        raise SourceError(
            f"the environment has no variable {name!r}",
            where=where,
            remedy=f"{f'Did you mean {guess!r}? ' if guess else ''}Set it, or give a default: "
            f"${{{name}:-…}}",
        )

    return _VARIABLE.sub(value, text)


def as_written(text: str) -> str:
    """Return the text that :func:`expanded` turns into this one, whatever it holds."""
    return text.replace("${", "$${")


def masked(address: str) -> str:
    """Return an address as it may be shown: without passwords, keys and signatures."""
    shown = _USER.sub(lambda m: m[1] + m[2] + (f":{_HIDDEN}" if m[3] else "") + "@", address)
    return _SECRET.sub(lambda m: m[1] + _HIDDEN, shown)


def without_secrets(text: str, address: str) -> str:
    """Return a message that may quote an address, without what is secret in it."""
    text = text.replace(address, masked(address))
    user = _USER.match(address)
    secrets = [m[2] for m in _SECRET.finditer(address)] + ([user[3]] if user and user[3] else [])
    for secret in {*secrets, *map(unquote, secrets)}:
        if len(secret) > 2:  # shorter ones are part of any word
            text = text.replace(secret, _HIDDEN)
    return text
