"""Level 1 at work: a group of checkbox columns, where each ticked option becomes a resource of its own.

An option that is not ticked says nothing, unless the mapping says ``unchecked: absent``. It is then written as the
negation that FHIR R4 has for the type: a Condition with verificationStatus ``refuted``
(https://hl7.org/fhir/R4/valueset-condition-ver-status.html), an Observation whose value is false, a Procedure
``not-done`` (https://hl7.org/fhir/R4/valueset-event-status.html), a MedicationStatement ``not-taken``
(https://hl7.org/fhir/R4/valueset-medication-statement-status.html). An empty cell never says anything; REDCap writes 0
for a question that nobody answered, so ``absent`` is for questions that somebody has to answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from multimodal.mapping.cells import read_boolean
from multimodal.mapping.emitters import Emit
from multimodal.mapping.errors import CellError
from multimodal.mapping.identity import id_maker
from multimodal.mapping.origin import Checked, Origin
from multimodal.mapping.plan import DROP, Column
from multimodal.mapping.row_state import Resource, RowState
from multimodal.model.issue_codes import IssueCode
from multimodal.resources.serialised import Serialised
from multimodal.terminology.concepts import Concept, code_systems

RESOURCE_TYPES = {
    "condition": "Condition",
    "observation": "Observation",
    "procedure": "Procedure",
    "medication": "MedicationStatement",
}
# Element that holds the date of the statement. A Condition was recorded then, which says nothing of its onset.
_DATES = {
    "condition": "recordedDate",
    "observation": "effectiveDateTime",
    "procedure": "performedDateTime",
    "medication": "dateAsserted",
}
_TICKED = {"procedure": "completed", "medication": "active"}
_NOT_TICKED = {"procedure": "not-done", "medication": "not-taken"}
_TEXTS = {"checked": True, "unchecked": False}


def checkbox(column: Column, columns: Mapping[str, str], origin: Origin) -> list[Emit]:
    """Return the closures that make the resources of a checkbox group, one for each of its columns in the file.

    Parameters
    ----------
    column : Column
        The group, as the mapping names it.
    columns : mapping of str to str
        Code of the option to header in the file; options for missing data (``unk``) too.
    origin : Origin
        What the form's resources share.
    """
    missing = {code.casefold(): reason for code, reason in column.missing.items() if code}
    # REDCap writes a missing data code in lower case into the header of its column.
    absent = {
        code: header for code, header in columns.items() if code not in column.options and code.casefold() in missing
    }
    emitters: list[Emit] = []
    for code, header in columns.items():
        if code in column.options:
            emitters.append(_option(column, code, header, tuple(absent.values()), origin))
        elif code in absent:
            emitters.append(_absent(column, code, header, missing[code.casefold()], origin))
        else:
            emitters.append(_unknown(column, code, header))
    return emitters


def _ticked(column: Column, header: str, state: RowState) -> bool | None:
    """Return whether an option is ticked, None where its cell says nothing or cannot be read (which is reported)."""
    text = state.values[header].strip()
    if text in column.missing or not text:
        return None
    known = _TEXTS.get(text.casefold())
    if known is not None:
        return known
    try:
        return read_boolean(text)
    except CellError as error:
        state.report(error, header, text)
        return None


def _option(column: Column, code: str, header: str, absent: tuple[str, ...], origin: Origin) -> Emit:
    type_ = RESOURCE_TYPES[column.makes]
    make_id = id_maker(type_, origin.parts, f"{column.identity}___{code}")
    constants = {said: _constant(column, column.options[code], said, origin) for said in (True, False)}
    checked = Checked(header, origin)
    date_element = _DATES[column.makes]

    def emit(state: RowState) -> Serialised | None:
        said = _ticked(column, header, state)
        if said is None or (not said and (column.unchecked == DROP or _any_ticked(column, absent, state))):
            return None
        if not state.holds(column.when):
            return None
        made = {"resourceType": type_, "id": make_id(state.key), **constants[said]}
        _add_row(made, column, date_element, state)
        return checked(made, (said, *made), state)

    return emit


def _any_ticked(column: Column, headers: tuple[str, ...], state: RowState) -> bool:
    return any(_ticked(column, header, state) for header in headers)


def _constant(column: Column, concept: dict[str, Any], said: bool, origin: Origin) -> Resource:
    """Return what is the same in every row."""
    made: Resource = {"meta": origin.meta(column.profile)}
    if column.category:  # of Procedure and MedicationStatement there is at most one
        made["category"] = column.category if column.makes in _TICKED else [column.category]
    if column.makes == "condition":
        if not said:
            made["verificationStatus"] = Concept(code_systems()["CONDVER"], "refuted").codeable
        return made | {"code": concept}
    if column.makes in _TICKED:
        made["status"] = (column.status or _TICKED[column.makes]) if said else _NOT_TICKED[column.makes]
        return made | {"medicationCodeableConcept" if column.makes == "medication" else "code": concept}
    if column.code:
        return made | {"code": column.code, "valueCodeableConcept": concept}
    return made | {"code": concept, "valueBoolean": said}


def _add_row(made: Resource, column: Column, date_element: str, state: RowState) -> None:
    made["subject"] = state.subject
    if column.makes == "observation":
        made["status"] = state.status
    if state.encounter is not None:
        made["context" if column.makes == "medication" else "encounter"] = state.encounter
    if column.effective is not None and (date := state.effective(column.effective)):
        made[date_element] = date


def _absent(column: Column, code: str, header: str, reason: str, origin: Origin) -> Emit:
    """Return the closure of a missing data option: where the group has a code, the Observation says why it is empty."""
    make_id = id_maker("Observation", origin.parts, f"{column.identity}___{code}")
    checked = Checked(header, origin)
    stated = column.makes == "observation" and column.code and reason != DROP

    def emit(state: RowState) -> Serialised | None:
        if not _ticked(column, header, state) or not state.holds(column.when):
            return None
        origin.noted(column.header, "missing", code)
        if not stated:
            return None
        made: Resource = {"resourceType": "Observation", "id": make_id(state.key), "meta": origin.meta(column.profile)}
        if column.category:
            made["category"] = [column.category]
        made |= {"code": column.code, "dataAbsentReason": Concept(code_systems()["DAR"], reason).codeable}
        _add_row(made, column, "effectiveDateTime", state)
        return checked(made, tuple(made), state)

    return emit


def _unknown(column: Column, code: str, header: str) -> Emit:
    """Return the closure of an option that the mapping gives no concept: a tick is reported, never lost."""

    def emit(state: RowState) -> None:
        if _ticked(column, header, state):
            state.add(
                IssueCode.NOT_IN_TABLE,
                f"the option {code!r} is ticked and has no concept under `options` of {column.header}",
                header,
                state.values[header],
                "add the option to the mapping",
            )

    return emit
