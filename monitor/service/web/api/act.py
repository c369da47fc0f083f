"""What can be asked for of a monitor: look now, pause, accept what came; and what happened."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter
from starlette.responses import Response

from whydrift.monitor.service.accepting import accept as accept_window
from whydrift.monitor.service.web.answers import json_answer
from whydrift.monitor.service.web.api.bodies import Acceptance, CheckRequest, EventRequest
from whydrift.monitor.service.web.api.views import event_view
from whydrift.monitor.service.web.links import Links
from whydrift.monitor.service.web.requests import CallerOf, LinksOf, ServiceOf, known_monitor
from whydrift.monitor.service.web.security import Caller
from whydrift.monitor.service.web.service import Service

__all__ = ["router"]

router: Final = APIRouter(tags=["monitors"])


@router.post("/monitors/{monitor}:pause")
def pause(monitor: str, service: ServiceOf, caller: CallerOf) -> Response:
    """Look at no further window of a monitor; what fires goes on firing."""
    return _paused(service, monitor, caller, is_paused=True)


@router.post("/monitors/{monitor}:resume")
def resume(monitor: str, service: ServiceOf, caller: CallerOf) -> Response:
    """Look at a monitor's windows again, those that were left meanwhile too."""
    return _paused(service, monitor, caller, is_paused=False)


def _paused(service: Service, monitor: str, caller: Caller, *, is_paused: bool) -> Response:
    known_monitor(service, monitor)
    if service.store.get_state(monitor).is_paused != is_paused:
        service.store.set_paused(monitor, is_paused)
        kind, text = ("pause", "paused") if is_paused else ("resume", "resumed")
        service.store.put_event(kind, text, at=service.clock(), actor=caller.name, monitor=monitor)
    return json_answer({"monitor": monitor, "paused": is_paused})


@router.post("/monitors/{monitor}:accept")
def accept(
    monitor: str, body: Acceptance, service: ServiceOf, links: LinksOf, caller: CallerOf
) -> Response:
    """Say that what came from a window on is the new normal."""
    known_monitor(service, monitor)
    event = accept_window(
        service.config(), monitor, service.store, body.reason,
        actor=caller.name, at=service.clock(), window=body.window,
    )  # fmt: skip
    return _made(event_view(event), links, monitor)


@router.post("/monitors/{monitor}/events")
def event(
    monitor: str, body: EventRequest, service: ServiceOf, links: LinksOf, caller: CallerOf
) -> Response:
    """Say what happened outside: a release, a retrained model, a mended pipeline."""
    known_monitor(service, monitor)
    found = service.store.put_event(
        body.kind, body.text, at=body.at or service.clock(), actor=caller.name, monitor=monitor
    )
    return _made(event_view(found), links, monitor)


@router.post("/monitors/{monitor}/checks")
def check(
    monitor: str, body: CheckRequest, service: ServiceOf, links: LinksOf, caller: CallerOf
) -> Response:
    """Look at a monitor now: at what is due, or at one window."""
    known_monitor(service, monitor)
    interval = None if body.window is None else body.window.interval("window")
    service.submit_check(monitor, interval, recompute=body.recompute)
    place = {"Location": links.api("monitors", monitor, "windows")}
    return json_answer({"monitor": monitor, "accepted": True}, 202, place)


def _made(value: dict[str, Any], links: Links, monitor: str) -> Response:
    return json_answer(value, 201, {"Location": links.api("events", monitor=monitor)})
