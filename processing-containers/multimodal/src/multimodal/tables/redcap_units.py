"""The unit of a REDCap field: the dictionary has no column for it, people write it into the label or the note."""

from __future__ import annotations

import re

_NUMERIC = frozenset({"number", "integer", "calc", "text"})
_BRACKETS = re.compile(r"\[([^\[\]]{1,24})\]|\(([^()]{1,24})\)")
_SAID = re.compile(r"(?:unit|units|einheit|unité|unidad|unità)\s*[:=]\s*(\S{1,24})", re.IGNORECASE)
# One part of a unit: prefix and symbol, or a power of ten, or UCUM's own brackets and braces.
_SYMBOL = (
    r"(?:[kMGhdcmunpfµμ]?(?:g|m|l|L|mol|eq|Eq|s|Pa|bar|J|cal|V|A|W|Gy|Bq|Sv|Hz|IU|U|IE|E|kat|Da|osm|Osm)"
    r"|mmHg|mm\[Hg\]|mm\s?Hg|cmH2O|bpm|years?|yrs?|a|months?|mo|weeks?|wk|days?|d|hours?|hrs?|h|minutes?|min|seconds?|sec"
    r"|Jahren?|Monate|Wochen|Tagen?|Stunden|Minuten|kilograms?|grams?|pounds?|lbs?|inch(?:es)?|ft|cells|cpm|beats|breaths"
    r"|°\s?[CF]|Cel|degF|pH|HU|ratio|%|‰|\{\w+\}|\[\w+\])"
)
_POWER = r"(?:x?\s?10\s?[\^*]\s?\d{1,2})"
_PART = rf"(?:{_POWER}|{_SYMBOL})(?:[\^*]?-?[23])?²?³?"
_UNIT = re.compile(rf"(?:{_PART})(?:\s?[/.·*]\s?{_PART}){{0,3}}")


def unit_in(label: str, note: str, type_: str) -> str:
    """Return the unit that a label (``Hb [g/dL]``, ``Height (cm)``) or a note (``kg``, ``Unit: kg``) gives, or ``""``.

    Parameters
    ----------
    label, note : str
        Without markup.
    type_ : str
        Of the field; only what can be a number has a unit.
    """
    if type_ not in _NUMERIC:
        return ""
    for text in (label, note):
        for match in reversed(list(_BRACKETS.finditer(text))):
            inside = (match[1] or match[2]).strip()
            if _UNIT.fullmatch(inside):
                return inside
    said = _SAID.search(note)
    if said:
        return said[1].rstrip(".,;")
    return note if _UNIT.fullmatch(note) else ""
