"""Scans of a store with pseudonyms meet the table's rows in one pseudonymous Patient."""

import dataclasses

import pytest

from multimodal.model.references import PatientRef
from multimodal.privacy.keys import PrivacyKey, PrivacyKeyError
from multimodal.privacy.pseudonyms import Pseudonyms
from multimodal.transport.stores import Store, Stores
from multimodal.workflows.scanned_patients import ScannedPatients

KEY = "0123456789abcdef0123456789abcdef"
ENTRY = {
    "kind": "dicomweb",
    "url": "http://127.0.0.1:9/dicom-web",
    "patient_system": "urn:pacs",
    "pseudonyms": {"key_env": "STUDY_KEY", "date_shift_days": 100},
}
STUDY = {
    "resourceType": "ImagingStudy",
    "started": "2012-07-21T10:00:00Z",
    "series": [{"uid": "1.2", "started": "2012-07-21T10:05:00Z"}],
}


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("STUDY_KEY", KEY)
    return Stores({"pacs": ENTRY}).get("pacs")


def test_patient_is_the_pseudonym_under_its_own_system(store: Store) -> None:
    pseudonyms = Pseudonyms(PrivacyKey(KEY.encode()), "urn:pacs")
    assert ScannedPatients.of(store).ref("P-1") == PatientRef("urn:pacs:pseudonym", pseudonyms.patient("P-1"))


def test_dates_of_a_study_move_together_and_it_is_marked(store: Store) -> None:
    days = Pseudonyms(PrivacyKey(KEY.encode()), "urn:pacs").shift("P-1", 100)
    told = ScannedPatients.of(store).told("P-1", STUDY)
    assert told["meta"]["security"][0]["code"] == "PSEUDED"
    assert told["started"] != STUDY["started"]
    assert told["started"][:10] == told["series"][0]["started"][:10]
    assert told["series"][0]["started"][10:] == "T10:05:00Z"
    assert ScannedPatients.of(store).told("P-1", STUDY) == told
    assert -100 <= days <= 100


def test_store_without_pseudonyms_tells_all() -> None:
    plain = ScannedPatients("urn:pacs")
    assert plain.ref("P-1") == PatientRef("urn:pacs", "P-1")
    assert plain.told("P-1", STUDY) == STUDY


def test_missing_key_stops_before_anything_is_read() -> None:
    with pytest.raises(PrivacyKeyError, match="STUDY_KEY"):
        ScannedPatients.of(Stores({"pacs": ENTRY}).get("pacs"))


def test_pseudonyms_of_two_issuers_differ(store: Store) -> None:
    patients = ScannedPatients.of(dataclasses.replace(store, patient_system="urn:idc:{issuer}"))
    expected = Pseudonyms(PrivacyKey(KEY.encode()), "urn:idc:lung")
    lung, brain = patients.issued_by("lung"), patients.issued_by("brain")
    assert lung is not None
    assert brain is not None
    assert lung.ref("P-1") == PatientRef("urn:idc:lung:pseudonym", expected.patient("P-1")) != brain.ref("P-1")
    assert lung.told("P-1", STUDY)["started"] != STUDY["started"]
    assert patients.issued_by("") is None
    plain = ScannedPatients.of(store)
    assert plain.issued_by("") is plain.issued_by("lung") is plain
