"""Opening a workbook: with calamine, which holds a sheet in memory, or row by row with openpyxl if it is too large."""

from __future__ import annotations

import warnings
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol
from xml.etree.ElementTree import ParseError

import python_calamine as calamine

from multimodal.tables.errors import EmptyTableError, EncryptedTableError, TableError, WrongFormatError
from multimodal.tables.file_kinds import OLE, kind_of_file
from multimodal.tables.xlsx_errors import error_cells
from multimodal.tables.xlsx_parts import Range, declares_entities, merged_cells

# What broken archives and XML raise in the standard library, and calamine for sheets that are broken.
BROKEN = (calamine.CalamineError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError)
# openpyxl lets through whatever a broken part leads to.
_OPENPYXL_FAILURES = (*BROKEN, ParseError, ValueError, KeyError, TypeError, AttributeError, IndexError)
_WITHOUT_ERROR_CELLS = (".xls", ".xlsb")

Record = tuple[int, list[Any]]


class Sheet(Protocol):
    """One sheet of an open workbook."""

    def records(self) -> Iterator[Record]:
        """Yield the cells of each row with the number that a spreadsheet shows, from 1; may be called again."""

    def merged(self) -> list[Range]:
        """Return the merged cells."""


class Book(Protocol):
    """An open workbook."""

    names: list[str]
    """Its sheets, as they are written, charts left out."""
    hidden: set[str]
    """Those that a person does not see."""
    notes: list[str]
    """What a person should know of how it is read."""

    def sheet(self, name: str) -> Sheet:
        """Return a sheet."""


class LoadedBook:
    """A workbook of any format that calamine reads; a sheet in use takes about twice the size of its XML.

    Raises
    ------
    TableError
        If the file is empty, protected by a password, or no workbook.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._book = _open(path)
        sheets = [info for info in self._book.sheets_metadata if info.typ == calamine.SheetTypeEnum.WorkSheet]
        self.names = [info.name for info in sheets]
        self.hidden = {info.name for info in sheets if info.visible != calamine.SheetVisibleEnum.Visible}
        self.notes: list[str] = []
        if path.suffix.lower() in _WITHOUT_ERROR_CELLS:
            told = (
                "error cells (#N/A, #DIV/0!) of this format are read as empty ones; save it as .xlsx to have them told"
            )
            self.notes.append(f"{path.name}: {told}")

    def sheet(self, name: str) -> Sheet:
        """Return a sheet, read into memory."""
        try:
            return _LoadedSheet(self._book.get_sheet_by_name(name), error_cells(self._path, name))
        except BROKEN as error:
            raise broken_workbook(self._path, name, error) from error


class _LoadedSheet:
    def __init__(self, sheet: Any, errors: dict[tuple[int, int], str]) -> None:
        self._sheet = sheet
        self._errors: dict[int, dict[int, str]] = {}
        for (row, column), text in errors.items():
            self._errors.setdefault(row, {})[column] = text

    def records(self) -> Iterator[Record]:
        # calamine leaves out the empty columns on the left, and counts the empty rows above.
        left = [""] * (self._sheet.start[1] if self._sheet.start else 0)
        for number, record in enumerate(self._sheet.iter_rows(), start=1):
            cells = left + record if left else record
            if number in self._errors:
                cells = _with(self._errors[number], cells)
            yield number, cells

    def merged(self) -> list[Range]:
        found = self._sheet.merged_cell_ranges or []
        return [((r1 + 1, c1 + 1), (r2 + 1, c2 + 1)) for (r1, c1), (r2, c2) in found]


def _with(errors: dict[int, str], record: list[Any]) -> list[Any]:
    cells = record + [""] * (max(errors) - len(record))
    for column, text in errors.items():
        cells[column - 1] = text
    return cells


class StreamedBook:
    """An xlsx that is read row by row with openpyxl, ten times slower, in constant memory but for shared texts.

    A formula without a stored result is an empty cell here.

    Raises
    ------
    TableError
        If it cannot be read, or declares XML entities.
    """

    def __init__(self, path: Path) -> None:
        import openpyxl  # half a second, and only large workbooks need it

        self._path = path
        try:
            part = declares_entities(path)
            if part:
                raise WrongFormatError(path, f"its part {part} declares a document type, which no workbook has")
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of styles and extensions, which are not read
                self._book = openpyxl.load_workbook(path, read_only=True, data_only=True, keep_links=False)
        except _OPENPYXL_FAILURES as error:
            raise broken_workbook(path, "", error) from error
        self.names = [sheet.title for sheet in self._book.worksheets]
        self.hidden = {sheet.title for sheet in self._book.worksheets if sheet.sheet_state != "visible"}
        self.notes: list[str] = []

    def sheet(self, name: str) -> Sheet:
        """Return a sheet, to be read from the file."""
        return _StreamedSheet(self._path, name, self._book[name])


class _StreamedSheet:
    def __init__(self, path: Path, name: str, sheet: Any) -> None:
        self._path, self._name, self._sheet = path, name, sheet

    def records(self) -> Iterator[Record]:
        self._sheet.reset_dimensions()  # programs write wrong ones, and openpyxl would leave out what is beyond
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of dates out of range, which become the error cell #VALUE!
            try:
                for number, record in enumerate(self._sheet.iter_rows(values_only=True), start=1):
                    yield number, list(record)
            except _OPENPYXL_FAILURES as error:
                raise broken_workbook(self._path, self._name, error) from error

    def merged(self) -> list[Range]:
        return merged_cells(self._path, self._name)


def _open(path: Path) -> Any:
    with path.open("rb") as file:
        head = file.read(8)
    if not head:
        raise EmptyTableError(path, "is empty: the file has no content")
    try:
        return calamine.CalamineWorkbook.from_path(str(path))
    except calamine.PasswordError as error:
        raise EncryptedTableError(path, "is protected by a password; save a copy without one") from error
    except (calamine.CalamineError, OSError) as error:
        if head.startswith(OLE) and path.suffix.lower() != ".xls":
            # An encrypted xlsx is an OLE container (MS-OFFCRYPTO), as is an old xls under a new name.
            raise EncryptedTableError(
                path, "is protected by a password, or an old .xls; save a copy as .xlsx"
            ) from error
        what = kind_of_file(head)
        if what and not head.startswith(b"PK"):
            raise WrongFormatError(path, f"is named like a workbook but is {what}") from error
        if _is_text(path):
            raise WrongFormatError(path, "is named like a workbook but is a text table; name it .csv") from error
        why = " ".join(str(error).split())
        problem = f"is damaged, or was not copied whole ({why}); copy it again, or save it anew in Excel"
        raise WrongFormatError(
            path, problem if what else f"is named like a workbook but cannot be read as one ({why})"
        ) from error


def _is_text(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(4096)
    return not head.startswith(b"<") and all(byte >= 32 or byte in b"\t\r\n" for byte in head)


def broken_workbook(path: Path, sheet: str, error: Exception) -> TableError:
    """Return what to tell of a workbook, or of its `sheet`, that led to `error`."""
    if isinstance(error, TableError):
        return error
    what = f"sheet {sheet!r}" if sheet else "it"
    why = " ".join(str(error).split())
    return WrongFormatError(path, f"{what} cannot be read ({why}); save it again in a spreadsheet program")
