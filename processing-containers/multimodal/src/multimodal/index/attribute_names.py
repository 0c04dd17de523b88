"""The name of an attribute in a series document: Kaapana's, which is not always the keyword of PS3.6."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from pydicom.datadict import dictionary_description, dictionary_has_tag

_TAG = re.compile("[0-9A-F]{8}")


@dataclass(frozen=True, slots=True)
class _Departures:
    """What ``attribute_names.toml`` says beyond the rule."""

    named: dict[str, str]
    unnamed: frozenset[str]


@cache
def attribute_name(tag: str) -> str | None:
    """Return how a document calls the attribute `tag` (eight hex digits), e.g. ``00080060 Modality``.

    None for an attribute that has no name there: a private one, or one younger than the platform's dictionary. Such an
    attribute is left out of documents.
    """
    tag = tag.upper()
    departures = _departures()
    if tag in departures.named:
        return f"{tag} {departures.named[tag]}"
    if not _TAG.fullmatch(tag) or tag in departures.unnamed or not dictionary_has_tag(int(tag, 16)):
        return None
    return f"{tag} {dictionary_description(int(tag, 16)).replace(chr(39) + 's ', '').replace(' ', '')}"


@cache
def _departures() -> _Departures:
    content = tomllib.loads(files("multimodal.index").joinpath("attribute_names.toml").read_text(encoding="utf-8"))
    named = dict(content["renamed"])
    for group, entries in content["private"].items():
        for entry in entries.split(";"):
            element, _, name = entry.strip().partition(":")
            named[group + element] = name
    unnamed = {group + element for group, entries in content["unnamed"].items() for element in entries.split()}
    return _Departures(named, frozenset(unnamed))
