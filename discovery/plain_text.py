"""Text from the data, made safe to show: nothing in it can play tricks on a reader."""

from __future__ import annotations

__all__ = ["clean"]


def clean(text: str, most: int | None = None) -> str:
    """Return text with everything unprintable written out, cut to ``most`` characters.

    Names of columns come from the data: escape codes, line breaks and marks that turn the
    direction of writing must reach neither a terminal nor a page.
    """
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return shown if most is None or len(shown) <= most else shown[: most - 1] + "…"
