"""Writes the files of a suite, clean or with defects."""

from __future__ import annotations

import csv
import datetime as dt
import html
import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import openpyxl

from tests.defects.suite import Defect, FileDefect, Suite

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_NUMBER = re.compile(r"-?\d+(\.\d+)?")
Grid = list[list[Any]]


def write(suite: Suite, folder: Path, defects: Sequence[Defect] = ()) -> list[Path]:
    """Write the input with `defects`; return its files, the spoilt one first."""
    folder.mkdir(exist_ok=True)
    file = folder / suite.name
    if suite.format == "xml":
        file.write_text(_edited(suite.tables[""], defects), encoding="utf-8")
    elif suite.format == "csv":
        with file.open("w", encoding="utf-8", newline="") as out:
            csv.writer(out).writerows(_spoilt(cells(suite, ""), columns(suite, ""), defects))
    else:
        _write_workbook(suite, file, defects)
    for name, content in suite.beside.items():
        (folder / name).write_text(content, encoding="utf-8")
    return [file, *(folder / name for name in suite.beside)]


def write_mapping(suite: Suite, folder: Path) -> Path:
    """Write the mapping."""
    folder.mkdir(exist_ok=True)
    file = folder / "mapping.yaml"
    file.write_text(suite.mapping, encoding="utf-8")
    return file


def write_spoilt(suite: Suite, folder: Path, defect: FileDefect) -> list[Path]:
    """Write the input with the defect of its file."""
    file, *beside = write(suite, folder)
    for way, what in defect.how.items():
        content = file.read_bytes()
        if way == "truncate":
            file.write_bytes(content[: int(len(content) * what)])
        elif way == "content":
            file.write_bytes(bytes.fromhex(what["hex"]) if isinstance(what, dict) else what.encode())
        elif way == "replace":
            old, new = (part.encode() for part in what)
            assert old in content
            file.write_bytes(content.replace(old, new))
        elif way == "encode":
            file.write_bytes(content.decode().encode(what))
        elif way in ("replace_name", "only"):
            _change_workbook(file, **{way: what})
        elif way == "rename":
            file = file.rename(folder / what)
        else:
            raise AssertionError(f"{way} is no way to spoil a file")
    return [file, *beside]


def cells(suite: Suite, sheet: str) -> Grid:
    """Return the clean cells of a table; the forms of a REDCap export share one."""
    return list(csv.reader(io.StringIO(suite.tables.get(sheet) or suite.tables[""])))


def spoilt(suite: Suite, defect: Defect) -> list[Any]:
    """Return the row of a defect with it."""
    return _spoilt(cells(suite, defect.sheet), columns(suite, defect.sheet), [defect])[defect.row - 1]


def _change_workbook(file: Path, replace_name: Sequence[str] = (), only: int | None = None) -> None:
    """Give a sheet or header another name, or leave only the first rows of each sheet."""
    book = openpyxl.load_workbook(file)
    for sheet in book.worksheets:
        if only is not None:
            for merged in list(sheet.merged_cells.ranges):
                sheet.unmerge_cells(str(merged))
            sheet.delete_rows(only + 1, sheet.max_row)
        for old, new in [replace_name] if replace_name else []:
            if sheet.title == old:
                sheet.title = new
            for row in sheet.iter_rows(max_row=2):
                for cell in row:
                    if cell.value == old:
                        cell.value = new
    book.save(file)


def shown(cell: Any) -> str:
    """Return the text of a cell as a person sees it."""
    return str(cell).lower() if isinstance(cell, bool) else str(cell)


def row_texts(suite: Suite, defects: Sequence[Defect], sheet: str, row: int) -> list[str]:
    """Return the texts of a row with all `defects`, as a person sees them."""
    here = [defect for defect in defects if defect.sheet == sheet or suite.format == "csv"]
    return [shown(cell) for cell in _spoilt(cells(suite, sheet), columns(suite, sheet), here)[row - 1]]


def columns(suite: Suite, sheet: str) -> Sequence[str]:
    """Return the names of the columns of a table."""
    return suite.columns.get(sheet) or cells(suite, sheet)[0]


def _edited(text: str, defects: Sequence[Defect]) -> str:
    """Return an XML file with its defects, from the last to the first so that the places of the others stay."""
    for defect in sorted(defects, key=lambda defect: defect.span, reverse=True):
        new = html.escape(defect.text) if defect.way == "put" else defect.text
        text = text[: defect.span[0]] + new + text[defect.span[1] :]
    return text


def _spoilt(grid: Grid, header: Sequence[str], defects: Sequence[Defect]) -> Grid:
    for defect in defects:
        row = grid[defect.row - 1]
        position = header.index(defect.column) if defect.column else 0
        if defect.way == "put":
            row[position] = defect.text
        elif defect.way == "insert":
            row.insert(position, defect.text)
        elif defect.way == "remove":
            del row[position]
        elif defect.way == "add":
            row.extend(defect.text)
        elif defect.way == "cut":
            del row[-defect.text :]
    return grid


def _write_workbook(suite: Suite, file: Path, defects: Sequence[Defect]) -> None:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name in suite.tables:
        sheet = book.create_sheet(name)
        here = [defect for defect in defects if defect.sheet == name]
        grid = [[_typed(cell) for cell in record] for record in cells(suite, name)]
        for record in _spoilt(grid, columns(suite, name), here):
            sheet.append(record)
        for merged in suite.merge.get(name, ()):
            sheet.merge_cells(merged)
    book.save(file)


def _typed(cell: str) -> Any:
    """Return a cell of a clean table as a person types it into a spreadsheet; a defect says its type itself."""
    if _DAY.fullmatch(cell):
        return dt.datetime.fromisoformat(cell)
    return float(cell) if _NUMBER.fullmatch(cell) else cell or None
