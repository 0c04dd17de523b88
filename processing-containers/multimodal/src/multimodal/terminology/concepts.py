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

from multimodal.terminology.check_digits import code_problem

_FSH = re.compile(
    r"(?P<system>[A-Za-z][A-Za-z0-9_-]*|[a-z][a-z0-9+.-]*:[^\s#|]+)(\|(?P<version>[^\s#|]+))?"
    r'#((?P<code>[^\s#"]+)|"(?P<quoted>[^\s"]+( [^\s"]+)*)")(\s+"(?P<display>.*)")?'
)
# Begins as a concept does: what stands there was meant to be one.
_BEGUN = re.compile(
    r"(?P<system>[A-Za-z][A-Za-z0-9_-]*|[a-z][a-z0-9+.-]*:[^\s#|]+)(\|[^\s#|]+)?\s?#\s?\S+(?P<name>\s+[\"„“].*)?.*",
    re.DOTALL,
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
        raise ConceptError(f'{text!r} is no concept{_slip(text)}; write it as LNC#718-7 "Hemoglobin"')
    prefix = match["system"]
    uri = prefix if ":" in prefix else (systems or {}).get(prefix) or code_systems().get(prefix)
    if uri is None:
        raise ConceptError(f"unknown code system {prefix!r} in {text!r}{known_systems(prefix, systems)}")
    concept = Concept(uri, match["code"] or match["quoted"], match["display"] or "", match["version"] or "")
    check_code(concept, prefix)
    return concept


def check_code(concept: Concept, prefix: str = "") -> None:
    """Raise `ConceptError` if `concept` can be no code of its code system, e.g. as its check digit is wrong.

    `prefix` is how the code system is called where the code is written.
    """
    problem = code_problem(concept.system, concept.code)
    if problem:
        name = next((_names()[known] for known, uri in code_systems().items() if uri == concept.system), concept.system)
        raise ConceptError(f"{prefix}{'#' * bool(prefix)}{concept.code} is no {name} code: {problem}")


def _slip(text: str) -> str:
    """Return what is wrong with a text that was meant to be a concept, as far as that can be said."""
    display = text.partition('"')[2]
    if text.count('"') == 1 and display:
        return ": its quotation mark is not closed"
    if "„" in text or "“" in text or "”" in text:
        return ": its name stands in typographic quotation marks; use the plain ones"
    if text.count('"') == 0 and len(text.split()) > 1:
        return ": its name stands without quotation marks"
    return ""


def known_systems(prefix: str, systems: Mapping[str, str] | None = None) -> str:
    """Return the end of a message on an unknown `prefix`: which may be meant, and which there are."""
    own = dict.fromkeys(systems or {}, "")
    known = {**_names(), **own}
    by_name = [known_prefix for known_prefix, name in _names().items() if name.casefold().startswith(prefix.casefold())]
    meant = [*by_name, *difflib.get_close_matches(prefix.upper(), known, n=1)]
    hint = f"did you mean {meant[0]!r}? " if meant else ""
    return f"; {hint}known: {', '.join(known)}; declare another under `systems:`"


def is_concept(text: str, systems: Mapping[str, str] | None = None) -> bool:
    """Return whether `text` is written as a concept, or was meant to be one: it begins with a code system and ``#``."""
    match = _BEGUN.fullmatch(text.strip())
    if match is None:
        return False
    known = ":" in match["system"] or match["system"] in code_systems() or match["system"] in (systems or {})
    return known or match["name"] is not None or _FSH.fullmatch(text.strip()) is not None
