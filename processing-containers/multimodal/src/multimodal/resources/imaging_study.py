"""A DICOM study as a FHIR ImagingStudy, from what QIDO-RS or the instances' metadata tell of it."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from multimodal.model.dicom_json import DicomJson, text, whole_number
from multimodal.model.ids import check_uid
from multimodal.model.references import PatientRef, imaging_study_id
from multimodal.resources.dicom_times import fhir_datetime
from multimodal.resources.systems import DCM, SCT, URI, uid_identifier

# Objects that other resources point at one by one; a CT slice is found through its series.
MODALITIES_WITH_INSTANCES = frozenset({"SEG", "SR", "RTSTRUCT"})


def imaging_study(
    study: DicomJson,
    series: Iterable[DicomJson],
    patient: PatientRef,
    instances: Mapping[str, Sequence[DicomJson]] | None = None,
    endpoint: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return the `ImagingStudy <https://hl7.org/fhir/R4/imagingstudy.html>`_ of a DICOM study.

    Parameters
    ----------
    study : mapping
        Study attributes in the DICOM JSON model, as a QIDO-RS answer or an instance's metadata.
    series : iterable of mapping
        The same for each of its series, in any order.
    patient : PatientRef
        Whose study it is.
    instances : mapping of str to sequence of mapping, optional
        By Series Instance UID, the instances to list (those of SEG, SR and RTSTRUCT series).
    endpoint : mapping, optional
        Reference to the Endpoint of the store that told of them; it stands at each series too, since the series of
        one study may lie in several stores.
    """
    uid = check_uid(text(study, "StudyInstanceUID"))
    endpoints = [dict(endpoint)] if endpoint else []
    listed = sorted((_series(one, instances or {}, endpoints) for one in series), key=_place)
    counts = [one.get("numberOfInstances") for one in listed]
    modalities = sorted({one["modality"]["code"] for one in listed})
    resource: dict[str, Any] = {
        **bare_imaging_study(uid, patient),
        "modality": [{"system": DCM, "code": code} for code in modalities],
        "endpoint": endpoints,
        "started": fhir_datetime(
            text(study, "StudyDate"), text(study, "StudyTime"), text(study, "TimezoneOffsetFromUTC")
        ),
        "description": text(study, "StudyDescription"),
        "numberOfSeries": len(listed),
        # Some stores count nothing; a sum of the others would be wrong.
        "numberOfInstances": None if None in counts else sum(counts),
        "series": listed,
    }
    return _without_empty(resource)


def bare_imaging_study(study_uid: str, patient: PatientRef) -> dict[str, Any]:
    """Return the least ImagingStudy that a measurement can point to.

    It says nothing that a fuller one of another writer could contradict.
    """
    return {
        "resourceType": "ImagingStudy",
        "id": imaging_study_id(study_uid),
        "identifier": [uid_identifier(study_uid)],
        "status": "available",
        "subject": {"reference": patient.reference},
    }


def _series(
    series: DicomJson, instances: Mapping[str, Sequence[DicomJson]], endpoints: Sequence[Mapping[str, str]]
) -> dict[str, Any]:
    uid = check_uid(text(series, "SeriesInstanceUID"))
    modality = text(series, "Modality") or "OT"  # required in FHIR; OT is DICOM's "other"
    number = whole_number(series, "SeriesNumber")
    count = whole_number(series, "NumberOfSeriesRelatedInstances")
    listed = [_instance(one) for one in instances.get(uid, ())]
    return _without_empty(
        {
            "uid": uid,
            "number": number if number is not None and number >= 0 else None,  # unsignedInt; DICOM allows below 0
            "modality": {"system": DCM, "code": modality},
            "description": text(series, "SeriesDescription"),
            "numberOfInstances": count,
            "endpoint": [dict(endpoint) for endpoint in endpoints],
            "started": fhir_datetime(
                text(series, "SeriesDate"), text(series, "SeriesTime"), text(series, "TimezoneOffsetFromUTC")
            ),
            "bodySite": body_site(text(series, "BodyPartExamined")),
            "instance": sorted(listed, key=_place),
        }
    )


def _instance(instance: DicomJson) -> dict[str, Any]:
    number = whole_number(instance, "InstanceNumber")
    return _without_empty(
        {
            "uid": check_uid(text(instance, "SOPInstanceUID")),
            "sopClass": {"system": URI, "code": f"urn:oid:{check_uid(text(instance, 'SOPClassUID'))}"},
            "number": number if number is not None and number >= 0 else None,
        }
    )


def body_site(body_part: str) -> dict[str, str] | None:
    """Return a Body Part Examined (0018,0015) as a coding, by PS3.16 Annex L where it is listed there."""
    part = body_part.strip().upper()
    if not part:
        return None
    code, display = _body_parts().get(part.replace(" ", "").replace("_", ""), ("", body_part.strip()))
    return {"system": SCT, "code": code, "display": display} if code else {"display": display}


@cache
def _body_parts() -> dict[str, tuple[str, str]]:
    lines = files("multimodal.resources").joinpath("body_parts.csv").read_text(encoding="utf-8").splitlines()
    rows = csv.DictReader(line for line in lines if not line.startswith("#"))
    return {row["body_part"]: (row["code"], row["display"]) for row in rows}


def _place(entry: Mapping[str, Any]) -> tuple[int, str]:
    return entry.get("number", 2**31), entry["uid"]


def _without_empty(element: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in element.items() if value not in (None, "", [])}
