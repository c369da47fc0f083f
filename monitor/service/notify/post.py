"""Sends a request, and tells from the answer whether to try again; no secret leaves in an error."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from whydrift.discovery.errors import ConfigError
from whydrift.discovery.plain_text import clean
from whydrift.monitor.service.notify.base import Delivered, Outcome, Request

if TYPE_CHECKING:
    import ssl

    import httpx

__all__ = ["TIMEOUT_SECONDS", "Post", "host_of"]

TIMEOUT_SECONDS: Final = 10.0
_AGAIN: Final = frozenset({408, 425, 429})  # and all from 500 on
_MOST_READ: Final = 2048  # bytes of an answer: enough for what went wrong
_ANSWER_SECONDS: Final = 1.0  # for which the words of an answer are waited
_MOST_SHOWN: Final = 160  # characters
_LONGEST_WAIT: Final = 86_400.0  # seconds that a receiver can make us wait
_SHORTEST_SECRET: Final = 4


class Post:
    """A connection to a receiver; usable from one thread at a time.

    Redirects are not followed: a secret in the address, and a signed body, are for that host alone.
    Proxies are those of the environment (``HTTPS_PROXY``, ``NO_PROXY``).

    Parameters
    ----------
    secrets : collection of str
        Blanked out in all that is told of errors.
    ca : str, optional
        PEM file of the authority that signed the receiver's certificate; else those of the system.
    timeout : float
        Seconds for the whole attempt.

    Raises
    ------
    ConfigError
        If the file of the authority cannot be read.
    """

    def __init__(
        self,
        secrets: Collection[str] = (),
        ca: str | None = None,
        timeout: float = TIMEOUT_SECONDS,
    ) -> None:
        found = set(secrets)
        # A receiver may quote the path alone, in which the secret of a webhook stands.
        found |= {f"{urlsplit(s).path}" for s in secrets if "://" in s}
        words = {s for s in found if len(s) >= _SHORTEST_SECRET}
        self._secrets = sorted(words, key=len, reverse=True)
        self._timeout = timeout
        self._context = None if ca is None else _trusting(ca)
        self._client: httpx.Client | None = None
        self._line = _Line()

    def send(self, request: Request, now: datetime) -> Delivered:
        """Send it once.

        Parameters
        ----------
        request : Request
        now : datetime
            From which a date in ``Retry-After`` is counted.
        """
        import httpx

        headers = {"Content-Type": "application/json", **request.headers}
        try:
            client = self._opened()
        except (ValueError, ImportError) as error:
            # httpx reads HTTPS_PROXY and its like, and takes only what it knows.
            return Delivered(Outcome.ERROR, f"the environment's proxy cannot be used ({error})")
        late = Delivered(Outcome.ERROR, f"no answer within {self._timeout:g} s")
        try:
            with (
                self._line.cut_after(self._timeout),
                client.stream(
                    "POST",
                    request.url,
                    content=request.body,
                    headers=headers,
                    extensions={"trace": self._line.trace},
                ) as response,
            ):
                return self._answer(response, _beginning(response), now)
        # Of a name with an empty part, httpx does not say that it is none.
        except (httpx.InvalidURL, httpx.UnsupportedProtocol, UnicodeError) as error:
            return Delivered(Outcome.DEAD, self._masked(f"this is no URL ({error})", request.url))
        except httpx.TimeoutException:
            return late
        except httpx.HTTPError as error:
            if self._line.was_cut:
                return late
            words = str(error) or type(error).__name__
            return Delivered(Outcome.ERROR, self._masked(f"no connection: {words}", request.url))

    def close(self) -> None:
        """Close the connection."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def _opened(self) -> httpx.Client:
        import httpx

        if self._client is None:
            from importlib.metadata import version

            self._client = httpx.Client(
                timeout=self._timeout,
                verify=True if self._context is None else self._context,
                follow_redirects=False,
                headers={
                    "User-Agent": f"whydrift/{version('whydrift')}",
                    "Accept-Encoding": "identity",  # only the beginning of an answer is read
                },
            )
        return self._client

    def _answer(self, response: httpx.Response, said: bytes, now: datetime) -> Delivered:
        status = response.status_code
        if response.is_success:
            return Delivered(Outcome.OK, status=status)
        if 300 <= status < 400:
            return Delivered(
                Outcome.DEAD,
                f"HTTP {status}: it redirects elsewhere, which is not followed",
                status=status,
            )
        text = clean(said.decode("utf-8", "replace"), _MOST_SHOWN).strip()
        error = self._masked(f"HTTP {status}: {text}" if text else f"HTTP {status}")
        if status in _AGAIN or status >= 500:
            wait = _seconds(response.headers.get("Retry-After"), now)
            return Delivered(Outcome.ERROR, error, wait, status)
        return Delivered(Outcome.DEAD, error, status=status)

    def _masked(self, text: str, url: str | None = None) -> str:
        for secret in [*([url] if url else []), *self._secrets]:
            text = text.replace(secret, "***")
        return text


class _Line:
    """The socket of a client's connection: cut where an attempt takes too long.

    httpx counts its time anew with every byte that comes, so that a receiver which sends a byte of
    its head now and then would be listened to for days.
    """

    def __init__(self) -> None:
        self.was_cut = False
        self._socket: socket.socket | None = None

    def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Take note of the socket that was opened, as httpx's trace extension tells."""
        if event.endswith((".connect_tcp.complete", ".start_tls.complete")):
            self._socket = info["return_value"].get_extra_info("socket")

    @contextmanager
    def cut_after(self, seconds: float) -> Iterator[None]:
        """Cut the connection where what is within takes longer."""
        self.was_cut = False
        timer = threading.Timer(seconds, self._cut)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _cut(self) -> None:
        self.was_cut = True
        if self._socket is not None:
            with suppress(OSError):  # it is closed already
                # That of TLS would first unwrap what another thread is reading.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


def host_of(url: str) -> str:
    """Return host and port of an address: all that may be shown of it."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "***"
    return f"{parts.hostname or ''}{port}"


def _trusting(ca: str) -> ssl.SSLContext:
    import ssl

    try:
        return ssl.create_default_context(cafile=ca)
    except OSError as error:  # of which SSLError is one
        raise ConfigError(
            f"the file {ca!r} cannot be used ({(error.strerror or str(error)).lower()})",
            where="notify, ca",
            remedy="Name a PEM file with the certificate of the authority",
        ) from error


def _beginning(response: httpx.Response) -> bytes:
    """Return the first bytes of an answer; one that drips is left when time is up."""
    import httpx

    found, deadline = b"", time.monotonic() + _ANSWER_SECONDS
    try:
        for chunk in response.iter_raw():
            found += chunk
            if len(found) >= _MOST_READ or time.monotonic() > deadline:
                break
    except httpx.HTTPError:
        pass  # the status has told what to do
    return found[:_MOST_READ]


def _seconds(header: str | None, now: datetime) -> float | None:
    """Return what Retry-After asks for: seconds, or a date."""
    if header is None:
        return None
    text = header.strip()
    if re.fullmatch(r"\d{1,9}", text):
        wait = float(text)
    else:
        try:
            at = parsedate_to_datetime(text)
        except ValueError:
            return None
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
        wait = (at - now).total_seconds()
    return min(max(wait, 0.0), _LONGEST_WAIT)
