"""What the daemon remembers: visits, leases, alerts, the ledger, messages, events."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_MOMENT = sa.DateTime(timezone=True)
_BATCH = 500


def upgrade() -> None:
    """Make the tables, and read off the diagnoses which had a fault."""
    op.add_column(
        "result", sa.Column("fault", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    _fill_fault(op.get_bind())
    op.create_index("ix_result_time", "result", ["window_end", "id"])
    op.create_index(
        "ix_result_latest",
        "result",
        ["monitor", "segment", "stage", "window_end"],
        sqlite_where=sa.text("current"),
        postgresql_where=sa.text("current"),
    )
    _schedule()
    _alerts()
    _outbox()
    op.create_table(
        "event",
        sa.Column("id", _NUMBER, autoincrement=True, nullable=False),
        sa.Column("monitor", sa.Text(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("window_start", _MOMENT, nullable=True),
        sa.Column("window_end", _MOMENT, nullable=True),
        sa.Column("happened", _MOMENT, nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_event"),
        sa.UniqueConstraint("key", name="uq_event_key"),
    )
    op.create_index("ix_event_happened", "event", ["happened"])


def _fill_fault(connection: sa.Connection) -> None:
    """Write beside each diagnosis whether it has a fault."""
    result = sa.table("result", sa.column("id"), sa.column("json"), sa.column("fault", sa.Boolean))
    last = ""
    while True:
        query = sa.select(result.c.id, result.c.json).where(result.c.id > last)
        rows = connection.execute(query.order_by(result.c.id).limit(_BATCH)).all()
        if not rows:
            return
        last = rows[-1].id
        faulty = [row.id for row in rows if _has_fault(row.json)]
        if faulty:
            connection.execute(sa.update(result).where(result.c.id.in_(faulty)).values(fault=True))


def _has_fault(text: str) -> bool:
    try:
        return bool(json.loads(text).get("fault"))
    except (ValueError, AttributeError):
        return False  # damaged: `whydrift store check` tells


def _monitor() -> sa.Column[Any]:
    return sa.Column("monitor", sa.Text(), nullable=False)


def _of_monitor(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["monitor"], ["monitor.name"], name=f"fk_{table}_monitor", ondelete="RESTRICT"
    )


def _schedule() -> None:
    op.create_table(
        "monitor_state",
        _monitor(),
        sa.Column("began", _MOMENT, nullable=True),
        sa.Column("is_paused", sa.Boolean(), nullable=False),
        sa.Column("consecutive_failures", sa.Integer(), nullable=False),
        sa.Column("last_check", _MOMENT, nullable=True),
        sa.Column("last_success", _MOMENT, nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("next_at", _MOMENT, nullable=True),
        sa.Column("source_last_row", _MOMENT, nullable=True),
        sa.Column("source_rows", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("monitor", name="pk_monitor_state"),
        _of_monitor("monitor_state"),
    )
    op.create_table(
        "visit",
        _monitor(),
        sa.Column("window_start", _MOMENT, nullable=False),
        sa.Column("window_end", _MOMENT, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("next_at", _MOMENT, nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("at", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("monitor", "window_end", "window_start", "kind", name="pk_visit"),
        _of_monitor("visit"),
        sa.CheckConstraint("window_start < window_end", name=op.f("ck_visit_window")),
    )
    op.create_table(
        "lease",
        _monitor(),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("token", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("monitor", name="pk_lease"),
    )


def _alerts() -> None:
    op.create_table(
        "alert",
        sa.Column("id", _NUMBER, autoincrement=True, nullable=False),
        _monitor(),
        sa.Column("segment", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("opened", sa.Double(), nullable=False),
        sa.Column("last", sa.Double(), nullable=False),
        sa.Column("counted", sa.Double(), nullable=False),
        sa.Column("rejections", sa.Integer(), nullable=False),
        sa.Column("quiet", sa.Integer(), nullable=False),
        sa.Column("columns", sa.Text(), nullable=False),
        sa.Column("fired", _MOMENT, nullable=True),
        sa.Column("resolved", _MOMENT, nullable=True),
        sa.Column("result", sa.Text(), nullable=True),
        sa.Column("details", sa.Text(), nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_alert"),
        _of_monitor("alert"),
        sa.CheckConstraint(
            "state IN ('pending', 'firing', 'resolved')", name=op.f("ck_alert_state")
        ),
    )
    op.create_index(
        "uq_alert_open",
        "alert",
        ["monitor", "segment", "target", "kind"],
        unique=True,
        sqlite_where=sa.text("state <> 'resolved'"),
        postgresql_where=sa.text("state <> 'resolved'"),
    )
    op.create_index("ix_alert_at", "alert", ["at"])
    op.create_table(
        "ledger",
        _monitor(),
        sa.Column("segment", sa.Text(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("window_start", _MOMENT, nullable=False),
        sa.Column("window_end", _MOMENT, nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("level", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint(
            "monitor", "window_end", "window_start", "segment", "purpose", "stage",
            name="pk_ledger",
        ),
        _of_monitor("ledger"),
    )  # fmt: skip


def _outbox() -> None:
    op.create_table(
        "outbox",
        sa.Column("id", _NUMBER, autoincrement=True, nullable=False),
        sa.Column("notifier", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("monitor", sa.Text(), nullable=True),
        sa.Column("segment", sa.Text(), nullable=True),
        sa.Column("subject", sa.Text(), nullable=True),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("created", _MOMENT, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_at", _MOMENT, nullable=True),
        sa.Column("done_at", _MOMENT, nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_outbox"),
        sa.UniqueConstraint("notifier", "key", name="uq_outbox_key"),
    )
    for name, columns in (
        ("ix_outbox_due", ["next_at"]),
        ("ix_outbox_subject", ["notifier", "subject", "id"]),
    ):
        op.create_index(
            name,
            "outbox",
            columns,
            sqlite_where=sa.text("done_at IS NULL"),
            postgresql_where=sa.text("done_at IS NULL"),
        )


def downgrade() -> None:
    """Remove the tables and all that they hold."""
    for table in ("event", "outbox", "ledger", "alert", "lease", "visit", "monitor_state"):
        op.drop_table(table)
    op.drop_index("ix_result_latest", "result")
    op.drop_index("ix_result_time", "result")
    op.drop_column("result", "fault")
