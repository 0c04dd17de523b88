"""Attributes in the DICOM JSON model -> fields of a series document, ``GGGGEEEE Name_type``, the type by the VR.

What a field holds is the contract of Kaapana's converter, down to its ways with time zones and repeated values: a
series has one document, whoever writes it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from multimodal.index.attribute_names import attribute_name
from multimodal.model.dicom_json import DicomJson

DATETIME = "%Y-%m-%d %H:%M:%S.%f"
# The platform takes every time of day for one of its home and stores the UTC of it, whatever zone the file names.
_HOME = ZoneInfo("Europe/Berlin")
_NUMBERS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    **dict.fromkeys(("DS", "FL", "FD", "OD", "OF"), ("float", float)),
    **dict.fromkeys(("IS", "SL", "SS", "UL", "US"), ("integer", lambda value: int(float(value)))),
}
_NAME_FORMS = ("Alphabetic", "Ideographic", "Phonetic")
_DATE = re.compile(r"(\d{4})[.-]?(\d{2})[.-]?(\d{2})")
_TIME = re.compile(r"(\d{2})(?::?(\d{2})(?::?(\d{2})(?:\.(\d{1,6}))?)?)?")
# A fraction or a zone, never both: with both the platform finds no time.
_DATETIME = re.compile(r"(\d{8})(?:(\d{4}(?:\d{2})?)(?:[+-]\d{4})?|(\d{6}\.\d{1,6}))?")
_PIXELS = frozenset({"7FE00008", "7FE00009", "7FE00010"})


def fields(instance: DicomJson) -> dict[str, Any]:
    """Return the fields of all attributes of an instance that come before its pixels."""
    last = min(_PIXELS & instance.keys(), default="FFFFFFFF")
    return _fields({tag: element for tag, element in instance.items() if tag.upper() < last})


def utc_of_home(local: datetime) -> str:
    """Return a time of day as the platform stores it: taken for one of its home, in UTC."""
    return f"{local.replace(tzinfo=_HOME).astimezone(UTC):{DATETIME}}"


def day_of(value: str) -> str | None:
    """Return a DA value (PS3.5 6.2) as ``2024-01-31``; None where it is none."""
    found = _DATE.fullmatch(value.strip())
    return date(*map(int, found.groups())).isoformat() if found else None


def time_of(value: str) -> str | None:
    """Return a TM value (PS3.5 6.2) as ``10:15:00.250000``; None where it is none."""
    found = _TIME.fullmatch(value.strip())
    if found is None:
        return None
    hour, minute, second = (int(part or 0) for part in found.groups()[:3])
    at = time(hour, minute, min(second, 59), int((found[4] or "0").ljust(6, "0")))  # 60 is a leap second
    return f"{at:%H:%M:%S.%f}"


_CONVERTED = {**_NUMBERS, "DA": ("date", day_of), "TM": ("time", time_of)}


def _fields(dataset: DicomJson) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for tag, element in dataset.items():
        name = attribute_name(tag)
        values = [_stripped(value) for value in element.get("Value", ())]
        if name is not None and values and values != [""] and "nan" not in values:
            found.update(_keyed(name, str(element.get("vr", "UN")), values))
    return found


def _keyed(name: str, vr: str, values: Sequence[Any]) -> dict[str, Any]:
    only = values[0] if len(values) == 1 else None
    if vr == "PN":
        # Of several persons none is named: a field has no place for whose form it is.
        forms = only if isinstance(only, Mapping) else {}
        return {f"{name}_keyword_{form.lower()}": forms[form] for form in _NAME_FORMS if forms.get(form)}
    if vr == "SQ":
        # Several items cannot be told apart once they are flattened into fields.
        return {f"{name}_object": _fields(only)} if isinstance(only, Mapping) else {}
    if vr == "DT":
        at = _tried(_datetime, only)
        return {f"{name}_datetime": at} if at else {}
    if vr not in _CONVERTED:
        return {f"{name}_keyword": values[0] if only is not None else list(values)}
    suffix, convert = _CONVERTED[vr]
    converted = [_tried(convert, value) for value in values if vr in _NUMBERS or value != ""]
    if None in converted or not converted:
        return {}
    return {f"{name}_{suffix}": converted[0] if only is not None else converted}


def _tried(convert: Callable[[Any], Any], value: Any) -> Any:
    """Return the converted value; None where it is not what its VR promises.

    One odd value must not keep the series out of the index, which refuses a document as a whole.
    """
    try:
        converted = convert(value)
    except (ValueError, OverflowError, TypeError, AttributeError):
        return None
    return None if isinstance(converted, float) and not abs(converted) < float("inf") else converted


def _datetime(value: str) -> str | None:
    found = _DATETIME.fullmatch(value)
    day = day_of(found[1]) if found else None
    if found is None or day is None:
        return None
    at = time_of(found[2] or found[3] or "01")  # a day without a time is one o'clock there
    return utc_of_home(datetime.fromisoformat(f"{day} {at}"))


def _stripped(value: Any) -> Any:
    if value is None:  # one of several values that is empty (PS3.18 F.2.5)
        return ""
    return value.strip().strip("\0") if isinstance(value, str) else value
