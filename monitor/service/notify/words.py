"""A notice in words: for chats, pagers and annotations."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from whydrift.discovery.plain_text import clean
from whydrift.monitor.diagnosis.alert import AlertKey, AlertKind
from whydrift.monitor.service.lapses import LAPSES, LapseKey
from whydrift.monitor.service.notify.notice import Notice, NoticeStep

__all__ = ["facts", "headline", "moment", "title"]

_MOST_COLUMNS: Final = 8
_STEPS: Final = {
    NoticeStep.OPENED: "FIRING",
    NoticeStep.CHANGED: "STILL FIRING, and more",
    NoticeStep.RESOLVED: "RESOLVED",
}
_KINDS: Final = {
    AlertKind.MECHANISM: "mechanism shift",
    AlertKind.COVARIATE: "covariate shift",
    AlertKind.FAULT: "data fault",
    AlertKind.CONDITIONAL: "what the model learned no longer holds",
    AlertKind.GRAPH: "the graph changed",
}


def headline(monitor: str, key: AlertKey | LapseKey) -> str:
    """Return which alert it is: ``house-price [country=DE]: data fault (price)``."""
    segment = f" [{clean(key.segment, 80)}]" if key.segment else ""
    target = f" ({clean(key.target, 60)})" if key.target else ""
    what = LAPSES[key.kind].headline if isinstance(key, LapseKey) else _KINDS[key.kind]
    return f"{clean(monitor, 80)}{segment}: {what}{target}"


def title(notice: Notice) -> str:
    """Return one line: what happened to which alert, ``FIRING: house-price: data fault``."""
    if notice.step is NoticeStep.TEST:
        return "TEST: whydrift can reach you"
    return f"{_STEPS[notice.step]}: {headline(notice.monitor, notice.key)}"


def facts(notice: Notice) -> list[tuple[str, str]]:
    """Return what else is known, as names and values in the order of their use."""
    found = []
    if notice.summary:
        found.append(("What", clean(notice.summary, 600)))
    if notice.columns:
        shown = ", ".join(clean(name, 60) for name in notice.columns[:_MOST_COLUMNS])
        more = len(notice.columns) - _MOST_COLUMNS
        began = f"{shown} and {more} more" if more > 0 else shown
        found.append(("Began in", began))
    if notice.step is NoticeStep.TEST:
        return found
    if notice.also:
        found.append(("Also", "; ".join(_KINDS[AlertKind(kind)] for kind in notice.also)))
    if notice.window is not None:
        window = f"{moment(notice.window.start)} to {moment(notice.window.end)}"
        found.append(("Window", f"{window}, stage {notice.stage}" if notice.stage else window))
    if notice.step in {NoticeStep.CHANGED, NoticeStep.RESOLVED}:
        found.append(("Since", moment(notice.since)))
    if notice.remedy and notice.step is not NoticeStep.RESOLVED:
        found.append(("Remedy", clean(notice.remedy, 400)))
    return found


def moment(at: datetime) -> str:
    """Return an instant as people read it."""
    return f"{at:%Y-%m-%d %H:%M}Z"
