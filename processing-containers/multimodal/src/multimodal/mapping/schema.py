"""The JSON Schema of mapping files, and its findings in words that name the place."""

from __future__ import annotations

import difflib
from functools import cache
from importlib.resources import files
from typing import Any

import jsonschema_rs
import orjson

from multimodal.mapping.document import Document, Place
from multimodal.mapping.errors import MappingError
from multimodal.mapping.schema_slips import cut_by_comma, slip
from multimodal.model.schema_words import did_you_mean

VERBS = ("patient", "observation", "condition", "checkbox", "into", "helper", "ignore")


@cache
def schema() -> dict[str, Any]:
    """Return the schema, published beside the mappings as ``fhirmap.schema.json``."""
    loaded: dict[str, Any] = orjson.loads(files("multimodal.mapping").joinpath("fhirmap.schema.json").read_bytes())
    return loaded


@cache
def _validator(part: str) -> Any:
    """Return the validator of a definition, so that an error speaks of that one and not of all alternatives."""
    whole = schema()
    chosen = whole if not part else {"$schema": whole["$schema"], "$ref": f"#/$defs/{part}", "$defs": whole["$defs"]}
    return jsonschema_rs.validator_for(chosen)


def check_schema(document: Document) -> None:
    """Hold a file to the schema.

    Raises
    ------
    MappingError
        For the first part that does not fit: unknown key, wrong type, value outside its list.
    """
    content = document.content
    for place, columns in _column_sections(content):
        for header, column in columns.items():
            _check_column(document, (*place, header), column)
    for name, table in _mapping(content.get("tables")).items():
        part = "table_file" if isinstance(table, dict) and "file" in table else "table_map"
        _check(document, part, table, ("tables", name))
    _check(document, "", content, ())


def _mapping(part: Any) -> dict[str, Any]:
    return part if isinstance(part, dict) else {}


def _column_sections(content: dict[str, Any]) -> list[tuple[Place, dict[str, Any]]]:
    sections: list[tuple[Place, dict[str, Any]]] = [(("columns",), _mapping(content.get("columns")))]
    for name, form in _mapping(content.get("forms")).items():
        sections.append((("forms", name, "columns"), _mapping(_mapping(form).get("columns"))))
    return sections


def _check_column(document: Document, place: Place, column: Any) -> None:
    verbs = [verb for verb in VERBS if verb in _mapping(column)]
    if len(verbs) != 1:
        found = " and ".join(verbs) if verbs else "none"
        keys = "" if verbs or not isinstance(column, dict) else _nearest_verb(list(column))
        raise document.error(place, f"a column has exactly one of {', '.join(VERBS)}; here: {found}{keys}", at_key=True)
    _check(document, f"column_{verbs[0]}", column, place)


def _nearest_verb(names: list[str]) -> str:
    for name in names:
        close = difflib.get_close_matches(name, VERBS, n=1)
        if close:
            return f"; did you mean {close[0]!r} in place of {name!r}?"
    return ""


def _check(document: Document, part: str, content: Any, place: Place) -> None:
    errors = sorted(
        _validator(part).iter_errors(content), key=lambda error: document.position((*place, *error.instance_path))
    )
    for error in errors:
        raise _worded(document, error, (*place, *error.instance_path))


def _as_written(document: Document, place: Place) -> Place:
    """Return `place` with the keys as the file has them: the validator takes the key 9 for a position."""
    found: Any = document.content
    steps: list[str | int] = []
    for step in place:
        steps.append(str(step) if isinstance(found, dict) else step)
        found = found[steps[-1]]
    return tuple(steps)


def _worded(document: Document, error: Any, place: Place) -> MappingError:
    kind, place = error.kind, _as_written(document, place)
    if kind.name != "additionalProperties" and (better := slip(document, place, error.instance)):
        return document.error(place, better)
    name = ".".join(str(step) for step in place) or "the mapping"
    if kind.name == "additionalProperties":
        known = list(_definition(error.schema_path).get("properties", {}))
        unexpected = kind.unexpected[0]
        hint = did_you_mean(unexpected, known) or f"; known: {', '.join(known)}"
        if error.instance[unexpected] is None:  # {ignore: one, two} reads as two keys
            cut = cut_by_comma(document, (*place, unexpected))
            hint = f"; {cut}" if cut else f"{hint}; a text with a comma needs quotation marks"
        return document.error((*place, unexpected), f"unknown key {unexpected!r} in {name}{hint}", at_key=True)
    if kind.name == "required":
        return document.error(place, f"{name} needs the key {kind.property!r}", at_key=True)
    if kind.name == "enum":
        options = [str(option) for option in kind.options]
        hint = did_you_mean(str(error.instance), options)
        return document.error(place, f"{name}: {error.instance!r} is none of {', '.join(options)}{hint}")
    if kind.name == "anyOf":
        meant = _meant(error)
        if meant is not None:
            return _worded(document, meant, (*place[: len(place) - len(error.instance_path)], *meant.instance_path))
        described = _definition(error.schema_path)
        return document.error(place, f"{name}: {error.instance!r} does not fit{_explained(kind, described)}")
    return document.error(place, f"{name}: {error.message}")


def _meant(error: Any) -> Any:
    """Return the error of the one alternative that has the type of what was written, None if no single one has.

    For a text or a number there is nothing to say beyond what the alternatives are.
    """
    if not isinstance(error.instance, (dict, list)):
        return None
    here = list(error.instance_path)
    fitting = [
        errors
        for errors in error.kind.context
        if not any(inner.kind.name in ("type", "enum") and list(inner.instance_path) == here for inner in errors)
    ]
    return fitting[0][0] if len(fitting) == 1 else None


def _explained(kind: Any, described: dict[str, Any]) -> str:
    """Return what the alternatives would have been."""
    reasons = {inner.message for alternative in kind.context for inner in alternative}
    wanted = described.get("description", "")
    return f" ({wanted})" if wanted else f" ({'; or '.join(sorted(reasons))})"


def _definition(path: list[Any]) -> dict[str, Any]:
    """Return the schema that holds the keyword at the end of `path` (references are resolved in it)."""
    found: Any = schema()
    for step in path[:-1]:
        if isinstance(found, dict) and "$ref" in found and step not in found:
            found = schema()["$defs"][found["$ref"].rsplit("/", 1)[1]]
        found = found[step]
    return found if isinstance(found, dict) else {}
