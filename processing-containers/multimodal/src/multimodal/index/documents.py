"""DICOM metadata of one instance -> the document of its series, under Kaapana's names.

Keys are ``GGGGEEEE Name_type``; what is derived from several attributes has the group ``00000000``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from multimodal.index.attributes import DATETIME, fields, utc_of_home
from multimodal.model.dicom_json import DicomJson, text, values

_AGE = re.compile(r"(\d+)([DWMY])")
_YEARS = {"D": 1 / 365.25, "W": 7 / 365.25, "M": 1 / 12, "Y": 1.0}
# How many of a unit the platform counts as a year: its weeks are wrong, and a document of ours says the same.
_COUNTED = {"D": 365, "W": 7, "M": 12, "Y": 1}
_ACQUIRED = "0008002A AcquisitionDateTime_datetime"
_BORN = "00100030 PatientBirthDate_date"
_SPONSOR = "00120010 ClinicalTrialSponsorName_keyword"
_PROTOCOL = "00120020 ClinicalTrialProtocolID_keyword"
# The first of these dates and, on its own, of these times that a series has give its time.
_DATES = ("00080022 AcquisitionDate", "00080021 SeriesDate", "00080023 ContentDate", "00080020 StudyDate")
_TIMES = ("00080032 AcquisitionTime", "00080031 SeriesTime", "00080033 ContentTime", "00080030 StudyTime")


@dataclass(frozen=True, slots=True)
class Arrival:
    """When and where to a series came; what a document says beside what its instances say.

    Parameters
    ----------
    time : datetime
        With its time zone.
    project, dataset : str
        Stand in (0012,0020) and (0012,0010), where the platform looks for them.
    """

    time: datetime
    project: str
    dataset: str


def series_document(instance: DicomJson, arrival: Arrival | None = None) -> dict[str, Any]:
    """Return the series document made of one instance's metadata, as Kaapana's converter makes it.

    Parameters
    ----------
    instance : mapping
        One instance in the DICOM JSON model, as WADO-RS ``/metadata`` answers; see `first_instance`.
    arrival : Arrival, optional
        Without it the same instance always gives the same document, and one without a date has no time.

    Notes
    -----
    Left out, as there: binary values, attributes without a name (`multimodal.index.attribute_names`), sequences of
    several items, several persons in one attribute. Left out here alone: a value that is not what its VR promises,
    where the converter fails or makes one up.
    """
    document = {**fields(instance), **_annotations(instance)}
    document |= _time(document, arrival)
    document |= _age(document)
    document |= _placed(document, arrival)
    if modality := _curated_modality(instance):
        document["00000000 CuratedModality_keyword"] = modality
    document["00000000 PredictedBodypart_keyword"] = "N/A"
    return document


def first_instance(instances: Iterable[DicomJson]) -> DicomJson:
    """Return the instance that a series' document is made of: that of the first file, by name."""
    return min(instances, key=lambda instance: f"{text(instance, 'SOPInstanceUID')}.dcm")


def age_in_years(text_value: str) -> float | None:
    """Return an Age String (PS3.5 6.2), e.g. ``063Y`` or ``018M``, in years; None where it is none."""
    found = _AGE.fullmatch(text_value.strip())
    return int(found[1]) * _YEARS[found[2]] if found else None


def _annotations(instance: DicomJson) -> dict[str, Any]:
    """Return the names of a SEG's segments or an RTSTRUCT's ROIs; a comma separates them in the list field."""
    if text(instance, "Modality") not in {"SEG", "RTSTRUCT"}:
        return {}
    rois = [one for one in values(instance, "StructureSetROISequence") if isinstance(one, Mapping)]
    segments = [one for one in values(instance, "SegmentSequence") if isinstance(one, Mapping)]
    names = [str(name) for roi in rois for name in values(roi, "ROIName")[:1]]
    names += [text(segment, "SegmentLabel") for segment in segments]
    labels = [name.replace(",", "-") for name in names if name]
    found: dict[str, Any] = {
        "00000000 AnnotationLabelsList_keyword": ",".join(sorted(labels)) or None,
        "00000000 AnnotationLabel_keyword": labels,
    }
    if segments:
        found["00620002 SegmentSequence_object_object"] = _algorithm(segments)
    return found


