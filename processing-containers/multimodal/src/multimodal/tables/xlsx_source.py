"""Excel workbooks (ECMA-376), each sheet a table."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import python_calamine as calamine

from multimodal.model.issue_codes import IssueCode
from multimodal.model.issues import Issue
from multimodal.tables.errors import (
    EmptyTableError,
    EncryptedTableError,
    HeaderError,
    TableError,
    WrongFormatError,
)
from multimodal.tables.rows import NumberText, Row, SheetSpec, SourceSpec, Table, clean_headers, header_problem
from multimodal.tables.xlsx_errors import error_cells

_OLE = b"\xd0\xcf\x11\xe0"


class XlsxSource:
    """Reads workbooks with calamine; a typed cell becomes the text a person sees, dates ISO 8601."""

    suffixes = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")

    def read(self, path: Path, source: SourceSpec) -> list[Table]:
        """Open `path`; see `TableSource.read`."""
        workbook = _workbook(path)
        hidden = {
            sheet.name for sheet in workbook.sheets_metadata if sheet.visible != calamine.SheetVisibleEnum.Visible
        }
        chosen = source.sheets or _only_sheet(workbook, hidden, path)
        names = {name.strip(): name for name in workbook.sheet_names}
        tables = []
        for name, layout in chosen.items():
            if name not in names:
                raise TableError(path, f"has no sheet {name!r}; it has: {', '.join(workbook.sheet_names)}")
            tables.append(_table(workbook, names[name], layout, path))
        if not source.sheets:
            tables[0].notes.extend(f"{path.name}: the hidden sheet {name!r} was not read" for name in sorted(hidden))
        return tables


def _workbook(path: Path) -> Any:
    head = path.read_bytes()[:8] if path.stat().st_size else b""
    if not head:
        raise EmptyTableError(path, "is empty: the file has no content")
    try:
        return calamine.CalamineWorkbook.from_path(str(path))
    except calamine.PasswordError as error:
        raise EncryptedTableError(path, "is protected by a password; save a copy without one") from error
    except (calamine.CalamineError, OSError) as error:
        if head.startswith(_OLE) and path.suffix.lower() != ".xls":
            # An encrypted xlsx is an OLE container (MS-OFFCRYPTO), as is an old xls under a new name.
            raise EncryptedTableError(
                path, "is protected by a password, or an old .xls; save a copy as .xlsx"
            ) from error
        if _is_text(path):
            raise WrongFormatError(path, "is named like a workbook but is a text table; name it .csv") from error
        raise WrongFormatError(path, f"is named like a workbook but cannot be read as one ({error})") from error


def _is_text(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(4096)
    return not head.startswith(b"<") and all(byte >= 32 or byte in b"\t\r\n" for byte in head)


def _only_sheet(workbook: Any, hidden: set[str], path: Path) -> dict[str, SheetSpec]:
    visible = [name for name in workbook.sheet_names if name not in hidden]
    if len(visible) != 1:
        raise TableError(
            path, f"has {len(visible)} visible sheets ({', '.join(visible)}); name one under `source.sheets`"
        )
    return {visible[0].strip(): SheetSpec()}


def _table(workbook: Any, name: str, layout: SheetSpec, path: Path) -> Table:
    sheet = workbook.get_sheet_by_name(name)
    records = _records(sheet, error_cells(path, name))
    header_row = layout.header_row if isinstance(layout.header_row, int) else layout.header_row[-1]
    headers: tuple[str, ...] = ()
    for number, record in records:
        if number == header_row:
            headers = clean_headers([cell_text(cell) for cell in record])
            break
    if not headers:
        hint = "if it stands further down, declare `header_row` under `source.sheets`"
        raise EmptyTableError(path, f"sheet {name!r} is empty: row {header_row} holds no header; {hint}")
    named = [position for position, header in enumerate(headers) if header]
    problem = header_problem(tuple(headers[position] for position in named), header_row)
    if problem:
        raise HeaderError(path, f"sheet {name!r}: {problem}")
    table = Table(path, tuple(headers[position] for position in named), iter(()), sheet=name, found={"sheet": name})
    table.rows = _rows(records, table, named)
    return table


def _records(sheet: Any, errors: dict[tuple[int, int], str]) -> Iterator[tuple[int, list[Any]]]:
    """Yield the records with the number that a spreadsheet shows, also where the sheet begins further down."""
    rows_with_errors = {row for row, _ in errors}
    for number, record in enumerate(sheet.to_python(skip_empty_area=False), start=1):
        if number in rows_with_errors:
            record = [errors.get((number, column), cell) for column, cell in enumerate(record, start=1)]
        yield number, record


def _rows(records: Iterator[tuple[int, list[Any]]], table: Table, named: list[int]) -> Iterator[Row]:
    headers, sheet, columns = table.headers, table.sheet, set(named)
    for number, record in records:
        texts = [cell_text(cell) for cell in record]
        strays = [text for position, text in enumerate(texts) if text and position not in columns]
        if not strays and not any(texts):
            continue
        values = dict(zip(headers, [texts[position] for position in named], strict=True))
        if strays:
            issue = Issue(
                code=IssueCode.RAGGED_ROW.code,
                message=f"{len(strays)} cells stand under no header; the others were used",
                row=number,
                sheet=sheet,
                value=" | ".join(strays)[:200],
                suggestion="give the column a header, or clear the cells",
            )
            table.issues.append(issue)
            yield Row(number, values, sheet, problems=(issue,))
        else:
            yield Row(number, values, sheet)


def cell_text(cell: Any) -> str:
    """Return the text of a typed cell: 5.0 is ``5``, a date ISO 8601, a truth value ``true`` or ``false``.

    Numbers get the 15 digits that Excel shows, so that 0.1 + 0.2 reads ``0.3``. One with a decimal sign is a
    `NumberText`: that sign is Python's, not the one of the column's text cells.
    """
    if isinstance(cell, str):
        return cell
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float):
        text = f"{cell:.15g}"
        return NumberText(text) if "." in text else text
    if isinstance(cell, dt.datetime):
        return cell.date().isoformat() if cell.time() == dt.time() else cell.isoformat(timespec="seconds")
    if isinstance(cell, (dt.date, dt.time)):
        return cell.isoformat()
    return str(cell)
