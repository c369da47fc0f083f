"""The text of a query: fit to stand within another one, and as SQLAlchemy's `text()` takes it."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["plain_query", "whole_query"]

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
    r"""Return a query in which only real bounds are bound: other colons are written ``\:``.

    Those are the colons in texts, quoted names and comments, and PostgreSQL's ``::``.
    """
    pieces: list[str] = []
    done = 0
    for found in _APART.finditer(text := whole_query(text)):
        pieces += text[done : found.start()].replace("::", r"\:\:"), _COLON.sub(r"\\:", found[0])
        done = found.end()
    return "".join([*pieces, text[done:].replace("::", r"\:\:")])


def whole_query(text: str) -> str:
    """Return a query that can stand within another one.

    A semicolon at its end goes, with comments after it; a last line that is a comment is ended, so
    that it hides nothing of what follows.
    """
    for found in _APART.finditer(text):
        if found["end"] and _NOTHING.fullmatch(text, found.start()):
            text = text[: found.start()]
            break
    text = text.strip()
    return f"{text}\n" if "--" in text.rpartition("\n")[2] else text
