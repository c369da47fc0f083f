"""A real server over a daemon, and clients that ask it."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx

from tests.service.watched import FakeDaemon
from whydrift.monitor.service.listening import WebServer
from whydrift.monitor.service.web.app import create_app


@dataclass
class Served:
    """Where a daemon answers."""

    daemon: FakeDaemon
    port: int
    client: httpx.Client  # as somebody on the same machine

    def as_(self, token: str | None, **headers: str) -> httpx.Client:
        """Return a client with a token."""
        given = {**headers, **({"Authorization": f"Bearer {token}"} if token else {})}
        return httpx.Client(base_url=f"http://localhost:{self.port}", headers=given, timeout=60)

    def raw(self, request: bytes, *, seconds: float = 5.0) -> bytes:
        """Send bytes as they are; return all that comes until the server hangs up."""
        with socket.create_connection(("127.0.0.1", self.port), seconds) as connection:
            connection.sendall(request)
            parts = []
            try:
                while part := connection.recv(65_536):
                    parts.append(part)
            except (TimeoutError, ConnectionResetError):
                pass
            return b"".join(parts)


@contextmanager
def served(daemon: FakeDaemon) -> Iterator[Served]:
    """Answer for a daemon on some port of this machine."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(64)
    port = listener.getsockname()[1]
    server = WebServer(create_app(daemon), daemon.config().web, listener)
    server.start()
    client = httpx.Client(base_url=f"http://localhost:{port}", timeout=60)
    try:
        for _ in range(1000):
            try:
                client.get("/-/healthy")
                break
            except httpx.TransportError:
                time.sleep(0.02)
        yield Served(daemon, port, client)
    finally:
        client.close()
        server.stop()
        daemon.close()
        listener.close()
