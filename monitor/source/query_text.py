"""The text of a query, as SQLAlchemy's `text()` takes it: colons that bind nothing are marked."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["plain_query"]

_COMMENT: Final = r"--[^\n]*|/\*.*?\*/"
# What a colon binds nothing in: texts, quoted names, texts of PostgreSQL in dollars, comments.
_APART: Final = re.compile(
    rf"""'(?:[^']|'')*'|"(?:[^"]|"")*"|(?P<dollar>\$(?:[A-Za-z_]\w*)?\$).*?(?P=dollar)"""
    rf"""|(?P<comment>{_COMMENT})|(?P<end>;)""",
    re.DOTALL,
)
_NOTHING: Final = re.compile(rf"(?:\s|;|{_COMMENT})*", re.DOTALL)
_COLON: Final = re.compile(r"(?<!\\):")


def plain_query(text: str) -> str:
    r"""Return a query that can stand within another one, in which only real bounds are bound.

    A semicolon at its end goes, with comments after it; a last line that is a comment is ended, so
    that it hides nothing of what follows; colons in texts, quoted names and comments are written
    ``\:``.
    """
    pieces: list[str] = []
    done = 0
    for found in _APART.finditer(text):
        pieces.append(text[done : found.start()])
        done = found.end()
        if found["end"] and _NOTHING.fullmatch(text, found.start()):
            return "".join(pieces).strip()
        pieces.append(_COLON.sub(r"\\:", found[0]))
    query = "".join([*pieces, text[done:]]).strip()
    return f"{query}\n" if "--" in query.rpartition("\n")[2] else query
