"""Reads CSV and its relatives as people really write them."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from whydrift.discovery.errors import SourceError
from whydrift.discovery.snapshot.note import Note

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["read_delimited"]

# Types are inferred from the first block alone: a large one makes surprises later in the file rare.
_BLOCK_BYTES = 16 * 1024 * 1024
_HEAD_BYTES = 256 * 1024
_DELIMITERS = (",", ";", "\t", "|")
_BYTE_ORDER_MARKS = ((b"\xef\xbb\xbf", "utf8"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_CONVERSION = re.compile(r"In CSV column #(\d+): .*conversion error to (\w+)", re.DOTALL)
_COMMA_NUMBER = re.compile(r"^[+-]?\d+,\d+$")
_POINT_NUMBER = re.compile(r"^[+-]?\d+\.\d+$")
_ZERO_PADDED = re.compile(r"\b0\d+\b(?![.:/-])")

Opener = Callable[[], Any]  # a fresh Arrow input stream over the decompressed bytes


@dataclass(frozen=True)
class _Dialect:
    """How one file is written."""

    encoding: str
    delimiter: str
    decimal: str
    names: tuple[str, ...]
    types: dict[str, Any] = field(default_factory=dict)  # columns whose type is not inferred


def read_delimited(
    open_stream: Opener, *, where: str, prefer_tab: bool = False
) -> tuple[pa.Table, tuple[Note, ...]]:
    """Read delimited text; a column that mixes types comes through as text.

    Parameters
    ----------
    open_stream : callable
        Returns a fresh ``pyarrow.NativeFile`` over the plain bytes at each call.
    where : str
        The file, for messages.
    prefer_tab : bool
        Whether the name says that tabs delimit (.tsv).

    Raises
    ------
    SourceError
        If the text is no table; the message names the line.
    """
    with open_stream() as stream:
        head = bytes(stream.read(_HEAD_BYTES))
    dialect, notes = _dialect(head, where, prefer_tab)
    table = _read_until_it_fits(open_stream, dialect, where)
    if _has_bytes(table):  # Arrow's word for text that is no UTF-8
        dialect = replace(dialect, encoding="latin-1", names=_header(head, "latin-1", dialect))
        notes.append(_latin_note(where))
        table = _read_until_it_fits(open_stream, dialect, where)
    _refuse_open_quote(table, where)
    # A nameless first column is how pandas writes its row numbers.
    named = [name.strip() or f"column {i + 1}" for i, name in enumerate(dialect.names)]
    return table.rename_columns(named), tuple(notes)


def _dialect(head: bytes, where: str, prefer_tab: bool) -> tuple[_Dialect, list[Note]]:
    notes: list[Note] = []
    encoding = next((name for mark, name in _BYTE_ORDER_MARKS if head.startswith(mark)), "utf8")
    if encoding == "utf8" and b"\0" in head:
        raise SourceError(
            "this is neither a table nor text (it has zero bytes)",
            where=where,
            remedy="Give Parquet, CSV, Arrow or Feather; a .csv name does not make it one",
        )
    first_line = head.splitlines()[0] if head.splitlines() else b""
    if encoding == "utf8" and not _is_utf8(first_line):
        encoding = "latin-1"
        notes.append(_latin_note(where))
    text = _decode(head, encoding)
    lines = [line for line in text.splitlines() if line.strip()][:100]
    if not lines:
        raise SourceError("the file is empty", where=where, remedy="Give a file that has data")
    delimiter = _delimiter(lines[0], prefer_tab)
    dialect = _Dialect(encoding, delimiter, ".", ())
    decimal = _decimal(lines, delimiter)
    names = _header(head, encoding, dialect)
    types = _zero_padded(text, names, delimiter)
    return replace(dialect, names=names, decimal=decimal, types=types), notes


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


def _zero_padded(text: str, names: tuple[str, ...], delimiter: str) -> dict[str, Any]:
    """Return text as the type of columns with values such as 00012: as numbers they lose zeros."""
    import pyarrow as pa

    if not _ZERO_PADDED.search(text):
        return {}
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    found: set[str] = set()
    try:
        for row in rows:
            found.update(n for n, c in zip(names, row, strict=False) if _ZERO_PADDED.fullmatch(c))
    except csv.Error:  # cut off in the middle of a quoted cell
        pass
    return dict.fromkeys(found, pa.string())


def _header(head: bytes, encoding: str, dialect: _Dialect) -> tuple[str, ...]:
    text = _decode(head, encoding)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=dialect.delimiter)
    return tuple(next(row for row in rows if any(row)))


def _read_until_it_fits(open_stream: Opener, dialect: _Dialect, where: str) -> pa.Table:
    import pyarrow as pa

    columns = len(dialect.names)
    # Each column can be refused at most twice: as whole number, then as number.
    for _ in range(2 * columns + 1):
        try:
            table = _read(open_stream, dialect)
        except pa.ArrowInvalid as error:
            refused = _CONVERSION.search(str(error))
            if "invalid UTF8" in str(error) and dialect.encoding == "utf8":
                dialect = replace(dialect, encoding="latin-1")
            elif refused and int(refused.group(1)) < columns:
                dialect = _looser(dialect, int(refused.group(1)), refused.group(2))
            elif "Empty CSV file" in str(error):  # a header without so much as a line's end
                return pa.table({f"{i}": pa.nulls(0) for i in range(columns)})
            else:
                raise _unreadable(error, open_stream, dialect, where) from error
            continue
        except UnicodeError as error:
            raise SourceError(
                f"the text is not {dialect.encoding}", where=where, remedy="Save it as UTF-8"
            ) from error
        if table.num_columns != columns:
            raise SourceError(
                f"the header names {columns} columns, the rows have {table.num_columns}",
                where=where,
                remedy="Give every column a name in the first line",
            )
        return table
    raise AssertionError("every column was text, and still one was refused")


def _looser(dialect: _Dialect, position: int, refused: str) -> _Dialect:
    """Return the dialect with one column's type widened: whole number, number, text."""
    import pyarrow as pa

    name = dialect.names[position]
    wider = pa.float64() if refused.startswith("int") and name not in dialect.types else pa.string()
    if dialect.types.get(name) == pa.string():
        raise AssertionError(f"column {position} was refused as text")
    types = {**dialect.types, name: wider}
    # Past a few surprises every column is read as text: numbers are told from their texts later.
    if sum(kind == pa.string() for kind in types.values()) > 8:
        types = dict.fromkeys(dialect.names, pa.string())
    return replace(dialect, types=types)


