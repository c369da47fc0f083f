"""One monitor: its windows over time, what fires, its segments, its graph, and what to do."""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from anyio import to_thread
from fastapi import APIRouter, Query
from starlette.responses import Response

from whydrift.effects.words import joined
from whydrift.monitor.diagnosis.diagnosis import told_slow
from whydrift.monitor.diagnosis.headline import Word, stored_headline
from whydrift.monitor.diagnosis.words import measure_words
from whydrift.monitor.report.axes import rounded
from whydrift.monitor.report.graph_picture import graph_svg
from whydrift.monitor.service.event_beside import BesideOthers
from whydrift.monitor.service.event_effects import EVENT_KINDS, EventEffect
from whydrift.monitor.service.references import Choice, chosen_for
from whydrift.monitor.service.schedule import stages_of
from whydrift.monitor.service.web.effects import effects_told
from whydrift.monitor.service.web.links import Links
from whydrift.monitor.service.web.moments import read_moment, written
from whydrift.monitor.service.web.pages.alerts import shown_alerts
from whydrift.monitor.service.web.pages.overview import beside_alerts, row_of
from whydrift.monitor.service.web.pages.shell import page
from whydrift.monitor.service.web.pages.timeline import Cell, Lane, Mark, timeline_svg
from whydrift.monitor.service.web.problems import Problem, Refused
from whydrift.monitor.service.web.requests import LinksOf, ServiceOf, known_monitor
from whydrift.monitor.service.web.service import Service
from whydrift.monitor.store.records import ResultRecord
from whydrift.monitor.store.state import AlertState, CheckOutcome, EventRecord, Visit
from whydrift.monitor.window.interval import Interval

if TYPE_CHECKING:
    from whydrift.monitor.service.board import MonitorView
    from whydrift.monitor.store.store import Store

__all__ = ["router"]

router: Final = APIRouter()

_MOST_WINDOWS: Final = 60  # of which verdicts are drawn; there may be two stages of each
_MOST_LANES: Final = 12
_MOST_EVENTS: Final = 20
_MOST_LEFT_OUT: Final = 20
_MOST_REMEMBERED: Final = 5_000  # diagnoses, of about 2 kB
_OUTCOMES: Final = MappingProxyType(
    {
        CheckOutcome.ERROR: "error",
        CheckOutcome.NO_DATA: "empty",
        CheckOutcome.SKIPPED: "skipped",
    }
)


@dataclass(frozen=True, slots=True)
class _Said:
    """What the pictures need of a diagnosis.

    Parameters
    ----------
    kind : str
        Colour: the verdict, or ``fault``.
    words : str
    summary : str
    columns : mapping of str to str
        Verdicts of the columns that moved; ``slow`` where only many windows show it.
    """

    kind: str
    words: str
    summary: str
    columns: Mapping[str, str]


