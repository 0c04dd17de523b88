"""One form of a mapping over the rows of one table: each row by itself, whatever others say."""

from __future__ import annotations

from collections.abc import Mapping as MappingOf
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple

from multimodal.mapping.cells import read_key
from multimodal.mapping.damaged_ids import damage
from multimodal.mapping.errors import CellError
from multimodal.mapping.form_parts import parts_of
from multimodal.mapping.headers import Headers
from multimodal.mapping.hiding import Hiding
from multimodal.mapping.identity import SEPARATOR, begun, patient_id_maker
from multimodal.mapping.origin import Origin
from multimodal.mapping.patient import Said
from multimodal.mapping.patterns import PatternCheck
from multimodal.mapping.plan import Form, Mapping
from multimodal.mapping.row_maker import row_maker
from multimodal.mapping.row_state import RowState, issue_at
from multimodal.mapping.rows_used import RowsUsed, event_of
from multimodal.mapping.visits import Visit, span
from multimodal.model.ids import resource_id
from multimodal.model.issue_codes import IssueCode
from multimodal.model.issues import Issue
from multimodal.resources.profiles import ProfileSet
from multimodal.resources.serialised import Serialised
from multimodal.tables.dictionary import Event
from multimodal.tables.rows import Row

Note = tuple[str, str, str]
PatientsOf = Literal["rows", "run", "united", "none"]
"""Whose the Patients are: one for each row; one of the whole run, all alike; united from rows; or none are written."""

# Enough of a sha256 to tell the keys of any table apart, and few enough bytes to keep one for each row.
_DIGEST = 15
_new = tuple.__new__  # a NamedTuple's own takes twice as long


class Mapped(NamedTuple):
    """What one row is by itself.

    Parameters
    ----------
    resources : list of Serialised
        Without the Patient, where Patients are united from rows.
    issues : list of Issue
        What is wrong with the row.
    digest : bytes
        Of its form and key; empty where it could not be identified.
    key : str
        Its key, parts joined by U+001F.
    patient, value : str
        Id and identifier of its Patient.
    notes : list of (str, str, str)
        Column, kind and value of what a person should know.
    said : list of Said
        What it says of the Patient, where Patients are united from rows.
    keyed : list of Serialised
        Resources with an identity of their own, which other rows may make too.
    visit : Visit, optional
        Its visit, where the form asks for Encounters.
    why_not : str
        Why the row is not used at all.
    """

    resources: list[Serialised]
    issues: list[Issue]
    digest: bytes = b""
    key: str = ""
    patient: str = ""
    value: str = ""
    notes: Sequence[Note] = ()
    said: Sequence[Said] = ()
    keyed: Sequence[Serialised] = ()
    visit: Visit | None = None
    why_not: str = ""


@dataclass(frozen=True, slots=True)
class OpenForm:
    """A table and the form that reads it.

    Parameters
    ----------
    form : Form
        The form.
    headers : Headers
        What it finds of its columns in the table.
    label : str
        What issues call the table: sheet, or file where that alone does not tell.
    decimals : mapping of str to str
        Decimal sign (``.``, ``,`` or ``mixed``) of the columns that leave it open.
    events : mapping of str to Event
        The visits that the source plans.
    images : mapping of str to str
        Id of a patient to the DICOM Patient ID, where the mapping has a column for that.
    """

    form: Form
    headers: Headers
    label: str = ""
    decimals: MappingOf[str, str] = field(default_factory=dict)
    events: MappingOf[str, Event] = field(default_factory=dict)
    images: MappingOf[str, str] = field(default_factory=dict)


