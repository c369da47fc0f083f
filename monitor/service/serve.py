"""`whydrift serve`: the daemon put together, from the first signal to the last."""

from __future__ import annotations

import os
import queue
import secrets
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from whydrift.discovery.errors import OptionError, StoreError
from whydrift.monitor.service.clock import Clock, utc_now
from whydrift.monitor.service.logs import EventLog, LogFormat, Secrets, error_fields, set_up_logs
from whydrift.monitor.service.systemd import Manager

if TYPE_CHECKING:
    from whydrift.monitor.config.model import Config
    from whydrift.monitor.service.daemon import Daemon

__all__ = ["begin", "serve"]

_DRIVE_SECONDS: Final = 1.0  # a wait for workers
_LOOK_SECONDS: Final = 1.0  # from one look at what is due to the next
_REFRESH_SECONDS: Final = 5.0  # of what metrics and pages show
_DELIVER_SECONDS: Final = 1.0
_CLEAN_SECONDS: Final = 86_400.0
_CLEAN_WAIT: Final = 600.0  # after the start, when there is most to catch up with
_FAR_AHEAD: Final = timedelta(days=30)  # a machine that slept so long is started again
# A service manager's patience is often 10 s: checks get 8 of them.
_DRAIN_SECONDS: Final = 8.0
_STEP_SECONDS: Final = 0.1
_SIGNAL_SECONDS: Final = 1.0
_log = EventLog("serve")


def serve(
    path: Path,
    *,
    listen: str | None = None,
    style: LogFormat = LogFormat.TEXT,
    level: str = "info",
    colours: bool = False,
    say: Callable[[str], None] = print,
) -> None:
    """Run until a signal ends it.

    Parameters
    ----------
    path : Path
        The configuration.
    listen : str, optional
        Instead of ``web.listen``.
    style, level, colours
        Of the log, on standard error.
    say : callable
        Takes the line that tells where it listens.

    Raises
    ------
    WhydriftError
        If it cannot begin: nothing was begun then.
    """
    hidden = Secrets()
    set_up_logs(style, level, hidden, colours=colours)
    manager = Manager()
    signals: queue.SimpleQueue[int] = queue.SimpleQueue()
    with _signals_to(signals), ExitStack() as open_things:
        config = _read(path, listen)
        daemon, stop = begin(
            config, open_things, read_config=lambda: _read(path, listen), hidden=hidden,
            signals=signals, manager=manager, level=level,
        )  # fmt: skip
        host, _, port = config.web.listen.rpartition(":")
        say(f"whydrift listens on http://{host or '0.0.0.0'}:{port}/")  # noqa: S104 - only shown
        manager.ready(f"watching {len(config.monitors)} monitors")
        _obey(signals, daemon, manager)
        manager.stopping()
        stop()


def _read(path: Path, listen: str | None) -> Config:
    from whydrift.monitor.service.reload import read_whole

    config = read_whole(path)
    return config if listen is None else _listening(config, listen)


def _listening(config: Config, listen: str) -> Config:
    """Return the configuration with another address, under the same rules."""
    from pydantic import ValidationError

    from whydrift.monitor.config.service import Web

    said = {name: getattr(config.web, name) for name in config.web.model_fields_set}
    try:
        web = Web.model_validate({**said, "listen": listen})
    except ValidationError as error:
        context = error.errors(include_url=False)[0]["ctx"]
        raise OptionError(context["what"], where="--listen", remedy=context["remedy"]) from None
    return config.model_copy(update={"web": web})