class _Memory:
    """What diagnoses say: they never change, so that each is read once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._said: OrderedDict[str, _Said] = OrderedDict()

    def of(self, store: Store, identity: str) -> _Said | None:
        with self._lock:
            if identity in self._said:
                self._said.move_to_end(identity)
                return self._said[identity]
        stored = store.get_result(identity)
        if stored is None:
            return None
        said = _said(stored)
        with self._lock:
            self._said[identity] = said
            while len(self._said) > _MOST_REMEMBERED:
                self._said.popitem(last=False)
        return said


_MEMORY: Final = _Memory()


@router.get("/monitors/{name}")
async def monitor(
    name: str,
    service: ServiceOf,
    links: LinksOf,
    segment: Annotated[str, Query(max_length=1000)] = "",
    before: Annotated[str | None, Query(max_length=40)] = None,
    effects: Literal["yes", "no"] = "no",
) -> Response:
    """Return the page of a monitor, or of one of its segments."""
    known_monitor(service, name)
    seen = await to_thread.run_sync(_seen, service.store, name, segment, before)
    told = None
    if effects == "yes" and not segment:
        told = await effects_told(service, name, seen.shown)
    is_past = before is not None
    return await to_thread.run_sync(_page, service, links, name, segment, seen, told, is_past)


@dataclass(frozen=True, slots=True)
class _Seen:
    """The diagnoses that a page shows, and what happened meanwhile."""

    told: tuple[ResultRecord, ...]
    start: datetime | None
    events: tuple[EventRecord, ...]

    @property
    def shown(self) -> tuple[EventRecord, ...]:
        """The newest events, the last first."""
        return self.events[-_MOST_EVENTS:][::-1]


def _seen(store: Store, name: str, segment: str, before: str | None) -> _Seen:
    told = _told(store, name, segment, before)
    start = min((r.key.interval.start for r in told), default=None)
    return _Seen(told, start, store.list_events(monitor=name, since=start))


def _page(
    service: Service, links: Links, name: str, segment: str, seen: _Seen,
    effects: Mapping[int, EventEffect] | None, is_past: bool,
) -> Response:  # fmt: skip
    settings = known_monitor(service, name)
    view = service.board().monitors.get(name)
    if view is None:  # new in the configuration
        raise Refused(Problem(503, "not_ready", "Nothing of it has been read yet."))
    store, now, zone = service.store, service.clock(), settings.window.timezone
    told, shown = seen.told, seen.shown
    if segment and not told:
        raise Refused(Problem(404, "segment", f"There is no segment {segment!r:.60} of {name}."))
    visits = store.list_visits(name, start=seen.start)
    records = store.list_alerts(monitor=name)
    firing, pending, resolved = (
        shown_alerts(records, state, links, {name: settings}, store)
        for state in (AlertState.FIRING, AlertState.PENDING, AlertState.RESOLVED)
    )
    first = stages_of(settings)[0].value
    lanes = _lanes(store, told, visits if not segment else (), links, first)
    newest = next(iter(_by_window(told)), None)
    reference = (
        Choice()
        if newest is None
        else chosen_for(settings, store, newest.key.interval, segment=segment, judged_at=newest.at)
    )
    left_out, earlier = _left_out(reference)
    graph = store.get_graph(name)
    said = None if newest is None else store.get_result(newest.id)
    labelled = None if is_past else view.labelled(segment)
    said_later = None if labelled is None else store.get_result(labelled.id)
    verdicts = {  # of the target only labels speak
        name: column["verdict"]
        for found in (said_later, said)
        if found is not None
        for name, column in found["columns"].items()
    }
    return page(
        service,
        "monitor.html.j2",
        title=name,
        m=settings,
        row=row_of(view, now),
        segment=segment,
        diagnosis=said,
        words=_words(said, view),
        newest=newest,
        labelled=labelled,
        labelled_diagnosis=said_later,
        labelled_words=_words(said_later, view),
        timeline=timeline_svg(lanes, [_mark(e) for e in seen.events], f"Windows of {name}", zone),
        zone=zone,
        older=_older(links, name, segment, told),
        is_past=is_past,
        firing=firing,
        pending=pending,
        resolved=resolved[:_MOST_EVENTS],
        segments=_segments(store, view, links),
        graph=None if graph is None else graph_svg(
            graph[1], verdicts, settings.columns.target, standalone=False
        ),
        graph_record=None if graph is None else graph[0],
        reference=reference,
        left_out=left_out,
        left_out_earlier=earlier,
        failures=[v for v in visits if v.outcome is CheckOutcome.ERROR],
        events=shown,
        effects=None if effects is None else {
            number: _said_of_effect(found) for number, found in effects.items()
        },
        has_effects=settings.columns.prediction is not None
        and any(e.kind in EVENT_KINDS for e in shown),
    )  # fmt: skip


def _words(said: Mapping[str, Any] | None, view: MonitorView) -> tuple[Word, ...]:
    words = () if said is None else stored_headline(said)
    return beside_alerts(words, is_firing=bool(view.firing))


def _told(store: Store, name: str, segment: str, before: str | None) -> tuple[ResultRecord, ...]:
    end = None if before is None else read_moment(before, "before")
    found = store.page_results(monitor=name, segment=segment, end=end, limit=2 * _MOST_WINDOWS)
    windows = list(dict.fromkeys(r.key.interval for r in found))[:_MOST_WINDOWS]
    return tuple(r for r in found if r.key.interval in set(windows))


def _by_window(told: Iterable[ResultRecord]) -> list[ResultRecord]:
    """Return the last word on each window, the newest first."""
    last: dict[Interval, ResultRecord] = {}
    for record in told:
        known = last.get(record.key.interval)
        if known is None or record.stage == "labels":
            last[record.key.interval] = record
    return sorted(last.values(), key=lambda r: r.key.interval, reverse=True)


def _older(links: Links, name: str, segment: str, told: tuple[ResultRecord, ...]) -> str | None:
    if len({r.key.interval for r in told}) < _MOST_WINDOWS:
        return None
    oldest = min(r.key.interval.start for r in told)
    return links.page("monitors", name, segment=segment or None, before=written(oldest))


# ---- the picture -------------------------------------------------------------------------------
def _lanes(
    store: Store, told: tuple[ResultRecord, ...], visits: Iterable[Visit], links: Links, first: str
) -> list[Lane]:
    """Return the lanes of stages and columns; windows not judged stand in the first stage's."""
    lanes = []
    seen = {r.key.interval for r in told}
    for stage in ("features", "labels"):
        cells = [_cell(store, r, links) for r in told if r.stage == stage]
        if stage == first:
            cells += _unjudged(visits, seen)
        if cells:
            lanes.append(Lane(stage, tuple(cells)))
    columns: dict[str, list[Cell]] = {}
    for record in _by_window(told):
        said = _MEMORY.of(store, record.id)
        for column, verdict in (said.columns if said else {}).items():
            word = "slow drift" if verdict == "slow" else verdict
            title = f"{column}: {word}, {record.key.interval}"
            link = links.page("diagnoses", record.id)
            columns.setdefault(column, []).append(Cell(record.key.interval, verdict, title, link))
    # What was a cause most often first; what was only undetermined comes last.
    order = sorted(columns, key=lambda c: (-sum(_is_cause(x.kind) for x in columns[c]),
                                           -len(columns[c]), c))  # fmt: skip
    return [*lanes, *(Lane(name, tuple(columns[name])) for name in order[:_MOST_LANES])]


