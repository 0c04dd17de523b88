"""CSV files (RFC 4180 and what programs make of it), streamed."""

from __future__ import annotations

import codecs
import csv
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from itertools import chain
from pathlib import Path
from typing import NamedTuple, TextIO

from multimodal.model.issue_codes import IssueCode
from multimodal.model.issues import Issue
from multimodal.tables.errors import EmptyTableError, HeaderError, TableError, WrongFormatError
from multimodal.tables.file_kinds import kind_of_file
from multimodal.tables.rows import Row, SourceSpec, Table, clean_headers, header_problem

_DELIMITERS = (",", ";", "\t", "|")
_CHUNK = 1 << 20
_SAMPLE_RECORDS = 50
_CELL_LIMIT = 1 << 20
# A few NUL bytes are damaged cells, which are reported; more of them are no text in any encoding that is looked for.
_MOST_NULS = 0.02
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # begins like UTF-16
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


class CsvSource:
    """Reads CSV; encoding and delimiter are found in the file where they are not declared.

    Every cell stays text: what it means is said by the mapping.
    """

    suffixes = (".csv", ".tsv", ".txt")

    def read(self, path: Path, source: SourceSpec) -> list[Table]:
        """Open `path`; see `TableSource.read`."""
        opened = open_csv(path, source)
        problem = header_problem(opened.headers, opened.header_row)
        if problem:
            opened.stream.close()
            raise HeaderError(path, problem)
        table = Table(path, opened.headers, iter(()), found=opened.found)
        table.rows = csv_rows(opened, table)
        return [table]


class OpenCsv(NamedTuple):
    """A CSV file whose header was read.

    Parameters
    ----------
    stream : TextIO
        The file; `csv_rows` closes it.
    records : iterator of list
        The cells of what follows the header, record by record.
    header_row : int
        Row number of the header.
    headers : tuple of str
        Its cells, blanks around them removed; not checked for duplicates.
    found : dict of str to str
        ``encoding`` and ``delimiter``.
    """

    stream: TextIO
    records: Iterator[list[str]]
    header_row: int
    headers: tuple[str, ...]
    found: dict[str, str]


def open_csv(path: Path, source: SourceSpec) -> OpenCsv:
    """Open a CSV file, find its encoding and delimiter, and read its header.

    Raises
    ------
    TableError
        If it is empty or no text table.
    """
    encoding = _encoding(path) if source.encoding == "auto" else source.encoding
    stream = _open(path, encoding)
    try:
        delimiter = _delimiter(stream, path) if source.delimiter == "auto" else source.delimiter
        records = _records(stream, delimiter, path)
        header_row, headers = _header(records, path)
    except (TableError, UnicodeError) as error:
        stream.close()
        if isinstance(error, UnicodeError):
            raise WrongFormatError(path, f"is not text in {encoding}; declare `encoding` in the mapping") from error
        raise
    return OpenCsv(stream, records, header_row, headers, {"encoding": encoding, "delimiter": delimiter})


def _encoding(path: Path) -> str:
    with path.open("rb") as file:
        head = file.read(4096)
        what = kind_of_file(head)
        if what:
            raise WrongFormatError(path, f"is named like a text table but is {what}")
        for mark, name in _BYTE_ORDER_MARKS:
            if head.startswith(mark):
                return name
        if head.count(0) > len(head) * _MOST_NULS:
            problem = "is named like a text table but holds binary data, or UTF-16 without its mark: declare `encoding`"
            raise WrongFormatError(path, problem)
        decoder = codecs.getincrementaldecoder("utf-8")()
        with suppress(UnicodeDecodeError):
            while head:
                decoder.decode(head)
                head = file.read(_CHUNK)
            decoder.decode(b"", final=True)
            return "utf-8"
    _refuse_damaged(path)
    return "cp1252"


def _refuse_damaged(path: Path) -> None:
    """Refuse a text that is UTF-8 but for a few bytes: read as cp1252, all of its umlauts would silently be others."""
    signs = broken = lines = first = 0
    with path.open("rb") as file:
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        for chunk in chain(iter(partial(file.read, _CHUNK), b""), [b""]):
            text = decoder.decode(chunk, final=not chunk)
            found = text.count("\ufffd")
            if found and not broken:
                first = lines + text.count("\n", 0, text.index("\ufffd")) + 1
            broken += found
            signs += len(text) - len(text.encode("ascii", "ignore")) - found
            lines += text.count("\n")
    # In a text in cp1252, two letters beyond ASCII that happen to look like one of UTF-8 are rare.
    if signs > broken:
        where = f"line {first}" if broken == 1 else f"{broken} places, the first in line {first}"
        raise WrongFormatError(path, f"is UTF-8, but damaged in {where}; correct it there, or declare `encoding`")


def _open(path: Path, encoding: str) -> TextIO:
    try:
        return path.open("r", encoding=encoding, newline="")
    except LookupError as error:
        raise WrongFormatError(path, f"unknown encoding {encoding!r} declared in the mapping") from error


