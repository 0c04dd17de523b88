"""The first rows of a table beside what a mapping makes of them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from multimodal.mapping import Mapping as ClinicalMapping
from multimodal.mapping import MappingRun, RowResult, load_mapping, run_mapping
from multimodal.mapping.plan import Column, Form
from multimodal.model.ids import resource_id
from multimodal.model.issues import Issue
from multimodal.resources.serialised import Serialised

_LONGEST = 200  # letters of a cell that are shown
_RECORDED = frozenset({"redcap", "odm", "idc"})  # sources that have columns by themselves
_MOST_ROWS = 20_000  # that are mapped in search of the Patients of the shown rows
_MADE_OF_COLUMNS = ("Observation", "Condition", "Procedure", "MedicationStatement")


@dataclass(frozen=True, slots=True)
class PreviewCell:
    """A cell and what becomes of it.

    Parameters
    ----------
    column, value : str
        Header and text.
    verb : str
        What the mapping does with the column; empty where it does not name it.
    becomes : tuple of str
        One line for each resource or element made of it.
    issue : str
        What is wrong with it.
    """

    column: str
    value: str
    verb: str
    becomes: tuple[str, ...] = ()
    issue: str = ""


@dataclass(frozen=True, slots=True)
class PreviewResource:
    """A resource: in one line, and whole."""

    type: str
    line: str
    json: str
    column: str = ""


@dataclass(frozen=True, slots=True)
class PreviewRow:
    """A row beside its resources."""

    number: int
    sheet: str
    cells: tuple[PreviewCell, ...]
    resources: tuple[PreviewResource, ...]
    issues: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Preview:
    """The first rows of the tables."""

    mapping: str
    rows: tuple[PreviewRow, ...]


def preview_mapping(mapping_file: Path, files: Sequence[Path], *, rows: int = 5) -> Preview:
    """Map the first `rows` rows of each sheet or form; nothing is stored.

    Raises
    ------
    MappingError
        If the mapping is wrong.
    DataRefusedError
        If a table as a whole cannot be used.
    """
    mapping = load_mapping(mapping_file)
    seen: Counter[str] = Counter()
    chosen: list[RowResult] = []
    patients: dict[str, Serialised] = {}
    wanted: set[str] = set()
    places: set[tuple[str, int, tuple[str, ...]]] = set()
    run = run_mapping(mapping, files)
    for count, result in enumerate(run):
        # What several rows say of one patient is one Patient, which comes after all rows.
        patients |= {made.id: made for made in result.resources if made.type == "Patient" and made.id in wanted}
        seen[result.row.sheet] += 1
        if seen[result.row.sheet] <= rows and _place(result) not in places:
            chosen.append(result)
            places |= {_place(result), (result.row.sheet, result.row.number, ())}
            wanted.add(result.patient)
            patients |= {made.id: made for made in result.resources if made.type == "Patient"}
        elif count > _MOST_ROWS and len(seen) >= len(mapping.forms):
            break
    shown: set[str] = set()
    return Preview(mapping.title or mapping.id, tuple(_row(mapping, run, result, patients, shown) for result in chosen))


def _place(result: RowResult) -> tuple[str, int, tuple[str, ...]]:
    """Return what tells the row of a result; what several rows say together comes again under the first of them.

    It has no key then, even where the rows of the source have one.
    """
    return result.row.sheet, result.row.number, result.row.key


def _row(
    mapping: ClinicalMapping, run: MappingRun, result: RowResult, patients: Mapping[str, Serialised], shown: set[str]
) -> PreviewRow:
    """Return a row with its resources; a Patient is shown with the first of its rows."""
    form = _form(mapping, result)
    columns = _columns(form, run, result)
    by_id = _columns_by_id(mapping, form, result, columns)
    patient = patients.get(result.patient)
    first = [patient] if patient is not None and patient.id not in shown else []
    shown.add(result.patient)
    resources = tuple(
        PreviewResource(
            made.type, _cut(said(body)), json.dumps(body, indent=2, ensure_ascii=False), by_id.get(made.id, "")
        )
        for made in (*first, *(made for made in result.resources if made.type != "Patient"))
        for body in (made.resource(),)
    )
    given = frozenset(result.row.values) - {*run.coverage.unmapped} if mapping.source.type in _RECORDED else frozenset()
    body = patient.resource() if patient is not None else {}
    cells = tuple(_cells(columns, given, result, resources, body))
    named = {cell.column for cell in cells}
    other = tuple(_problem(issue) for issue in result.issues if issue.column not in named)
    return PreviewRow(result.row.number, result.row.sheet, cells, resources, other)


def _form(mapping: ClinicalMapping, result: RowResult) -> Form:
    sheet = result.row.sheet  # of several files: <file>, or <file>:<sheet>
    names = (sheet, sheet.rpartition(":")[2], Path(sheet).stem, "")
    return next((form for name in names for form in mapping.forms if form.name == name), mapping.forms[0])


def _columns(form: Form, run: MappingRun, result: RowResult) -> dict[str, tuple[Column, str]]:
    """Return header in the file -> its column in the mapping; of an option of a checkbox field also its code."""
    values = result.row.values
    found = {_actual(column, values): (column, "") for column in form.columns.values()}
    names = {name: column for column in form.columns.values() for name in (column.header, *column.aliases)}
    options = {header: option for known in run.dictionaries.values() for header, option in known.option_of.items()}
    for header in values:
        field, mark, code = header.partition("___")
        name, option = options.get(
            header, (field, f"-{code[1:]}" if code.startswith("_") else code) if mark else ("", "")
        )
        if header not in found and name in names:
            found[header] = names[name], option
    return found


def _columns_by_id(
    mapping: ClinicalMapping, form: Form, result: RowResult, columns: Mapping[str, tuple[Column, str]]
) -> dict[str, str]:
    """Return the id that a resource of each column would have for this row -> the column's header in the file."""
    values = result.row.values
    key = result.row.key or tuple(values.get(_actual(form.columns[name], values), "").strip() for name in form.key)
    parts = (mapping.id, form.name) if form.name else (mapping.id,)
    return {
        resource_id(kind, *parts, *key, f"{column.identity}___{code}" if code else column.identity): header
        for header, (column, code) in columns.items()
        for kind in _MADE_OF_COLUMNS
    }


