"""Level 2 of a mapping: the resources of the section ``resources``."""

from __future__ import annotations

import dataclasses
from typing import Any

from multimodal.mapping.document import Document, Place
from multimodal.mapping.expressions import Expression, compile_condition, compile_text
from multimodal.mapping.plan import Node, Template
from multimodal.mapping.scope import ExpressionError, Scope
from multimodal.model.schema_words import did_you_mean
from multimodal.resources.rules import resource_types

# Types that this package writes, and no row of a table is.
_NO_ROW = frozenset({"Patient", "OperationOutcome", "ConceptMap", "Provenance", "Endpoint"})
_DIRECTIVES = ("$when", "$each", "$key")


def read_template(document: Document, scope: Scope, place: Place, body: dict[str, Any]) -> Template:
    """Compile one resource.

    Raises
    ------
    MappingError
        If its type is not supported, its id is given, or an expression in it is wrong.
    """
    type_ = body["resourceType"]
    if type_ == "Patient":
        raise document.error((*place, "resourceType"), "the Patient is made by the columns with the verb patient")
    if type_ not in resource_types() or type_ in _NO_ROW:
        known = sorted(set(resource_types()) - _NO_ROW)
        problem = f"{type_} is no resource that a row can become{did_you_mean(type_, known)}; known: {', '.join(known)}"
        raise document.error((*place, "resourceType"), problem)
    if "id" in body:
        raise document.error((*place, "id"), "the id is made by the engine, so that it never changes", at_key=True)
    for key in body:
        if key.startswith("$") and key not in _DIRECTIVES:
            problem = f"unknown directive {key!r}; known: {', '.join(_DIRECTIVES)}"
            raise document.error((*place, key), problem, at_key=True)
    inner = dataclasses.replace(scope, each="$each" in body)
    elements = {key: value for key, value in body.items() if key not in _DIRECTIVES and key != "resourceType"}
    when = _expression(document, inner, place, body, "$when")
    return Template(
        place[-1] if isinstance(place[-1], str) else "",
        type_,
        _node(document, inner, place, elements),
        when=None if inner.each else when,
        each=_expression(document, scope, place, body, "$each"),
        item_when=when if inner.each else None,
        key=_key(document, inner, (*place, "$key"), body.get("$key", [])),
    )


def _expression(
    document: Document, scope: Scope, place: Place, body: dict[str, Any], directive: str
) -> Expression | None:
    return _condition(document, scope, (*place, directive), body[directive]) if directive in body else None


def _key(document: Document, scope: Scope, place: Place, parts: str | list[str]) -> tuple[Expression, ...]:
    """Return the parts of an identity: expressions, whose braces may be left out."""
    if isinstance(parts, str):
        return (_condition(document, scope, place, parts),)
    return tuple(_condition(document, scope, (*place, at), part) for at, part in enumerate(parts))


def _condition(document: Document, scope: Scope, place: Place, text: str) -> Expression:
    try:
        return compile_condition(text, scope)
    except ExpressionError as error:
        raise document.error(place, str(error)) from error


def _node(document: Document, scope: Scope, place: Place, part: Any) -> Node:
    if isinstance(part, dict):
        return Node(elements={key: _node(document, scope, (*place, key), value) for key, value in part.items()})
    if isinstance(part, list):
        return Node(items=tuple(_node(document, scope, (*place, at), value) for at, value in enumerate(part)))
    if not isinstance(part, str):
        return Node(constant=part)
    try:
        expression = compile_text(part, scope)
    except ExpressionError as error:
        raise document.error(place, str(error)) from error
    return Node(constant=part) if expression.constant else Node(expression=expression)
