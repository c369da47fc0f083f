"""The first tables: monitors, configurations, snapshots, graphs and results."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "config",
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("yaml_redacted", sa.Text(), nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("hash", name="pk_config"),
    )
    op.create_table(
        "monitor",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("config_hash", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("name", name="pk_monitor"),
        sa.ForeignKeyConstraint(["config_hash"], ["config.hash"], name="fk_monitor_config_hash"),
    )
    _snapshot()
    op.create_table(
        "graph",
        sa.Column("id", _NUMBER, autoincrement=True, nullable=False),
        sa.Column("monitor", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("json", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("learned_from", sa.Text(), nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_graph"),
        sa.ForeignKeyConstraint(
            ["monitor"], ["monitor.name"], name="fk_graph_monitor", ondelete="RESTRICT"
        ),
        sa.UniqueConstraint("monitor", "version", name="uq_graph_version"),
    )
    _result()


def _snapshot() -> None:
    op.create_table(
        "snapshot",
        sa.Column("id", _NUMBER, autoincrement=True, nullable=False),
        sa.Column("monitor", sa.Text(), nullable=False),
        sa.Column("segment", sa.Text(), nullable=False),
        sa.Column("window_start", _MOMENT, nullable=False),
        sa.Column("window_end", _MOMENT, nullable=False),
        sa.Column("part", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("current", sa.Boolean(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("format", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("has_sample", sa.Boolean(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=True),
        sa.Column("file", sa.Text(), nullable=True),
        sa.Column("at", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_snapshot"),
        sa.ForeignKeyConstraint(
            ["monitor"], ["monitor.name"], name="fk_snapshot_monitor", ondelete="RESTRICT"
        ),
        sa.UniqueConstraint(
            "monitor", "segment", "window_start", "window_end", "part", "revision",
            name="uq_snapshot_revision",
        ),
        sa.CheckConstraint("window_start < window_end", name=op.f("ck_snapshot_window")),
        sa.CheckConstraint(
            "(content IS NULL) <> (file IS NULL)", name=op.f("ck_snapshot_one_place")
        ),
    )  # fmt: skip
    op.create_index(
        "uq_snapshot_current",
        "snapshot",
        ["monitor", "segment", "window_start", "window_end", "part"],
        unique=True,
        sqlite_where=sa.text("current"),
        postgresql_where=sa.text("current"),
    )
    op.create_index("ix_snapshot_end", "snapshot", ["monitor", "segment", "window_end"])
    op.create_index(
        "ix_snapshot_file",
        "snapshot",
        ["file"],
        sqlite_where=sa.text("file IS NOT NULL"),
        postgresql_where=sa.text("file IS NOT NULL"),
    )
    if op.get_bind().dialect.name == "postgresql":
        # What is compressed already is not compressed again, and a piece is read without the rest.
        op.execute("ALTER TABLE snapshot ALTER COLUMN content SET STORAGE EXTERNAL")


def _result() -> None:
    op.create_table(
        "result",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("monitor", sa.Text(), nullable=False),
        sa.Column("segment", sa.Text(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("window_start", _MOMENT, nullable=False),
        sa.Column("window_end", _MOMENT, nullable=False),
        sa.Column("config_hash", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("current", sa.Boolean(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("json", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("whydrift_version", sa.Text(), nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_result"),
        sa.ForeignKeyConstraint(
            ["monitor"], ["monitor.name"], name="fk_result_monitor", ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(["config_hash"], ["config.hash"], name="fk_result_config_hash"),
        sa.UniqueConstraint(
            "monitor", "segment", "stage", "window_start", "window_end", "config_hash", "revision",
            name="uq_result_revision",
        ),
        sa.CheckConstraint("window_start < window_end", name=op.f("ck_result_window")),
        sa.CheckConstraint("stage IN ('features', 'labels')", name=op.f("ck_result_stage")),
    )  # fmt: skip
    op.create_index(
        "uq_result_current",
        "result",
        ["monitor", "segment", "stage", "window_start", "window_end"],
        unique=True,
        sqlite_where=sa.text("current"),
        postgresql_where=sa.text("current"),
    )
    op.create_index("ix_result_end", "result", ["monitor", "segment", "window_end"])


def downgrade() -> None:
    """Remove the tables and all that they hold."""
    for table in ("result", "graph", "snapshot", "monitor", "config"):
        op.drop_table(table)
