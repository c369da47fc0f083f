"""How uvicorn serves the application: small heads, short patience, nothing believed of a proxy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import uvicorn

from whydrift.monitor.service.web.connection import Impatient

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from whydrift.monitor.config.service import Web

__all__ = ["uvicorn_config"]

_LARGEST_HEAD: Final = 16 << 10  # bytes, of the request line with all headers
_SECONDS_IDLE: Final = 15  # longer than a scrape every 10 s waits for its next
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
        http=Impatient,
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
        limit_concurrency=None,  # Impatient makes room, where uvicorn would refuse probes too
        timeout_graceful_shutdown=_SECONDS_TO_STOP,
    )
