"""CSV files (RFC 4180 and what programs make of it), streamed."""

from __future__ import annotations

import codecs
import csv
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, TextIO

from multimodal.model.issue_codes import IssueCode
from multimodal.model.issues import Issue
from multimodal.tables.errors import EmptyTableError, HeaderError, TableError, WrongFormatError
from multimodal.tables.rows import Row, SourceSpec, Table, clean_headers, header_problem

_DELIMITERS = (",", ";", "\t", "|")
_CHUNK = 1 << 20
_SAMPLE_RECORDS = 50
_CELL_LIMIT = 1 << 20
_FOREIGN = {
    b"PK\x03\x04": "a workbook or ZIP archive",
    b"\xd0\xcf\x11\xe0": "an old or encrypted Office file",
    b"%PDF": "a PDF document",
    b"\x1f\x8b": "a gzip archive",
    b"<?xml": "an XML document",
}
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
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
    records : iterator of tuple
        What follows the header: row number and cells.
    header_row : int
        Row number of the header.
    headers : tuple of str
        Its cells, blanks around them removed; not checked for duplicates.
    found : dict of str to str
        ``encoding`` and ``delimiter``.
    """

    stream: TextIO
    records: Iterator[tuple[int, list[str]]]
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
    except (TableError, csv.Error, UnicodeError) as error:
        stream.close()
        if isinstance(error, UnicodeError):
            raise WrongFormatError(path, f"is not text in {encoding}; declare `encoding` in the mapping") from error
        raise
    return OpenCsv(stream, records, header_row, headers, {"encoding": encoding, "delimiter": delimiter})


def _encoding(path: Path) -> str:
    with path.open("rb") as file:
        head = file.read(4096)
        for magic, what in _FOREIGN.items():
            if head.startswith(magic):
                raise WrongFormatError(path, f"is named like a text table but is {what}")
        for mark, name in _BYTE_ORDER_MARKS:
            if head.startswith(mark):
                return name
        if b"\0" in head:
            raise WrongFormatError(path, "is named like a text table but holds binary data")
        decoder = codecs.getincrementaldecoder("utf-8")()
        with suppress(UnicodeDecodeError):
            while head:
                decoder.decode(head)
                head = file.read(_CHUNK)
            decoder.decode(b"", final=True)
            return "utf-8"
    return "cp1252"


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


def _records(stream: TextIO, delimiter: str, path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield each record with its number: a cell with line breaks is still one row of a spreadsheet."""
    csv.field_size_limit(_CELL_LIMIT)
    reader = csv.reader(stream, delimiter=delimiter, strict=True)
    number = 0
    while True:
        number += 1
        try:
            record = next(reader, None)
        except csv.Error as error:
            hint = "a quotation mark is not closed or stands inside a cell; double it or remove it"
            raise WrongFormatError(path, f"row {number}: {error}; {hint}") from error
        if record is None:
            return
        yield number, record


def _header(records: Iterator[tuple[int, list[str]]], path: Path) -> tuple[int, tuple[str, ...]]:
    for number, record in records:
        headers = clean_headers(record)
        if headers:
            return number, headers
    raise EmptyTableError(path, "is empty: there is no header row")


def csv_rows(opened: OpenCsv, table: Table) -> Iterator[Row]:
    """Yield the rows below the header under the names of `table`, one for each cell; closes the file at the end."""
    headers, width = table.headers, len(table.headers)
    with opened.stream:
        try:
            for number, record in opened.records:
                if len(record) == width:
                    yield Row(number, dict(zip(headers, record, strict=True)))
                elif any(record):
                    yield _ragged(number, record, table)
        except UnicodeError as error:
            encoding = table.found["encoding"]
            problem = f"is not text in {encoding} throughout; declare `encoding` in the mapping"
            raise WrongFormatError(table.file, problem) from error


def _ragged(number: int, record: list[str], table: Table) -> Row:
    """Return a row of the wrong length: cut short, its cells are kept; too long, none can be placed."""
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
    values = dict(zip(headers, record + [""] * (width - len(record)), strict=True)) if short else {}
    return Row(number, values, problems=(issue,), usable=short)
