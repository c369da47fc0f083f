"""Windows in databases: the answer to a query, through any dialect of SQLAlchemy."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from whydrift.discovery.errors import SourceError
from whydrift.monitor.source.address import expanded, masked
from whydrift.monitor.source.base import BATCH_ROWS, Rows, Tell, untold
from whydrift.monitor.source.database_trouble import asking
from whydrift.monitor.source.paths import missing_file
from whydrift.monitor.source.query_text import plain_query
from whydrift.monitor.source.selected import require_columns, timed
from whydrift.monitor.source.times import Times
from whydrift.monitor.source.values import ColumnTypes

if TYPE_CHECKING:
    import pyarrow as pa
    from sqlalchemy import Connection, Executable
    from sqlalchemy.engine import URL

__all__ = ["Sql", "SqlPart", "SqlSource"]

_ROWS_OF_A_SCHEMA: Final = 1_000
# Bounds that no row lies outside of, where a query asks for them and no window is given.
_ALWAYS: Final = (datetime(1900, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC))
# Databases whose times know no zone: theirs are read as UTC, and bounds are given so.
_WITHOUT_ZONES: Final = frozenset(("mysql", "mariadb"))


@dataclass(frozen=True)
class Sql:
    """Settings of windows in a database.

    Parameters
    ----------
    url : str
        Of SQLAlchemy: ``postgresql://user@host/db``, ``sqlite:///file.db``; ``${NAME}`` stands for
        a variable of the environment, here and in the query.
    query : str
        One ``select``. Where it has ``:start`` and ``:end`` these are bound to the window; where
        it has not, its rows are taken by ``time_column``. The bounds are instants in UTC: columns
        without a zone are taken as UTC (the session's zone is set to it); SQLite, which has no
        times, gets text as it writes them (``2026-05-04 09:00:00``).
    time_column : str, optional
        Of the answer: by which rows belong to windows.
    timeout_seconds : float
        How long the query may take (PostgreSQL, SQLite).
    """

    url: str = field(repr=False)
    query: str
    time_column: str | None = None
    timeout_seconds: float = 600.0


class SqlSource:
    """Windows in a database.

    Parameters
    ----------
    settings : Sql
        Which.
    """

    def __init__(self, settings: Sql) -> None:
        where = masked(settings.url)
        url = expanded(settings.url, where=where)
        query = plain_query(expanded(settings.query, where="query"))
        self._settings = Sql(url, query, settings.time_column, settings.timeout_seconds)
        self.time_column = settings.time_column
        self.binds_window = bool(_bounds(query))

    @property
    def where(self) -> str:
        """Names it in messages."""
        return masked(self._settings.url)

    def schema(self) -> pa.Schema:
        """Return the columns of the answer; types that the database does not state of some rows."""
        import sqlalchemy

        part = SqlPart(self._settings, Rows())
        text = sqlalchemy.text(self._settings.query)
        some: Any = (
            sqlalchemy.select(sqlalchemy.literal_column("*"))
            .select_from(text.columns().subquery("whydrift_rows"))
            .limit(_ROWS_OF_A_SCHEMA)
        )
        with part.asked(some, *_ALWAYS) as (result, types):
            rows = result.fetchall()
            return types.batch(rows).schema if rows else types.schema()

    def parts(self, rows: Rows, tell: Tell = untold) -> Sequence[SqlPart]:
        """Return the answer as one part: only the database could tell how to divide it."""
        bound = _bounds(self._settings.query)
        bounded = rows.start is not None or rows.end is not None
        if bound and not bounded:
            raise SourceError(
                f"the query has {' and '.join(f':{name}' for name in sorted(bound))}, "
                "but no window is given",
                where=self.where,
                remedy="Write the dates into the query, or give start and end",
            )
        asked = {n for n in ("start", "end") if getattr(rows, n) is not None}
        if asked - bound and rows.time_column is None:
            missing = " nor ".join(f":{name}" for name in ("start", "end") if name in asked - bound)
            raise SourceError(
                "a window is asked for, but the query has "
                f"{'neither' if len(asked - bound) > 1 else 'no'} {missing}",
                where=self.where,
                remedy="Write `where ts >= :start and ts < :end`, or name the time column",
            )
        return [SqlPart(self._settings, rows)]


@dataclass(frozen=True)
class SqlPart:
    """The answer to a query.

    Parameters
    ----------
    settings : Sql
        The database and the query, without variables.
    wanted : Rows
        Which rows and columns are wanted.
    """

    settings: Sql
    wanted: Rows

    @property
    def where(self) -> str:
        """Names it in messages."""
        return masked(self.settings.url)

    @property
    def rows(self) -> None:
        """Nobody knows before the query has run."""
        return

    @property
    def repeats(self) -> bool:
        """Without an order a database may give its rows in another one each time."""
        return False

    def batches(self, tell: Tell = untold) -> Iterator[pa.RecordBatch]:
        """Ask the query, and read the answer as it comes."""
        wanted = self.wanted
        start, end = wanted.start or _ALWAYS[0], wanted.end or _ALWAYS[1]
        times = None if wanted.time_column is None else Times(wanted.time_column, self.where)
        statement = self._statement()
        with self.asked(statement, start, end) as (result, types):
            require_columns(wanted.columns, list(result.keys()), self.where)
            if wanted.time_column is not None:
                require_columns((wanted.time_column,), list(result.keys()), self.where)
            first = True
            for rows in result.partitions(BATCH_ROWS):
                batch = types.batch(rows)
                if first and len(rows) == BATCH_ROWS and types.unknown():
                    self._find_types(types, start, end)
                    batch = types.batch(rows)
                first = False
                if times is not None:
                    batch = timed(batch, times, wanted)
                if batch.num_rows:
                    yield batch if wanted.columns is None else batch.select(list(wanted.columns))

    def _statement(self) -> Executable:
        """Return the query; as part of one that selects columns and a window where they are asked.

        Names and bounds are put in by SQLAlchemy, quoted as the dialect does.
        """
        import sqlalchemy

        wanted = self.wanted
        text = sqlalchemy.text(self.settings.query)
        by_time = (
            wanted.time_column is not None
            and (wanted.start is not None or wanted.end is not None)
            and not _bounds(self.settings.query)
            # SQLite compares texts and numbers by their own rules: there we choose the rows.
            and _url(self.settings.url).get_backend_name() != "sqlite"
        )
        if wanted.columns is None and not by_time:
            return text
        names = list(wanted.columns or ())
        if wanted.time_column is not None and wanted.time_column not in names:
            names.append(wanted.time_column)
        inner = text.columns(*map(sqlalchemy.column, names)).subquery("whydrift_rows")
        chosen: Any = (
            sqlalchemy.select(*(inner.c[name] for name in names))
            if wanted.columns is not None
            else sqlalchemy.select(sqlalchemy.literal_column("*")).select_from(inner)
        )
        if by_time:
            at = inner.c[str(wanted.time_column)]
            if wanted.start is not None:
                chosen = chosen.where(at >= sqlalchemy.bindparam("start"))
            if wanted.end is not None:
                chosen = chosen.where(at < sqlalchemy.bindparam("end"))
        return chosen  # type: ignore[no-any-return]

    def _find_types(self, types: ColumnTypes, start: datetime, end: datetime) -> None:
        """Look for one value of each column that has none among the first rows."""
        import sqlalchemy

        for name in types.unknown():
            text = sqlalchemy.text(self.settings.query)
            inner = text.columns(sqlalchemy.column(name)).subquery("whydrift_rows")
            one = sqlalchemy.select(inner.c[name]).where(inner.c[name].is_not(None)).limit(1)
            with self.asked(one, start, end) as (result, _):
                found = result.fetchone()
            if found is not None:
                types.learn(name, found[0])

    @contextmanager
    def asked(
        self, statement: Executable, start: datetime, end: datetime
    ) -> Iterator[tuple[Any, ColumnTypes]]:
        """Give the answer to a statement, and the types that the database states.

        Raises
        ------
        SourceError
            If the database cannot be reached, or refuses the statement.
        """
        import sqlalchemy
        from sqlalchemy.pool import NullPool

        url, seconds = self.settings.url, self.settings.timeout_seconds
        with asking(self.where, url, seconds):
            try:
                engine = sqlalchemy.create_engine(_url(url), poolclass=NullPool)
            except ImportError as error:
                raise _missing_driver(error, self.where) from error
            backend = engine.dialect.name
            values = {"start": _bound(start, backend), "end": _bound(end, backend)}
            names = set(statement.compile(engine).params)  # type: ignore[attr-defined]
            with engine.connect() as connection, _guarded(connection, seconds):
                result = connection.execute(
                    statement,
                    {name: value for name, value in values.items() if name in names},
                    execution_options={"yield_per": BATCH_ROWS},
                )
                _require_different(list(result.keys()), self.where)
                description = result.cursor.description if result.cursor is not None else ()
                yield result, ColumnTypes(list(result.keys()), _stated(backend, description or ()))
                result.close()
                connection.rollback()


def _require_different(names: Sequence[str], where: str) -> None:
    twice = next((name for place, name in enumerate(names) if name in names[:place]), None)
    if twice is not None:
        raise SourceError(
            f"the query gives two columns named {twice!r}",
            where=where,
            remedy=f"Name one of them otherwise: select … as {twice}_2",
        )


def _bounds(query: str) -> set[str]:
    """Return which of ``start`` and ``end`` a query binds."""
    import sqlalchemy

    names = set(sqlalchemy.text(query).compile().params)
    unknown = sorted(names - {"start", "end"})
    if unknown:
        raise SourceError(
            f"the query has :{unknown[0]}",
            where="query",
            remedy="Only :start and :end are bound; write \\: for a plain colon",
        )
    return names


def _url(text: str) -> URL:
    """Return the address as SQLAlchemy takes it: with the driver that we bring, and read-only."""
    from sqlalchemy.engine import make_url

    url = make_url(text)
    if url.drivername in {"postgres", "postgresql"}:
        return url.set(drivername="postgresql+psycopg")
    database = url.database
    if url.get_backend_name() == "sqlite" and database and not database.startswith("file:"):
        path = Path(database).expanduser()
        if not path.exists():  # SQLite would make an empty database of that name
            raise missing_file(path)
        return url.set(
            database=f"file:{quote(str(path.absolute()))}", query={"mode": "ro", "uri": "true"}
        )
    return url


def _missing_driver(error: ImportError, where: str) -> SourceError:
    is_ours = error.name in {"psycopg", "psycopg_binary"}
    package = "'whydrift[postgres]'" if is_ours else str(error.name)
    return SourceError(
        f"the driver {error.name!r} of this database is not installed",
        where=where,
        remedy=f"Install it: pip install {package}",
    )


def _bound(instant: datetime, backend: str) -> Any:
    """Return an instant as the dialect compares it with its columns."""
    instant = instant.astimezone(UTC)
    if backend == "sqlite":
        # A prefix of every finer text of the same instant: whole seconds have no fraction.
        return instant.replace(tzinfo=None).isoformat(sep=" ")
    return instant.replace(tzinfo=None) if backend in _WITHOUT_ZONES else instant


@contextmanager
def _guarded(connection: Connection, seconds: float) -> Iterator[None]:
    """Let the connection read only, and no longer than so many seconds (PostgreSQL, SQLite).

    Elsewhere the account itself should have no right but to read.
    """
    from sqlalchemy import func, select

    match connection.dialect.name:
        case "postgresql":
            connection.execution_options(postgresql_readonly=True)
            for name, value in (
                ("statement_timeout", f"{max(1, round(1000 * seconds))}"),
                ("TimeZone", "UTC"),
            ):
                connection.execute(select(func.set_config(name, value, True))).all()
            yield
        case "sqlite":
            raw: Any = connection.connection.dbapi_connection
            raw.execute("pragma query_only = on")
            deadline = time.monotonic() + seconds
            raw.set_progress_handler(lambda: time.monotonic() > deadline, 10_000)
            yield
        case _:
            yield


def _stated(backend: str, description: Sequence[Any]) -> Mapping[str, pa.DataType]:
    """Return the types that a database states of its answer, by the numbers of PostgreSQL's."""
    import pyarrow as pa

    if backend != "postgresql":
        return {}
    text = pa.string()
    kinds = {
        16: pa.bool_(), 17: pa.binary(), 20: pa.int64(), 21: pa.int64(), 23: pa.int64(),
        25: text, 1042: text, 1043: text, 18: text, 19: text, 114: text, 3802: text, 2950: text,
        26: pa.int64(), 700: pa.float64(), 701: pa.float64(), 1700: pa.float64(),
        1082: pa.date32(), 1083: pa.time64("us"), 1114: pa.timestamp("us"),
        1184: pa.timestamp("us", tz="UTC"), 1186: pa.duration("us"),
    }  # fmt: skip
    return {column[0]: kinds[column[1]] for column in description if column[1] in kinds}
