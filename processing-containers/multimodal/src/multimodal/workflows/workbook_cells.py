"""Cells of the checked workbooks: text that stays text, colours, notes, and the sheet that lists them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any

from openpyxl.cell.cell import MergedCell
from openpyxl.comments import Comment
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.hyperlink import Hyperlink

from multimodal.workflows.findings import Finding, State

LIST_SHEET = "What did not come through"
AUTHOR = "kaapana-multimodal"
REFUSED = PatternFill("solid", start_color="FFF6B3AE", end_color="FFF6B3AE")
ACCEPTED = PatternFill("solid", start_color="FFE3E3E3", end_color="FFE3E3E3")
_HEADER = PatternFill("solid", start_color="FFDDE3EA", end_color="FFDDE3EA")
_LONGEST_CELL = 32_767  # of Excel
_LONGEST_NOTE = 2_000
_FORBIDDEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_FORMULA = re.compile(r"[=+\-@\t\r]")
_TOP = Alignment(vertical="top", wrap_text=True)
_COLUMNS = {"where": 14, "sheet": 14, "row": 8, "record": 16, "column": 22, "value": 22, "code": 8,
            "what is wrong": 60, "what to do": 50, "state": 24}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Listed:
    """A line of the list: a finding, and the cell of this workbook that it is about.

    Parameters
    ----------
    finding : Finding
        The finding.
    sheet : str
        Sheet of this workbook; empty where it is about no cell of it.
    cell : str
        The cell, e.g. ``B7``.
    """

    finding: Finding
    sheet: str = ""
    cell: str = ""


def shown(text: str) -> str:
    """Return a text as a cell can hold it: what XML forbids is written out, and Excel's limit of length is kept."""
    if text.isascii() and text.isprintable():
        return text[:_LONGEST_CELL]
    plain = _FORBIDDEN.sub(lambda found: f"\\x{ord(found[0]):02x}", text)
    return plain.encode("utf-8", "backslashreplace").decode()[:_LONGEST_CELL]


def begins_formula(text: str) -> bool:
    """Return whether a spreadsheet would take the text for a formula as soon as somebody edits its cell."""
    return _FORMULA.match(text) is not None


def put_text(cell: Any, text: str) -> None:
    """Write `text` into a cell as text, whatever it begins with: no formula of a table is run by its reader."""
    cell.value = shown(text)
    cell.data_type = "s"
    if begins_formula(text):
        cell.quotePrefix = True


def put(cell: Any, value: Any) -> None:
    """Write a value: texts as text, numbers, dates and truth values as they are."""
    if isinstance(value, str):
        put_text(cell, value)
    elif value is not None:
        cell.value = value


def mark(sheet: Any, row: int, column: int, finding: Finding) -> str:
    """Colour a cell and note the finding on it; return the cell, e.g. ``B7``.

    A cell below merged ones is that of their upper left corner, the only one that can hold anything.
    """
    cell = sheet.cell(row, column)
    if isinstance(cell, MergedCell):
        spans = (span for span in sheet.merged_cells.ranges if cell.coordinate in span)
        cell = next((sheet.cell(span.min_row, span.min_col) for span in spans), cell)
    cell._style = copy(cell._style)  # may be shared by all cells of the sheet
    ours = cell.comment is not None and cell.comment.author == AUTHOR
    if finding.state is not State.ACCEPTED or not ours:
        cell.fill = ACCEPTED if finding.state is State.ACCEPTED else REFUSED
    said = f"{cell.comment.text}\n\n{_note(finding)}" if cell.comment is not None else _note(finding)
    author = AUTHOR if cell.comment is None or ours else cell.comment.author
    lines = sum(1 + len(line) // 48 for line in said.split("\n"))
    cell.comment = Comment(said[:_LONGEST_NOTE], author, height=24 + 18 * min(lines, 30), width=330)
    return str(cell.coordinate)


def _note(finding: Finding) -> str:
    issue = finding.issue
    parts = [f"{issue.code}: {issue.message}", issue.suggestion]
    if finding.state is State.ACCEPTED:
        parts = [parts[0], _state(finding)]
    text = "\n".join(part for part in parts if part).encode("utf-8", "replace").decode()
    return "".join(_FORBIDDEN.split(text))


def _state(finding: Finding) -> str:
    if finding.state is State.ACCEPTED:
        return f"accepted by {finding.who}: {finding.why}"
    return "new" if finding.state is State.NEW else f"since {finding.since}"


def list_sheet(workbook: Any, lead: Sequence[str], listed: Iterable[Listed]) -> None:
    """Put the sheet with all findings before the others, each with a link to its cell.

    Parameters
    ----------
    workbook : Workbook
        The workbook.
    lead : sequence of str
        What stands above the list.
    listed : iterable of Listed
        The findings.
    """
    for old in [sheet for sheet in workbook.worksheets if sheet.title == LIST_SHEET]:
        workbook.remove(old)  # of a checked workbook that was taken for the source
    sheet = workbook.create_sheet(LIST_SHEET, 0)
    for other in workbook.worksheets:
        other.sheet_view.tabSelected = False  # sheets selected together are edited together
    workbook.active = 0
    for number, text in enumerate(lead, start=1):
        put_text(sheet.cell(number, 1), text)
    sheet.cell(1, 1).font = Font(bold=True, size=14)
    head = len(lead) + 2
    for column, (name, width) in enumerate(_COLUMNS.items(), start=1):
        style_header(sheet.cell(head, column), name)
        sheet.column_dimensions[get_column_letter(column)].width = width
    last = head
    for last, line in enumerate(listed, start=head + 1):
        _line(sheet, last, line)
    sheet.freeze_panes = sheet.cell(head + 1, 1)
    sheet.auto_filter.ref = f"A{head}:{get_column_letter(len(_COLUMNS))}{last}"


def style_header(cell: Any, name: str) -> None:
    """Write the name of a column."""
    put_text(cell, name)
    cell.font = Font(bold=True)
    cell.fill = _HEADER


def _line(sheet: Any, row: int, line: Listed) -> None:
    issue = line.finding.issue
    texts = [line.cell, issue.sheet, "", issue.record, issue.column, issue.value, issue.code, issue.message,
             issue.suggestion, _state(line.finding)]  # fmt: skip
    for column, text in enumerate(texts, start=1):
        cell = sheet.cell(row, column)
        put_text(cell, text)
        cell.alignment = _TOP
    if issue.row is not None:
        sheet.cell(row, 3).value = issue.row
    if line.cell:
        link = sheet.cell(row, 1)
        name = line.sheet.replace("'", "''")
        link.hyperlink = Hyperlink(ref=link.coordinate, location=f"'{name}'!{line.cell}")
        link.font = Font(color="FF1155CC", underline="single")
