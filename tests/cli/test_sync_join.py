"""``multimodal sync`` and ``multimodal join`` as a person calls them."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest
import requests
from ruamel.yaml import YAML

from multimodal.cli import main
from multimodal.dicomweb import open_dicomweb
from multimodal.transport.stores import Store, load_stores
from tests.fakes.dicom_files import make_instance


def called(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    return int(ended.value.code or 0)


@pytest.fixture
def study(orthanc: Store, tmp_path: Path) -> str:
    """A study of a patient of its own in the shared store; the Patient ID."""
    patient = f"CLI-{uuid.uuid4().hex[:8]}"
    image = make_instance(patient, 1, patient=patient)
    image.save_as(tmp_path / "one.dcm", enforce_file_format=True)
    with open_dicomweb(orthanc) as dicom:
        assert dicom.push([tmp_path / "one.dcm"]).failed == ()
    return patient


@pytest.fixture
def stores(stores_file: Path, tmp_path: Path) -> Path:
    """The stores file with a bucket of the test's own: the shared one's manifests are others' memory."""
    content = YAML(typ="safe").load(stores_file)
    content["stores"]["bucket"]["path"] = str(tmp_path / "bucket")
    file = tmp_path / "stores.yaml"
    YAML().dump(content, file)
    return file


def test_sync_writes_once_and_says_so(study: str, stores: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert called("sync", "--patient", study, "--stores", str(stores)) == 0
    assert "ImagingStudy created" in capsys.readouterr().out
    assert called("sync", "--patient", study, "--stores", str(stores)) == 0
    assert "ImagingStudy unchanged" in capsys.readouterr().out


def test_sync_of_nobody_is_nothing_to_do(stores: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert called("sync", "--patient", f"NOBODY-{uuid.uuid4().hex}", "--stores", str(stores)) == 126
    assert "nothing to do" in capsys.readouterr().out


def test_join_into_an_index_of_the_project(study: str, stores: Path, capsys: pytest.CaptureFixture[str]) -> None:
    project = uuid.uuid4().hex[:12]
    search = load_stores(stores, project=project).get("search")
    try:
        assert called("join", "--stores", str(stores), "--project", project) == 0
        assert "documents created" in capsys.readouterr().out
        found = requests.get(f"{search.url}/{search.index}/_count", timeout=30).json()
        assert found["count"] >= 1
    finally:
        requests.delete(f"{search.url}/{search.index}", timeout=30)
        requests.delete(f"{search.url}/_index_template/multimodal-{search.index}", timeout=30)


def test_issues_go_to_the_file_that_was_named(stores: Path, tmp_path: Path, study: str) -> None:
    errors = tmp_path / "errors.csv"
    assert called("sync", "--patient", study, "--stores", str(stores), "--errors", str(errors)) == 0
    assert errors.read_text(encoding="utf-8-sig").startswith("row,sheet,record")


def test_an_index_that_is_down_is_one_line_and_exit_code_4(stores: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = YAML(typ="safe").load(stores)
    content["stores"]["search"].update(url="http://127.0.0.1:9", attempts=1)
    YAML().dump(content, stores)
    assert called("join", "--stores", str(stores)) == 4
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("multimodal: search: no answer from http://127.0.0.1:9")


def test_a_wrong_choice_file_is_named(stores: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    choice = tmp_path / "join.yaml"
    choice.write_text("join: 1\nfeatures: {original_shape_MeshVolume: 3}\n")
    assert called("join", "--stores", str(stores), "--features", str(choice)) == 2
    assert "join.yaml: features/original_shape_MeshVolume" in capsys.readouterr().err
