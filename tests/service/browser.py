"""A real Chromium that is told what to do, over its DevTools."""

from __future__ import annotations

import asyncio
import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.servers import free_port, program


class Browser:
    """One page of a browser without a window."""

    def __init__(self, address: str) -> None:
        self._address = address

    def run(self, url: str, *scripts: str, until: str, seconds: float = 30) -> list[Any]:
        """Open a page, run scripts in it, wait until one is true; return what each gave."""
        return asyncio.run(self._run(url, scripts, until, seconds))

    async def _run(
        self, url: str, scripts: tuple[str, ...], until: str, seconds: float
    ) -> list[Any]:
        from tornado.websocket import websocket_connect

        connection = await websocket_connect(self._address)
        number = 0

        async def ask(method: str, **given: Any) -> dict[str, Any]:
            nonlocal number
            number += 1
            await connection.write_message(
                json.dumps({"id": number, "method": method, "params": given})
            )
            while True:
                said: dict[str, Any] = json.loads(await connection.read_message() or "{}")
                if said.get("id") == number:
                    return said["result"]

        async def value(script: str) -> Any:
            told = await ask("Runtime.evaluate", expression=script, returnByValue=True)
            return told["result"].get("value")

        await ask("Page.navigate", url=url)
        for _ in range(100):
            if await value("document.readyState === 'complete' && location.href !== 'about:blank'"):
                break
            await asyncio.sleep(0.05)
        found = [await value(script) for script in scripts]
        ends = time.monotonic() + seconds
        while not await value(until):
            assert time.monotonic() < ends, await value("document.documentElement.innerText")
            await asyncio.sleep(0.1)
        found.append(await value("document.documentElement.innerText"))
        connection.close()
        return found


@contextmanager
def chromium(folder: Path) -> Iterator[Browser]:
    """Start a browser with a profile of its own."""
    port = free_port()
    process = subprocess.Popen(
        [program("chromium"), "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
         f"--remote-debugging-port={port}", "--remote-allow-origins=*",
         f"--user-data-dir={folder}/profile", "about:blank"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        for _ in range(200):
            try:
                pages = httpx.get(f"http://127.0.0.1:{port}/json/list").json()
                break
            except httpx.TransportError:
                time.sleep(0.1)
        yield Browser(next(p["webSocketDebuggerUrl"] for p in pages if p["type"] == "page"))
    finally:
        process.terminate()
        process.wait()
