"""Checks of every resource before it leaves: what a server may accept and R4 forbids.

Required elements and required bindings are data (``r4_rules.toml``); what holds for every resource stands here.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from multimodal.resources.rules import Rules, datatype_rules, rules_of

Path = tuple[str, ...]

_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_REFERENCE = re.compile(
    r"#[A-Za-z0-9\-.]{1,64}"
    r"|(https?://[^\s|]+/)?[A-Z][A-Za-z]+/[A-Za-z0-9\-.]{1,64}(/_history/[A-Za-z0-9\-.]{1,64})?"
    r"|urn:uuid:[0-9a-f-]{36}|urn:oid:[0-2](\.(0|[1-9][0-9]*))+"
)
_DATE = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?", re.ASCII)
_TIME = re.compile(r"T([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d+)?(Z|[+-](0\d|1[0-4]):[0-5]\d)", re.ASCII)
_CODE = re.compile(r"[^\s]+(\s[^\s]+)*")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]")
_URI_ELEMENTS = frozenset({"system", "url", "source", "profile"})
_DAY_ELEMENTS = frozenset({"birthDate", "valueDate"})
_INSTANT_ELEMENTS = frozenset({"issued", "recorded", "lastUpdated", "valueInstant"})
_DATETIME_ELEMENTS = frozenset({"started", "start", "end", "recordedDate", "date"})


def check_resource(resource: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with a resource, one line each; an empty list where nothing is.

    Parameters
    ----------
    resource : mapping
        FHIR R4 JSON as plain dicts, lists, strings, numbers and booleans.

    Notes
    -----
    Checks required elements, required bindings, choice elements, ids, references, dates, finite numbers and empty
    parts, and the invariants obs-3, obs-6, obs-7, con-1, con-4 and con-5
    (https://hl7.org/fhir/R4/observation.html, https://hl7.org/fhir/R4/condition.html).
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
    invariants = _INVARIANTS.get(str(type_))
    if invariants:
        problems += invariants(resource)
    return problems


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
    return any(
        isinstance(holder, Mapping) and last not in holder and f"_{last}" not in holder
        for holder in _at(resource, tuple(parents))
    )


def _at(part: Any, path: Path) -> Iterator[Any]:
    if isinstance(part, list):
        for entry in part:
            yield from _at(entry, path)
    elif not path:
        yield part
    elif isinstance(part, Mapping) and path[0] in part:
        yield from _at(part[path[0]], path[1:])


def _objects(part: Any, *path: str) -> Iterator[Mapping[str, Any]]:
    """Yield the objects at a path; what is none there is another check's finding."""
    return (found for found in _at(part, path) if isinstance(found, Mapping))


def _choice_problems(resource: Mapping[str, Any], rules: Rules) -> Iterator[str]:
    for stem in rules.one_of:
        present = [name for name in resource if name.startswith(stem) and name[len(stem) :][:1].isupper()]
        if len(present) > 1:
            yield f"only one {stem}[x] is allowed: {', '.join(present)}"


def _code_problems(resource: Mapping[str, Any], rules: Rules) -> Iterator[str]:
    for path, codes in rules.codes.items():
        for value in _at(resource, path):
            system = rules.systems.get(path)
            if system is None:
                if value not in codes:
                    yield f"{_dotted(path)} {value!r} is none of {', '.join(codes)}"
                continue
            found = [coding.get("code") for coding in _objects(value, "coding") if coding.get("system") == system]
            if not found or any(code not in codes for code in found):
                yield f"{_dotted(path)} needs a code of {system}: {', '.join(codes)}"


def _observation_problems(resource: Mapping[str, Any]) -> list[str]:
    problems = []
    value = [name for name in resource if name.startswith("value") and name[5:6].isupper()]
    if "dataAbsentReason" in resource and value:
        problems.append("obs-6: dataAbsentReason must not stand beside a value")
    for component in _objects(resource, "component"):
        named = [name for name in component if name.startswith("value") and name[5:6].isupper()]
        if len(named) > 1:
            problems.append(f"only one component.value[x] is allowed: {', '.join(named)}")
        if value and _codings(component) & _codings(resource):
            problems.append("obs-7: a component has the code of the Observation, whose value must then be absent")
    for limits in _objects(resource, "referenceRange"):
        if not {"low", "high", "text"} & set(limits):
            problems.append("obs-3: referenceRange needs low, high or text")
    return problems


def _codings(holder: Mapping[str, Any]) -> set[tuple[str, str]]:
    return {
        (str(coding.get("system")), str(coding.get("code")))
        for coding in _objects(holder, "code", "coding")
        if "code" in coding
    }


def _condition_problems(resource: Mapping[str, Any]) -> list[str]:
    problems = []
    status = {str(coding.get("code")) for coding in _objects(resource, "clinicalStatus", "coding")}
    verified = {str(coding.get("code")) for coding in _objects(resource, "verificationStatus", "coding")}
    if any(not {"summary", "assessment"} & set(stage) for stage in _objects(resource, "stage")):
        problems.append("con-1: stage needs a summary or an assessment")
    abated = any(name.startswith("abatement") for name in resource)
    if abated and not status & {"inactive", "resolved", "remission"}:
        problems.append("con-4: with an abatement, clinicalStatus must be inactive, resolved or remission")
    if "entered-in-error" in verified and status:
        problems.append("con-5: clinicalStatus must be absent when verificationStatus is entered-in-error")
    return problems


_INVARIANTS: dict[str, Callable[[Mapping[str, Any]], list[str]]] = {
    "Observation": _observation_problems,
    "Condition": _condition_problems,
}


def _dotted(path: Path) -> str:
    return ".".join(path) or "the resource"
