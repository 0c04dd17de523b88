"""One column's line of a draft mapping, with its reasons."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from multimodal.drafting.answers import meant, targets
from multimodal.drafting.facts import ISO_FORMATS, Facts
from multimodal.drafting.lexicon import Entry
from multimodal.drafting.matching import Candidate, unit_of
from multimodal.drafting.units import concept_for, fits_by_value
from multimodal.tables.dictionary import Field

TODO = "TODO"
_MOST_ANSWERS = 30
_LIMIT = re.compile(r"-?\d{1,9}(?:\.\d{1,6})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Guess:
    """What a column may be: the id of the lexicon, a text for people, and how sure that is."""

    id: str
    text: str
    confidence: float


@dataclass(frozen=True, slots=True)
class Proposal:
    """The line that a draft has for one column.

    Parameters
    ----------
    column : str
        Its header, or the name of a checkbox field.
    verb : str
        As in the lexicon (``patient:gender``, ``observation``...); ``todo`` where a person has to decide.
    id : str
        Id of the lexicon's entry; empty where there is none.
    line : mapping
        The line itself, as data.
    confidence : float
        From 0 to 1.
    reasons : tuple of str
        What it rests on.
    guesses : tuple of Guess
        Of a ``todo``: what it may be.
    tables : mapping
        Translation tables that the line refers to, for the section ``tables``.
    format : str
        Format of its dates, where they are not ISO 8601.
    """

    column: str
    verb: str
    id: str = ""
    line: Mapping[str, Any] = field(default_factory=dict)
    confidence: float = 0.0
    reasons: tuple[str, ...] = ()
    guesses: tuple[Guess, ...] = ()
    tables: Mapping[str, Any] = field(default_factory=dict)
    format: str = ""


def ignored(column: str, why: str, confidence: float, reason: str, id_: str = "bookkeeping") -> Proposal:
    """Return the line of a column that is left out."""
    return Proposal(column, "ignore", id_, {"ignore": why}, confidence, (reason,))


def undecided(field: Field, facts: Facts, found: list[Candidate]) -> Proposal:
    """Return the line of a column that a person has to decide on; it never guesses."""
    guesses = tuple(
        Guess(one.entry.id, f"{one.entry.verb} {one.entry.concept or one.entry.id}".strip(), one.confidence)
        for one in found[:3]
    )
    what = "say what this column is" if not guesses else "decide what this column is"
    best = found[0].confidence if found else 0.0
    reasons = (*_described(field, facts), *(found[0].reasons[1:] if found else ()))
    return Proposal(field.name, "todo", "", {"ignore": f"{TODO}: {what}"}, best, reasons, guesses)


def proposed(field: Field, facts: Facts, found: Candidate) -> Proposal:
    """Return the line of a column that is `found`."""
    entry = found.entry
    verb, _, element = entry.verb.partition(":")
    build = {"patient": _patient, "observation": _observation, "condition": _condition, "helper": _helper}.get(verb)
    line, tables = build(field, facts, entry, element) if build else ({"ignore": _WHY.get(entry.id, entry.id)}, {})
    format_ = date_format(facts) if entry.type == "date" else ""
    reasons = (*found.reasons, *(("range of the dictionary",) if "range" in line else ()))
    return Proposal(field.name, entry.verb, entry.id, line, found.confidence, reasons, tables=tables, format=format_)


_WHY = {
    "comment": "free text, may hold names",
    "person-name": "identifies a person",
    "bookkeeping": "record bookkeeping",
}
_Built = tuple[dict[str, Any], dict[str, Any]]


def _patient(field: Field, facts: Facts, entry: Entry, element: str) -> _Built:
    line: dict[str, Any] = {"patient": element}
    if element == "gender":
        line["table"] = _answers(field, facts, entry, plain=True) or {f"{TODO}: value": "male"}
    return line, {}


def _condition(field: Field, facts: Facts, entry: Entry, element: str) -> _Built:
    texts = _texts(field, facts) or {"1": "yes"}
    yes = {code for code, label in texts.items() if meant("yes-no", texts.values()).get(label) == "yes"}
    if not yes and set(texts) <= {"0", "1"}:
        yes = {"1"}
    name = entry.id
    table = {"map": {code: entry.concept for code in texts if code in yes}, "otherwise": "drop"}
    return {"condition": name}, {name: table}


def _helper(field: Field, facts: Facts, entry: Entry, element: str) -> _Built:
    line: dict[str, Any] = {"helper": entry.display}
    if entry.type == "date":
        line["type"] = "date"
    return line, {}


def _observation(field: Field, facts: Facts, entry: Entry, element: str) -> _Built:
    unit = unit_of(field, entry) if entry.units else ""
    concept = concept_for(entry, unit)
    line: dict[str, Any] = {"observation": concept or {"text": f"{TODO}: code of {entry.display}"}}
    if entry.type in {"number", "integer"}:
        line["type"] = entry.type
        if limits := _range(field):
            line["range"] = limits
        if entry.units and entry.units[0] not in {"{score}", "[pH]", "{INR}"}:
            line["unit"] = unit or _unit_by_value(entry, facts)
        return line, {}
    table = _answers(field, facts, entry) if entry.type == "code" or field.choices else {}
    if table:
        return {**line, "type": "code", "table": table}, {}
    return {**line, "type": "text"}, {}


def _range(field: Field) -> list[int | float]:
    """Return the lowest and the highest valid value that the dictionary gives; both, or none."""
    low, high = (_LIMIT.fullmatch(text.strip().replace(",", ".")) for text in field.limits)
    if low is None or high is None or float(low[0]) > float(high[0]):
        return []
    return [float(one[0]) if "." in one[0] else int(one[0]) for one in (low, high)]


def _unit_by_value(entry: Entry, facts: Facts) -> str:
    """Return the unit, where the values leave only one; else ask."""
    if len(entry.units) == 1 and not entry.molar:
        return entry.units[0]
    fitting = []
    if facts.low is not None and facts.high is not None:
        fitting = fits_by_value(entry, facts.low, facts.high)
    if len(fitting) == 1 and not entry.molar:
        return fitting[0]
    return f"{TODO}: {' or '.join((*entry.units, *entry.molar_units))}"


def _texts(field: Field, facts: Facts) -> dict[str, str]:
    """Return what stands in the column -> what it says."""
    if field.choices:
        return dict(field.choices)
    if field.type == "boolean":
        return {"1": "yes", "0": "no"}
    return {value: value for value in sorted(facts.values)}


def _answers(field: Field, facts: Facts, entry: Entry, *, plain: bool = False) -> dict[str, str]:
    """Return the table of a coded column: concepts where the answer is understood, else its text."""
    texts = _texts(field, facts)
    if not texts or len(texts) > _MOST_ANSWERS:
        return {}
    understood = meant(entry.answers, texts.values()) if entry.answers else {}
    becomes = targets(entry.answers) if entry.answers else {}
    table = {}
    for code, label in texts.items():
        target = becomes.get(understood.get(label, ""), "")
        if target and (plain or "#" in target):
            table[code] = target
        elif not becomes or meant("yes-no", [label]).get(label) == "unknown":
            table[code] = "unknown" if plain else label
        else:  # one of the known answers, but which?
            table[code] = f"{TODO}: {label} is {', '.join(becomes)}?"
    return table


def date_format(facts: Facts) -> str:
    """Return the format of a column's dates, empty for ISO 8601; TODO where day and month could be exchanged."""
    others = [format_ for format_ in facts.formats if format_ not in ISO_FORMATS]  # ISO 8601 is always read
    return others[0] if len(others) == 1 else f"{TODO}: {' or '.join(others)}" if others else ""


def _described(field: Field, facts: Facts) -> tuple[str, ...]:
    """Return what is known of a column that nobody recognised; of texts no value is shown."""
    said = [f'label "{field.label}"'] if field.label and field.label != field.name else []
    if field.type:
        said.append(f"type {field.type}")
    if facts.filled == 0 and facts.rows:
        said.append("empty")
    elif facts.numeric:
        said.append(f"values {facts.low:g}..{facts.high:g}")
    elif facts.dated:
        said.append("dates")
    elif facts.filled and not facts.many:
        said.append(f"{len(facts.values)} different values")
    elif facts.filled:
        said.append("texts")
    return tuple(said)
