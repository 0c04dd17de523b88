"""The workflow import-dicomweb as real runs of a plain Airflow: one Orthanc plays the external store."""

from __future__ import annotations

import dataclasses
import uuid
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from local.airflow import AirflowHome, run_dag
from multimodal.bucket import open_bucket
from multimodal.dicomweb import DicomWeb, open_dicomweb
from multimodal.fhirstore import FhirServer
from multimodal.index.documents import first_instance, series_document
from multimodal.index.origin import store_of
from multimodal.index.series_index import SeriesIndex
from multimodal.model.ids import hash_uid
from multimodal.model.references import PatientRef, SeriesRef, imaging_study_id
from multimodal.resources.endpoint import endpoint_reference
from multimodal.transport.session import HttpSession
from multimodal.transport.stores import load_stores
from tests.fakes.dicom_files import write_series
from tests.workflows.line import image_store

PROJECT = f"outside-{uuid.uuid4().hex[:12]}"


@pytest.fixture(scope="module")
def external(tmp_path_factory: pytest.TempPathFactory):
    with image_store(tmp_path_factory.mktemp("external"), "urn:test:hospital") as dicom:
        yield dicom


@pytest.fixture(scope="module")
def home(external: DicomWeb, stores_file: Path, tmp_path_factory: pytest.TempPathFactory) -> AirflowHome:
    """An Airflow whose stores file names the external store too, under a project of its own."""
    folder = tmp_path_factory.mktemp("airflow")
    content = YAML(typ="safe", pure=True).load(stores_file.read_text())
    login, auth = external.store, external.store.auth
    assert auth is not None
    secret = {"password_file": auth.reference} if auth.source == "file" else {"password_env": auth.reference}
    content["stores"]["hospital"] = {
        "kind": "dicomweb", "profile": login.profile, "url": login.url, "patient_system": login.patient_system,
        "auth": {"basic": {"user": auth.user, **secret}},
    }  # fmt: skip
    content["stores"]["bucket"] = {"kind": "folder", "path": str(folder / "bucket")}
    with (folder / "stores.yaml").open("w") as file:
        YAML().dump(content, file)
    home = AirflowHome(folder / "home", stores=folder / "stores.yaml")
    return dataclasses.replace(home, variables={**home.variables, "MULTIMODAL_PROJECT": PROJECT})


def test_by_reference_the_images_stay_and_as_copies_they_come(
    home: AirflowHome, external: DicomWeb, tmp_path: Path
) -> None:
    token = uuid.uuid4().hex
    for series in ("1", "2"):
        files = write_series(tmp_path / series, token, 2, series=series, patient=token[:16])
        assert not external.push(files).failed
    uids = [hash_uid("test", token, series) for series in ("1", "2")]
    study = hash_uid("test", token)
    assert home.stores is not None
    stores = load_stores(home.stores, project=PROJECT)

    form = {"store": "hospital", "series_uids": uids[0], "aetitle": "lung", "licence": "CC BY 4.0"}
    run = run_dag("import-dicomweb", form, home)
    assert run.state == "success", run.log.read_text()[-3000:]
    assert {run.tasks[task] for task in ("fetch-external", "dcmsend")} == {"skipped"}
    assert run.tasks["import-dicomweb"] == "success"
    bucket = open_bucket(stores.get("bucket"))
    assert list(bucket.list("thumbnails/")) == [f"thumbnails/{uids[0]}.png"]
    with SeriesIndex(stores.get("search")) as index, open_dicomweb(stores.get("pacs")) as pacs:
        document = index.get(uids[0]) or {}
        expected = series_document(first_instance(external.metadata(SeriesRef(study, uids[0]))))
        for key in (key for key in expected if not key.startswith("00000000")):
            assert document[key] == expected[key]
        assert (store_of(document), document["00000000 Licence_keyword"]) == ("hospital", "CC BY 4.0")
        assert list(pacs.series(filters={"StudyInstanceUID": study})) == []
    with HttpSession(stores.get("clinical")) as session:
        resource = FhirServer(session).read("ImagingStudy", imaging_study_id(study)) or {}
        assert resource["subject"]["reference"] == PatientRef("urn:test:hospital", token[:16]).reference
        assert resource["endpoint"] == [endpoint_reference("hospital", external.store.url)]

    with open_dicomweb(stores.get("pacs")) as pacs:
        form = {"store": "hospital", "mode": "copy", "series_uids": uids[1]}
        run = run_dag("import-dicomweb", form, home)
        assert run.state == "success", run.log.read_text()[-3000:]
        assert run.result_of("import-dicomweb")["counts"]["studies"] == 1
        assert run.result_of("dcmsend")["counts"]["instances stored"] == 2
        assert len(pacs.metadata(SeriesRef(study, uids[1]))) == 2
    with HttpSession(stores.get("clinical")) as session:
        resource = FhirServer(session).read("ImagingStudy", imaging_study_id(study)) or {}
    assert {one["uid"] for one in resource["series"]} == set(uids)
    assert endpoint_reference("pacs", stores.get("pacs").url) in resource["endpoint"]
