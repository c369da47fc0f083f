"""What all pages share: the frame, the style, what they may load, what is wrong."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from markupsafe import Markup
from starlette.responses import Response

from whydrift.monitor.report.templating import template
from whydrift.monitor.service.web.links import Links
from whydrift.monitor.service.web.moments import written
from whydrift.monitor.service.web.security.headers import content_policy

if TYPE_CHECKING:
    from whydrift.monitor.service.web.service import Service

__all__ = ["ago", "html_page", "page", "page_style", "script", "when"]

_PACKAGE: Final = "whydrift.monitor.service.web"
_OLD: Final = timedelta(minutes=5)  # what was read of the store so long ago is told to be old


@cache
def page_style() -> str:
    """Return the style sheet of all pages."""
    from whydrift.monitor.report.graph_picture import GRAPH_STYLE

    return template("_pages.css.j2", _PACKAGE).render(graph_style=GRAPH_STYLE)


@cache
def script(name: str) -> str:
    """Return one of our scripts."""
    return (files(_PACKAGE) / "templates" / name).read_text("utf-8")


def page(
    service: Service, name: str, *, title: str, status: int = 200, scripts: tuple[str, ...] = (),
    headers: dict[str, str] | None = None, **values: Any,
) -> Response:  # fmt: skip
    """Return a page with what is wrong with the service at its top."""
    links = Links.of(service.config().web)
    return html_page(
        links, name, title=title, status=status, scripts=scripts, banners=_banners(service),
        now=service.clock(), headers=headers, **values,
    )  # fmt: skip


def html_page(
    links: Links, name: str, *, title: str, status: int = 200, scripts: tuple[str, ...] = (),
    banners: tuple[str, ...] = (), headers: dict[str, str] | None = None, **values: Any,
) -> Response:  # fmt: skip
    """Return a page.

    Parameters
    ----------
    links : Links
    name : str
        Of the template.
    title : str
    status : int
    scripts : tuple of str
        Names of the scripts that it runs.
    banners : tuple of str
        What is wrong, at its top.
    headers : dict of str to str, optional
    **values
        What the template shows.
    """
    texts = [script(s) for s in scripts]
    text = template(name, _PACKAGE).render(
        links=links,
        title=title,
        style=Markup(page_style()),  # noqa: S704 - our own words
        scripts=[Markup(t) for t in texts],  # noqa: S704 - our own words
        banners=banners,
        ago=ago,
        written=written,
        when=when,
        utc=UTC,
        **values,
    )
    policy = content_policy(styles=[page_style()], scripts=texts)
    own = {"Content-Security-Policy": policy, "Vary": "Accept"}
    return Response(text, status, {**own, **(headers or {})}, "text/html")


def ago(moment: datetime | None, now: datetime) -> str:
    """Return how long ago a moment was, or how far away it is, in words."""
    if moment is None:
        return "never"
    seconds = (now - moment).total_seconds()
    size = abs(seconds)
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if size >= 2 * length or (unit == "min" and size >= length):
            text = f"{size / length:.0f} {unit}"
            return f"{text} ago" if seconds > 0 else f"in {text}"
    return "just now" if seconds >= 0 else "in a moment"


def when(moment: datetime | None, zone: tzinfo = UTC) -> str:
    """Return a moment as people write it, in a time zone that the page names."""
    if moment is None:
        return "–"
    local = moment.astimezone(zone)
    return (
        f"{local:%Y-%m-%d}" if (local.hour, local.minute) == (0, 0) else f"{local:%Y-%m-%d %H:%M}"
    )


def _banners(service: Service) -> tuple[str, ...]:
    found = []
    error = service.reload_error()
    if error is not None:
        found.append(f"The last reload was refused, and the old configuration is in force: {error}")
    if not service.is_alive():
        found.append("The loop that looks for due checks stands still: restart the daemon.")
    board = service.board()
    if not board.is_loaded:
        found.append("The last results are not loaded yet.")
    elif not board.is_store_up:
        found.append(
            f"The store does not answer. What is shown was read {_since(board.at, service)}."
        )
    elif board.at is not None and service.clock() - board.at > _OLD:
        found.append(f"What is shown was read {_since(board.at, service)}.")
    return tuple(found)


def _since(moment: datetime | None, service: Service) -> str:
    return ago(moment, service.clock())
