"""The words of this room: what to read, and the rows that come out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol

from multimodal.model.issues import Issue
from multimodal.tables.dictionary import Dictionary


@dataclass(frozen=True, slots=True)
class LongLayout:
    """A sheet with one value in each row: the columns that hold its name, the value, and the unit if there is one."""

    name: str
    value: str
    unit: str = ""


@dataclass(frozen=True, slots=True)
class SheetSpec:
    """How one sheet is laid out.

    Parameters
    ----------
    header_row : int or tuple of int
        The row, counted from 1, that holds the header; several rows together form the names of columns below merged
        cells.
    skip_rows : int
        Rows between the header and the first row of values, e.g. with units or labels.
    long : LongLayout, optional
        Where each row holds one value and says which.
    """

    header_row: int | tuple[int, ...] = 1
    skip_rows: int = 0
    long: LongLayout | None = None


@dataclass(frozen=True, slots=True)
class SourceSpec:
    """How a table is to be read.

    Parameters
    ----------
    type : str
        Name of the entry point in the group ``multimodal.tables``, e.g. ``csv``.
    encoding, delimiter : str
        ``auto`` finds them in the file and reports what was found.
    sheets : mapping of str to SheetSpec
        Which sheets of a workbook to read; empty means its only visible sheet.
    forms : tuple of str
        Forms of the mapping. A source that knows forms (REDCap instruments, ODM item groups) gives one table for each
        form of the file, named or not; without any, a single table with all columns.
    dictionary : Path, optional
        The file that describes the columns (REDCap data dictionary, IDC ``clinical_index``).
    labels : bool
        Whether the values are labels in place of codes (REDCap label export).
    options : mapping of str to str
        What only one type of source understands, e.g. ``collection`` and ``table`` of ``idc``.
    """

    type: str = "csv"
    encoding: str = "auto"
    delimiter: str = "auto"
    sheets: Mapping[str, SheetSpec] = field(default_factory=dict)
    forms: tuple[str, ...] = ()
    dictionary: Path | None = None
    labels: bool = False
    options: Mapping[str, str] = field(default_factory=dict)


class NumberText(str):
    """The text of a cell that is a number in its file: its decimal sign is ``.``, whatever the column declares.

    Only a workbook has such cells; all that a CSV file holds is text. `strip` returns the text itself, since the one of
    `str` would forget the type.
    """

    __slots__ = ()

    def strip(self, chars: str | None = None, /) -> NumberText:
        """Return the text itself: a number has no blanks around it."""
        return self


class Place(NamedTuple):
    """Where the text of a cell stands in its file: the row (of XML: the line), and the column under its own name."""

    row: int
    column: str


class Row(NamedTuple):
    """One row of a table.

    Parameters
    ----------
    number : int
        As a spreadsheet shows it; a header in the first row has number 1.
    values : mapping of str to str
        Header to the text a person sees; an empty cell is ``""``.
    sheet, record, event, instance : str
        Where the row belongs in its source.
    key : tuple of str
        What identifies the row within its form, where the source itself knows it (REDCap: record, event, repeating
        instrument, instance; ODM: subject and repeat keys). Empty: the mapping's key columns.
    visit : tuple of str
        What identifies the visit (REDCap event, ODM study event) in which the row was recorded; empty where the
        source knows none.
    status : str
        Of the form: ``""`` (unknown), ``incomplete``, ``unverified`` or ``complete``.
    removed : bool
        The source says that the row was deleted (ODM ``TransactionType="Remove"``).
    places : mapping of str to Place
        Header to the place of its cell, where that is not simply this row and the column of that name.
    problems : tuple of Issue
        What is wrong with the row as a whole.
    usable : bool
        False where the cells cannot be told apart: nothing is made of `values` then, they are only shown to people.
    """

    number: int
    values: Mapping[str, str]
    sheet: str = ""
    record: str = ""
    event: str = ""
    instance: str = ""
    problems: tuple[Issue, ...] = ()
    usable: bool = True
    key: tuple[str, ...] = ()
    visit: tuple[str, ...] = ()
    status: str = ""
    removed: bool = False
    places: Mapping[str, Place] = {}


@dataclass(slots=True)
class Table:
    """One table of a file: a CSV file has one, a workbook one for each sheet.

    Parameters
    ----------
    file : Path
        Where it comes from.
    headers : tuple of str
        Column names, blanks around them removed.
    rows : iterator of Row
        Read once, in the order of the file.
    sheet : str
        Name of the sheet or form, empty for CSV.
    found : mapping of str to str
        What the reader found out, e.g. encoding and delimiter; for the report.
    notes : list of str
        What a person should know, one line each.
    issues : list of Issue
        Problems of rows; grows while `rows` is read.
    given : frozenset of str
        Headers that the source adds by itself (e.g. ``SubjectKey``): a mapping may use them and need not name them.
    dictionary : Dictionary
        What the source knows of its columns.
    """

    file: Path
    headers: tuple[str, ...]
    rows: Iterator[Row]
    sheet: str = ""
    found: Mapping[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    issues: list[Issue] = field(default_factory=list)
    given: frozenset[str] = frozenset()
    dictionary: Dictionary = field(default_factory=Dictionary)


class TableSource(Protocol):
    """Reads one type of table file; found by the entry point group ``multimodal.tables``."""

    suffixes: tuple[str, ...]
    """File name endings, lower case, that say a file is of this type."""

    def read(self, path: Path, source: SourceSpec) -> list[Table]:
        """Open `path` and return its tables.

        Raises
        ------
        TableError
            If the file as a whole cannot be read.
        """


def clean_headers(names: list[str]) -> tuple[str, ...]:
    """Return header names without blanks around them and without empty names at the end."""
    headers = [" ".join(name.split()) if "\n" in name else name.strip() for name in names]
    while headers and not headers[-1]:
        headers.pop()
    return tuple(headers)


def header_problem(headers: tuple[str, ...], row: int) -> str | None:
    """Return what makes `headers` unusable, or None."""
    seen: dict[str, int] = {}
    for position, name in enumerate(headers, start=1):
        if not name:
            return f"column {position} of the header (row {row}) has no name; name it or remove the column"
        if name in seen:
            return f"the header {name!r} stands in columns {seen[name]} and {position}; rename one of them"
        seen[name] = position
    return None
