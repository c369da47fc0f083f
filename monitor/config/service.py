"""Settings of the service itself: store, web, metrics, checks, Dask, notifications."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Literal

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

if TYPE_CHECKING:
    from whydrift.monitor.building.dask_address import DaskSettings

__all__ = [
    "Alertmanager", "Checks", "Dask", "Event", "Keep", "Metrics", "Notifier", "PagerDuty",
    "Reports", "Slack", "Store", "Web", "Webhook",
]  # fmt: skip

_ADDRESS = re.compile(r"^(?P<host>\[[0-9a-fA-F:.]+\]|[^:\[\]\s]*):(?P<port>\d{1,5})$")
_SHA256 = re.compile(r"^[0-9a-fA-F]{64}$")
_WEB_URL = re.compile(r"^https?://[^/\s]+[^\s]*$")
_NOTIFIERS: Final = ("alertmanager", "webhook", "slack", "pagerduty")
_RUNBOOKS: Final = "https://github.com/whydrift/whydrift/blob/main/docs/runbooks/"


class Keep(Settings):
    """How long what is kept, counted from a window's end."""

    snapshots: DurationText = Field(default=Duration(400, "d"), description="summaries of windows")
    samples: DurationText = Field(
        default=Duration(400, "d"),
        description="the rows in them; afterwards the counts alone are left",
    )
    results: DurationText = Field(default=Duration(3, "y"), description="diagnoses")
    hourly: DurationText | None = Field(
        default=None, description="after so long windows shorter than a day become one a day"
    )


class Store(Settings):
    """Where windows, graphs and results are kept."""

    url: SecretUrl = Field(
        default=SecretStr("sqlite:///whydrift.db"),
        description="sqlite:///whydrift.db, or postgresql+psycopg://user:password@host/db",
    )
    keep: Keep = Field(default=Keep(), description="how long what is kept")
    migrate: Literal["auto", "manual"] | None = Field(
        default=None,
        description="whether the daemon brings older tables up to date itself; without it, in "
        "SQLite only",
    )


class Token(Settings):
    """Who may ask: the hash of a token, never the token."""

    name: Slug = Field(description="for logs")
    sha256: SecretStr = Field(description="of the token: printf %s TOKEN | sha256sum")
    role: Literal["metrics", "read", "operate"] = Field(
        default="read",
        description="metrics: /metrics alone; read; operate: also accept, pause, reload",
    )

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

    tokens: tuple[Token, ...] = Field(description="who may ask")

    @field_validator("tokens", mode="before")
    @classmethod
    def _are_some(cls, value: object) -> object:
        if isinstance(value, (list, tuple)) and not value:
            raise problem("the list of tokens is empty", "Write at least one, or auth: none")
        return value


class Reports(Settings):
    """How many reports may be asked for over the web, and how long they take and stay."""

    running: Count = Field(default=1, ge=1, description="at the same time")
    waiting: Count = Field(default=16, ge=0, description="more than these are refused (429)")
    timeout: DurationText = Field(default=Duration(2, "m"), description="of one report")
    keep: DurationText = Field(
        default=Duration(1, "d"), description="how long a finished one can be fetched"
    )


