"""Parts of a mapping that people write otherwise than the schema wants, explained by what to write."""

from __future__ import annotations

import re
from typing import Any

from multimodal.mapping.document import Document, Place

_UMLAUTS = {ord(sign): plain for sign, plain in (("ä", "ae"), ("ö", "oe"), ("ü", "ue"), ("ß", "ss"))}
_ID = re.compile(r"[a-z0-9][a-z0-9-]{1,40}")


def slip(document: Document, place: Place, value: Any) -> str:
    """Return what to write at `place` in place of `value`; empty where the schema's own words have to do.

    Parameters
    ----------
    document : Document
        The mapping.
    place : tuple
        Of what does not fit.
    value : Any
        What stands there.
    """
    if "range" in place[-2:]:
        return _range(document, place if place[-1] == "range" else place[:-1])
    if place[-1:] == ("missing",):
        return f"missing: write the texts with their reasons: missing: {{{_quoted(value)}: unknown}}"
    if place[-2:-1] == ("missing",) and value is None:
        return f"missing: say why such a value is missing: missing: {{{_quoted(place[-1])}: unknown}}"
    if place == ("id",):
        return f"id: {value!r} is none; write 2 to 41 small letters a-z, digits and hyphens, e.g. {_proposed(value)}"
    return cut_by_comma(document, place) if value is None else ""


def _range(document: Document, place: Place) -> str:
    value: Any = document.content
    for step in place:
        value = value[step]
    if isinstance(value, list) and len(value) > 2:
        return (
            f"range: {len(value)} numbers in place of two; if these are decimal commas, write a dot: range: [20.5, 300]"
        )
    return "range: write the lowest and the highest value, two numbers with a dot as decimal sign: range: [20, 300]"


def _quoted(value: Any) -> str:
    text = value[0] if isinstance(value, list) and value else value
    return f'"{text}"' if isinstance(text, (str, int)) and not isinstance(text, bool) else '"n/a"'


def _proposed(value: Any) -> str:
    plain = str(value).casefold().translate(_UMLAUTS) if isinstance(value, str) else f"study {value}"
    text = re.sub("[^a-z0-9]+", "-", plain).strip("-")[:41]
    return text if _ID.fullmatch(text) else "my-study"


def cut_by_comma(document: Document, place: Place) -> str:
    """Return that a comma has cut a text in two, where an entry without a value follows another."""
    siblings = list(document.part(place[:-1]).items())
    names = [name for name, _ in siblings]
    before = names.index(place[-1]) - 1 if place[-1] in names else -1
    if before < 0 or not isinstance(siblings[before][1], str):
        return ""
    text, rest = siblings[before][1], str(place[-1])
    if "#" in text and rest.isdigit():
        return f"the comma cuts '{text},{rest}' in two; a code has a dot: write {text}.{rest}"
    return f"the comma cuts '{text}, {rest}' in two; a text with a comma needs quotation marks"
