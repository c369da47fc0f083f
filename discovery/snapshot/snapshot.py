"""The Snapshot: one window of data as a bounded value."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from whydrift.discovery.arrays import BoolArray, FloatArray, IntArray, read_only
from whydrift.discovery.errors import SchemaError
from whydrift.discovery.scores.features import rank_normal
from whydrift.discovery.snapshot.arrow import to_table
from whydrift.discovery.snapshot.infer import (
    Content,
    as_categories,
    as_numbers,
    infer_column,
    read_content,
)
from whydrift.discovery.snapshot.note import Note
from whydrift.discovery.snapshot.repeats import repeated_rows
from whydrift.discovery.snapshot.schema import Column, ColumnKind, Role, Schema
from whydrift.discovery.snapshot.timeline import Timeline

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["OTHER", "ColumnSummary", "Snapshot"]

# The sample: whole blocks of neighbouring rows, so that dependence between rows stays visible.
_BLOCK_ROWS = 16
_SAMPLE_ROWS = 16_384
_MOST_CATEGORIES = 1_000
_MOST_NEW_CATEGORIES = 50
OTHER = "(other)"  # the overflow bucket of a column with too many categories


@dataclass(frozen=True, slots=True)
class ColumnSummary:
    """What is counted over all rows of one column.

    Parameters
    ----------
    storage : str
        How the values were stored: number, boolean, text, time, other, empty.
    missing : int
        Rows without a usable value (nulls, blanks, ±inf, and values of the wrong type).
    misfit : int
        Present values that do not fit the kind (text among numbers).
    infinite : int
        Values that were ±inf.
    count : int
        Usable values.
    mean, sd, low, high : float, optional
        Of the numbers; None for categories and where there are none.
    category_counts : tuple of int
        Rows per category, in the order of the schema's ``categories``.
    """

    storage: str
    missing: int
    misfit: int = 0
    infinite: int = 0
    count: int = 0
    mean: float | None = None
    sd: float | None = None
    low: float | None = None
    high: float | None = None
    category_counts: tuple[int, ...] = ()


@dataclass(frozen=True)
class Snapshot:
    """One window of data: counts over all rows, and a sample of whole blocks of rows.

    Build it with :meth:`from_frame`. The sample holds numbers as they are, categories as codes
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
        Read-only, in the order of the rows.
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

    @classmethod
    def from_frame(
        cls,
        frame: Any,
        *,
        schema: Schema | None = None,
        kinds: Mapping[str, ColumnKind | str] | None = None,
        roles: Mapping[str, Role | str] | None = None,
        sample_rows: int = _SAMPLE_ROWS,
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
        sample_rows : int
            Most rows kept in the sample.
        random_state : int
            Seed of the choice of blocks where there are more rows than that.
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
        return _Builder(table, list(notes), sample_rows, random_state).build(
            schema, kinds or {}, roles or {}
        )

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
            self._rank_scores[name] = read_only(rank_normal(self.column(name)))
        return self._rank_scores[name]

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
        )

    def with_roles(self, roles: Mapping[str, Role | str]) -> Snapshot:
        """Return the window with some roles set."""
        return replace(self, schema=self.schema.with_roles(roles))

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


