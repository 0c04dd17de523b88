"""Studies of a real store to FHIR: whose they are, what another writer said, and what a second run does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from multimodal.bucket import FolderBucket
from multimodal.dicomweb import DicomWeb, open_dicomweb
from multimodal.fhirstore import FhirServer, Group, NdjsonFolder, load
from multimodal.model.references import PatientRef, imaging_study_id
from multimodal.model.results import Status
from multimodal.transport.errors import UnreachableError
from multimodal.transport.session import HttpSession
from multimodal.transport.stores import Store
from multimodal.workflows.sync_imaging import sync_imaging
from tests.fakes.dicom_files import make_instance

SYSTEM = "urn:test:sync"


@pytest.fixture
def send(dicom: DicomWeb, tmp_path: Path) -> Callable[[Dataset], None]:
    def send(dataset: Dataset) -> None:
        file = tmp_path / f"{dataset.SOPInstanceUID}.dcm"
        dataset.save_as(file, enforce_file_format=True)
        assert dicom.push([file]).failed == ()

    return send


def test_an_empty_store_is_nothing_to_do(dicom: DicomWeb, target: NdjsonFolder, bucket: FolderBucket) -> None:
    assert sync_imaging(dicom, fhir=target, bucket=bucket).status is Status.NOTHING


def test_a_study_becomes_a_resource_once(
    dicom: DicomWeb, send: Callable[[Dataset], None], target: NdjsonFolder, bucket: FolderBucket
) -> None:
    for number in (1, 2):
        image = make_instance("one", number)
        image.PatientSex, image.PatientBirthDate = "F", "19500102"
        image.StudyTime, image.TimezoneOffsetFromUTC = "101500", "+0100"
        send(image)
    result = sync_imaging(dicom, fhir=target, bucket=bucket)
    assert result.status is Status.DONE
    assert result.counts["ImagingStudy created"] == result.counts["Patient created"] == 1
    study = target.read("ImagingStudy", imaging_study_id(make_instance("one", 1).StudyInstanceUID)) or {}
    assert study["started"] == "2024-03-15T10:15:00+01:00"
    assert study["series"][0]["numberOfInstances"] == 2
    patient = target.read("Patient", PatientRef(SYSTEM, "P1").id) or {}
    assert not {"gender", "birthDate", "name"} & patient.keys(), "the table's to say, or to withhold"
    again = sync_imaging(dicom, fhir=target, bucket=bucket)
    assert again.counts["resources sent"] == 0
    assert again.counts["ImagingStudy unchanged"] == 1


def test_a_study_without_patient_id_is_an_issue(
    dicom: DicomWeb, send: Callable[[Dataset], None], target: NdjsonFolder, bucket: FolderBucket
) -> None:
    nameless = make_instance("nameless", 1)
    nameless.PatientID = ""
    send(nameless)
    send(make_instance("named", 1))
    result = sync_imaging(dicom, fhir=target, bucket=bucket)
    assert result.status is Status.PARTIAL
    assert [(issue.code, issue.record) for issue in result.issues] == [("S101", nameless.StudyInstanceUID)]
    assert result.counts["studies"] == 1


def test_a_study_of_two_patients_is_an_issue(
    dicom: DicomWeb, send: Callable[[Dataset], None], target: NdjsonFolder, bucket: FolderBucket
) -> None:
    send(make_instance("mixed", 1, series="1", patient="P1"))
    send(make_instance("mixed", 2, series="2", patient="P2"))
    result = sync_imaging(dicom, fhir=target, bucket=bucket)
    (issue,) = result.issues
    assert (issue.code, issue.value) == ("S102", "P1, P2")
    assert list(target.resources("ImagingStudy")) == []


def test_what_another_writer_said_of_the_patient_stays(
    dicom: DicomWeb, send: Callable[[Dataset], None], target: NdjsonFolder, bucket: FolderBucket, tmp_path: Path
) -> None:
    patient = PatientRef(SYSTEM, "P1")
    clinical = {
        "resourceType": "Patient",
        "id": patient.id,
        "identifier": [{"system": SYSTEM, "value": "P1"}],
        "name": [{"family": "Doe"}],
        "gender": "male",
    }
    load([Group([clinical])], target, tmp_path / "clinical.sqlite", source="clinic")
    image = make_instance("one", 1)
    image.PatientSex = "F"
    send(image)
    assert sync_imaging(dicom, fhir=target, bucket=bucket).warnings == []
    found = target.read("Patient", patient.id) or {}
    assert (found["gender"], found["name"]) == ("male", [{"family": "Doe"}])


def test_filters_choose_the_studies(
    dicom: DicomWeb, send: Callable[[Dataset], None], target: NdjsonFolder, bucket: FolderBucket
) -> None:
    send(make_instance("one", 1, patient="P1"))
    send(make_instance("two", 1, patient="P2"))
    result = sync_imaging(dicom, fhir=target, bucket=bucket, filters={"PatientID": "P2"})
    assert result.counts["studies"] == 1
    assert target.read("Patient", PatientRef(SYSTEM, "P1").id) is None


def test_a_store_that_is_down_is_named(bucket: FolderBucket, target: NdjsonFolder) -> None:
    store = Store("pacs", "dicomweb", url="http://127.0.0.1:9/dicom-web", patient_system=SYSTEM, attempts=1)
    with open_dicomweb(store) as dicom, pytest.raises(UnreachableError, match="pacs: no answer"):
        sync_imaging(dicom, fhir=target, bucket=bucket)


def test_a_fhir_server_that_is_down_is_named(
    dicom: DicomWeb, send: Callable[[Dataset], None], bucket: FolderBucket
) -> None:
    send(make_instance("one", 1))
    store = Store("clinical", "fhir", url="http://127.0.0.1:9/fhir", attempts=1)
    with HttpSession(store) as session, pytest.raises(UnreachableError, match="clinical: no answer"):
        sync_imaging(dicom, fhir=FhirServer(session), bucket=bucket)


def test_a_folder_on_disk_has_studies_and_no_endpoint(
    tmp_path: Path, target: NdjsonFolder, bucket: FolderBucket
) -> None:
    image = make_instance("disk", 1)
    folder = tmp_path / "disk"
    place = folder / f"studies/{image.StudyInstanceUID}/series/{image.SeriesInstanceUID}/instances"
    place.mkdir(parents=True)
    image.save_as(place / f"{image.SOPInstanceUID}.dcm", enforce_file_format=True)
    store = Store("disk", "dicomweb", path=str(folder), profile="google-folder", patient_system=SYSTEM)
    with open_dicomweb(store) as dicom:
        result = sync_imaging(dicom, fhir=target, bucket=bucket)
    assert result.counts["studies"] == 1
    study = target.read("ImagingStudy", imaging_study_id(image.StudyInstanceUID)) or {}
    assert "endpoint" not in study
