"""All monitors in one table, what is worst first."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from fastapi import APIRouter
from starlette.responses import Response

from whydrift.monitor.diagnosis.alert import AlertKind
from whydrift.monitor.diagnosis.diagnosis import Verdict
from whydrift.monitor.diagnosis.headline import Word, words_for
from whydrift.monitor.service.web.pages.shell import page
from whydrift.monitor.service.web.requests import ServiceOf

if TYPE_CHECKING:
    from whydrift.monitor.service.board import MonitorView, ResultNumbers

__all__ = ["Row", "beside_alerts", "firing_words", "result_words", "router", "row_of"]

router: Final = APIRouter()

_LATE: Final = timedelta(minutes=15)  # as the rule WhydriftCheckOverdue


@dataclass(frozen=True, slots=True)
class Row:
    """One monitor, as the table shows it.

    Parameters
    ----------
    view : MonitorView
    newest : ResultNumbers, optional
    words : tuple of Word
        Of the newest diagnosis.
    labelled : ResultNumbers, optional
        The newest one with labels, where it is of an earlier window.
    labelled_words : tuple of Word
        Of that one.
    firing : tuple of str
        Each kind that fires, where, and of which columns; what is most urgent first.
    is_late : bool
        Whether a result should be there and is not.
    state : str
        ``firing``, ``failing``, ``late``, ``open``, ``new``, ``paused`` or ``well``.
    """

    view: MonitorView
    newest: ResultNumbers | None
    words: tuple[Word, ...]
    labelled: ResultNumbers | None
    labelled_words: tuple[Word, ...]
    firing: tuple[str, ...]
    is_late: bool
    state: str


_ORDER: Final = ("firing", "failing", "late", "open", "new", "paused", "well")
_URGENCY: Final = (
    AlertKind.FAULT, AlertKind.MECHANISM, AlertKind.CONDITIONAL, AlertKind.COVARIATE,
    AlertKind.GRAPH,
)  # fmt: skip
_MOST_NAMED: Final = 3
_SEVERITIES: Final = ("critical", "error", "warning", "info")


@router.get("/")
def overview(service: ServiceOf) -> Response:
    """Return the table of all monitors."""
    now = service.clock()
    rows = [row_of(view, now) for view in service.board().monitors.values()]
    rows.sort(key=_rank)
    counts = {state: sum(row.state == state for row in rows) for state in _ORDER}
    alerts = sum(len(row.view.firing) for row in rows)
    zones = {m.name: m.window.timezone for m in service.config().monitors}
    return page(
        service, "overview.html.j2", title="Monitors", rows=rows, counts=counts, alerts=alerts,
        zones=zones,
    )  # fmt: skip


def row_of(view: MonitorView, now: datetime) -> Row:
    """Return what the table shows of a monitor."""
    newest, labelled = view.newest(), view.labelled()
    is_late = view.next_due is not None and now - view.next_due > _LATE
    match view:
        case _ if view.firing:
            state = "firing"
        case _ if view.state.consecutive_failures:
            state = "failing"
        case _ if view.state.is_paused:
            state = "paused"
        case _ if is_late:
            state = "late"
        case _ if newest is None:
            state = "new"
        case _ if _is_open(newest) or (labelled is not None and _is_open(labelled)):
            state = "open"
        case _ if view.empty is not None:
            state = "open"
        case _:
            state = "well"
    words, labelled_words = (
        () if found is None else beside_alerts(result_words(found), is_firing=bool(view.firing))
        for found in (newest, labelled)
    )
    is_told_late = is_late and state != "paused"
    return Row(
        view, newest, words, labelled, labelled_words, firing_words(view), is_told_late, state
    )


def _is_open(found: ResultNumbers) -> bool:
    is_moved = found.fault or found.model_changed or bool(found.slow)
    return is_moved or found.verdict != Verdict.NONE


def beside_alerts(words: Iterable[Word], *, is_firing: bool) -> tuple[Word, ...]:
    """Return first words without the colour of "all is well" where an alert says otherwise."""
    quiet = Verdict.NONE.value
    return tuple(replace(w, kind="quiet") if is_firing and w.kind == quiet else w for w in words)


def result_words(found: ResultNumbers) -> tuple[Word, ...]:
    """Return the first words of a diagnosis."""
    return words_for(
        Verdict(found.verdict),
        fault=found.fault,
        conditional_shift=found.conditional_shift,
        model_changed=found.model_changed,
        slow=bool(found.slow),
    )


def firing_words(view: MonitorView) -> tuple[str, ...]:
    """Return each kind that fires with its columns, and the segments where the whole does not."""
    found = []
    for kind in sorted(AlertKind, key=_URGENCY.index):
        keys = sorted((key for key in view.firing if key.kind is kind), key=lambda k: k.segment)
        if not keys:
            continue
        inner = [key.segment for key in keys if key.segment]
        where = "" if not keys[0].segment else f" in {inner[0]}"
        more = f" and {len(inner) - 1} more" if where and len(inner) > 1 else ""
        found.append(f"{kind.value}{where}{more}{_of(view.named.get(keys[0], ()))}")
    return tuple(found)


def _of(columns: tuple[str, ...]) -> str:
    if not columns:
        return ""
    left = len(columns) - _MOST_NAMED
    return f": {', '.join(columns[:_MOST_NAMED])}" + (f" and {left} more" if left > 0 else "")


def _rank(row: Row) -> tuple[int, int, str]:
    kinds = {key.kind for key in row.view.firing}
    severity = "critical" if AlertKind.FAULT in kinds else row.view.severity
    if kinds == {AlertKind.GRAPH}:
        severity = "info"
    return _ORDER.index(row.state), _SEVERITIES.index(severity), row.view.name
