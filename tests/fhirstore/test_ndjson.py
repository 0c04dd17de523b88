from __future__ import annotations

from pathlib import Path

import pytest

from multimodal.fhirstore import Group, NdjsonFolder
from multimodal.model.errors import ConfigurationError
from tests.fhirstore.conftest import Study


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir())}


def test_files_are_sorted_and_the_order_of_rows_does_not_matter(study: Study, tmp_path: Path) -> None:
    study.load(NdjsonFolder(tmp_path / "a"), tmp_path / "a.sqlite", study.groups(20))
    study.load(NdjsonFolder(tmp_path / "b"), tmp_path / "b.sqlite", study.groups(20)[::-1])
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    assert list(contents(tmp_path / "a")) == ["Condition.ndjson", "Observation.ndjson", "Patient.ndjson"]
    ids = [resource["id"] for resource in NdjsonFolder(tmp_path / "a").resources("Observation")]
    assert ids == sorted(ids)
    assert len(ids) == 60


def test_what_others_wrote_stays(study: Study, tmp_path: Path) -> None:
    other, folder = Study(), NdjsonFolder(tmp_path / "out")
    other.load(folder, tmp_path / "other", other.groups(3))
    study.load(folder, tmp_path / "manifest", study.groups(4))
    assert len(list(folder.resources("Observation"))) == 21
    assert len(list(folder.of_source(study.source))) == 20


def test_an_unchanged_load_touches_no_file(study: Study, tmp_path: Path) -> None:
    study.load(NdjsonFolder(tmp_path / "out"), tmp_path / "manifest", study.groups(4))
    before = {file: file.stat().st_ino for file in (tmp_path / "out").iterdir()}
    (tmp_path / "manifest").unlink()
    for _ in range(2):
        assert study.load(NdjsonFolder(tmp_path / "out"), tmp_path / "manifest", study.groups(4)).total == 0
    assert {file: file.stat().st_ino for file in (tmp_path / "out").iterdir()} == before


def test_a_line_that_is_no_resource_is_named(study: Study, tmp_path: Path) -> None:
    (tmp_path / "Patient.ndjson").write_text('{"resourceType": "Patient", "id": "a"}\n[1]\n')
    with pytest.raises(ConfigurationError, match=r"Patient.ndjson:2: ") as error:
        study.load(NdjsonFolder(tmp_path), tmp_path / "m.sqlite", [Group([study.patient(0)])])
    assert error.value.line == 2


def test_a_folder_that_cannot_be_written_is_an_error(study: Study, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="cannot write"):
        study.load(NdjsonFolder(tmp_path / "file"), tmp_path / "m.sqlite", study.groups(1))


def test_more_than_one_portion_of_each_type(study: Study, tmp_path: Path) -> None:
    """The manifest records a type while the next is being read."""
    report = study.load(NdjsonFolder(tmp_path / "out"), tmp_path / "manifest", study.groups(1100))
    assert report.created["Patient"] == len(list(NdjsonFolder(tmp_path / "out").resources("Patient"))) == 1100
