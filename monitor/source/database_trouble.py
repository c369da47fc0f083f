"""What went wrong in a database, as an error of ours: final, or worth another try."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from whydrift.discovery.errors import SourceError
from whydrift.monitor.source.address import without_secrets
from whydrift.monitor.source.trouble import Interrupted

__all__ = ["asking", "is_passing"]

# Classes and codes of SQLSTATE that may pass: connection, serialization, deadlock, no free
# connection, server going down or coming up.
_PASSING: Final = re.compile(r"^(08|40001|40P01|53300|57P0[123])")
_CANCELLED: Final = "57014"
# Drivers give no code where the connection itself failed.
_PASSING_TEXT: Final = re.compile(
    r"connection refused|timed? ?out|server closed the connection|database is locked|"
    r"starting up|shutting down|too many (clients|connections)|temporary failure in name|"
    r"lost connection|connection reset|could not serialize|connection is closed",
    re.IGNORECASE,
)


@contextmanager
def asking(where: str, address: str, timeout_seconds: float | None) -> Iterator[None]:
    """Ask a database within; what fails comes out as a SourceError without passwords.

    Parameters
    ----------
    where : str
        Names the database in messages.
    address : str
        Its address; never shown.
    timeout_seconds : float, optional
        How long a query may take, for the message.
    """
    from sqlalchemy.exc import DBAPIError, SQLAlchemyError

    try:
        yield
    except DBAPIError as error:
        raise _told(error, where, address, timeout_seconds) from error
    except SQLAlchemyError as error:
        raise SourceError(
            f"the query cannot be asked ({_first_line(error, address)})",
            where=where,
            remedy="Check the address and the query",
        ) from error


def _told(error: Any, where: str, address: str, timeout_seconds: float | None) -> SourceError:
    first = _first_line(error.orig, address)
    if _state(error.orig) == _CANCELLED or "interrupted" in first:
        return SourceError(
            f"the query took longer than {timeout_seconds:g} s"
            if timeout_seconds is not None
            else f"the query was cancelled ({first})",
            where=where,
            remedy="Make it faster (an index on the time), or give it more time",
        )
    if error.connection_invalidated or is_passing(error.orig):
        return Interrupted(
            f"the database failed ({first})", where=where, remedy="Try again a little later"
        )
    return SourceError(
        f"the database refused it ({first})",
        where=where,
        remedy="Check the query, the address and the account's rights",
    )


def is_passing(error: BaseException) -> bool:
    """Whether what a driver says may be otherwise a little later."""
    return bool(_PASSING.match(_state(error)) or _PASSING_TEXT.search(str(error)))


def _state(error: Any) -> str:
    """Return the SQLSTATE that a driver's error carries, if any."""
    return str(getattr(error, "sqlstate", None) or getattr(error, "pgcode", None) or "")


def _first_line(error: BaseException | None, address: str) -> str:
    lines = str(error).strip().splitlines()
    return without_secrets(lines[0], address) if lines else type(error).__name__
