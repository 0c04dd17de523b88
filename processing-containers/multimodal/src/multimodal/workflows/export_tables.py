"""The translation tables of a mapping as FHIR ConceptMaps, for terminology servers and other programs."""

from __future__ import annotations

import re
from pathlib import Path

import orjson

from multimodal.mapping import Mapping, load_mapping
from multimodal.model.errors import ConfigurationError
from multimodal.terminology.concept_maps import concept_map_of
from multimodal.terminology.translation import TranslationTable

_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9._-]+")


def export_tables(mapping_file: Path, folder: Path) -> list[Path]:
    """Write each translation table of a mapping as a ConceptMap (R4) into `folder`.

    Parameters
    ----------
    mapping_file : Path
        The mapping.
    folder : Path
        Gets ``<table>.json``; a table that stands in its column has the column's name.

    Returns
    -------
    list of Path
        The files, in the order of the mapping.

    Raises
    ------
    MappingError
        If the mapping is wrong.
    ConfigurationError
        If a source value cannot stand in a ConceptMap, or a file cannot be written.
    """
    mapping = load_mapping(mapping_file)
    written: dict[Path, None] = {}
    for name, table in tables_of(mapping).items():
        resource = concept_map_of(table, mapping_id=mapping.id, name=name)
        file = folder / f"{_file_name(name, {path.stem for path in written})}.json"
        content = orjson.dumps(resource, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        except OSError as error:
            raise ConfigurationError(f"cannot write: {error.strerror}", file=file) from error
        written[file] = None
    return list(written)


def tables_of(mapping: Mapping) -> dict[str, TranslationTable]:
    """Return all translation tables of a mapping by name; one inside a column by the column's, with its form's."""
    found = dict(mapping.tables)
    for name, column in mapping.columns.items():
        if column.table is not None:
            found.setdefault(column.table.name or name, column.table)
    return found


def _file_name(name: str, taken: set[str]) -> str:
    plain = _NOT_IN_A_NAME.sub("-", name).strip("-.") or "table"
    number = 1
    while (file := plain if number == 1 else f"{plain}-{number}") in taken:
        number += 1
    return file
