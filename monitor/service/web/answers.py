"""Answers as JSON, and answers that a browser may keep."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

if TYPE_CHECKING:
    from fastapi import Request

__all__ = ["json_answer", "kept_answer"]


def json_answer(
    value: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """Return a value as JSON."""
    return Response(_text(value), status, headers, "application/json")


def kept_answer(
    request: Request,
    content: str | Mapping[str, Any],
    *,
    tag: str,
    media_type: str = "application/json",
    policy: str | None = None,
    is_immutable: bool = False,
) -> Response:
    """Return what a client may keep; where it has it already, say so alone.

    Parameters
    ----------
    request : Request
    content : str or mapping
    tag : str
        Changes where the content does.
    media_type : str
    policy : str, optional
        Content security policy.
    is_immutable : bool
        Whether what stands at this address never changes.
    """
    # A weak tag: compressed or not, it is the same to whoever reads it.
    headers = {
        "ETag": f'W/"{tag}"',
        "Cache-Control": "private, max-age=31536000, immutable" if is_immutable
        else "private, no-cache",
    }  # fmt: skip
    if policy is not None:
        headers["Content-Security-Policy"] = policy
    known = {
        t.strip().removeprefix("W/") for t in request.headers.get("if-none-match", "").split(",")
    }
    if f'"{tag}"' in known or "*" in known:
        return Response(None, 304, headers)
    text = content if isinstance(content, str) else _text(content)
    return Response(text, 200, headers, media_type)


def _text(value: Mapping[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
