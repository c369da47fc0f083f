"""One side of a comparison on its way in: a frame, a Snapshot, or where its rows lie."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from whydrift.discovery.errors import SchemaError, nearest
from whydrift.discovery.progress import Progress, silent
from whydrift.discovery.snapshot.schema import ColumnKind, Schema
from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.monitor.source.base import Rows, Source
from whydrift.monitor.source.retry import Retry
from whydrift.monitor.source.times import Times, no_times

if TYPE_CHECKING:
    import pyarrow as pa

    from whydrift.discovery.snapshot.note import Note
    from whydrift.monitor.building.cluster import Cluster

__all__ = ["Window", "in_time_order"]


@dataclass(frozen=True)
class Window:
    """A window before it is summarised, so that names can be checked first.

    Parameters
    ----------
    where : str
        Names it in messages: the path, or which side it is.
    names : tuple of str
        Its columns.
    table : pyarrow.Table, optional
        Its rows, where it came as a frame.
    given : Snapshot, optional
        The Snapshot that was given.
    source : Source, optional
        Where its rows lie, which are read batch by batch.
    notes : tuple of Note
        What had to be mended while reading.
    """

    where: str
    names: tuple[str, ...]
    table: pa.Table | None = None
    given: Snapshot | None = None
    source: Source | None = None
    notes: tuple[Note, ...] = ()

    @classmethod
    def of(cls, value: Any, side: str) -> Window:
        """Take a frame, a Snapshot, a path or address, a source or its settings.

        Raises
        ------
        SourceError
            If it is a path, and the files cannot be read.
        SchemaError
            If it is none of these.
        """
        if isinstance(value, Snapshot):
            names = tuple(n for n in value.schema.names if n not in value.absent)
            return cls(side, names, given=value)
        from whydrift.discovery.snapshot.arrow import is_frame, to_table

        if not is_frame(value):
            from whydrift.monitor.source.opening import as_source

            source = as_source(value, side=side)
            names = tuple(Retry().call(source.schema).names)
            return cls(source.where, names, source=source)
        table, notes = to_table(value, where=side)
        return cls(side, tuple(table.column_names), table=table, notes=notes)

    def require(self, name: str, role: str) -> None:
        """Raise where the window has no such column; the message names the nearest."""
        if name in self.names:
            return
        guess = nearest(name, self.names)
        listed = ", ".join(self.names[:20]) + (" …" if len(self.names) > 20 else "")
        raise SchemaError(
            f"the {role} column {name!r} is not in the data",
            where=self.where,
            remedy=f"{f'Did you mean {guess!r}? ' if guess else ''}Columns are: {listed}",
        )

    def snapshot(
        self,
        *,
        roles: Mapping[str, str],
        kinds: Mapping[str, ColumnKind] | None = None,
        schema: Schema | None = None,
        progress: Progress = silent,
        workers: Cluster | None = None,
    ) -> Snapshot:
        """Summarise the window; with a schema, as that of the reference.

        Raises
        ------
        SchemaError
            If it came as a Snapshot with other columns or kinds.
        """
        if self.given is not None:
            for name, kind in (kinds or {}).items():
                if self.given.schema[name].kind is not kind:
                    raise SchemaError(
                        f"the Snapshot was built with column {name!r} as "
                        f"{self.given.schema[name].kind}",
                        where=self.where,
                        remedy=f"Build it with from_frame(…, kinds={{{name!r}: {kind.value!r}}})",
                    )
            if schema is not None:
                self._check_kinds(self.given, schema)
            here = {name: role for name, role in roles.items() if name in self.given.schema}
            for name, role in here.items():
                self._check_role(self.given, name, role)
            return self.given.with_roles(here)
        time = next((name for name, role in roles.items() if role == "time"), None)
        kinds = dict(kinds or {})
        if time is not None:
            kinds[time] = ColumnKind.TIMESTAMP
        if self.source is not None:
            from whydrift.monitor.source.snapshots import snapshot_of

            snapshot = snapshot_of(
                self.source, Rows(time_column=time), schema=schema, kinds=kinds, roles=roles,
                progress=progress, workers=workers,
            )  # fmt: skip
            if time is not None and not snapshot.summaries[time].count:
                raise no_times(time, "no value", self.where)
            return snapshot
        assert self.table is not None
        table = self.table if time is None else in_time_order(self.table, time, self.where)
        snapshot = Snapshot.from_frame(
            table, schema=schema, kinds=kinds, roles=roles, where=self.where
        )
        return replace(snapshot, notes=(*self.notes, *snapshot.notes))

    def _check_role(self, given: Snapshot, name: str, role: str) -> None:
        """Raise where a column cannot play its role any more, since the rows are gone."""
        kind = given.schema[name].kind
        if role == "time" and kind is not ColumnKind.TIMESTAMP:
            raise SchemaError(
                f"the Snapshot was built with the time column {name!r} as {kind}",
                where=self.where,
                remedy=f"Build it with from_frame(…, kinds={{{name!r}: 'timestamp'}}, "
                f"roles={{{name!r}: 'time'}}), from a column of times",
            )
        if role == "cluster" and name not in given.absent and not given.has(name):
            raise SchemaError(
                f"the Snapshot's sample leaves out the cluster column {name!r} ({kind})",
                where=self.where,
                remedy=f"Build it with from_frame(…, roles={{{name!r}: 'cluster'}})",
            )

    def _check_kinds(self, given: Snapshot, schema: Schema) -> None:
        """Raise where a Snapshot lacks a column of the reference, or has one of another kind.

        Categories may differ: which of them came, and in what order they are listed, is no matter.
        """
        for theirs in schema:
            if theirs.name not in given.schema:
                told = f"has no column {theirs.name!r}, which the reference has"
            elif theirs.kind not in {given.schema[theirs.name].kind, ColumnKind.IGNORED}:
                own = given.schema[theirs.name].kind
                told = f"holds column {theirs.name!r} as {own}, and the reference as {theirs.kind}"
            else:
                continue
            raise SchemaError(
                f"the Snapshot {told}",
                where=self.where,
                remedy="Read it with the reference's: read_snapshot(data, schema=reference.schema)"
                " or Snapshot.from_frame(frame, schema=reference.schema)",
            )


def in_time_order(table: pa.Table, name: str, where: str) -> pa.Table:
    """Return the rows in the order of a column of times, kept as such.

    Parameters
    ----------
    table : pyarrow.Table
        With unique column names.
    name : str
        Dates, times, ISO text, or seconds (ms, us, ns) since 1970.
    where : str
        Names the data in messages.

    Raises
    ------
    SchemaError
        If the column holds no times.
    """
    times = Times(name, where).read(table.column(name))
    table = table.set_column(table.column_names.index(name), name, times)
    return table.sort_by([(name, "ascending")])