class FormRun:
    """Turns the rows of one table into resources.

    Parameters
    ----------
    mapping : Mapping
        The mapping.
    opened : OpenForm
        The table and its form.
    patients : {"rows", "run", "united", "none"}
        Whose the Patients are.
    every : bool
        Whether the model of its type validates each resource.
    hiding : Hiding, optional
        What is hidden before anything is written.
    """

    def __init__(
        self, mapping: Mapping, opened: OpenForm, patients: PatientsOf, every: bool, hiding: Hiding | None = None
    ) -> None:
        self._hiding = hiding = hiding or Hiding(mapping)
        form, present = opened.form, opened.headers.present
        self.form = form
        self.label = opened.label or opened.form.name
        self._opened = opened
        self._mapping = mapping
        self._patients_of = patients
        self._notes: list[Note] = []
        names = (mapping.id, form.name) if form.name else (mapping.id,)
        profiles = ProfileSet.of(mapping.profiles) if mapping.profiles else None
        self.origin = Origin(names, mapping.meta_source, mapping.status, self._note, every, profiles, hiding.security)
        self.parts = parts_of(mapping, form, opened.headers, opened.decimals, self.origin, hiding)
        self._made = row_maker(self.parts.emitters)
        self._used = RowsUsed(mapping, form)
        self._status = form.status or mapping.status
        self._choosy = bool(form.events or form.repeat is not None or mapping.form_status != "any")
        self._subject = form.columns[form.aliases[mapping.subject.column]]
        self.subject_header = present[self._subject.header]
        self.key_headers = [present[column] for column in form.key if column in present]
        # A code for "missing" identifies nothing, in whatever key column it stands.
        self._no_key = {present[name]: form.columns[name].missing for name in form.key if name in present}
        self._no_key[self.subject_header] = self._subject.missing
        self._headers = frozenset({self.subject_header, self._subject.header, *self._subject.aliases})
        self._no_name = frozenset({*self._subject.missing, *self._headers})
        self._pattern = PatternCheck(mapping.subject.pattern)
        self._strict = bool(mapping.subject.pattern) or self.key_headers != [self.subject_header]
        self._patient_id = patient_id_maker(hiding.system)
        self._begun = begun("Observation", names)
        found = {id(c.effective): c.effective for c in form.columns.values() if c.header in present and c.effective}
        self._effectives = list(found.values()) if form.encounter else []

    def _note(self, column: str, kind: str, value: str) -> None:
        self._notes.append((column, kind, value))

    def named(self, row: Row) -> Row:
        """Return the row with its record (its key, where the source gives it no name of its own) and its table."""
        label = self._opened.label
        if not row.usable or (row.record and row.sheet == label):
            return row if row.sheet == label else row._replace(sheet=label)
        record = row.record or " / ".join([row.values[header].strip() for header in self.key_headers])
        return _new(Row, (row[0], row[1], label, record, *row[4:]))

    def process(self, row: Row) -> Mapped:
        """Return what a row is; one without identity gives no resources."""
        if not row.usable:
            return Mapped([], list(row.problems))
        if (self._choosy or row.removed) and (why_not := self._used.why_not(row)):
            return Mapped([], [], why_not=why_not)
        value = row.values[self.subject_header].strip()
        parts = self._key(row)
        problems = [replace(problem, record=row.record) for problem in row.problems] if row.problems else []
        sound = len(parts) == 1 and value.isprintable() and value and value not in self._no_name
        sound = sound and (value.isalnum() or not damage(value))
        unidentified = None if sound and not self._strict else self._unidentified(row, value, parts)
        if unidentified is not None:
            return Mapped([], [*problems, unidentified])
        key = SEPARATOR.join(parts)
        state = self._state(row, value, key)
        visit = self._visit(row, state, parts) if self.form.encounter else None
        mapped = self._mapped(state, key, self._hiding.patient(value), problems)
        if visit is not None:
            start, end = span([date for date, _ in state.dates.values() if date])
            mapped = mapped._replace(visit=replace(visit, start=start, end=end))
        if mapped.issues and self._mapping.on_error == "quarantine-row":
            return Mapped([], mapped.issues, *mapped[2:6])
        return mapped

    def digest(self, row: Row) -> bytes:
        """Return the digest of a row's form and key; empty where it is not used or cannot be identified."""
        if not row.usable or self._used.why_not(row):
            return b""
        value = row.values[self.subject_header].strip()
        parts = self._key(row)
        if self._unidentified(row, value, parts) is not None:
            return b""
        return self._digest(self._hashed(self._hiding.key(SEPARATOR.join(parts))))

    def _key(self, row: Row) -> Sequence[str]:
        return row.key or [row.values[header].strip() for header in self.key_headers]

    def _hashed(self, key: str) -> Any:
        hashed = self._begun.copy()
        hashed.update(key.encode())
        return hashed

    def _digest(self, hashed: Any) -> bytes:
        digest: bytes = hashed.digest()
        return digest[:_DIGEST]

    def _unidentified(self, row: Row, value: str, parts: Sequence[str]) -> Issue | None:
        """Return what is wrong with a row that cannot be told apart from others: no id, no key, an id of no form."""
        named = [(self.subject_header, value)]
        if not row.key:
            named += zip(self.key_headers, parts, strict=True)
        for header, part in named:
            if not part or part in self._no_key[header]:
                why = "the key is a code for a missing value" if part else "the row has no key"
                return issue_at(row, IssueCode.MISSING_KEY, f"{why}; it was not used", header, part)
            try:
                read_key(part)
            except CellError as error:
                return issue_at(row, error.code, error.message, header, part, error.suggestion)
            if what := damage(part):
                suggestion = "correct it at its source; in a spreadsheet, format the column as text before typing ids"
                return issue_at(row, IssueCode.ID_PATTERN, f"{what}; the row was not used", header, part, suggestion)
        if value in self._headers:
            message, suggestion = "the row repeats the header; it was not used", "delete the row"
            return issue_at(row, IssueCode.ID_PATTERN, message, self.subject_header, value, suggestion)
        if not self._pattern.fits(value):
            message = "the id is not as subject.pattern says; the row was not used"
            return issue_at(row, IssueCode.ID_PATTERN, message, self.subject_header, value)
        return None

    def _state(self, row: Row, value: str, key: str) -> RowState:
        image = self._opened.images.get(value, "") if self._opened.images else ""
        if image:
            key = self._hiding.key(key)
            state = RowState(row, key, self._hiding.image_patient(image).id, self.parts.cells)
            state.days = self._hiding.image_days(image)
        elif self._hiding.active:
            key = self._hiding.key(key)
            state = RowState(row, key, self._patient_id(self._hiding.patient(value)), self.parts.cells)
            state.days = self._hiding.days(value)
        else:
            state = RowState(row, key, self._patient_id(value), self.parts.cells)
        state.status = self._used.status(row) if row.status else self._status
        if state.status != self._mapping.status:
            state.mark = 8
        state.hashed = self._hashed(key)
        return state

    def _visit(self, row: Row, state: RowState, parts: Sequence[str]) -> Visit:
        """Return the visit of a row, and let its resources refer to the Encounter of it."""
        id_ = resource_id("Encounter", self._mapping.id, self._hiding.key(SEPARATOR.join(row.visit or parts)))
        state.encounter = {"reference": f"Encounter/{id_}"}
        state.encounter_json = b'{"reference":"Encounter/%b"}' % id_.encode()
        state.mark += 4
        for effective in self._effectives:  # a visit without any value has its date all the same
            state.effective(effective)
        name = event_of(row)
        event = self._opened.events.get(name)
        label = (event.label if event else "") or name
        return Visit(id_, state.patient, label, encounter_class=self.form.encounter_class)

    def _mapped(self, state: RowState, key: str, value: str, problems: list[Issue]) -> Mapped:
        patient = state.patient
        digest = self._digest(state.hashed)
        resources: list[Serialised] = []
        keyed: list[Serialised] = []
        said: list[Said] = []
        if self.parts.templates:
            self._with_templates(state, resources, keyed)
        else:
            resources = self._made(state)
        if self._patients_of == "united":
            said = self.parts.patients.said(state)
        elif self._patients_of != "none":
            made = self.parts.patients.of_row(state, value)
            if isinstance(made, str):
                self._notes.clear()
                state.add(IssueCode.INVALID_RESOURCE, f"Patient: {made}")
                return Mapped([], problems + state.issues, digest, key, patient, value)
            resources.insert(0, made)
        issues = problems + state.issues if problems else state.issues
        notes: list[Note] = []
        if self._notes:
            notes, self._notes = self._notes, notes
        return _new(Mapped, (resources, issues, digest, key, patient, value, notes, said, keyed, None, ""))

    def _with_templates(self, state: RowState, resources: list[Serialised], keyed: list[Serialised]) -> None:
        """Make the resources of a row; where a template fails, once more without references to it."""
        failed: set[str] = set()
        before = len(self._notes)
        while True:
            alive = [t for t in self.parts.templates if t.name not in failed and state.holds(t.template.when)]
            named = ((template.name, template.reference(state)) for template in alive)
            state.references = {name: reference for name, reference in named if reference is not None}
            made = []
            for member_of, emit, _ in self.parts.emitters:
                one = emit(state)
                if one is not None:
                    made.append(one)
                    if member_of:
                        state.members.setdefault(member_of, []).append({"reference": one.reference})
            templates = [(template, template.make(state)) for template in alive]
            lost = [template for template, made_ in templates if made_ is None]
            if not lost:
                break
            failed |= {template.name for template in lost if template.gone(state)}
            state.members = {}
            del self._notes[before:]
        for template, made_ in templates:
            (keyed if template.template.key else resources).extend(made_ or ())
        resources += made
