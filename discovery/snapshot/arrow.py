"""Frames of pandas, polars and pyarrow as one Arrow table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from whydrift.discovery.errors import SchemaError
from whydrift.discovery.snapshot.note import Note

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["is_frame", "to_table"]


def is_frame(value: Any) -> bool:
    """Whether this is a table in memory: of pandas, polars or pyarrow."""
    import pyarrow as pa

    return (
        isinstance(value, (pa.Table, pa.RecordBatch))
        or hasattr(value, "to_arrow")
        or (hasattr(value, "columns") and hasattr(value, "iloc"))
    )


def to_table(frame: Any, *, where: str = "data") -> tuple[pa.Table, tuple[Note, ...]]:
    """Return the frame as an Arrow table with unique column names, and what had to be mended.

    Parameters
    ----------
    frame : pandas.DataFrame, polars.DataFrame, pyarrow.Table or pyarrow.RecordBatch
        Neither pandas nor polars is imported here: they are recognised by what they offer.
    where : str
        Names the data in error messages.

    Raises
    ------
    SchemaError
        If this is no frame.
    """
    import pyarrow as pa

    notes: list[Note] = []
    if isinstance(frame, pa.Table):
        table = frame
    elif isinstance(frame, pa.RecordBatch):
        table = pa.Table.from_batches([frame])
    elif hasattr(frame, "to_arrow"):  # polars
        table = frame.to_arrow()
    elif hasattr(frame, "columns") and hasattr(frame, "iloc"):  # pandas
        names: list[str] = []
        arrays: list[Any] = []
        for label, series in frame.items():
            name = str(label)
            array, note = _pandas_column(series, name)
            names.append(name)
            arrays.append(array)
            notes += [note] if note else []
        table = pa.Table.from_arrays(arrays, names=names)
    else:
        raise SchemaError(
            f"a {type(frame).__name__} is not a table",
            where=where,
            remedy="Give a pandas or polars DataFrame, a pyarrow Table, or a Snapshot",
        )
    kept: list[int] = []
    seen: set[str] = set()
    for position, name in enumerate(table.column_names):
        if name in seen:
            notes.append(
                Note(
                    "duplicate_name", name, f"column name {name!r} occurs twice; the first is used"
                )
            )
            continue
        seen.add(name)
        kept.append(position)
    return table.select(kept), tuple(notes)


def _pandas_column(series: Any, name: str) -> tuple[Any, Note | None]:
    import pyarrow as pa

    if str(series.dtype).startswith("Sparse["):  # Arrow would see the values that are stored only
        series = series.sparse.to_dense()
    categories = getattr(getattr(series.dtype, "categories", None), "dtype", None)
    if str(categories).startswith("interval"):  # of pandas.cut: Arrow cannot look into them
        series = series.astype(object).map(str, na_action="ignore")
    try:
        return pa.Array.from_pandas(series), None
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError):
        # An object column that mixes types: as text, so that the schema can say what it holds.
        texts = [None if value is None or value != value else str(value) for value in series]
        note = Note(
            "mixed_types", name, f"column {name!r} mixes types; its values are read as text"
        )
        return pa.array(texts, type=pa.string()), note
