"""What test workers do; a module of its own, so that workers import nothing else."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from whydrift.discovery.errors import SourceError
from whydrift.monitor.service.logs import EventLog, about


@dataclass(frozen=True)
class Odd:
    """Does what a task's first word says."""

    name: str = "first"

    def begin(self) -> Odd:
        if self.name == "locked":
            raise SourceError("it is locked", where="store", remedy="Wait")
        return self

    def do(self, task: tuple[Any, ...], cancelled: Callable[[], bool]) -> Any:
        match task:
            case ("pid", *_):
                return os.getpid()
            case ("name", *_):
                return self.name
            case ("environment", name, *_):
                return os.environ.get(name)
            case ("sleep", seconds, *_):
                time.sleep(seconds)
                return seconds
            case ("until cancelled", *_):
                while not cancelled():
                    time.sleep(0.01)
                return "heeded"
            case ("eat", *_):
                eaten = []
                while True:
                    eaten.append(bytearray(os.urandom(1 << 20)) * 4)
            case ("eat at once", *_):
                return len(bytearray(1 << 40))
            case ("exit", status, *_):
                os._exit(status)
            case ("kill", *_):
                os.kill(os.getpid(), signal.SIGKILL)
            case ("refuse", *_):
                raise SourceError("the file is gone", where="a.parquet", remedy="Bring it back")
            case ("bug", *_):
                raise ZeroDivisionError("by zero")
            case ("much", size, *_):
                return bytes(size)
            case ("unpicklable", *_):
                return lambda: None
            case ("unreadable", *_):
                return _Unreadable()
            case ("log", text, *_):
                with about(monitor="m", window="w"):
                    EventLog("test").info("spoke", text=text)
                    logging.getLogger("library").warning("careful: %s", text)
                return None
        raise AssertionError(task)

    def close(self) -> None:
        pass


class _Unreadable:
    def __reduce__(self) -> tuple[Any, ...]:
        return int, ("no number",)
