"""A mapping file to a `Mapping`: every mistake in it is found here, with file, line and column."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from multimodal.mapping.column_reader import ColumnReader
from multimodal.mapping.dates import PLAUSIBLE_YEARS, DateFormatError, DateReader, date_reader
from multimodal.mapping.document import Document, Place
from multimodal.mapping.identifier_systems import check_systems
from multimodal.mapping.patterns import PatternCheck
from multimodal.mapping.plan import DROP, Column, Form, Mapping, Subject, Template
from multimodal.mapping.privacy_reader import check_free_text, free_text_read, read_privacy
from multimodal.mapping.schema import check_schema
from multimodal.mapping.scope import Scope
from multimodal.mapping.source_reader import read_source
from multimodal.mapping.template_reader import read_template
from multimodal.mapping.template_rules import check_templates
from multimodal.mapping.told_at_load import told_of
from multimodal.mapping.unsupported import refuse_unsupported
from multimodal.model.errors import ConfigurationError
from multimodal.terminology.concept_maps import read_concept_map
from multimodal.terminology.concepts import ConceptError, parse_concept
from multimodal.terminology.translation import Otherwise, TranslationTable, inline_table, read_table_file

# Class of a visit where the mapping says no other (https://terminology.hl7.org/CodeSystem-v3-ActCode.html).
_AMBULATORY = 'ACTCODE#AMB "ambulatory"'


def load_mapping(path: Path) -> Mapping:
    """Read and check a mapping file (``fhirmap: 1``).

    Parameters
    ----------
    path : Path
        The YAML file; its translation tables are found beside it.

    Raises
    ------
    MappingError
        If anything in it is wrong or not supported yet; nothing was read or sent.
    """
    document = Document(path)
    check_schema(document)
    refuse_unsupported(document)
    check_systems(document)
    return _Reader(document).read()


class _Reader:
    def __init__(self, document: Document) -> None:
        self.document = document
        self.content = document.content
        self.hashes = [document.sha256]
        self.systems: dict[str, str] = self.content.get("systems", {})
        self.privacy = read_privacy(document)
        self.zone = self._zone()
        self.years = self._years()
        self.notes: list[str] = []
        self.tables = {name: self._table(name, table) for name, table in self.content.get("tables", {}).items()}

    def read(self) -> Mapping:
        content, source = self.content, self.content["source"]
        spec = read_source(self.document)
        forms = tuple(self._forms())
        quality = content.get("quality", {})
        return Mapping(
            id=content["id"],
            path=self.document.path,
            sha256=hashlib.sha256("".join(self.hashes).encode()).hexdigest(),
            title=content.get("title", ""),
            source=spec,
            file_patterns=tuple(source.get("files", ())),
            subject=self._subject(content["subject"]),
            forms=forms,
            unmapped=content.get("unmapped", "warn"),
            max_row_errors=str(quality.get("max_row_errors", "")),
            deletes=content.get("deletes", "keep"),
            status=content.get("defaults", {}).get("status", "final"),
            form_status=source.get("form_status", "any"),
            duplicate_key=source.get("duplicate_key", "error"),
            on_error=quality.get("on_error", "drop-value"),
            profiles=tuple(content.get("profiles", ())),
            tables=self.tables,
            privacy=self.privacy,
            notes=tuple(self.notes),
        )

    def _subject(self, subject: dict[str, Any]) -> Subject:
        return Subject(
            subject["id"],
            subject["system"],
            self._pattern(subject),
            subject.get("profile", ""),
            subject.get("create", "always"),
            *self._images(subject),
        )

    def _images(self, subject: dict[str, Any]) -> tuple[str, str, bool]:
        """Return the column of the DICOM Patient ID, its identifier system, and whether the Patient must exist."""
        dicom = subject.get("dicom", {})
        column, must_exist = dicom.get("patient_id", subject["id"]), bool(dicom.get("must_exist"))
        if column == subject["id"]:
            return "", "", must_exist
        place: Place = ("subject", "dicom", "patient_id")
        for form in self.content.get("forms", {"": self.content}).values():
            spec = form.get("columns", {}).get(column, {})
            if spec.get("patient") == "identifier":
                return column, spec.get("system", ""), must_exist
        problem = (
            f"{column!r} must be a column with `patient: identifier` and the image store's patient_system as `system`"
        )
        raise self.document.error(place, problem)

    def _pattern(self, subject: dict[str, Any]) -> str:
        pattern: str = subject.get("pattern", "")
        try:
            PatternCheck(pattern)
        except ValueError as error:
            raise self.document.error(("subject", "pattern"), f"no regular expression: {pattern!r} {error}") from error
        return pattern

    def _table(self, name: str, table: dict[str, Any]) -> TranslationTable:
        place: Place = ("tables", name)
        fold = bool(table.get("ignore_case"))
        if "file" in table:
            return self._table_file(name, table, fold)
        otherwise = self._otherwise(table.get("otherwise", "error"), (*place, "otherwise"))
        return self.inline(table["map"], (*place, "map"), name, otherwise, fold)

    def _table_file(self, name: str, table: dict[str, Any], fold: bool) -> TranslationTable:
        place: Place = ("tables", name)
        declared = table.get("otherwise")
        otherwise = self._otherwise(declared, (*place, "otherwise")) if declared is not None else None
        file = self.document.path.parent / table["file"]
        if not file.resolve().is_relative_to(self.document.path.parent.resolve()):
            raise self.document.error((*place, "file"), "a table lies in the folder of its mapping, or below it")
        try:
            if file.suffix.lower() == ".json":
                read = read_concept_map(file, name=name, otherwise=otherwise, ignore_case=fold or None)
            else:
                read = read_table_file(
                    file, name=name, otherwise=otherwise or "error", systems=self.systems, ignore_case=fold
                )
            self.hashes.append(hashlib.sha256(file.read_bytes()).hexdigest())
        except ConfigurationError as error:
            raise self.document.error((*place, "file"), str(error)) from error
        return read

    def inline(
        self,
        pairs: dict[str, Any],
        place: Place,
        name: str = "",
        otherwise: Otherwise = "error",
        fold: bool = False,
    ) -> TranslationTable:
        """Return the table of a map, its values as they are written in the file."""
        texts = [(source, self._target((*place, source), target)) for source, target in pairs.items()]
        for source, text in texts:
            try:
                inline_table([(source, text)], systems=self.systems)
            except ConceptError as error:
                raise self.document.error((*place, source), str(error)) from error
        return inline_table(texts, systems=self.systems, name=name, otherwise=otherwise, ignore_case=fold)

    def _target(self, place: Place, target: Any) -> str | list[str]:
        """Return a target as it is written in the file: 01 stays 01."""
        if isinstance(target, list):
            return [self.document.text((*place, at)) for at in range(len(target))]
        return self.document.text(place)

    def _otherwise(self, value: Any, place: Place) -> Otherwise:
        if isinstance(value, str) and value in ("error", "text", "drop"):
            return value
        if isinstance(value, dict):
            raise self.document.error(place, "`otherwise` takes a concept or a list of codings, without a text")
        try:
            return tuple(parse_concept(one, self.systems) for one in ([value] if isinstance(value, str) else value))
        except ConceptError as error:
            raise self.document.error(place, str(error)) from error

    def _forms(self) -> list[Form]:
        content = self.content
        sections: list[tuple[str, Place, dict[str, Any]]] = []
        if content.get("forms"):
            if content.get("columns") or content.get("resources"):
                raise self.document.error(("forms",), "columns stand either at the top or in forms, not both")
            sections = [(name, ("forms", name), form) for name, form in content["forms"].items()]
        elif "columns" in content:
            sections = [("", (), content)]
        else:
            raise self.document.error((), "the mapping has no columns")
        forms = [self._form(name, place, form) for name, place, form in sections]
        return sorted(forms, key=lambda form: not form.patient_elements)

    def _form(self, name: str, place: Place, form: dict[str, Any]) -> Form:
        sections = form.get("resources", {})
        reader = ColumnReader(self.document, self, form, (*place, "columns"), set(sections))
        columns = {header: reader.read(header) for header in form.get("columns", {})}
        columns |= self._implied(name, columns)
        if self.privacy.id == "hmac":
            check_free_text(self.document, (*place, "columns"), columns)
        aliases = self._aliases(columns, place)
        sign = "," if self.content["source"].get("decimal") == "," else "."
        scope = Scope(aliases, frozenset(sections), self.tables, self.systems, self.zone, self.years, sign)
        columns = reader.finish(columns, scope)
        templates: dict[str, Template] = {}
        for resource, body in sections.items():
            templates[resource] = read_template(self.document, scope, (*place, "resources", resource), body)
        self._check_identities(columns, templates, place)
        check_templates(self.document, place, templates, columns)
        if self.privacy.id == "hmac":
            self.notes += free_text_read(templates, {h: c for h, c in columns.items() if c.type == "text"}, aliases)
        encounter = form.get("encounter", False) if name else False
        made = Form(
            name,
            columns,
            templates,
            self._key(name, place, form, aliases),
            aliases,
            events=tuple(form.get("events", ())) if name else (),
            repeat=form.get("repeat") if name else None,
            encounter=bool(encounter),
            encounter_class=self._encounter_class(encounter, (*place, "encounter")) if encounter else {},
            status=form.get("status", "") if name else "",
        )
        self.notes += told_of(made)
        return made

    def _implied(self, name: str, columns: dict[str, Column]) -> dict[str, Column]:
        """Return the columns that a form has without naming them: the patient's id, and those of a long layout."""
        source, subject = self.content["source"], self.content["subject"]["id"]
        taken = {other for column in columns.values() for other in (column.header, *column.aliases, column.identity)}
        implied = {}
        if (name or source["type"] not in ("csv", "xlsx")) and subject not in taken:
            missing = {"": DROP, **source.get("missing", {})}
            implied[subject] = Column(
                header=subject, aliases=(), identity=subject, verb="patient", element="id", missing=missing
            )
        long = (sheet.get("long", {}) for sheet in self._sheets(name).values())
        for part, header in (item for items in long for item in items.items()):
            if header not in taken and header not in implied:
                implied[header] = Column(
                    header=header, aliases=(), identity=header, verb="helper", reason=f"{part} of each value"
                )
        return implied

    def _encounter_class(self, encounter: Any, place: Place) -> dict[str, str]:
        text = encounter["class"] if isinstance(encounter, dict) else _AMBULATORY
        try:
            return parse_concept(text, self.systems).coding
        except ConceptError as error:
            raise self.document.error((*place, "class"), str(error)) from error

    def _aliases(self, columns: dict[str, Column], place: Place) -> dict[str, str]:
        aliases = {header: header for header in columns}
        for column in columns.values():
            for other in (*column.aliases, column.identity):
                if aliases.setdefault(other, column.header) != column.header:
                    problem = f"the name {other!r} belongs to another column too"
                    raise self.document.error((*place, "columns", column.header), problem, at_key=True)
        return aliases

    def _check_identities(self, columns: dict[str, Column], templates: dict[str, Template], place: Place) -> None:
        for template in templates:
            if any(template == column.identity for column in columns.values()):
                problem = f"a column and a resource are both called {template!r}; give the column another `name`"
                raise self.document.error((*place, "resources", template), problem, at_key=True)

    def _sheets(self, name: str) -> dict[str, dict[str, Any]]:
        """Return the sheets that a form is read from: its own, or all of them where the columns stand at the top."""
        sheets: dict[str, dict[str, Any]] = self.content["source"].get("sheets", {})
        if name:
            return {name: sheets.get(name, {})}
        if len({tuple(sheet.get("key", ())) for sheet in sheets.values()}) > 1:
            problem = "the sheets have different keys: give each its own columns under `forms`, or one `source.key`"
            raise self.document.error(("source", "sheets"), problem, at_key=True)
        return sheets

    def _key(self, name: str, place: Place, form: dict[str, Any], aliases: dict[str, str]) -> tuple[str, ...]:
        source = self.content["source"]
        subject = self.content["subject"]["id"]
        if subject not in aliases:
            problem = f"the column {subject!r} of subject.id is not among the columns; add it as {{patient: id}}"
            raise self.document.error((*place, "columns"), problem, at_key=True)
        candidates: list[tuple[Place, list[str] | None]] = [
            ((*place, "key"), form.get("key") if name else None),
            *((("source", "sheets", sheet, "key"), spec.get("key")) for sheet, spec in self._sheets(name).items()),
            (("source", "key"), source.get("key")),
            (("subject", "id"), [subject]),
        ]
        where, key = next((where, key) for where, key in candidates if key)
        for position, column in enumerate(key or ()):
            if column not in aliases:
                raise self.document.error(
                    (*where, position), f"unknown key column {column!r}; declare it under columns"
                )
        return tuple(aliases[column] for column in key or ())

    def _zone(self) -> ZoneInfo | None:
        name = self.content["source"].get("timezone")
        if name is None:
            return None
        try:
            return ZoneInfo(name)
        except (KeyError, ValueError, OSError) as error:
            raise self.document.error(("source", "timezone"), f"unknown zone {name!r}") from error

    def _years(self) -> tuple[int, int]:
        first, last = self.content["source"].get("years", PLAUSIBLE_YEARS)
        if first > last:
            raise self.document.error(("source", "years"), f"the first plausible year {first} is after the last {last}")
        return first, last

    def dates(self, formats: list[str], place: Place) -> DateReader:
        """Return the reader of dates in these formats, in the source's zone."""
        try:
            return date_reader(formats, self.zone, self.years)
        except DateFormatError as error:
            raise self.document.error(place, str(error)) from error
