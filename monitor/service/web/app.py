"""The application: all that is served, and how what goes wrong is told."""

from __future__ import annotations

from dataclasses import replace
from importlib.metadata import version
from typing import Any, Final, cast

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp

from whydrift.discovery.errors import StoreError, WhydriftError
from whydrift.monitor.service.logs import EventLog
from whydrift.monitor.service.reload import masked_by
from whydrift.monitor.service.web import api, basics, pages
from whydrift.monitor.service.web.links import Links
from whydrift.monitor.service.web.pages.trouble import trouble_page
from whydrift.monitor.service.web.problems import (
    BUG,
    Problem,
    Refused,
    problem_of,
    problem_response,
)
from whydrift.monitor.service.web.security import Guard
from whydrift.monitor.service.web.security.head import Head
from whydrift.monitor.service.web.service import Service

__all__ = ["create_app"]

_LOG: Final = EventLog("web")
_LEAST_TO_COMPRESS: Final = 1024  # bytes; by level 1, since a scrape is 1 MB and must be quick
_CODES: Final = {404: "not_found", 405: "method"}
_ABOUT: Final = (
    "Why the data of a machine-learning system drifted. Times are RFC 3339, in UTC; errors are "
    "RFC 9457; lists are followed by `next`. Tokens: `Authorization: Bearer TOKEN`."
)


def create_app(service: Service) -> ASGIApp:
    """Return what answers HTTP for a daemon: the gate, and behind it API, pages and metrics.

    Parameters
    ----------
    service : Service
    """
    app = FastAPI(
        title="whydrift",
        description=_ABOUT,
        version=version("whydrift"),
        openapi_url=None,  # served by the API, under its prefix
        docs_url=None,  # pages of documentation come from a CDN
        redoc_url=None,
        redirect_slashes=False,  # would make an address of the Host header
    )
    app.state.service = service
    app.include_router(basics.router)
    app.include_router(api.router)
    app.include_router(pages.router)
    for kind, handler in _TOLD.items():
        app.add_exception_handler(kind, handler)
    app.add_middleware(GZipMiddleware, minimum_size=_LEAST_TO_COMPRESS, compresslevel=1)

    def tell(head: Head, problem: Problem) -> Response:
        return _answer(service, head.path, head.one("accept") or "", problem)

    return Guard(app, lambda: service.config().web, tell)


def _answer(service: Service, path: str, accept: str, problem: Problem) -> Response:
    """Return a problem as a page where a person looks at pages, else as JSON."""
    is_page = not path.startswith(("/api/", "/-/", "/metrics")) and "text/html" in accept.lower()
    if not is_page:
        return problem_response(problem)
    return trouble_page(problem, Links.of(service.config().web))


def _told(request: Request, problem: Problem) -> Response:
    service = cast(Service, request.app.state.service)
    # Not `request.url`: it is made with the Host header, which nobody has looked at on open paths.
    path: str = request.scope["path"]
    return _answer(service, path, request.headers.get("accept", ""), problem)


def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    return _told(request, error.problem)


def _ours(request: Request, error: Exception) -> Response:
    assert isinstance(error, WhydriftError)
    if isinstance(error, StoreError):
        _LOG.warning("store_unavailable", path=request.scope["path"], reason=str(error))
    config = cast(Service, request.app.state.service).config()
    problem = problem_of(error)
    return _told(request, replace(problem, detail=masked_by(config, problem.detail)))


def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    status, details = error.status_code, {404: "There is nothing here."}
    headers = dict(error.headers or {})
    detail = details.get(status, str(error.detail))
    return _told(request, Problem(status, _CODES.get(status, "request"), detail, headers=headers))


def _bug(request: Request, error: Exception) -> Response:
    return _told(request, BUG)  # the gate, which it passes next, writes it to the log


def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first: dict[str, Any] = error.errors()[0]
    place = [str(part) for part in first["loc"] if part not in {"query", "body", "path"}]
    is_text = first["type"] == "json_invalid"
    said = str(first["msg"]).removeprefix("Value error, ").rstrip(".")
    detail = "The body is no JSON." if is_text else f"{said[:1].upper()}{said[1:]}."
    field = None if is_text else ".".join(p for p in place if "[" not in p)[:200] or None
    return _told(request, Problem(400 if is_text else 422, "invalid", detail, field))


_TOLD: Final = {
    Refused: _refused,
    WhydriftError: _ours,
    HTTPException: _http,
    RequestValidationError: _invalid,
    Exception: _bug,
}
