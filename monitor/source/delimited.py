"""Reads CSV and its relatives as people really write them."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from whydrift.discovery.errors import SourceError
from whydrift.discovery.snapshot.note import Note
from whydrift.monitor.source.base import Tell, untold

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Delimited", "delimited_head", "read_delimited"]

# Types are inferred from the first block: a large one makes surprises later in the file rare, and
# up to so many bytes a file is read as a whole.
_BLOCK_BYTES = 16 * 1024 * 1024
_HEAD_BYTES = 256 * 1024
_LATIN = "latin-1"
_DELIMITERS = (",", ";", "\t", "|")
_BYTE_ORDER_MARKS = ((b"\xef\xbb\xbf", "utf8"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_CONVERSION = re.compile(r"In CSV column #(\d+): .*conversion error to (\w+)", re.DOTALL)
_COMMA_NUMBER = re.compile(r"^[+-]?\d+,\d+$")
_POINT_NUMBER = re.compile(r"^[+-]?\d+\.\d+$")
_ZERO_PADDED = re.compile(r"\b0\d+\b(?![.:/-])")
_LONG = re.compile(r"(?<![\d.])[+-]?[1-9]\d{18,}(?![\d.])")  # beyond 64 bits, or nearly

Opener = Callable[[], Any]  # a fresh Arrow input stream over the decompressed bytes


@dataclass(frozen=True)
class Dialect:
    """How one file is written."""

    where: str
    encoding: str
    delimiter: str
    decimal: str
    names: tuple[str, ...]
    types: dict[str, Any] = field(default_factory=dict)  # columns whose type is not inferred


@dataclass(frozen=True)
class Delimited:
    """What the first block of a delimited file tells of it.

    Parameters
    ----------
    dialect : Dialect
        How it is written.
    schema : pyarrow.Schema
        Names and types of its columns; names may repeat.
    has_rows : bool
        Whether there is more than a header.
    """

    dialect: Dialect
    schema: pa.Schema
    has_rows: bool


def delimited_head(
    open_stream: Opener, *, where: str, prefer_tab: bool = False, tell: Tell = untold
) -> Delimited:
    """Read the dialect, the header and the types of the first block.

    Parameters
    ----------
    open_stream : callable
        Returns a fresh ``pyarrow.NativeFile`` over the plain bytes at each call.
    where : str
        The file, for messages.
    prefer_tab : bool
        Whether the name says that tabs delimit (.tsv).
    tell : callable
        Takes what had to be mended.

    Raises
    ------
    SourceError
        If the text is no table; the message names the line.
    """
    import pyarrow as pa

    with open_stream() as stream:
        head = bytes(stream.read(_HEAD_BYTES))
    dialect = _dialect(head, where, prefer_tab)
    while True:
        try:
            with _opened(open_stream, dialect, None) as reader:
                schema = reader.schema
                has_rows = any(batch.num_rows for batch in reader)
        except pa.ArrowInvalid as error:
            if "Empty CSV file" in str(error):  # a header without so much as a line's end
                schema = pa.schema([pa.field(name, pa.null()) for name in dialect.names])
                has_rows = False
            else:
                dialect = _mended(error, open_stream, dialect, where)
                continue
        if dialect.encoding != _LATIN and any(map(pa.types.is_binary, schema.types)):
            # Arrow's word for text that is no UTF-8
            dialect = replace(dialect, encoding=_LATIN, names=_header(head, _LATIN, dialect))
            continue
        break
    if len(schema) != len(dialect.names):
        raise SourceError(
            f"the header names {len(dialect.names)} columns, the rows have {len(schema)}",
            where=where,
            remedy="Give every column a name in the first line",
        )
    if dialect.encoding == _LATIN:
        tell(_latin_note(where))
    # A nameless first column is how pandas writes its row numbers.
    named = [name.strip() or f"column {i + 1}" for i, name in enumerate(dialect.names)]
    fields = [pa.field(name, kind) for name, kind in zip(named, schema.types, strict=True)]
    return Delimited(dialect, pa.schema(fields), has_rows)


def read_delimited(
    open_stream: Opener,
    head: Delimited,
    *,
    where: str,
    columns: Sequence[int] | None = None,
    tell: Tell = untold,
) -> Iterator[pa.RecordBatch]:
    """Yield the rows block by block.

    The types are those of the first block. Where a later value does not fit, the file is read
    anew with a wider type (a number, else text), and goes on where it was: batches from there on
    have the column in that type, so that nothing is lost.

    Parameters
    ----------
    open_stream, where, tell
        As in :func:`delimited_head`.
    head : Delimited
        What that told.
    columns : sequence of int, optional
        Decode these only, by their place in the header.

    Raises
    ------
    SourceError
        If the text is no table; the message names the line.
    """
    import pyarrow as pa

    dialect, given = head.dialect, 0
    last: pa.RecordBatch | None = None
    wanted = list(range(len(head.schema)) if columns is None else columns)
    while True:
        skip = given
        # By name: names that repeat, or that change with the encoding, are told apart by place.
        are_clear = len(set(dialect.names)) == len(dialect.names) and dialect.encoding != _LATIN
        try:
            with _opened(open_stream, dialect, wanted if are_clear else None) as reader:
                for batch in reader:
                    if skip >= batch.num_rows:
                        skip -= batch.num_rows
                        continue
                    last = batch.slice(skip) if are_clear else batch.slice(skip).select(wanted)
                    skip = 0
                    given += last.num_rows
                    named = [head.schema.names[i] for i in wanted]
                    yield pa.RecordBatch.from_arrays(last.columns, names=named)
            break
        except pa.ArrowInvalid as error:
            if "Empty CSV file" in str(error):
                break
            was, dialect = dialect, _mended(error, open_stream, dialect, where)
            _tell_late(was, dialect, given, tell)
    if last is not None:
        _refuse_open_quote(last, given, where)


def _tell_late(was: Dialect, dialect: Dialect, rows: int, tell: Tell) -> None:
    """Tell of what the first block gave no hint of."""
    import pyarrow as pa

    if was.encoding != dialect.encoding:
        tell(_latin_note(was.where))
    for name, kind in dialect.types.items():
        if (
            kind == pa.string()
            and was.types.get(name) != kind
            and len(dialect.types) < len(dialect.names)
        ):
            text = (
                f"{was.where}: after row {rows:,} column {name!r} has values that are not like "
                "those before; from there on it is read as text"
            )
            tell(Note("mixed_types", name, text))


def _dialect(head: bytes, where: str, prefer_tab: bool) -> Dialect:
    encoding = next((name for mark, name in _BYTE_ORDER_MARKS if head.startswith(mark)), "utf8")
    if encoding == "utf8" and b"\0" in head:
        raise SourceError(
            "this is neither a table nor text (it has zero bytes)",
            where=where,
            remedy="Give Parquet, CSV, Arrow or Feather; a .csv name does not make it one",
        )
    first_line = head.splitlines()[0] if head.splitlines() else b""
    if encoding == "utf8" and not _is_utf8(first_line):
        encoding = _LATIN
    text = _decode(head, encoding)
    lines = [line for line in text.splitlines() if line.strip()][:100]
    if not lines:
        raise SourceError("the file is empty", where=where, remedy="Give a file that has data")
    delimiter = _delimiter(lines[0], prefer_tab)
    dialect = Dialect(where, encoding, delimiter, ".", ())
    decimal = _decimal(lines, delimiter)
    names = _header(head, encoding, dialect)
    types = _told_by_digits(text, names, delimiter)
    return replace(dialect, names=names, decimal=decimal, types=types)


def _latin_note(where: str) -> Note:
    return Note("encoding_fallback", None, f"{where} is not UTF-8; it is read as Latin-1")


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _decode(head: bytes, encoding: str) -> str:
    # The head may end in the middle of a character; utf-8-sig drops the byte-order mark.
    return head.decode("utf-8-sig" if encoding == "utf8" else encoding, errors="ignore")


def _delimiter(line: str, prefer_tab: bool) -> str:
    bare = re.sub(r'"[^"]*"', "", line)
    if prefer_tab and "\t" in bare:
        return "\t"
    best = max(_DELIMITERS, key=bare.count)
    return best if best in bare else ","


def _decimal(lines: list[str], delimiter: str) -> str:
    """Return the decimal mark: a comma only where semicolons delimit and no point is in sight."""
    if delimiter != ";":
        return "."
    cells = [cell.strip(' "') for line in lines[1:] for cell in line.split(delimiter)]
    has_comma = any(_COMMA_NUMBER.match(cell) for cell in cells)
    return "," if has_comma and not any(_POINT_NUMBER.match(cell) for cell in cells) else "."


def _told_by_digits(text: str, names: tuple[str, ...], delimiter: str) -> dict[str, Any]:
    """Return text as the type of columns with values that lose digits as numbers.

    Such as 00012, and whole numbers of more than 64 bits, which would be read as floats.
    """
    import pyarrow as pa

    if not (_ZERO_PADDED.search(text) or _LONG.search(text)):
        return {}
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    found: set[str] = set()
    try:
        for row in rows:
            found.update(
                n
                for n, c in zip(names, row, strict=False)
                if _ZERO_PADDED.fullmatch(c) or _LONG.fullmatch(c)
            )
    except csv.Error:  # cut off in the middle of a quoted cell
        pass
    return dict.fromkeys(found, pa.string())


def _header(head: bytes, encoding: str, dialect: Dialect) -> tuple[str, ...]:
    text = _decode(head, encoding)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=dialect.delimiter)
    return tuple(next(row for row in rows if any(row)))


def _mended(error: Exception, open_stream: Opener, dialect: Dialect, where: str) -> Dialect:
    """Return the dialect that reads what was refused, or raise the error that names the line."""
    refused = _CONVERSION.search(str(error))
    if "invalid UTF8" in str(error) and dialect.encoding == "utf8":
        return replace(dialect, encoding=_LATIN)
    if refused and int(refused.group(1)) < len(dialect.names):
        return _looser(dialect, int(refused.group(1)), refused)
    raise _unreadable(error, open_stream, dialect, where) from error


def _looser(dialect: Dialect, position: int, refused: re.Match[str]) -> Dialect:
    """Return the dialect with one column's type widened: whole number, number, text.

    A whole number that is too long to be one is text at once.
    """
    import pyarrow as pa

    name = dialect.names[position]
    is_short = _LONG.search(refused.string, refused.end()) is None
    is_whole = refused.group(2).startswith("int") and is_short
    wider = pa.float64() if is_whole and name not in dialect.types else pa.string()
    if dialect.types.get(name) == pa.string():
        raise AssertionError(f"column {position} was refused as text")
    types = {**dialect.types, name: wider}
    # Past a few surprises every column is read as text: numbers are told from their texts later.
    if sum(kind == pa.string() for kind in types.values()) > 8:
        types = dict.fromkeys(dialect.names, pa.string())
    return replace(dialect, types=types)


@contextmanager
def _opened(open_stream: Opener, dialect: Dialect, columns: Sequence[int] | None) -> Iterator[Any]:
    """Give the reader of a file's blocks."""
    from pyarrow import csv as arrow_csv

    included = None if columns is None else [dialect.names[i] for i in columns]
    try:
        with (
            open_stream() as stream,
            arrow_csv.open_csv(
                stream,
                read_options=arrow_csv.ReadOptions(
                    block_size=_BLOCK_BYTES, encoding=dialect.encoding
                ),
                parse_options=arrow_csv.ParseOptions(
                    delimiter=dialect.delimiter, newlines_in_values=True
                ),
                convert_options=arrow_csv.ConvertOptions(
                    column_types=dialect.types,
                    strings_can_be_null=True,
                    decimal_point=dialect.decimal,
                    include_columns=included,
                ),
            ) as reader,
        ):
            yield reader
    except UnicodeError as error:
        raise SourceError(
            f"the text is not {dialect.encoding}", where=dialect.where, remedy="Save it as UTF-8"
        ) from error


