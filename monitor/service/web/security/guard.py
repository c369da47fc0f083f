"""The one gate: every request passes all rules in their order before the application sees it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from whydrift.monitor.service.logs import EventLog
from whydrift.monitor.service.web.problems import BUG, Problem
from whydrift.monitor.service.web.security.access import OPEN_PATHS, caller_of, refused_access
from whydrift.monitor.service.web.security.body import is_small, read_body, refused_body, replayed
from whydrift.monitor.service.web.security.crowd import Crowd, Place
from whydrift.monitor.service.web.security.head import Head
from whydrift.monitor.service.web.security.headers import with_headers
from whydrift.monitor.service.web.security.hosts import known_hosts, refused_host
from whydrift.monitor.service.web.security.origin import refused_origin
from whydrift.monitor.service.web.security.target import refused_form

if TYPE_CHECKING:
    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from whydrift.monitor.config.service import Web

__all__ = ["Guard"]

_LOG: Final = EventLog("web")


@dataclass(frozen=True)
class Guard:
    """An ASGI application that stands before another.

    Parameters
    ----------
    app : ASGIApp
        Sees only requests that passed, their bodies whole; finds who asks in ``state["caller"]``.
    web : callable
        Returns the settings in force.
    tell : callable
        Makes an answer of a problem, as the client likes to read it.
    crowd : Crowd
        Of those whose requests are worked on.
    """

    app: ASGIApp
    web: Callable[[], Web]
    tell: Callable[[Head, Problem], Response]
    crowd: Crowd = field(default_factory=Crowd)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or let the application answer it."""
        if scope["type"] != "http":  # no WebSocket is offered, nor is there a life to tell of
            return
        web = self.web()
        prefix = urlsplit(web.external_url or "").path.rstrip("/")
        head = Head.of(scope, prefix)
        has_begun, has_ended, is_bodiless = False, False, head.method == "HEAD"
        place = Place(None)

        async def answer(message: Message) -> None:
            nonlocal has_begun, has_ended
            if message["type"] == "http.response.start":
                has_begun = True
                place.leave()
                message = with_headers(message)
            else:
                has_ended = not message.get("more_body", False)
                if is_bodiless:
                    message = {**message, "body": b""}
            await send(message)

        try:
            found = await self._passed(head, web, receive)
            if isinstance(found, Problem):
                if head.has_body:  # it was not read to the end
                    found = replace(found, headers={**found.headers, "Connection": "close"})
                await self.tell(head, found)(scope, receive, answer)
                return
            place = self.crowd.place(head)
            state = {**scope.get("state", {}), "caller": caller_of(head, web), "prefix": prefix}
            # Whoever asks for the head alone is answered as to GET, but for the body.
            method = "GET" if is_bodiless else head.method
            inner = {**scope, "method": method, "path": head.path, "root_path": "", "state": state}
            await self.app(inner, found, answer)
        except Exception:  # the one broad catch: a bug must not tell a stranger how we are made
            _LOG.bug("request_failed", method=head.method, path=head.path)
            if has_begun and not has_ended:  # half an answer: the server hangs up
                raise
            if not has_begun:
                await self.tell(head, BUG)(scope, receive, answer)
        finally:
            place.leave()

    async def _passed(self, head: Head, web: Web, receive: Receive) -> Receive | Problem:
        """Return where the request's body is read from, or the first rule's objection."""
        problem = refused_form(head)
        if problem is None and head.path not in OPEN_PATHS:
            problem = (
                refused_host(head, known_hosts(web))
                or refused_access(head, caller_of(head, web))
                or refused_origin(head, web)
            )
        problem = problem or refused_body(head)
        if problem is not None:
            if is_small(head):  # hanging up on what is still sent may take our answer along
                await read_body(receive)
            return problem
        if head.is_write:
            body = await read_body(receive)
            if isinstance(body, Problem):
                return body
            receive = replayed(body, receive)
        return self.crowd.refused(head) or receive
