"""Keys of our own in a series document, under the rules of Kaapana's gallery and index.

A key is ``00000000 <CamelName>_<kind>``. The index finds a field's type by looking for words such as
``_date`` anywhere in the key, the gallery drops fields whose shown name has a digit, and of two fields with
the same shown name it shows one: so a name has letters alone, one suffix at the end, and is there once.
"""

from __future__ import annotations

import re
import unicodedata
from enum import StrEnum

from pydicom.datadict import tag_for_keyword

from multimodal.index.errors import KeyCollisionError, KeyNameError

_DIGITS = ("Zero", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine")
_WORD = re.compile(r"[A-Za-z]+|[0-9]")


class Area(StrEnum):
    """Where a value of ours comes from; each key of ours starts with one of these."""

    CLINICAL = "Clinical"
    FHIR = "Fhir"
    RADIOMICS = "Radiomics"


class Kind(StrEnum):
    """The type of a field, as its key's suffix tells it to the index."""

    KEYWORD = "keyword"
    INTEGER = "integer"
    FLOAT = "float"
    DATE = "date"
    DATETIME = "datetime"
    BOOLEAN = "boolean"


_OWN = re.compile(rf"00000000 (?:{'|'.join(Area)})[A-Z][A-Za-z]*_(?:{'|'.join(Kind)})")


def own_key(area: Area, name: str, kind: Kind) -> str:
    """Return the key under which the value called `name` stands in a series document.

    Examples
    --------
    >>> own_key(Area.CLINICAL, "clinical.T.Stage", Kind.KEYWORD)
    '00000000 ClinicalTStage_keyword'
    >>> own_key(Area.CLINICAL, "HbA1c (%)", Kind.FLOAT)
    '00000000 ClinicalHbAOneC_float'

    Raises
    ------
    KeyNameError
        If `name` has neither letter nor digit.
    """
    words = [_DIGITS[int(word)] if word.isdigit() else word[0].upper() + word[1:] for word in _words(name)]
    if words and words[0].casefold() == area.casefold() and len(words) > 1:
        del words[0]  # "clinical.T.Stage" need not become ClinicalClinicalTStage
    camel = area + "".join(words)
    # The one reserved word without an underscore: the index would take the field for a date.
    camel = camel.replace("timestamp", "timeStamp")
    if not words:
        raise KeyNameError(name)
    return f"00000000 {camel}_{kind}"


def is_own(key: str) -> bool:
    """Say whether `key` is one of ours, so that we may change or remove it."""
    return _OWN.fullmatch(key) is not None


def area_of(key: str) -> Area:
    """Return the area of a key of ours."""
    return next(area for area in Area if shown_name(key).startswith(area))


def shown_name(key: str) -> str:
    """Return the part of `key` that the gallery makes a display name of."""
    return key.split(" ")[-1].split("_")[0]


class KeyRegister:
    """Hands out keys of our own and refuses a second meaning for a shown name."""

    def __init__(self) -> None:
        self._meanings: dict[str, tuple[str, str]] = {}

    def key(self, area: Area, name: str, kind: Kind) -> str:
        """Return the key of `name`; the same call always gives the same key.

        Raises
        ------
        KeyCollisionError
            If another name, another kind or a DICOM attribute has the same shown name.
        """
        key = own_key(area, name, kind)
        shown = shown_name(key)
        if tag_for_keyword(shown) is not None:  # e.g. a column "Trial Site Name" -> ClinicalTrialSiteName
            raise KeyCollisionError(key, name, f"the DICOM attribute {shown}")
        meaning = (name, key)
        other = self._meanings.setdefault(shown.casefold(), meaning)
        if other != meaning:
            raise KeyCollisionError(key, name, other[0])
        return key


def _words(name: str) -> list[str]:
    """Split `name` into runs of letters and single digits, all ASCII."""
    spelt = []
    for sign in unicodedata.normalize("NFKD", name):
        if sign.isascii():
            spelt.append(sign)
        elif sign.isalnum():  # "β-HCG" -> Beta..., by the sign's own name: "GREEK SMALL LETTER BETA"
            named = unicodedata.name(sign, f"U{ord(sign):X}").rsplit("LETTER ", 1)[-1]
            spelt.append(f" {named.title()} ")
    return _WORD.findall("".join(spelt))
