"""Tables to proposals: one for each column, and what tells their rows apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

from multimodal.drafting.checkboxes import checkbox_proposal
from multimodal.drafting.diagnoses import diagnosis_proposal
from multimodal.drafting.facts import Facts, facts_of, missing_texts
from multimodal.drafting.matching import by_answers, candidates
from multimodal.drafting.proposals import TODO, Proposal, ignored, proposed, undecided
from multimodal.drafting.row_dates import dated_by_form, key_of
from multimodal.drafting.siblings import unit_columns
from multimodal.tables.dictionary import Dictionary, Field
from multimodal.tables.rows import Table

SAMPLE = 5000
THRESHOLD = 0.8
_DATE_HELPERS = ("visit-date", "lab-date")


@dataclass(slots=True)
class DraftedTable:
    """What is proposed for one table.

    Parameters
    ----------
    name : str
        Of the sheet or form; empty where the file has only one.
    proposals : list of Proposal
        In the order of the columns.
    key : tuple of str
        Columns that tell the rows apart, where the patient's id alone does not; empty for that.
    key_certain : bool
        False where no columns were found that do.
    effective : str
        The column with the date of the values, where there is just one that can be.
    missing : dict of str to str
        Texts that stand for missing values -> reason to propose.
    rows : int
        Rows that were looked at.
    unusable : int
        Rows beside them whose cells could not be told apart.
    header_row : int or tuple of int
        Where the names of the columns stand in the sheet.
    header_why, header_doubt : str
        What to say of it; and what a person has to decide, empty where nothing.
    """

    name: str
    proposals: list[Proposal]
    key: tuple[str, ...] = ()
    key_certain: bool = True
    effective: str = ""
    missing: dict[str, str] = field(default_factory=dict)
    rows: int = 0
    unusable: int = 0
    header_row: int | tuple[int, ...] = 1
    header_why: str = ""
    header_doubt: str = ""

    @property
    def patient(self) -> str:
        """The column that names the patient, or empty."""
        return next((one.column for one in self.proposals if one.verb == "patient:id"), "")


@dataclass(slots=True)
class Draft:
    """What is proposed for the tables of a study."""

    tables: list[DraftedTable]
    files: tuple[Path, ...] = ()
    source_type: str = "csv"
    dictionary: str = ""
    notes: list[str] = field(default_factory=list)
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def proposals(self) -> list[Proposal]:
        """All proposals."""
        return [proposal for table in self.tables for proposal in table.proposals]

    @property
    def undecided(self) -> int:
        """Columns that a person has to decide on."""
        return sum(proposal.verb == "todo" for proposal in self.proposals)


def draft_tables(
    tables: Iterable[Table], *, source_type: str, dictionary: str = "", options: Mapping[str, str] | None = None
) -> Draft:
    """Propose a line for each column of `tables`.

    Parameters
    ----------
    tables : iterable of Table
        As they were read; at most `SAMPLE` rows of each are looked at.
    source_type : str
        Of the mapping's section ``source``.
    dictionary : str
        Name of the file that describes the columns, empty without one.
    options : mapping of str to str, optional
        What else the section ``source`` says, e.g. the collection of an IDC table.
    """
    drafted, files, notes = [], [], []
    for table in tables:
        files.append(table.file)
        notes.extend(table.notes)
        drafted.append(_drafted(table, recorded=bool(table.given) or source_type in {"redcap", "odm"}))
    return Draft(_agreed(drafted), tuple(dict.fromkeys(files)), source_type, dictionary, notes, options or {})


def propose(fields: Sequence[Field], facts: dict[str, Facts], *, record_id: str = "") -> list[Proposal]:
    """Propose a line for each field.

    Parameters
    ----------
    fields : sequence of Field
        The columns.
    facts : dict of str to Facts
        Statistics of their values by name; a column without any was not seen filled.
    record_id : str
        The field that is known to name the record.
    """
    made = [_proposal(one, facts.get(one.name, Facts()), record_id) for one in fields]
    made = unit_columns(fields, facts, made)
    return _one_patient(made, facts)


def _proposal(one: Field, facts: Facts, record_id: str) -> Proposal:
    if one.name == record_id:
        return Proposal(one.name, "patient:id", "patient-id", {"patient": "id"}, 0.97, ("the record's id",))
    if (left_out := _left_out(one, facts)) is not None:
        return left_out
    if one.type == "checkbox":
        return checkbox_proposal(one, THRESHOLD)
    found = candidates(one, facts)
    sure = bool(found) and found[0].confidence >= THRESHOLD
    if one.identifier and not (sure and found[0].entry.verb.startswith("patient:")):
        return ignored(one.name, "marked as an identifier", 0.95, "the dictionary says so", "person-name")
    if sure:
        return proposed(one, facts, found[0])
    if (status := by_answers(one, facts)) is not None:
        return proposed(one, facts, status)
    if (diagnoses := diagnosis_proposal(one, facts, THRESHOLD)) is not None:
        return diagnoses
    return undecided(one, facts, found)


def _left_out(one: Field, facts: Facts) -> Proposal | None:
    if one.hidden:
        return ignored(one.name, "hidden field of the form", 0.9, "no person sees it")
    if one.type in {"descriptive", "file"}:
        return ignored(one.name, f"a {one.type} field has no values", 0.95, f"type {one.type}")
    if one.name.endswith("_complete") and set(facts.values) <= {"0", "1", "2"}:
        return ignored(one.name, "status of the form", 0.9, f'name "{one.name}"')
    if facts.rows and not facts.filled and not facts.missing and not one.label:
        return ignored(one.name, "empty column", 0.9, f"no value in {facts.rows} rows")
    return None


def _one_patient(made: list[Proposal], facts: dict[str, Facts]) -> list[Proposal]:
    """Keep one column as the patient's id: the surest, the first of those."""
    ids = [one for one in made if one.verb == "patient:id"]
    if len(ids) < 2:
        return made
    best = max(ids, key=lambda one: round(one.confidence, 2))
    return [
        one
        if one.verb != "patient:id" or one is best
        else Proposal(one.column, "todo", "", {"ignore": f"{TODO}: another id?"}, 0.5, (f"beside {best.column}",))
        for one in made
    ]


