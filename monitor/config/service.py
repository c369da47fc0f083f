"""Settings of the service itself: store, web, metrics, checks, Dask, notifications."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, SecretStr, ValidationInfo, field_validator, model_validator

from whydrift.monitor.config.base import Settings, problem, told
from whydrift.monitor.config.expand import is_unset
from whydrift.monitor.config.values import (
    Count,
    DurationText,
    Moment,
    SecretUrl,
    Size,
    Slug,
    Text,
    is_loopback,
)
from whydrift.monitor.window.duration import Duration

__all__ = ["Checks", "Dask", "Event", "Keep", "Metrics", "Notifier", "Store", "Web"]

_ADDRESS = re.compile(r"^(?P<host>\[[0-9a-fA-F:.]+\]|[^:\[\]\s]*):(?P<port>\d{1,5})$")
_SHA256 = re.compile(r"^[0-9a-fA-F]{64}$")


class Keep(Settings):
    """How long what is kept, counted from a window's end."""

    snapshots: DurationText = Duration(400, "d")
    samples: DurationText = Duration(400, "d")
    results: DurationText = Duration(3, "y")
    hourly: DurationText | None = Field(
        default=None, description="after so long windows shorter than a day become one a day"
    )


class Store(Settings):
    """Where windows, graphs and results are kept."""

    url: SecretUrl = SecretStr("sqlite:///whydrift.db")
    keep: Keep = Keep()


class Token(Settings):
    """Who may ask: the hash of a token, never the token."""

    name: Slug
    sha256: SecretStr
    role: Literal["read", "operate"] = "read"

    @field_validator("sha256")
    @classmethod
    def _is_hash(cls, value: SecretStr, info: ValidationInfo) -> SecretStr:
        text = value.get_secret_value()
        if is_unset(text, info.context):
            return value
        if not _SHA256.match(text):
            raise problem(
                "this is no SHA-256 in hexadecimal", "Make it with: printf %s TOKEN | sha256sum"
            )
        return value


class Auth(Settings):
    """Who may use the web interface."""

    tokens: tuple[Token, ...]

    @field_validator("tokens", mode="before")
    @classmethod
    def _are_some(cls, value: object) -> object:
        if isinstance(value, (list, tuple)) and not value:
            raise problem("the list of tokens is empty", "Write at least one, or auth: none")
        return value


class Web(Settings):
    """The web interface."""

    listen: Text = "127.0.0.1:9464"
    external_url: Text | None = None
    hosts: tuple[Text, ...] = ("localhost",)
    lifecycle: bool = False
    auth: Auth | Literal["none"] | None = None

    @field_validator("listen")
    @classmethod
    def _is_address(cls, value: str) -> str:
        found = _ADDRESS.match(value)
        if found is None or not 0 < int(found["port"]) < 65_536:
            raise problem(f"{value!r} is no address", "Write HOST:PORT, such as 127.0.0.1:9464")
        return value

    @field_validator("external_url")
    @classmethod
    def _is_web_url(cls, value: str | None) -> str | None:
        if value is not None and not re.match(r"^https?://[^/\s]+", value):
            raise problem(f"{value!r:.60} is no URL", "Write https://whydrift.example")
        return value

    @field_validator("auth", mode="before")
    @classmethod
    def _is_auth(cls, value: object, info: ValidationInfo) -> object:
        if isinstance(value, str) and value != "none":
            raise problem(f"{value!r} is no way to sign in", "Write {tokens: [...]}, or none")
        # Here, and not by the union: of that pydantic would tell what is wrong with either way.
        if isinstance(value, dict):
            return Auth.model_validate(value, context=info.context)
        return value

    @model_validator(mode="after")
    def _is_closed(self) -> Web:
        host = self.listen.rpartition(":")[0]
        if self.auth is None and not is_loopback(host):
            raise problem(
                f"{self.listen} can be reached from other machines, and nobody is asked who they "
                "are",
                "Add auth: {tokens: [...]}, or write auth: none",
                "listen",
            )
        return self


class Metrics(Settings):
    """How many series Prometheus gets."""

    max_columns: Count = Field(default=50, ge=0)
    max_series: Count = Field(default=10_000, ge=1)


class Checks(Settings):
    """How windows are judged."""

    workers: Count = Field(default=2, ge=1)
    timeout: DurationText = Duration(10, "m")
    memory: Size = 2 << 30


class Tls(Settings):
    """Certificates for a connection: paths of PEM files."""

    ca: Text
    cert: Text
    key: Text


class Dask(Settings):
    """A Dask scheduler. Its wire format can run code, so that it must be ours alone."""

    address: Text
    tls: Tls | None = Field(default=None, description="else those of Dask's own configuration")

    @field_validator("address")
    @classmethod
    def _is_safe(cls, value: str) -> str:
        from whydrift.monitor.building.dask_address import check_address

        told(check_address)(value)
        return value


class Event(Settings):
    """Something that happened outside, shown beside the verdicts."""

    at: Moment
    kind: Literal["release", "retrain", "fix", "other"]
    text: Text
    monitor: Slug | None = None

    @field_validator("at")
    @classmethod
    def _is_instant(cls, value: object) -> object:
        if getattr(value, "tzinfo", None) is None:
            raise problem(f"{value} has no time zone", "Write 2026-05-04T09:00:00Z")
        return value


class Webhook(Settings):
    """A URL that is told of alerts, each message signed with the secret."""

    url: SecretStr  # as secret as a password: whoever knows it can write there
    secret: SecretStr | None = None


class Notifier(Settings):
    """Who is told."""

    webhook: Webhook
