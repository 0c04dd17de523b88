"""The files of this folder: each a set of profiles, in TOML."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import jsonschema_rs
import orjson

from multimodal.terminology.concepts import parse_concept

Code = tuple[str, str]


@dataclass(frozen=True, slots=True)
class AddedElement:
    """A fixed value; `always` adds it to a list that has others."""

    name: str
    value: Any
    always: bool


@dataclass(frozen=True, slots=True)
class AddedCoding:
    """Codings of an element, each with the one that says the same in another code system."""

    element: str
    translations: Mapping[Code, Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Profile:
    """One profile.

    Parameters
    ----------
    url : str
        Canonical URL.
    type : str
        Resource type.
    element : str
        The element whose codes tell which resources the profile concerns.
    codes : frozenset of (system, code)
        These codes; empty: every resource of the type. A code that ends in ``*`` stands for all that begin so.
    needs : tuple of str
        Elements that must be there.
    value : str
        The only ``value[x]`` allowed; empty for any.
    systems : mapping of str to str
        Element to the code system of which it must have a code.
    """

    url: str
    type: str
    element: str
    codes: frozenset[Code]
    needs: tuple[str, ...]
    value: str
    systems: Mapping[str, str]
    elements: tuple[AddedElement, ...]
    codings: tuple[AddedCoding, ...]

    def concerns(self, resource: Mapping[str, Any]) -> bool:
        """Return whether the profile is about such a resource."""
        if resource["resourceType"] != self.type:
            return False
        if not self.codes:
            return True
        concepts = resource.get(self.element, ())
        for concept in concepts if isinstance(concepts, list) else [concepts]:
            for coding in concept.get("coding", ()) if isinstance(concept, Mapping) else ():
                if self._names(coding.get("system", ""), coding.get("code", "")):
                    return True
        return False

    def _names(self, system: str, code: str) -> bool:
        return any(
            named == system and (pattern == code or (pattern.endswith("*") and code.startswith(pattern[:-1])))
            for named, pattern in self.codes
        )


@cache
def _validator() -> Any:
    schema = files("multimodal.resources.profiles").joinpath("profiles.schema.json").read_bytes()
    return jsonschema_rs.validator_for(orjson.loads(schema))


def read_profiles(text: str) -> tuple[Profile, ...]:
    """Return the profiles of a file.

    Raises
    ------
    ValueError
        If the file is no TOML, does not fit ``profiles.schema.json``, or a concept in it cannot be read.
    """
    content = tomllib.loads(text)
    _validator().validate(content)
    return tuple(_profile(content["base"], entry) for entry in content["profile"])


def _profile(base: str, entry: Mapping[str, Any]) -> Profile:
    added = [AddedElement(name, value, always=False) for name, value in entry.get("default", {}).items()]
    added += [AddedElement(name, value, always=True) for name, value in entry.get("add", {}).items()]
    return Profile(
        url=base + entry["id"],
        type=entry["type"],
        element=entry.get("element", "code"),
        codes=frozenset(_code(text) for text in entry.get("codes", ())),
        needs=tuple(entry.get("needs", ())),
        value=entry.get("value", ""),
        systems=entry.get("systems", {}),
        elements=tuple(added),
        codings=tuple(_codings(name, pairs) for name, pairs in entry.get("codings", {}).items()),
    )


def _codings(element: str, pairs: Mapping[str, str]) -> AddedCoding:
    return AddedCoding(element, {_code(source): parse_concept(target).coding for source, target in pairs.items()})


def _code(text: str) -> Code:
    concept = parse_concept(text)
    return concept.system, concept.code
