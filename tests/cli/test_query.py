"""``multimodal query`` as a person calls it."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest
import requests
from ruamel.yaml import YAML

from multimodal.bucket import FolderBucket
from multimodal.cli import main
from multimodal.dicomweb import open_dicomweb
from multimodal.fhirstore import FhirServer
from multimodal.index.origin import is_complete, store_of
from multimodal.index.series_index import SeriesIndex
from multimodal.model.ids import hash_uid
from multimodal.model.references import PatientRef, imaging_study_id
from multimodal.transport.session import HttpSession
from multimodal.transport.stores import Store, load_stores
from multimodal.workflows.datasets import read_dataset
from tests.fakes.dicom_files import write_series


def called(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    return int(ended.value.code or 0)


@pytest.fixture
def patient(orthanc: Store, tmp_path: Path) -> str:
    """A patient of the test's own in the shared store: two series, two and one instances."""
    patient = f"QUERY-{uuid.uuid4().hex[:8]}"
    files = write_series(tmp_path / "1", patient, 2, patient=patient)
    files += write_series(tmp_path / "2", patient, 1, series="2", patient=patient)
    with open_dicomweb(orthanc) as dicom:
        assert not dicom.push(files).failed
    return patient


@pytest.fixture
def stores(stores_file: Path, tmp_path: Path) -> Path:
    """The stores file with a bucket and an index of the test's own."""
    content = YAML(typ="safe").load(stores_file)
    content["stores"]["bucket"]["path"] = str(tmp_path / "bucket")
    content["stores"]["search"]["index"] = f"project_{uuid.uuid4().hex[:12]}"
    file = tmp_path / "stores.yaml"
    YAML().dump(content, file)
    return file


def test_what_a_store_has_is_listed(patient: str, stores: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert called("query", "--store", "pacs", "--patient", patient, "--stores", str(stores)) == 0
    said = capsys.readouterr()
    lines = said.out.splitlines()
    assert lines[0].split("\t")[:2] == ["SeriesInstanceUID", "Modality"]
    assert sorted(line.split("\t")[-1] for line in lines[1:]) == ["1", "2"]
    assert "2 series (2 CT), 3 instances" in said.err


def test_series_are_registered_and_completed(patient: str, stores: Path, tmp_path: Path) -> None:
    arguments = ("query", "--store", "pacs", "--patient", patient, "--stores", str(stores), "--register")
    bucket = FolderBucket(tmp_path / "bucket")
    with SeriesIndex(load_stores(stores).get("search")) as index:
        assert called(*arguments, "--dataset", "lung") == 0
        found = dict(index.scan())
        assert len(found) == 2
        assert {(store_of(one), is_complete(one)) for one in found.values()} == {("pacs", False)}
        assert read_dataset(bucket, "lung") == sorted(found)
        assert called(*arguments, "--complete", "--fhir", "clinical") == 0
        assert all(is_complete(one) for _, one in index.scan())
        assert len(list(bucket.list("thumbnails/"))) == 2
    with HttpSession(load_stores(stores).get("clinical")) as session:
        study = FhirServer(session).read("ImagingStudy", imaging_study_id(hash_uid("test", patient))) or {}
    assert study["subject"]["reference"] == PatientRef("urn:demo:pacs", patient).reference


def test_nothing_selected_is_refused_and_nothing_found_is_told(
    stores: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert called("query", "--store", "pacs", "--stores", str(stores)) == 2
    assert "say which series" in capsys.readouterr().err
    assert called("query", "--store", "pacs", "--patient", "NOBODY", "--stores", str(stores)) == 126
    assert "0 series (none)" in capsys.readouterr().err


@pytest.mark.parametrize("option", [("--complete",), ("--dataset", "lung"), ("--licence", "CC0"), ("--fhir", "f")])
def test_what_only_register_uses_is_refused_without_it(
    option: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert called("query", "--store", "pacs", "--all", *option, "--stores", str(tmp_path / "none.yaml")) == 2
    said = capsys.readouterr().err
    assert "add --register" in said
    assert option[0] in said


def test_a_search_that_fails_prints_no_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stores = tmp_path / "stores.yaml"
    stores.write_text(
        "stores: {pacs: {kind: dicomweb, url: 'http://127.0.0.1:1', patient_system: urn:x, attempts: 1}}\n"
    )
    assert called("query", "--store", "pacs", "--all", "--stores", str(stores)) == 4
    assert called("query", "--store", "pacs", "--date", "2024-03-15", "--stores", str(stores)) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "write 20240131" in said.err


def test_blanks_around_what_is_searched_for_do_not_count(patient: str, stores: Path) -> None:
    assert called("query", "--store", "pacs", "--patient", f" {patient} ", "--stores", str(stores)) == 0


def test_what_was_registered_is_completed_by_dataset(
    patient: str, stores: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--stores", str(stores))
    register = ("--store", "pacs", "--patient", patient, "--register", "--dataset", "later")
    content = YAML(typ="safe").load(stores)
    content["stores"]["search"]["index"] += "_later"
    YAML().dump(content, stores)
    assert called("query", *register, *options) == 0
    assert called("complete", "--dataset", "none-such", *options) == 2
    assert "no dataset 'none-such' in the bucket; it has: later" in capsys.readouterr().err
    capsys.readouterr()
    assert called("complete", "--series", "1.2.3", *options) == 126
    assert (
        "not in the index, so register first (multimodal query --register): 1 series (1.2.3)" in capsys.readouterr().out
    )
    assert called("complete", "--dataset", "later", *options) == 0
    assert "documents completed" in capsys.readouterr().out
    with SeriesIndex(load_stores(stores).get("search")) as index:
        uids = read_dataset(FolderBucket(tmp_path / "bucket"), "later")
        assert all(is_complete(index.get(uid) or {}) for uid in uids)
    search = load_stores(stores).get("search")
    requests.delete(f"{search.url}/{search.index}", timeout=30)
