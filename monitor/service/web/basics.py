"""Whether we live, whether we are ready, what we measured; and the word to reload."""

from __future__ import annotations

from typing import Annotated, Final

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Header
from starlette.responses import PlainTextResponse, Response

from whydrift.monitor.service.web.problems import Problem, Refused
from whydrift.monitor.service.web.requests import ServiceOf

__all__ = ["router"]

router: Final = APIRouter(tags=["daemon"])

# Of scrapes alone: questions that wait for the store, all of them together, delay none.
_SCRAPES: Final = CapacityLimiter(2)


# The first two are no work for the threads in which slow questions may wait.
@router.get("/-/healthy")
async def healthy(service: ServiceOf) -> Response:
    """Whether the loop lives; restart the process where it does not."""
    if service.is_alive():
        return PlainTextResponse("healthy\n")
    return PlainTextResponse("the loop stands still\n", 503)


@router.get("/-/ready")
async def ready(service: ServiceOf) -> Response:
    """Whether the store answers and the last results are loaded."""
    # Nobody is asked who they are here, so that no reason is told: /api/v1/status has it.
    if service.why_not_ready() is None:
        return PlainTextResponse("ready\n")
    return PlainTextResponse("not ready\n", 503, {"Retry-After": "5"})


@router.get("/metrics")
async def metrics(service: ServiceOf, accept: Annotated[str | None, Header()] = None) -> Response:
    """All series, for Prometheus: as OpenMetrics where it asks for that."""
    if not service.board().is_loaded:
        # Without the last results a scrape would resolve what fires.
        raise Refused(Problem(503, "not_ready", "The last results are not loaded yet."))
    body, content_type = await to_thread.run_sync(service.metrics, accept, limiter=_SCRAPES)
    return Response(body, 200, media_type=content_type)


@router.post("/-/reload")
def reload(service: ServiceOf) -> Response:
    """Read the configuration again; a bad one is told, and the old one stays in force."""
    if not service.config().web.lifecycle:
        raise Refused(Problem(403, "lifecycle", "Write web: {lifecycle: true}, or send SIGHUP."))
    service.reload()
    return PlainTextResponse("reloaded\n")
