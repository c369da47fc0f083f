"""A tiny builder of SVG that always escapes."""

from __future__ import annotations

from markupsafe import Markup, escape

from whydrift.discovery.plain_text import clean

__all__ = ["Attribute", "number", "picture", "tag"]

Attribute = str | float | int | None


def number(value: float) -> str:
    """Return a coordinate with at most two decimals."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text in {"-0", ""} else text


def tag(name: str, *children: Markup | str, **attributes: Attribute) -> Markup:
    """Return one element.

    Parameters
    ----------
    name : str
        Such as ``rect``.
    children : Markup or str
        Text is escaped and what is unprintable in it written out; Markup is taken as it is.
    attributes : str, float, int or None
        ``stroke_width`` becomes ``stroke-width``, ``class_`` becomes ``class``; None is left out.
    """
    # Names of elements and attributes are our own words; what comes from data is escaped below.
    assert name.isidentifier(), name
    given = [
        Markup(' {}="{}"').format(
            key.rstrip("_").replace("_", "-"),
            number(value) if isinstance(value, float) else clean(str(value)),
        )
        for key, value in attributes.items()
        if value is not None
    ]
    opening = Markup("<{}{}").format(name, Markup("").join(given))
    if not children:
        return opening + Markup("/>")
    return Markup("{}>{}</{}>").format(
        opening, Markup("").join(_escaped(child) for child in children), name
    )


def _escaped(child: Markup | str) -> Markup:
    return child if isinstance(child, Markup) else escape(clean(child))


def picture(
    width: float,
    height: float,
    title: str,
    *children: Markup,
    style: Markup | None = None,
    class_: str = "picture",
) -> Markup:
    """Return a whole SVG image with a title that screen readers say.

    Parameters
    ----------
    width, height : float
        Of the drawing; the page may scale it down.
    title : str
        What the picture shows, in words.
    children : Markup
        Its elements.
    style : Markup, optional
        A style sheet, for images that stand alone.
    class_ : str
        For the page's style sheet.
    """
    head = [tag("title", title)]
    if style:
        head.append(tag("style", style))
    return tag(
        "svg",
        *head,
        *children,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {number(width)} {number(height)}",
        width=float(width),
        height=float(height),
        role="img",
        class_=class_,
    )