def _is_cause(kind: str) -> bool:
    return kind in {"source", "mechanism", "fault", "slow"}


def _cell(store: Store, record: ResultRecord, links: Links) -> Cell:
    said = _MEMORY.of(store, record.id)
    words = "expired" if said is None else f"{said.words}. {said.summary}"
    return Cell(
        record.key.interval,
        record.verdict if said is None else said.kind,
        f"{record.key.interval}, {record.stage}: {words}",
        links.page("diagnoses", record.id),
    )


def _unjudged(visits: Iterable[Visit], seen: set[Interval]) -> list[Cell]:
    """Return the windows that have no diagnosis, and why."""
    cells = []
    for visit in visits:
        if visit.interval in seen:
            continue
        kind = _OUTCOMES.get(visit.outcome, "recorded")
        text = {"error": visit.error or "it failed", "empty": "no rows", "skipped": "too old",
                "recorded": "recorded as reference"}[kind]  # fmt: skip
        cells.append(Cell(visit.interval, kind, f"{visit.interval}: {text}"))
    return cells


def _said(stored: Mapping[str, Any]) -> _Said:
    columns = {
        name: column["verdict"]
        for name, column in stored["columns"].items()
        if column["verdict"] not in {"stable", "inherited"}
    }
    for name in told_slow(stored) or ():
        if not _is_cause(columns.get(name, "")):
            columns[name] = "slow"
    words = stored_headline(stored)
    kind = "fault" if stored["fault"] else words[0].kind
    return _Said(kind, ", ".join(w.text for w in words), str(stored["summary"]), columns)


