"""Reading values out of the DICOM JSON model (`PS3.18 F <https://dicom.nema.org/medical/dicom/current/output/chtml/part18/chapter_F.html>`_)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydicom.datadict import tag_for_keyword

DicomJson = Mapping[str, Any]


def json_tag(keyword: str) -> str:
    """Return the eight hex digits that stand for the attribute `keyword`, e.g. ``0020000D``."""
    tag = tag_for_keyword(keyword)
    if tag is None:
        raise ValueError(f"no DICOM attribute is named {keyword}")
    return f"{tag:08X}"


def values(dataset: DicomJson, keyword: str) -> list[Any]:
    """Return all values of the attribute `keyword`; none where it is absent or empty."""
    element = dataset.get(json_tag(keyword))
    return [value for value in element.get("Value", ()) if value is not None] if element else []


def text(dataset: DicomJson, keyword: str) -> str:
    """Return the first value of `keyword` as text without padding, a person's name in its alphabetic form."""
    for value in values(dataset, keyword):
        if isinstance(value, Mapping):
            return str(value.get("Alphabetic", "")).strip()
        return str(value).strip().strip("\0")
    return ""


def whole_number(dataset: DicomJson, keyword: str) -> int | None:
    """Return the first value of `keyword` as a whole number; None where there is none.

    Notes
    -----
    Stores write IS both as a number and as text; some leave an empty text.
    """
    try:
        return int(float(text(dataset, keyword)))
    except (ValueError, OverflowError):
        return None
