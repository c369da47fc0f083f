"""Where the next page of a list begins: opaque to clients, and harmless where forged."""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from whydrift.monitor.service.web.moments import read_moment, written
from whydrift.monitor.service.web.problems import Problem, Refused

__all__ = ["Cursor"]

# Ids, and the times by which windows are told apart: no database takes half a character, or NUL.
_ID: Final = re.compile(r"[0-9A-Za-z:.+_-]{1,64}\Z", re.ASCII)
_NUMBER: Final = re.compile(r"\d{1,18}\Z", re.ASCII)
_NONE: Final = Problem(422, "cursor", "This is no cursor; follow `next`.", "cursor")


@dataclass(frozen=True, slots=True)
class Cursor:
    """The last thing of a page; lists run from new to old.

    Parameters
    ----------
    end : datetime
        End of its window, or when it happened.
    id : str
        Tells it from others of the same end.
    """

    end: datetime
    id: str

    @property
    def number(self) -> int:
        """The id, where it is a number.

        Raises
        ------
        Refused
            If it is none.
        """
        if not _NUMBER.match(self.id):
            raise Refused(_NONE)
        return int(self.id)

    def encoded(self) -> str:
        """Return it as text that a URL takes."""
        text = json.dumps([written(self.end), self.id])
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    @classmethod
    def read(cls, text: str | None) -> Cursor | None:
        """Read what :meth:`encoded` wrote.

        Raises
        ------
        Refused
            If it was not written by us.
        """
        if text is None:
            return None
        try:
            padded = text.encode("ascii") + b"=" * (-len(text) % 4)
            end, identity = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
            if not (isinstance(end, str) and isinstance(identity, str) and _ID.match(identity)):
                raise ValueError
            return cls(read_moment(end, "cursor"), identity)
        except (ValueError, TypeError, RecursionError, binascii.Error, Refused):
            raise Refused(_NONE) from None
