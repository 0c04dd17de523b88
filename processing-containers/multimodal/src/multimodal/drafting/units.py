"""The unit of a column: in its dictionary, its label or its header, held to those that its concept may have."""

from __future__ import annotations

import re
from functools import cache

from multimodal.drafting.lexicon import Entry
from multimodal.terminology.units import DimensionError, UnknownUnitError, converter, unit

_BRACKETS = re.compile(r"\[([^\]]{1,24}(?:\][^\[\]]{0,12})?)\]|\(([^()]{1,24})\)")
_ENDS = re.compile(r"[\s,_]+(?:in\s+)?([^\s,_]{1,20})$")
# Too short or too much a word to load a unit parser for, unless the data file of spellings knows them.
_UNIT_LIKE = re.compile(r"[^A-Za-z\s]|^[A-Za-zµμ°%]{1,3}$")
# Words for units; and pH, which would else be a picohenry.
_SPOKEN = {
    "ph": "", "years": "a", "year": "a", "yrs": "a", "jahre": "a", "jahren": "a", "ans": "a", "annees": "a",
    "anni": "a", "anos": "a", "años": "a", "months": "mo", "monate": "mo", "mois": "mo", "meses": "mo", "mesi": "mo",
    "days": "d", "tage": "d", "tagen": "d", "jours": "d", "dias": "d", "días": "d", "giorni": "d", "weeks": "wk",
    "wochen": "wk", "minutes": "min", "sec": "s", "seconds": "s", "mmhg": "mm[Hg]", "mm hg": "mm[Hg]", "bpm": "/min",
    "lpm": "/min", "beats/min": "/min", "breaths/min": "/min", "kg/m2": "kg/m2", "pack years": "{PackYears}",
    "lbs": "[lb_av]", "kilograms": "kg", "kilogram": "kg", "kilogramm": "kg", "centimeters": "cm",
    "centimetres": "cm", "meters": "m", "metres": "m", "grams": "g", "inches": "[in_i]", "pounds": "[lb_av]",
    "percent": "%", "celsius": "Cel", "fahrenheit": "[degF]", "ui/l": "U/L",
}  # fmt: skip
_SHORT_FORM = re.compile(r"[A-Z]{2,4}")  # TP in brackets is a short form of the label, and no terapoise
_ASKS_UNIT = re.compile(
    r"\([^()/\d]*\b(?:units?|unit[ée]s?|unidades|unidad|unit[àa]|Einheit(?:en)?)\b[^()/\d]*\)", re.IGNORECASE
)
_ASKS_ANSWER = re.compile(
    r"\(\s*(?:ja|yes|oui|s[iìí]|j|y|o|1|0)\s*[/|,;]\s*(?:nein|no|non|n|0|1)(?:\s*[/|,;][^()]{1,24})?\s*\)",
    re.IGNORECASE,
)
_BRACES = re.compile(r"\{[^{}]*\}")


@cache
def known_unit(text: str) -> str:
    """Return the UCUM code that `text` means, or ``""``."""
    name = text.strip()
    name = _SPOKEN.get(name.casefold(), name)
    if not name or not _UNIT_LIKE.search(name) or name.isdigit() or _SHORT_FORM.fullmatch(name):
        return ""
    for candidate in dict.fromkeys((name, _BRACES.sub("", name), name.replace(" ", ""))):
        try:
            return unit(candidate).code
        except UnknownUnitError:
            continue
    return ""


def written_units(text: str) -> list[str]:
    """Return what may be a unit in a label or header: ``Gewicht [kg]``, ``Hb (g/dL)``, ``weight_kg``."""
    found = bracketed(text)
    if end := _ENDS.search(text):
        found.append(end[1])
    return found


def bracketed(text: str) -> list[str]:
    """Return what stands in brackets."""
    return [(match[1] or match[2]).strip() for match in _BRACKETS.finditer(text)]


def without_units(text: str) -> str:
    """Return a label without what stands in brackets as its unit or answers: ``(select units)``, ``(ja/nein)``."""
    text = _ASKS_ANSWER.sub(" ", _ASKS_UNIT.sub(" ", text))
    return _BRACKETS.sub(lambda match: " " if known_unit((match[1] or match[2]).strip()) else match[0], text)


def plausible(entry: Entry, code: str) -> bool:
    """Return whether the UCUM `code` can be a unit of the entry."""
    candidates = (*entry.units, *entry.molar_units)
    plain = _BRACES.sub("", code)
    if code in candidates or plain in {_BRACES.sub("", unit_) for unit_ in candidates}:
        return True
    return any(_convertible(code, unit_) for unit_ in candidates)


def concept_for(entry: Entry, code: str) -> str:
    """Return the concept of an entry whose values are in the unit `code` (``""``: not known)."""
    molar = code and code not in entry.units and any(_convertible(code, one) for one in entry.molar_units)
    return entry.molar if molar else entry.concept


def fits_by_value(entry: Entry, low: float, high: float) -> list[str]:
    """Return the units of the entry in which values from `low` to `high` are plausible; of equal ones the first."""
    if entry.limits is None:
        return []
    found: dict[float, str] = {}
    for code in entry.units:
        factor = _factor(entry.units[0], code)
        if factor is not None and entry.limits[0] * factor <= low and high <= entry.limits[1] * factor:
            found.setdefault(float(f"{factor:.9g}"), code)
    return list(found.values())


@cache
def _convertible(source: str, target: str) -> bool:
    return _factor(source, target) is not None


@cache
def _factor(source: str, target: str) -> float | None:
    if source == target:
        return 1.0
    try:
        convert = converter(_BRACES.sub("", source) or "1", _BRACES.sub("", target) or "1")
    except (DimensionError, UnknownUnitError):
        return None
    return convert(1.0) - convert(0.0)
