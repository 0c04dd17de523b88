"""Rows whose patients scans name otherwise: one Patient, the one that the image store's Patient ID means."""

from pathlib import Path

import pytest

from multimodal.mapping import MappingError
from multimodal.model.ids import patient_id
from multimodal.privacy.keys import PrivacyKey
from multimodal.privacy.pseudonyms import Pseudonyms
from tests.mapping.made import mapped, mapping_of, of_type, places, run_of

HEAD = """\
fhirmap: 1
id: made
source: {type: csv, key: [record, visit]}
subject: {id: record, system: urn:registry, dicom: {patient_id: scan_id, issuer: HERE}}
"""
COLUMNS = """\
columns:
  record: {patient: id}
  visit: {helper: number of the visit}
  scan_id: {patient: identifier, system: urn:pacs}
  weight: {observation: 'LNC#29463-7 "Body weight"', type: number, unit: kg}
"""
TABLE = "record,visit,scan_id,weight\n1,1,,60\n1,2,PAT-7,61\n2,1,,70\n"


def test_patient_is_that_of_the_scans_with_both_identifiers(tmp_path: Path) -> None:
    resources, issues = mapped(tmp_path, COLUMNS, TABLE, HEAD)
    assert issues == []
    scanned, other = patient_id("urn:pacs", "PAT-7"), patient_id("urn:registry", "2")
    patients = {made["id"]: made for made in of_type(resources, "Patient")}
    assert patients.keys() == {scanned, other}
    assert patients[scanned]["identifier"] == [
        {"system": "urn:registry", "value": "1"},
        {"assigner": {"display": "HERE"}, "system": "urn:pacs", "value": "PAT-7"},
    ]
    subjects = [made["subject"]["reference"] for made in of_type(resources, "Observation")]
    assert subjects == [f"Patient/{scanned}", f"Patient/{scanned}", f"Patient/{other}"]


def test_order_of_rows_does_not_matter(tmp_path: Path) -> None:
    lines = TABLE.splitlines()
    backwards = "\n".join([lines[0], *reversed(lines[1:])])
    first, _ = mapped(tmp_path, COLUMNS, TABLE, HEAD)
    second, _ = mapped(tmp_path, COLUMNS, backwards, HEAD)
    assert sorted(first, key=str) == sorted(second, key=str)


def test_two_patient_ids_of_one_patient_are_told(tmp_path: Path) -> None:
    run = run_of(tmp_path, COLUMNS, TABLE + "1,3,PAT-9,62\n", HEAD)
    assert [(issue.code, issue.column, issue.value) for issue in run.issues] == [("E506", "scan_id", "PAT-9")]


def test_ids_of_observations_do_not_depend_on_the_patient_id(tmp_path: Path) -> None:
    first, _ = mapped(tmp_path, COLUMNS, TABLE, HEAD)
    second, _ = mapped(tmp_path, COLUMNS, TABLE.replace("PAT-7", ""), HEAD)
    assert [made["id"] for made in of_type(first, "Observation")] == [
        made["id"] for made in of_type(second, "Observation")
    ]


def test_pseudonyms_are_those_of_the_image_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STUDY_KEY", "0123456789abcdef")
    head = HEAD + "privacy: {id: hmac, key_env: STUDY_KEY, date_shift: {max_days: 100}}\n"
    resources, issues = mapped(tmp_path, COLUMNS, TABLE, head)
    assert places(issues) == []
    names = Pseudonyms(PrivacyKey(b"0123456789abcdef"), "urn:pacs")
    patients = {made["id"]: made for made in of_type(resources, "Patient")}
    scanned = patients[patient_id("urn:pacs:pseudonym", names.patient("PAT-7"))]
    assert scanned["identifier"][1]["value"] == names.patient("PAT-7")
    assert not any("PAT-7" in str(made) for made in resources)


def test_column_that_is_no_identifier_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MappingError, match=r"made.yaml:4:\d+: 'visit' must be a column with `patient: identifier`"):
        mapping_of(tmp_path, COLUMNS, HEAD.replace("patient_id: scan_id", "patient_id: visit"))
