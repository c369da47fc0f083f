"""Windows in DuckDB and warehouses: a table, or the answer to a query, through ibis."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from whydrift.discovery.errors import SourceError
from whydrift.monitor.source.address import expanded, masked, without_secrets
from whydrift.monitor.source.base import BATCH_ROWS, Rows, Tell, untold
from whydrift.monitor.source.database_trouble import is_passing
from whydrift.monitor.source.query_text import whole_query
from whydrift.monitor.source.selected import require_columns, timed
from whydrift.monitor.source.times import Times
from whydrift.monitor.source.trouble import Interrupted

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Warehouse", "WarehousePart", "WarehouseSource"]


@dataclass(frozen=True)
class Warehouse:
    """Settings of windows in a warehouse.

    Parameters
    ----------
    url : str
        Of ibis: ``duckdb:///file.duckdb``, ``postgres://user@host/db``, ``snowflake://…``;
        ``${NAME}`` stands for a variable of the environment, here and in the query.
    table : str, optional
        Its name; ``schema.name`` where it is not in the schema that is searched first.
    query : str, optional
        One ``select`` instead of a table.
    time_column : str, optional
        A column of times or dates by which rows belong to windows; a time without a zone is taken
        as UTC.
    """

    url: str = field(repr=False)
    table: str | None = None
    query: str | None = None
    time_column: str | None = None


class WarehouseSource:
    """Windows in a warehouse.

    Parameters
    ----------
    settings : Warehouse
        Which.

    Raises
    ------
    SourceError
        If there is neither a table nor a query, or both.
    """

    def __init__(self, settings: Warehouse) -> None:
        where = masked(settings.url)
        if (settings.table is None) == (settings.query is None):
            raise SourceError(
                "a table and a query are both given" if settings.table else "there is no table",
                where=where,
                remedy="Name a table, or give a query: one of the two",
            )
        query = settings.query
        if query is not None:
            query = whole_query(expanded(query, where="query"))
        url = expanded(settings.url, where=where)
        self._settings = Warehouse(url, settings.table, query, settings.time_column)
        self.time_column = settings.time_column

    @property
    def where(self) -> str:
        """Names it in messages."""
        return WarehousePart(self._settings, Rows()).where

    def schema(self) -> pa.Schema:
        """Return the columns, as the warehouse states them."""
        with _rows(self._settings, self.where) as rows:
            return rows.schema().to_pyarrow()

    def parts(self, rows: Rows, tell: Tell = untold) -> Sequence[WarehousePart]:
        """Return the window as one part: only the warehouse could tell how to divide it."""
        if (rows.start is not None or rows.end is not None) and rows.time_column is None:
            raise SourceError(
                "a window is asked for, but no column says when a row was",
                where=self.where,
                remedy="Name the time column",
            )
        return [WarehousePart(self._settings, rows)]


@dataclass(frozen=True)
class WarehousePart:
    """The rows of a window.

    Parameters
    ----------
    settings : Warehouse
        Where they lie, without variables.
    wanted : Rows
        Which rows and columns are wanted.
    """

    settings: Warehouse
    wanted: Rows

    @property
    def where(self) -> str:
        """Names it in messages."""
        address = masked(self.settings.url)
        return f"{address}, {self.settings.table}" if self.settings.table else address

    @property
    def rows(self) -> None:
        """Nobody knows before the query has run."""
        return

    @property
    def repeats(self) -> bool:
        """Without an order a warehouse may give its rows in another one each time."""
        return False

    def batches(self, tell: Tell = untold) -> Iterator[pa.RecordBatch]:
        """Select the window and the columns there, and read what comes."""
        wanted = self.wanted
        times = None if wanted.time_column is None else Times(wanted.time_column, self.where)
        with _rows(self.settings, self.where) as rows:
            for batch in self._selected(rows).to_pyarrow_batches(chunk_size=BATCH_ROWS):
                for start in range(0, batch.num_rows, BATCH_ROWS):
                    found = batch.slice(start, BATCH_ROWS)
                    if times is not None:
                        found = timed(found, times, wanted)
                    if found.num_rows:
                        yield found.select(list(wanted.columns)) if wanted.columns else found

    def _selected(self, rows: Any) -> Any:
        """Return the rows of the window and the wanted columns, as an expression of ibis."""
        wanted = self.wanted
        there = list(rows.columns)
        require_columns(wanted.columns, there, self.where)
        if wanted.time_column is not None:
            require_columns((wanted.time_column,), there, self.where)
            at = rows[wanted.time_column]
            if wanted.start is not None:
                rows = rows.filter(at >= self._literal(wanted.start, at, is_end=False))
            if wanted.end is not None:
                rows = rows.filter(at < self._literal(wanted.end, at, is_end=True))
        if wanted.columns is not None:
            names = list(wanted.columns)
            if wanted.time_column is not None and wanted.time_column not in names:
                names.append(wanted.time_column)
            rows = rows.select(*names)
        # Drivers give them as objects of Python, which Arrow does not take for text.
        named = [name for name, kind in rows.schema().items() if kind.is_uuid() or kind.is_inet()]
        return rows.mutate(**{name: rows[name].cast("string") for name in named}) if named else rows

    def _literal(self, instant: datetime, column: Any, *, is_end: bool) -> Any:
        """Return an instant as a literal of the column's type, which ibis writes in the dialect."""
        import ibis

        kind = column.type()
        instant = instant.astimezone(UTC)
        if kind.is_date():
            # A day belongs to a window where its first instant does.
            day = instant.date()
            return ibis.literal(day if instant.time() == datetime.min.time()
                                else day + timedelta(days=1), type=kind)  # fmt: skip
        if kind.is_timestamp():
            zoned = kind.timezone is not None
            return ibis.literal(instant if zoned else instant.replace(tzinfo=None), type=kind)
        raise SourceError(
            f"the time column {self.wanted.time_column!r} is of type {kind}",
            where=self.where,
            remedy="Name a column of times or dates, or give a query that casts it to one",
        )


