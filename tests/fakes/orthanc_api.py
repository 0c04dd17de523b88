"""The calls of Orthanc's own REST API that tell which instances a series has, for `tests.fakes.dicomweb_server`."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from typing import Any

import pydicom


def answer(path: str, query: dict[str, Any], stored: Iterable[pydicom.Dataset], faults: Collection[str]) -> Any:
    """Return the JSON of an answer, as Orthanc 1.10 and 1.12 give it; None where there is no such call."""
    datasets = list(stored)
    if "orthanc-api-rubbish" in faults:
        return {"Message": "Parameter out of range"}
    if path == "/tools/find":
        wanted = query["Query"]["SeriesInstanceUID"].split("\\")
        if query["Level"] == "Instance":
            inside = [d for d in datasets if d.StudyInstanceUID == query["Query"]["StudyInstanceUID"]]
            return [_instance(d) for d in inside if d.SeriesInstanceUID in wanted]
        uids = dict.fromkeys((d.StudyInstanceUID, d.SeriesInstanceUID) for d in datasets)
        return [_series(datasets, *pair, faults) for pair in uids if pair[1] in wanted]
    if path == "/tools/bulk-content":
        studies = {_id(d.PatientID, d.StudyInstanceUID): d for d in datasets}
        return [_study(name, studies[name]) for name in query["Resources"] if name in studies]
    return None


def _series(datasets: list[pydicom.Dataset], study: str, series: str, faults: Collection[str]) -> dict[str, Any]:
    inside = [d for d in datasets if (d.StudyInstanceUID, d.SeriesInstanceUID) == (study, series)]
    patient = inside[0].PatientID
    instances = sorted(_id(patient, study, series, d.SOPInstanceUID) for d in inside)
    if "orthanc-api-lacks-one" in faults:
        instances = instances[1:]
    if "orthanc-api-lists-more" in faults:
        instances.append(_id(patient, study, series, "1.2.3"))
    if "orthanc-api-lists-none" in faults:
        instances = []
    return {
        "ID": _id(patient if "orthanc-api-other-ids" not in faults else "another", study, series),
        "Instances": instances,
        "MainDicomTags": {"SeriesInstanceUID": series},
        "ParentStudy": _id(patient, study),
        "Type": "Series",
    }


def _instance(dataset: pydicom.Dataset) -> dict[str, Any]:
    return {"MainDicomTags": {"SOPInstanceUID": dataset.SOPInstanceUID}, "Type": "Instance"}


def _study(name: str, dataset: pydicom.Dataset) -> dict[str, Any]:
    return {
        "ID": name,
        "MainDicomTags": {"StudyInstanceUID": dataset.StudyInstanceUID},
        "PatientMainDicomTags": {"PatientID": dataset.PatientID},
        "Type": "Study",
    }


def _id(*parts: object) -> str:
    """Return an identifier as the Orthanc Book describes it."""
    name = hashlib.sha1("|".join(map(str, parts)).encode(), usedforsecurity=False).hexdigest()
    return "-".join(name[at : at + 8] for at in range(0, 40, 8))
