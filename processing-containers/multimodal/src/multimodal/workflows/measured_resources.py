"""The results of one extraction -> the FHIR resources that say the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from multimodal.fhirstore import Group
from multimodal.imaging import Concept, Volume
from multimodal.model.references import PatientRef
from multimodal.radiomics import Profile, RoiResult, engine_version
from multimodal.resources.body_structure import body_structure
from multimodal.resources.device import device, device_id
from multimodal.resources.dicom_times import fhir_datetime
from multimodal.resources.imaging_patient import imaging_patient
from multimodal.resources.imaging_study import bare_imaging_study
from multimodal.resources.measured_roi import MeasuredRoi
from multimodal.resources.measurements import Layout, feature_observations
from multimodal.resources.systems import BY_SCHEME


def measured_groups(
    volume: Volume,
    results: Sequence[RoiResult],
    profile: Profile,
    patient: PatientRef,
    layout: Layout = "members",
) -> Iterator[Group]:
    """Yield for each ROI its Observations, with what they point to: Patient, ImagingStudy, Device, BodyStructure.

    Patient and ImagingStudy are minimal: they make sure that there is one, and say nothing that the clinical
    table or the synchronisation of the store could contradict.
    """
    engine, version = engine_version(profile).rsplit(" ", 1)
    shared = [
        imaging_patient(patient),
        bare_imaging_study(volume.study_uid, patient),
        device(engine, version, profile.sha256, _value_settings(profile), profile=profile.name),
    ]
    for result in results:
        roi = _measured_roi(volume, result, profile, patient, device_id(engine, version, profile.sha256))
        failure = result.failure.message if result.failure else ""
        # what was left out, cut or resampled of the series belongs beside the numbers
        remarks = (*result.flags, *volume.warnings)
        observations = feature_observations(roi, result.reported, failure=failure, remarks=remarks, layout=layout)
        yield Group(
            [*shared, body_structure(roi), *observations], origin=f"{volume.series_uid} {roi.mask_sop_uid} {roi.name}"
        )


def _measured_roi(
    volume: Volume, result: RoiResult, profile: Profile, patient: PatientRef, device_of: str
) -> MeasuredRoi:
    roi = result.roi
    return MeasuredRoi(
        patient=patient,
        study_uid=volume.study_uid,
        series_uid=volume.series_uid,
        mask_series_uid=roi.mask_series_uid,
        mask_sop_uid=roi.mask_sop_uid,
        segment=roi.number,
        name=roi.name,
        settings_sha256=profile.sha256,
        device=device_of,
        tracking_id=roi.tracking_id,
        tracking_uid=roi.tracking_uid,
        effective=_acquired(volume),
        finding=coded_finding(roi.property_type),
    )


def _acquired(volume: Volume) -> str | None:
    zone = str(volume.headers[0].get("TimezoneOffsetFromUTC") or "") if volume.headers else ""
    return fhir_datetime(volume.started[:8], volume.started[8:], zone)


def coded_finding(concept: Concept | None) -> tuple[str, str, str] | None:
    """Return system, code and display of what a region shows; None where FHIR knows no system for the scheme."""
    system = BY_SCHEME.get(concept.scheme) if concept else None
    return (system, concept.value, concept.meaning) if concept and system else None


def _value_settings(profile: Profile) -> dict[str, object]:
    """Return the settings that change values: those that the profile's hash is made of."""
    return {key: value for key, value in profile.settings.items() if key not in {"name", "description", "radiomics"}}