class _Builder:
    """Turns one Arrow table into a Snapshot, column by column."""

    def __init__(self, table: pa.Table, notes: list[Note], sample_rows: int, seed: int) -> None:
        self.table = table
        self.notes = notes
        self.rows = table.num_rows
        self.kept = _block_sample(self.rows, sample_rows, seed)
        self.summaries: dict[str, ColumnSummary] = {}
        self.values: list[FloatArray] = []
        self.sampled: list[str] = []
        self.columns: list[Column] = []
        self.times: dict[str, tuple[float, float]] = {}
        self.timeline: Timeline | None = None

    def build(
        self,
        schema: Schema | None,
        kinds: Mapping[str, ColumnKind | str],
        roles: Mapping[str, Role | str],
    ) -> Snapshot:
        names = self.table.column_names
        if schema is None:
            contents = {name: read_content(self.table.column(name)) for name in names}
            found = []
            for name in names:
                column, notes = infer_column(name, contents[name])
                if name not in kinds:
                    self.notes += notes
                found.append(column)
            schema = Schema(tuple(found)).with_kinds(kinds).with_roles(roles)
            absent: tuple[str, ...] = ()
        else:
            schema = schema.with_kinds(kinds).with_roles(roles)
            contents = {n: read_content(self.table.column(n)) for n in names if n in schema}
            absent = tuple(n for n in schema.names if n not in contents)
            for name in names:
                if name not in schema:
                    self.notes.append(
                        Note(
                            "unknown_column",
                            name,
                            f"column {name!r} is not in the reference; it is left out",
                        )
                    )
        for column in schema:
            if column.name in contents:
                self._add(column, contents[column.name])
            else:
                self.columns.append(column)
        sample = np.empty((len(self.kept), len(self.values)), order="F")
        for position, values in enumerate(self.values):
            sample[:, position] = values
        time = schema.with_role(Role.TIME)
        start, end = self.times.get(time, (None, None)) if time else (None, None)
        is_repeat = repeated_rows(list(contents.values()), self.rows)
        repeats = int(is_repeat.sum())
        return Snapshot(
            Schema(tuple(self.columns)),
            self.rows,
            self.summaries,
            read_only(sample),
            tuple(self.sampled),
            absent,
            start,
            end,
            tuple(self.notes),
            repeats,
            is_repeat[self.kept] if repeats else None,
            self.timeline,
        )

    def _add(self, column: Column, content: Content) -> None:
        if column.role is Role.WEIGHT and not column.kind.is_numeric:
            column = replace(column, kind=ColumnKind.CONTINUOUS, why="its role is weight")
        if column.kind.is_discrete:
            column = self._add_categories(column, content)
        elif column.kind.is_numeric or column.kind is ColumnKind.TIMESTAMP:
            self._add_numbers(column, content)
        else:
            self.summaries[column.name] = ColumnSummary(
                content.storage,
                missing=self.rows
                if content.storage == "empty"
                else self.table.column(column.name).null_count,
            )
        self.columns.append(column)
        if column.role is Role.CLUSTER:
            self._keep_keys(column.name, content)

    def _keep_keys(self, name: str, content: Content) -> None:
        """Sample the keys of clusters themselves: categories would pool the rare ones."""
        keys = _keys(content, self.kept)
        if name in self.sampled:
            self.values[self.sampled.index(name)] = keys
        else:
            self.sampled.append(name)
            self.values.append(keys)

    def _add_numbers(self, column: Column, content: Content) -> None:
        name = column.name
        if column.kind is ColumnKind.TIMESTAMP and content.texts is not None:
            numbers, misfit = _parse_times(content.texts), None
        else:
            found, misfit = as_numbers(content)
            numbers = np.full(self.rows, np.nan) if found is None else found
        present = numbers[np.isfinite(numbers)]
        mean = sd = low = high = None
        if present.size:
            # The mean is taken around the first value, so that an offset of 1e9 costs no digits.
            shift = present[0]
            mean = float(shift + (present - shift).mean())
            sd = float((present - shift).std())
            low, high = float(present.min()), float(present.max())
            if column.kind is ColumnKind.TIMESTAMP:
                self.times[name] = (low, high)
                if column.role is Role.TIME:
                    self.timeline = Timeline.of(present)
        self.summaries[name] = ColumnSummary(
            content.storage,
            missing=self.rows - present.size,
            misfit=0 if misfit is None else int(misfit.sum()),
            infinite=content.infinite,
            count=present.size,
            mean=mean,
            sd=sd,
            low=low,
            high=high,
        )
        self.sampled.append(name)
        self.values.append(numbers[self.kept])

    def _add_categories(self, column: Column, content: Content) -> Column:
        labels = as_categories(content)
        codes, categories = _encode(labels, column.categories, self.rows)
        counts = np.bincount(codes[codes >= 0], minlength=len(categories))
        self.summaries[column.name] = ColumnSummary(
            content.storage,
            missing=int((codes < 0).sum()),
            infinite=content.infinite,
            count=int((codes >= 0).sum()),
            category_counts=tuple(int(c) for c in counts),
        )
        self.sampled.append(column.name)
        kept = codes[self.kept].astype(np.float64)
        kept[kept < 0] = np.nan
        self.values.append(kept)
        return Column(
            column.name,
            column.kind,
            column.role,
            categories,
            column.unit,
            column.low,
            column.high,
            column.why,
        )


