"""What calamine does not tell of a workbook, from the parts of its ZIP archive (ECMA-376 part 1, clause 18).

Parts are searched by pattern: no XML parser, so no entities to expand.
"""

from __future__ import annotations

import html
import posixpath
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

_TAG = re.compile(rb"<(?:\w+:)?(sheet|Relationship)\s([^>]*)>")
_ATTRIBUTE = re.compile(rb"""([\w:]+)\s*=\s*(?:"([^"]*)"|'([^']*)')""")
_PLACE = re.compile(r"([A-Z]{1,3})(\d+)")
_MERGED = re.compile(rb'<(?:\w+:)?mergeCell\s[^>]*?ref="([A-Z]+\d+):([A-Z]+\d+)"')
_HIDDEN = re.compile(
    rb"""<(?:\w+:)?row\s(?=[^>]*\shidden=["'](?:1|true)["'])[^>]*?\br=["'](\d+)["'][^>]*>\s*<(?:\w+:)?c\s"""
)
_CHUNK = 1 << 20
# Longer than any of the marks and tags that are searched for across the borders of chunks.
_OVERLAP = 256

Range = tuple[tuple[int, int], tuple[int, int]]
"""First and last (row, column) of merged cells, counted from 1."""


def sheet_part(archive: zipfile.ZipFile, sheet: str) -> str | None:
    """Return the archive's name of a sheet, through the workbook's relationships; None where there is none."""
    names = set(archive.namelist())
    if not {"xl/workbook.xml", "xl/_rels/workbook.xml.rels"} <= names:
        return None
    relations = _entries(archive.read("xl/_rels/workbook.xml.rels"))
    targets = {entry.get("Id"): entry.get("Target", "") for entry in relations}
    for entry in _entries(archive.read("xl/workbook.xml")):
        if entry.get("name") == sheet:
            target = targets.get(entry.get("r:id")) or ""
            part = posixpath.normpath(posixpath.join("/xl", target)).lstrip("/")
            return part if part in names else None
    return None


def sheet_sizes(path: Path, sheets: list[str]) -> tuple[int, int]:
    """Return the bytes of XML of the largest of the `sheets`, and of the texts that all sheets share.

    Both are 0 for a workbook that is no ZIP archive of XML (``.xls``, ``.xlsb``, ``.ods``).
    """
    if not zipfile.is_zipfile(path):
        return 0, 0
    with zipfile.ZipFile(path) as archive:
        parts = {sheet_part(archive, sheet) for sheet in sheets}
        largest = max((archive.getinfo(part).file_size for part in parts if part and part.endswith(".xml")), default=0)
        shared = [info.file_size for info in archive.infolist() if info.filename.endswith("/sharedStrings.xml")]
    return largest, sum(shared)


def declares_entities(path: Path) -> str:
    """Return the name of the first part with a document type, which no spreadsheet program writes; else empty."""
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if name.endswith((".xml", ".rels")) and any(b"<!DOCTYPE" in text for text in chunks(archive, name)):
                return name
    return ""


def merged_cells(path: Path, sheet: str) -> list[Range]:
    """Return the merged cells of a sheet, found without reading it into memory."""
    with zipfile.ZipFile(path) as archive:
        part = sheet_part(archive, sheet)
        found = {match.groups() for text in chunks(archive, part) for match in _MERGED.finditer(text)} if part else ()
    return sorted((_placed(first), _placed(last)) for first, last in found)


def hidden_rows(path: Path, sheet: str) -> list[int]:
    """Return the rows with cells that a spreadsheet program does not show: a filter hid them, or a person."""
    with zipfile.ZipFile(path) as archive:
        part = sheet_part(archive, sheet)
        texts = (text for text in chunks(archive, part) if b" hidden=" in text) if part else ()
        return sorted({int(match[1]) for text in texts for match in _HIDDEN.finditer(text)})


def chunks(archive: zipfile.ZipFile, part: str) -> Iterator[bytes]:
    """Yield a part in pieces that overlap, so that a short pattern on their border is seen."""
    end = b""
    with archive.open(part) as file:
        while piece := file.read(_CHUNK):
            yield end + piece
            end = piece[-_OVERLAP:]


def attributes(text: bytes) -> dict[str, str]:
    """Return the attributes of a tag."""
    found = _ATTRIBUTE.findall(text)
    return {name.decode(): text_of(double or single) for name, double, single in found}


def text_of(content: bytes) -> str:
    """Return the text that XML writes as `content`."""
    return html.unescape(content.decode("utf-8", "replace"))


def place_of(reference: str) -> tuple[int, int] | None:
    """Return row and column, from 1, of a cell reference such as ``AB12``."""
    match = _PLACE.fullmatch(reference)
    return (int(match[2]), _column(match[1])) if match else None


def column_letters(number: int) -> str:
    """Return the letters that a spreadsheet shows above a column, counted from 1."""
    letters = ""
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters


def _entries(content: bytes) -> list[dict[str, str]]:
    return [attributes(text) for _, text in _TAG.findall(content)]


def _placed(reference: bytes) -> tuple[int, int]:
    return place_of(reference.decode()) or (0, 0)


def _column(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number
