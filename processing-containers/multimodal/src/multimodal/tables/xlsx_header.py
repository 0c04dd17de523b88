"""Where the header of a sheet stands, when nobody has said it: below a title, or in two rows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from multimodal.tables.xlsx_book import Book, LoadedBook, Sheet, StreamedBook
from multimodal.tables.xlsx_cells import record_texts

_MOST_ROWS = 10  # among which the header is looked for
_SEEN_BELOW = 30
_COVER = 0.85  # of the cells below stand under a name
_DISTINCT = 0.7
_TEXTUAL = 0.7
_LARGE = 20_000_000  # bytes of a file that is read row by row, for only its first rows are of interest
_NUMBER_OR_DATE = re.compile(r"[<>]?\s?[-+]?[\d.,:/\- T]*\d[\d.,:/\- T]*%?")

_Cells = dict[int, str]  # column, from 1 -> text; empty cells left out


@dataclass(frozen=True, slots=True)
class FoundHeader:
    """The header that a sheet seems to have.

    Parameters
    ----------
    rows : tuple of int
        Its rows, as a spreadsheet counts them.
    why : str
        What to tell a person of it; empty where it is the first row, as usual.
    doubt : str
        What a person has to decide; empty where it is certain enough.
    """

    rows: tuple[int, ...] = (1,)
    why: str = ""
    doubt: str = ""


def open_book(path: Path) -> Book:
    """Return a workbook of which only names and first rows are wanted."""
    large = path.suffix.lower() in {".xlsx", ".xlsm"} and path.stat().st_size > _LARGE
    return StreamedBook(path) if large else LoadedBook(path)


def find_header(sheet: Sheet) -> FoundHeader:
    """Return where the header of a sheet stands, judged by its first rows.

    It is the first of ten rows whose cells are mostly texts, different from each other, and as wide as what stands
    below. A row above it with groups of columns is a part of it.
    """
    rows, merged = _first_rows(sheet)
    for number in rows:
        if number > _MOST_ROWS:
            break
        below = [cells for other, cells in rows.items() if other > number]
        if number not in merged and _names_columns(rows[number], below):
            return _with_groups(number, rows, below)
    if not rows or _cover(rows.get(1, {}), [cells for number, cells in rows.items() if number > 1]) >= _COVER:
        return FoundHeader()
    return FoundHeader(doubt="the row with the names of the columns; none of the first ten looks like it")


def _first_rows(sheet: Sheet) -> tuple[dict[int, _Cells], set[int]]:
    """Return the rows that hold something, merged cells all with the text of their first; and those merged across."""
    texts = record_texts()
    found: dict[int, _Cells] = {}
    across: set[int] = set()
    for number, record in islice(sheet.records(), _MOST_ROWS + _SEEN_BELOW):
        found[number] = {column: " ".join(text.split()) for column, text in enumerate(texts(record), 1) if text.strip()}
    for (top, left), (bottom, right) in sheet.merged():
        text = found.get(top, {}).get(left)
        if text is None or top > _MOST_ROWS:
            continue
        rows = range(top, min(bottom, _MOST_ROWS) + 1)
        across.update(rows if right > left else ())
        for row in rows:
            found.setdefault(row, {}).update(dict.fromkeys(range(left, right + 1), text))
    return {number: cells for number, cells in sorted(found.items()) if cells}, across


def _names_columns(cells: _Cells, below: Sequence[_Cells]) -> bool:
    texts = list(cells.values())
    plain = sum(not _NUMBER_OR_DATE.fullmatch(text) for text in texts)
    return (
        len(set(texts)) >= _DISTINCT * len(texts) and plain >= _TEXTUAL * len(texts) and _cover(cells, below) >= _COVER
    )


def _cover(cells: _Cells, below: Sequence[_Cells]) -> float:
    """Return the share of the cells below that stand under one of `cells`."""
    total = sum(map(len, below))
    return sum(column in cells for other in below for column in other) / total if total else 1.0


def _with_groups(number: int, rows: dict[int, _Cells], below: Sequence[_Cells]) -> FoundHeader:
    above = rows.get(number - 1, {})
    if len(set(above.values())) > 1:
        why = f"row {number - 1} groups columns, row {number} names them; row {number} alone: header_row: {number}"
        return FoundHeader((number - 1, number), why)
    if _second_part(below):
        doubt = (
            f"row {number + 1} seems to belong to the header; [{number}, {number + 1}], or {number} and skip_rows: 1?"
        )
        return FoundHeader((number,), doubt=doubt)
    return FoundHeader(
        (number,), f"row {number} names the columns; what stands above is left out" if number > 1 else ""
    )


def _second_part(below: Sequence[_Cells]) -> bool:
    """Whether the first row below is all text in columns of numbers and dates: units, or labels."""
    if len(below) < 4 or any(_NUMBER_OR_DATE.fullmatch(text) for text in below[0].values()):
        return False
    columns = [[cells[column] for cells in below[1:] if column in cells] for column in below[0]]
    strange = sum(len(texts) > 2 and all(map(_NUMBER_OR_DATE.fullmatch, texts)) for texts in columns)
    return strange > 1
