"""A receiver of notifications on the loopback, which answers as it is told."""

from __future__ import annotations

import json
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

__all__ = ["Received", "Receiver", "receiver"]


@dataclass(frozen=True)
class Received:
    """One request."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Receiver:
    """What came, and what is answered: one item of ``answers`` each time, then 200.

    An answer is a status, or (status, headers), or one of ``hang``, ``reset``, ``drip``.
    """

    answers: list[Any] = field(default_factory=list)
    received: list[Received] = field(default_factory=list)
    taken: list[Received] = field(default_factory=list)  # those answered with 2xx
    port: int = 0
    scheme: str = "http"
    always: Any = 200
    leave: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        host = "localhost" if self.scheme == "https" else "127.0.0.1"
        return f"{self.scheme}://{host}:{self.port}/hush-hush"

    def keys(self) -> list[str]:
        return [r.headers["Idempotency-Key"] for r in self.taken]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    told: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        got = Received(self.path, dict(self.headers.items()), body)
        with self.told.lock:
            self.told.received.append(got)
            answer = self.told.answers.pop(0) if self.told.answers else self.told.always
        match answer:
            case "hang":
                self.told.leave.wait(60)
                self.close_connection = True
            case "reset":
                linger = struct.pack("ii", 1, 0)
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                self.connection.close()
                self.close_connection = True
            case "drip":
                self.send_response(500)
                self.send_header("Content-Length", "1000000")
                self.end_headers()
                deadline = time.monotonic() + 5
                try:
                    while time.monotonic() < deadline and not self.told.leave.is_set():
                        self.wfile.write(b"x")
                        self.wfile.flush()
                        time.sleep(0.02)
                except OSError:
                    pass
                self.close_connection = True
            case "drip head":
                with suppress(OSError):
                    self.wfile.write(b"HTTP/1.1 200 OK\r\nX-A: ")
                    while not self.told.leave.wait(0.02):
                        self.wfile.write(b"x")
                        self.wfile.flush()
                self.close_connection = True
            case int(status):
                self._answer(got, status, {})
            case (status, headers):
                self._answer(got, status, headers)

    def do_GET(self) -> None:  # what a redirect would lead to
        with self.told.lock:
            self.told.received.append(Received(self.path, dict(self.headers.items()), b""))
        self._answer(None, 200, {})

    def _answer(self, got: Received | None, status: int, headers: Mapping[str, str]) -> None:
        said = b"no: /hush-hush is not taken" if status >= 400 else b"ok"
        if got is not None and 200 <= status < 300:
            with self.told.lock:
                self.told.taken.append(got)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """A sender that has left is what is tested."""


@contextmanager
def receiver(
    *answers: Any, always: Any = 200, certificate: tuple[Path, Path] | None = None
) -> Iterator[Receiver]:
    """Run a receiver on a free port."""
    told = Receiver(list(answers), always=always)
    handler: Callable[..., BaseHTTPRequestHandler] = type("Handler", (_Handler,), {"told": told})
    server = _Server(("127.0.0.1", 0), handler)
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        told.scheme = "https"
    told.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield told
    finally:
        told.leave.set()
        server.shutdown()
        thread.join()
        server.server_close()
