"""How uvicorn serves the application: small heads, short patience, nothing believed of a proxy."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from whydrift.monitor.config.service import Web

__all__ = ["uvicorn_config"]

_LARGEST_HEAD: Final = 16 << 10  # bytes, of the request line with all headers
_SECONDS_FOR_HEAD: Final = 10.0
_SECONDS_IDLE: Final = 15  # longer than a scrape every 10 s waits for its next
_CONNECTIONS: Final = 256
_SECONDS_TO_STOP: Final = 3


def uvicorn_config(app: ASGIApp, web: Web) -> uvicorn.Config:
    """Return the settings of the server.

    Parameters
    ----------
    app : ASGIApp
        What :func:`create_app` returned.
    web : Web
        Says where to listen.
    """
    host, _, port = web.listen.rpartition(":")
    return uvicorn.Config(
        app,
        host=host.strip("[]"),
        port=int(port),
        http=_Impatient,
        loop="asyncio",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        # Links are made of web.external_url; headers that anybody can send decide nothing.
        proxy_headers=False,
        server_header=False,
        h11_max_incomplete_event_size=_LARGEST_HEAD,
        timeout_keep_alive=_SECONDS_IDLE,
        limit_concurrency=_CONNECTIONS,
        timeout_graceful_shutdown=_SECONDS_TO_STOP,
    )


class _Impatient(H11Protocol):
    """Hangs up where a request's head does not come in time.

    uvicorn (0.54) waits for it without end, so that some hundred connections which send a byte now
    and then would be all there are: https://github.com/encode/uvicorn/discussions/2020.
    """

    _waiting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._waiting = self.loop.call_later(_SECONDS_FOR_HEAD, self._hang_up)

    def data_received(self, data: bytes) -> None:
        if self._waiting is None and self.conn.their_state is h11.IDLE:
            self._waiting = self.loop.call_later(_SECONDS_FOR_HEAD, self._hang_up)
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._stop_waiting()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def _hang_up(self) -> None:
        self._waiting = None
        if not self.transport.is_closing():
            self.transport.abort()

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
