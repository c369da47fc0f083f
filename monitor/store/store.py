"""The store: windows, graphs and results, in SQLite or PostgreSQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Any

from whydrift.discovery.errors import StoreError
from whydrift.discovery.graph import Graph
from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.monitor.store import configs, events, graphs, results, snapshots
from whydrift.monitor.store.content import Content
from whydrift.monitor.store.engine import Database, database_url, make_private
from whydrift.monitor.store.memory import Clock, Memory, utc_now
from whydrift.monitor.store.records import (
    GraphRecord,
    MonitorRecord,
    ResultRecord,
    SnapshotRecord,
    WindowKey,
)
from whydrift.monitor.store.statements import lock_monitor
from whydrift.monitor.store.version import require_head
from whydrift.monitor.window.interval import Interval

__all__ = ["Store", "open_database", "open_store"]


def open_database(url: str, *, create: bool) -> Database:
    """Connect to a store's database, whatever tables it has.

    Raises
    ------
    StoreError
        If the address is none, or leads to a file that is not there and shall not be made.
    """
    address = database_url(url)
    database = Database(address)
    if database.path is not None:
        if create:
            make_private(database.path)
        elif not database.path.exists():
            raise StoreError(
                "there is no store yet",
                where=str(database.path),
                remedy="A file's address is from the folder that whydrift runs in: run it from the "
                "one where the store is; or `whydrift store migrate -c FILE` makes one here",
            )
    return database


def open_store(url: str, *, create: bool = True, clock: Clock = utc_now) -> Store:
    """Open a store; in an empty database make its tables.

    Parameters
    ----------
    url : str
        ``sqlite:///whydrift.db`` (from the working directory), ``sqlite:////var/lib/whydrift.db``
        or ``postgresql+psycopg://user:password@host/database``.
    create : bool
        Whether to make a store where there is none.
    clock : callable
        Tells when rows were written.

    Raises
    ------
    StoreError
        If the database cannot be reached, or its tables are older or newer than this whydrift.
    """
    database = open_database(url, create=create)
    try:
        require_head(database, create=create)
    except BaseException:
        database.close()
        raise
    return Store(database, clock)


@dataclass(frozen=True)
class Store(Memory):
    """Keeps windows, graphs, results and what the daemon remembers.

    Every write is there in whole or not at all.

    Writing the same twice changes nothing. Several processes may write at once.

    Parameters
    ----------
    database : Database
    clock : callable
    """

    @property
    def content(self) -> Content:
        """Where the bytes of windows lie."""
        path = self.database.path
        return Content(None if path is None else path.with_name(f"{path.name}-snapshots"))

    def put_snapshot(self, key: WindowKey, window: Snapshot, *, part: str = "") -> SnapshotRecord:
        """Keep a window; one with late rows or labels becomes its next revision.

        Parameters
        ----------
        key : WindowKey
        window : Snapshot
        part : str
            The version whose rows these are, where a window is kept as one part per version.

        Raises
        ------
        StoreError
            If it cannot be written.
        SchemaError
            If rows of its sample were replaced or chosen again.
        """
        with self.database.writing() as connection:
            return snapshots.put(connection, self.content, key, window, part=part, at=self.clock())

    def put_window(
        self, monitor: str, interval: Interval, windows: Mapping[tuple[str, str], Snapshot]
    ) -> tuple[SnapshotRecord, ...]:
        """Keep a window with all its segments: all of them, or nothing.

        Parameters
        ----------
        monitor : str
        interval : Interval
        windows : mapping of (str, str) to Snapshot
            By segment (empty for the whole) and part. What was kept of this window and is not
            here any more becomes empty.

        Raises
        ------
        StoreError, SchemaError
            As in :meth:`put_snapshot`.
        """
        at = self.clock()
        with self.database.writing() as connection:
            lock_monitor(connection, monitor)
            kept = snapshots.listed(
                connection, monitor=monitor, segment=None, part=None, start=interval.start,
                end=interval.end, current=True,
            )  # fmt: skip
            gone = [
                (r.key.segment, r.part)
                for r in kept
                if r.key.interval == interval and (r.key.segment, r.part) not in windows
            ]
            schema = next(iter(windows.values())).schema
            every = {**windows, **dict.fromkeys(gone, Snapshot.empty(schema))}
            return tuple(
                snapshots.put(
                    connection, self.content, WindowKey(monitor, interval, segment), window,
                    part=part, at=at,
                )
                for (segment, part), window in every.items()
            )  # fmt: skip

    def find_snapshot(self, key: WindowKey, *, part: str = "") -> SnapshotRecord | None:
        """Return what is known of the current revision of a window."""
        with self.database.reading() as connection:
            return snapshots.find(connection, key, part)

    def get_snapshot(self, record: SnapshotRecord) -> Snapshot:
        """Read a window.

        Raises
        ------
        StoreError
            If its content is gone, was changed or cannot be read.
        """
        with self.database.reading() as connection:
            return snapshots.read(connection, self.content, record)

    def list_snapshots(
        self,
        *,
        monitor: str | None = None,
        segment: str | None = None,
        part: str | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
        current: bool | None = True,
    ) -> tuple[SnapshotRecord, ...]:
        """Return the windows that lie wholly between two moments, in the order of time.

        Parameters
        ----------
        monitor, segment, part : str, optional
            ``segment=""`` is the whole; all by default.
        start, end : datetime, optional
        current : bool, optional
            False for those that a later revision replaced; None for both.
        """
        with self.database.reading() as connection:
            return snapshots.listed(
                connection, monitor=monitor, segment=segment, part=part, start=start, end=end,
                current=current,
            )  # fmt: skip

    def page_windows(
        self,
        monitor: str,
        segment: str,
        *,
        start: datetime | None = None,
        end: datetime | None = None,
        limit: int = 100,
        after: tuple[datetime, datetime] | None = None,
    ) -> tuple[Interval, ...]:
        """Return windows that are kept, those that end last first, a page at a time.

        Parameters
        ----------
        monitor, segment : str
        start, end : datetime, optional
            Between which they lie wholly.
        limit : int
        after : tuple of datetime, optional
            End and start of the last one of the page before.
        """
        with self.database.reading() as connection:
            return snapshots.page_of_windows(
                connection, monitor, segment, start=start, end=end, limit=limit, after=after
            )

    def ends(self, monitor: str) -> tuple[SnapshotRecord, SnapshotRecord] | None:
        """Return a monitor's oldest and newest window that have rows; None where none has."""
        with self.database.reading() as connection:
            return snapshots.ends(connection, monitor)

    def latest_numbers(self, *monitors: str) -> tuple[int, int]:
        """Return the number of what was last kept of monitors' windows, and of all events.

        Whatever was kept since, late rows of an old window too, has a larger one.
        """
        with self.database.reading() as connection:
            return snapshots.latest_number(connection, monitors), events.latest(connection)

    def list_segments(self, monitor: str) -> tuple[str, ...]:
        """Return the segments that a monitor has windows of, the whole (an empty name) too."""
        with self.database.reading() as connection:
            return snapshots.segments(connection, monitor)

    def start_of_last(
        self, monitor: str, segment: str, *, end: datetime, count: int
    ) -> datetime | None:
        """Return when the window begins that is so many back from a moment; None: there are fewer.

        Each version's part of a window counts as one.
        """
        with self.database.reading() as connection:
            return snapshots.start_of_last(connection, monitor, segment, end=end, count=count)

    def put_graph(self, monitor: str, graph: Graph, *, learned_from: str) -> GraphRecord:
        """Keep a monitor's graph; one that differs from the latest is the next version."""
        with self.database.writing() as connection:
            return graphs.put(
                connection, monitor, graph, learned_from=learned_from, at=self.clock()
            )

    def get_graph(
        self, monitor: str, *, version: int | None = None, at: datetime | None = None
    ) -> tuple[GraphRecord, Graph] | None:
        """Return a version of a monitor's graph: that one, the one of a moment, or the latest.

        Raises
        ------
        StoreError
            If it was changed, or cannot be read.
        """
        with self.database.reading() as connection:
            return graphs.get(connection, monitor, version=version, at=at)

    def list_graphs(self, monitor: str | None = None) -> tuple[GraphRecord, ...]:
        """Return all versions of graphs."""
        with self.database.reading() as connection:
            return graphs.listed(connection, monitor)

    def put_result(
        self, key: WindowKey, diagnosis: Mapping[str, Any], *, config_hash: str
    ) -> ResultRecord:
        """Keep a diagnosis as the one that counts for its stage of the window.

        Parameters
        ----------
        key : WindowKey
        diagnosis : mapping
            What ``Diagnosis.to_dict()`` returns.
        config_hash : str
            What :meth:`put_config` returned for the configuration that it was judged by.

        Raises
        ------
        StoreError
            If it is no diagnosis, the configuration is not stored, or it cannot be written.
        """
        with self.database.writing() as connection:
            return results.put(connection, key, diagnosis, config_hash=config_hash, at=self.clock())

    def find_result(self, key: WindowKey, *, stage: str) -> ResultRecord | None:
        """Return what is known of the result that counts for a stage of a window."""
        with self.database.reading() as connection:
            return results.find(connection, key, stage)

    def get_result(self, identity: str) -> dict[str, Any] | None:
        """Return a diagnosis by its id.

        Raises
        ------
        StoreError
            If it was changed, or cannot be read.
        """
        with self.database.reading() as connection:
            return results.get(connection, identity)

    def list_results(
        self,
        *,
        monitor: str | None = None,
        segment: str | None = None,
        stage: str | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
        current: bool | None = True,
    ) -> tuple[ResultRecord, ...]:
        """Return the results of windows that lie wholly between two moments, by time."""
        with self.database.reading() as connection:
            return results.listed(
                connection, monitor=monitor, segment=segment, stage=stage, start=start, end=end,
                current=current,
            )  # fmt: skip

    def get_result_record(self, identity: str) -> ResultRecord | None:
        """Return what is known of a result, without the diagnosis."""
        with self.database.reading() as connection:
            return results.record(connection, identity)

    def page_results(
        self,
        *,
        monitor: str | None = None,
        segment: str | None = None,
        stage: str | None = None,
        verdict: str | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
        limit: int = 100,
        after: tuple[datetime, str] | None = None,
    ) -> tuple[ResultRecord, ...]:
        """Return the results that count, newest first, a page at a time.

        Parameters
        ----------
        monitor, segment, stage, verdict : str, optional
        start, end : datetime, optional
            Windows that lie wholly between them.
        limit : int
        after : tuple of datetime and str, optional
            End of the window and id of the last one of the page before.
        """
        with self.database.reading() as connection:
            return results.page(
                connection, monitor=monitor, segment=segment, stage=stage, verdict=verdict,
                start=start, end=end, limit=limit, after=after,
            )  # fmt: skip

    def read_column(self, identities: Sequence[str], column: str) -> dict[str, dict[str, Any]]:
        """Return what diagnoses say of one column, by their ids; others are left unread.

        Raises
        ------
        StoreError
            If one cannot be read.
        """
        with self.database.reading() as connection:
            return results.column_of(connection, identities, column)

    def latest_results(self, monitor: str | None = None) -> tuple[ResultRecord, ...]:
        """Return the results that count of the newest window of each monitor, segment, stage."""
        with self.database.reading() as connection:
            return results.latest(connection, monitor)

    def put_config(self, monitor: str, text: str) -> str:
        """Keep the configuration that a monitor runs with, secrets masked; return its hash."""
        with self.database.reading() as connection:
            found = configs.known(connection, monitor, text)
        if found is not None:
            return found  # as at nearly every check: no write, and nobody waits
        with self.database.writing() as connection:
            return configs.put(connection, monitor, text, at=self.clock())

    def get_config(self, config_hash: str) -> str | None:
        """Return a configuration by its hash."""
        with self.database.reading() as connection:
            return configs.get(connection, config_hash)

    def list_monitors(self) -> tuple[MonitorRecord, ...]:
        """Return all monitors that anything is kept of."""
        with self.database.reading() as connection:
            return configs.monitors(connection)

    def close(self) -> None:
        """Close all connections."""
        self.database.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
