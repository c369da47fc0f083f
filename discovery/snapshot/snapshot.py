"""The Snapshot: one window of data as a bounded value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from whydrift.discovery.arrays import BoolArray, FloatArray, IntArray, read_only
from whydrift.discovery.errors import SchemaError
from whydrift.discovery.scores.features import ascending, rank_normal
from whydrift.discovery.snapshot.arrow import to_table
from whydrift.discovery.snapshot.copies import Copies
from whydrift.discovery.snapshot.draw import Draw
from whydrift.discovery.snapshot.frequent import FrequentValues
from whydrift.discovery.snapshot.moments import Moments
from whydrift.discovery.snapshot.note import Note
from whydrift.discovery.snapshot.schema import Column, ColumnKind, Role, Schema
from whydrift.discovery.snapshot.summary import ColumnSummary
from whydrift.discovery.snapshot.timeline import Timeline
from whydrift.discovery.snapshot.totals import CoMissing, Totals

__all__ = ["OTHER", "ColumnSummary", "Snapshot", "sample_limit"]

OTHER = "(other)"  # the overflow bucket of a column with too many categories
_SAMPLE_ROWS = 16_384
_ALL_ROWS = slice(None)
# Of more columns the sample shrinks to so many bytes.
_MOST_COLUMNS, _MOST_BYTES = 200, 64_000_000


def sample_limit(columns: int) -> int:
    """Return the most rows of the sample of a window of so many columns."""
    if columns <= _MOST_COLUMNS:
        return _SAMPLE_ROWS
    return min(_SAMPLE_ROWS, _MOST_BYTES // (8 * columns))


@dataclass(frozen=True, eq=False, repr=False)
class Snapshot:
    """One window of data: counts over all rows, and a sample of blocks of rows.

    Build it with :meth:`from_frame` or :meth:`from_batches`, join parts of a window with
    :meth:`merge`, keep it with :meth:`to_bytes`.

    The sample holds numbers as they are, categories as codes
    into the schema's ``categories``, times as seconds since 1970, and NaN where a value is
    missing; columns of the kinds ``id`` and ``ignored`` are not in it. A column read with the role
    ``cluster`` is in it whatever its kind, as a number that stands for the key in every window.

    Parameters
    ----------
    schema : Schema
        Kinds and roles; for a current window, those of its reference.
    rows : int
        Rows of the window.
    summaries : mapping of str to ColumnSummary
        Per column, over all rows.
    sample : ndarray of shape (n_sampled, n_sampled_columns)
        Read-only, in the order of time where a time column is known, else of the rows. Each row
        of the window had the same chance to be in it (`blocks.py` says how they are chosen).
    sampled : tuple of str
        Column names of the sample.
    absent : tuple of str
        Columns of the schema that the window does not have.
    start, end : float, optional
        First and last time in seconds since 1970, where a time column is known.
    notes : tuple of Note
        What was odd while reading.
    repeats : int
        Rows that are equal in all columns, ids and times too, to one before them.
    repeated : ndarray of bool, shape (n_sampled,), optional
        Which rows of the sample these are; None where there are none.
    timeline : Timeline, optional
        Rows over time, where a time column is known.
    draw : Draw, optional
        How the rows of the sample were chosen; None once they were chosen again.
    totals : Totals, optional
        Moments and the like over all rows.
    adjacent : ndarray of bool, shape (n_sampled,), optional
        Which rows of a sample that was chosen again come just after the row before them in the
        window; None where `draw` tells, or no row in between was left out.
    """

    schema: Schema
    rows: int
    summaries: Mapping[str, ColumnSummary]
    sample: FloatArray = field(repr=False)
    sampled: tuple[str, ...] = field(repr=False)
    absent: tuple[str, ...] = ()
    start: float | None = None
    end: float | None = None
    notes: tuple[Note, ...] = ()
    repeats: int = 0
    repeated: BoolArray | None = field(default=None, repr=False)
    timeline: Timeline | None = field(default=None, repr=False)
    draw: Draw | None = field(default=None, repr=False)
    totals: Totals | None = field(default=None, repr=False)
    adjacent: BoolArray | None = field(default=None, repr=False)

    @classmethod
    def from_frame(
        cls,
        frame: Any,
        *,
        schema: Schema | None = None,
        kinds: Mapping[str, ColumnKind | str] | None = None,
        roles: Mapping[str, Role | str] | None = None,
        sample_rows: int | None = None,
        random_state: int = 0,
        where: str = "data",
    ) -> Snapshot:
        """Summarise a data frame.

        Parameters
        ----------
        frame : pandas.DataFrame, polars.DataFrame, pyarrow.Table or pyarrow.RecordBatch
            One window of rows, in the order of time where there is one.
        schema : Schema, optional
            That of the reference, for a current window; inferred otherwise. Values that do not
            fit it are counted (and are a fault in `compare`), they raise nothing.
        kinds, roles : mapping, optional
            Override what would be inferred, or the schema, for some columns.
        sample_rows : int, optional
            Most rows kept in the sample; by default 16,384, of more than 200 columns as many as
            take 64 MB.
        random_state : int
            Another one chooses other rows where there are more than that; samples of one choice
            can be joined.
        where : str
            Names the data in error messages.

        Returns
        -------
        Snapshot

        Raises
        ------
        SchemaError
            If the frame is no table, or has no rows or no columns.
        """
        table, notes = to_table(frame, where=where)
        if table.num_columns == 0:
            raise SchemaError(
                "there are no columns", where=where, remedy="Give a table with a header"
            )
        if table.num_rows == 0:
            raise SchemaError(
                "there are no rows", where=where, remedy="Give a window that has data"
            )
        from whydrift.discovery.snapshot.build import read_window
        from whydrift.discovery.snapshot.stream import read_stream

        # With the rules of a reference a long table is read like a stream: the same, in less time.
        if schema is not None and schema.blocks is not None:
            window = read_stream(
                [table],
                schema=schema,
                kinds=kinds or {},
                roles=roles or {},
                sample_rows=sample_rows,
                salt=random_state,
                where=where,
            )
            return replace(window, notes=tuple(dict.fromkeys([*notes, *window.notes])))
        return read_window(
            table,
            list(notes),
            schema=schema,
            kinds=kinds or {},
            roles=roles or {},
            sample_rows=sample_rows,
            salt=random_state,
        )

    @classmethod
    def from_batches(
        cls,
        batches: Iterable[Any],
        *,
        schema: Schema | None = None,
        kinds: Mapping[str, ColumnKind | str] | None = None,
        roles: Mapping[str, Role | str] | None = None,
        sample_rows: int | None = None,
        random_state: int = 0,
        where: str = "data",
    ) -> Snapshot:
        """Summarise a window that comes in pieces, in memory that does not grow with its rows.

        The same as :meth:`from_frame` of all rows with the schema that comes out; without a schema
        kinds, categories and blocks are read off the first 65,536 rows, of more than 256 columns
        off the first 16 million values.

        Parameters
        ----------
        batches : iterable of pandas.DataFrame, polars.DataFrame, Table or RecordBatch
            Tables of the same columns, in the order of time where there is one; of any size.
        schema, kinds, roles, sample_rows, random_state, where
            As in :meth:`from_frame`.

        Returns
        -------
        Snapshot

        Raises
        ------
        SchemaError
            If a batch is no table, types do not fit together, or there are no rows.

        Examples
        --------
        >>> import pyarrow.dataset as ds
        >>> Snapshot.from_batches(ds.dataset("june/").to_batches())  # doctest: +SKIP
        """
        from whydrift.discovery.snapshot.stream import read_stream

        return read_stream(
            batches,
            schema=schema,
            kinds=kinds or {},
            roles=roles or {},
            sample_rows=sample_rows,
            salt=random_state,
            where=where,
        )

    @classmethod
    def empty(cls, schema: Schema) -> Snapshot:
        """Return the window of no rows: joined with any other of this schema it is that other."""
        hashes, most = np.empty(0, dtype=np.uint64), sample_limit(len(schema))
        return cls(
            schema,
            0,
            {},
            read_only(np.empty((0, 0))),
            (),
            draw=Draw(np.empty(0), hashes, hashes, np.empty(0, np.int64), 1.0, most, 0),
            totals=Totals(Moments.none(()), CoMissing.of((), {}), Copies()),
        )

    def merge(self, other: Snapshot) -> Snapshot:
        """Return one window of the rows of both: parts of one window, read with one schema.

        It does not matter how the rows were split into parts, or which is joined first (`merge.py`
        says exactly what is the same). Windows that are to be told apart, such as past days of a
        reference, are given to ``compare`` as a list instead.

        Raises
        ------
        SchemaError
            If columns or kinds differ, the samples were chosen by different rules, or the other
            is no Snapshot.
        """
        from whydrift.discovery.snapshot.merge import merge

        if not isinstance(other, Snapshot):
            raise SchemaError(
                f"a {type(other).__name__} is no Snapshot",
                where="merge",
                remedy="Read it first: Snapshot.from_frame(frame, schema=first.schema)",
            )
        return merge([self, other])

    def to_bytes(self) -> bytes:
        """Return the window as the bytes of a Parquet file with a version and a checksum.

        Raises
        ------
        SchemaError
            If rows of its sample were replaced or chosen again.
        """
        from whydrift.discovery.snapshot.stored import to_bytes

        return to_bytes(self)

    @classmethod
    def from_bytes(cls, stored: bytes) -> Snapshot:
        """Read what :meth:`to_bytes` wrote, in this or an earlier version of whydrift.

        Raises
        ------
        SchemaError
            If the bytes are no Snapshot, were changed, or come from a later version.
        """
        from whydrift.discovery.snapshot.stored import read_bytes

        return read_bytes(stored)

    @property
    def has_sample(self) -> bool:
        """Whether rows of the window are kept; of one without only the counts are."""
        return len(self.sample) > 0 or not self.rows

    def without_sample(self) -> Snapshot:
        """Return the window without its rows: counts, moments, extremes and quantiles stay.

        Raises
        ------
        SchemaError
            If rows of its sample were replaced or chosen again.
        """
        from whydrift.discovery.snapshot.expire import without_sample

        return without_sample(self)

    def quantiles(self, name: str, shares: Sequence[float]) -> FloatArray:
        """Return the values of a number or time below which these shares of its rows lie.

        Exact where the sample holds all rows, else from a sketch whose ranks are off by at most
        1 % of all rows in 99 cases of 100.

        Raises
        ------
        SchemaError
            If the column is absent, or holds neither numbers nor times.
        """
        kind = self.schema[self.schema.require(name, where="quantiles")].kind
        if not (kind.is_numeric or kind is ColumnKind.TIMESTAMP) or not self.has(name):
            raise SchemaError(
                f"column {name!r} ({kind}) has no quantiles",
                where="quantiles",
                remedy="Name a column of numbers or times that the window has",
            )
        wanted = np.asarray(shares, dtype=np.float64)
        if self.totals is not None and name in self.totals.sketches:
            return self.totals.sketches[name].quantiles(wanted)
        values = self.column(name)
        present = values[np.isfinite(values)]
        if not present.size:
            return np.full(len(wanted), np.nan)
        return np.quantile(present, wanted, method="inverted_cdf")

    def frequent_values(self, name: str) -> FrequentValues:
        """Return the values of a column of categories and how often they came, commonest first.

        Exact where all categories are told apart, else with the error that it says: a value that
        more than every 1,025th row has is named, in whatever order the rows came.

        Raises
        ------
        SchemaError
            If the column is absent, or does not hold categories.
        """
        column = self.schema[self.schema.require(name, where="frequent_values")]
        if not column.kind.is_discrete or name not in self.summaries:
            raise SchemaError(
                f"column {name!r} ({column.kind}) has no categories",
                where="frequent_values",
                remedy="Name a column of categories that the window has",
            )
        if self.totals is not None and name in self.totals.frequent:
            return self.totals.frequent[name]
        counts = dict(zip(column.categories, self.summaries[name].category_counts, strict=False))
        pooled = counts.pop(OTHER, 0)
        found = sorted(
            ((n, c) for n, c in counts.items() if c), key=lambda pair: (-pair[1], pair[0])
        )
        return FrequentValues(dict(found), pooled)

    @cached_property
    def _position(self) -> dict[str, int]:
        return {name: i for i, name in enumerate(self.sampled)}

    def column(self, name: str) -> FloatArray:
        """Return a sampled column: shape (n_sampled,), read-only, NaN where missing."""
        return self.sample[:, self._position[name]]

    @cached_property
    def _rank_scores(self) -> dict[str, FloatArray]:
        return {}

    def rank_scores(self, name: str) -> FloatArray:
        """Return a sampled number's rank-normal scores within this window (computed once)."""
        if name not in self._rank_scores:
            scores = rank_normal(self.column(name), self.order(name))
            self._rank_scores[name] = read_only(scores)
        return self._rank_scores[name]

    @cached_property
    def _orders(self) -> dict[str, IntArray]:
        return {}

    def order(self, name: str, rows: slice = _ALL_ROWS) -> IntArray:
        """Return which of some sampled rows have a value here, in its order (computed once)."""
        if name not in self._orders:
            self._orders[name] = ascending(self.column(name))
        order = self._orders[name]
        if rows == _ALL_ROWS:
            return order
        start, stop, step = rows.indices(len(self.sample))
        assert step > 0, step
        places = order[(order >= start) & (order < stop)] - start
        return places if step == 1 else places[places % step == 0] // step

    def ascending(self, name: str, rows: slice = _ALL_ROWS) -> FloatArray:
        """Return the values of some rows of a sampled column, from the smallest to the largest."""
        values: FloatArray = self.column(name)[rows][self.order(name, rows)]
        return values

    @cached_property
    def has_predecessor(self) -> BoolArray:
        """Which sampled rows come just after the row before them in the window (computed once)."""
        if self.adjacent is not None:
            return self.adjacent
        if self.draw is not None:
            return self.draw.has_predecessor()
        return np.arange(len(self.sample)) > 0

    def adjacent_among(self, rows: IntArray) -> BoolArray:
        """Return which of some sampled rows come just after the one before them among these."""
        out = self.has_predecessor[rows]
        out[:1] = False
        out[1:] &= np.diff(rows) == 1
        return out

    def _adjacent_of(self, rows: IntArray) -> BoolArray | None:
        # Of a whole window copies are left out, or its series put one after the other: what then
        # stands side by side does follow each other.
        if self.adjacent is None and (self.draw is None or self.draw.is_whole):
            return None
        return self.adjacent_among(rows)

    def has(self, name: str) -> bool:
        """Whether the window's sample holds this column."""
        return name in self._position

    def columns(self, names: tuple[str, ...]) -> FloatArray:
        """Return sampled columns as a new array of shape (n_sampled, n_names)."""
        return self.sample[:, [self._position[n] for n in names]]

    def missing_share(self, name: str) -> float:
        """Return the share of all rows in which the column is missing."""
        return self.summaries[name].missing / self.rows

    def is_constant(self, name: str) -> bool:
        """Whether all usable values of the column are the same."""
        summary = self.summaries[name]
        if summary.category_counts:
            return sum(c > 0 for c in summary.category_counts) <= 1
        return summary.low is None or summary.low == summary.high

    def with_sample(self, columns: Mapping[str, FloatArray]) -> Snapshot:
        """Return the window with some sampled columns replaced (the counts stay as recorded)."""
        sample = self.sample.copy(order="F")
        for name, values in columns.items():
            sample[:, self._position[name]] = values
        return replace(self, sample=read_only(sample))

    def take(self, rows: IntArray) -> Snapshot:
        """Return the window with these rows of its sample only (for resampling and halves)."""
        return replace(
            self,
            sample=read_only(np.asfortranarray(self.sample[rows])),
            repeated=None if self.repeated is None else self.repeated[rows],
            draw=None,
            adjacent=self._adjacent_of(rows),
        )

    def with_roles(self, roles: Mapping[str, Role | str]) -> Snapshot:
        """Return the window with some roles set; a column of times puts the sample in its order."""
        schema = self.schema.with_roles(roles)
        time = schema.with_role(Role.TIME)
        if (
            time is None
            or time == self.schema.with_role(Role.TIME)
            or schema[time].kind is not ColumnKind.TIMESTAMP
            or not self.has(time)
        ):
            return replace(self, schema=schema)
        times = self.column(time)
        draw = self.draw
        order = np.argsort(times, kind="stable") if draw is None else draw.order(times)
        known = times[np.isfinite(times)]
        is_whole = len(self.sample) == self.rows
        return replace(
            self,
            schema=schema,
            sample=read_only(np.asfortranarray(self.sample[order])),
            repeated=None if self.repeated is None else self.repeated[order],
            draw=None if draw is None else draw.taken(order),
            adjacent=None if draw is not None else self._adjacent_of(order),
            start=self.summaries[time].low,
            end=self.summaries[time].high,
            # Of rows that are not here the times were not counted.
            timeline=Timeline.of(known) if is_whole and known.size else None,
        )

    def __repr__(self) -> str:
        kept = len(self.sample)
        sample = "" if kept == self.rows else f", {kept:,} of them sampled"
        return f"Snapshot({self.rows:,} rows{sample}, {len(self.schema)} columns)"

    def _repr_html_(self) -> str:
        import html

        rows = "".join(
            f"<tr><td>{html.escape(c.name)}</td><td>{c.kind}</td>"
            f"<td>{self.summaries[c.name].missing}</td>"
            f"<td>{_spread(self.summaries[c.name], c)}</td></tr>"
            for c in self.schema
            if c.name in self.summaries
        )
        return (
            f"<table><caption>{self.rows} rows</caption>"
            f"<tr><th>column</th><th>kind</th><th>missing</th><th>values</th></tr>{rows}</table>"
        )


def _spread(summary: ColumnSummary, column: Column) -> str:
    import html

    if summary.category_counts:
        shown = sorted(zip(summary.category_counts, column.categories, strict=False), reverse=True)[
            :5
        ]
        return html.escape(", ".join(f"{name} ({count})" for count, name in shown))
    if summary.mean is None:
        return ""
    return f"{summary.low:.6g} … {summary.mean:.6g} … {summary.high:.6g}"
