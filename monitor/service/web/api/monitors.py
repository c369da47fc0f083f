"""Monitors, and what is kept of each: windows, graphs, columns over time."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from anyio import to_thread
from fastapi import APIRouter, Query, Request
from starlette.convertors import PathConvertor, register_url_convertor
from starlette.responses import Response

from whydrift.monitor.service.web.answers import json_answer
from whydrift.monitor.service.web.api.service import CursorText, Limit, events_page
from whydrift.monitor.service.web.api.views import (
    column_view,
    event_effect_view,
    event_view,
    graph_record_view,
    interval_view,
    monitor_view,
    schema_view,
)
from whydrift.monitor.service.web.cursor import Cursor
from whydrift.monitor.service.web.effects import effects_told
from whydrift.monitor.service.web.links import Links
from whydrift.monitor.service.web.moments import read_moment, written
from whydrift.monitor.service.web.problems import Problem, Refused
from whydrift.monitor.service.web.requests import LinksOf, ServiceOf, known_monitor
from whydrift.monitor.store.records import ResultRecord, SnapshotRecord
from whydrift.monitor.window.interval import Interval

__all__ = ["router"]

router: Final = APIRouter(tags=["monitors"])


class _Anything(PathConvertor):
    """Part of a path that is a name of any form, with slashes and line breaks too."""

    regex = r"[\s\S]*"


register_url_convertor("anything", _Anything())

Start = Annotated[str | None, Query(alias="from", max_length=40)]
End = Annotated[str | None, Query(alias="to", max_length=40)]
Segment = Annotated[str, Query(max_length=1000, description="empty: the whole")]


@router.get("/monitors")
def monitors(service: ServiceOf, links: LinksOf) -> Response:
    """All monitors, each with its newest verdict, what fires, what is due."""
    found = service.board().monitors.values()
    return json_answer({"monitors": [monitor_view(m, links) for m in found]})


@router.get("/monitors/{monitor}")
def monitor(monitor: str, service: ServiceOf, links: LinksOf) -> Response:
    """One monitor."""
    known_monitor(service, monitor)
    found = service.board().monitors.get(monitor)
    if found is None:  # new in the configuration
        raise Refused(Problem(503, "not_ready", "Nothing of it has been read yet."))
    return json_answer(monitor_view(found, links))


@router.get("/monitors/{monitor}/windows")
def windows(
    monitor: str,
    request: Request,
    service: ServiceOf,
    links: LinksOf,
    start: Start = None,
    end: End = None,
    segment: Segment = "",
    limit: Limit = 100,
    cursor: CursorText = None,
) -> Response:
    """The windows that are kept, newest first, each with its diagnoses."""
    known_monitor(service, monitor)
    last = Cursor.read(cursor)
    found = service.store.page_windows(
        monitor,
        segment,
        start=None if start is None else read_moment(start, "from"),
        end=None if end is None else read_moment(end, "to"),
        limit=limit + 1,
        after=None if last is None else (last.end, read_moment(last.id, "cursor")),
    )
    shown, following = found[:limit], None
    if len(found) > limit:
        at = Cursor(shown[-1].end, written(shown[-1].start)).encoded()
        query = {**dict(request.query_params), "cursor": at}
        following = links.api("monitors", monitor, "windows", **query)
    parts: dict[Interval, list[SnapshotRecord]] = {w: [] for w in shown}
    told: dict[Interval, list[ResultRecord]] = {}
    if shown:
        first, until = min(w.start for w in shown), shown[0].end
        for record in service.store.list_snapshots(
            monitor=monitor, segment=segment, start=first, end=until
        ):
            if record.key.interval in parts:
                parts[record.key.interval].append(record)
        for result in service.store.list_results(
            monitor=monitor, segment=segment, start=first, end=until
        ):
            told.setdefault(result.key.interval, []).append(result)
    return json_answer(
        {
            "windows": [_window(w, parts[w], told.get(w, []), links) for w in shown if parts[w]],
            "next": following,
        }
    )


def _window(
    interval: Interval, parts: list[SnapshotRecord], told: list[ResultRecord], links: Links
) -> dict[str, Any]:
    return {
        "window": interval_view(interval),
        "segment": parts[0].key.segment,
        "rows": sum(part.rows for part in parts),
        "revision": max(part.revision for part in parts),
        "has_sample": all(part.has_sample for part in parts),
        "versions": [part.part for part in parts if part.part],
        "diagnoses": {
            result.stage: {"id": result.id, "verdict": result.verdict,
                           "url": links.api("diagnoses", result.id)}
            for result in told
        },
    }  # fmt: skip


@router.get("/monitors/{monitor}/events")
async def events(
    monitor: str,
    request: Request,
    service: ServiceOf,
    links: LinksOf,
    start: Start = None,
    end: End = None,
    effects: Annotated[
        Literal["yes", "no"], Query(description="what the newest did to the loss")
    ] = "no",
    limit: Limit = 100,
    cursor: CursorText = None,
) -> Response:
    """What happened to it, and to all monitors; what the newest releases and fixes did."""
    known_monitor(service, monitor)
    shown, at = await to_thread.run_sync(
        events_page, service.store, monitor, start, end, limit, cursor
    )
    views = [event_view(e) for e in shown]
    if effects == "yes":
        told = await effects_told(service, monitor, shown)
        for event, view in zip(shown, views, strict=True):
            view["effect_on_loss"] = event_effect_view(told[event.id]) if event.id in told else None
    following = None
    if at is not None:
        query = {**dict(request.query_params), "cursor": at}
        following = links.api("monitors", monitor, "events", **query)
    return json_answer({"events": views, "next": following})


@router.get("/monitors/{monitor}/graph")
def graph(
    monitor: str,
    service: ServiceOf,
    at: Annotated[str | None, Query(max_length=40, description="as it was then")] = None,
) -> Response:
    """What causes what, as far as is known."""
    known_monitor(service, monitor)
    moment = None if at is None else read_moment(at, "at")
    found = service.store.get_graph(monitor, at=moment)
    if found is None:
        raise Refused(Problem(404, "graph", "No graph has been learned yet."))
    record, learned = found
    return json_answer({**graph_record_view(record), "graph": learned.to_dict()})


@router.get("/monitors/{monitor}/schema")
def schema(monitor: str, service: ServiceOf) -> Response:
    """The columns of the newest window that has rows."""
    known_monitor(service, monitor)
    ends = service.store.ends(monitor)
    if ends is None:
        raise Refused(Problem(404, "schema", "No window has been read yet."))
    _, newest = ends
    columns = schema_view(service.store.get_snapshot(newest).schema)
    return json_answer({"window": interval_view(newest.key.interval), "columns": columns})


@router.get("/monitors/{monitor}/columns/{column:anything}/history")
def column_history(
    monitor: str,
    column: str,
    request: Request,
    service: ServiceOf,
    links: LinksOf,
    start: Start = None,
    end: End = None,
    segment: Segment = "",
    stage: Literal["features", "labels"] | None = None,
    limit: Limit = 100,
    cursor: CursorText = None,
) -> Response:
    """What the diagnoses say of one column, newest first."""
    known_monitor(service, monitor)
    last = Cursor.read(cursor)
    found = service.store.page_results(
        monitor=monitor,
        segment=segment,
        stage=stage,
        start=None if start is None else read_moment(start, "from"),
        end=None if end is None else read_moment(end, "to"),
        after=None if last is None else (last.end, last.id),
        limit=limit + 1,
    )
    said = service.store.read_column([r.id for r in found[:limit]], column)
    rows = [column_view(r, said[r.id], links) for r in found[:limit] if r.id in said]
    following = None
    if len(found) > limit:
        at = Cursor(found[limit - 1].key.interval.end, found[limit - 1].id).encoded()
        query = {**dict(request.query_params), "cursor": at}
        following = links.api("monitors", monitor, "columns", column, "history", **query)
    if not rows and last is None and following is None:
        raise Refused(Problem(404, "column", f"No diagnosis speaks of a column {column!r:.60}."))
    return json_answer({"column": column, "history": rows, "next": following})
