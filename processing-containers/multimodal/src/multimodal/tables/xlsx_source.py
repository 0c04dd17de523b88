"""Excel workbooks (ECMA-376), each sheet a table."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from pathlib import Path

from multimodal.model.errors import first_few
from multimodal.tables.errors import TableError
from multimodal.tables.rows import SheetSpec, SourceSpec, Table
from multimodal.tables.xlsx_book import BROKEN, Book, LoadedBook, StreamedBook, broken_workbook
from multimodal.tables.xlsx_layout import sheet_table
from multimodal.tables.xlsx_parts import hidden_rows, sheet_sizes

_MEGABYTE = 1_000_000
_SHOWN = 5
_LOADED_MEGABYTES = 300
_MEMORY_PER_XML = 2
_LOOKED_THROUGH_MEGABYTES = 50  # of XML, in which hidden rows are looked for


class XlsxSource:
    """Reads workbooks; a typed cell becomes the text a person sees, dates ISO 8601.

    Parameters
    ----------
    loaded_megabytes : int
        Size of a sheet's XML up to which calamine reads it into memory, which takes about twice as much. Beyond it, an
        xlsx is read row by row with openpyxl: ten times slower, in constant memory but for the texts that its sheets
        share, which are refused beyond this size too.
    """

    suffixes = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")

    def __init__(self, loaded_megabytes: int = _LOADED_MEGABYTES) -> None:
        self._most = loaded_megabytes * _MEGABYTE

    def read(self, path: Path, source: SourceSpec) -> list[Table]:
        """Open `path`; see `TableSource.read`.

        Read are the sheets of `source.sheets` and those named like `source.forms`; without either, the only one that a
        person sees. Other sheets, hidden ones too, are noted.
        """
        book: Book = LoadedBook(path)
        chosen = {form: SheetSpec() for form in source.forms} | dict(source.sheets)
        chosen = chosen or _only_sheet(book, path)
        names = {_compared(name): name for name in book.names}
        for wanted in chosen:
            if _compared(wanted) not in names:
                raise TableError(path, f"has no sheet {wanted!r}; it has: {', '.join(book.names)}")
        actual = {wanted: names[_compared(wanted)] for wanted in chosen}
        book = self._sized(book, path, list(actual.values()))
        tables = [sheet_table(book.sheet(actual[name]), name, layout, path) for name, layout in chosen.items()]
        for table in tables:
            table.notes.extend(_hidden(path, actual[table.sheet], table.sheet))
        tables[0].notes[:0] = [*book.notes, *_unread(book, set(actual.values()), path)]
        return tables

    def _sized(self, book: Book, path: Path, sheets: list[str]) -> Book:
        """Return the workbook, opened in the other way if a sheet is too large for memory."""
        try:
            largest, shared = sheet_sizes(path, sheets)
        except BROKEN as error:
            raise broken_workbook(path, "", error) from error
        if shared > self._most:
            problem = f"its texts take {shared // _MEGABYTE:,} MB; save its sheets as CSV, which is read row by row"
            raise TableError(path, problem)
        if largest <= self._most:
            return book
        book = StreamedBook(path)
        book.notes.append(
            f"{path.name}: a sheet holds {largest // _MEGABYTE:,} MB of XML and would take about "
            f"{largest * _MEMORY_PER_XML // _MEGABYTE:,} MB of memory; it was read row by row, which is ten times "
            "slower: CSV is faster"
        )
        return book


def _compared(name: str) -> str:
    """Return the name of a sheet as it is compared: macOS writes an umlaut as two characters, others as one."""
    return unicodedata.normalize("NFC", name.strip())


def _only_sheet(book: Book, path: Path) -> dict[str, SheetSpec]:
    visible = [name for name in book.names if name not in book.hidden]
    if len(visible) != 1:
        raise TableError(
            path, f"has {len(visible)} visible sheets ({', '.join(visible)}); name one under `source.sheets`"
        )
    return {visible[0].strip(): SheetSpec()}


def _hidden(path: Path, sheet: str, name: str) -> Iterator[str]:
    """Yield that a sheet has rows which nobody sees: they are read as all others are."""
    try:
        size, _ = sheet_sizes(path, [sheet])
        rows = hidden_rows(path, sheet) if 0 < size <= _LOOKED_THROUGH_MEGABYTES * _MEGABYTE else []
    except BROKEN as error:
        raise broken_workbook(path, sheet, error) from error
    if rows:
        shown = first_few(rows, _SHOWN)
        many = "1 hidden row is" if len(rows) == 1 else f"{len(rows):,} hidden rows are"
        yield f"sheet {name!r}: {many} read as all others ({shown}): a filter hides them, or a person did"


def _unread(book: Book, read: set[str], path: Path) -> list[str]:
    return [
        f"{path.name}: the {'hidden ' if name in book.hidden else ''}sheet {name!r} was not read"
        for name in sorted(set(book.names) - read)
    ]
