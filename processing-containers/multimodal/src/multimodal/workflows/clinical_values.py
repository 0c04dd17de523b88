"""What the mappings loaded into FHIR -> one value for each column and patient, under document keys."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from multimodal.fhirstore import Target
from multimodal.fhirstore.bodies import is_withdrawn
from multimodal.index.errors import KeyCollisionError, KeyNameError
from multimodal.index.keys import Area, KeyRegister, Kind
from multimodal.mapping.plan import Column, Template
from multimodal.mapping.plan import Mapping as TableMapping
from multimodal.model.issue_codes import IssueCode
from multimodal.model.issues import Issue

_KINDS = {
    "number": Kind.FLOAT,
    "integer": Kind.INTEGER,
    "age": Kind.FLOAT,
    "code": Kind.KEYWORD,
    "text": Kind.KEYWORD,
    "boolean": Kind.BOOLEAN,
    "date": Kind.DATE,
}
# value[x] of a template -> the cell type that gives such a value
_TYPES = {
    "valueQuantity": "number",
    "valueInteger": "integer",
    "valueCodeableConcept": "code",
    "valueString": "text",
    "valueBoolean": "boolean",
    "valueDateTime": "date",
}
# R4 time units in years, for comparing ages
_YEARS = {"a": 1.0, "mo": 1 / 12, "wk": 7 / 365.25, "d": 1 / 365.25}


@dataclass(slots=True)
class Person:
    """One patient of the clinical tables, as FHIR knows them.

    Parameters
    ----------
    name : str
        The identifier in the mapping's system, for messages.
    values : dict
        Document key -> value.
    gender, birth_date : str
        As on the Patient; empty where it has none.
    age : float or None
        In years, at diagnosis.
    """

    name: str = ""
    values: dict[str, Any] = field(default_factory=dict)
    gender: str = ""
    birth_date: str = ""
    age: float | None = None


@dataclass(slots=True)
class Clinical:
    """All patients by Patient id, the keys their columns have, and what could not be joined."""

    people: dict[str, Person] = field(default_factory=dict)
    issues: list[Issue] = field(default_factory=list)
    repeated: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class _Source:
    """Where the value of a column stands: in Observations with a code, or in one element of a resource."""

    key: str
    name: str
    type: str
    resource_type: str
    codings: frozenset[tuple[str, str]] = frozenset()
    element: str = ""


def read_clinical(target: Target, mappings: Iterable[TableMapping]) -> Clinical:
    """Return the clinical values of all patients that `mappings` loaded into `target`.

    Notes
    -----
    A resource is found by its ``meta.source``, its column by the code the mapping gives it. Where a patient has
    several values of one column, the last one by its effective date stands.
    """
    clinical, register = Clinical(), KeyRegister()
    for mapping in mappings:
        sources = list(_sources(mapping, register, clinical.issues))
        dated: dict[tuple[str, str], tuple[str, str]] = {}
        for resource in target.of_source(mapping.id):
            if resource["resourceType"] == "Patient":
                _add_patient(clinical, resource, mapping, sources)
            elif not is_withdrawn(resource):
                _add_values(clinical, resource, sources, dated)
    return clinical


def _sources(mapping: TableMapping, register: KeyRegister, issues: list[Issue]) -> Iterator[_Source]:
    """Yield what can be joined; what cannot be told apart from something else is an issue."""
    templates = [template for form in mapping.forms for template in form.templates.values()]
    types = {template.name: template.type for template in templates}
    coded: list[Column | Template] = [
        *mapping.columns.values(),
        *(one for one in templates if one.type == "Observation" and one.value_element),
    ]
    codes = Counter(coding for one in coded for coding in _codings(one.code))
    for one in coded:
        name, header, type_, verb = _described(one)
        codings = frozenset(_codings(one.code))
        if verb == "observation" and any(codes[coding] > 1 for coding in codings):
            issues.append(_refused(header, "another column has the same code, so their values cannot be told apart"))
            continue
        place = ("Observation", codings, "") if verb == "observation" and codings else _element(one, types)
        if place is None:
            continue
        kind = Kind.KEYWORD if verb == "patient" else _KINDS.get(type_, Kind.KEYWORD)
        try:
            yield _Source(register.key(Area.CLINICAL, name, kind), name, type_, *place)
        except (KeyCollisionError, KeyNameError) as error:
            issues.append(_refused(header, str(error)))


def _described(one: Column | Template) -> tuple[str, str, str, str]:
    """Return name, header, cell type and verb of a column, or of a template that is an Observation."""
    if isinstance(one, Column):
        return one.identity, one.header, one.type, one.verb
    return one.name, one.name, _TYPES.get(one.value_element, ""), "observation"


def _element(one: Column | Template, types: Mapping[str, str]) -> tuple[str, frozenset[tuple[str, str]], str] | None:
    """Return the one element in which the value of a column stands, where its resource can be told."""
    if isinstance(one, Template):
        return None
    if one.verb == "patient" and one.element == "gender":
        return "Patient", frozenset(), "gender"
    # Only where the type tells the resource: of two Conditions nobody could say which is meant, and columns
    # make Observations too.
    if one.verb != "into" or not one.element.isalpha() or types[one.resource] == "Observation":
        return None
    return (
        (types[one.resource], frozenset(), one.element)
        if list(types.values()).count(types[one.resource]) == 1
        else None
    )


def _add_patient(
    clinical: Clinical, resource: Mapping[str, Any], mapping: TableMapping, sources: Sequence[_Source]
) -> None:
    person = clinical.people.setdefault(resource["id"], Person())
    known = [one["value"] for one in resource.get("identifier", ()) if one.get("system") == mapping.subject.system]
    person.name = known[0] if known else resource["id"]
    person.gender, person.birth_date = resource.get("gender", ""), resource.get("birthDate", "")
    for source in sources:
        if source.resource_type == "Patient" and resource.get(source.element):
            person.values[source.key] = resource[source.element]


def _add_values(
    clinical: Clinical,
    resource: Mapping[str, Any],
    sources: Sequence[_Source],
    dated: dict[tuple[str, str], tuple[str, str]],
) -> None:
    patient = str(resource.get("subject", {}).get("reference", "")).removeprefix("Patient/")
    if not patient:
        return
    person = clinical.people.setdefault(patient, Person(name=patient))
    for source in sources:
        found = _value(resource, source)
        if found is None:
            continue
        when = (str(resource.get("effectiveDateTime", "")), resource["id"])
        place = (patient, source.key)
        clinical.repeated[source.name] += place in dated
        if when >= dated.get(place, ("", "")):
            dated[place] = when
            person.values[source.key] = found
    if age := resource.get("onsetAge"):
        person.age = float(age["value"]) * _YEARS.get(age.get("code", "a"), 1.0)


def _value(resource: Mapping[str, Any], source: _Source) -> Any:
    if resource["resourceType"] != source.resource_type:
        return None
    if source.element:
        return _plain(resource.get(source.element), source.type)
    if not source.codings & set(_codings(resource.get("code", {}))):
        return None
    values = [value for name, value in resource.items() if name.startswith("value")]
    return _plain(values[0], source.type) if values else None


def _plain(value: Any, kind: str) -> Any:
    """Return a FHIR value as a field of a document; None where the field could not hold it without a loss."""
    if isinstance(value, Mapping):
        if "comparator" in value or "low" in value or "high" in value:
            return None  # "<5" is not 5
        if "value" in value:
            return round(value["value"]) if kind == "integer" else float(value["value"])
        coding: Mapping[str, Any] = next(iter(value.get("coding", ())), {})
        return value.get("text") or coding.get("display") or coding.get("code")
    if kind == "date":
        return value[:10] if isinstance(value, str) and len(value) >= len("2000-01-01") else None
    return value


def _codings(concept: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for coding in concept.get("coding", ()):
        if coding.get("code"):
            yield coding.get("system", ""), coding["code"]


def _refused(header: str, reason: str) -> Issue:
    code = IssueCode.KEY_REFUSED
    return Issue(code.code, reason, column=header, suggestion=code.suggestion)
