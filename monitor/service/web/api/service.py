"""The service itself: how it is, and what it was told."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from whydrift.monitor.config.redact import redacted
from whydrift.monitor.service.web.answers import json_answer
from whydrift.monitor.service.web.api.views import alert_view, event_view
from whydrift.monitor.service.web.cursor import Cursor
from whydrift.monitor.service.web.moments import read_moment, written
from whydrift.monitor.service.web.requests import LinksOf, ServiceOf
from whydrift.monitor.store import Store
from whydrift.monitor.store.state import AlertState, EventRecord

__all__ = ["CursorText", "Limit", "events_page", "router"]

router: Final = APIRouter(tags=["service"])

Limit = Annotated[int, Query(ge=1, le=1000)]
CursorText = Annotated[str | None, Query(max_length=400)]


@router.get("/status")
def status(service: ServiceOf) -> Response:
    """How the service is: whether it is ready, what fires, who holds which monitor, what waits."""
    config, store = service.config(), service.store
    alerts = store.list_alerts(states=(AlertState.PENDING, AlertState.FIRING))
    error = service.reload_error()
    why = service.why_not_ready()
    return json_answer(
        {
            "whydrift": {"version": version("whydrift")},
            "now": written(service.clock()),
            "alive": service.is_alive(),
            "ready": why is None,
            "why_not_ready": why,
            "monitors": len(config.monitors),
            "alerts": {
                state.value: sum(a.state is state for a in alerts)
                for state in (AlertState.PENDING, AlertState.FIRING)
            },
            "reload": {"successful": error is None, "error": error},
            "leases": [
                {"monitor": lease.monitor, "holder": lease.holder,
                 "expires": written(lease.expires_at)}
                for lease in store.list_leases()
            ],
            "notifications_pending": store.outbox_pending(),
        }
    )  # fmt: skip


@router.get("/config")
def config(service: ServiceOf) -> Response:
    """The configuration in force, defaults filled in, secrets masked."""
    return json_answer(redacted(service.config()))


@router.get("/config/schema")
def config_schema() -> Response:
    """The JSON Schema of configurations, for editors."""
    from whydrift.monitor.config.schema import config_schema

    return json_answer(config_schema(), headers={"Cache-Control": "private, max-age=3600"})


@router.get("/openapi.json", include_in_schema=False)
def openapi(request: Request) -> Response:
    """What this API offers, as OpenAPI 3.1."""
    found: dict[str, Any] = request.app.openapi()
    return json_answer(found, headers={"Cache-Control": "private, max-age=3600"})


@router.get("/alerts")
def alerts(
    request: Request,
    service: ServiceOf,
    links: LinksOf,
    state: Annotated[AlertState | None, Query(description="all by default")] = None,
    monitor: Annotated[str | None, Query(max_length=200)] = None,
    since: Annotated[str | None, Query(max_length=40, description="written at or after it")] = None,
    limit: Limit = 100,
    cursor: CursorText = None,
) -> Response:
    """Episodes: those that are pending or fire, and those of the past; the latest first."""
    last = Cursor.read(cursor)
    found = service.store.page_alerts(
        monitor=monitor,
        states=None if state is None else (state,),
        since=None if since is None else read_moment(since, "since"),
        limit=limit + 1,
        after=None if last is None else last.number,
    )
    shown, following = found[:limit], None
    if len(found) > limit:
        at = Cursor(shown[-1].at, str(shown[-1].id)).encoded()
        following = links.api("alerts", **{**dict(request.query_params), "cursor": at})
    severities = {m.name: m.alert.severity for m in service.config().monitors}
    views = [alert_view(a, severities.get(a.monitor), links) for a in shown]
    return json_answer({"alerts": views, "next": following})


@router.get("/events")
def events(
    request: Request,
    service: ServiceOf,
    links: LinksOf,
    monitor: Annotated[str | None, Query(max_length=200)] = None,
    start: Annotated[str | None, Query(alias="from", max_length=40)] = None,
    end: Annotated[str | None, Query(alias="to", max_length=40)] = None,
    limit: Limit = 100,
    cursor: CursorText = None,
) -> Response:
    """What happened outside, and what somebody on call decided; the newest first."""
    shown, at = events_page(service.store, monitor, start, end, limit, cursor)
    following = None
    if at is not None:
        following = links.api("events", **{**dict(request.query_params), "cursor": at})
    return json_answer({"events": [event_view(e) for e in shown], "next": following})


def events_page(
    store: Store, monitor: str | None, start: str | None, end: str | None, limit: int,
    cursor: str | None,
) -> tuple[tuple[EventRecord, ...], str | None]:  # fmt: skip
    """Return a page of events, and the cursor of the next where there is one."""
    last = Cursor.read(cursor)
    found = store.page_events(
        monitor=monitor,
        since=None if start is None else read_moment(start, "from"),
        until=None if end is None else read_moment(end, "to"),
        limit=limit + 1,
        after=None if last is None else (last.end, last.number),
    )
    if len(found) <= limit:
        return found, None
    return found[:limit], Cursor(found[limit - 1].at, str(found[limit - 1].id)).encoded()
