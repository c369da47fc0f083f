"""Tells systemd how it goes, where it started us; nothing where it did not."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping
from typing import Final

__all__ = ["Manager"]

_MICROSECONDS: Final = 1_000_000


class Manager:
    """The service manager, as sd_notify(3) speaks to it: a datagram to ``NOTIFY_SOCKET``.

    Parameters
    ----------
    environment : mapping of str to str
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        address = environment.get("NOTIFY_SOCKET", "")
        # An at sign stands for the abstract name space's leading zero.
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        span, pid = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID", "")
        is_ours = not pid or pid == str(os.getpid())
        self.watchdog_seconds: float | None = (
            int(span) / _MICROSECONDS if span.isdigit() and is_ours else None
        )

    def ready(self, status: str) -> None:
        """Say that it runs."""
        self._tell(f"READY=1\nSTATUS={status}")

    def reloading(self) -> None:
        """Say that a new configuration is being read; :meth:`ready` ends it."""
        self._tell(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """Say that it ends."""
        self._tell("STOPPING=1")

    def is_alive(self) -> None:
        """Say that it still runs: without it for ``WATCHDOG_USEC``, systemd starts it anew."""
        self._tell("WATCHDOG=1")

    def _tell(self, text: str) -> None:
        if not self._address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
            try:
                channel.connect(self._address)
                channel.send(text.encode())
            except OSError:
                pass  # the manager is gone: nothing of ours depends on it
