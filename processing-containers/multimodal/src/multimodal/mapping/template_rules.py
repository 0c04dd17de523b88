"""What FHIR R4 says of a template before any row is read: its elements, its fixed codes, what it must have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from multimodal.mapping.document import Document, Place
from multimodal.mapping.plan import PATH_STEP, Column, Node, Template
from multimodal.model.schema_words import did_you_mean
from multimodal.resources.rules import Rules, encounter_element, patient_element, rules_of
from multimodal.resources.shapes import element_names
from multimodal.terminology.concepts import Concept, ConceptError, check_code

# What the engine adds by itself where the mapping leaves it out; the patient's and the visit's element too.
_ADDED = {"Observation": ("status",), "DiagnosticReport": ("status",)}


def check_templates(
    document: Document, place: Place, templates: Mapping[str, Template], columns: Mapping[str, Column]
) -> None:
    """Hold the templates of a form to FHIR R4, as far as they are the same for every row.

    Raises
    ------
    MappingError
        For an element that the type does not have, a fixed code outside its binding, or a required element that
        neither the template nor a column gives.
    """
    given: dict[str, set[str]] = {name: set() for name in templates}
    for header, column in columns.items():
        if column.verb == "into":
            first = PATH_STEP.fullmatch(column.element.split(".")[0])
            name = first[1] if first else ""
            given[column.resource].add(name)
            type_ = templates[column.resource].type
            if name not in element_names(type_):
                problem = f"{type_} has no element {name!r}{did_you_mean(name, element_names(type_))}"
                raise document.error((*place, "columns", header, "into"), problem)
    for name, template in templates.items():
        _check(document, (*place, "resources", name), template, given[name])


def _check(document: Document, place: Place, template: Template, given: set[str]) -> None:
    type_, rules = template.type, rules_of(template.type)
    elements = template.body.elements or {}
    for name in elements:
        if name not in element_names(type_):
            problem = f"{type_} has no element {name!r}{did_you_mean(name, element_names(type_))}"
            raise document.error((*place, name), problem, at_key=True)
    for at, concept in _codings(template.body, ()):
        try:
            check_code(concept)
        except ConceptError as error:
            raise document.error((*place, *at), str(error)) from error
    if rules is None:
        return
    for path, codes in rules.codes.items():
        for at, value in _constants(template.body, path, ()) if path not in rules.systems else ():
            if value not in codes:
                problem = f"{type_}.{'.'.join(path)}: {value!r} is none of {', '.join(codes)}"
                raise document.error((*place, *at), problem + did_you_mean(value, codes))
    present = {*elements, *given, *_ADDED.get(type_, ()), patient_element(type_), encounter_element(type_)}
    for name in _lacking(rules, present):
        raise document.error(place, f"{type_} needs the element {name!r}, which nothing gives", at_key=True)


def _lacking(rules: Rules, present: set[str]) -> Iterator[str]:
    for path in rules.required:
        name = path[0]
        stem = name.removesuffix("[x]")
        if len(path) > 1 or name in present or f"_{name}" in present:
            continue
        if not (name.endswith("[x]") and any(one.startswith(stem) and one != stem for one in present)):
            yield name


def _codings(node: Node, at: Place) -> Iterator[tuple[Place, Concept]]:
    """Yield the codes that are written with their system, with their places in the template."""
    elements = node.elements or {}
    if "system" in elements and "code" in elements:
        system, code = elements["system"].constant, elements["code"].constant
        if isinstance(system, str) and isinstance(code, str):
            yield (*at, "code"), Concept(system, code)
    for name, child in elements.items():
        yield from _codings(child, (*at, name))
    for position, item in enumerate(node.items or ()):
        yield from _codings(item, (*at, position))


def _constants(node: Node, path: tuple[str, ...], at: Place) -> Iterator[tuple[Place, str]]:
    """Yield the fixed texts at an element path, with their places in the template."""
    if node.items is not None:
        for position, item in enumerate(node.items):
            yield from _constants(item, path, (*at, position))
    elif not path:
        if isinstance(node.constant, str):
            yield at, node.constant
    elif node.elements is not None and path[0] in node.elements:
        yield from _constants(node.elements[path[0]], path[1:], (*at, path[0]))
