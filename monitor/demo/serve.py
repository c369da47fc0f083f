"""Shows a folder of pages on a loopback address."""

from __future__ import annotations

from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["serve_folder"]


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Keep the terminal free of one line per request."""


def serve_folder(folder: Path, console: Console) -> None:
    """Serve the folder's files on 127.0.0.1, on a free port, until interrupted."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder))) as server:
        console.print(f"\nServing on http://127.0.0.1:{server.server_port}/  (Ctrl-C ends it)")
        server.serve_forever()
