"""Measurements made elsewhere -> the Observations that an extraction would have written; nothing is computed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pydicom
from pydicom.errors import InvalidDicomError

from multimodal.bucket import Bucket
from multimodal.fhirstore import Group, Target
from multimodal.model.errors import ConfigurationError, InvalidUidError
from multimodal.model.issue_codes import IssueCode
from multimodal.model.issues import Issue
from multimodal.model.progress import Progress, silent
from multimodal.model.results import Status, WorkflowResult
from multimodal.radiomics.feature_files import read_features_file
from multimodal.radiomics.report_reading import read_report
from multimodal.radiomics.reported import MeasurementsError, Reported
from multimodal.radiomics.written import is_derived_by_us
from multimodal.resources.body_structure import body_structure
from multimodal.resources.device import device, device_id
from multimodal.resources.dicom_times import fhir_datetime
from multimodal.resources.imaging_patient import imaging_patient
from multimodal.resources.imaging_study import bare_imaging_study
from multimodal.resources.measured_roi import MeasuredRoi
from multimodal.resources.measurements import Layout, feature_observations
from multimodal.workflows.loading import load_into
from multimodal.workflows.measured_resources import coded_finding
from multimodal.workflows.scanned_patients import ScannedPatients

SOURCE = "store-measurements"
_TABLES = (".csv", ".json")


def store_measurements(
    files: Sequence[Path],
    *,
    fhir: Target,
    patients: ScannedPatients,
    bucket: Bucket | None = None,
    given: Mapping[str, str] | None = None,
    layout: Layout = "members",
    progress: Progress = silent,
) -> WorkflowResult:
    """Write the measurements of SR and feature files as Observations, under the codes of our own extraction.

    Parameters
    ----------
    files : sequence of Path
        TID 1500 Structured Reports (DICOM), feature tables (``.csv``, ``.json``), or folders of them.
    fhir : Target
        Where to.
    patients : ScannedPatients
        Whom the Patient IDs mean.
    bucket : Bucket, optional
        Keeps the manifest between runs.
    given : mapping, optional
        What a table does not say of its rows: keys of `radiomics.feature_files.CONTEXT`.
    layout : {'members', 'components'}
        One Observation for each feature, or one for each class of features.

    Returns
    -------
    WorkflowResult
        ``partial`` with an issue (R131) for each file and value that could not be taken over.

    Raises
    ------
    MeasurementsError
        No file can be used; where others can, it is an issue.

    Notes
    -----
    Ids are made of image series, mask, region, settings and feature: a second run changes nothing. A report that this
    package wrote is passed over: its Observations are there.
    """
    if not patients.system:
        raise ConfigurationError("name the identifier system of the Patient IDs: patient_system of the image store")
    counts: Counter[str] = Counter()
    issues: list[Issue] = []
    warnings: list[str] = []
    refused: list[MeasurementsError] = []
    every = list(_files(files))
    for done, file in enumerate(every, start=1):
        try:
            reported = _read(file, given or {})
            groups = list(_groups(file, reported, patients, layout))
        except MeasurementsError as error:
            refused.append(error)
            issues.append(_issue(file, error.problem))
            continue
        if not reported:
            warnings.append(f"{file.name} was written by an extraction of ours and is passed over")
            continue
        report = load_into(fhir, bucket, groups, source=SOURCE, scope=_scope(reported), deletes="keep")
        counts.update(report.counts())
        counts["files"] += 1
        counts["ROIs"] += len(reported)
        counts["features"] += sum(len(one.features) for one in reported)
        warnings += report.warnings
        issues += report.refused
        issues += [_issue(file, line, one) for one in reported for line in one.left_out]
        progress("files", done, len(every))
    if refused and not counts["files"]:
        raise refused[0]
    status = Status.PARTIAL if issues else Status.DONE if counts["files"] else Status.NOTHING
    return WorkflowResult(status, dict(counts), warnings=warnings, issues=issues)


def _files(paths: Sequence[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted(file for file in path.rglob("*") if file.suffix.lower() in (".dcm", *_TABLES))
        elif path.is_file():
            yield path
        else:
            raise ConfigurationError("there is no such file", file=path)


def _read(file: Path, given: Mapping[str, str]) -> list[Reported]:
    if file.suffix.lower() in _TABLES:
        return read_features_file(file, given)
    return [] if _is_ours(file) else read_report(file)


def _is_ours(file: Path) -> bool:
    try:
        return is_derived_by_us(pydicom.dcmread(file, stop_before_pixels=True))
    except (InvalidDicomError, EOFError, ValueError, KeyError, OSError):
        return False  # reading it as a report will say what is wrong


def _groups(file: Path, reported: Sequence[Reported], patients: ScannedPatients, layout: Layout) -> Iterator[Group]:
    for one in reported:
        if not one.patient_id:
            raise MeasurementsError(file, "has no Patient ID")
        patient = patients.ref(one.patient_id)
        engine = device(one.engine, one.version, one.settings_sha256, one.settings)
        try:
            roi = _measured_roi(one, patients)
        except InvalidUidError as error:
            raise MeasurementsError(file, f"{one.name}: {error}") from error
        resources = [
            imaging_patient(patient),
            bare_imaging_study(one.study_uid, patient),
            engine,
            body_structure(roi),
            *feature_observations(roi, one.features, layout=layout),
        ]
        told = [patients.told(one.patient_id, resource) for resource in resources]
        yield Group(told, origin=f"{file.name} {one.name}")


def _measured_roi(one: Reported, patients: ScannedPatients) -> MeasuredRoi:
    return MeasuredRoi(
        patient=patients.ref(one.patient_id),
        study_uid=one.study_uid,
        series_uid=one.series_uid,
        mask_series_uid=one.mask_series_uid,
        mask_sop_uid=one.mask_sop_uid,
        segment=one.segment,
        name=one.name,
        settings_sha256=one.settings_sha256,
        device=device_id(one.engine, one.version, one.settings_sha256),
        tracking_id=one.tracking_id,
        tracking_uid=one.tracking_uid,
        effective=fhir_datetime(one.started[:8], one.started[8:], ""),
        finding=coded_finding(one.finding),
    )


def _scope(reported: Sequence[Reported]) -> str:
    first = reported[0]
    return f"{first.series_uid}/{first.mask_sop_uid}/{first.settings_sha256}"


def _issue(file: Path, problem: str, one: Reported | None = None) -> Issue:
    code = IssueCode.MEASUREMENTS_UNUSABLE
    return Issue(
        code=code.code,
        message=problem,
        sheet=file.name,
        record=one.series_uid if one else "",
        instance=str(one.segment) if one else "",
        value=one.name if one else "",
        suggestion=code.suggestion,
    )
