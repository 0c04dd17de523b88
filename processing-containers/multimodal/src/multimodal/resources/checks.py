"""Checks of every resource before it leaves: what a server may accept and R4 forbids.

Required elements and required bindings are data (``r4_rules.toml``); what holds for every resource stands here.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from multimodal.resources.elements import choices, elements_at, objects_at
from multimodal.resources.invariants import invariant_problems
from multimodal.resources.rules import Rules, datatype_rules, rules_of

Path = tuple[str, ...]

_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_REFERENCE = re.compile(
    r"#[A-Za-z0-9\-.]{1,64}"
    r"|(https?://[^\s|]+/)?[A-Z][A-Za-z]+/[A-Za-z0-9\-.]{1,64}(/_history/[A-Za-z0-9\-.]{1,64})?"
    r"|urn:uuid:[0-9a-f-]{36}|urn:oid:[0-2](\.(0|[1-9][0-9]*))+"
)
_TARGET = re.compile(r"(?:^|/)([A-Z][A-Za-z]+)/[A-Za-z0-9\-.]{1,64}(?:/_history/[A-Za-z0-9\-.]{1,64})?$")
_DATE = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?", re.ASCII)
_TIME = re.compile(r"T([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d+)?(Z|[+-](0\d|1[0-4]):[0-5]\d)", re.ASCII)
_CODE = re.compile(r"[^\s]+(\s[^\s]+)*")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]")
_URI_ELEMENTS = frozenset({"system", "url", "source", "profile"})
_DAY_ELEMENTS = frozenset({"birthDate", "valueDate", "expirationDate"})
_INSTANT_ELEMENTS = frozenset({"issued", "lastUpdated", "valueInstant"})
_DATETIME_ELEMENTS = frozenset(
    {"authoredOn", "date", "dateAsserted", "dateTime", "end", "lastOccurrence", "receivedTime", "recorded"}
    | {"recordedDate", "start", "started"}
)


def check_resource(resource: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with a resource, one line each; an empty list where nothing is.

    Parameters
    ----------
    resource : mapping
        FHIR R4 JSON as plain dicts, lists, strings, numbers and booleans.

    Notes
    -----
    Checks required elements, required bindings, choice elements, ids, references and what they lead to, dates, finite
    numbers and empty parts, and the invariants of `invariant_problems`.
    """
    type_ = resource.get("resourceType")
    rules = rules_of(type_) if isinstance(type_, str) else None
    if rules is None:
        return [f"resourceType {type_!r} is none that this program writes"]
    problems = list(_walk(resource, ()))
    problems += _id_problems(resource)
    problems += [f"{'.'.join(path)} is required" for path in rules.required if _lacks(resource, path)]
    problems += _choice_problems(resource, rules)
    problems += _code_problems(resource, rules)
    problems += _target_problems(resource, rules)
    return problems + invariant_problems(resource)


def _id_problems(resource: Mapping[str, Any]) -> Iterator[str]:
    id_ = resource.get("id")
    if id_ is not None and (not isinstance(id_, str) or _ID.fullmatch(id_) is None):
        yield f"id {id_!r} must be 1 to 64 letters, digits, - or ."


def _walk(part: Any, path: Path) -> Iterator[str]:
    if isinstance(part, Mapping):
        if not part:
            yield f"{_dotted(path)} is empty"
        for name, value in part.items():
            yield from _element_problems(name, value, path)
            yield from _walk(value, (*path, name))
    elif isinstance(part, list):
        if not part:
            yield f"{_dotted(path)} is an empty list"
        for value in part:
            yield from _walk(value, path)
    else:
        yield from _leaf_problems(part, path)


def _leaf_problems(value: Any, path: Path) -> Iterator[str]:
    if value is None:
        yield f"{_dotted(path)} is null"
    elif isinstance(value, str):
        if not value.strip() or _CONTROL.search(value):
            yield f"{_dotted(path)} is empty or holds a control character"
    elif isinstance(value, float):
        if not math.isfinite(value):
            yield f"{_dotted(path)} is not a finite number"
    elif not isinstance(value, (int, bool)):
        yield f"{_dotted(path)} is a {type(value).__name__}, not JSON"


