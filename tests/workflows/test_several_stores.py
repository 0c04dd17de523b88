"""Two real image stores into one real FHIR server: whose a study is, where its series lie, and nobody takes away."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from multimodal.bucket import FolderBucket
from multimodal.dicomweb import DicomWeb, open_dicomweb
from multimodal.fhirstore import FhirServer
from multimodal.model.ids import hash_uid
from multimodal.model.references import PatientRef, imaging_study_id
from multimodal.model.results import WorkflowResult
from multimodal.resources.endpoint import endpoint_reference
from multimodal.transport.session import HttpSession
from multimodal.transport.stores import Store
from multimodal.workflows.sync_imaging import sync_imaging
from tests.fakes.dicom_files import write_series
from tests.workflows.line import image_store

SYSTEM = f"urn:test:{uuid.uuid4().hex}"


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, DicomWeb]]:
    """The internal archive and a hospital's store, of which each numbers its patients by itself."""
    with (
        image_store(tmp_path_factory.mktemp("pacs"), f"{SYSTEM}:pacs") as pacs,
        image_store(tmp_path_factory.mktemp("hospital"), f"{SYSTEM}:hospital") as hospital,
        open_dicomweb(dataclasses.replace(hospital.store, name="hospital")) as named,
    ):
        yield {"pacs": pacs, "hospital": named}


@pytest.fixture
def fhir(hapi: Store) -> Iterator[FhirServer]:
    with HttpSession(hapi) as session:
        yield FhirServer(session)


def sync(dicom: DicomWeb, fhir: FhirServer, bucket: FolderBucket) -> WorkflowResult:
    return sync_imaging(dicom, fhir=fhir, bucket=bucket)


def test_two_stores_meet_in_one_server_without_a_clash(
    stores: dict[str, DicomWeb], fhir: FhirServer, bucket: FolderBucket, tmp_path: Path
) -> None:
    token = uuid.uuid4().hex
    here, there = stores["pacs"], stores["hospital"]
    for dicom, name, series in ((here, "one", "1"), (there, "two", "1"), (here, "both", "1"), (there, "both", "2")):
        files = write_series(tmp_path / name / series, token + name, 2, series=series, patient="P1")
        assert not dicom.push(files).failed
    first, second = (sync(dicom, fhir, bucket) for dicom in (here, there))
    assert (first.counts["studies"], second.counts["studies"]) == (2, 2)
    shared = imaging_study_id(hash_uid("test", token + "both"))
    assert f"ImagingStudy/{shared}: subject.reference of another writer was kept" in second.warnings

    # one Patient ID in two stores is two people: each store has numbers of its own
    owners = {}
    for name in ("one", "two", "both"):
        study = fhir.read("ImagingStudy", imaging_study_id(hash_uid("test", token + name))) or {}
        owners[name] = study["subject"]["reference"]
    assert owners["one"] == owners["both"] == PatientRef(f"{SYSTEM}:pacs", "P1").reference
    assert owners["two"] == PatientRef(f"{SYSTEM}:hospital", "P1").reference

    # a study with series in both says where each lies, also after either store is read again
    before = fhir.read("ImagingStudy", imaging_study_id(hash_uid("test", token + "both"))) or {}
    for dicom in (here, there, here):
        assert sync(dicom, fhir, bucket).counts["resources sent"] == 0
    study = fhir.read("ImagingStudy", imaging_study_id(hash_uid("test", token + "both"))) or {}
    assert study == before
    places = {one["uid"]: one["endpoint"] for one in study["series"]}
    endpoints = {name: endpoint_reference(name, dicom.store.url) for name, dicom in stores.items()}
    assert places == {
        hash_uid("test", token + "both", "1"): [endpoints["pacs"]],
        hash_uid("test", token + "both", "2"): [endpoints["hospital"]],
    }
    assert study["endpoint"] == [endpoints["pacs"], endpoints["hospital"]]
    for name, dicom in stores.items():
        endpoint = fhir.read(*endpoints[name]["reference"].split("/")) or {}
        assert (endpoint["name"], endpoint["address"]) == (name, dicom.store.url)
        assert "demo" not in str(endpoint["address"])


def test_of_a_large_store_only_the_named_studies_are_told(
    stores: dict[str, DicomWeb], fhir: FhirServer, bucket: FolderBucket, tmp_path: Path
) -> None:
    token = uuid.uuid4().hex
    for name in ("a", "b"):
        files = write_series(tmp_path / name, token + name, 1, patient=token[:12])
        assert not stores["hospital"].push(files).failed
    uids = [hash_uid("test", token + name) for name in ("a", "b")]
    result = sync_imaging(stores["hospital"], fhir=fhir, bucket=bucket, study_uids=[uids[0], uids[0]])
    assert result.counts["studies"] == 1
    assert fhir.read("ImagingStudy", imaging_study_id(uids[1])) is None