def _actual(column: Column, values: Mapping[str, str]) -> str:
    return next((name for name in (column.header, *column.aliases) if name in values), column.header)


def _cells(
    columns: Mapping[str, tuple[Column, str]], given: Set[str], result: RowResult,
    resources: Sequence[PreviewResource], patient: Mapping[str, Any],
) -> Iterator[PreviewCell]:  # fmt: skip
    problems = {issue.column: _problem(issue) for issue in result.issues}
    for header, value in result.row.values.items():
        column, _ = columns.get(header, (None, ""))
        if column is None:
            if value or header not in given:  # what the source has by itself is shown where it says something
                told = ("of the source",) if header in given else ()
                yield PreviewCell(header, _cut(value), "given" if told else "", told, problems.get(header, ""))
            continue
        made = [resource.line for resource in resources if resource.column == header]
        becomes = (*_elements(column, value, patient), *made)
        yield PreviewCell(header, _cut(value), column.verb, becomes, problems.get(header, ""))


def _elements(column: Column, value: str, patient: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a column that makes no resource of its own gives."""
    if column.verb == "ignore":
        yield f"left out: {column.reason}"
    elif column.verb == "helper":
        yield f"helper: {column.reason}"
    elif column.verb == "into" and value.strip():
        yield f"{column.resource}.{column.element}"
    elif column.verb == "patient" and column.element == "id":
        yield f"Patient {patient.get('id', '')[:9]}…" if patient else "Patient"
    elif column.verb == "patient" and value.strip():
        yield f"Patient.{column.element}{_element(column.element, patient)}"


def _element(name: str, patient: Mapping[str, Any]) -> str:
    """Return what an element of the Patient holds, with its choice of type: ``deceasedBoolean``."""
    found = [value for key, value in patient.items() if key in (name, f"{name}Boolean", f"{name}DateTime")]
    return f" = {_value(found[0])}" if found and isinstance(found[0], str | bool) else ""


def _problem(issue: Issue) -> str:
    return _cut(f"{issue.code} {issue.message}")


def _cut(text: str) -> str:
    """Return `text`, of a long one its beginning: the page is for looking at many cells."""
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}… ({len(text):,} letters)"


def said(resource: Mapping[str, Any]) -> str:
    """Return what a resource says, in one line."""
    kind = resource["resourceType"]
    if kind == "Patient":
        facts = [resource.get("gender", ""), f"born {resource['birthDate']}" if "birthDate" in resource else ""]
        return ", ".join(["Patient", *(fact for fact in facts if fact)])
    line = f"{kind}: {_concept(resource.get('code', {}))}".removesuffix(": ")
    value = next((_value(resource[key]) for key in resource if key.startswith("value")), "")
    if "dataAbsentReason" in resource:
        value = f"no value ({_concept(resource['dataAbsentReason'])})"
    when = resource.get("effectiveDateTime") or resource.get("onsetDateTime") or ""
    return f"{line}{f' = {value}' if value else ''}{f' ({when})' if when else ''}"


def _concept(value: Mapping[str, Any]) -> str:
    codings = value.get("coding", [])
    first = codings[0] if codings else {}
    return str(value.get("text") or first.get("display") or first.get("code") or "")


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, dict):
        return str(value)
    if "value" in value:
        return f"{value.get('comparator', '')}{value['value']} {value.get('unit', '')}".strip()
    if "low" in value or "high" in value:
        return " to ".join(_value(value[end]) for end in ("low", "high") if end in value)
    return _concept(value)
