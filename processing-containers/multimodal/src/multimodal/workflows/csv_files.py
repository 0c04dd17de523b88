"""CSV files for people's spreadsheets (RFC 4180, comma), written line by line."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from multimodal.model.issues import ERRORS_CSV_COLUMNS, Issue

# A spreadsheet takes a cell that begins like this for a formula and would run it; numbers are harmless.
_FORMULA = re.compile(r"[=+\-@\t\r]")
_NUMBER = re.compile(r"[+-]?[0-9]+([.,][0-9]+)?([eE][+-]?[0-9]+)?")


def harmless(value: Any) -> str:
    """Return the text of a cell, with ``'`` before what a spreadsheet would run as a formula."""
    text = "" if value is None else str(value)
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write a CSV file: UTF-8 with a byte order mark, by which Excel knows the encoding.

    Parameters
    ----------
    path : Path
        The file.
    columns : sequence of str
        Its header; a row that lacks one has an empty cell there.
    rows : iterable of mapping
        Column to value.
    """
    with path.open("w", encoding="utf-8-sig", errors="backslashreplace", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([harmless(name) for name in columns])
        writer.writerows([harmless(row.get(name)) for name in columns] for row in rows)


def issue_line(issue: Issue) -> dict[str, Any]:
    """Return an issue as a line of ``errors.csv``."""
    return {name: getattr(issue, name) for name in ERRORS_CSV_COLUMNS}
