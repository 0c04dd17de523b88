"""CSV files for people's spreadsheets (RFC 4180, comma), written line by line."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Sequence
from operator import attrgetter
from pathlib import Path
from typing import Any

from multimodal.model.issues import ERRORS_CSV_COLUMNS

# A spreadsheet takes a cell that begins like this for a formula and would run it; numbers are harmless.
_FORMULA = frozenset("=+-@\t\r")
_NUMBER = re.compile(r"[+-]?[0-9]+([.,][0-9]+)?([eE][+-]?[0-9]+)?")


def harmless(value: Any) -> str:
    """Return the text of a cell, with ``'`` before what a spreadsheet would run as a formula."""
    text = "" if value is None else str(value)
    return f"'{text}" if text[:1] in _FORMULA and not _NUMBER.fullmatch(text) else text


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a CSV file: UTF-8 with a byte order mark, by which Excel knows the encoding.

    Parameters
    ----------
    path : Path
        The file.
    columns : sequence of str
        Its header.
    rows : iterable of sequence
        The values of each line, in the order of the columns.
    """
    with path.open("w", encoding="utf-8-sig", errors="backslashreplace", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([harmless(name) for name in columns])
        # Said twice for speed: there may be millions of cells, and nearly none looks like a formula.
        writer.writerows(
            [cell if cell.__class__ is str and cell[:1] not in _FORMULA else harmless(cell) for cell in row]
            for row in rows
        )


issue_line = attrgetter(*ERRORS_CSV_COLUMNS)
"""The values of an issue as they stand in a line of ``errors.csv``."""