def _keys(content: Content, kept: IntArray) -> FloatArray:
    """Return a number for each key, NaN where missing: numbers as they are, a hash of a text."""
    if content.numbers is not None:
        return content.numbers[kept]
    if content.texts is None:
        return np.full(len(kept), np.nan)
    numbers: dict[str | None, float] = {None: float("nan")}
    out = np.empty(len(kept))
    for place, text in enumerate(content.texts.take(kept).to_pylist()):
        if text not in numbers:
            digest = hashlib.blake2b(text.encode(), digest_size=6).digest()
            numbers[text] = float(int.from_bytes(digest, "big"))  # below 2**53: exact
        out[place] = numbers[text]
    return out


def _encode(
    labels: pa.Array | None, known: tuple[str, ...], rows: int
) -> tuple[IntArray, tuple[str, ...]]:
    """Return codes (−1 where missing) and the categories: the known ones, then new ones."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if labels is None:
        return np.full(rows, -1, dtype=np.int64), known
    new_limit = _MOST_NEW_CATEGORIES if known else _MOST_CATEGORIES
    outside = labels
    if known:
        outside = labels.filter(pc.invert(pc.is_in(labels, pa.array(known, type=labels.type))))
    counted = sorted(
        (
            (int(row["counts"]), str(row["values"]))
            for row in pc.value_counts(outside.drop_null()).to_pylist()
        ),
        key=lambda pair: (-pair[0], pair[1]),
    )
    new = [name for _, name in counted]
    if len(new) > new_limit:
        new = [*(n for n in new[:new_limit] if n != OTHER), OTHER]
        if OTHER in known:
            new.remove(OTHER)
    categories = (*known, *new)
    found = pc.index_in(labels, value_set=pa.array(categories, type=labels.type))
    codes = np.array(pc.fill_null(found, -1).to_numpy(zero_copy_only=False), dtype=np.int64)
    if OTHER in categories:
        overflow = (codes < 0) & ~np.asarray(labels.is_null())
        codes[overflow] = categories.index(OTHER)
    return codes, categories


def _parse_times(texts: pa.Array) -> FloatArray:
    import pyarrow as pa
    import pyarrow.compute as pc

    # Minutes and time zones are optional in ISO dates; numpy reads all lengths, without a zone.
    bare = pc.replace_substring_regex(texts, r"(Z|[+-]\d{2}:?\d{2})$", "")
    is_date = pc.match_substring_regex(
        bare, r"^\d{4}-\d{2}-\d{2}([ T]\d{2}:\d{2}(:\d{2}(\.\d+)?)?)?$"
    )
    usable = pc.if_else(is_date, bare, pa.scalar(None, bare.type))
    out = np.full(len(texts), np.nan)
    present = np.asarray(usable.is_valid())
    try:
        stamps = np.array(usable.drop_null().to_pylist(), dtype="datetime64[us]")
    except ValueError:  # such as a thirteenth month: no usable time in this column
        return out
    out[present] = stamps.astype(np.int64) / 1e6
    return out


def _block_sample(rows: int, most: int, seed: int) -> IntArray:
    if rows <= most:
        return np.arange(rows)
    blocks = -(-rows // _BLOCK_ROWS)
    rng = np.random.default_rng(seed)
    chosen = np.sort(rng.choice(blocks, size=max(1, most // _BLOCK_ROWS), replace=False))
    kept = (chosen[:, None] * _BLOCK_ROWS + np.arange(_BLOCK_ROWS)).ravel()
    return kept[kept < rows].astype(np.int64)
