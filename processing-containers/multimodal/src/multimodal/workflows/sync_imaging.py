"""The studies of a DICOMweb store -> an ImagingStudy each, with its Patient, in FHIR."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from multimodal.bucket import Bucket
from multimodal.dicomweb import DicomWeb
from multimodal.fhirstore import Group, Target
from multimodal.model.dicom_json import DicomJson, json_tag, text
from multimodal.model.errors import InvalidUidError
from multimodal.model.issue_codes import IssueCode
from multimodal.model.issues import Issue
from multimodal.model.progress import Progress, silent
from multimodal.model.results import Status, WorkflowResult
from multimodal.resources.endpoint import dicomweb_endpoint, endpoint_reference
from multimodal.resources.imaging_patient import imaging_patient
from multimodal.resources.imaging_study import MODALITIES_WITH_INSTANCES, imaging_study
from multimodal.transport.stores import Store
from multimodal.workflows.loading import load_into
from multimodal.workflows.scanned_patients import ScannedPatients

SOURCE = "sync-imaging"
INTERNAL = "pacs"
_NO_ISSUER = "nobody says who issued its Patient ID, which the store's patient_system needs for {issuer}"
_STUDY_FIELDS = (
    "PatientID", "StudyDate", "StudyTime", "TimezoneOffsetFromUTC",
    "StudyDescription",
)  # fmt: skip
_SERIES_FIELDS = (
    "PatientID", "Modality", "SeriesNumber", "SeriesDescription", "BodyPartExamined", "SeriesDate", "SeriesTime",
    "NumberOfSeriesRelatedInstances",
)  # fmt: skip
_INSTANCE_FIELDS = ("SOPClassUID", "InstanceNumber")


def sync_imaging(
    dicom: DicomWeb,
    *,
    fhir: Target,
    bucket: Bucket | None,
    filters: Mapping[str, str] | None = None,
    study_uids: Sequence[str] | None = None,
    progress: Progress = silent,
) -> WorkflowResult:
    """Write an ImagingStudy for each study of a store, the Patient it belongs to, and the store's Endpoint.

    Parameters
    ----------
    dicom : DicomWeb
        The store; its ``patient_system`` says in which system its Patient IDs identify.
    fhir : Target
        FHIR server or folder.
    bucket : Bucket or None
        Keeps the manifest, by which a second run sends nothing.
    filters : mapping of str to str, optional
        Which studies, by DICOM keyword as in QIDO-RS; all where not given.
    study_uids : sequence of str, optional
        Of these the named ones alone.

    Returns
    -------
    WorkflowResult
        ``partial`` with an issue for each study that cannot be told whose it is; ``nothing`` for an empty store.

    Notes
    -----
    A Patient another writer made keeps what that writer said; where the scan says otherwise there is a warning.
    Each store is a writer of its own: of a study that lies in two, both tell their series and their Endpoint, and
    neither takes away what the other told.
    """
    issues: list[Issue] = []
    counts: Counter[str] = Counter()
    studies = _studies_of_one_patient(_found(dicom, filters, study_uids), issues)
    if not studies and not issues:
        return WorkflowResult(Status.NOTHING, {"studies": 0})
    groups = _groups(dicom, ScannedPatients.of(dicom.store), studies, issues, counts, progress)
    # First and by itself: a server refuses a study that refers to an Endpoint it does not have yet.
    store = dicom.store
    named = _has_endpoint(dicom)
    told = [Group([dicomweb_endpoint(store.name, store.url)], origin=f"store {store.name}")] if named else []
    endpoint = load_into(fhir, bucket, told, source=f"{source_of(store)}-endpoint")
    report = load_into(fhir, bucket, groups, source=source_of(store))
    issues += [*endpoint.refused, *report.refused]
    return WorkflowResult(
        Status.PARTIAL if issues else Status.DONE,
        {
            "studies": counts["studies"],
            "series": counts["series"],
            **endpoint.counts(),
            **report.counts(),
            "resources sent": endpoint.total + report.total,
        },
        warnings=report.warnings,
        issues=issues,
    )


def source_of(store: Store) -> str:
    """Return the name under which the studies of a store are written: that of the internal archive is the plain one."""
    return SOURCE if store.name == INTERNAL else f"{SOURCE}-{store.name}"


def _found(dicom: DicomWeb, filters: Mapping[str, str] | None, study_uids: Sequence[str] | None) -> Iterator[DicomJson]:
    # Some stores refuse a search for the sake of one attribute that they do not know.
    fields = (*_STUDY_FIELDS, "IssuerOfPatientID") if "{issuer}" in dicom.store.patient_system else _STUDY_FIELDS
    if study_uids is None:
        yield from dicom.studies(filters, fields)
    else:
        dicom.prepare(study_uids=study_uids)
    for uid in dict.fromkeys(study_uids or ()):
        yield from dicom.studies({**(filters or {}), "StudyInstanceUID": uid}, fields)


def _studies_of_one_patient(found: Iterable[DicomJson], issues: list[Issue]) -> list[DicomJson]:
    """Return the studies of which it is known whose they are, by UID; the others become issues.

    Studies are told apart by their UID alone: a store that keeps two patients under one UID names it twice.
    """
    by_uid: dict[str, list[DicomJson]] = defaultdict(list)
    for study in found:
        by_uid[text(study, "StudyInstanceUID")].append(study)
    kept = []
    for uid, named in sorted(by_uid.items()):
        patients = {text(study, "PatientID") for study in named}
        if "" in patients:
            issues.append(_issue(IssueCode.STUDY_WITHOUT_PATIENT, "the study has no Patient ID", uid))
        elif len(patients) > 1:
            issues.append(_two_patients(uid, patients))
        else:
            kept.append(named[0])
    return kept


def _groups(
    dicom: DicomWeb,
    patients: ScannedPatients,
    studies: list[DicomJson],
    issues: list[Issue],
    counts: Counter[str],
    progress: Progress,
) -> Iterator[Group]:
    for done, study in enumerate(studies, start=1):
        uid = text(study, "StudyInstanceUID")
        try:
            resources = _resources(dicom, patients, study, uid)
        except InvalidUidError as error:
            issues.append(_issue(IssueCode.STUDY_UNUSABLE, str(error), uid))
            continue
        if isinstance(resources, Issue):
            issues.append(resources)
            continue
        counts["studies"] += 1
        counts["series"] += resources[-1]["numberOfSeries"]
        yield Group(resources, origin=f"study {uid}")
        progress("studies", done, len(studies))


def _resources(dicom: DicomWeb, scanned: ScannedPatients, study: DicomJson, uid: str) -> list[dict[str, Any]] | Issue:
    series = [_with_zone(one, study) for one in dicom.series(uid, fields=_SERIES_FIELDS)]
    patients = {text(study, "PatientID"), *(text(one, "PatientID") for one in series)} - {""}
    if len(patients) > 1:  # the study level names one of them
        return _two_patients(uid, patients)
    instances = {
        series_uid: list(dicom.instances(uid, series_uid, fields=_INSTANCE_FIELDS))
        for one in series
        if dicom.lists_instances
        and text(one, "Modality") in MODALITIES_WITH_INSTANCES
        and (series_uid := text(one, "SeriesInstanceUID"))
    }
    patient_id = text(study, "PatientID")
    patients_of_issuer = scanned.issued_by(text(study, "IssuerOfPatientID"))
    if patients_of_issuer is None:
        return _issue(IssueCode.STUDY_WITHOUT_PATIENT, _NO_ISSUER, uid, value=patient_id)
    patient = patients_of_issuer.ref(patient_id)
    endpoint = endpoint_reference(dicom.store.name, dicom.store.url) if _has_endpoint(dicom) else None
    made = [imaging_patient(patient), imaging_study(study, series, patient, instances, endpoint)]
    return [patients_of_issuer.told(patient_id, resource) for resource in made]


def _has_endpoint(dicom: DicomWeb) -> bool:
    """Say whether others could call the store: a folder on disk has no address, a bucket is no DICOMweb service."""
    return bool(dicom.store.url) and dicom.has_endpoint


def _with_zone(series: DicomJson, study: DicomJson) -> Mapping[str, Any]:
    """Return `series` with the study's time zone: one file's answer serves all series of the study."""
    zone = json_tag("TimezoneOffsetFromUTC")
    return {zone: study[zone], **series} if zone in study else series


def _two_patients(uid: str, patients: set[str]) -> Issue:
    listed = ", ".join(sorted(patients))
    return _issue(IssueCode.STUDY_OF_TWO_PATIENTS, "the study has more than one Patient ID", uid, value=listed)


def _issue(code: IssueCode, message: str, uid: str, value: str = "") -> Issue:
    return Issue(code.code, message, record=uid, column="PatientID", value=value, suggestion=code.suggestion)
