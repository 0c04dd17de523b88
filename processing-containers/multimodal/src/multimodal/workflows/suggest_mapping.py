"""A draft mapping for tables that have none."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from multimodal.drafting import Draft, draft_tables, draft_yaml
from multimodal.drafting.words import fold
from multimodal.model.errors import ConfigurationError
from multimodal.tables.read import read_tables, source_types
from multimodal.tables.rows import SheetSpec, SourceSpec, Table

_REDCAP = b"projectredcap.org"
_HEAD = 4096


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A draft: as data and as the text of its YAML file."""

    draft: Draft
    text: str


def suggest_mapping(
    files: Sequence[Path],
    *,
    dictionary: Path | None = None,
    sheets: Sequence[str] = (),
    source_type: str = "",
    id_: str = "",
    system: str = "",
) -> Suggestion:
    """Propose a mapping for `files`.

    Parameters
    ----------
    files : sequence of Path
        Tables of one study.
    dictionary : Path, optional
        What describes their columns: a REDCap data dictionary.
    sheets : sequence of str
        Sheets of a workbook; all of them where it has several.
    source_type : str
        Of the section ``source``; found by the files where empty.
    id_ : str
        Id of the mapping; by default from the name of the first file.
    system : str
        Identifier system of the patients.

    Raises
    ------
    DataRefusedError
        If a file cannot be read.
    """
    if not files:
        raise ConfigurationError("give at least one table")
    type_ = source_type or _type_of(files[0], dictionary)
    if type_ not in source_types():
        raise ConfigurationError(f"no source of type {type_!r}; there are: {', '.join(source_types())}")
    spec = SourceSpec(type=type_, dictionary=dictionary, sheets={name: SheetSpec() for name in sheets})
    tables = [table for file in files for table in _tables(file, spec)]
    draft = draft_tables(tables, source_type=type_, dictionary=dictionary.name if dictionary else "")
    return Suggestion(draft, draft_yaml(draft, id_=id_ or _id(files[0].stem), system=system))


def _tables(file: Path, spec: SourceSpec) -> Iterator[Table]:
    yield from read_tables(file, spec)


def _type_of(file: Path, dictionary: Path | None) -> str:
    """Return the type of source that `file` is: its name and its first bytes tell."""
    if file.suffix.lower() == ".xml" and file.is_file():
        with file.open("rb") as content:
            head = content.read(_HEAD)
        return "redcap" if _REDCAP in head else "odm"
    if dictionary is not None:
        return "redcap"
    return "xlsx" if file.suffix.lower() == ".xlsx" else "csv"


def _id(name: str) -> str:
    """Return an id of a mapping made of a file's name."""
    text = re.sub(r"[^a-z0-9]+", "-", fold(name)).strip("-")[:41].strip("-")
    return text if len(text) > 1 else f"study-{text or '1'}"
