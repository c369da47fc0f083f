"""The tables. What a database really has is made by the migrations; a test holds both together."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.types import TypeDecorator

__all__ = [
    "METADATA",
    "alert",
    "config",
    "event",
    "graph",
    "lease",
    "ledger",
    "monitor",
    "monitor_state",
    "outbox",
    "result",
    "snapshot",
    "visit",
]

METADATA: Final = sa.MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)


class Moment(TypeDecorator[datetime]):
    """An instant in UTC. A datetime without a zone is a bug, not a guess."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> datetime | None:
        if value is None:
            return None
        assert value.tzinfo is not None, value
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Any) -> datetime | None:
        if value is None:
            return None
        # SQLite keeps no zone; PostgreSQL answers in that of the session.
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _monitor(*, primary_key: bool = False) -> sa.Column[Any]:
    return sa.Column(
        "monitor",
        sa.Text,
        sa.ForeignKey("monitor.name", ondelete="RESTRICT"),
        primary_key=primary_key,
        nullable=False,
    )


def _window() -> list[sa.Column[Any]]:
    return [
        sa.Column("window_start", Moment, nullable=False),
        sa.Column("window_end", Moment, nullable=False),
    ]


def _key(*, stage: bool = False) -> list[sa.Column[Any]]:
    """Return the columns that name a window."""
    return [
        _monitor(),
        sa.Column("segment", sa.Text, nullable=False),
        *([sa.Column("stage", sa.Text, nullable=False)] if stage else []),
        *_window(),
    ]


_WINDOW: Final = ("monitor", "segment", "window_start", "window_end")
_STAGE: Final = ("monitor", "segment", "stage", "window_start", "window_end")
# Whole numbers that grow by themselves: of SQLite only its 64-bit INTEGER does.
_NUMBER: Final = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

config = sa.Table(
    "config",
    METADATA,
    sa.Column("hash", sa.Text, primary_key=True),
    sa.Column("yaml_redacted", sa.Text, nullable=False),
    sa.Column("at", Moment, nullable=False),
)

monitor = sa.Table(
    "monitor",
    METADATA,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("config_hash", sa.Text, sa.ForeignKey("config.hash"), nullable=True),
)

