"""The web interface's socket and thread."""

from __future__ import annotations

import contextlib
import gc
import socket
import threading
from typing import TYPE_CHECKING, Final

from whydrift.discovery.errors import ConfigError

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from whydrift.monitor.config.service import Web

__all__ = ["WebServer", "bound", "settled_memory"]

_BACKLOG: Final = 128
_SECONDS_TO_STOP: Final = 1.0  # for answers under way; checks have their own time


def bound(web: Web) -> socket.socket:
    """Take the address that a configuration names, before anything else is begun.

    Raises
    ------
    ConfigError
        If it cannot be had: another process listens there, or it is none of this machine's.
    """
    host, _, port = web.listen.rpartition(":")
    try:
        found = socket.getaddrinfo(
            host.strip("[]") or None, int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        family, kind, protocol, _, address = found[0]
        listener = socket.socket(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(_BACKLOG)
        except BaseException:
            listener.close()
            raise
    except OSError as error:
        raise ConfigError(
            f"it cannot listen on {web.listen} ({(error.strerror or str(error)).lower()})",
            where="web.listen",
            remedy="Stop what listens there, or name another port: --listen 127.0.0.1:9465",
        ) from error
    return listener


def settled_memory() -> None:
    """Let the garbage collector leave alone what stays: modules, and what was loaded by now.

    It walks through all of that at every full collection, 0.1 s with everything that a daemon has
    imported, in the middle of some answer.
    """
    gc.collect()
    gc.freeze()


class WebServer:
    """Answers on a socket, in a thread of its own.

    Parameters
    ----------
    app : ASGIApp
    web : Web
    listener : socket
    """

    def __init__(self, app: ASGIApp, web: Web, listener: socket.socket) -> None:
        import uvicorn

        from whydrift.monitor.service.web.server import uvicorn_config

        self._server = uvicorn.Server(uvicorn_config(app, web))
        self._thread = threading.Thread(
            target=self._server.run, args=([listener],), name="web", daemon=True
        )

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Answer what was asked, for a moment, and take no more."""
        self._server.should_exit = True
        self._thread.join(_SECONDS_TO_STOP)
        self._server.force_exit = True
        with contextlib.suppress(RuntimeError):
            self._thread.join(_SECONDS_TO_STOP)
