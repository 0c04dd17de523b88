"""What a JSON Schema validator finds, in words for the person who wrote the file."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

Place = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """A mistake, the keys that lead to it, and the key there that nobody knows, if that is the mistake."""

    place: Place
    text: str
    unknown_key: str | None = None


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """Return ``; did you mean 'x'?`` where `name` is nearly one of the `known`, else nothing."""
    close = difflib.get_close_matches(str(name), list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def worded(error: Any, schema: Mapping[str, Any], *, mask: str = "") -> Finding:
    """Return an error of ``jsonschema_rs`` as a finding.

    Of alternatives (``oneOf``) only the one that was meant is spoken of: a ``const`` inside it, as a method's name,
    or its type tells which.

    Parameters
    ----------
    error : ValidationError
        From a validator of `schema`.
    schema : mapping
        Says which keys are known.
    mask : str
        Stands for values of the file, where they may be secret; the validator has to be made with the same.
    """
    kind, place = error.kind, tuple(error.instance_path)
    if kind.name == "oneOf":
        return _alternatives(error, schema, mask)
    if kind.name == "enum":
        return Finding(place, _none_of(error.instance, kind.options, mask))
    if kind.name == "additionalProperties":
        known = _at(schema, error.schema_path[:-1]).get("properties", {})
        unknown = str(kind.unexpected[0])
        return Finding(place, error.message + did_you_mean(unknown, known), unknown)
    return Finding(place, str(error.message))


def _alternatives(error: Any, schema: Mapping[str, Any], mask: str) -> Finding:
    place = tuple(error.instance_path)
    branches: list[list[Any]] = [branch for branch in getattr(error.kind, "context", []) if branch]
    if not branches:  # nothing is wrong with any of several
        return Finding(place, "holds the keys of several alternatives; give those of one")
    meant = [branch for branch in branches if not any(_shuts_out(inner, place) for inner in branch)]
    constants = [inner for branch in branches for inner in branch if inner.kind.name == "const"]
    if not meant and constants:
        options = [inner.kind.expected_value for inner in constants]
        return Finding(tuple(constants[0].instance_path), _none_of(constants[0].instance, options, mask))
    meant = meant or branches
    fewest = min(len(branch) for branch in meant)
    found = [worded(branch[0], schema, mask=mask) for branch in meant if len(branch) == fewest]
    return replace(found[0], text="; or ".join(dict.fromkeys(each.text for each in found)))


def _shuts_out(error: Any, place: Place) -> bool:
    """Whether an alternative with this error was not meant at all."""
    return error.kind.name == "const" or (error.kind.name == "type" and tuple(error.instance_path) == place)


def _none_of(value: object, options: Sequence[object], mask: str) -> str:
    known = [str(option) for option in options]
    return f"{mask or repr(value)} is none of {', '.join(known)}{did_you_mean(value, known)}"


def _at(schema: Mapping[str, Any], path: Iterable[str | int]) -> Mapping[str, Any]:
    found: Any = schema
    for step in path:
        found = found[step]
    return found if isinstance(found, dict) else {}
