"""The kinds of values that settings have: durations, sizes, names, addresses, secrets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo, available_timezones

from pydantic import (
    BeforeValidator,
    InstanceOf,
    PlainSerializer,
    SecretStr,
    StringConstraints,
    WithJsonSchema,
)

from whydrift.discovery.errors import nearest
from whydrift.discovery.knowledge import Knowledge
from whydrift.monitor.config.base import problem, told
from whydrift.monitor.source.address import masked
from whydrift.monitor.window.duration import Duration

__all__ = [
    "Count", "DurationText", "KnowledgeValue", "LossName", "MethodName", "Moment", "Names",
    "Number", "SecretUrl", "Size", "Slug", "Stretch", "Text", "Zone", "is_loopback", "masked_url",
]  # fmt: skip

_LOSSES: Final = ("auto", "squared_error", "absolute_error", "log_loss", "zero_one")
_UNITS: Final = {"": 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}
_SIZE: Final = re.compile(r"^(\d+)\s*([KMGT]iB|B|)$")
_SLUG: Final = re.compile(r"^[a-z0-9][a-z0-9_-]*$")


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise problem(f"{value!r:.40} is no text", "Put it in quotes if it is one")
    if not value.strip():
        raise problem("the text is empty", "Write one, or leave the key out")
    return value


def _number(value: Any) -> float:
    if isinstance(value, str):  # what ${ENV} gives
        try:
            value = float(value)
        except ValueError:
            raise problem(f"{value!r:.40} is no number", "Give a number") from None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise problem(f"{value!r:.40} is no number", "Give a number")
    if not abs(value) < float("inf"):
        raise problem(f"{value} is no finite number", "Give a finite number")
    return float(value)


def _count(value: Any) -> int:
    if isinstance(value, str) and re.fullmatch(r"\d{1,18}", value):  # what ${ENV} gives
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise problem(f"{value!r:.40} is no whole number", "Give a whole number")
    return value


def _size(value: Any) -> int:
    found = _SIZE.match(str(value).strip()) if not isinstance(value, bool) else None
    if found is None or not int(found[1]):
        raise problem(f"{value!r:.40} is no size", "Write 512MiB or 2GiB")
    return int(found[1]) * _UNITS[found[2]]


def _shown_size(value: int) -> str:
    for unit, size in reversed(_UNITS.items()):
        if unit and value % size == 0:
            return f"{value // size}{unit}"
    raise AssertionError(value)


def _duration(value: Any) -> Duration:
    if isinstance(value, Duration):
        return value
    if not isinstance(value, str):
        raise problem(
            f"{value!r:.40} is no duration", "Write a whole number and s, m, h, d, w or y: 10m, 28d"
        )
    return Duration.parse(value)


def _stretch(value: Any) -> int | Duration:
    if isinstance(value, str) and value.strip().isdigit():  # what ${ENV} gives
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    return _duration(value)


def _zone(value: Any) -> ZoneInfo:
    if isinstance(value, ZoneInfo):
        return value
    name = _text(value)
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        guess = nearest(name, available_timezones())
        raise problem(
            f"there is no time zone {name!r}",
            f"Did you mean {guess!r}?" if guess else "Write one such as Europe/Paris or UTC",
        ) from None


def _moment(value: Any) -> datetime:
    if isinstance(value, datetime):
        return value
    try:
        return datetime.fromisoformat(_text(value))
    except ValueError:
        raise problem(
            f"{value!r:.40} is no date or time", "Write 2026-05-04 or 2026-05-04T09:00:00Z"
        ) from None


def _slug(value: Any) -> str:
    text = _text(value)
    if not _SLUG.match(text):
        near = re.sub(r"[^a-z0-9_-]+", "-", text.lower()).strip("-_") or "house-price"
        raise problem(
            f"{text!r:.60} cannot be part of a URL and a label",
            f"Use a-z, 0-9, _ and -, such as {near!r}",
        )
    return text


def _names(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, (list, tuple)) or not all(isinstance(v, str) and v for v in value):
        raise problem("a list of column names is expected", "Write [id, comment]")
    twice = next((v for i, v in enumerate(value) if v in value[:i]), None)
    if twice is not None:
        raise problem(f"{twice!r} stands there twice", "Name each column once")
    return tuple(value)


def _knowledge(value: Any) -> Knowledge:
    if isinstance(value, Knowledge):
        return value
    if not isinstance(value, Mapping):
        raise problem("a mapping is expected", "Write {tiers: [[a], [b]]}")
    return Knowledge.from_dict(value)


def _method(value: Any) -> str:
    from whydrift.discovery.discover import method_names

    return _one_of("method", _text(value), method_names())


def _loss(value: Any) -> str:
    name = _text(value)
    word, _, level = name.partition(":")
    if word != "quantile":
        return _one_of("loss", name, _LOSSES, also="quantile:0.9")
    try:
        is_level = 0 < float(level) < 1
    except ValueError:
        is_level = False
    if not is_level:
        raise problem(f"{name!r} has no level between 0 and 1", "Write quantile:0.9")
    return name


def _one_of(what: str, name: str, known: tuple[str, ...], also: str | None = None) -> str:
    if name in known:
        return name
    guess = nearest(name, known)
    listed = ", ".join((*known, also) if also else known)
    raise problem(
        f"unknown {what} {name!r}", f"{f'Did you mean {guess!r}? ' if guess else ''}Known: {listed}"
    )


def masked_url(text: str) -> str:
    """Return an address as it may be shown; what is none may be a secret, and is not shown."""
    return masked(text) if "://" in text else "***"


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    import ipaddress

    name = host.strip("[]").lower()
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _as_text(value: Any) -> str:
    return str(value)


_DATES = {
    "type": "string",
    "pattern": r"^\d{4}-\d{2}-\d{2}",
    "examples": ["2026-05-04", "2026-05-04T09:00:00Z"],
}

Text = Annotated[str, BeforeValidator(_text)]
Slug = Annotated[
    str, BeforeValidator(_slug), WithJsonSchema({"type": "string", "pattern": _SLUG.pattern})
]
Number = Annotated[float, BeforeValidator(_number)]
Count = Annotated[int, BeforeValidator(_count)]
Names = Annotated[
    tuple[str, ...],
    BeforeValidator(_names),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string"},
                {"type": "array", "items": {"type": "string"}, "uniqueItems": True},
            ]
        }
    ),
]
Size = Annotated[
    int,
    BeforeValidator(_size),
    PlainSerializer(_shown_size, return_type=str),
    WithJsonSchema(
        {
            "type": ["string", "integer"],
            "pattern": r"^\d+\s*([KMGT]iB|B|)$",
            "examples": ["512MiB", "2GiB"],
        }
    ),
]
DurationText = Annotated[
    InstanceOf[Duration],
    BeforeValidator(told(_duration)),
    PlainSerializer(_as_text, return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^\d+\s*[smhdwy]$", "examples": ["10m", "28d"]}),
]
# So many windows, or so long.
Stretch = Annotated[
    int | InstanceOf[Duration],
    BeforeValidator(told(_stretch)),
    PlainSerializer(lambda value: value if isinstance(value, int) else str(value)),
    WithJsonSchema(
        {
            "type": ["string", "integer"],
            "pattern": r"^\d+\s*[smhdwy]?$",
            "minimum": 1,
            "examples": ["28d", 28],
        }
    ),
]
Zone = Annotated[
    InstanceOf[ZoneInfo],
    BeforeValidator(_zone),
    PlainSerializer(_as_text, return_type=str),
    WithJsonSchema({"type": "string", "examples": ["UTC", "Europe/Paris"]}),
]
Moment = Annotated[datetime, BeforeValidator(_moment), WithJsonSchema(_DATES)]
KnowledgeValue = Annotated[
    InstanceOf[Knowledge],
    BeforeValidator(told(_knowledge)),
    PlainSerializer(Knowledge.to_dict),
    WithJsonSchema({"type": "object"}),
]


class _Methods:
    """Lists the methods in the schema: they are known only once discovery is loaded."""

    def __get_pydantic_json_schema__(self, *_: Any) -> dict[str, Any]:
        from whydrift.discovery.discover import method_names

        return {"type": "string", "enum": list(method_names())}


MethodName = Annotated[str, BeforeValidator(_method), _Methods()]
LossName = Annotated[
    str,
    BeforeValidator(_loss),
    WithJsonSchema(
        {"anyOf": [{"enum": list(_LOSSES)}, {"type": "string", "pattern": r"^quantile:0?\.\d+$"}]}
    ),
]
# An address is shown without its password; only `get_secret_value()` gives it whole.
SecretUrl = Annotated[
    SecretStr,
    StringConstraints(min_length=1),
    PlainSerializer(lambda secret: masked_url(secret.get_secret_value()), return_type=str),
]