def _mark(event: EventRecord) -> Mark:
    at = event.at if event.window is None else event.window.start
    return Mark(at, event.kind, f"{event.kind}, {written(event.at)}: {event.text} ({event.actor})")


def _said_of_effect(found: EventEffect) -> tuple[str, ...]:
    beside = () if found.beside is None else (_beside_words(found.beside, found.loss),)
    return _effect_words(found), *beside


def _beside_words(found: BesideOthers, loss: str | None) -> str:
    """Return what an event did beside other monitors in a sentence, or why that is not said."""
    effect = found.effect
    if effect is None or effect.low is None or effect.high is None:
        return f"Beside other monitors nothing can be said. {found.refused}"
    assert effect.value is not None
    factor, unit = (100, " % of its mean before") if found.is_relative else (1, "")
    low, high = (rounded(factor * end) for end in (effect.low, effect.high))
    size = f"{rounded(factor * abs(effect.value))}{unit}"
    moved = "rose" if effect.low > 0 else "fell" if effect.high < 0 else None
    name = measure_words(str(loss))
    said = (
        f"the {name} {moved} by {size} (change: {low} to {high})"
        if moved
        else f"whether the {name} moved is open (change: {low} to {high}{unit})"
    )
    doubts = [c.sentence for c in effect.checks if c.outcome == "warn"]
    return f"Beside {joined(found.others)}, left alone meanwhile, {said}." + "".join(
        f" But {text}." for text in doubts
    )


def _effect_words(found: EventEffect) -> str:
    """Return what an event did to the loss in a sentence, or why that cannot be said."""
    effect = found.effect
    if effect is None or effect.low is None or effect.high is None:
        return f"What it did to the loss cannot be said. {found.refused}"
    assert effect.value is not None
    assert found.loss_before is not None and found.loss_after is not None  # as there is an effect
    loss = measure_words(str(found.loss))
    bounds = f"{rounded(effect.low)} to {rounded(effect.high)}"
    moved = "raised" if effect.low > 0 else "lowered" if effect.high < 0 else None
    said = (
        f"It {moved} the {loss} by {rounded(abs(effect.value))} (change: {bounds})"
        if moved
        else f"Whether it moved the {loss} is open (change: {bounds})"
    )
    doubts = [c.sentence for c in effect.checks if c.name == "placebo" and c.outcome == "warn"]
    return (
        f"{said}, had the rows been alike; the mean went from {rounded(found.loss_before)} to "
        f"{rounded(found.loss_after)} ({len(found.before)} and {len(found.after)} windows)."
        + "".join(f" But {text}." for text in doubts)
    )


# ---- tables ------------------------------------------------------------------------------------
def _segments(store: Store, view: MonitorView, links: Links) -> list[dict[str, Any]]:
    newest: dict[str, ResultRecord] = {}
    for record in store.latest_results(view.name):
        known = newest.get(record.key.segment)
        if known is None or (record.key.interval.end, record.stage) > (
            known.key.interval.end, known.stage
        ):  # fmt: skip
            newest[record.key.segment] = record
    firing = {key.segment for key in view.firing}
    rows = []
    for name, record in sorted(newest.items()):
        if not name:
            continue
        said, labelled = _MEMORY.of(store, record.id), view.labelled(name)
        rows.append(
            {"name": name, "said": said, "is_firing": name in firing,
             "labelled": None if labelled is None else _MEMORY.of(store, labelled.id),
             "labelled_diagnosis": labelled and links.page("diagnoses", labelled.id),
             "page": links.page("monitors", view.name, segment=name),
             "diagnosis": links.page("diagnoses", record.id)}
        )  # fmt: skip
    return sorted(rows, key=lambda r: not r["is_firing"])


def _left_out(found: Choice) -> tuple[list[tuple[Interval, str]], list[tuple[str, int]]]:
    """Return the newest windows that do not count, and of those before them how many and why."""
    earlier = Counter(reason for _, reason in found.left_out[:-_MOST_LEFT_OUT])
    return list(found.left_out[-_MOST_LEFT_OUT:]), earlier.most_common()
