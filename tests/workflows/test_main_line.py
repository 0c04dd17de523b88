"""A table, its scans and their masks through all four workflows on real servers, twice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from multimodal.index.keys import Area, is_own
from multimodal.model.references import PatientRef, imaging_study_id
from multimodal.model.results import Status, WorkflowResult
from multimodal.radiomics import load_profile
from multimodal.resources.checks import check_resource
from multimodal.resources.shapes import validate
from multimodal.transport.stores import Store
from multimodal.workflows.extract_radiomics import SeriesFolders, extract_radiomics
from multimodal.workflows.import_clinical import import_clinical
from multimodal.workflows.join_metadata import join_metadata
from multimodal.workflows.push_files import push_files
from multimodal.workflows.scanned_patients import ScannedPatients
from multimodal.workflows.sync_imaging import sync_imaging
from tests.workflows.line import Line, main_line, series_of

SENT = ("created", "updated", "deleted")
VOLUME = "00000000 RadiomicsMeshVolume_float"
REGION = "00000000 RadiomicsRegion_keyword"


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory, cohort: Path, hapi: Store, opensearch: Store) -> Iterator[Line]:
    with main_line(tmp_path_factory.mktemp("line"), cohort, hapi, opensearch) as line:
        push_files(line.dicom, line.cohort / "dicom")
        yield line


def run_all(line: Line, out: Path, cohort: Path, name: str) -> dict[str, WorkflowResult]:
    pairs = [
        SeriesFolders(patient / "CT", masks)
        for patient in sorted((line.cohort / "dicom").iterdir())
        for masks in sorted(patient.iterdir())
        if masks.name != "CT"
    ]
    return {
        "import": import_clinical(
            [cohort / "clinical.csv"],
            line.mapping,
            target=line.fhir,
            bucket=line.bucket,
            report_dir=None,
            run_id=name,
        ),
        "sync": sync_imaging(line.dicom, fhir=line.fhir, bucket=line.bucket),
        "extract": extract_radiomics(
            pairs,
            profile=load_profile("pyradiomics-compat"),
            out_dir=out / name,
            fhir=line.fhir,
            bucket=line.bucket,
            dicom=line.dicom,
            patients=ScannedPatients(line.patient_system),
        ),
        "join": join_metadata(
            line.dicom, fhir=line.fhir, index=line.index, bucket=line.bucket, mappings=[line.mapping]
        ),
    }


@pytest.fixture(scope="module")
def first(line: Line, cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, WorkflowResult]:
    return run_all(line, tmp_path_factory.mktemp("out"), cohort, "first")


@pytest.fixture(scope="module")
def second(
    line: Line, cohort: Path, first: dict[str, WorkflowResult], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, WorkflowResult]:
    return run_all(line, tmp_path_factory.mktemp("out"), cohort, "second")


def test_sync_writes_a_study_for_each_patient(line: Line, first: dict[str, WorkflowResult]) -> None:
    result = first["sync"]
    counts = line.planted["counts"]
    assert result.status is Status.DONE
    assert result.counts["studies"] == counts["scan_patients"]
    assert result.counts["series"] == counts["series"]
    study = line.fhir.search("ImagingStudy", {"subject": PatientRef(line.patient_system, "DEMO-001").reference})
    (found,) = list(study)
    assert {one["modality"]["code"] for one in found["series"]} >= {"CT"}


def test_a_study_without_a_date_has_no_start(line: Line, first: dict[str, WorkflowResult]) -> None:
    (undated,) = line.planted["empty_study_date"]
    (study,) = line.fhir.search("ImagingStudy", {"subject": PatientRef(line.patient_system, undated).reference})
    assert "started" not in study


def test_extraction_measures_every_roi_that_can_be(line: Line, first: dict[str, WorkflowResult]) -> None:
    result, counts = first["extract"], line.planted["counts"]
    assert result.status is Status.PARTIAL
    assert result.counts["ROIs"] == counts["rois"]
    assert result.counts["features"] == 107 * counts["rois_with_features"]
    assert result.counts["ROIs failed"] == len(line.planted["rois"])
    assert result.counts["Observation created"] == counts["rois"] + 107 * counts["rois_with_features"]
    failed = {(issue.code, issue.value) for issue in result.issues}
    assert failed == {("R111", roi["name"]) for roi in line.planted["rois"]}


def test_a_failed_roi_is_a_note_and_no_number(line: Line, first: dict[str, WorkflowResult]) -> None:
    patient = PatientRef(line.patient_system, line.planted["rois"][0]["patient"])
    groups = list(line.fhir.search("Observation", {"subject": patient.reference, "code": "126010"}))
    (failed,) = [group for group in groups if group["status"] == "cancelled"]
    assert "not measured" in failed["note"][0]["text"]
    assert "hasMember" not in failed
    assert len([group for group in groups if group["status"] == "final"]) == 1


def test_what_the_server_holds_is_valid(line: Line, first: dict[str, WorkflowResult]) -> None:
    patient = PatientRef(line.patient_system, "DEMO-001")
    resources = list(line.fhir.search("Observation", {"subject": patient.reference}))
    resources += list(line.fhir.search("BodyStructure", {"patient": patient.reference}))
    resources += list(line.fhir.search("ImagingStudy", {"subject": patient.reference}))
    assert len(resources) > 107
    for resource in resources:
        assert check_resource(resource) == []
        assert validate(resource) == []


def test_the_server_itself_finds_no_error_in_them(line: Line, hapi: Store, first: dict[str, WorkflowResult]) -> None:
    patient = PatientRef(line.patient_system, line.planted["rois"][0]["patient"])
    observations = list(line.fhir.search("Observation", {"subject": patient.reference, "category": "imaging"}))
    groups = [one for one in observations if "hasMember" in one or one["status"] == "cancelled"]
    features = [one for one in observations if one not in groups]
    (study,) = line.fhir.search("ImagingStudy", {"subject": patient.reference})
    structures = list(line.fhir.search("BodyStructure", {"patient": patient.reference}))
    device = line.fhir.read("Device", groups[0]["device"]["reference"].split("/")[1])
    person = line.fhir.read("Patient", patient.id)
    assert len(groups) == 2
    for resource in (*groups, *features[::20], study, structures[0], device, person):
        assert resource is not None
        answer = requests.post(f"{hapi.url}/{resource['resourceType']}/$validate", json=resource, timeout=120).json()
        assert [one for one in answer["issue"] if one["severity"] in {"error", "fatal"}] == []


def test_the_results_are_in_the_image_store(line: Line, first: dict[str, WorkflowResult]) -> None:
    counts = first["extract"].counts
    masks = line.planted["counts"]["scan_patients"]
    rtstructs = sum("RTSTRUCT" in series for series in line.planted["series"].values())
    assert counts["SR and SEG stored"] == masks + rtstructs
    assert len(list(line.dicom.series(filters={"Modality": "SR"}))) == masks


def test_the_join_brings_all_to_the_series(line: Line, first: dict[str, WorkflowResult]) -> None:
    result, planted = first["join"], line.planted
    in_store = len(list(line.dicom.series()))
    assert result.counts["documents"] == result.counts["documents created"] == in_store
    assert result.counts["documents refused"] == 0
    series = series_of(line.cohort, "DEMO-001")
    document = line.index.get(series["CT"]) or {}
    assert document["00100020 PatientID_keyword"] == "DEMO-001"
    assert document["00000000 FhirPatient_keyword"] == PatientRef(line.patient_system, "DEMO-001").reference
    assert document["00000000 ClinicalSurvivalDays_integer"] == planted["effect"]["DEMO-001"]["survival_days"]
    assert document["00000000 ClinicalCT_keyword"].startswith("American Joint Committee on Cancer cT")
    assert document["00000000 ClinicalAge_float"] == pytest.approx(
        document["00000000 DerivedPatientAge_integer"], abs=1.5
    )
    own = [key for key in document if key.startswith(tuple(f"00000000 {area}" for area in Area))]
    assert len(own) > 10
    assert all(is_own(key) for key in own)
    regions = document[REGION] if isinstance(document[REGION], list) else [document[REGION]]
    assert regions == sorted(planted["series"]["DEMO-001"]["rois"])
    volumes = document[VOLUME] if isinstance(document[VOLUME], list) else [document[VOLUME]]
    assert volumes[regions.index("GTV-1")] == pytest.approx(planted["effect"]["DEMO-001"]["lesion_mm3"], rel=0.15)
    (mask,) = [uid for modality, uid in series.items() if modality != "CT"]
    assert (line.index.get(mask) or {})[VOLUME] == document[VOLUME]


def test_what_does_not_match_is_reported_on_both_sides(line: Line, first: dict[str, WorkflowResult]) -> None:
    issues = {(issue.code, issue.record) for issue in first["join"].issues}
    unmatched = line.planted["unmatched"]
    assert issues == {("J101", patient) for patient in unmatched["row_without_scan"]} | {
        ("J102", patient) for patient in unmatched["scan_without_row"]
    }


def test_a_second_run_changes_nothing(second: dict[str, WorkflowResult]) -> None:
    assert not [name for name in second["sync"].counts if name.endswith(SENT)]
    assert not [name for name in second["extract"].counts if name.endswith(SENT)]
    for name in ("resources sent", "SR and SEG stored", "feature tables written"):
        assert not second["extract"].counts.get(name)
    assert second["join"].counts["documents updated"] == 0
    assert second["join"].counts["documents created"] == 0
    assert second["join"].counts["documents unchanged"] == second["join"].counts["documents"]


def test_studies_still_belong_to_their_patients(line: Line, second: dict[str, WorkflowResult]) -> None:
    uid = next(iter(line.dicom.studies(filters={"PatientID": "DEMO-001"})))["0020000D"]["Value"][0]
    study = line.fhir.read("ImagingStudy", imaging_study_id(uid)) or {}
    assert study["subject"]["reference"] == PatientRef(line.patient_system, "DEMO-001").reference
    assert "SR" in {one["code"] for one in study["modality"]}