def _algorithm(segments: Iterable[DicomJson]) -> dict[str, str]:
    """Return by what the last segment that says so was made."""
    found = {}
    for segment in segments:
        for key, keyword in (("00620009", "SegmentAlgorithmName"), ("00620008", "SegmentAlgorithmType")):
            if value := text(segment, keyword):
                found[f"{key} {keyword}_keyword"] = value
    return found


def _curated_modality(instance: DicomJson) -> str:
    """Return the modality, where a CT's localizer counts as a plain radiograph."""
    modality = text(instance, "Modality")
    image_type = values(instance, "ImageType")
    return "XR" if modality == "CT" and "LOCALIZER" in image_type and len(image_type) >= 3 else modality


def _time(document: Mapping[str, Any], arrival: Arrival | None) -> dict[str, Any]:
    timestamp, used = _timestamp(document, arrival)
    found: dict[str, Any] = {}
    if timestamp:
        found["00000000 Timestamp_datetime"] = timestamp
        found["00000000 DayOfWeek_integer"] = datetime.strptime(timestamp, DATETIME).weekday()
        found["00000000 TimeTagUsed_keyword"] = used
    if arrival is not None:
        at = arrival.time.astimezone(UTC)
        found["00000000 TimestampArrived_datetime"] = f"{at:{DATETIME}}"
        found["00000000 TimestampArrived_date"] = f"{at:%Y-%m-%d}"
        found["00000000 TimestampArrivedHour_integer"] = at.hour
    return found


def _timestamp(document: Mapping[str, Any], arrival: Arrival | None) -> tuple[str, str]:
    """Return the time of a series and from what it was made; a DT is moved to UTC twice, as there."""
    if at := document.get(_ACQUIRED):
        return utc_of_home(datetime.strptime(at, DATETIME)), "AcquisitionDateTime_datetime"
    day_name = next((name for name in _DATES if f"{name}_date" in document), "")
    time_name = next((name for name in _TIMES if f"{name}_time" in document), "")
    if arrival is None and not day_name:
        return "", ""
    now = arrival.time.astimezone() if arrival is not None else None
    day = _first(document[f"{day_name}_date"]) if day_name else f"{now:%Y-%m-%d}"
    used = day_name[9:] or "date not found -> arriving date"
    if time_name:
        at = _first(document[f"{time_name}_time"])
        used += f" + {time_name[9:]}"
    elif now is None:
        return f"{day} 00:00:00.000000", used  # a day without a time stays that day
    else:
        at = f"{now:%H:%M:%S.%f}"
        used += " + time not found -> arriving time"
    return utc_of_home(datetime.strptime(f"{day} {at}", DATETIME)), used


def _first(value: Any) -> str:
    return str(value[0] if isinstance(value, list) else value)


def _age(document: Mapping[str, Any]) -> dict[str, int]:
    born, timestamp = document.get(_BORN), document.get("00000000 Timestamp_datetime")
    if born and timestamp:
        birth, taken = datetime.strptime(_first(born), "%Y-%m-%d"), datetime.strptime(timestamp, DATETIME)
        years = taken.year - birth.year - ((taken.month, taken.day) < (birth.month, birth.day))
    else:
        found = _AGE.fullmatch(str(document.get("00101010 PatientAge_keyword", "")))
        years = int(found[1]) // _COUNTED[found[2]] if found else 0
        if not years:  # less than one is not told from none
            return {}
    return {"00000000 DerivedPatientAge_integer": years}


def _placed(document: Mapping[str, Any], arrival: Arrival | None) -> dict[str, Any]:
    """Return project and dataset where the platform looks for them; without an arrival the trial's own words."""
    protocol = document.get(_PROTOCOL)
    protocols = str(_first(protocol)).split(";") if protocol else []
    if arrival is None:
        return {_PROTOCOL: protocols} if protocols else {}
    sponsor = _first(document.get(_SPONSOR, ""))
    return {
        _SPONSOR: sponsor[3:] if sponsor.startswith("kp-") else arrival.dataset,
        _PROTOCOL: protocols[0][3:] if protocols and protocols[0].startswith("kp-") else arrival.project,
    }
