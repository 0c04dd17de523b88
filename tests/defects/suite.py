"""The defect suite: clean tables and what can be wrong in them, as data.

Each ``*.yaml`` beside this file is one clean input with its mapping, and a list of entries. An entry describes one kind
of defect in one column; each item of its `put` is one defect. What is expected of it, beside a suggestion:

=========== =========================================================================================================
code        code of the line in errors.csv; its row, column, record and value are those of the defect
told        column of the line, where it is another one
value       value of the line, where it is another one
told_row    row of the line, where it is another one; 0 for none
record      record of the line, where it is another one than the row's
also        further lines: [row, column, value, code], and the sheet where it is another one
costs       how many resources of a type are missing then; without it, one Observation
changes     how many resources of a type say something else, or nothing of what was wrong
row         ``lost``: all resources of the row are missing, but a Patient that another row has too
alone       what is expected depends on other cells (a column's decimal sign, a row with the same key), so the defect
            is not tested together with others
=========== =========================================================================================================

All other resources must be the same, byte by byte. The ways to spoil a table: `put` replaces cells, `cut` takes cells
from the end of a row, `add` appends some, `insert` shifts a row to the right at a column, `remove` shifts it to the
left. In XML, `put` names in place of a row the SubjectKey below which the first value of the item is replaced, and
`edit` replaces `find`, which stands once in the file, by `text`; the row is its line, or that of the text `at`.

Entries of `fine` look like defects and are none: no line, and no resource is missing.

Entries of `files` spoil the file as a whole; expected are the `error` (name of its class) and what it `says`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

FOLDER = Path(__file__).parent
WAYS = ("put", "cut", "add", "insert", "remove", "edit")
Line = tuple[int, str, str, str, str]
"""Row, column, value, code and sheet of a line in errors.csv."""


@dataclass(frozen=True, kw_only=True)
class Defect:
    """One defect, and the lines that it must give."""

    kind: str
    way: str
    row: int
    column: str
    text: Any
    code: str
    span: tuple[int, int] = (0, 0)
    sheet: str = ""
    told: str = ""
    value: str | None = None
    record: str | None = None
    told_row: int | None = None
    also: tuple[Line, ...] = ()
    costs: Mapping[str, int] = field(default_factory=lambda: {"Observation": 1})
    changes: Mapping[str, int] = field(default_factory=dict)
    row_lost: bool = False
    alone: bool = False

    def __str__(self) -> str:
        """Return its name in the list of tests."""
        return f"{self.kind}-{self.sheet}{self.row}-{self.column or self.way}-{self.text}".encode(
            "ascii", "backslashreplace"
        ).decode()[:60]


@dataclass(frozen=True, kw_only=True)
class FileDefect:
    """A file that is refused as a whole."""

    kind: str
    how: Mapping[str, Any]
    error: str
    says: str

    def __str__(self) -> str:
        """Return its name in the list of tests."""
        return f"{self.kind}-{'-'.join(self.how)}"


@dataclass(frozen=True, kw_only=True)
class Suite:
    """A clean input, and its defects.

    Parameters
    ----------
    title : str
        Name of its file.
    format : {"csv", "xlsx", "xml"}
        How the tables are written.
    name : str
        Name of the file that is spoilt.
    mapping : str
        Its mapping file.
    tables : mapping of str to str
        For csv the table under the name ``""``, for xlsx each sheet, as CSV; for text the file itself.
    beside : mapping of str to str
        Further files of the import.
    clean : mapping of str to int
        Resources of each type that the clean file gives.
    key : sequence of str
        Columns whose values, joined by `` / ``, are the record of a row.
    merge : mapping of str to sequence of str
        Cells of a sheet that are merged.
    columns : mapping of str to sequence of str
        Names of the columns of a sheet where its first row does not hold them.
    one_value : mapping of str to str
        Columns that make a value together with another one (its unit), or with all others of the row (``""``): two
        defects of one value are not tested together.
    """

    title: str
    format: str
    name: str
    mapping: str
    tables: Mapping[str, str]
    clean: Mapping[str, int]
    defects: Sequence[Defect]
    files: Sequence[FileDefect]
    fine: Sequence[Defect] = ()
    beside: Mapping[str, str] = field(default_factory=dict)
    key: Mapping[str, Sequence[str]] = field(default_factory=dict)
    merge: Mapping[str, Sequence[str]] = field(default_factory=dict)
    columns: Mapping[str, Sequence[str]] = field(default_factory=dict)
    one_value: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        """Return its name in the list of tests."""
        return self.title


def suites() -> list[Suite]:
    """Return all suites."""
    return [_suite(file) for file in sorted(FOLDER.glob("*.yaml"))]


def _suite(file: Path) -> Suite:
    content = YAML(typ="safe").load(file.read_text(encoding="utf-8"))
    if "table" in content:
        content["tables"] = {"": content.pop("table")}
    if isinstance(content.get("key"), list):
        content["key"] = {"": content["key"]}
    of_entry = partial(_edits, content["tables"][""]) if content["format"] == "xml" else _puts
    content["defects"] = [defect for entry in content["defects"] for defect in of_entry(_entry(entry))]
    fine = ({"kind": "fine", "code": "", **entry} for entry in content.get("fine", ()))
    content["fine"] = [defect for entry in fine for defect in of_entry(_entry(entry))]
    content["files"] = [FileDefect(**entry) for entry in content.get("files", ())]
    return Suite(title=file.stem, **content)


def _entry(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return an entry as the arguments of `Defect`, apart from what is spoilt."""
    named = dict(entry)
    (named["way"],) = (way for way in WAYS if way in entry)
    named["row_lost"] = named.pop("row", "") == "lost"
    named["also"] = tuple(_line(line, named.get("sheet", "")) for line in named.get("also", ()))
    return named


