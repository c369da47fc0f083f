"""A tiny builder of SVG that always escapes."""

from __future__ import annotations

from markupsafe import Markup, escape

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
        Text is escaped, Markup is not.
    attributes : str, float, int or None
        ``stroke_width`` becomes ``stroke-width``, ``class_`` becomes ``class``; None is left out.
    """
    parts = [Markup("<"), Markup(name)]
    for key, value in attributes.items():
        if value is None:
            continue
        text = number(value) if isinstance(value, float) else str(value)
        parts.append(Markup(' {}="{}"').format(Markup(key.rstrip("_").replace("_", "-")), text))
    if not children:
        return Markup("").join([*parts, Markup("/>")])
    inside = Markup("").join(escape(c) for c in children)
    return Markup("").join([*parts, Markup(">"), inside, Markup(f"</{name}>")])


def picture(
    width: float,
    height: float,
    title: str,
    *children: Markup,
    style: str | None = None,
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
    style : str, optional
        A style sheet, for images that stand alone.
    class_ : str
        For the page's style sheet.
    """
    head = [tag("title", title)]
    if style:
        head.append(tag("style", Markup(style)))
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