def _delimiter(stream: TextIO, path: Path) -> str:
    """Return the delimiter under which most records have as many cells as the header, and the header most."""
    sample = stream.read(_CHUNK // 8)
    complete = len(sample) < _CHUNK // 8
    stream.seek(0)
    if sample.startswith("sep=") and len(sample) > 4:
        # Excel's own hint. Excel does not show this line, so it is not counted as a row.
        stream.readline()
        return sample[4]
    best = max(_DELIMITERS, key=lambda delimiter: _fitness(sample, delimiter, complete))
    stream.seek(0)
    return best


def _fitness(sample: str, delimiter: str, complete: bool) -> tuple[float, int]:
    lengths = []
    with suppress(csv.Error):
        for record in csv.reader(sample.splitlines(keepends=True), delimiter=delimiter):
            if record:
                lengths.append(len(record))
            if len(lengths) > _SAMPLE_RECORDS:
                break
    if not complete:
        lengths = lengths[:-1]
    if not lengths or lengths[0] < 2:
        return (0.0, 0)
    return (sum(length == lengths[0] for length in lengths) / len(lengths), lengths[0])


def _records(stream: TextIO, delimiter: str, path: Path) -> Iterator[list[str]]:
    if len(delimiter) != 1 or delimiter in '"\r\n':
        problem = f"the delimiter {delimiter!r} cannot be used; it is one sign, and no quotation mark or line break"
        raise WrongFormatError(path, problem)
    csv.field_size_limit(_CELL_LIMIT)
    return csv.reader(stream, delimiter=delimiter, strict=True)


def _header(records: Iterator[list[str]], path: Path) -> tuple[int, tuple[str, ...]]:
    """Return the header and the number of its row: a cell with line breaks is still one row of a spreadsheet."""
    number = 0
    try:
        for number, record in enumerate(records, start=1):
            headers = clean_headers(record)
            if headers:
                return number, headers
    except csv.Error as error:
        raise _unreadable(path, number + 1, error) from error
    raise EmptyTableError(path, "is empty: there is no header row")


def csv_rows(opened: OpenCsv, table: Table) -> Iterator[Row]:
    """Yield the rows below the header under the names of `table`, one for each cell; closes the file at the end."""
    headers, width = table.headers, len(table.headers)
    for number, record in csv_records(opened, table.file):
        if len(record) == width:
            # No `strict`: the lengths are equal here, and it costs a tenth of the loop.
            yield Row(number, dict(zip(headers, record)))  # noqa: B905
        else:
            yield ragged_row(number, record, table)


def csv_records(opened: OpenCsv, path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield number and cells of each record with a value in it, whatever its length; closes the file at the end.

    Raises
    ------
    WrongFormatError
        If a quotation mark is not closed, or the file is not in its encoding throughout.
    """
    number = opened.header_row
    with opened.stream:
        try:
            for number, record in enumerate(opened.records, start=opened.header_row + 1):
                if any(record):
                    yield number, record
        except csv.Error as error:
            raise _unreadable(path, number + 1, error) from error
        except UnicodeError as error:
            # Text is decoded in blocks, so that the place itself lies somewhere behind.
            problem = f"row {number + 1} or one below it is not text in {opened.found['encoding']}"
            raise WrongFormatError(path, f"{problem}; declare `encoding` in the mapping") from error


def _unreadable(path: Path, number: int, error: csv.Error) -> WrongFormatError:
    hint = "a quotation mark is not closed or stands inside a cell; double it or remove it"
    if "field larger" in str(error):
        hint = f"no cell is that long; perhaps {hint}"
    return WrongFormatError(path, f"row {number}: {error}; {hint}")


def ragged_row(number: int, record: list[str], table: Table) -> Row:
    """Return a row of the wrong length: cut short, its cells are kept; too long, none can be placed.

    What stands beyond the header is called by its position, e.g. ``(13)``, so that all of the row can be shown.
    """
    headers, width = table.headers, len(table.headers)
    if not any(record[width:]) and len(record) > width:
        return Row(number, dict(zip(headers, record[:width], strict=True)))
    short = len(record) < width
    kept = "the cells that are there were used" if short else "no cell of the row could be placed"
    issue = Issue(
        code=IssueCode.RAGGED_ROW.code,
        message=f"the row has {len(record)} cells, the header {width}; {kept}",
        row=number,
        column=headers[len(record)] if short else headers[-1],
        value=table.found["delimiter"].join(record)[:200],
        suggestion=IssueCode.RAGGED_ROW.suggestion,
    )
    table.issues.append(issue)
    names = [*headers, *(f"({position})" for position in range(width + 1, len(record) + 1))]
    values = dict(zip(names, record + [""] * (width - len(record)), strict=True))
    return Row(number, values, problems=(issue,), usable=short)