def _element_problems(name: str, value: Any, path: Path) -> Iterator[str]:
    here = (*path, name)
    if isinstance(value, str):
        yield from _text_problems(name, value, here)
    elif name == "reference" or (name in _URI_ELEMENTS and isinstance(value, (int, float))):
        yield f"{_dotted(here)} must be a text"
    if isinstance(value, str):
        parent = path[-1] if path else ""
        for rule in datatype_rules():
            if rule.element == name and (parent in rule.parents or not rule.parents) and value not in rule.codes:
                yield f"{_dotted(here)} {value!r} is none of {', '.join(rule.codes)}"


def _text_problems(name: str, value: str, here: Path) -> Iterator[str]:
    if name == "reference":
        if _REFERENCE.fullmatch(value) is None:
            yield f"{_dotted(here)} {value!r} is no reference"
    elif name == "code" and _CODE.fullmatch(value) is None:
        yield f"{_dotted(here)} {value!r} is no code"
    elif name in _URI_ELEMENTS and any(character.isspace() for character in value):
        yield f"{_dotted(here)} {value!r} is no URI"
    elif name in _DAY_ELEMENTS:
        if not _is_date(value):
            yield f"{_dotted(here)} {value!r} is no date"
    elif (name.endswith("DateTime") or name in _DATETIME_ELEMENTS) and not is_date_time(value):
        yield f"{_dotted(here)} {value!r} is no dateTime"
    elif name in _INSTANT_ELEMENTS and ("T" not in value or not is_date_time(value)):
        yield f"{_dotted(here)} {value!r} is no instant"


def _is_date(text: str) -> bool:
    match = _DATE.fullmatch(text)
    if match is None:
        return False
    try:
        dt.date(int(match[1]), int(match[2] or 1), int(match[3] or 1))
    except ValueError:
        return False
    return True


def is_date_time(text: str) -> bool:
    """Return whether `text` is a FHIR dateTime: a date, possibly partial, or a full date with time and zone."""
    day, mark, _ = text.partition("T")
    if not _is_date(day):
        return False
    return not mark or (len(day) == 10 and _TIME.fullmatch(text[10:]) is not None)


def _lacks(resource: Mapping[str, Any], path: Path) -> bool:
    """Return whether an element is missing somewhere its parent is present.

    A primitive may have only extensions, e.g. a data-absent-reason (https://hl7.org/fhir/R4/json.html#primitive).
    """
    *parents, last = path
    holders = objects_at(resource, *parents)
    if last.endswith("[x]"):
        return any(not choices(holder, last[:-3]) for holder in holders)
    return any(last not in holder and f"_{last}" not in holder for holder in holders)


def _choice_problems(resource: Mapping[str, Any], rules: Rules) -> Iterator[str]:
    for *parents, stem in rules.one_of:
        for holder in objects_at(resource, *parents):
            present = choices(holder, stem)
            if len(present) > 1:
                yield f"only one {_dotted((*parents, stem))}[x] is allowed: {', '.join(present)}"


def _code_problems(resource: Mapping[str, Any], rules: Rules) -> Iterator[str]:
    for path, codes in rules.codes.items():
        for value in elements_at(resource, path):
            system = rules.systems.get(path)
            if system is None:
                if value not in codes:
                    yield f"{_dotted(path)} {value!r} is none of {', '.join(codes)}"
                continue
            found = [coding.get("code") for coding in objects_at(value, "coding") if coding.get("system") == system]
            if not found or any(code not in codes for code in found):
                yield f"{_dotted(path)} needs a code of {system}: {', '.join(codes)}"


def _target_problems(resource: Mapping[str, Any], rules: Rules) -> Iterator[str]:
    for path, types in rules.references.items():
        for holder in objects_at(resource, *path):
            match = _TARGET.search(str(holder.get("reference", "")))
            if match and match[1] not in types:
                yield f"{_dotted(path)} refers to a {match[1]}; allowed: {', '.join(types)}"


def _dotted(path: Path) -> str:
    return ".".join(path) or "the resource"
