"""One form of a mapping over the rows of one table."""

from __future__ import annotations

from collections.abc import Mapping as MappingOf
from dataclasses import dataclass, field, replace
from typing import Any

from multimodal.mapping.cells import read_text
from multimodal.mapping.emitters import Emit, Remembered, condition, observation
from multimodal.mapping.errors import CellError
from multimodal.mapping.identity import SEPARATOR
from multimodal.mapping.origin import Origin
from multimodal.mapping.patient import PatientMaker
from multimodal.mapping.patterns import PatternCheck
from multimodal.mapping.plan import Column, Form, Mapping
from multimodal.mapping.readers import number_reader, outcome_reader, plain_reader
from multimodal.mapping.render import TemplateRenderer
from multimodal.mapping.row_state import Resource, RowState
from multimodal.model.ids import patient_id
from multimodal.model.issue_codes import IssueCode
from multimodal.model.issues import Issue
from multimodal.resources.serialised import Serialised, serialised
from multimodal.tables.rows import Row


@dataclass(slots=True)
class Seen:
    """What a run has met so far: the keys of each form, and the Patients."""

    keys: dict[tuple[str, str], int] = field(default_factory=dict)
    patients: dict[str, tuple[int, Resource]] = field(default_factory=dict)


class FormRun:
    """Turns the rows of one table into resources.

    Parameters
    ----------
    mapping : Mapping
        The mapping.
    form : Form
        Its form for this table.
    headers : mapping of str to str
        Header in the mapping to header in the file, for the columns that the file has.
    decimals : mapping of str to str
        Decimal sign (``.``, ``,`` or ``mixed``) of the columns that leave it open.
    seen : Seen
        Shared by all tables of the run.
    origin : Origin
        What all resources share.
    """

    def __init__(
        self,
        mapping: Mapping,
        form: Form,
        headers: MappingOf[str, str],
        decimals: MappingOf[str, str],
        seen: Seen,
        origin: Origin,
    ) -> None:
        self.form = form
        self._headers = headers
        self._seen = seen
        self._noted = origin.noted
        self._system = mapping.subject.system
        self._subject = form.columns[form.aliases[mapping.subject.column]]
        self._subject_header = headers[self._subject.header]
        self._key_headers = [headers[column] for column in form.key]
        # Only where rows of one patient repeat must Patients be remembered, which costs memory.
        self._repeats = len(mapping.forms) > 1 or self._key_headers != [self._subject_header]
        self._pattern = PatternCheck(mapping.subject.pattern)
        self._readers: dict[str, Any] = {}
        self._emitters: list[tuple[Column, Emit]] = []
        into: dict[str, list[tuple[Column, Remembered]]] = {}
        for column in form.columns.values():
            sign = decimals.get(column.header, ".") if column.decimal == "auto" else column.decimal
            numbers = number_reader(column, sign, mapping.thousands)
            self._readers[column.header] = plain_reader(column, numbers)
            if column.header not in headers or column.verb not in ("observation", "condition", "into"):
                continue
            unit_header = headers.get(column.unit_column, "")
            outcomes = Remembered(column, headers[column.header], unit_header, outcome_reader(column, numbers), origin)
            if column.verb == "into":
                into.setdefault(column.resource, []).append((column, outcomes))
            else:
                make = observation if column.verb == "observation" else condition
                self._emitters.append((column, make(column, outcomes, origin)))
        self._templates = [TemplateRenderer(t, into.get(t.name, ()), origin) for t in form.templates.values()]
        elements = [(column, headers[column.header]) for column in form.patient_elements if column.header in headers]
        self._patients = PatientMaker(mapping.subject, elements, origin)

    def named(self, row: Row) -> Row:
        """Return the row with its record: its key, where the source gives it no name of its own."""
        if row.record or not row.usable:
            return row
        return row._replace(record=" / ".join([row.values[header].strip() for header in self._key_headers]))

    def patient(self, row: Row) -> str:
        """Return the id of the Patient that a row names, empty where it names none."""
        value = row.values[self._subject_header].strip() if row.usable else ""
        return patient_id(self._system, value) if value else ""

    def process(self, row: Row) -> tuple[list[Serialised], list[Issue]]:
        """Return the resources of a row and its issues; a row without identity gives no resources."""
        if not row.usable:
            return [], list(row.problems)
        value = row.values[self._subject_header].strip()
        parts = [row.values[header].strip() for header in self._key_headers]
        key = SEPARATOR.join(parts)
        subject = {"reference": f"Patient/{patient_id(self._system, value)}"}
        state = RowState(row, key, subject, self._headers, self._readers, self._noted)
        problems = [replace(problem, record=row.record) for problem in row.problems]
        if not self._identified(state, value, parts):
            return [], [*problems, *state.issues]
        first = self._seen.keys.setdefault((self.form.name, key), row.number)
        if first != row.number:
            column = ", ".join(self._key_headers)
            message = f"row {first} has the same key; this row was not used"
            state.add(IssueCode.DUPLICATE_KEY, message, column, " / ".join(parts))
            return [], [*problems, *state.issues]
        resources, issues = self._resources(row, state, value)
        return resources, [*problems, *issues] if problems else issues

    def _identified(self, state: RowState, value: str, parts: list[str]) -> bool:
        """Report a row that cannot be told apart from others: no id, no key, an id of the wrong form."""
        for header, part in [(self._subject_header, value), *zip(self._key_headers, parts, strict=True)]:
            if not part or (header == self._subject_header and part in self._subject.missing):
                message = "the row has no key; it was not used"
                state.add(IssueCode.MISSING_KEY, message, header, part)
                return False
            try:
                read_text(part)
            except CellError as error:
                state.report(error, header, part)
                return False
        if not self._pattern.fits(value):
            state.add(
                IssueCode.ID_PATTERN, "the id is not as subject.pattern says; the row was not used",
                self._subject_header, value,
            )  # fmt: skip
            return False
        return True

    def _resources(self, row: Row, state: RowState, value: str) -> tuple[list[Serialised], list[Issue]]:
        """Return the resources of a row; where a template fails, once more without references to it."""
        failed: set[str] = set()
        while True:
            alive = [t for t in self._templates if t.name not in failed and state.holds(t.template.when)]
            state.references = {template.name: template.reference(state) for template in alive}
            observations: list[Serialised] = []
            for column, emit in self._emitters:
                made = emit(state)
                if made is None:
                    continue
                observations.append(made)
                if column.member_of:
                    state.members.setdefault(column.member_of, []).append({"reference": made.reference})
            templates = [(template.name, template.make(state)) for template in alive]
            lost = {name for name, made in templates if made is None}
            if not lost:
                break
            failed |= lost
            state.members = {}
        made_templates = [made for _, made in templates if made is not None]
        patients = self._patient(row, state, value)
        if patients is None:
            return [], state.issues
        return [*patients, *made_templates, *observations], state.issues

    def _patient(self, row: Row, state: RowState, value: str) -> list[Serialised] | None:
        """Return the Patient for the first row that names it, nothing for later ones, None if it is invalid."""
        id_ = state.subject["reference"][8:]
        known = self._seen.patients.get(id_) if self._repeats else None
        if known is not None and not self.form.patient_elements:
            return []
        patient = self._patients.make(state, value)
        if patient is None:
            return None
        if known is None:
            if self._repeats:
                self._seen.patients[id_] = (row.number, patient)
            return [serialised(patient)]
        number, first = known
        differing = [name for name in {**first, **patient} if first.get(name) != patient.get(name)]
        if differing:
            message = f"row {number} says otherwise of this patient's {', '.join(differing)}; the first row was used"
            state.add(IssueCode.CONFLICTING_PATIENT, message, self._subject_header, value)
        return []
