"""A request without its body, as the rules read it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import unquote_plus

if TYPE_CHECKING:
    from starlette.types import Scope

__all__ = ["Head"]


@dataclass(frozen=True)
class Head:
    """What a client sent first.

    Parameters
    ----------
    method : str
    path : str
        Decoded, without the prefix of a proxy.
    query : str
        As it was sent.
    headers : tuple of (str, str)
        In their order, names in lower case.
    """

    method: str
    path: str
    query: str
    headers: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, scope: Scope, prefix: str) -> Head:
        """Read an ASGI scope; a proxy may have taken its prefix off the path, or left it."""
        path: str = scope["path"]
        if prefix and (path == prefix or path.startswith(f"{prefix}/")):
            path = path[len(prefix) :] or "/"
        headers = tuple((k.decode("latin-1"), v.decode("latin-1")) for k, v in scope["headers"])
        return cls(scope["method"], path, scope["query_string"].decode("latin-1"), headers)

    @property
    def is_write(self) -> bool:
        """Whether it may change something."""
        return self.method not in {"GET", "HEAD", "OPTIONS"}

    @property
    def has_body(self) -> bool:
        """Whether a body may follow it."""
        lengths = self.all("content-length")
        return bool(self.all("transfer-encoding")) or any(n.strip("0") for n in lengths)

    @cached_property
    def decoded_query(self) -> str:
        """The query as it will be read."""
        return unquote_plus(self.query, errors="replace")

    def all(self, name: str) -> list[str]:
        """Return all values of a header."""
        return [value.strip() for key, value in self.headers if key == name]

    def one(self, name: str) -> str | None:
        """Return a header that was sent once; None where it is absent, or sent twice."""
        values = self.all(name)
        return values[0] if len(values) == 1 else None
