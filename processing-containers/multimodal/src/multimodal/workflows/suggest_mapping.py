"""A draft mapping for tables that have none."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from multimodal.drafting import Draft, draft_tables, draft_yaml
from multimodal.drafting.words import fold
from multimodal.model.errors import ConfigurationError
from multimodal.tables.errors import EmptyTableError, HeaderError
from multimodal.tables.read import read_tables, source_types
from multimodal.tables.redcap_fields import REQUIRED, column_names
from multimodal.tables.rows import SheetSpec, SourceSpec, Table
from multimodal.tables.xlsx_header import FoundHeader, find_header, open_book
from multimodal.tables.xlsx_source import XlsxSource

_REDCAP = b"projectredcap.org"
_HEAD = 4096
_IDC_INDEX = ("collection_id", "table_name", "column")


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A draft: as data and as the text of its YAML file; and the dictionary that described the columns."""

    draft: Draft
    text: str
    dictionary: Path | None = None


def suggest_mapping(
    files: Sequence[Path],
    *,
    dictionary: Path | None = None,
    sheets: Sequence[str] = (),
    source_type: str = "",
    id_: str = "",
    system: str = "",
    header_row: tuple[int, ...] = (),
) -> Suggestion:
    """Propose a mapping for `files`.

    Parameters
    ----------
    files : sequence of Path
        Tables of one study; a REDCap data dictionary among them is taken as such.
    dictionary : Path, optional
        What describes their columns, where it is not among the files.
    sheets : sequence of str
        Sheets of a workbook; all of them where it has several.
    source_type : str
        Of the section ``source``; found by the files where empty.
    id_ : str
        Id of the mapping; by default from the name of the first file.
    system : str
        Identifier system of the patients.
    header_row : tuple of int
        Row or rows of the names of the columns, in all sheets; found by their first rows where empty.

    Raises
    ------
    DataRefusedError
        If a file cannot be read.
    """
    dictionary = dictionary or next(filter(is_dictionary, files), None)
    files = [file for file in files if file != dictionary]
    if not files:
        raise ConfigurationError("give at least one table; a data dictionary alone has no rows")
    type_ = source_type or _type_of(files[0], dictionary)
    if type_ not in source_types():
        raise ConfigurationError(f"no source of type {type_!r}; there are: {', '.join(source_types())}")
    if header_row and type_ != "xlsx":
        raise ConfigurationError(f"a header row can be chosen in workbooks; {files[0].name} is of type {type_}")
    options = _idc_options(files[0], dictionary) if type_ == "idc" and dictionary is not None else {}
    spec = SourceSpec(type=type_, dictionary=dictionary, options=options)
    notes: list[str] = []
    layouts = {file: _layouts(file, sheets, header_row) for file in files} if type_ == "xlsx" else {}
    tables = [table for file in files for table in _tables(file, spec, layouts.get(file, {}), notes)]
    draft = draft_tables(tables, source_type=type_, dictionary=dictionary.name if dictionary else "", options=options)
    for table, drafted in zip(tables, draft.tables, strict=True):
        if drafted.unusable and not drafted.rows:  # or all columns but the first would silently be lost
            many = f"the header {', '.join(map(repr, table.headers[:3]))} has {len(table.headers)} column(s)"
            raise HeaderError(table.file, f"{many}, and no row has as many; delete the lines above the header")
    draft.notes = [*dict.fromkeys(draft.notes), *notes]
    _say_headers(draft, {name: found for sheets_ in layouts.values() for name, found in sheets_.items()})
    return Suggestion(draft, draft_yaml(draft, id_=id_ or mapping_id(files), system=system), dictionary)


