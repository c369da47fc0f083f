"""Reads a column's kind off its values, and its values into numbers."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from whydrift.discovery.arrays import BoolArray, FloatArray, IntArray
from whydrift.discovery.snapshot.large_numbers import LARGEST_EXACT, are_rounded, digits_of
from whydrift.discovery.snapshot.note import Note
from whydrift.discovery.snapshot.schema import Column, ColumnKind

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["NO_VALUE", "Coded", "Content", "as_numbers", "infer_column", "read_content"]

NO_VALUE: Final = "no value at all"  # why a column is ignored that may have values another time

_LARGEST = 1e150

_FIRST_ROWS = 10_000
# A few distinct whole numbers are grades; more are counts.
_MOST_ORDINAL = 10
# Beyond this many levels a text column names things, it does not classify them.
_MOST_CATEGORIES = 1_000
# Text is free text when most values are sentences.
_FREE_TEXT_LENGTH = 40
# Text columns are numbers (or dates) with dirt when at least this share parses.
_PARSED_SHARE = 0.9
_LEAST_PADDED = 2  # a single number with a leading zero is a slip
_ID_NAME = re.compile(r"(^|_)(id|uuid|guid|key|index)$|[a-z]Id$|ID$", re.IGNORECASE)


@dataclass(frozen=True)
class Coded:
    """Values as places in a list of names."""

    names: pa.Array  # large_string, none of them missing
    codes: IntArray  # shape (n_rows,); -1 where missing

    @classmethod
    def of(cls, array: pa.DictionaryArray) -> Coded:
        """Read texts that are stored as places; blank ones are missing."""
        import pyarrow as pa
        import pyarrow.compute as pc

        names = array.dictionary.cast(pa.large_string())
        codes = array.indices.cast(pa.int64()).fill_null(-1).to_numpy(zero_copy_only=False)
        usable = pc.fill_null(pc.not_equal(pc.utf8_trim_whitespace(names), ""), False)
        if not pc.all(usable, min_count=0).as_py():
            kept = usable.to_numpy(zero_copy_only=False)
            places = np.append(np.where(kept, np.cumsum(kept) - 1, -1), -1)
            names, codes = names.filter(usable), places[codes]
        return cls(names, codes)


@dataclass(frozen=True)
class Content:
    """A column's values, decoded once.

    At most one of ``numbers``, ``plain`` and ``coded`` is set (none where every value is missing or
    the type cannot be used).
    """

    storage: str  # number, boolean, text, time, other, empty
    numbers: FloatArray | None = None  # NaN where missing
    missing: BoolArray | None = None  # which of the numbers are; None where none is
    plain: pa.Array | None = None  # texts, one by one
    coded: Coded | None = None  # texts that repeat each other
    infinite: int = 0
    whole: bool = False  # stored as whole numbers
    digits: pa.Array | None = None  # of the numbers, where floats do not hold all of them

    @cached_property
    def texts(self) -> pa.Array | None:
        """The texts, one by one; None where the values are none."""
        import pyarrow as pa

        if self.coded is None:
            return self.plain
        codes = pa.array(self.coded.codes, mask=self.coded.codes < 0)
        return self.coded.names.take(codes)

    @cached_property
    def is_rounded(self) -> bool:
        """Whether some of the numbers, whole and large, cannot be told apart as floats."""
        if self.digits is not None and self.numbers is not None:
            return are_rounded(self.digits, self.numbers)
        return self.texts is not None and are_rounded(self.texts, parse_numbers(self.texts))

    @cached_property
    def labels(self) -> Coded | None:
        """The values as categories (whole numbers without a point), or None."""
        import pyarrow as pa

        if self.coded is not None:
            return self.coded
        if self.plain is not None:
            return Coded.of(self.plain.dictionary_encode())
        if self.digits is not None:
            return Coded.of(self.digits.dictionary_encode())
        if self.numbers is None:
            return None
        found = pa.array(self.numbers + 0.0, mask=self.missing).dictionary_encode()
        values = found.dictionary.to_pylist()
        if self.storage == "boolean":
            names = ["true" if v else "false" for v in values]
        else:
            names = [
                str(int(v)) if v == int(v) and abs(v) <= LARGEST_EXACT else repr(v) for v in values
            ]
        codes = found.indices.cast(pa.int64()).fill_null(-1).to_numpy(zero_copy_only=False)
        return Coded(pa.array(names, type=pa.large_string()), codes)


def read_content(array: pa.ChunkedArray, *, repeats: bool = False) -> Content:
    """Decode an Arrow column; ±inf becomes missing and is counted.

    Parameters
    ----------
    array : pyarrow.ChunkedArray
    repeats : bool
        Whether the values are expected to be few different ones: of texts a list is made then.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if isinstance(array.type, pa.ExtensionType):
        array = pa.chunked_array(
            [chunk.storage for chunk in array.chunks], type=array.type.storage_type
        )
    kind = array.type
    if pa.types.is_null(kind) or array.null_count == len(array):
        return Content("empty")
    if pa.types.is_nested(kind):
        return Content("other")
    if pa.types.is_dictionary(kind):
        if _is_text(kind.value_type):
            joined = array.unify_dictionaries().combine_chunks()
            # A list longer than the rows costs more than it saves.
            if isinstance(joined, pa.DictionaryArray) and len(joined.dictionary) <= len(joined):
                coded = Coded.of(joined)
                return Content("text", coded=coded) if coded.codes.max() >= 0 else Content("empty")
        array = array.cast(kind.value_type)
        kind = array.type
    if _is_binary(kind):
        array = _as_text(array)
        kind = array.type
    if pa.types.is_boolean(kind):
        return _of_numbers("boolean", _floats(array.cast(pa.int8())), whole=True)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        whole = pa.types.is_integer(kind)
        content = _of_numbers("number", _floats(array), whole=whole)
        is_whole = whole or (pa.types.is_decimal(kind) and kind.scale <= 0)
        if not is_whole or content.numbers is None:
            return content
        return replace(content, digits=digits_of(array, content.numbers))
    if pa.types.is_temporal(kind) and not pa.types.is_duration(kind) and not pa.types.is_time(kind):
        micro = pa.timestamp("us", tz=getattr(kind, "tz", None))
        # pandas counts nanoseconds; what lies below a microsecond is cut off.
        stamps = array.cast(options=pc.CastOptions(micro, allow_time_truncate=True))
        seconds = _floats(stamps.cast(pa.int64())) / 1e6
        return _of_numbers("time", seconds)
    if pa.types.is_duration(kind) or pa.types.is_time(kind):
        width = pa.int32() if kind.bit_width == 32 else pa.int64()
        return _of_numbers("number", _floats(array.cast(width)), whole=True)
    if _is_text(kind):
        texts = array.cast(pa.large_string()).combine_chunks()
        if isinstance(texts, pa.ChunkedArray):
            texts = pa.concat_arrays(texts.chunks)
        if repeats:
            coded = Coded.of(texts.dictionary_encode())
            return Content("text", coded=coded) if coded.codes.max() >= 0 else Content("empty")
        # A blank cell is a missing value whichever tool wrote it.
        texts = pc.if_else(pc.equal(pc.utf8_trim_whitespace(texts), ""), None, texts)
        return Content("text", plain=texts) if texts.null_count < len(texts) else Content("empty")
    return Content("other")