def _refuse_open_quote(last: pa.RecordBatch, rows: int, where: str) -> None:
    """Raise where a quotation mark never closes: it swallows the rest of the file in one cell."""
    import pyarrow as pa

    for column in last.columns if last.num_rows else ():
        if pa.types.is_string(column.type):
            cell = column[-1].as_py()
            if cell is not None and cell.endswith("\n"):
                raise SourceError(
                    f"a quotation mark that opens in row {rows + 1} never closes",
                    where=where,
                    remedy="Close it, or double it if it belongs to the text",
                )


def _unreadable(error: Exception, open_stream: Opener, dialect: Dialect, where: str) -> SourceError:
    with open_stream() as stream:
        lines = io.TextIOWrapper(
            stream,
            encoding="utf-8-sig" if dialect.encoding == "utf8" else dialect.encoding,
            errors="replace",
            newline="",
        )
        ragged = _ragged_line(iter(lines), dialect)
    if ragged is None and "straddles two block" in str(error):
        return SourceError(
            "a quotation mark never closes, or a row is longer than 16 MB",
            where=where,
            remedy="Close it, or double it if it belongs to the text",
        )
    if ragged is None:
        first = str(error).splitlines()[0].removeprefix("CSV parse error: ")
        return SourceError(
            f"not a table ({first})", where=where, remedy="Give every line the header's columns"
        )
    begins, line, cells = ragged
    fields = f"{cells} field{'' if cells == 1 else 's'}, the header has {len(dialect.names)}"
    if begins < line:
        return SourceError(
            f"a quotation mark that opens in line {begins} closes in line {line} or never; a row "
            f"read so has {fields}",
            where=where,
            remedy="Close it, or double it if it belongs to the text",
        )
    return SourceError(
        f"line {line} has {fields}",
        where=where,
        remedy="Mend that line; a field that holds the delimiter must stand in quotation marks",
    )


def _ragged_line(lines: Iterator[str], dialect: Dialect) -> tuple[int, int, int] | None:
    """Return the first and last line of the first row of another length, and its fields."""
    rows = csv.reader(lines, delimiter=dialect.delimiter)
    before = 0
    try:
        for row in rows:
            if row and len(row) != len(dialect.names):
                return before + 1, rows.line_num, len(row)
            before = rows.line_num
    except csv.Error:
        return None
    return None
