"""The form of a request: nothing that a path, a name or a database could take amiss."""

from __future__ import annotations

from typing import Final

from whydrift.monitor.service.web.problems import Problem
from whydrift.monitor.service.web.security.head import Head

__all__ = ["refused_form"]

_LONGEST_PATH: Final = 1024
_LONGEST_QUERY: Final = 4096
_LONGEST_HEADERS: Final = 16 << 10  # characters, of all together


def refused_form(head: Head) -> Problem | None:
    """Return why a request is not even read, None where it may go on."""
    # h11 passes `GET http://evil/ HTTP/1.1` on as it is; no proxy sends that to us.
    if not head.path.startswith("/"):
        return Problem(400, "target", "The request does not begin with a path.")
    if len(head.path) > _LONGEST_PATH or len(head.query) > _LONGEST_QUERY:
        return Problem(414, "target", f"A query has at most {_LONGEST_QUERY:,} characters.")
    # The server looks at the size only of a head that does not come at once.
    if sum(len(name) + len(value) for name, value in head.headers) > _LONGEST_HEADERS:
        return Problem(431, "headers", "The headers are too large.")
    # A line break may stand in the name of a column or of a segment; nothing is made of it here.
    if any((ord(c) < 32 and c not in "\t\n\r") or ord(c) == 127
           for c in head.path + head.decoded_query):  # fmt: skip
        return Problem(400, "target", "The request holds control characters.")
    # Whoever reads the same request another way than we do could smuggle a second one.
    if len(head.all("content-length")) > 1 or (
        head.all("content-length") and head.all("transfer-encoding")
    ):
        return Problem(400, "body", "The length of the body is given twice.")
    return None
