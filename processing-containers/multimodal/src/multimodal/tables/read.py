"""The door of this room: a file and a source specification to tables."""

from __future__ import annotations

from functools import cache
from importlib.metadata import entry_points
from pathlib import Path

from multimodal.tables.errors import MissingFileError, TableError, UnknownSourceTypeError, WrongFormatError
from multimodal.tables.rows import SourceSpec, Table, TableSource

GROUP = "multimodal.tables"
# One cohort is often kept in both forms; which of the two a file is, its name says.
_INTERCHANGEABLE = ("csv", "xlsx")


def source_types() -> list[str]:
    """Return the names of all installed table sources."""
    return sorted(point.name for point in entry_points(group=GROUP))


@cache
def _source(type_: str) -> TableSource:
    found = entry_points(group=GROUP, name=type_)
    if not found:
        raise UnknownSourceTypeError(type_, source_types())
    source: TableSource = next(iter(found)).load()()
    return source


def read_tables(path: Path, source: SourceSpec) -> list[Table]:
    """Open a table file.

    Parameters
    ----------
    path : Path
        The file.
    source : SourceSpec
        How to read it. Where its type is ``csv`` or ``xlsx``, the file's name decides between these two.

    Returns
    -------
    list of Table
        One for CSV; one for each chosen sheet of a workbook.

    Raises
    ------
    TableError
        If the file is missing, empty, encrypted or not what its name says.
    UnknownSourceTypeError
        If no installed source has this type.
    """
    chosen = _source(source.type)
    if path.name.startswith("~$"):
        problem = f"is Excel's lock file: close the workbook, and give {path.name.removeprefix('~$')}"
        raise WrongFormatError(path, problem)
    if path.is_dir():
        raise MissingFileError(path, "is a folder; give the table file in it")
    if not path.is_file():
        where = "" if path == Path(path.name) else f" in {path.parent}"
        raise MissingFileError(path, f"no such file{where}")
    if source.type in _INTERCHANGEABLE:
        for type_ in _INTERCHANGEABLE:
            if path.suffix.lower() in _source(type_).suffixes:
                chosen = _source(type_)
    return chosen.read(path, source)


def read_table(path: Path, source: SourceSpec) -> Table:
    """Open a file that holds exactly one table; see `read_tables`."""
    tables = read_tables(path, source)
    if len(tables) != 1:
        names = ", ".join(table.sheet for table in tables)
        raise TableError(path, f"holds {len(tables)} tables ({names}); name one under `sheets`")
    return tables[0]