def _read(open_stream: Opener, dialect: _Dialect) -> pa.Table:
    from pyarrow import csv as arrow_csv

    with open_stream() as stream:
        return arrow_csv.read_csv(
            stream,
            read_options=arrow_csv.ReadOptions(block_size=_BLOCK_BYTES, encoding=dialect.encoding),
            parse_options=arrow_csv.ParseOptions(
                delimiter=dialect.delimiter, newlines_in_values=True
            ),
            convert_options=arrow_csv.ConvertOptions(
                column_types=dialect.types,
                strings_can_be_null=True,
                decimal_point=dialect.decimal,
            ),
        )


def _has_bytes(table: pa.Table) -> bool:
    import pyarrow as pa

    return any(pa.types.is_binary(kind) for kind in table.schema.types)


def _refuse_open_quote(table: pa.Table, where: str) -> None:
    """Raise where a quotation mark never closes: it swallows the rest of the file in one cell."""
    import pyarrow as pa

    for column in table.columns if table.num_rows else ():
        if pa.types.is_string(column.type):
            last = column[-1].as_py()
            if last is not None and last.endswith("\n"):
                raise SourceError(
                    f"a quotation mark that opens in row {table.num_rows + 1} never closes",
                    where=where,
                    remedy="Close it, or double it if it belongs to the text",
                )


def _unreadable(
    error: Exception, open_stream: Opener, dialect: _Dialect, where: str
) -> SourceError:
    with open_stream() as stream:
        lines = io.TextIOWrapper(
            stream,
            encoding="utf-8-sig" if dialect.encoding == "utf8" else dialect.encoding,
            errors="replace",
            newline="",
        )
        ragged = _ragged_line(iter(lines), dialect)
    if ragged is None:
        first = str(error).splitlines()[0].removeprefix("CSV parse error: ")
        return SourceError(
            f"not a table ({first})", where=where, remedy="Give every line the header's columns"
        )
    line, cells = ragged
    return SourceError(
        f"line {line} has {cells} field{'' if cells == 1 else 's'}, "
        f"the header has {len(dialect.names)}",
        where=where,
        remedy="Mend that line; a field that holds the delimiter must stand in quotation marks",
    )


def _ragged_line(lines: Iterator[str], dialect: _Dialect) -> tuple[int, int] | None:
    rows = csv.reader(lines, delimiter=dialect.delimiter)
    try:
        for row in rows:
            if row and len(row) != len(dialect.names):
                return rows.line_num, len(row)
    except csv.Error:
        return None
    return None
