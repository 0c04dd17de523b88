"""A mapping file, checked and read: everything that is known before the first row."""

from __future__ import annotations

import re
from collections.abc import Mapping as MappingOf
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from multimodal.mapping.dates import DateReader
from multimodal.mapping.expressions import Expression
from multimodal.tables.rows import SourceSpec
from multimodal.terminology.translation import TranslationTable
from multimodal.terminology.units import Unit

DROP = "drop"


@dataclass(frozen=True, slots=True)
class Effective:
    """When something was true: a fixed FHIR date, or the column that says it and how to read it.

    Parameters
    ----------
    column : str
        Header in the mapping; empty where `fixed` or `events` says it.
    fixed : str
        A FHIR date.
    reader : DateReader
        Of the column's dates.
    missing : mapping of str to str
        Texts of the column that are no date.
    offset : int
        Days after the date of the column.
    offset_column : str
        The column that holds these days, in place of `offset`.
    events : mapping of str to Effective
        For each event of the source (`Row.event`) its own; a row of another event has none.
    """

    column: str = ""
    fixed: str = ""
    reader: DateReader = field(default_factory=DateReader)
    missing: MappingOf[str, str] = field(default_factory=dict)
    offset: int = 0
    offset_column: str = ""
    events: MappingOf[str, Effective] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of the mapping.

    Parameters
    ----------
    header : str
        As the mapping names it.
    aliases : tuple of str
        Earlier headers (``was``), oldest first.
    identity : str
        What stands for the column in resource ids.
    verb : str
        One of patient, observation, condition, checkbox, into, helper, ignore.
    element : str
        For ``patient`` the element, for ``into`` the path in its resource.
    resource : str
        For ``into``, the name of that resource.
    type : str
        Of the cell: number, integer, code, boolean, text, date, age.
    factor : float
        What a number is multiplied with on its way to `convert_to`, where the two units measure different things
        (mmol/L, mg/dL); 0: not declared.
    factors : mapping of str to float
        The same for each unit of `unit_column`, by UCUM code.
    note_column, low_column, high_column : str
        Columns with a remark on the value (``Observation.note``) and the limits of its reference range.
    makes : str
        For ``checkbox``, what an option becomes: condition, observation, procedure, medication.
    assigner : str
        Who gave a Patient identifier (``Identifier.assigner``), e.g. the Issuer of Patient ID (0010,0021).
    options : mapping of str to CodeableConcept
        For ``checkbox``, code of the option to its concept.
    unchecked : {"drop", "absent"}
        For ``checkbox``, what an option becomes that is not ticked.
    status : str
        For ``checkbox``, of the Procedures and MedicationStatements of ticked options; empty for the usual one.
    """

    header: str
    aliases: tuple[str, ...]
    identity: str
    verb: str
    element: str = ""
    resource: str = ""
    type: str = "text"
    code: dict[str, Any] = field(default_factory=dict)
    unit: Unit | None = None
    unit_column: str = ""
    convert_to: Unit | None = None
    table: TranslationTable | None = None
    limits: tuple[float, float] | None = None
    decimal: str = "auto"
    thousands: str = ""
    dates: DateReader = field(default_factory=DateReader)
    effective: Effective | None = None
    method: dict[str, Any] | None = None
    category: dict[str, Any] | None = None
    profile: str = ""
    focus: str = ""
    member_of: str = ""
    system: str = ""
    missing: MappingOf[str, str] = field(default_factory=dict)
    when: Expression | None = None
    reason: str = ""
    factor: float = 0.0
    factors: MappingOf[str, float] = field(default_factory=dict)
    note_column: str = ""
    low_column: str = ""
    high_column: str = ""
    makes: str = ""
    assigner: str = ""
    options: MappingOf[str, dict[str, Any]] = field(default_factory=dict)
    unchecked: str = DROP
    status: str = ""


@dataclass(frozen=True, slots=True)
class Template:
    """One resource of level 2.

    Parameters
    ----------
    name : str
        Its name in the section ``resources``; part of its id.
    type : str
        FHIR resource type.
    body : Node
        The compiled elements.
    when : Expression, optional
        Whether a row has this resource.
    each : Expression, optional
        A list: one resource for each of its items, which `item()` gives in the template.
    item_when : Expression, optional
        Whether an item has this resource: the ``$when`` of a template with ``$each``.
    key : tuple of Expression
        Identity in place of the row's key; empty for that.
    """

    name: str
    type: str
    body: Node
    when: Expression | None = None
    each: Expression | None = None
    item_when: Expression | None = None
    key: tuple[Expression, ...] = ()

    @property
    def code(self) -> MappingOf[str, Any]:
        """The CodeableConcept ``code``, where it is the same for every row; otherwise empty."""
        node = (self.body.elements or {}).get("code")
        return node.expression.concept if node is not None and node.expression is not None else {}

    @property
    def value_element(self) -> str:
        """The element ``value[x]``, e.g. ``valueQuantity``; empty where the template has none."""
        return next((name for name in self.body.elements or {} if name.startswith("value")), "")


@dataclass(frozen=True, slots=True)
class Node:
    """A part of a template: elements of an object, items of a list, a compiled text, or a constant."""

    elements: MappingOf[str, Node] | None = None
    items: tuple[Node, ...] | None = None
    expression: Expression | None = None
    constant: Any = None


@dataclass(frozen=True, slots=True)
class Form:
    """The columns and resources of one kind of row.

    Parameters
    ----------
    name : str
        Name of the sheet, REDCap instrument or ODM item group; empty where the mapping has its columns at the top.
    key : tuple of str
        Columns that identify a row, where its source does not (`Row.key`).
    events : tuple of str
        Events whose rows are used; empty for all.
    repeat : bool, optional
        Whether only repeated (True) or only unrepeated rows (False) are used.
    encounter : bool
        Whether each visit becomes an Encounter that the row's resources refer to.
    encounter_class : mapping
        FHIR Coding of ``Encounter.class``.
    status : str
        Of the form's Observations; empty: that of the mapping, or by the form's own status.
    """

    name: str
    columns: MappingOf[str, Column]
    templates: MappingOf[str, Template]
    key: tuple[str, ...]
    aliases: MappingOf[str, str]
    events: tuple[str, ...] = ()
    repeat: bool | None = None
    encounter: bool = False
    encounter_class: MappingOf[str, str] = field(default_factory=dict)
    status: str = ""

    @property
    def patient_elements(self) -> tuple[Column, ...]:
        """Columns that say more of the Patient than its id."""
        return tuple(c for c in self.columns.values() if c.verb == "patient" and c.element != "id")


@dataclass(frozen=True, slots=True)
class Subject:
    """Who the rows are about: the id column, its identifier system, and what an id looks like.

    Parameters
    ----------
    create : {"always", "if-missing", "never"}
        Whether Patients are written; with ``if-missing`` only those that the target lacks, with ``never`` the rows
        only refer to them.
    image_column, image_system : str
        The column with the DICOM Patient ID, where that is not `column`, and its identifier system: the Patient is then
        the one that scans name so, with both identifiers.
    must_exist : bool
        Whether the target must have the Patient already.
    """

    column: str
    system: str
    pattern: str = ""
    profile: str = ""
    create: str = "always"
    image_column: str = ""
    image_system: str = ""
    must_exist: bool = False


@dataclass(frozen=True, slots=True)
class PrivacyPlan:
    """What is hidden before anything is written.

    Parameters
    ----------
    id : {"keep", "hmac"}
        Whether a keyed hash stands for the patient's id.
    key_env : str
        Environment variable with the key.
    max_days : int
        Largest shift of a patient's dates, in days; 0: dates stay.
    shift_key_env : str
        Environment variable with the key of the date shift.
    birth_date : {"keep", "year", "drop"}
        What remains of a date of birth.
    drop_identifier_fields : bool
        Whether columns that the dictionary marks as identifying are left out.
    """

    id: str = "keep"
    key_env: str = ""
    max_days: int = 0
    shift_key_env: str = ""
    birth_date: str = "keep"
    drop_identifier_fields: bool = False


@dataclass(frozen=True, slots=True)
class Mapping:
    """A mapping file.

    Parameters
    ----------
    id : str
        Namespace of all resource ids; ``meta.source`` is ``urn:multimodal:<id>``.
    path : Path
        The file.
    sha256 : str
        Of the file, of its translation tables too: a changed table is a changed mapping.
    source : SourceSpec
        How the tables are read.
    file_patterns : tuple of str
        What the files are expected to be called.
    forms : tuple of Form
        Kinds of rows.
    unmapped : {"error", "warn", "ignore"}
        What happens to a column of the file that the mapping does not name.
    max_row_errors : str
        Number or share (``5%``) of rows with errors above which the table is refused; empty for no limit.
    deletes : {"keep", "entered-in-error", "delete"}
        What happens to resources of rows that are gone.
    form_status : {"any", "complete", "unverified-or-complete"}
        Rows of which form status are used (REDCap); Observations of a form that is not complete are preliminary.
    duplicate_key : {"error", "first", "last"}
        Which of two rows with one key is used; ``error`` uses the first and reports the others.
    on_error : {"drop-value", "quarantine-row", "abort"}
        What a wrong cell costs: its own value, its row, or the import.
    profiles : tuple of str
        Sets of profiles that the resources follow, e.g. ``mcode-4``.
    privacy : PrivacyPlan
        What is hidden before anything is written.
    notes : tuple of str
        What a person should know of the mapping itself, one line each.
    tables : mapping of str to TranslationTable
        The named translation tables, those that only expressions look into too.
    """

    id: str
    path: Path
    sha256: str
    title: str
    source: SourceSpec
    file_patterns: tuple[str, ...]
    subject: Subject
    forms: tuple[Form, ...]
    unmapped: str
    max_row_errors: str
    deletes: str
    status: str
    form_status: str = "any"
    duplicate_key: str = "error"
    on_error: str = "drop-value"
    profiles: tuple[str, ...] = ()
    privacy: PrivacyPlan = PrivacyPlan()
    notes: tuple[str, ...] = ()
    tables: MappingOf[str, TranslationTable] = field(default_factory=dict)

    @property
    def columns(self) -> dict[str, Column]:
        """All columns by header; with several forms by ``form/header``."""
        return {
            f"{form.name}/{header}" if form.name else header: column
            for form in self.forms
            for header, column in form.columns.items()
        }

    @property
    def meta_source(self) -> str:
        """What ``meta.source`` of each resource is."""
        return f"urn:multimodal:{self.id}"


PATH_STEP = re.compile(r"([A-Za-z]+)(?:\[(\d)\])?")
