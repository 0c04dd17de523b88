"""DICOM metadata of one instance -> the document of its series, under Kaapana's names.

Keys are ``GGGGEEEE Keyword_type``, the type by the attribute's VR; what is derived from several attributes
has the group ``00000000``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time
from typing import Any

from pydicom.datadict import keyword_for_tag

from multimodal.model.dicom_json import DicomJson, text, values

_NUMBERS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    **dict.fromkeys(("DS", "FL", "FD", "OD", "OF"), ("float", float)),
    **dict.fromkeys(("IS", "SL", "SS", "UL", "US", "SV", "UV"), ("integer", lambda value: int(float(value)))),
}
_NAME_FORMS = ("Alphabetic", "Ideographic", "Phonetic")
_DATE = re.compile(r"(\d{4})[.-]?(\d{2})[.-]?(\d{2})")
_TIME = re.compile(r"(\d{2})(?::?(\d{2})(?::?(\d{2})(?:\.(\d{1,6}))?)?)?")
_AGE = re.compile(r"(\d{1,3})([DWMY])")
_YEARS = {"D": 1 / 365.25, "W": 7 / 365.25, "M": 1 / 12, "Y": 1.0}
# The first of these that a series has gives its time: of the acquisition before that of the study.
_WHEN = (
    ("AcquisitionDate", "AcquisitionTime"),
    ("SeriesDate", "SeriesTime"),
    ("ContentDate", "ContentTime"),
    ("StudyDate", "StudyTime"),
)


def series_document(instance: DicomJson) -> dict[str, Any]:
    """Return the series document made of one instance's metadata.

    Parameters
    ----------
    instance : mapping
        One instance in the DICOM JSON model, as WADO-RS ``/metadata`` answers.

    Notes
    -----
    Left out, as on Kaapana: binary values, attributes that the dictionary does not name (private ones), and
    sequences of several items. No time of arrival: the same instance always gives the same document.
    """
    return {**_attributes(instance), **_derived(instance)}


def age_in_years(text_value: str) -> float | None:
    """Return an Age String (PS3.5 6.2), e.g. ``063Y`` or ``018M``, in years; None where it is none."""
    found = _AGE.fullmatch(text_value.strip())
    return int(found[1]) * _YEARS[found[2]] if found else None


def _attributes(dataset: DicomJson) -> dict[str, Any]:
    document: dict[str, Any] = {}
    for tag, element in dataset.items():
        keyword = keyword_for_tag(int(tag, 16)) if re.fullmatch("[0-9A-Fa-f]{8}", tag) else ""
        present = [one for one in element.get("Value", ()) if one not in (None, "")]
        if keyword and present:
            document.update(_keyed(f"{tag.upper()} {keyword}", str(element.get("vr", "UN")), present))
    return document


def _keyed(name: str, vr: str, present: Sequence[Any]) -> dict[str, Any]:
    if vr == "PN":
        forms = {form: [one[form].strip() for one in present if one.get(form)] for form in _NAME_FORMS}
        return {f"{name}_keyword_{form.lower()}": _one_or_all(found) for form, found in forms.items() if found}
    if vr == "SQ":
        # Several items cannot be told apart once they are flattened into fields.
        return {f"{name}_object": _attributes(present[0])} if len(present) == 1 else {}
    suffix, convert = _converter(vr)
    converted = [one for one in (_tried(convert, value) for value in present) if one is not None]
    return {f"{name}_{suffix}": _one_or_all(converted)} if converted else {}


def _converter(vr: str) -> tuple[str, Callable[[Any], Any]]:
    if vr in _NUMBERS:
        return _NUMBERS[vr]
    return {"DA": ("date", _date), "TM": ("time", _time), "DT": ("datetime", _datetime)}.get(
        vr, ("keyword", lambda value: str(value).strip())
    )


def _tried(convert: Callable[[Any], Any], value: Any) -> Any:
    """Return the converted value; None where it is not what its VR promises.

    One odd value must not keep the series out of the index, which refuses a document as a whole.
    """
    try:
        converted = convert(value)
    except (ValueError, OverflowError, TypeError):
        return None
    return None if isinstance(converted, float) and not abs(converted) < float("inf") else converted


def _date(value: str) -> str | None:
    found = _DATE.fullmatch(value.strip())
    return date(*map(int, found.groups())).isoformat() if found else None


def _time(value: str) -> str | None:
    found = _TIME.fullmatch(value.strip())
    if found is None:
        return None
    hour, minute, second = (int(part or 0) for part in found.groups()[:3])
    at = time(hour, minute, min(second, 59), int((found[4] or "0").ljust(6, "0")))  # 60 is a leap second
    return f"{at:%H:%M:%S.%f}"


def _datetime(value: str) -> str | None:
    local = re.sub(r"[+-]\d{4}$", "", value.strip())
    day = _date(local[:8])
    at = _time(local[8:] or "00")
    return f"{day} {at}" if day and at else None


def _one_or_all(found: list[Any]) -> Any:
    return found[0] if len(found) == 1 else found


def _derived(instance: DicomJson) -> dict[str, Any]:
    labels = _annotation_labels(instance)
    derived: dict[str, Any] = {"CuratedModality_keyword": _curated_modality(instance), **_when(instance)}
    if (age := _patient_age(instance, derived.get("Timestamp_datetime", ""))) is not None:
        derived["DerivedPatientAge_integer"] = age
    if labels:
        derived["AnnotationLabelsList_keyword"] = ",".join(sorted(labels))
        derived["AnnotationLabel_keyword"] = labels
    return {f"00000000 {name}": value for name, value in derived.items() if value != ""}


def _curated_modality(instance: DicomJson) -> str:
    """Return the modality, where a CT's localizer counts as a plain radiograph."""
    modality = text(instance, "Modality")
    image_type = values(instance, "ImageType")
    return "XR" if modality == "CT" and "LOCALIZER" in image_type and len(image_type) >= 3 else modality


def _when(instance: DicomJson) -> dict[str, Any]:
    for day_keyword, time_keyword in _WHEN:
        if day := _tried(_date, text(instance, day_keyword)):
            at = _tried(_time, text(instance, time_keyword))
            return {
                "Timestamp_datetime": f"{day} {at or '00:00:00.000000'}",
                "TimeTagUsed_keyword": f"{day_keyword} + {time_keyword}" if at else day_keyword,
                "DayOfWeek_integer": date.fromisoformat(day).weekday(),
            }
    return {}


def _patient_age(instance: DicomJson, timestamp: str) -> int | None:
    born = _tried(_date, text(instance, "PatientBirthDate"))
    if born and timestamp:
        birth, taken = date.fromisoformat(born), datetime.fromisoformat(timestamp).date()
        return taken.year - birth.year - ((taken.month, taken.day) < (birth.month, birth.day))
    years = age_in_years(text(instance, "PatientAge"))
    return None if years is None else int(years)


def _annotation_labels(instance: DicomJson) -> list[str]:
    """Return the names of a SEG's segments or an RTSTRUCT's ROIs; a comma separates them in the list field."""
    if text(instance, "Modality") not in {"SEG", "RTSTRUCT"}:
        return []
    names = [text(one, "SegmentLabel") for one in values(instance, "SegmentSequence") if isinstance(one, Mapping)]
    names += [text(one, "ROIName") for one in values(instance, "StructureSetROISequence") if isinstance(one, Mapping)]
    return [name.replace(",", "-") for name in names if name]
