"""What the rows of a run are to each other: keys that repeat, Patients and visits of which several rows speak."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from typing import NamedTuple

from multimodal.mapping.encounter import encounter
from multimodal.mapping.form_run import FormRun, Mapped, PatientsOf
from multimodal.mapping.identity import SEPARATOR
from multimodal.mapping.origin import NOT_FOLLOWED
from multimodal.mapping.patients import Patients
from multimodal.mapping.plan import Mapping
from multimodal.mapping.row_state import issue_at
from multimodal.mapping.visits import Visits
from multimodal.model.issue_codes import IssueCode
from multimodal.model.issues import Issue
from multimodal.resources.serialised import Serialised, serialised
from multimodal.tables.rows import Row

_new = tuple.__new__  # a NamedTuple's own takes twice as long


class RowResult(NamedTuple):
    """One row: what it became, and what of it did not come through.

    Parameters
    ----------
    row : Row
        The row.
    resources : list of Serialised
        Checked resources, the Patient first.
    issues : list of Issue
        What is wrong with the row.
    patient : str
        Id of the Patient that the resources belong to; empty where the row names none.
    """

    row: Row
    resources: list[Serialised]
    issues: list[Issue]
    patient: str = ""


def patients_of(mapping: Mapping, *, keyed: bool) -> PatientsOf:
    """Return whose the Patients of a mapping are; `keyed` says that the source identifies the rows by itself."""
    if mapping.subject.create == "never":
        return "none"
    by_patient = all(form.key == (form.aliases[mapping.subject.column],) for form in mapping.forms)
    if by_patient and len(mapping.forms) == 1 and not keyed:
        return "rows"
    return "united" if any(form.patient_elements for form in mapping.forms) else "run"


class Settlement:
    """Decides for each row, in the order of the input, what it needs the others for.

    It holds a digest for each key (about 140 bytes for each row, all told), and what is told of Patients and visits
    that several rows share.

    Parameters
    ----------
    mapping : Mapping
        The mapping.
    runs : sequence of FormRun
        One for each table.
    patients : {"rows", "run", "united", "none"}
        Whose the Patients are.
    """

    def __init__(self, mapping: Mapping, runs: Sequence[FormRun], patients: PatientsOf) -> None:
        self._mapping = mapping
        self._runs = runs
        self._patients_of = patients
        self._ranks = {form.name: position for position, form in enumerate(mapping.forms)}
        self._seen: dict[bytes, int] = {}
        self._told: set[bytes] = set()
        self._keyed: dict[str, tuple[bytes, int]] = {}
        self._patients = Patients(runs[0].parts.patients)
        self._visits = Visits()
        self._alone = patients in ("rows", "none")
        self.unused: Counter[tuple[str, str]] = Counter()
        self.values: dict[str, dict[str, Counter[str]]] = {}

    def count_rows(self, rows: Iterable[tuple[int, Row]]) -> None:
        """Remember the last row of each key, for ``duplicate_key: last``: a reading of the input before its use."""
        for position, (table, row) in enumerate(rows):
            digest = self._runs[table].digest(row)
            if digest:
                self._seen[digest] = position

    def settle(self, position: int, table: int, row: Row, mapped: Mapped) -> RowResult | None:
        """Return what a row becomes among the others; None for one that the mapping leaves out.

        Parameters
        ----------
        position : int
            Of the row in the input.
        table : int
            Of the row, among `runs`.
        row, mapped
            The row, and what it is by itself.
        """
        if mapped.why_not:
            self.unused[self._runs[table].form.name, mapped.why_not] += 1
            return None
        if not mapped.digest:
            return RowResult(row, [], mapped.issues, mapped.patient)
        for column, kind, value in mapped.notes:
            if kind == NOT_FOLLOWED:
                self.values.setdefault(column, {}).setdefault(kind, Counter())[value] = 1
        known = self._seen.get(mapped.digest)
        if known is None:
            self._seen[mapped.digest] = row.number * len(self._runs) + table
        elif self._mapping.duplicate_key != "last" or known != position:
            return self._duplicate(table, row, mapped, known)
        for column, kind, value in mapped.notes:
            if kind != NOT_FOLLOWED:
                self.values.setdefault(column, {}).setdefault(kind, Counter())[value] += 1
        if self._alone and not mapped.keyed and mapped.visit is None:
            return _new(RowResult, (row, mapped.resources, mapped.issues, mapped.patient))
        return self._shared(table, row, mapped)

    def _duplicate(self, table: int, row: Row, mapped: Mapped, known: int) -> RowResult | None:
        run, rule = self._runs[table], self._mapping.duplicate_key
        if rule != "error":
            which = "an earlier" if rule == "first" else "a later"
            self.unused[run.form.name, f"of a key that {which} row has (`duplicate_key: {rule}`)"] += 1
            return None
        first, other = divmod(known, len(self._runs))
        where = f"row {first}" if other == table else f"row {first} of {self._runs[other].label}"
        column, value = ", ".join(run.key_headers), mapped.key.replace(SEPARATOR, " / ")
        message = f"{where} has the same key; this row was not used"
        return RowResult(row, [], [issue_at(row, IssueCode.DUPLICATE_KEY, message, column, value)], mapped.patient)

    def _shared(self, table: int, row: Row, mapped: Mapped) -> RowResult:
        """Return what a row becomes, where it shares its Patient, its visit or resources with others."""
        resources, issues = mapped.resources, mapped.issues
        rank = (self._ranks[self._runs[table].form.name], mapped.key)
        if self._patients_of == "run" and resources:
            mark = bytes.fromhex(mapped.patient[1:])
            resources = resources[1:] if mark in self._told else resources
            self._told.add(mark)
        elif self._patients_of == "united":
            header = self._runs[table].subject_header
            value = row.values[header].strip()
            found = self._patients.add(row, rank, mapped.patient, mapped.value, mapped.said)
            code = IssueCode.CONFLICTING_PATIENT
            issues = [*issues, *(issue_at(row, code, message, header, value) for message in found)]
        if mapped.visit is not None:
            self._visits.add(row, rank, mapped.visit)
        for made in mapped.keyed:
            problem = self._repeated(row, made)
            if isinstance(problem, Issue):
                issues = [*issues, problem]
            elif not problem:
                resources = [*resources, made]
        return RowResult(row, resources, issues, mapped.patient)

    def _repeated(self, row: Row, made: Serialised) -> Issue | bool:
        """Return whether another row made this resource before, an issue where it differs."""
        digest = sha256(made.body).digest()[:16]
        found = self._keyed.get(made.reference)
        if found is None:
            self._keyed[made.reference] = (digest, row.number)
            return False
        known, first = found
        if known == digest:
            return True
        code = IssueCode.DUPLICATE_RESOURCE
        return issue_at(row, code, f"{made.reference}: row {first} makes it with other content, which was used")

    def rest(self) -> Iterator[RowResult]:
        """Yield what several rows became together: Patients, then Encounters."""
        for row, patient, value, made in self._patients.made():
            if isinstance(made, Serialised):
                yield RowResult(row, [made], [], patient)
                continue
            issue = issue_at(row, IssueCode.INVALID_RESOURCE, f"Patient: {made}")
            bare = self._runs[0].parts.patients.make(patient, value, ())
            yield RowResult(row, [bare] if isinstance(bare, Serialised) else [], [issue], patient)
        origin = self._runs[0].origin
        for row, visit in self._visits:
            found = encounter(visit, origin)
            problems = origin.problems(found)
            issues = [issue_at(row, IssueCode.INVALID_RESOURCE, f"Encounter: {problem}") for problem in problems[:1]]
            yield RowResult(row, [] if problems else [serialised(found)], issues, visit.patient)

    def told(self) -> list[str]:
        """Return one line for each reason why rows were not used."""
        return [
            f"{form + ': ' if form else ''}{count} row{'s' * (count > 1)} not used: {why}"
            for (form, why), count in sorted(self.unused.items())
        ]
