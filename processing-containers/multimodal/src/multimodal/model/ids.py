"""Deterministic identifiers: the same input always gives the same id, whoever writes it."""

from __future__ import annotations

import hashlib
import re

from multimodal.model.errors import InvalidUidError

_SEPARATOR = "\x1f"
_UID = re.compile(r"(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*))+")
_LETTERS = {"Provenance": "v", "Procedure": "r", "DiagnosticReport": "g", "Endpoint": "n"}


def digest(*parts: str) -> str:
    """Return the sha256 (64 hex digits) of `parts` joined by U+001F."""
    return hashlib.sha256(_SEPARATOR.join(parts).encode()).hexdigest()


def patient_id(system: str, value: str) -> str:
    """Return the id of the Patient known as `value` under the identifier system `system`.

    ``p`` and 40 hex digits, the same for every writer, so that a table row and a scan meet in one Patient.
    """
    return "p" + digest(system, value)[:40]


def resource_id(resource_type: str, *parts: str) -> str:
    """Return a resource id: a letter for the type and 40 hex digits of `resource_type` and `parts`.

    Notes
    -----
    `parts` name the origin (mapping id, row key, column), never the value, the row number, the time or a
    file name, so that a corrected value updates its resource. The letter keeps an id from being all digits,
    which some FHIR servers reserve.
    """
    if resource_type == "Patient":
        raise ValueError("a Patient's id comes from patient_id()")
    letter = _LETTERS.get(resource_type, resource_type[0].lower())
    return letter + digest(resource_type, *parts)[:40]


def hash_uid(*parts: str) -> str:
    """Return a DICOM UID made of `parts`: ``2.25.`` and a 128-bit number (PS3.5 B.2)."""
    return f"2.25.{int(digest(*parts)[:32], 16)}"


def check_uid(text: str) -> str:
    """Return `text` if it is a DICOM UID.

    Raises
    ------
    InvalidUidError
        If it is none: only such texts may become part of a path or an address.
    """
    if len(text) > 64 or not _UID.fullmatch(text):
        raise InvalidUidError(text)
    return text
