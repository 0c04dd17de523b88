"""A table as a workbook to be marked: the workbook itself where it is one, a copy of its cells where it is not."""

from __future__ import annotations

import re
import warnings
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree.ElementTree import ParseError

import openpyxl
from openpyxl.utils import get_column_letter
from openpyxl.utils.exceptions import InvalidFileException

from multimodal.tables.csv_source import CsvSource, csv_records, open_csv
from multimodal.tables.errors import TableError
from multimodal.tables.rows import SourceSpec
from multimodal.tables.xlsx_book import LoadedBook
from multimodal.tables.xlsx_parts import chunks
from multimodal.workflows.workbook_cells import put, style_header

_MOST_COLUMNS = 16_384  # of Excel
_MACROS = ".xlsm"
_EDITABLE = (".xlsx", _MACROS)
_OTHER_BOOKS = (".xls", ".xlsb", ".ods")
_CELL = re.compile(rb"<(?:\w+:)?c[\s>/]")
_TITLE = re.compile(r"[\[\]:*?/\\'\x00-\x1f]")
_LONGEST_TITLE = 31
# What openpyxl lets through on workbooks that other programs open; their rows are then shown in another way.
_UNREADABLE = (
    InvalidFileException, zipfile.BadZipFile, ParseError, KeyError, ValueError, TypeError, AttributeError, IndexError,
)  # fmt: skip

Records = Iterable[tuple[int, Sequence[Any]]]


class Copy(NamedTuple):
    """A workbook to be marked.

    Parameters
    ----------
    workbook : Workbook
        Of openpyxl.
    lacks : list of str
        What of the file is not in it, for people.
    """

    workbook: Any
    lacks: list[str]


def whole_copy(path: Path, spec: SourceSpec, most_cells: int) -> Copy | None:
    """Return the whole file as a workbook; None where it has more cells than that, or is no table of cells.

    Parameters
    ----------
    path : Path
        An xlsx or xlsm keeps its formatting, formulas, other sheets and macros; of other workbooks and of text tables
        the cells are copied, those of a text table as text.
    spec : SourceSpec
        How it was read.
    most_cells : int
        See `checked_workbook.MOST_CELLS`.
    """
    try:
        return _whole(path, spec, most_cells)
    except TableError:  # refused for that already; its rows up to there can be shown
        return None


def _whole(path: Path, spec: SourceSpec, most_cells: int) -> Copy | None:
    suffix = path.suffix.lower()
    if suffix in _EDITABLE:
        return _loaded(path, most_cells)
    if suffix in _OTHER_BOOKS:
        book = LoadedBook(path)
        sheets = {name: book.sheet(name).records for name in book.names if name not in book.hidden}
        workbook = _copied(sheets, most_cells)
        return Copy(workbook, [f"The formatting of the {suffix} file is not in this copy."]) if workbook else None
    if suffix in CsvSource.suffixes:
        workbook = _copied({path.stem: lambda: _csv_records(path, spec)}, most_cells)
        return Copy(workbook, []) if workbook else None
    return None


def title(name: str, taken: Iterable[str]) -> str:
    """Return a name that a sheet may have, other than those taken: 31 characters, no ``[]:*?/\\``."""
    plain = _TITLE.sub("_", name)[:_LONGEST_TITLE] or "table"
    used, found, number = {other.lower() for other in taken}, plain, 1
    while found.lower() in used:
        number += 1
        end = f" {number}"
        found = plain[: _LONGEST_TITLE - len(end)] + end
    return found


def _loaded(path: Path, most_cells: int) -> Copy | None:
    if _cells_of(path) > most_cells:
        return None
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            workbook = openpyxl.load_workbook(path, keep_vba=path.suffix.lower() == _MACROS, rich_text=True)
        except _UNREADABLE:
            return None
    lost = dict.fromkeys(str(warning.message) for warning in told if issubclass(warning.category, UserWarning))
    return Copy(workbook, [f"Not in this copy: {text.rstrip('.')}." for text in lost])


def _cells_of(path: Path) -> int:
    with zipfile.ZipFile(path) as archive:
        parts = [name for name in archive.namelist() if re.fullmatch(r"xl/worksheets/[^/]+\.xml", name)]
        return sum(len(_CELL.findall(text)) for part in parts for text in chunks(archive, part))


def _csv_records(path: Path, spec: SourceSpec) -> Iterator[tuple[int, Sequence[str]]]:
    opened = open_csv(path, spec)
    yield opened.header_row, opened.headers
    yield from csv_records(opened, path)


def _copied(sheets: Mapping[str, Callable[[], Records]], most_cells: int) -> Any | None:
    """Return a workbook of the records, read twice: first to see how many cells they have."""
    if not all(_fits(records(), most_cells) for records in sheets.values()):
        return None
    workbook = openpyxl.Workbook()
    workbook.remove(workbook.active)
    for name, records in sheets.items():
        sheet = workbook.create_sheet(title(name, workbook.sheetnames))
        for number, record in records():
            for column, value in enumerate(record, start=1):
                if value != "":
                    put(sheet.cell(number, column), value)
    return workbook


def _fits(records: Records, most_cells: int) -> bool:
    cells = 0
    for _, record in records:
        cells += len(record)
        if cells > most_cells or len(record) > _MOST_COLUMNS:
            return False
    return True


def new_sheet(workbook: Any, name: str, headers: Sequence[str]) -> Any:
    """Return a new sheet with a header row."""
    sheet = workbook.create_sheet(title(name, workbook.sheetnames))
    for column, header in enumerate(headers[:_MOST_COLUMNS], start=1):
        style_header(sheet.cell(1, column), header)
        sheet.column_dimensions[get_column_letter(column)].width = min(max(10, len(header) + 2), 40)
    sheet.freeze_panes = "A2"
    return sheet
