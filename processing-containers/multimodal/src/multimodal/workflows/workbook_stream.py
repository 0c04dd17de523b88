"""Many cells of a sheet, written row by row into a workbook that openpyxl has saved without them.

openpyxl needs 600 bytes and 25 microseconds for each cell; as text of the sheet's XML (ECMA-376 part 1, 18.3.1.4) one
costs a microsecond and no memory.
"""

from __future__ import annotations

import datetime as dt
import re
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import copy
from pathlib import Path
from typing import Any, NamedTuple
from xml.sax.saxutils import escape

from openpyxl.cell import Cell
from openpyxl.utils import get_column_letter
from openpyxl.utils.datetime import to_excel

from multimodal.workflows.workbook_cells import begins_formula, shown

Records = Iterable[tuple[int, Sequence[Any]]]

_DATA = re.compile(rb"<sheetData\s*/>|<sheetData>.*</sheetData>", re.DOTALL)
_DIMENSION = re.compile(rb"<dimension [^>]*/>")
_BLOCK = 2_000  # rows that are compressed at once


class Styles:
    """Numbers of the styles of a sheet: of its marked cells, of texts that look like formulas, of dates.

    To be made before the workbook is saved, which writes the styles that are known by then.

    Parameters
    ----------
    sheet : Worksheet
        Of openpyxl; holds marked cells and no others.
    """

    def __init__(self, sheet: Any) -> None:
        self.marked: dict[int, dict[int, int]] = {}
        self.quoted = {0: _registered(sheet, "quotePrefix", True)}
        # Not `iter_rows`, which makes every cell up to the last marked one.
        for cell in list(sheet._cells.values()):
            style = self.marked.setdefault(cell.row, {})[cell.column] = cell.style_id
            if style not in self.quoted:
                self.quoted[style] = _registered(sheet, "quotePrefix", True, cell)
        self.date = _registered(sheet, "number_format", "yyyy-mm-dd")
        self.time = _registered(sheet, "number_format", "yyyy-mm-dd hh:mm:ss")


class Filling(NamedTuple):
    """What is to be written into one sheet: its place in the workbook from 1, its styles, its records."""

    place: int
    styles: Styles
    records: Callable[[], Records]


def fill_sheets(path: Path, fillings: Iterable[Filling]) -> None:
    """Write the cells of sheets into the saved workbook `path`; the style of marked cells is kept."""
    of_part = {f"xl/worksheets/sheet{filling.place}.xml": filling for filling in fillings}
    whole = path.with_name(f"{path.name}.part")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED, compresslevel=3) as new:
        for item in old.infolist():
            if item.filename not in of_part:
                new.writestr(item, old.read(item))
                continue
            filling = of_part[item.filename]
            before, after = _DATA.split(_DIMENSION.sub(b"", old.read(item)), maxsplit=1)
            with new.open(item.filename, "w", force_zip64=True) as part:
                part.write(before + b"<sheetData>")
                for block in _blocks(_rows(filling.records(), filling.styles)):
                    part.write(block)
                part.write(b"</sheetData>" + after)
    whole.replace(path)


def _registered(sheet: Any, attribute: str, value: Any, like: Any = None) -> int:
    cell = Cell(sheet, 1, 1)
    if like is not None:
        cell._style = copy(like._style)
    setattr(cell, attribute, value)
    return int(cell.style_id)


def _rows(records: Records, styles: Styles) -> Iterator[str]:
    marked = sorted(styles.marked)
    letters: list[str] = []
    for number, record in records:
        while marked and marked[0] < number:  # an empty row
            yield _row(marked.pop(0), (), styles, letters)
        if marked and marked[0] == number:
            marked.pop(0)
        yield _row(number, record, styles, letters)
    for number in marked:
        yield _row(number, (), styles, letters)


def _row(number: int, record: Sequence[Any], styles: Styles, letters: list[str]) -> str:
    marked = styles.marked.get(number, {})
    width = max(len(record), max(marked, default=0))
    while len(letters) < width:
        letters.append(get_column_letter(len(letters) + 1))
    cells = [
        _cell(f"{letters[at]}{number}", value, marked.get(at + 1), styles)
        for at, value in enumerate([*record, *[""] * (width - len(record))] if width > len(record) else record)
        if value != "" or at + 1 in marked
    ]
    return f'<row r="{number}">{"".join(cells)}</row>'


def _cell(place: str, value: Any, style: int | None, styles: Styles) -> str:
    if isinstance(value, str):
        if begins_formula(value):
            style = styles.quoted[style or 0]
        text = escape(shown(value))
        content = f' t="inlineStr"><is><t xml:space="preserve">{text}</t></is></c>' if text else "/>"
    elif isinstance(value, bool):
        content = f' t="b"><v>{int(value)}</v></c>'
    elif isinstance(value, (int, float)):
        content = f"><v>{value!r}</v></c>"
    else:
        return _moment(place, value, style, styles)
    return f'<c r="{place}"{f" s={chr(34)}{style}{chr(34)}" if style else ""}{content}'


def _moment(place: str, value: Any, style: int | None, styles: Styles) -> str:
    if isinstance(value, dt.date) and value.year >= 1900:
        own = styles.time if isinstance(value, dt.datetime) and value.time() != dt.time() else styles.date
        return f'<c r="{place}" s="{style or own}"><v>{to_excel(value)!r}</v></c>'
    return _cell(place, str(value), style, styles)


def _blocks(rows: Iterator[str]) -> Iterator[bytes]:
    waiting: list[str] = []
    for row in rows:
        waiting.append(row)
        if len(waiting) == _BLOCK:
            yield "".join(waiting).encode()
            waiting.clear()
    yield "".join(waiting).encode()
