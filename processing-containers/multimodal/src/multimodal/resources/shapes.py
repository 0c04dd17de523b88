"""Validation by the fhir.resources models, once for each shape.

A shape is the set of element paths of a resource with the kind of value at each. The models are R4B (4.3.0): there are
none for R4 (4.0.1). For the types written here both are alike in structure; where they differ (R4B changed
medication definitions, evidence and subscriptions) we write nothing.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

Shape = frozenset[tuple[str, str]]

_MOST_SHAPES = 10_000
_valid: set[tuple[str, Shape]] = set()


def shape_of(resource: Mapping[str, Any]) -> Shape:
    """Return the shape of a resource: its element paths, each with the kind of its values."""
    return frozenset(_paths(resource, ""))


def _paths(part: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(part, Mapping):
        for name, value in part.items():
            yield from _paths(value, f"{path}.{name}")
        return
    if isinstance(part, list):
        for value in part:
            yield from _paths(value, f"{path}[]")
        return
    yield path, type(part).__name__


def validate(resource: Mapping[str, Any]) -> list[str]:
    """Validate a resource by its fhir.resources R4B model, unless its shape was found valid before.

    Returns
    -------
    list of str
        What is wrong, one line each; empty where the resource, or an earlier one of its shape, is valid.
    """
    type_ = str(resource.get("resourceType", ""))
    key = (type_, shape_of(resource))
    if key in _valid:
        return []
    problems = validate_fully(resource)
    if not problems:
        if len(_valid) >= _MOST_SHAPES:
            _valid.clear()
        _valid.add(key)
    return problems


def validate_fully(resource: Mapping[str, Any]) -> list[str]:
    """Validate a resource by its fhir.resources R4B model, whatever was validated before."""
    from pydantic import ValidationError

    model = _model(str(resource.get("resourceType", "")))
    if model is None:
        return [f"resourceType {resource.get('resourceType')!r} has no model"]
    try:
        model.model_validate(dict(resource))
    except ValidationError as error:
        return [f"{'.'.join(str(step) for step in problem['loc'])}: {problem['msg']}" for problem in error.errors()]
    return []


@cache
def element_names(resource_type: str) -> frozenset[str]:
    """Return the elements of a resource type, choice elements with their types (``valueQuantity``)."""
    model = _model(resource_type)
    fields = model.model_fields if model is not None else {}
    return frozenset(field.alias or name for name, field in fields.items())


@cache
def _model(type_: str) -> Any:
    if not type_.isalpha() or not type_.isascii():
        return None
    try:
        module = importlib.import_module(f"fhir.resources.R4B.{type_.lower()}")
    except ModuleNotFoundError:
        return None
    return getattr(module, type_, None)
