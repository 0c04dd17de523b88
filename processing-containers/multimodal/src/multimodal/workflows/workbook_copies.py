"""A table as a workbook to be marked: the workbook itself where it is one, a copy of its cells where it is not."""

from __future__ import annotations

import re
import warnings
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError

import openpyxl
from openpyxl.utils import get_column_letter
from openpyxl.utils.exceptions import InvalidFileException

from multimodal.tables.csv_source import CsvSource, csv_records, open_csv
from multimodal.tables.errors import TableError
from multimodal.tables.rows import SheetSpec, SourceSpec
from multimodal.tables.xlsx_book import LoadedBook
from multimodal.tables.xlsx_layout import header_names
from multimodal.tables.xlsx_parts import chunks
from multimodal.workflows.workbook_cells import style_header
from multimodal.workflows.workbook_stream import Filling, Records, Styles, fill_sheets

_MOST_ROWS, _MOST_COLUMNS = 1_048_576, 16_384  # of Excel
_MACROS = ".xlsm"
_EDITABLE = (".xlsx", _MACROS)
_OTHER_BOOKS = (".xls", ".xlsb", ".ods")
_CELL = re.compile(rb"<(?:\w+:)?c[\s>/]")
_TITLE = re.compile(r"[\[\]:*?/\\'\x00-\x1f]")
_LONGEST_TITLE = 31
# What openpyxl lets through on workbooks that other programs open; their rows are then shown in another way.
UNREADABLE = (
    InvalidFileException, zipfile.BadZipFile, ParseError, KeyError, ValueError, TypeError, AttributeError, IndexError,
)  # fmt: skip


@dataclass(slots=True)
class Copy:
    """A workbook to be marked.

    Parameters
    ----------
    workbook : Workbook
        Of openpyxl.
    lacks : list of str
        What of the file is not in it, for people.
    streamed : dict of str to callable
        Title of each sheet whose cells are written row by row when it is saved, and gives them anew each time.
    text : bool
        Whether the file is a text table: it has one sheet, whatever issues call it.
    """

    workbook: Any
    lacks: list[str] = field(default_factory=list)
    streamed: dict[str, Callable[[], Records]] = field(default_factory=dict)
    text: bool = False

    def sheet(self, name: str) -> Any:
        """Return the sheet that issues call `name`, or None."""
        if self.text:
            return self.workbook.worksheets[0]
        return next((sheet for sheet in self.workbook.worksheets if sheet.title.strip() == name.strip()), None)

    def columns(self, sheet: Any, spec: SourceSpec) -> dict[str, int]:
        """Return header -> column of a sheet, as the reader of the file names them."""
        layout = {name.strip(): declared for name, declared in spec.sheets.items()}
        declared = layout.get(sheet.title.strip(), SheetSpec()).header_row
        rows = declared if isinstance(declared, tuple) else (declared,)
        records: Iterator[tuple[int, list[Any]]]
        if sheet.title in self.streamed:
            records = ((number, list(record)) for number, record in self.streamed[sheet.title]())
            if self.text:  # its first record is its header, wherever that stands
                number, record = next(records)
                records, rows = iter([(number, record)]), (number,)
        else:
            cells = sheet.iter_rows(max_row=max(rows), values_only=True)
            filled = (["" if value is None else value for value in record] for record in cells)
            records = enumerate(filled, start=1)
        spans = [((s.min_row, s.min_col), (s.max_row, s.max_col)) for s in sheet.merged_cells.ranges]
        headers = header_names(records, spans, rows)
        return {header: column for column, header in reversed([*enumerate(headers, start=1)]) if header}

    def save(self, path: Path) -> None:
        """Write the workbook."""
        places = {sheet.title: place for place, sheet in enumerate(self.workbook.worksheets, start=1)}
        fillings = [
            Filling(places[title], Styles(self.workbook[title]), records) for title, records in self.streamed.items()
        ]
        self.workbook.save(path)
        if fillings:
            fill_sheets(path, fillings)
        self.workbook.close()


def whole_copy(path: Path, spec: SourceSpec, *, most_loaded: int, most_copied: int) -> Copy | None:
    """Return the whole file as a workbook; None where it has more cells than that, or is no table of cells.

    Parameters
    ----------
    path : Path
        An xlsx or xlsm keeps its formatting, formulas, other sheets and macros; of other workbooks and of text tables
        the cells are copied, those of a text table as text.
    spec : SourceSpec
        How it was read.
    most_loaded, most_copied : int
        Most cells of a workbook that is kept, and of one whose cells are copied.
    """
    suffix = path.suffix.lower()
    if suffix in _EDITABLE:
        return _loaded(path, most_loaded)
    try:
        if suffix in _OTHER_BOOKS:
            book = LoadedBook(path)
            sheets: dict[str, Callable[[], Records]]
            sheets = {name: book.sheet(name).records for name in book.names if name not in book.hidden}
            lacks = [f"The formatting of the {suffix} file is not in this copy."]
            return _copied(sheets, most_copied, lacks)
        if suffix in CsvSource.suffixes:
            return _copied({path.stem: lambda: _csv_records(path, spec)}, most_copied, [], text=True)
    except TableError:  # the import was refused for that already; the rows up to there can be shown
        pass
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


def new_sheet(workbook: Any, name: str, headers: Sequence[str]) -> Any:
    """Return a new sheet with a header row."""
    sheet = workbook.create_sheet(title(name, workbook.sheetnames))
    for column, header in enumerate(headers[:_MOST_COLUMNS], start=1):
        style_header(sheet.cell(1, column), header)
        sheet.column_dimensions[get_column_letter(column)].width = min(max(10, len(header) + 2), 40)
    sheet.freeze_panes = "A2"
    return sheet


def _loaded(path: Path, most_cells: int) -> Copy | None:
    if _cells_of(path) > most_cells:
        return None
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            workbook = openpyxl.load_workbook(path, keep_vba=path.suffix.lower() == _MACROS, rich_text=True)
        except UNREADABLE:
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


def _copied(
    sheets: dict[str, Callable[[], Records]], most_cells: int, lacks: list[str], *, text: bool = False
) -> Copy | None:
    """Return a workbook of the records, which are read now to see how many cells they have."""
    if not all(_fits(records(), most_cells) for records in sheets.values()):
        return None
    copy = Copy(openpyxl.Workbook(), lacks, text=text)
    copy.workbook.remove(copy.workbook.active)
    for name, records in sheets.items():
        sheet = copy.workbook.create_sheet(title(name, copy.workbook.sheetnames))
        copy.streamed[sheet.title] = records
    return copy


def _fits(records: Records, most_cells: int) -> bool:
    cells = 0
    for number, record in records:
        cells += len(record)
        if cells > most_cells or number > _MOST_ROWS or len(record) > _MOST_COLUMNS:
            return False
    return True