def _layouts(file: Path, sheets: Sequence[str], header_row: tuple[int, ...]) -> dict[str, FoundHeader]:
    """Return the sheets of a workbook that are to be read, with where their header seems to stand."""
    if not file.is_file():
        return {}
    book = open_book(file)
    names = {name.strip(): name for name in book.names if sheets or name not in book.hidden}
    chosen = [name.strip() for name in sheets] or list(names)
    if header_row:
        return dict.fromkeys(chosen, FoundHeader(header_row))
    return {name: find_header(book.sheet(names[name])) if name in names else FoundHeader() for name in chosen}


def _tables(file: Path, spec: SourceSpec, layouts: Mapping[str, FoundHeader], notes: list[str]) -> Iterator[Table]:
    """Yield the tables of a file; of a workbook with several sheets all but the empty ones."""
    chosen = {name: SheetSpec(_row(found)) for name, found in layouts.items()}
    if len(chosen) > 1:
        chosen = {name: layout for name, layout in chosen.items() if _has_rows(file, name, layout, spec, notes)}
    yield from read_tables(file, replace(spec, sheets=chosen))


def _has_rows(file: Path, sheet: str, layout: SheetSpec, spec: SourceSpec, notes: list[str]) -> bool:
    try:
        read_tables(file, replace(spec, sheets={sheet: layout}))
    except EmptyTableError as error:
        notes.append(f"left out: {error}")
        return False
    return True


def _row(found: FoundHeader) -> int | tuple[int, ...]:
    return found.rows if len(found.rows) > 1 else found.rows[0]


def _say_headers(draft: Draft, layouts: Mapping[str, FoundHeader]) -> None:
    for table in draft.tables:
        found = layouts.get(table.name)
        if found is None:
            continue
        table.header_row, table.header_why, table.header_doubt = _row(found), found.why, found.doubt
        if found.why or found.doubt:
            draft.notes.append(f"sheet {table.name!r}: {found.why or f'header_row is left to decide: {found.doubt}'}")


def _type_of(file: Path, dictionary: Path | None) -> str:
    """Return the type of source that `file` is: its name and its first bytes tell."""
    if file.suffix.lower() == ".xml" and file.is_file():
        with file.open("rb") as content:
            head = content.read(_HEAD)
        return "redcap" if _REDCAP in head else "odm"
    if dictionary is not None:
        return "idc" if set(_IDC_INDEX) <= set(_header(dictionary)) else "redcap"
    return "xlsx" if file.suffix.lower() in XlsxSource.suffixes else "csv"


def is_dictionary(file: Path) -> bool:
    """Return whether `file` describes columns: a REDCap data dictionary, or IDC's ``clinical_index``, by its header."""
    header = _header(file)
    return set(REQUIRED) <= set(column_names(header)) or set(_IDC_INDEX) <= set(header)


def _header(file: Path) -> list[str]:
    if file.suffix.lower() != ".csv" or not file.is_file():
        return []
    with file.open("rb") as content:
        head = content.readline(_HEAD).decode("utf-8-sig", "replace")
    return [name.strip() for name in next(csv.reader([head]), [])]


def _idc_options(table: Path, index: Path) -> dict[str, str]:
    """Return collection and table of an IDC table: the lines of the index that carry its file's name."""
    if index.suffix.lower() != ".csv" or not index.is_file():
        return {}
    with index.open(encoding="utf-8-sig", newline="") as file:
        lines = [line for line in csv.DictReader(file) if _table_of(line) == table.stem]
    collections = {line["collection_id"] for line in lines}
    return {"collection": collections.pop(), "table": table.stem} if len(collections) == 1 else {}


def _table_of(line: dict[str, str]) -> str:
    return line.get("short_table_name") or line["table_name"].rpartition(".")[2]


def mapping_id(files: Sequence[Path]) -> str:
    """Return an id of a mapping for `files`, from the name of the first that is no dictionary."""
    name = next((file.stem for file in files if not is_dictionary(file)), "study")
    text = re.sub(r"[^a-z0-9]+", "-", fold(name)).strip("-")[:41].strip("-")
    return text if len(text) > 1 else f"study-{text or '1'}"
