"""The DAG files as real runs of a plain Airflow, on real servers."""

from __future__ import annotations

import json
from pathlib import Path

import pydicom
import pytest

from local.airflow import AirflowHome, run_dag
from multimodal.bucket import open_bucket
from multimodal.dicomweb import open_dicomweb
from multimodal.fhirstore import FhirServer
from multimodal.index.series_index import SeriesIndex
from multimodal.model.references import PatientRef, imaging_study_id
from multimodal.transport.session import HttpSession
from multimodal.transport.stores import load_stores

# Skipped where the archive takes results by STOW-RS, or none shall go there.
STORED_BY_STOW = {"collect-results", "dcmsend"}


@pytest.fixture(scope="module")
def home(stores_file: Path, tmp_path_factory: pytest.TempPathFactory) -> AirflowHome:
    return AirflowHome(tmp_path_factory.mktemp("airflow"), stores=stores_file)


@pytest.fixture(scope="module")
def scan(cohort: Path, stores_file: Path) -> dict[str, str]:
    """A patient's CT and mask in the store; their UIDs."""
    mask = sorted((cohort / "dicom").glob("*/SEG/*.dcm"))[0]
    files = sorted(mask.parents[1].rglob("*.dcm"))
    with open_dicomweb(load_stores(stores_file).get("pacs")) as dicom:
        assert not dicom.push(files).failed
    found = pydicom.dcmread(mask, stop_before_pixels=True)
    (image,) = {str(pydicom.dcmread(file, stop_before_pixels=True).SeriesInstanceUID) for file in files} - {
        str(found.SeriesInstanceUID)
    }
    return {
        "patient": str(found.PatientID),
        "study": str(found.StudyInstanceUID),
        "mask": str(found.SeriesInstanceUID),
        "image": image,
    }


@pytest.fixture
def clinical(stores_file: Path) -> FhirServer:
    return FhirServer(HttpSession(load_stores(stores_file).get("clinical")))


def test_sync_imaging(home: AirflowHome, scan: dict[str, str], clinical: FhirServer) -> None:
    run = run_dag("sync-imaging", {}, home)
    assert (run.state, run.tasks) == ("success", {"sync-imaging": "success"}), run.log.read_text()[-2000:]
    assert run.result_of("sync-imaging")["counts"]["studies"] >= 1
    study = clinical.read("ImagingStudy", imaging_study_id(scan["study"]))
    assert study is not None
    assert study["subject"]["reference"] == PatientRef("urn:demo:pacs", scan["patient"]).reference


def test_import_clinical(
    home: AirflowHome, scan: dict[str, str], cohort: Path, clinical: FhirServer, stores_file: Path
) -> None:
    open_bucket(load_stores(stores_file).get("bucket")).write(
        "tables/clinical.csv", (cohort / "clinical.csv").read_bytes()
    )
    run = run_dag("import-clinical", {"mapping": "demo-cohort", "files": ["tables/clinical.csv"]}, home)
    assert run.tasks == {"import-clinical": "success", "join-metadata": "success"}, run.log.read_text()[-2000:]
    patient = PatientRef("urn:demo:pacs", scan["patient"]).id
    assert clinical.count("Condition", {"subject": f"Patient/{patient}"}) >= 1
    assert (run.folder / "import-clinical" / "errors.csv").exists()


def test_a_dry_run_stores_nothing_and_joins_nothing(home: AirflowHome) -> None:
    conf = {"mapping": "demo-cohort", "files": ["tables/"], "dry_run": True}
    run = run_dag("import-clinical", conf, home)
    assert run.tasks == {"import-clinical": "success", "join-metadata": "skipped"}, run.log.read_text()[-2000:]


def test_draft_mapping(home: AirflowHome, cohort: Path, stores_file: Path) -> None:
    bucket = open_bucket(load_stores(stores_file).get("bucket"))
    bucket.write("tables/clinical.csv", (cohort / "clinical.csv").read_bytes())
    run = run_dag("draft-mapping", {"name": "a-draft", "files": ["tables/clinical.csv"]}, home)
    assert (run.state, run.tasks) == ("success", {"draft-mapping": "success"}), run.log.read_text()[-2000:]
    assert b"fhirmap: 1" in bucket.read("fhir-mappings/drafts/a-draft.yaml")
    assert (run.folder / "draft-mapping" / "preview.html").is_file()


def test_extract_radiomics(home: AirflowHome, scan: dict[str, str], clinical: FhirServer, stores_file: Path) -> None:
    run = run_dag("extract-radiomics", {"identifiers": [scan["mask"]]}, home)
    assert {task for task, state in run.tasks.items() if state != "success"} == STORED_BY_STOW
    assert run.state == "success", run.log.read_text()[-2000:]
    batch = run.folder / "batch"
    assert [folder.name for folder in batch.iterdir()] == [scan["mask"]]
    image = next((batch / scan["mask"] / "get-ref-series").glob("*.dcm"))
    assert pydicom.dcmread(image, stop_before_pixels=True).SeriesInstanceUID == scan["image"]
    counts = run.result_of("extract-radiomics")["counts"]
    assert counts["ROIs"] >= 1
    patient = PatientRef("urn:demo:pacs", scan["patient"]).id
    assert clinical.count("Observation", {"subject": f"Patient/{patient}"}) >= counts["features"] > 0
    report = Path(load_stores(stores_file).get("bucket").path, "reports", run.folder.name, "extract-radiomics")
    assert json.loads((report / "result.json").read_bytes()) == run.result_of("extract-radiomics")
    assert (report / "errors.csv").exists()


def test_join_metadata(home: AirflowHome, scan: dict[str, str], stores_file: Path) -> None:
    run = run_dag("join-metadata", {}, home)
    assert run.state == "success", run.log.read_text()[-2000:]
    with SeriesIndex(load_stores(stores_file).get("search")) as index:
        document = index.get(scan["mask"])
    assert document is not None
    assert [key for key in document if key.startswith("00000000 Clinical")]
    assert [key for key in document if key.startswith("00000000 Radiomics")]


def test_a_series_that_does_not_exist_fails_with_one_line(home: AirflowHome) -> None:
    run = run_dag("extract-radiomics", {"identifiers": ["2.25.404"]}, home)
    assert run.state == "failed"
    assert "multimodal: " in run.log.read_text()
    assert "Traceback" not in run.log.read_text().split("get-input: starts", 1)[1].split("multimodal: ", 1)[0]


def test_secrets_stay_out_of_logs_and_reports(home: AirflowHome, stores_file: Path) -> None:
    password = (stores_file.parent / "orthanc.password").read_text()
    for file in home.folder.rglob("*"):
        if file.is_file() and file.suffix in {".log", ".json", ".csv", ".db"}:
            assert password.encode() not in file.read_bytes(), file
