"""Error cells of a workbook (``#N/A``, ``#DIV/0!``), which calamine reads as empty ones.

An empty cell is dropped without a word; an error is not. So their texts are looked up in the sheet's XML
(ECMA-376 part 1, 18.3.1.4: a cell with ``t="e"``), by pattern: no XML parser, so no entities to expand.
"""

from __future__ import annotations

import html
import posixpath
import re
import zipfile
from pathlib import Path
from typing import IO

_TAG = re.compile(rb"<(?:\w+:)?(sheet|Relationship)\s([^>]*)>")
_ATTRIBUTE = re.compile(rb'([\w:]+)\s*=\s*"([^"]*)"')
_CELL = re.compile(rb'<(?:\w+:)?c\s([^>]*\bt="e"[^>]*)>(?:(?!</(?:\w+:)?c>).)*?<(?:\w+:)?v>([^<]*)<', re.DOTALL)
_PLACE = re.compile(r"([A-Z]{1,3})(\d+)")
_MARK = b't="e"'
_CHUNK = 1 << 20


def error_cells(path: Path, sheet: str) -> dict[tuple[int, int], str]:
    """Return the error cells of a sheet: (row, column) from 1 -> text.

    Parameters
    ----------
    path : Path
        A workbook that calamine could open; other formats than xlsx have none here.
    sheet : str
        Name of the sheet.
    """
    if not zipfile.is_zipfile(path):
        return {}
    with zipfile.ZipFile(path) as archive:
        part = _part(archive, sheet)
        if part is None:
            return {}
        with archive.open(part) as file:
            if not _has_errors(file):
                return {}
        return _cells(archive.read(part))


def _has_errors(file: IO[bytes]) -> bool:
    """Return whether the mark of an error cell occurs; reads in chunks, as most sheets have none."""
    end = b""
    while chunk := file.read(_CHUNK):
        if _MARK in end + chunk:
            return True
        end = chunk[-len(_MARK) :]
    return False


def _part(archive: zipfile.ZipFile, sheet: str) -> str | None:
    """Return the archive's name of a sheet, through the workbook's relationships."""
    names = set(archive.namelist())
    if not {"xl/workbook.xml", "xl/_rels/workbook.xml.rels"} <= names:
        return None
    targets = {entry["Id"]: entry["Target"] for entry in _entries(archive.read("xl/_rels/workbook.xml.rels"))}
    for entry in _entries(archive.read("xl/workbook.xml")):
        if entry.get("name") == sheet:
            target = targets.get(entry.get("r:id", ""), "")
            part = posixpath.normpath(posixpath.join("/xl", target)).lstrip("/")
            return part if part in names else None
    return None


def _entries(content: bytes) -> list[dict[str, str]]:
    return [
        {name.decode(): html.unescape(value.decode()) for name, value in _ATTRIBUTE.findall(attributes)}
        for _, attributes in _TAG.findall(content)
    ]


def _cells(content: bytes) -> dict[tuple[int, int], str]:
    found = {}
    for attributes, text in _CELL.findall(content):
        place = dict(_ATTRIBUTE.findall(attributes)).get(b"r", b"").decode()
        match = _PLACE.fullmatch(place)
        if match:
            found[int(match[2]), _column(match[1])] = html.unescape(text.decode())
    return found


def _column(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number