class Web(Settings):
    """The web interface."""

    listen: Text = Field(
        default="127.0.0.1:9464",
        description="HOST:PORT; beyond this machine only with auth, or auth: none",
    )
    external_url: Text | None = Field(
        default=None, description="under which people reach it: begins the links in alerts"
    )
    runbook_url: Text = Field(
        default=_RUNBOOKS, description="begins the links to runbooks; Alert.md follows"
    )
    hosts: tuple[Text, ...] = Field(default=("localhost",), description="names it answers to")
    lifecycle: bool = Field(default=False, description="whether POST /-/reload reloads")
    auth: Auth | Literal["none"] | None = Field(
        default=None, description="who may ask; none must be written"
    )
    reports: Reports = Field(
        default=Reports(), description="limits of reports asked for over the web"
    )

    @field_validator("listen")
    @classmethod
    def _is_address(cls, value: str) -> str:
        found = _ADDRESS.match(value)
        if found is None or not 0 < int(found["port"]) < 65_536:
            raise problem(f"{value!r} is no address", "Write HOST:PORT, such as 127.0.0.1:9464")
        return value

    @field_validator("external_url", "runbook_url")
    @classmethod
    def _is_web_url(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None and not _WEB_URL.match(value) and not is_unset(value, info.context):
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

    max_columns: Count = Field(default=50, ge=0, description="of each monitor")
    max_segments: Count = Field(default=20, ge=0, description="of each monitor")
    segment_columns: bool = Field(
        default=False, description="whether segments have series of their columns too"
    )
    max_series: Count = Field(
        default=10_000,
        ge=1,
        description="of all monitors; beyond it columns without a verdict are left out",
    )


class Checks(Settings):
    """How windows are judged."""

    workers: Count = Field(
        default=2, ge=1, description="processes that judge windows at the same time"
    )
    timeout: DurationText = Field(
        default=Duration(10, "m"),
        description="of one check; a worker that takes longer is replaced",
    )
    memory: Size = Field(default=2 << 30, description="of one worker")
    recycle: Count = Field(default=300, ge=1, description="checks before a worker is replaced")
    catch_up: Count = Field(
        default=100, ge=1, description="windows of a monitor made up for; older ones are skipped"
    )
    lease: DurationText = Field(
        default=Duration(60, "s"),
        description="after which another daemon takes over from one that is gone",
    )

    @field_validator("lease")
    @classmethod
    def _is_long_enough(cls, value: Duration) -> Duration:
        if not 5 <= value.least_seconds <= 3600:
            raise problem(f"a lease of {value} is too short or too long", "Write 5s to 1h")
        return value


class Tls(Settings):
    """Certificates for a connection: paths of PEM files."""

    ca: Text = Field(description="of the authority")
    cert: Text = Field(description="of this side")
    key: Text = Field(description="of this side")


class Dask(Settings):
    """A Dask scheduler. Its wire format can run code, so that it must be ours alone."""

    address: Text = Field(description="such as tls://scheduler:8786")
    tls: Tls | None = Field(default=None, description="else those of Dask's own configuration")

    @field_validator("address")
    @classmethod
    def _is_safe(cls, value: str) -> str:
        from whydrift.monitor.building.dask_address import check_address

        told(check_address)(value)
        return value

    def settings(self) -> DaskSettings:
        """Return what connects to it."""
        from whydrift.monitor.building.dask_address import DaskSettings

        if self.tls is None:
            return DaskSettings(self.address)
        return DaskSettings(self.address, self.tls.ca, self.tls.cert, self.tls.key)


class Event(Settings):
    """Something that happened outside, shown beside the verdicts."""

    at: Moment = Field(description="when it happened, with its time zone")
    kind: Literal["release", "retrain", "fix", "other"] = Field(description="what it was")
    text: Text = Field(description="shown as it is")
    monitor: Slug | None = Field(
        default=None, description="which one it is about; all, if left out"
    )

    @field_validator("at")
    @classmethod
    def _is_instant(cls, value: object) -> object:
        if getattr(value, "tzinfo", None) is None:
            raise problem(f"{value} has no time zone", "Write 2026-05-04T09:00:00Z")
        return value


def _web_url(value: SecretStr, info: ValidationInfo) -> SecretStr:
    text = value.get_secret_value()
    if not _WEB_URL.match(text) and not is_unset(text, info.context):
        raise problem("this is no URL", "Write https://…, or ${NAME} of a variable that holds it")
    return value


def _filled(value: SecretStr | None) -> SecretStr | None:
    if value is not None and not value.get_secret_value().strip():
        raise problem("the secret is empty", "Set it, or leave the key out")
    return value


class Alertmanager(Settings):
    """Alertmanagers that are told directly, where no Prometheus evaluates the rules."""

    urls: tuple[SecretUrl, ...] = Field(
        min_length=1, description="of every member of a cluster, never of a balancer before it"
    )
    token: SecretStr | None = Field(default=None, description="bearer token")
    resend: DurationText = Field(
        default=Duration(1, "m"),
        description="it is told again what fires; where `run` tells it, the time between two runs",
    )
    ca: Text | None = Field(default=None, description="PEM file of the authority that signed it")

    @field_validator("urls")
    @classmethod
    def _are_web_urls(
        cls, value: tuple[SecretStr, ...], info: ValidationInfo
    ) -> tuple[SecretStr, ...]:
        return tuple(_web_url(url, info) for url in value)

    @field_validator("resend")
    @classmethod
    def _is_often_enough(cls, value: Duration) -> Duration:
        if not 5 <= value.least_seconds <= 7 * 86_400:
            raise problem(f"to resend every {value} is too often or too rare", "Write 5s to 7d")
        return value

    _token_is_filled = field_validator("token")(_filled)


class Webhook(Settings):
    """A URL that is told of alerts, each message signed with the secret."""

    url: SecretStr = Field(
        description="where it is posted"
    )  # as secret as a password: whoever knows it can write there
    secret: SecretStr | None = Field(
        default=None, description="signs each message; both sides know it"
    )
    ca: Text | None = Field(default=None, description="PEM file of the authority that signed it")

    _is_web_url = field_validator("url")(_web_url)
    _secret_is_filled = field_validator("secret")(_filled)


class Slack(Settings):
    """A channel, by the incoming webhook of Slack or of what is compatible with it."""

    url: SecretStr = Field(description="of the incoming webhook: a secret")
    ca: Text | None = Field(default=None, description="PEM file of the authority that signed it")

    _is_web_url = field_validator("url")(_web_url)


class PagerDuty(Settings):
    """A PagerDuty service, by its Events API v2."""

    routing_key: SecretStr = Field(description="of the service's integration for the Events API v2")
    url: SecretStr = Field(
        default=SecretStr("https://events.pagerduty.com/v2/enqueue"),
        description="of the EU: https://events.eu.pagerduty.com/v2/enqueue",
    )
    ca: Text | None = Field(default=None, description="PEM file of the authority that signed it")

    _is_web_url = field_validator("url")(_web_url)
    _key_is_filled = field_validator("routing_key")(_filled)


class Notifier(Settings):
    """Who is told: exactly one of alertmanager, webhook, slack and pagerduty.

    Its name is shown in metrics and logs; without one it is that of its kind.
    """

    name: Slug = Field(
        default="", description="shown in metrics and logs; without one that of its kind"
    )
    alertmanager: Alertmanager | None = Field(
        default=None, description="where no Prometheus evaluates the rules"
    )
    webhook: Webhook | None = Field(default=None, description="JSON to a URL of your own, signed")
    slack: Slack | None = Field(
        default=None, description="a channel of Slack, Mattermost or Rocket.Chat"
    )
    pagerduty: PagerDuty | None = Field(default=None, description="a service of PagerDuty's")

    @model_validator(mode="after")
    def _is_one_kind(self) -> Notifier:
        named = [kind for kind in _NOTIFIERS if getattr(self, kind) is not None]
        if len(named) != 1:
            what = f"it names {' and '.join(named)}" if named else "it does not say who is told"
            raise problem(
                f"{what}: a notifier is one of {', '.join(_NOTIFIERS)}",
                "Write one of them; each is an item of the list of its own",
            )
        return self

    @property
    def kind(self) -> str:
        """``alertmanager``, ``webhook``, ``slack`` or ``pagerduty``."""
        return next(kind for kind in _NOTIFIERS if getattr(self, kind) is not None)
