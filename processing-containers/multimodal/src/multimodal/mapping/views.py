"""The way back: every column that a mapping maps at level 1 has a view that finds it again in FHIR.

A view is a ViewDefinition (SQL on FHIR v2, https://sql-on-fhir.org/ig/StructureDefinition-ViewDefinition.html), which
any runner understands: it finds the resources of its column by code and ``meta.source``. Which row a resource belongs
to, its id says, which is made of the row's key and the column (`model.ids.resource_id`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from multimodal.mapping.checkbox import RESOURCE_TYPES
from multimodal.mapping.identity import SEPARATOR, id_maker
from multimodal.mapping.plan import Column, Form
from multimodal.mapping.plan import Mapping as MappingFile
from multimodal.mapping.restore import Values, restorer
from multimodal.model.ids import patient_id

# What in the name of an element is its type, e.g. onsetAge: FHIRPath writes onset.ofType(Age).
_TYPED = re.compile(
    r"(abatement|age|born|deceased|effective|medication|multipleBirth|occurrence|onset|performed|value)"
    r"(Age|Boolean|CodeableConcept|Date|DateTime|Decimal|Integer|Period|Quantity|Range|Ratio|Reference|String)"
)
_PRIMITIVE = ("Boolean", "Date", "DateTime", "Decimal", "Integer", "String")
_NAME = re.compile(r"\W+")
_KEY = {"name": "key", "path": "getResourceKey()", "type": "string"}


@dataclass(frozen=True, slots=True)
class ColumnView:
    """How one column of a table is found again.

    Parameters
    ----------
    form : str
        Name of the form.
    header : str
        Header of the column; of a checkbox group ``<field>___<code>``.
    column : Column
        The column of the mapping.
    definition : dict
        The ViewDefinition; its columns ``key`` (``Type/id``) and ``patient`` say of which resource and Patient.
    key_of : callable
        From a row's key, its parts joined by U+001F, and its subject's identifier to ``Type/id``.
    restore : callable
        From a row of the view to the text of the cell.
    unticked : str
        Text of a cell of which there is no resource, e.g. ``0`` of an option that is not ticked.
    """

    form: str
    header: str
    column: Column
    definition: dict[str, Any]
    key_of: Callable[[str, str], str]
    restore: Callable[[Values], str]
    unticked: str = ""


def column_views(mapping: MappingFile, form: Form, decimals: Mapping[str, str] | None = None) -> Iterator[ColumnView]:
    """Yield the views of a form's columns, in the order of the mapping; helpers and ignored columns have none.

    Parameters
    ----------
    mapping : Mapping
        The mapping.
    form : Form
        One of its forms.
    decimals : mapping of str to str, optional
        Header to decimal sign, where the mapping leaves it open (`MappingRun.decimals`).
    """
    views = _Views(mapping, form, decimals or {})
    makers = {
        "patient": views.patient,
        "observation": views.observation,
        "condition": views.condition,
        "into": views.into,
        "checkbox": views.checkbox,
    }
    for column in form.columns.values():
        if column.verb in makers:
            yield from makers[column.verb](column)


class _Views:
    def __init__(self, mapping: MappingFile, form: Form, decimals: Mapping[str, str]) -> None:
        self._mapping = mapping
        self._form = form
        self._decimals = decimals
        self._origin = (mapping.id, form.name) if form.name else (mapping.id,)

    def patient(self, column: Column) -> Iterator[ColumnView]:
        system = self._mapping.subject.system
        named = column.system if column.element == "identifier" else system
        paths = {
            "id": {"value": f"identifier.where(system = {_quoted(system)}).value.first()"},
            "identifier": {"value": f"identifier.where(system = {_quoted(named)}).value.first()"},
            "name": {"value": "name.first().text"},
            "deceased": {"value": "deceased.ofType(boolean)", "date": "deceased.ofType(dateTime)"},
        }.get(column.element, {"value": column.element})
        where = [f"identifier.where(system = {_quoted(system)}).exists()"]
        definition = self._definition("Patient", column.header, column.identity, paths, where, "getResourceKey()")
        yield self._view(column, column.header, definition, lambda key, value: f"Patient/{patient_id(system, value)}")

    def observation(self, column: Column) -> Iterator[ColumnView]:
        paths = {**_values("value", column), "absent": "dataAbsentReason.coding.first().code"}
        paths["effective"] = "effective.ofType(dateTime)"
        definition = self._of_code("Observation", column.header, column.identity, paths, column.code, "code")
        yield self._view(column, column.header, definition, self._made("Observation", column.identity))

    def condition(self, column: Column) -> Iterator[ColumnView]:
        paths = {**_codeable("code"), "onset": "onset.ofType(dateTime)"}
        definition = self._definition("Condition", column.header, column.identity, paths, self._of_mapping())
        yield self._view(column, column.header, definition, self._made("Condition", column.identity))

    def into(self, column: Column) -> Iterator[ColumnView]:
        template = self._form.templates[column.resource]
        if template.each is not None or template.key:
            return  # such a resource is not the one of its row
        steps = ".".join(_fhirpath(step) for step in column.element.split("."))
        name = f"{column.resource}_{column.identity}"
        definition = self._definition(template.type, column.header, name, _element(steps, column), self._of_mapping())
        yield self._view(column, column.header, definition, self._made(template.type, template.name))

    def checkbox(self, column: Column) -> Iterator[ColumnView]:
        type_ = RESOURCE_TYPES[column.makes]
        ticked = {
            "condition": "verificationStatus.coding.where(code = 'refuted').empty()",
            "procedure": "status != 'not-done'",
            "medication": "status != 'not-taken'",
            "observation": "value.ofType(CodeableConcept).exists()" if column.code else "value.ofType(boolean)",
        }[column.makes]
        element = "medication.ofType(CodeableConcept)" if column.makes == "medication" else "code"
        for code, concept in column.options.items():
            identity = f"{column.identity}___{code}"
            header = f"{column.header}___{f'_{code[1:]}' if code.startswith('-') else code}"
            asked = column.code or concept
            definition = self._of_code(type_, header, identity, {"value": ticked}, asked, element)
            made = self._made(type_, identity)
            yield ColumnView(self._form.name, header, column, definition, made, _tick, unticked="0")

    def _view(
        self, column: Column, header: str, definition: dict[str, Any], key_of: Callable[[str, str], str]
    ) -> ColumnView:
        sign = self._decimals.get(column.header, ".") if column.decimal == "auto" else column.decimal
        restore = restorer(column, "," if sign == "," else ".")
        return ColumnView(self._form.name, header, column, definition, key_of, restore)

    def _made(self, type_: str, name: str) -> Callable[[str, str], str]:
        make = id_maker(type_, self._origin, name)
        return lambda key, value: f"{type_}/{make(key)}"

    def _of_mapping(self) -> list[str]:
        source = self._mapping.meta_source
        # HAPI appends # and its own request id to the source.
        return [f"meta.source = {_quoted(source)} or meta.source.startsWith({_quoted(source + '#')})"]

    def _of_code(
        self, type_: str, header: str, identity: str, paths: dict[str, str], code: Mapping[str, Any], element: str
    ) -> dict[str, Any]:
        """Return the view of resources with a fixed code, told by its first coding, else by its text."""
        codings = code.get("coding")
        if codings:
            system, value = _quoted(codings[0]["system"]), _quoted(codings[0]["code"])
            where = f"{element}.coding.where(system = {system} and code = {value}).exists()"
        else:
            where = f"{element}.text = {_quoted(code.get('text', ''))}"
        return self._definition(type_, header, identity, paths, [*self._of_mapping(), where])

    def _definition(
        self,
        type_: str,
        header: str,
        identity: str,
        paths: Mapping[str, str],
        where: list[str],
        patient: str = "subject.getReferenceKey(Patient)",
    ) -> dict[str, Any]:
        columns = [_KEY, {"name": "patient", "path": patient, "type": "string"}]
        columns += [{"name": name, "path": path} for name, path in paths.items()]
        name = _NAME.sub("_", SEPARATOR.join((*self._origin, identity)))
        return {
            "resourceType": "ViewDefinition",
            "name": name if name[:1].isalpha() else f"v_{name}",
            "title": f"{self._form.name}: {header}" if self._form.name else header,
            "status": "active",
            "resource": type_,
            "select": [{"column": columns}],
            "where": [{"path": path} for path in where],
        }


def _tick(values: Values) -> str:
    return "1" if values.get("value") else "0"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _fhirpath(step: str) -> str:
    """Return a step of the path in a mapping as FHIRPath writes it."""
    name, _, index = step.partition("[")
    match = _TYPED.fullmatch(name)
    if match:
        type_ = match[2]
        name = f"{match[1]}.ofType({type_[0].lower() + type_[1:] if type_ in _PRIMITIVE else type_})"
    return f"{name}[{index}" if index else name


def _codeable(path: str) -> dict[str, str]:
    coding = f"{path}.coding.first()"
    return {"system": f"{coding}.system", "code": f"{coding}.code", "text": f"{path}.text"}


def _measured(quantity: str, range_: str) -> dict[str, str]:
    found = {name: f"{quantity}.{name}" for name in ("value", "comparator")}
    found["unit"] = f"{quantity}.code"
    return found | {end: f"{range_}.{end}.value" for end in ("low", "high")}


def _values(element: str, column: Column) -> dict[str, str]:
    """Return the paths below a choice element that a column of its type fills."""
    if column.type in ("number", "integer"):
        found = _measured(f"{element}.ofType(Quantity)", f"{element}.ofType(Range)")
        return found | ({"integer": f"{element}.ofType(integer)"} if column.type == "integer" else {})
    if column.type == "code":
        return _codeable(f"{element}.ofType(CodeableConcept)")
    type_ = {"boolean": "boolean", "date": "dateTime"}.get(column.type, "string")
    return {"value": f"{element}.ofType({type_})"}


def _element(path: str, column: Column) -> dict[str, str]:
    """Return the paths below an element that an ``into`` column writes."""
    if column.type == "code":
        return _codeable(path)
    if column.type in ("number", "integer", "age") and (column.unit or column.unit_column):
        return _measured(path, path)
    return {"value": path}