def begin(
    config: Config,
    open_things: ExitStack,
    *,
    read_config: Callable[[], Config],
    hidden: Secrets,
    signals: queue.SimpleQueue[int],
    manager: Manager,
    level: str = "info",
    clock: Clock = utc_now,
) -> tuple[Daemon, Callable[[], None]]:
    """Begin everything: store, workers, ticks and web; return the daemon and what ends it.

    Parameters
    ----------
    config : Config
    open_things : ExitStack
        Takes what is to be closed at last.
    read_config : callable
        Reads the configuration again, in full.
    hidden : Secrets
        Takes those of the configuration.
    signals : queue
        One that comes while checks are waited for at the end ends them.
    manager : Manager
    level : str
        Of the log's lines.
    clock : callable

    Raises
    ------
    WhydriftError
        If the address or the store cannot be had.
    """
    import logging

    from whydrift.monitor.service.board import Board
    from whydrift.monitor.service.checking import Checking
    from whydrift.monitor.service.counters import Counters
    from whydrift.monitor.service.daemon import Daemon, limits_of, write_configuration
    from whydrift.monitor.service.holdings import TURN_EVERY, Holdings
    from whydrift.monitor.service.listening import WebServer, bound, settled_memory
    from whydrift.monitor.service.pool import Pool
    from whydrift.monitor.service.reload import secrets_in
    from whydrift.monitor.service.ticks import Tick, ticking
    from whydrift.monitor.service.web.app import create_app
    from whydrift.monitor.store.opening import open_for_checks

    hidden.add(secrets_in(config))
    listener = bound(config.web)
    open_things.callback(listener.close)
    store = open_things.enter_context(
        open_for_checks(
            config.store.url.get_secret_value(), migrate=config.store.migrate, clock=clock
        )
    )
    write_configuration(store, config)
    holder = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
    counters, board = Counters(), Board(holder)
    lease_seconds = config.checks.lease.least_seconds
    holdings = Holdings(store, holder, seconds=lease_seconds, is_alone=store.database.is_sqlite)
    pool = Pool(
        Checking(config), config.checks.workers, limits_of(config),
        log_level=logging.getLevelName(level.upper()),
    )  # fmt: skip
    open_things.callback(pool.close)
    daemon = Daemon(
        config,
        read_config=read_config,
        store=store,
        holdings=holdings,
        pool=pool,
        clock=clock,
        counters=counters,
        board=board,
        secrets=hidden,
    )
    daemon.refresh()  # before the first scrape: else a restart would resolve alerts
    ended = threading.Event()
    driver = threading.Thread(target=_drive, args=(daemon, ended), name="driver", daemon=True)
    driver.start()
    ticks = [
        Tick("leases", lease_seconds * TURN_EVERY, daemon.keep_leases),
        Tick("look", _LOOK_SECONDS, daemon.look),
        Tick("refresh", _REFRESH_SECONDS, daemon.refresh),
        Tick("deliver", _DELIVER_SECONDS, daemon.deliver),
        Tick("clean", _CLEAN_SECONDS, partial(_clean, daemon, _Began.now()), wait=_CLEAN_WAIT),
    ]
    if manager.watchdog_seconds is not None:
        ticks.append(Tick("watchdog", manager.watchdog_seconds / 3, lambda: _pet(manager, daemon)))
    ticker = ExitStack()
    ticker.enter_context(ticking(ticks))
    open_things.callback(ticker.close)
    web = WebServer(create_app(daemon), config.web, listener)
    settled_memory()
    web.start()
    _log.info(
        "started", monitors=len(config.monitors), workers=config.checks.workers,
        store=store.database.where, listen=config.web.listen,
    )  # fmt: skip

    def stop() -> None:
        began = time.monotonic()
        daemon.stop()
        ticker.close()
        left = _drained(daemon, signals)
        ended.set()
        pool.wake()
        driver.join()
        try:
            daemon.look()  # writes how the last checks went
            holdings.release_all()
        except StoreError as error:
            _log.warning("leases_not_released", **error_fields(error))
        daemon.close()
        web.stop()
        _log.info("stopped", seconds=time.monotonic() - began, checks_ended=left)

    return daemon, stop


def _drive(daemon: Daemon, ended: threading.Event) -> None:
    while not ended.is_set():
        try:
            daemon.drive(_DRIVE_SECONDS)
        except Exception as error:  # a bug: told, and the daemon is found not to be alive
            _log.bug("driver_failed", **error_fields(error))
            time.sleep(_DRIVE_SECONDS)


@dataclass(frozen=True)
class _Began:
    """A moment, by the clock of the machine and by one that nobody sets."""

    wall: datetime
    seconds: float

    @classmethod
    def now(cls) -> _Began:
        """Return the moment now."""
        return cls(utc_now(), time.monotonic())

    @property
    def ahead(self) -> timedelta:
        """How much more has passed since by the clock of the machine."""
        now = self.now()
        return now.wall - self.wall - timedelta(seconds=now.seconds - self.seconds)


def _clean(daemon: Daemon, began: _Began) -> None:
    """Delete what is old, unless a clock that was set ahead makes everything old."""
    if (ahead := began.ahead) > _FAR_AHEAD:
        _log.error(
            "not_cleaned",
            error=f"the clock was set {ahead.days} days ahead since whydrift was started",
            remedy="If it is right now, start whydrift again",
        )
    else:
        daemon.clean()


def _pet(manager: Manager, daemon: Daemon) -> None:
    if daemon.is_alive():
        manager.is_alive()


def _obey(signals: queue.SimpleQueue[int], daemon: Daemon, manager: Manager) -> None:
    """Wait for signals; return at the first that ends the daemon."""
    while (number := _next(signals)) == signal.SIGHUP:
        manager.reloading()
        # If it fails it is told in the log, metrics and pages; the old one stays in force.
        with suppress(Exception):
            daemon.reload()
        manager.ready(f"watching {len(daemon.config().monitors)} monitors")
    _log.info("stopping", signal=signal.Signals(number).name)


def _next(signals: queue.SimpleQueue[int]) -> int:
    """Return the next signal, looking up each second.

    A signal that the kernel gives to another thread does not end this one's wait: Python calls
    the handler once the main thread runs, and that it does only when it waits no longer.
    """
    while True:
        with suppress(queue.Empty):
            return signals.get(timeout=_SIGNAL_SECONDS)


def _drained(daemon: Daemon, signals: queue.SimpleQueue[int]) -> int:
    """Wait for checks under way, not for long; return how many are given up."""
    until = time.monotonic() + _DRAIN_SECONDS
    while daemon.running and time.monotonic() < until:
        try:
            if signals.get(timeout=_STEP_SECONDS) != signal.SIGHUP:
                break  # the second time somebody says so: at once
        except queue.Empty:
            pass
    return daemon.running


@contextmanager
def _signals_to(signals: queue.SimpleQueue[int]) -> Iterator[None]:
    """Put signals into a queue within: its `put` may be called at any moment, and nothing else."""
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    before = {n: signal.signal(n, lambda number, _frame: signals.put(number)) for n in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
