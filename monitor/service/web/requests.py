"""What endpoints ask of a request: the service, who asks, and that every word of it is known."""

from __future__ import annotations

from typing import Annotated, cast

from fastapi import Depends, Request
from fastapi.routing import APIRoute

from whydrift.discovery.errors import nearest
from whydrift.monitor.config.monitor import Monitor
from whydrift.monitor.service.web.links import Links
from whydrift.monitor.service.web.problems import Problem, Refused
from whydrift.monitor.service.web.security import Caller
from whydrift.monitor.service.web.service import Service

__all__ = ["CallerOf", "LinksOf", "ServiceOf", "known_monitor", "no_unknown_words"]


# All of these are coroutines: FastAPI calls a plain function in one of the threads in which slow
# questions wait, and a probe would wait for them.
async def _service(request: Request) -> Service:
    return cast(Service, request.app.state.service)


async def _caller(request: Request) -> Caller:
    return cast(Caller, request.state.caller)


ServiceOf = Annotated[Service, Depends(_service)]
CallerOf = Annotated[Caller, Depends(_caller)]


async def _links(service: ServiceOf) -> Links:
    return Links.of(service.config().web)


LinksOf = Annotated[Links, Depends(_links)]


async def no_unknown_words(request: Request) -> None:
    """Refuse a query with a parameter that is not offered: ``?stat=firing`` must not list all.

    Raises
    ------
    Refused
        The message names the nearest parameter.
    """
    route = cast(APIRoute, request.scope["route"])
    known = [field.alias for field in route.dependant.query_params]
    for word in request.query_params:
        if word not in known:
            guess = nearest(word, known)
            hint = f"Did you mean {guess!r}?" if guess else f"Known: {', '.join(known) or 'none'}."
            detail = f"There is no parameter {word!r:.60}. {hint}"
            raise Refused(Problem(422, "parameter", detail, f"{word:.60}"))


def known_monitor(service: Service, name: str) -> Monitor:
    """Return a monitor of the configuration in force.

    Raises
    ------
    Refused
        If there is none of this name; the message names the nearest.
    """
    known = {monitor.name: monitor for monitor in service.config().monitors}
    if name in known:
        return known[name]
    guess = nearest(name, known)
    hint = f" Did you mean {guess!r}?" if guess else ""
    raise Refused(Problem(404, "monitor", f"There is no monitor {name!r:.60}.{hint}"))
