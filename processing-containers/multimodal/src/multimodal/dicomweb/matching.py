"""Attribute matching as a store would do it (PS3.4 C.2.2.2), for what a store cannot be asked."""

from __future__ import annotations

import re
from typing import Any

from pydicom.datadict import dictionary_VR, tag_for_keyword

from multimodal.model.dicom_json import DicomJson, values

_RANGES = frozenset({"DA", "TM", "DT"})


def matches(dataset: DicomJson, keyword: str, wanted: str) -> bool:
    """Tell whether a value of `keyword` in `dataset` matches `wanted`.

    Notes
    -----
    UIDs match one of a list by comma (PS3.18 8.3.4.1), dates and times a range (``a-b``, ``a-``, ``-b``), texts
    the wildcards ``*`` and ``?``; names regardless of case (PS3.4 C.2.2.2.1). An empty or absent attribute
    matches nothing but ``*``.
    """
    if wanted.strip("*") == "":
        return True
    vr = _vr(keyword)
    return any(_matches_one(vr, _text(value), wanted) for value in values(dataset, keyword))


def _matches_one(vr: str, value: str, wanted: str) -> bool:
    if vr == "UI":
        return value in wanted.split(",")
    if vr in _RANGES and "-" in wanted:
        first, _, last = wanted.partition("-")
        # A bound of fewer digits stands for all that begins with it.
        return (not first or value[: len(first)] >= first) and (not last or value[: len(last)] <= last)
    pattern = "".join(".*" if char == "*" else "." if char == "?" else re.escape(char) for char in wanted)
    return re.fullmatch(pattern, value, re.IGNORECASE if vr == "PN" else re.NOFLAG) is not None


def _vr(keyword: str) -> str:
    tag = tag_for_keyword(keyword)
    return dictionary_VR(tag) if tag is not None else "UN"


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return str(value.get("Alphabetic", "")).strip().rstrip("^")  # empty components at the end mean nothing
    return str(value).strip()
