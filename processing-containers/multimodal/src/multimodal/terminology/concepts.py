"""Coded concepts, written as FHIR Shorthand writes them: ``LNC#718-7 "Hemoglobin"``."""

from __future__ import annotations

import csv
import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

_FSH = re.compile(
    r"(?P<system>[A-Za-z][A-Za-z0-9_-]*|[a-z][a-z0-9+.-]*:[^\s#|]+)(\|(?P<version>[^\s#|]+))?"
    r'#((?P<code>[^\s#"]+)|"(?P<quoted>[^\s"]+( [^\s"]+)*)")(\s+"(?P<display>.*)")?'
)


class ConceptError(ValueError):
    """A text that is no concept, or names a code system that nobody declared."""


@dataclass(frozen=True, slots=True)
class Concept:
    """A code of a code system.

    Parameters
    ----------
    system : str
        URI of the code system.
    code : str
        The code in it.
    display : str
        Its name, empty where none is given.
    version : str
        Version of the code system, e.g. ``2024`` of ICD-10-GM; empty where none is given.
    """

    system: str
    code: str
    display: str = ""
    version: str = ""

    @property
    def coding(self) -> dict[str, str]:
        """FHIR Coding (https://hl7.org/fhir/R4/datatypes.html#Coding)."""
        coding = {"system": self.system, "code": self.code}
        if self.version:
            coding["version"] = self.version
        if self.display:
            coding["display"] = self.display
        return coding

    @property
    def codeable(self) -> dict[str, Any]:
        """FHIR CodeableConcept with this one coding; its text is the display."""
        return codeable(self)


def codeable(*concepts: Concept, text: str = "") -> dict[str, Any]:
    """Return the FHIR CodeableConcept of `concepts`; its text is `text`, else the first display."""
    found: dict[str, Any] = {}
    if concepts:
        found["coding"] = [concept.coding for concept in concepts]
    text = text or next((concept.display for concept in concepts if concept.display), "")
    if text:
        found["text"] = text
    return found


@cache
def code_systems() -> Mapping[str, str]:
    """Return the known prefixes with their URIs."""
    return {row["prefix"]: row["uri"] for row in _lines()}


@cache
def _names() -> Mapping[str, str]:
    return {row["prefix"]: row["name"] for row in _lines()}


def _lines() -> list[dict[str, str]]:
    text = files("multimodal.terminology").joinpath("data/code_systems.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def parse_concept(text: str, systems: Mapping[str, str] | None = None) -> Concept:
    """Read a concept in FSH notation (http://hl7.org/fhir/uv/shorthand/, "Coded data types").

    Parameters
    ----------
    text : str
        ``PREFIX#code "display"`` or ``PREFIX|version#code``; in place of the prefix the URI of the code system may
        stand. A code with blanks stands in quotation marks.
    systems : mapping of str to str, optional
        Prefixes of the mapping file; they come before the known ones.

    Raises
    ------
    ConceptError
        If `text` is no such notation, or its prefix is unknown.
    """
    match = _FSH.fullmatch(text.strip())
    if match is None:
        raise ConceptError(f'{text!r} is no concept; write it as LNC#718-7 "Hemoglobin"')
    prefix = match["system"]
    uri = prefix if ":" in prefix else (systems or {}).get(prefix) or code_systems().get(prefix)
    if uri is None:
        raise ConceptError(f"unknown code system {prefix!r} in {text!r}{known_systems(prefix, systems)}")
    return Concept(uri, match["code"] or match["quoted"], match["display"] or "", match["version"] or "")


def known_systems(prefix: str, systems: Mapping[str, str] | None = None) -> str:
    """Return the end of a message on an unknown `prefix`: which may be meant, and which there are."""
    own = dict.fromkeys(systems or {}, "")
    known = {**_names(), **own}
    by_name = [known_prefix for known_prefix, name in _names().items() if name.casefold().startswith(prefix.casefold())]
    meant = [*by_name, *difflib.get_close_matches(prefix.upper(), known, n=1)]
    hint = f"did you mean {meant[0]!r}? " if meant else ""
    return f"; {hint}known: {', '.join(known)}; declare another under `systems:`"


def is_concept(text: str) -> bool:
    """Return whether `text` is written as a concept."""
    return _FSH.fullmatch(text.strip()) is not None