@contextmanager
def _rows(settings: Warehouse, where: str) -> Iterator[Any]:
    """Give the table, or the answer to the query, as an expression of ibis.

    Raises
    ------
    SourceError
        If the warehouse cannot be reached, or has no such table.
    """
    try:
        import ibis
    except ImportError as error:
        raise SourceError(
            "reading warehouses needs a package that is not installed",
            where=where,
            remedy="Install it: pip install 'whydrift[warehouse]'",
        ) from error
    connection = None
    try:
        connection = ibis.connect(_address(settings.url))
        if settings.query is not None:
            yield connection.sql(settings.query)
        else:
            *schema, name = str(settings.table).split(".")
            yield connection.table(name, database=".".join(schema) or None)
    except SourceError:
        raise
    except ImportError as error:
        raise SourceError(
            f"the driver {error.name!r} of this warehouse is not installed",
            where=where,
            remedy="Install ibis' extra for it, such as pip install 'ibis-framework[snowflake]'",
        ) from error
    except Exception as error:
        # Each backend raises errors of its own driver; they have no common root.
        if not _is_foreign(error):
            raise
        raise _told(error, where, settings.url) from error
    finally:
        if connection is not None:
            connection.disconnect()


def _address(url: str) -> str:
    """Return the address as ibis takes it; files of DuckDB are opened for reading only."""
    if url.startswith("postgresql"):
        return "postgres" + url[url.index("://") :]
    if url.startswith("duckdb://") and "read_only" not in url:
        path = url[len("duckdb://") :]
        if path not in {"", ":memory:", "/:memory:"}:
            return f"{url}{'&' if '?' in url else '?'}read_only=True"
    return url


def _is_foreign(error: Exception) -> bool:
    root = type(error).__module__.partition(".")[0]
    return root not in {"builtins", "whydrift", "pyarrow"}


def _told(error: Exception, where: str, url: str) -> SourceError:
    lines = str(error).strip().splitlines()
    first = without_secrets(lines[0], url) if lines else type(error).__name__
    if type(error).__name__ == "TableNotFound":
        return SourceError("there is no such table", where=where, remedy="Check its name")
    if is_passing(error):
        return Interrupted(
            f"the warehouse failed ({first})", where=where, remedy="Try again a little later"
        )
    return SourceError(
        f"the warehouse refused it ({first})",
        where=where,
        remedy="Check the table or query, the address and the account's rights",
    )