snapshot = sa.Table(
    "snapshot",
    METADATA,
    sa.Column("id", _NUMBER, primary_key=True, autoincrement=True),
    *_key(),
    sa.Column("part", sa.Text, nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("current", sa.Boolean, nullable=False),
    sa.Column("rows", sa.BigInteger, nullable=False),
    sa.Column("bytes", sa.BigInteger, nullable=False),
    sa.Column("format", sa.Text, nullable=False),
    sa.Column("sha256", sa.Text, nullable=False),
    sa.Column("has_sample", sa.Boolean, nullable=False),
    sa.Column("content", sa.LargeBinary, nullable=True),
    sa.Column("file", sa.Text, nullable=True),
    sa.Column("at", Moment, nullable=False),
    sa.UniqueConstraint(*_WINDOW, "part", "revision", name="uq_snapshot_revision"),
    sa.CheckConstraint("window_start < window_end", name="window"),
    sa.CheckConstraint("(content IS NULL) <> (file IS NULL)", name="one_place"),
    sa.Index(
        "uq_snapshot_current",
        *_WINDOW,
        "part",
        unique=True,
        sqlite_where=sa.text("current"),
        postgresql_where=sa.text("current"),
    ),
    sa.Index("ix_snapshot_end", "monitor", "segment", "window_end"),
    sa.Index(
        "ix_snapshot_file",
        "file",
        sqlite_where=sa.text("file IS NOT NULL"),
        postgresql_where=sa.text("file IS NOT NULL"),
    ),
)

graph = sa.Table(
    "graph",
    METADATA,
    sa.Column("id", _NUMBER, primary_key=True, autoincrement=True),
    _monitor(),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("json", sa.Text, nullable=False),
    sa.Column("sha256", sa.Text, nullable=False),
    sa.Column("learned_from", sa.Text, nullable=False),
    sa.Column("at", Moment, nullable=False),
    sa.UniqueConstraint("monitor", "version", name="uq_graph_version"),
)

result = sa.Table(
    "result",
    METADATA,
    sa.Column("id", sa.Text, primary_key=True),
    *_key(stage=True),
    sa.Column("config_hash", sa.Text, sa.ForeignKey("config.hash"), nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("current", sa.Boolean, nullable=False),
    sa.Column("verdict", sa.Text, nullable=False),
    sa.Column("fault", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("json", sa.Text, nullable=False),
    sa.Column("sha256", sa.Text, nullable=False),
    sa.Column("whydrift_version", sa.Text, nullable=False),
    sa.Column("at", Moment, nullable=False),
    sa.UniqueConstraint(*_STAGE, "config_hash", "revision", name="uq_result_revision"),
    sa.CheckConstraint("window_start < window_end", name="window"),
    sa.CheckConstraint("stage IN ('features', 'labels')", name="stage"),
    sa.Index(
        "uq_result_current",
        *_STAGE,
        unique=True,
        sqlite_where=sa.text("current"),
        postgresql_where=sa.text("current"),
    ),
    sa.Index("ix_result_end", "monitor", "segment", "window_end"),
    sa.Index("ix_result_time", "window_end", "id"),
    # The newest of each monitor, segment and stage is what metrics ask for.
    sa.Index(
        "ix_result_latest",
        "monitor",
        "segment",
        "stage",
        "window_end",
        sqlite_where=sa.text("current"),
        postgresql_where=sa.text("current"),
    ),
)

monitor_state = sa.Table(
    "monitor_state",
    METADATA,
    _monitor(primary_key=True),
    sa.Column("began", Moment, nullable=True),
    sa.Column("is_paused", sa.Boolean, nullable=False),
    sa.Column("consecutive_failures", sa.Integer, nullable=False),
    sa.Column("last_check", Moment, nullable=True),
    sa.Column("last_success", Moment, nullable=True),
    sa.Column("last_error", sa.Text, nullable=True),
    sa.Column("next_at", Moment, nullable=True),
    sa.Column("source_last_row", Moment, nullable=True),
    sa.Column("source_rows", sa.BigInteger, nullable=False),
)

visit = sa.Table(
    "visit",
    METADATA,
    _monitor(),
    *_window(),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("outcome", sa.Text, nullable=False),
    sa.Column("failures", sa.Integer, nullable=False),
    sa.Column("next_at", Moment, nullable=True),
    sa.Column("error", sa.Text, nullable=True),
    sa.Column("at", Moment, nullable=False),
    sa.PrimaryKeyConstraint("monitor", "window_end", "window_start", "kind"),
    sa.CheckConstraint("window_start < window_end", name="window"),
)

lease = sa.Table(
    "lease",
    METADATA,
    # Without a reference: a row stays when its monitor is forgotten, as its token has to grow.
    sa.Column("monitor", sa.Text, primary_key=True),
    sa.Column("holder", sa.Text, nullable=False),
    sa.Column("token", sa.BigInteger, nullable=False),
    sa.Column("expires_at", Moment, nullable=False),
)

alert = sa.Table(
    "alert",
    METADATA,
    sa.Column("id", _NUMBER, primary_key=True, autoincrement=True),
    _monitor(),
    sa.Column("segment", sa.Text, nullable=False),
    sa.Column("target", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("opened", sa.Double, nullable=False),
    sa.Column("last", sa.Double, nullable=False),
    sa.Column("counted", sa.Double, nullable=False),
    sa.Column("rejections", sa.Integer, nullable=False),
    sa.Column("quiet", sa.Integer, nullable=False),
    sa.Column("columns", sa.Text, nullable=False),
    sa.Column("fired", Moment, nullable=True),
    sa.Column("resolved", Moment, nullable=True),
    sa.Column("result", sa.Text, nullable=True),
    sa.Column("details", sa.Text, nullable=False),
    sa.Column("at", Moment, nullable=False),
    sa.CheckConstraint("state IN ('pending', 'firing', 'resolved')", name="state"),
    sa.Index(
        "uq_alert_open",
        "monitor",
        "segment",
        "target",
        "kind",
        unique=True,
        sqlite_where=sa.text("state <> 'resolved'"),
        postgresql_where=sa.text("state <> 'resolved'"),
    ),
    sa.Index("ix_alert_at", "at"),
)

ledger = sa.Table(
    "ledger",
    METADATA,
    *_key(stage=True),
    sa.Column("purpose", sa.Text, nullable=False),
    sa.Column("level", sa.Double, nullable=False),
    # The end of the window first: what a month has spent is one stretch of the index.
    sa.PrimaryKeyConstraint("monitor", "window_end", "window_start", "segment", "purpose", "stage"),
)

outbox = sa.Table(
    "outbox",
    METADATA,
    sa.Column("id", _NUMBER, primary_key=True, autoincrement=True),
    sa.Column("notifier", sa.Text, nullable=False),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("monitor", sa.Text, nullable=True),
    sa.Column("segment", sa.Text, nullable=True),
    sa.Column("subject", sa.Text, nullable=True),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("created", Moment, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("next_at", Moment, nullable=True),
    sa.Column("done_at", Moment, nullable=True),
    sa.Column("outcome", sa.Text, nullable=True),
    sa.Column("error", sa.Text, nullable=True),
    sa.UniqueConstraint("notifier", "key", name="uq_outbox_key"),
    sa.Index(
        "ix_outbox_due",
        "next_at",
        sqlite_where=sa.text("done_at IS NULL"),
        postgresql_where=sa.text("done_at IS NULL"),
    ),
    sa.Index(
        "ix_outbox_subject",
        "notifier",
        "subject",
        "id",
        sqlite_where=sa.text("done_at IS NULL"),
        postgresql_where=sa.text("done_at IS NULL"),
    ),
)

event = sa.Table(
    "event",
    METADATA,
    sa.Column("id", _NUMBER, primary_key=True, autoincrement=True),
    # Without a reference: that a monitor was forgotten is told after it is gone.
    sa.Column("monitor", sa.Text, nullable=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("window_start", Moment, nullable=True),
    sa.Column("window_end", Moment, nullable=True),
    sa.Column("happened", Moment, nullable=False),
    sa.Column("key", sa.Text, nullable=False),
    sa.UniqueConstraint("key", name="uq_event_key"),
    sa.Index("ix_event_happened", "happened"),
)