def _line(line: Sequence[Any], sheet: str) -> Line:
    row, column, value, code, *other = line
    return row, column, str(value), code, other[0] if other else sheet


def _puts(entry: dict[str, Any]) -> Iterator[Defect]:
    column = str(entry.pop("column", ""))
    for row, text in entry.pop(entry["way"]).items():
        yield Defect(row=row, column=column, text=text, **entry)


def _edits(file: str, entry: dict[str, Any]) -> Iterator[Defect]:
    spoilt = entry.pop(entry["way"])
    column = str(entry.pop("column", ""))
    if entry["way"] == "put":
        for subject, text in spoilt.items():
            below = file.index(f'SubjectKey="{subject}"')
            cell = re.compile(rf'ItemOID="{re.escape(column)}" Value="([^"]*)"').search(file, below)
            assert cell, f"{subject} has no {column}"
            yield _edit(file, cell.span(1), {"column": column, "text": str(text), **entry})
        return
    for edit in spoilt:
        find = edit["find"]
        assert file.count(find) == 1, f"{find!r} must stand once in the file"
        start = file.index(find)
        yield _edit(file, (start, start + len(find)), {"column": column, **entry, **edit})


def _edit(file: str, span: tuple[int, int], entry: dict[str, Any]) -> Defect:
    entry.pop("find", "")
    told = file.index(entry.pop("at")) if "at" in entry else span[0]
    subjects = re.findall('SubjectKey="([^"]*)"', file[: span[1]])
    entry.setdefault("record", subjects[-1] if subjects else "")
    return Defect(row=file[:told].count("\n") + 1, span=span, **entry)


def batches(suite: Suite) -> list[list[Defect]]:
    """Return all defects in as few groups as possible whose members do not touch each other."""
    groups: list[list[Defect]] = []
    alone = [[defect] for defect in suite.defects if defect.alone]
    for defect in suite.defects:
        if not defect.alone:
            free = (group for group in groups if not any(_touch(suite, defect, other) for other in group))
            group = next(free, None)
            if group is None:
                groups.append(group := [])
            group.append(defect)
    return groups + alone


def _touch(suite: Suite, one: Defect, other: Defect) -> bool:
    columns = {_value(suite, defect) for defect in (one, other)}
    if suite.format == "xml":
        return one.row == other.row or (one.record == other.record and "" in columns)
    return one.row == other.row and _table(suite, one) == _table(suite, other) and (len(columns) == 1 or "" in columns)


def _table(suite: Suite, defect: Defect) -> str:
    return defect.sheet if defect.sheet in suite.tables else ""


def _value(suite: Suite, defect: Defect) -> str:
    """Return the column that a defect spoils; empty where it is the row."""
    if defect.row_lost or defect.way not in ("put", "edit"):
        return ""
    return suite.one_value.get(defect.column, defect.column)
