"""Rows of patients that the target should have and does not are told, and nothing of them is stored."""

from pathlib import Path

import orjson
import pytest

from multimodal.bucket import FolderBucket
from multimodal.fhirstore import NdjsonFolder
from multimodal.model.ids import patient_id
from multimodal.model.results import WorkflowResult
from multimodal.workflows.import_clinical import import_clinical

MAPPING = """\
fhirmap: 1
id: known
source: {{type: csv}}
subject: {{id: pid, system: urn:known{more}}}
columns:
  pid: {{patient: id}}
  weight: {{observation: 'LNC#29463-7 "Body weight"', type: number, unit: kg}}
"""


@pytest.fixture
def target(tmp_path: Path) -> NdjsonFolder:
    """Return a folder that has P-1 already, as sync-imaging leaves it."""
    (tmp_path / "out").mkdir()
    known = {
        "resourceType": "Patient",
        "id": patient_id("urn:known", "P-1"),
        "identifier": [{"system": "urn:known", "value": "P-1"}],
    }
    (tmp_path / "out" / "Patient.ndjson").write_bytes(orjson.dumps(known) + b"\n")
    return NdjsonFolder(tmp_path / "out")


def run(folder: Path, target: NdjsonFolder, more: str) -> WorkflowResult:
    (folder / "known.yaml").write_text(MAPPING.format(more=more))
    (folder / "table.csv").write_text("pid,weight\nP-1,60\nP-2,70\n")
    bucket = FolderBucket(folder / "bucket")
    mapping = folder / "known.yaml"
    return import_clinical([folder / "table.csv"], mapping, target=target, bucket=bucket, report_dir=None, run_id="1")


@pytest.mark.parametrize("more", [", dicom: {must_exist: true}", ", create: never"])
def test_unknown_patient_is_told_and_the_others_are_stored(tmp_path: Path, target: NdjsonFolder, more: str) -> None:
    result = run(tmp_path, target, more)
    assert [(issue.code, issue.row, issue.column, issue.value) for issue in result.issues] == [
        ("E701", 3, "pid", "P-2")
    ]
    assert [made["valueQuantity"]["value"] for made in target.resources("Observation")] == [60]
    assert len(list(target.resources("Patient"))) == 1


def test_never_leaves_the_patient_as_it_is(tmp_path: Path, target: NdjsonFolder) -> None:
    before = (tmp_path / "out" / "Patient.ndjson").read_bytes()
    run(tmp_path, target, ", create: never")
    assert (tmp_path / "out" / "Patient.ndjson").read_bytes() == before


def test_without_either_every_patient_is_written(tmp_path: Path, target: NdjsonFolder) -> None:
    assert len(run(tmp_path, target, "").issues) == 0
    assert len(list(target.resources("Patient"))) == 2


def test_if_missing_creates_the_patients_that_are_not_there_and_leaves_the_others(
    tmp_path: Path, target: NdjsonFolder
) -> None:
    before = (tmp_path / "out" / "Patient.ndjson").read_bytes()
    result = run(tmp_path, target, ", create: if-missing")
    assert list(result.issues) == []
    assert (result.counts["Patient created"], result.counts["Patient unchanged"]) == (1, 1)
    assert (tmp_path / "out" / "Patient.ndjson").read_bytes().count(b"\n") == 2
    assert before in (tmp_path / "out" / "Patient.ndjson").read_bytes()
    assert [made["valueQuantity"]["value"] for made in target.resources("Observation")] == [60, 70]
    assert "Patient created" not in run(tmp_path, target, ", create: if-missing").counts
