from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multimodal.model.errors import InvalidUidError
from multimodal.model.ids import check_uid, hash_uid, patient_id, resource_id
from multimodal.model.references import PatientRef, SeriesRef, imaging_study_id

FHIR_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")  # FHIR R4 2.24.0.1 id
texts = st.text(max_size=40)


@given(texts, texts)
def test_patient_ids_are_legal_and_begin_with_p(system: str, value: str) -> None:
    made = patient_id(system, value)
    assert FHIR_ID.fullmatch(made)
    assert made.startswith("p")
    assert made == PatientRef(system, value).id


def test_the_same_patient_has_one_id_and_another_system_another() -> None:
    assert patient_id("urn:a", "1") != patient_id("urn:b", "1")
    assert patient_id("urn:a", "1") != patient_id("urn:a1", "")


def test_ids_do_not_change_between_releases() -> None:
    """Whoever imported with an earlier release must find the same resources again."""
    assert patient_id("urn:demo:pacs", "DEMO-001") == "p0444d037dd1d511a0173031040f6ae51f35ef897"
    assert resource_id("Observation", "study", "P1", "hb") == "o595b24fe529ce037a992e14b7437a5c06adce000"
    assert hash_uid("study", "1") == "2.25.159416568555713548132027964793288135254"


def test_a_patient_id_is_never_made_as_another_resource_id() -> None:
    with pytest.raises(ValueError, match="patient_id"):
        resource_id("Patient", "x")


def test_types_do_not_collide() -> None:
    kinds = ("Observation", "Condition", "Device", "BodyStructure", "Procedure", "Provenance", "Encounter", "Endpoint")
    assert len({resource_id(kind, "x") for kind in kinds}) == len(kinds)
    assert imaging_study_id("1.2.3").startswith("i")


@given(texts)
def test_hashed_uids_are_uids(text: str) -> None:
    assert check_uid(hash_uid(text)) == hash_uid(text)


@pytest.mark.parametrize(
    "text", ["", "1", "1.", ".1", "1..2", "1.02", "../../etc/passwd", "1.2/3", "1.2\n", "1." + "2" * 63, "1.2.a"]
)
def test_what_is_no_uid_never_becomes_a_path(text: str) -> None:
    with pytest.raises(InvalidUidError):
        check_uid(text)
    with pytest.raises(InvalidUidError):
        SeriesRef("1.2.3", text)