def _is_text(kind: pa.DataType) -> bool:
    import pyarrow as pa

    types = pa.types
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))


def _is_binary(kind: pa.DataType) -> bool:
    import pyarrow as pa

    types = pa.types
    return bool(
        types.is_binary(kind)
        or types.is_large_binary(kind)
        or types.is_binary_view(kind)
        or types.is_fixed_size_binary(kind)
    )


def _as_text(array: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return bytes as the text that they are, or as they came where one of them is none.

    Older writers of Parquet leave the mark away that says that bytes are text. Bytes that are not
    (keys, pictures) hardly ever all are valid UTF-8 without a control character.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        texts = array.cast(pa.large_binary()).cast(pa.large_string())
    except pa.ArrowInvalid:
        return array
    is_odd = pc.match_substring_regex(texts, r"[\x00-\x08\x0e-\x1f]")
    return array if pc.any(is_odd).as_py() else texts


def _of_numbers(storage: str, numbers: FloatArray, *, whole: bool = False) -> Content:
    """Return decoded numbers; what is too large to be one is missing."""
    # A NaN among them makes both NaN: two quick passes tell that none is missing.
    if max(-numbers.min(), numbers.max()) <= _LARGEST:
        return Content(storage, numbers, whole=whole)
    # Squares of larger numbers overflow; nobody measures such, they stand for "none".
    infinite = np.abs(numbers) > _LARGEST
    count = int(infinite.sum())
    if count:
        numbers = np.where(infinite, np.nan, numbers)
    missing = np.isnan(numbers)
    if missing.all():
        return Content("empty", infinite=count)
    return Content(
        storage, numbers, missing if missing.any() else None, infinite=count, whole=whole
    )


def _floats(array: Any) -> FloatArray:
    """Return numbers, NaN where missing; perhaps the array's own memory, not to be written to."""
    import pyarrow as pa

    values = array.cast(pa.float64(), safe=False)
    if isinstance(values, pa.ChunkedArray):
        values = values.chunk(0) if values.num_chunks == 1 else values.combine_chunks()
    out: FloatArray = values.to_numpy(zero_copy_only=False)
    return out


def parse_numbers(texts: pa.Array) -> FloatArray:
    """Return numbers written as text; NaN where a value is missing or is no number."""
    import pyarrow as pa
    import pyarrow.compute as pc

    trimmed = pc.utf8_trim_whitespace(texts)
    is_number = pc.match_substring_regex(trimmed, r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$")
    return _floats(pc.if_else(is_number, trimmed, pa.scalar(None, trimmed.type)))


def _looks_like_dates(texts: pa.Array) -> float:
    import pyarrow.compute as pc

    present = texts.drop_null()
    pattern = r"^\d{4}-\d{2}-\d{2}([ T]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?$"
    found = pc.match_substring_regex(present, pattern)
    return float(pc.mean(found.cast("float64")).as_py())


def _has_leading_zeros(present: pa.Array) -> bool:
    """Whether several values are padded, as 00012 among 54321: codes, which 12 would not be."""
    import pyarrow.compute as pc

    texts = pc.utf8_trim_whitespace(present)
    longest = pc.max(pc.utf8_length(texts))  # codes are padded to one length, dirt to none
    padded = pc.and_(
        pc.match_substring_regex(texts, r"^0\d+$"), pc.equal(pc.utf8_length(texts), longest)
    )
    return bool(pc.sum(padded).as_py() >= _LEAST_PADDED)


def infer_column(name: str, content: Content) -> tuple[Column, tuple[Note, ...]]:
    """Return the column with the kind that its values suggest, and notes on what is odd.

    Parameters
    ----------
    name : str
        The column's name; names such as ``user_id`` tip the balance for whole numbers.
    content : Content
        Its decoded values.
    """
    notes: list[Note] = []
    if content.infinite:
        notes.append(
            Note(
                "infinite_values",
                name,
                f"{content.infinite} infinite values in {name!r} are treated as missing",
            )
        )
    if content.storage == "empty":
        notes.append(
            Note("all_missing", name, f"column {name!r} has no usable value; it is left out")
        )
        return Column(name, ColumnKind.IGNORED, why=NO_VALUE), tuple(notes)
    if content.storage == "other":
        notes.append(
            Note(
                "unsupported_type",
                name,
                f"column {name!r} holds nested or binary values; it is left out",
            )
        )
        return Column(name, ColumnKind.IGNORED, why="nested or binary values"), tuple(notes)
    if content.storage == "boolean":
        return Column(name, ColumnKind.BINARY, why="true or false"), tuple(notes)
    if content.storage == "time":
        return Column(name, ColumnKind.TIMESTAMP, why="stored as a date or time"), tuple(notes)
    if content.storage == "number":
        assert content.numbers is not None
        column = _number_kind(name, content.numbers, whole=content.whole)
        if content.digits is not None:
            column = _large_kind(column, content.digits, notes, is_rounded=content.is_rounded)
    else:
        assert content.texts is not None
        column = _text_kind(name, content.texts, notes)
        if column.kind.is_numeric and content.is_rounded:
            column = _large_kind(column, content.texts, notes, is_rounded=True)
    if column.kind is ColumnKind.ID:
        notes.append(
            Note(
                "id_column",
                name,
                f"column {name!r} looks like an id ({column.why}); it is left out",
            )
        )
    return column, tuple(notes)


def _number_kind(name: str, numbers: FloatArray, *, whole: bool) -> Column:
    present = numbers[np.isfinite(numbers)]
    # The first rows settle it for most measurements: to sort a million would tell nothing more.
    distinct = np.unique(present[:_FIRST_ROWS])
    if whole or len(distinct) <= 2 or np.all(distinct == np.floor(distinct)):
        distinct = np.unique(present)
    count = len(distinct)
    if count == 2:
        return Column(name, ColumnKind.BINARY, why="two distinct numbers")
    whole = whole or bool(np.all(distinct == np.floor(distinct)))
    if not whole:
        some = "at least " if len(present) > _FIRST_ROWS else ""
        return Column(name, ColumnKind.CONTINUOUS, why=f"{some}{count} distinct numbers")
    every_row_differs = count == len(present) and count >= 50
    if every_row_differs and (_ID_NAME.search(name) or np.all(np.diff(distinct) == 1)):
        return Column(name, ColumnKind.ID, why="a different whole number in every row")
    if count <= _MOST_ORDINAL:
        return Column(name, ColumnKind.ORDINAL, why=f"{count} distinct whole numbers")
    if distinct[0] >= 0:
        return Column(name, ColumnKind.COUNT, why="whole numbers from 0 up")
    return Column(name, ColumnKind.CONTINUOUS, why="whole numbers, some negative")


def _large_kind(column: Column, digits: pa.Array, notes: list[Note], *, is_rounded: bool) -> Column:
    """Return the kind of whole numbers beyond 2**53: names, where floats do not tell them apart.

    So are a few of them, which are no grades.
    """
    import pyarrow.compute as pc

    present = digits.drop_null()
    distinct = pc.count_distinct(present).as_py()
    if not is_rounded and distinct > _MOST_ORDINAL:
        return column
    if len(present) >= 50 and distinct > 0.9 * len(present):
        return Column(
            column.name, ColumnKind.ID, why="a different whole number in almost every row"
        )
    notes.append(
        Note(
            "large_numbers",
            column.name,
            f"whole numbers of {column.name!r} are beyond 2**53, where numbers next to each other "
            "are rounded to the same: each is taken for a name",
        )
    )
    if distinct > _MOST_CATEGORIES:
        notes.append(_many_categories(column.name, distinct))
    kind = ColumnKind.BINARY if distinct == 2 else ColumnKind.CATEGORICAL
    return Column(column.name, kind, why=f"{distinct} distinct whole numbers beyond 2**53")


def _many_categories(name: str, distinct: int) -> Note:
    return Note(
        "many_categories",
        name,
        f"column {name!r} has {distinct} categories; all but the commonest "
        f"{_MOST_CATEGORIES} are pooled",
    )


def _text_kind(name: str, texts: pa.Array, notes: list[Note]) -> Column:
    import pyarrow.compute as pc

    present = texts.drop_null()
    rows = len(present)
    if _looks_like_dates(texts) >= _PARSED_SHARE:
        return Column(name, ColumnKind.TIMESTAMP, why="text that reads as dates")
    numbers = parse_numbers(texts)
    parsed = int(np.isfinite(numbers).sum())
    is_padded = _has_leading_zeros(present)
    if parsed >= _PARSED_SHARE * rows and not is_padded:
        if parsed < rows:
            notes.append(
                Note(
                    "mixed_types",
                    name,
                    f"{rows - parsed} of {rows} values of {name!r} are text among numbers; "
                    "they are treated as missing",
                )
            )
        column = _number_kind(name, numbers, whole=False)
        return Column(name, column.kind, why=f"text that reads as numbers: {column.why}")
    distinct = pc.count_distinct(present).as_py()
    if distinct == 2:
        return Column(name, ColumnKind.BINARY, why="two distinct texts")
    mean_length = float(pc.mean(pc.utf8_length(present)).as_py())
    # Also a handful of long sentences: prose differs from row to row, a category does not.
    if rows >= 20 and distinct > 0.5 * rows and mean_length > _FREE_TEXT_LENGTH:
        notes.append(Note("free_text", name, f"column {name!r} is free text; it is left out"))
        return Column(name, ColumnKind.IGNORED, why="free text")
    if rows >= 50 and distinct > 0.9 * rows:
        return Column(name, ColumnKind.ID, why="a different text in almost every row")
    if distinct > _MOST_CATEGORIES:
        notes.append(_many_categories(name, distinct))
    zeros = ", some with leading zeros" if is_padded else ""
    return Column(name, ColumnKind.CATEGORICAL, why=f"{distinct} distinct texts{zeros}")


def as_numbers(content: Content) -> tuple[FloatArray | None, BoolArray | None]:
    """Return the values as numbers, and which present values are no numbers.

    Returns
    -------
    numbers : ndarray of shape (n_rows,) or None
        NaN where missing or no number; None where the column holds nothing that could be read.
    misfit : ndarray of bool, shape (n_rows,) or None
        Present values that are no numbers (None: there are none).
    """
    if content.texts is not None:
        numbers = parse_numbers(content.texts)
        present = np.asarray(content.texts.is_valid())
        misfit = present & ~np.isfinite(numbers)
        return numbers, misfit if misfit.any() else None
    return content.numbers, None
