"""Cells that calamine reads as empty and that are not: errors (``#N/A``), and formulas that nobody has calculated.

An empty cell is dropped without a word; these are not. So their texts are looked up in the sheet's XML (ECMA-376 part
1, 18.3.1.4: a cell with ``t="e"``; 18.3.1.40: a formula).
"""

from __future__ import annotations

import html
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

from multimodal.tables.xlsx_parts import attributes, chunks, place_of, sheet_part

# Few and short, since a whole sheet is searched for each; `:f` is a formula where the XML has name space prefixes.
_MARKS = {b't="e"': "errors", b"<f": "formulas", b":f": "formulas"}
_VALUE = re.compile(rb"<(?:\w+:)?v>([^<]*)<")
_CELL_END = re.compile(rb"</(?:\w+:)?c>")
# A formula directly before the end of its cell, or before an empty value: `t` says if the empty text is its result.
_BARE_FORMULA = re.compile(
    rb"<(?:\w+:)?c\s([^<>]*)><(?:\w+:)?f(?:\s[^<>]*?)?(?:/>|>([^<]*)</(?:\w+:)?f>)"
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
    found = dict(_errors(content)) if "errors" in marked else {}
    if "formulas" in marked:
        found.update(_formulas(content))
    return found


def _errors(content: bytes) -> Iterator[tuple[tuple[int, int], str]]:
    position = content.find(b't="e"')
    while position >= 0:
        start, end = content.rfind(b"<", 0, position) + 1, content.find(b">", position)
        closed = _CELL_END.search(content, end)
        value = _VALUE.search(content, end, closed.start() if closed else len(content))
        place = place_of(attributes(content[start:end]).get("r", ""))
        if place and value:
            yield place, html.unescape(value[1].decode())
        position = content.find(b't="e"', position + 1)


def _formulas(content: bytes) -> Iterator[tuple[tuple[int, int], str]]:
    for tag, formula in _BARE_FORMULA.findall(content):
        told = attributes(tag)
        place = place_of(told.get("r", ""))
        if place and told.get("t", "n") == "n":
            yield place, "=" + html.unescape(formula.decode())
