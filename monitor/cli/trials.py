"""Tries what a configuration names: sources by reading a row, notifiers by a message."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from whydrift.discovery.errors import WhydriftError, nearest

if TYPE_CHECKING:
    from whydrift.monitor.config.model import Config
    from whydrift.monitor.config.monitor import Monitor
    from whydrift.monitor.config.service import Notifier

__all__ = ["SECONDS", "Trial", "try_notifier", "try_source", "try_store"]

SECONDS: Final = 20.0  # that each is waited for
_ROLES: Final = ("target", "prediction", "cluster", "version")


@dataclass(frozen=True, slots=True)
class Trial:
    """How it went.

    Parameters
    ----------
    name : str
        ``source of house-price``, ``notifier slack``, ``store``.
    is_good : bool
    told : str
        One sentence.
    columns : int, optional
        Of a source.
    """

    name: str
    is_good: bool
    told: str
    columns: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON holds it."""
        return {"name": self.name, "good": self.is_good, "text": self.told}


def try_source(
    config: Config, monitor: Monitor, now: datetime, *, seconds: float = SECONDS
) -> Trial:
    """Read the columns, and a row of the newest complete window; all that it takes is one try."""
    name = f"source of {monitor.name}"
    return _in_time(name, lambda: _read(name, config, monitor, now), seconds)


def try_store(config: Config, *, seconds: float = SECONDS) -> Trial:
    """Open the store, where there is one; none is made."""

    def look() -> Trial:
        from whydrift.monitor.store.engine import database_url
        from whydrift.monitor.store.store import open_store

        url = config.store.url.get_secret_value()
        path = database_url(url)
        if path.get_backend_name() == "sqlite":
            from pathlib import Path

            file = Path(path.database or "")
            if not file.exists():
                if not file.absolute().parent.is_dir():
                    return Trial("store", False, f"the folder of {file} does not exist")
                return Trial("store", True, f"{file} is made at the first start")
        with open_store(url, create=False) as store:
            return Trial("store", True, f"{store.database.where} can be read")

    return _in_time("store", look, seconds)


def try_notifier(
    notifier: Notifier, now: datetime, *, where: str, seconds: float = 3 * SECONDS
) -> Trial:
    """Send a test through one notifier; whoever gets it is told that it is one."""
    name = f"notifier {notifier.name}"

    def send() -> Trial:
        from whydrift.monitor.service.notify.base import Outcome
        from whydrift.monitor.service.notify.deliverer import Deliverer

        deliverer = Deliverer.of(notifier)
        try:
            notice = _test_notice(where, now)
            answer = deliverer.send(notice, notice.idempotency_key(notifier.name), now)
        finally:
            deliverer.close()
        if answer.outcome is Outcome.OK:
            return Trial(name, True, f"{deliverer.where} took the test message")
        return Trial(name, False, f"{deliverer.where}: {answer.error}")

    return _in_time(name, send, seconds)


def _test_notice(where: str, now: datetime) -> Any:
    from whydrift.monitor.diagnosis.alert import AlertKey, AlertKind
    from whydrift.monitor.service.notify.notice import Notice, NoticeStep
    from whydrift.monitor.window.interval import Interval

    return Notice(
        NoticeStep.TEST,
        "whydrift-test",
        AlertKey("", AlertKind.MECHANISM),
        "info",
        now,
        Interval(now - timedelta(days=1), now),
        "",
        summary=f"`whydrift check-config --send-test` sent this from {where}; nothing drifted.",
    )


def _read(name: str, config: Config, monitor: Monitor, now: datetime) -> Trial:
    from whydrift.monitor.source.base import Rows
    from whydrift.monitor.source.reading import batches_of
    from whydrift.monitor.source.registry import open_source
    from whydrift.monitor.source.retry import Retry
    from whydrift.monitor.window.calendar import TimeWindows

    source = open_source(config.reader_of(monitor))
    known = list(source.schema().names)
    for column, key in _named_columns(monitor, source.time_column):
        if column not in known:
            guess = nearest(column, known)
            hint = f"did you mean {guess!r}?" if guess else f"it has: {', '.join(known[:10])}"
            return Trial(
                name, False, f"{source.where} has no column {column!r} ({key}); {hint}", len(known)
            )
    told = f"{source.where} has {len(known)} columns"
    windows, time = monitor.window.cut(), source.time_column
    if isinstance(windows, TimeWindows) and time is not None:
        window = windows.ending(windows.last_end(now))
        rows = Rows((time,), time, window.start, window.end)
        once = Retry(attempts=1)
        first = next((b for b in batches_of(source, rows, retry=once) if b.num_rows), None)
        if first is None:
            told += f", and no row yet in the newest window, {window}"
        else:
            told += f"; a row of the newest window, {window}, was read"
    return Trial(name, True, told, len(known))


def _named_columns(monitor: Monitor, time: str | None) -> list[tuple[str, str]]:
    roles = [(getattr(monitor.columns, role), f"columns.{role}") for role in _ROLES]
    segments = [] if monitor.segments is None else list(monitor.segments.by)
    named = [
        (time, "time_column"),
        *roles,
        *((column, "columns.ignore") for column in monitor.columns.ignore),
        *((column, "segments.by") for column in segments),
    ]
    return [(column, key) for column, key in named if column is not None]


def _in_time(name: str, attempt: Callable[[], Trial], seconds: float) -> Trial:
    """Return how an attempt went; one that hangs is left, and the process may end without it."""
    found: list[Trial] = []
    failed: list[BaseException] = []

    def work() -> None:
        try:
            found.append(attempt())
        except WhydriftError as error:
            found.append(Trial(name, False, str(error)))
        except BaseException as error:  # raised to the caller, below
            failed.append(error)

    thread = threading.Thread(target=work, name=name, daemon=True)
    thread.start()
    thread.join(seconds)
    if failed:
        raise failed[0]
    return found[0] if found else Trial(name, False, f"no answer within {seconds:g} s")
