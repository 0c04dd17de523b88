"""The section ``privacy`` of a mapping: what is hidden, and what must then be said of free text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from multimodal.mapping.document import Document, Place
from multimodal.mapping.plan import Column, PrivacyPlan, Template
from multimodal.mapping.told_at_load import columns_of

_FREE_ELEMENTS = ("name", "identifier")


def read_privacy(document: Document) -> PrivacyPlan:
    """Return what is hidden before anything is written.

    Raises
    ------
    MappingError
        If a keyed hash or a date shift has no key.
    """
    privacy: dict[str, Any] = document.content.get("privacy", {})
    shift = privacy.get("date_shift", {})
    key = privacy.get("key_env", "")
    if privacy.get("id") == "hmac" and not key:
        problem = "hmac needs key_env: the environment variable that holds the key"
        raise document.error(("privacy", "id"), problem)
    if shift and not (key or shift.get("key_env")):
        problem = "date_shift needs key_env: the environment variable that holds the key"
        raise document.error(("privacy", "date_shift"), problem)
    return PrivacyPlan(
        id=privacy.get("id", "keep"),
        key_env=key,
        max_days=shift.get("max_days", 0),
        shift_key_env=shift.get("key_env", key) if shift else "",
        birth_date=privacy.get("birth_date", "keep"),
        drop_identifier_fields=privacy.get("drop_identifier_fields", False),
    )


def check_free_text(document: Document, place: Place, columns: dict[str, Column]) -> None:
    """Refuse columns that carry free text into pseudonymous resources, unless the mapping says that it may.

    Raises
    ------
    MappingError
        For the first such column without ``as_text: true``.
    """
    specs = document.part(place)
    images = document.content["subject"].get("dicom", {}).get("patient_id")  # gets a pseudonym of its own
    for header, spec in specs.items():
        column = columns[header]
        free = column.type == "text" and column.verb in ("observation", "into")
        free = free or (column.verb == "patient" and column.element in _FREE_ELEMENTS)
        free = free or (column.table is not None and column.table.otherwise == "text")
        if free and header != images and not spec.get("as_text", False):
            problem = (
                f"{header!r} is free text, which may name a person; say `as_text: true` if it cannot, or ignore it"
            )
            raise document.error((*place, header), problem, at_key=True)


def free_text_read(
    templates: Mapping[str, Template], texts: Mapping[str, Column], aliases: Mapping[str, str]
) -> list[str]:
    """Return a note on each template that puts a column of free text into a pseudonymous resource."""
    notes = []
    for name, template in templates.items():
        read = dict.fromkeys(aliases[column] for column in columns_of(template.body))
        for header in read:
            if header in texts:
                notes.append(f"the resource {name!r} reads the text column {header!r}: see that it names nobody")
    return notes
