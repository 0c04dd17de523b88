"""REDCap as a table source: records in CSV with a data dictionary, or a project XML."""

from __future__ import annotations

import codecs
from dataclasses import replace
from pathlib import Path

from multimodal.tables.dictionary import Dictionary
from multimodal.tables.errors import MissingFileError, TableError
from multimodal.tables.odm_document import OdmDocument
from multimodal.tables.redcap_csv import csv_tables
from multimodal.tables.redcap_project import Project, read_dictionary_csv, read_dictionary_json
from multimodal.tables.redcap_xml import project_of
from multimodal.tables.redcap_xml_rows import xml_tables
from multimodal.tables.rows import SourceSpec, Table


class RedcapSource:
    """Reads what REDCap exports: each form (instrument) is a table, each of its instances a row.

    A row's key is record id, event, repeating instrument and instance, ``""`` where the project has none of them; the
    same in all exports, and whatever the order of the rows.
    """

    suffixes = (".csv", ".xml")

    def read(self, path: Path, source: SourceSpec) -> list[Table]:
        """Open `path`; see `TableSource.read`."""
        if path.suffix.lower() == ".json":
            raise TableError(
                path, "is the dictionary of a project; name it as `source.dictionary`, and give its records"
            )
        described = source.dictionary
        document = OdmDocument(path) if _is_xml(path) else None
        project = project_of(document) if document else None
        if project is not None:
            described = None  # a project XML brings its own dictionary
        elif described:
            project = read_project(described)
        if document:
            tables = xml_tables(document, source, project)
        elif source.forms and project is None:
            problem = "records in CSV do not name their forms; give the data dictionary as `source.dictionary`"
            raise TableError(path, problem)
        else:
            tables = csv_tables(path, source, project)
        known = dict.fromkeys((*(project.form_labels if project else ()), *(table.sheet for table in tables)))
        unknown = [form for form in source.forms if form not in known]
        if unknown:
            raise TableError(path, f"the project has no form {', '.join(unknown)}; it has: {', '.join(known)}")
        for table in tables:
            table.dictionary = _without_event_labels(table.dictionary)
            if described:
                table.found = {**table.found, "dictionary": described.name}
        return tables


def _without_event_labels(dictionary: Dictionary) -> Dictionary:
    """Leave out the names of events for people: not every export has them, and a visit must be the same in all."""
    return replace(dictionary, events={name: replace(event, label="") for name, event in dictionary.events.items()})


def read_project(path: Path) -> Project:
    """Read the file that describes a project.

    Parameters
    ----------
    path : Path
        A data dictionary (CSV), a project XML, or the ``dictionary.json`` that `redcap_api.fetch_export` writes.

    Raises
    ------
    TableError
        If it is missing, or none of these.
    """
    if not path.is_file():
        raise MissingFileError(path, f"no such file in {path.parent}; it is the data dictionary of `source.dictionary`")
    if path.suffix.lower() == ".json":
        return read_dictionary_json(path)
    if _is_xml(path):
        project = project_of(OdmDocument(path))
        if project is None:
            raise TableError(path, "has no metadata; export the project with it, or give the data dictionary as CSV")
        return project
    return read_dictionary_csv(path)


def _is_xml(path: Path) -> bool:
    """Return whether a file is XML by its name, or by how it begins."""
    if path.suffix.lower() == ".xml":
        return True
    with path.open("rb") as file:
        head = file.read(64)
    return head.removeprefix(codecs.BOM_UTF8).lstrip().startswith(b"<?xml")