def _drafted(table: Table, *, recorded: bool) -> DraftedTable:
    sample = list(islice(table.rows, SAMPLE))
    usable = [row for row in sample if row.usable]
    fields = _fields(table)
    facts = {header: facts_of([row.values.get(header, "") for row in usable]) for header in table.headers}
    proposals = propose(fields, facts, record_id=_record_id(table))
    drafted = DraftedTable(table.sheet, proposals, rows=len(usable), unusable=len(sample) - len(usable))
    drafted.missing = _missing(facts.values())
    if recorded:
        proposals[:] = dated_by_form(fields, proposals)
    else:
        drafted.key, drafted.key_certain = key_of(drafted.patient, proposals, facts, usable)
    dates = [one.column for id_ in _DATE_HELPERS for one in proposals if one.id == id_]
    several = recorded and len({one.form for one in fields}) > 1  # a date of one form is not that of the others
    drafted.effective = dates[0] if len(dates) == 1 and not several else ""
    return drafted


def _fields(table: Table) -> list[Field]:
    """Return the columns as fields: the options of a checkbox field stand for one."""
    dictionary: Dictionary = table.dictionary
    names = [
        dictionary.option_of[header][0] if header in dictionary.option_of else header
        for header in table.headers
        if header not in table.given or header == _record_id(table)
    ]
    return [_labelled(dictionary.fields.get(name, Field(name))) for name in dict.fromkeys(names)]


def _labelled(one: Field) -> Field:
    """Return a field whose choices all have a label; one without is its own."""
    if all(one.choices.values()):
        return one
    return replace(one, choices={code: label or code for code, label in one.choices.items()})


def _record_id(table: Table) -> str:
    """Return the column that is known to name the record: of REDCap the first field, ODM's subject, IDC's patient."""
    first = next(iter(table.dictionary.fields), "")
    if first in table.headers and first in table.given:
        return first
    if "SubjectKey" in table.given:
        return "SubjectKey"
    return "dicom_patient_id" if "dicom_patient_id" in table.headers else ""  # the id that all of IDC shares


def _missing(facts: Iterable[Facts]) -> dict[str, str]:
    texts: Counter[str] = Counter()
    for one in facts:
        texts.update(one.missing)
    return {text: missing_texts()[text.casefold()] for text in sorted(texts)}


def _agreed(tables: list[DraftedTable]) -> list[DraftedTable]:
    """Let a table that names no patient use the id column of the others, if it has it."""
    names = {table.patient for table in tables if table.patient}
    for table in tables:
        if not table.patient:
            for at, one in enumerate(table.proposals):
                if one.column in names:
                    reasons = ("as in the other tables",)
                    table.proposals[at] = Proposal(
                        one.column, "patient:id", "patient-id", {"patient": "id"}, 0.9, reasons
                    )
    return tables
