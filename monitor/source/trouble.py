"""What went wrong in a store, as an error of ours: final, or worth another try."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from whydrift.discovery.errors import SourceError
from whydrift.monitor.source.address import without_secrets

__all__ = ["Interrupted", "is_transient", "missing_package", "reading"]

_PASSING: Final = frozenset(
    (
        errno.EAGAIN, errno.EBUSY, errno.ECONNABORTED, errno.ECONNREFUSED, errno.ECONNRESET,
        errno.EHOSTUNREACH, errno.EINTR, errno.ENETDOWN, errno.ENETRESET, errno.ENETUNREACH,
        errno.EPIPE, errno.ETIMEDOUT, getattr(errno, "EREMOTEIO", errno.ETIMEDOUT),
    )
)  # fmt: skip
_PASSING_STATUS: Final = frozenset((408, 425, 429, 500, 502, 503, 504, 507, 509))
# By name, so that none of these libraries is imported: connections that break, names that could
# not be looked up just now, answers cut short.
_PASSING_NAMES: Final = frozenset(
    (
        "ClientConnectionError", "ClientConnectorError", "ClientConnectorDNSError",
        "ClientOSError", "ClientPayloadError", "ServerDisconnectedError", "ServerTimeoutError",
        "ConnectionTimeoutError", "SocketTimeoutError", "IncompleteRead", "ConnectionClosedError",
        "ConnectTimeoutError", "EndpointConnectionError", "ReadTimeoutError",
        "ResponseStreamingError", "ServiceRequestError", "ServiceResponseError", "FSTimeoutError",
    )
)  # fmt: skip
_NOT_ALLOWED: Final = frozenset((401, 403, 407))
_EXTRAS: Final = {
    "s3": "s3", "s3a": "s3", "gs": "gcs", "gcs": "gcs", "abfs": "abfs", "abfss": "abfs",
    "az": "abfs", "http": "http", "https": "http",
}  # fmt: skip


class Interrupted(SourceError):  # noqa: N818 - what happened, not what is wrong
    """The store failed for now: the same may work if it is tried again."""


def missing_package(scheme: str, error: ImportError, where: str) -> SourceError:
    """Build the error for a store whose library is not installed."""
    extra = _EXTRAS.get(scheme)
    package = f"'whydrift[{extra}]'" if extra else (error.name or "its fsspec package")
    return SourceError(
        f"reading {scheme}:// needs a package that is not installed",
        where=where,
        remedy=f"Install it: pip install {package}",
    )


def is_transient(error: BaseException) -> bool:
    """Whether the same call may work a little later: broken connections, 5xx, time-outs."""
    for link in _chain(error):
        status = _status(link)
        if status is not None:
            return status in _PASSING_STATUS
        if isinstance(link, (ConnectionError, TimeoutError)):
            return True
        if isinstance(link, OSError) and link.errno in _PASSING:
            return True
        if type(link).__name__ in _PASSING_NAMES:
            return True
    return False


@contextmanager
def reading(where: str, address: str) -> Iterator[None]:
    """Read within; what fails comes out as a SourceError without passwords.

    Parameters
    ----------
    where : str
        Names the file in messages.
    address : str
        The path or address itself; never shown.
    """
    import pyarrow as pa

    try:
        yield
    except SourceError:
        raise
    except (pa.ArrowException, OSError, EOFError) as error:
        raise _told(error, where, address) from error
    except Exception as error:
        # Errors of the libraries behind fsspec have no common root.
        if not (_is_foreign(error) or is_transient(error)):
            raise
        raise _told(error, where, address) from error


def _told(error: Exception, where: str, address: str) -> SourceError:
    ours = next((link for link in _chain(error) if isinstance(link, SourceError)), None)
    if ours is not None:  # fsspec makes "not found" of whatever broke a request
        return ours
    lines = str(error).strip().splitlines()
    first = without_secrets(lines[0], address) if lines else type(error).__name__
    if is_transient(error):
        return Interrupted(
            f"the store failed ({first})", where=where, remedy="Try again a little later"
        )
    statuses = [s for s in map(_status, _chain(error)) if s is not None]
    if isinstance(error, PermissionError) or any(s in _NOT_ALLOWED for s in statuses):
        return SourceError(
            "permission denied", where=where, remedy="Ask for the right to read this file"
        )
    if "NoCredentials" in type(error).__name__:
        return SourceError(
            "there are no credentials for this store",
            where=where,
            remedy="Set them as its own tools do, such as AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY",
        )
    if isinstance(error, FileNotFoundError):
        return SourceError("there is no such file", where=where, remedy="Check the address")
    if statuses or _is_foreign(error):
        return SourceError(
            f"the store refused it ({first})", where=where, remedy="Check the address"
        )
    return SourceError(
        f"the file is damaged or cut short ({first})", where=where, remedy="Write or copy it again"
    )


def _is_foreign(error: Exception) -> bool:
    root = type(error).__module__.partition(".")[0]
    return root in {"aiohttp", "botocore", "aiobotocore", "gcsfs", "google", "azure", "fsspec"}


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield the error and what it came from."""
    link: BaseException | None = error
    for _ in range(8):
        if link is None:
            return
        yield link
        link = link.__cause__ or link.__context__


def _status(error: BaseException) -> int | None:
    """Return the HTTP status that an error of a store's library carries."""
    response = getattr(error, "response", None)
    if isinstance(response, dict):  # botocore
        found = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        return found if isinstance(found, int) else None
    for name in ("status", "status_code", "code"):
        found = getattr(error, name, None)
        if isinstance(found, int) and 400 <= found < 600:
            return found
    return None
