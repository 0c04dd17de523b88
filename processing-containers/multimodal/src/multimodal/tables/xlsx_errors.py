"""Cells that calamine reads as empty and that are not: errors (``#N/A``), and formulas that nobody has calculated.

An empty cell is dropped without a word; these are not. So their texts are looked up in the sheet's XML (ECMA-376 part
1, 18.3.1.4: a cell with ``t="e"``; 18.3.1.40: a formula).
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from multimodal.tables.xlsx_parts import attributes, chunks, place_of, sheet_part, text_of

# Few and short, since a whole sheet is searched for each; `:f` is a formula where the XML has name space prefixes.
_MARKS = {b't="e"': "errors", b"<f": "formulas", b":f": "formulas"}
_VALUE = re.compile(rb"<(?:\w+:)?v>([^<]*)<")
_ROW_OR_CELL = re.compile(rb"<(?:\w+:)?(row|c)(?=[\s/>])([^<>]*)")
_CELL_END = re.compile(rb"</(?:\w+:)?c>")
# A formula directly before the end of its cell, or before an empty value: `t` says if the empty text is its result.
_BARE_FORMULA = re.compile(
    rb"<(?:\w+:)?c(?=[\s>])([^<>]*)><(?:\w+:)?f(?:\s[^<>]*?)?(?:/>|>([^<]*)</(?:\w+:)?f>)"
    rb"\s*(?:<(?:\w+:)?v\s*/>|<(?:\w+:)?v>\s*</(?:\w+:)?v>)?\s*</(?:\w+:)?c>"
)


def error_cells(path: Path, sheet: str) -> dict[tuple[int, int], str]:
    """Return the cells of a sheet that only look empty: (row, column) from 1 -> text.

    Parameters
    ----------
    path : Path
        A workbook that calamine could open; other formats than xlsx have none here.
    sheet : str
        Name of the sheet.

    Returns
    -------
    dict
        The text of an error; of a formula without a stored result, the formula after ``=``.
    """
    if not zipfile.is_zipfile(path):
        return {}
    with zipfile.ZipFile(path) as archive:
        part = sheet_part(archive, sheet)
        if part is None:
            return {}
        # Most sheets have neither: the whole part is held only where there is something to find.
        marked = {what for text in chunks(archive, part) for mark, what in _MARKS.items() if mark in text}
        content = archive.read(part) if marked else b""
    texts = dict(_errors(content)) if "errors" in marked else {}
    if "formulas" in marked:
        texts.update(_formulas(content))
    return _placed(content, texts)


def _errors(content: bytes) -> Iterator[tuple[int, str]]:
    """Yield where the tag of each error cell begins, and its text."""
    position = content.find(b't="e"')
    while position >= 0:
        closed = _CELL_END.search(content, position)
        value = _VALUE.search(content, position, closed.start() if closed else len(content))
        if value:
            yield content.rfind(b"<", 0, position), text_of(value[1])
        position = content.find(b't="e"', position + 1)


def _formulas(content: bytes) -> Iterator[tuple[int, str]]:
    """Yield where the tag of each cell with a formula and no result begins, and the formula."""
    for match in _BARE_FORMULA.finditer(content):
        if attributes(match[1]).get("t", "n") == "n":
            yield match.start(), "=" + text_of(match[2] or b"")


def _placed(content: bytes, texts: Mapping[int, str]) -> dict[tuple[int, int], str]:
    """Return texts by row and column. A cell may leave out where it stands: then it follows the one before it."""
    found = {}
    for start, text in texts.items():
        place = place_of(attributes(content[start : content.index(b">", start)]).get("r", ""))
        if place is None:
            places = _counted(content)
            return {places[begin]: text for begin, text in texts.items() if begin in places}
        found[place] = text
    return found


def _counted(content: bytes) -> dict[int, tuple[int, int]]:
    """Return row and column of all cells by where their tag begins."""
    places = {}
    row = column = 0
    for match in _ROW_OR_CELL.finditer(content):
        reference = attributes(match[2]).get("r", "")
        if match[1] == b"row":
            row, column = int(reference) if reference.isdigit() else row + 1, 0
        else:
            row, column = places[match.start()] = place_of(reference) or (row, column + 1)
    return places
