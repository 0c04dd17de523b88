"""The records of a REDCap project in XML, streamed, with the line of each value."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from multimodal.tables.dictionary import Field
from multimodal.tables.errors import TableError
from multimodal.tables.odm_document import REMOVE, Group, OdmDocument
from multimodal.tables.redcap_project import RECORD_COLUMNS, Project, make_project
from multimodal.tables.redcap_rows import FormShape, Whereabouts, flat_shape, form_shape, tidy
from multimodal.tables.redcap_xml import event_name, form_name
from multimodal.tables.rows import Place, Row, SourceSpec, Table

_ONCE = ("", "1")  # repeat keys of what does not repeat
_DATE_TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2})?")


def xml_tables(document: OdmDocument, source: SourceSpec, project: Project | None) -> list[Table]:
    """Return a table for each form of a project XML; without forms in the mapping, one with all columns.

    Parameters
    ----------
    document : OdmDocument
        The file.
    source : SourceSpec
        What to read; its option ``repeating`` names the forms that repeat, for a file without metadata.
    project : Project, optional
        From the file's own metadata, or from a data dictionary.

    Raises
    ------
    TableError
        If the file has neither metadata nor records.
    """
    path, known = document.path, project
    notes: list[str] = []
    survey = None
    if known is None or not known.repeats_known:
        survey = _Survey(document)
        known = survey.complete(known or survey.project(path), source, notes)
    events = bool(known.dictionary.events) if survey is None else survey.events
    if source.forms:
        shapes = [form_shape(known, form, columns, events=events) for form, columns in _forms(known, survey).items()]
    else:
        shapes = [flat_shape(known.record, (c for own in _forms(known, survey).values() for c in own))]
    version = document.attributes.get("ODMVersion") or "1.3"
    found = {"format": f"REDCap project XML (ODM {version})", "rows": "lines of the XML file"}
    tables: list[Table] = []
    for shape in shapes:
        table = Table(
            path, shape.headers, iter(()), sheet=shape.form, found=found, notes=[] if tables else notes,
            given=shape.given, dictionary=known.dictionary,
        )  # fmt: skip
        table.rows = _rows(document, known, shape, complete=survey is None)
        tables.append(table)
    return tables


def _forms(project: Project, survey: _Survey | None) -> dict[str, list[str]]:
    """Return the columns of each form: of the dictionary, and those that only the records have."""
    met = survey.forms if survey else {}
    own = {project.record, *RECORD_COLUMNS}
    found = {}
    for form in dict.fromkeys((*project.form_labels, *met)):
        columns = dict.fromkeys((*project.columns(form), *met.get(form, ())))
        found[form] = [column for column in columns if column not in own]
    return found


class _Survey:
    """What only the records of a file can say, where it has no metadata; costs one more reading.

    Attributes
    ----------
    forms : dict of str to dict
        Items of each form, as keys.
    events : bool
        Whether records name events.
    repeating : set of tuple of str
        (event, form) that occur twice in a record; one of the two is empty.
    """

    def __init__(self, document: OdmDocument) -> None:
        self.forms: dict[str, dict[str, None]] = {}
        self.events = False
        self.repeating: set[tuple[str, str]] = set()
        self._record = ""
        for group in document.groups():
            form = form_name(group.form.get("FormOID"))
            self._record = self._record or group.subject.get("RecordIdField")
            self.forms.setdefault(form, {}).update(dict.fromkeys(item.oid for item in group.items))
            event = event_name(group.event, "StudyEventOID")
            self.events = self.events or bool(event)
            if group.event.repeat("StudyEventRepeatKey") not in _ONCE:
                self.repeating.add((event, ""))
            elif group.form.repeat("FormRepeatKey") not in _ONCE:
                self.repeating.add(("", form))

    def project(self, path: Path) -> Project:
        """Return the project as far as the records show it."""
        record = self._record or next((item for items in self.forms.values() for item in items), "")
        if not record:
            raise TableError(path, "has neither metadata nor records; export the project again")
        first = next(iter(self.forms))
        fields = [Field(record, form=first)]
        for form, items in self.forms.items():
            fields.extend(Field(item, form=form) for item in items if item not in (record, f"{form}_complete"))
        return make_project(fields)

    def complete(self, project: Project, source: SourceSpec, notes: list[str]) -> Project:
        """Return the project with what repeats: as the mapping says, else as the records show, which is noted."""
        declared = {("", form) for form in source.options.get("repeating", "").split(",") if form}
        guessed = self.repeating - declared
        if guessed:
            names = ", ".join(sorted(form or event for event, form in guessed))
            notes.append(
                f"the file does not say what repeats; {names}: taken for repeating, since a record has it twice; "
                "give such forms `repeat: true`, and for events a project XML as `source.dictionary`"
            )
        unknown = [form for form in self.forms if form not in project.form_labels]
        if unknown:
            notes.append(f"the data dictionary does not know the forms {', '.join(unknown)}")
        project = project.with_options(item for items in self.forms.values() for item in items)
        return replace(project, repeats=frozenset(declared | self.repeating))


@dataclass(slots=True)
class _Gathered:
    """A row in the making: its item groups come one by one."""

    line: int
    values: dict[str, str]
    places: dict[str, Place] = field(default_factory=dict)
    removed: bool = False


def _rows(document: OdmDocument, project: Project, shape: FormShape, *, complete: bool) -> Iterator[Row]:
    """Yield the rows of one table, visit by visit.

    In a file with metadata (`complete`), a form that has values and no status is incomplete: REDCap's CSV says so.
    """
    empty = dict.fromkeys(shape.headers, "")
    visit = (0, 0)
    gathered: dict[Whereabouts, _Gathered] = {}
    for group in document.groups():
        if (group.subject.line, group.event.line) != visit:
            yield from _finished(gathered, shape, complete)
            gathered.clear()
            visit = (group.subject.line, group.event.line)
        form = form_name(group.form.get("FormOID"))
        if shape.form and form != shape.form:
            continue
        where = _where(group, form, project)
        row = gathered.get(where)
        if row is None:
            row = gathered[where] = _Gathered(_line(group, where, shape), empty.copy())
        row.removed = row.removed or REMOVE in (
            group.subject.transaction, group.event.transaction, group.form.transaction
        )  # fmt: skip
        _take(group, row, project)
    yield from _finished(gathered, shape, complete)


def _line(group: Group, where: Whereabouts, shape: FormShape) -> int:
    """Return the line of the element that starts the row: the form, or what holds all forms of a visit."""
    if shape.form or where.instrument:
        return group.form.line
    return group.event.line or group.subject.line


def _where(group: Group, form: str, project: Project) -> Whereabouts:
    event = event_name(group.event, "StudyEventOID")
    in_event, in_form = group.event.repeat("StudyEventRepeatKey"), group.form.repeat("FormRepeatKey")
    record = group.subject.get("SubjectKey").strip()
    if project.event_repeats(event):
        return Whereabouts(record, event, "", in_event or "1")
    if project.form_repeats(event, form) or in_form not in _ONCE:
        return Whereabouts(record, event, form, in_form or "1")
    return Whereabouts(record, event, "", "" if in_event in _ONCE else in_event)


def _take(group: Group, row: _Gathered, project: Project) -> None:
    record, fields = project.record, project.dictionary.fields
    for item in group.items:
        row.places[item.oid] = Place(item.line, item.oid)
        if item.oid == record:
            continue
        value = tidy(item.value)
        if _DATE_TIME.fullmatch(value) and (item.oid not in fields or fields[item.oid].type in ("datetime", "")):
            value = value.replace("T", " ")  # as in CSV
        # Of an uploaded file the records of a CSV export have the name; the content is nothing for a table.
        name = next((text for key, text in item.attributes.items() if key.endswith(" DocName")), None)
        row.values[item.oid] = value if name is None else name


def _finished(gathered: dict[Whereabouts, _Gathered], shape: FormShape, complete: bool) -> Iterator[Row]:
    for where, row in gathered.items():
        if row.removed or shape.exists(row.values, where):
            if complete and shape.status and not row.values[shape.status]:
                row.values[shape.status] = "0"
            made = shape.row(row.line, row.values, where, row.places)
            yield made._replace(removed=True) if row.removed else made
