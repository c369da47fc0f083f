"""Settings of sources: where windows come from."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Discriminator, Field, Tag, model_validator

from whydrift.monitor.config.base import Settings, problem
from whydrift.monitor.config.values import Names, SecretUrl, Slug, Text

__all__ = ["Labels", "PluginSource", "Source", "SourceOrName", "SqlSource", "WarehouseSource"]

_KINDS = ("files", "sql", "warehouse", "plugin")


class SqlSource(Settings):
    """Rows of a query, through SQLAlchemy."""

    url: SecretUrl
    query: Text = Field(description="with :start and :end, which are bound, never written in")


class WarehouseSource(Settings):
    """Rows of a table, through ibis."""

    url: SecretUrl
    table: Text


class PluginSource(Settings):
    """A source of another package (entry points ``whydrift.sources``)."""

    name: Text
    options: dict[str, Any] = Field(default_factory=dict)


class Source(Settings):
    """Where rows come from: exactly one of files, sql, warehouse and plugin."""

    files: Text | None = Field(
        default=None, description="path, glob, folder or URL; {date} is the day of a window"
    )
    sql: SqlSource | None = None
    warehouse: WarehouseSource | None = None
    plugin: PluginSource | None = None
    time_column: Text | None = Field(default=None, description="puts rows into windows")

    @model_validator(mode="after")
    def _is_one_kind(self) -> Source:
        named = [kind for kind in _KINDS if getattr(self, kind) is not None]
        if len(named) != 1:
            what = f"it names {' and '.join(named)}" if named else "it does not say where rows are"
            raise problem(f"{what}: a source is one of {', '.join(_KINDS)}", "Write one of them")
        return self


def _is_name(value: Any) -> str:
    return "<name>" if isinstance(value, str) else "<written out>"


SourceOrName = Annotated[
    Annotated[Slug, Tag("<name>")] | Annotated[Source, Tag("<written out>")],
    Discriminator(_is_name),
]


class Labels(Settings):
    """Where the true values come from, when they come later than the predictions."""

    source: SourceOrName
    join: Names = Field(description="columns whose equal values say which label is whose")
