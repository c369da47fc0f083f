"""Settings of sources: where windows come from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Discriminator, Field, Tag, model_validator

from whydrift.monitor.config.base import Settings, problem
from whydrift.monitor.config.values import DurationText, Names, SecretUrl, Slug, Text
from whydrift.monitor.source.address import as_written
from whydrift.monitor.window.duration import Duration

if TYPE_CHECKING:
    from whydrift.monitor.source.registry import Settings as ReaderSettings

__all__ = ["Labels", "PluginSource", "Source", "SourceOrName", "SqlSource", "WarehouseSource"]

_KINDS = ("files", "sql", "warehouse", "plugin")


class SqlSource(Settings):
    """Rows of a query, through SQLAlchemy."""

    url: SecretUrl = Field(
        description="postgresql+psycopg://user:password@host/db; the password from ${ENV}"
    )
    query: Text = Field(description="with :start and :end, which are bound, never written in")
    timeout: DurationText = Field(default=Duration(10, "m"), description="of one query")


class WarehouseSource(Settings):
    """Rows of a table or a query, through ibis."""

    url: SecretUrl = Field(description="as ibis takes it, such as duckdb:///file")
    table: Text | None = Field(default=None, description="or a query")
    query: Text | None = Field(default=None, description="or a table")

    @model_validator(mode="after")
    def _is_one(self) -> WarehouseSource:
        if (self.table is None) == (self.query is None):
            what = (
                "it names neither a table nor a query"
                if self.table is None
                else ("it names a table and a query")
            )
            raise problem(what, "Write one of table: NAME and query: select …")
        return self


class PluginSource(Settings):
    """A source of another package (entry points ``whydrift.sources``)."""

    name: Text = Field(description="of the entry point")
    options: dict[str, Any] = Field(default_factory=dict, description="as its package takes them")


class Source(Settings):
    """Where rows come from: exactly one of files, sql, warehouse and plugin."""

    files: Text | None = Field(
        default=None, description="path, glob, folder or URL; {date} is the day of a window"
    )
    sql: SqlSource | None = Field(default=None, description="a query, through SQLAlchemy")
    warehouse: WarehouseSource | None = Field(
        default=None, description="a table or query, through ibis"
    )
    plugin: PluginSource | None = Field(default=None, description="a source of another package")
    time_column: Text | None = Field(default=None, description="puts rows into windows")
    storage: dict[str, Any] = Field(
        default_factory=dict, description="of files: what the store's fsspec package takes"
    )

    @model_validator(mode="after")
    def _is_one_kind(self) -> Source:
        named = [kind for kind in _KINDS if getattr(self, kind) is not None]
        if len(named) != 1:
            what = f"it names {' and '.join(named)}" if named else "it does not say where rows are"
            raise problem(f"{what}: a source is one of {', '.join(_KINDS)}", "Write one of them")
        if self.storage and self.files is None:
            raise problem("only files lie in a storage", "Leave the key out", "storage")
        return self

    def reader(self) -> ReaderSettings:
        """Return the settings that `monitor.source.registry.open_source` takes.

        Variables are filled in by then: what their values hold is no variable again.
        """
        from whydrift.monitor.source.files import Files
        from whydrift.monitor.source.registry import Plugin
        from whydrift.monitor.source.sql import Sql
        from whydrift.monitor.source.warehouse import Warehouse

        time = self.time_column
        if self.files is not None:
            return Files(as_written(self.files), time, self.storage)
        if self.sql is not None:
            url = as_written(self.sql.url.get_secret_value())
            return Sql(url, as_written(self.sql.query), time, self.sql.timeout.least_seconds)
        if self.warehouse is not None:
            url, query = as_written(self.warehouse.url.get_secret_value()), self.warehouse.query
            return Warehouse(
                url, self.warehouse.table, None if query is None else as_written(query), time
            )
        assert self.plugin is not None
        return Plugin(self.plugin.name, self.plugin.options, time)


def _is_name(value: Any) -> str:
    return "<name>" if isinstance(value, str) else "<written out>"


SourceOrName = Annotated[
    Annotated[Slug, Tag("<name>")] | Annotated[Source, Tag("<written out>")],
    Discriminator(_is_name),
]


class Labels(Settings):
    """Where the true values come from, when they come later than the predictions."""

    source: SourceOrName = Field(description="name of a source, or one written out")
    join: Names = Field(description="columns whose equal values say which label is whose")
