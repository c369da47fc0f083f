"""What went wrong with a request, as RFC 9457 writes it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from starlette.responses import Response

from whydrift.discovery.errors import StoreError, WhydriftError
from whydrift.monitor.service.busy import Busy

__all__ = ["BUG", "PROBLEM_TYPE", "Problem", "Refused", "problem_of", "problem_response"]

PROBLEM_TYPE: Final = "application/problem+json"


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a request was not answered.

    Parameters
    ----------
    status : int
    code : str
        A fixed word for programs.
    detail : str
        A sentence for people: what, and the way out. Never an address with a password, or a
        traceback.
    field : str, optional
        Which parameter, or part of the body.
    headers : mapping of str to str
        Sent with it.
    """

    status: int
    code: str
    detail: str
    field: str | None = None
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def title(self) -> str:
        """The status in words."""
        return HTTPStatus(self.status).phrase

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON holds it."""
        value: dict[str, Any] = {
            "type": f"urn:whydrift:problem:{self.code}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
        }
        return value if self.field is None else {**value, "field": self.field}


BUG: Final = Problem(500, "bug", "This is a bug in whydrift; its log tells more.")


class Refused(Exception):  # noqa: N818 - what happened to the request, not what is broken
    """Ends a request with a problem."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.problem = problem


def problem_of(error: WhydriftError) -> Problem:
    """Return what an error of ours is to somebody who asks over the network."""
    match error:
        case Busy():
            return Problem(429, "busy", _said(error), headers={"Retry-After": "10"})
        case StoreError():
            # Its place is the address of the database, which is nobody's business.
            return Problem(
                503, "store", f"The store does not answer: {error.what}.",
                headers={"Retry-After": "10"},
            )  # fmt: skip
        case _:
            return Problem(422, "unusable", _said(error))


def problem_response(problem: Problem) -> Response:
    """Return the answer that tells it."""
    text = json.dumps(problem.to_dict(), ensure_ascii=True, separators=(",", ":"))
    headers = {"Cache-Control": "no-store", **problem.headers}
    return Response(text, problem.status, headers, PROBLEM_TYPE)


def _said(error: WhydriftError) -> str:
    text = str(error)
    return text if text.endswith("?") else f"{text}."
