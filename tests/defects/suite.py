"""The defect suite: clean tables and what can be wrong in them, as data.

Each ``*.yaml`` beside this file is one clean input with its mapping, and a list of entries. An entry describes one kind
of defect in one column; each item of its `put` is one defect. What is expected of it, beside a suggestion:

=========== =========================================================================================================
code        code of the line in errors.csv; its row, column, record and value are those of the defect
told        column of the line, where it is another one
value       value of the line, where it is another one
told_row    row of the line, where it is another one; 0 for none
record      record of the line, where it is another one than the row's
also        further lines: [row, column, value, code]
costs       how many resources of a type are missing then; without it, one Observation
changes     how many resources of a type say something else, or nothing of what was wrong
row         ``lost``: all resources of the row are missing, but a Patient that another row has too
alone       what is expected depends on other cells (a column's decimal sign, a row with the same key), so the defect
            is not tested together with others
=========== =========================================================================================================

All other resources must be the same, byte by byte. The ways to spoil a table: `put` replaces cells, `cut` takes cells
from the end of a row, `add` appends some, `insert` shifts a row to the right at a column, `remove` shifts it to the
left. In XML, `edit` replaces `find`, which stands once in the file, by `text`; the row is its line, or that of `at`.

Entries of `files` spoil the file as a whole; expected are the `error` (name of its class) and what it `says`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

FOLDER = Path(__file__).parent
WAYS = ("put", "cut", "add", "insert", "remove", "edit")
Line = tuple[int, str, str, str]
"""Row, column, value and code of a line in errors.csv."""


@dataclass(frozen=True, kw_only=True)
class Defect:
    """One defect, and the lines that it must give."""

    kind: str
    way: str
    row: int
    column: str
    text: Any
    code: str
    find: str = ""
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
    format : {"csv", "xlsx", "text"}
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
        Columns that make a value together with another one (its unit): a row has a defect in one of the two.
    """

    title: str
    format: str
    name: str
    mapping: str
    tables: Mapping[str, str]
    clean: Mapping[str, int]
    defects: Sequence[Defect]
    files: Sequence[FileDefect]
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
    lines = content["tables"].get("", "")
    content["defects"] = [defect for entry in content["defects"] for defect in _defects(dict(entry), lines)]
    content["files"] = [FileDefect(**entry) for entry in content.get("files", ())]
    return Suite(title=file.stem, **content)


def _defects(entry: dict[str, Any], file: str) -> Iterator[Defect]:
    (way,) = (way for way in WAYS if way in entry)
    spoilt = entry.pop(way)
    entry["row_lost"] = entry.pop("row", "") == "lost"
    entry["also"] = tuple((row, column, str(value), code) for row, column, value, code in entry.get("also", ()))
    if way == "edit":
        for edit in spoilt:
            assert file.count(edit["find"]) == 1, f"{edit['find']!r} must stand once in the file"
            row = file[: file.index(edit.pop("at", edit["find"]))].count("\n") + 1
            yield Defect(**{"row": row, "way": way, "column": "", **entry, **edit})
        return
    column = str(entry.pop("column", ""))
    yield from (Defect(way=way, row=row, column=column, text=text, **entry) for row, text in spoilt.items())


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
    return (one.sheet, one.row) == (other.sheet, other.row) and (len(columns) == 1 or "" in columns)


def _value(suite: Suite, defect: Defect) -> str:
    """Return the column that a defect spoils; empty where it is the row."""
    if defect.row_lost or defect.way not in ("put", "edit"):
        return ""
    return suite.one_value.get(defect.column, defect.column)
